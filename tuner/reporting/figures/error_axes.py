"""Axes of errors that fit the errors, linear and logarithmic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tuner.reporting.figures.figure import Positions
from tuner.reporting.svg import AxisScale
from tuner.units import SHARE, Unit

WIDE = 8.0  # times the lowest error: a wider spread is shown on a logarithmic scale first
DECADES = 1000.0  # times lower than the highest error: what is below is drawn at the edge
FROM_ZERO = 0.35  # of the highest error: an axis that would begin below it begins at 0
LEAST = 0.005


@dataclass(frozen=True, slots=True)
class ErrorAxis:
    """The ends of an axis of errors; ``kind`` is linear or log."""

    low: float
    high: float
    kind: str

    def on(self, scale: Callable[[float, float, str], AxisScale]) -> AxisScale:
        """Return the axis on a side of a plot."""
        return scale(self.low, self.high, self.kind)

    def grid(self) -> np.ndarray:
        """Return values along the axis, for a curve."""
        return (np.geomspace if self.kind == "log" else np.linspace)(self.low, self.high, 80)


def error_axis(errors: ArrayLike, kind: str, unit: Unit = SHARE, *, also: ArrayLike = ()) -> ErrorAxis:
    """Fit an axis to errors: a few that are far above the others do not stretch it, those of ``also`` always do."""
    least, most = (LEAST, 1.0) if unit.is_percent else (LEAST * unit.size, math.inf)
    known = np.asarray(errors, float)
    known = known[np.isfinite(known)]
    high = max(min(float(known.max()), 2 * float(np.quantile(known, 0.9))), *np.ravel(also).tolist(), least)
    every = np.append(known, also)
    low = float(every.min())
    if kind == "log":
        positive = every[every > 0]
        low = max(float(positive.min()) if len(positive) else high, high / DECADES)
        return ErrorAxis(min(low, high / 2) / 1.2, min(high * 1.15, most), kind)
    margin = 0.06 * max(high - low, 0.2 * high)
    low = 0.0 if low < FROM_ZERO * high else min(low, high) - margin
    return ErrorAxis(max(low, 0.0), min(high + max(margin, 0.02 * high), most), kind)


def better_scale(errors: ArrayLike) -> str:
    """Return the scale that shows errors better: "log" if they are spread over about a decade."""
    known = np.asarray(errors, float)
    positive = known[np.isfinite(known) & (known > 0)]
    return "log" if len(positive) and np.quantile(positive, 0.9) > WIDE * positive.min() else "linear"


def both_scales(errors: ArrayLike, key: str, draw: Callable[[str, str], tuple[str, Positions]]) -> dict[str, Any]:
    """Draw on both scales, with ``draw(kind, id)``; return the fields ``svg``, ``scales`` and ``dots`` of a figure."""
    scales: dict[str, str] = {}
    dots: dict[str, Positions] = {}
    for kind in ("log", "linear") if better_scale(errors) == "log" else ("linear", "log"):
        name = key if not scales else f"{key}-{kind}"
        scales[kind], dots[name] = draw(kind, name)
    return {
        "svg": next(iter(scales.values())),
        "scales": scales,
        "dots": {name: positions for name, positions in dots.items() if positions},
    }
