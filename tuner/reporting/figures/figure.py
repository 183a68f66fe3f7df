"""What a figure is: a drawing, the sentence that says what to see in it, and the trials its dots stand for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its title, its sentence and its key to the colors.

    ``legend`` lists (style, words); ``trials`` maps trial numbers to the pixel (x, y) of their dot, for hovering and
    clicking; ``wide`` figures take the page's whole width.
    """

    title: str
    sentence: str
    svg: str
    legend: tuple[tuple[str, str], ...] = ()
    trials: dict[int, tuple[float, float]] = field(default_factory=dict)
    wide: bool = False
