"""A figure: a drawing, its caption and the trials of its dots."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its title, its caption and its legend.

    ``legend`` lists (style, words); ``trials`` maps trial numbers to the pixel (x, y) of their dot, for hovering and
    clicking; ``wide`` figures are as wide as the page.
    """

    title: str
    sentence: str
    svg: str
    legend: tuple[tuple[str, str], ...] = ()
    trials: dict[int, tuple[float, float]] = field(default_factory=dict)
    wide: bool = False
