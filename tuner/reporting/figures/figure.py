"""A figure: a drawing, its caption and the trials of its dots."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tuner.storage import TrialRecord

Positions = Mapping[int, tuple[float, float]]
"""Trial number -> the pixel (x, y) of its dot."""


def positions(listed: Container[int], trials: Sequence[TrialRecord], xs: np.ndarray, ys: np.ndarray) -> Positions:
    """Return where those trials are drawn whose numbers the page's table has, for hovering and clicking."""
    return {
        trial.number: (float(x), float(y)) for trial, x, y in zip(trials, xs, ys, strict=True) if trial.number in listed
    }


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its title, its caption and its legend.

    ``legend`` lists (style, words); ``dots`` maps the ids of drawings to the positions of their trials, for hovering
    and clicking; ``wide`` figures are as wide as the page. ``scales``: the same drawing on a linear and a logarithmic
    scale, the one that is shown first; empty where there is one only.
    """

    title: str
    sentence: str
    svg: str
    legend: tuple[tuple[str, str], ...] = ()
    dots: Mapping[str, Positions] = field(default_factory=dict)
    wide: bool = False
    scales: Mapping[str, str] = field(default_factory=dict)
