"""Errors of predicted numbers by tenth of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.intervals import ErrorEstimate, Spread
from tuner.units import Unit

TENTHS = 10


@dataclass(frozen=True)
class Tenth:
    """The rows of a tenth of the target: the range of their numbers, how many they are, error and mean residual.

    A residual is the predicted number less the true one.
    """

    low: float
    high: float
    n: int
    error: ErrorEstimate
    residual: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        ends = {"error": self.error.value, "error_low": self.error.low, "error_high": self.error.high}
        return {"low": self.low, "high": self.high, "n": self.n, **ends, "residual": self.residual}


def errors_by_tenth(
    y: NDArray[np.floating],
    residuals: NDArray[np.floating],
    losses: NDArray[np.floating],
    unit: Unit,
    weights: NDArray[np.floating] | None = None,
    groups: NDArray[np.integer] | None = None,
) -> list[Tenth]:
    """Split rows by their true numbers (n,) into tenths, fewer where many are equal, and measure each.

    ``residuals``: (n,) in the unit of the numbers, ``losses``: (n,) what the unit's error is based on, ``weights``:
    (n,) of the rows, ``groups``: (n,) of dependent rows.
    """
    ends = np.unique(np.quantile(y, np.linspace(0, 1, TENTHS + 1)[1:-1]))
    place = np.searchsorted(ends, y, side="right")
    tenths = []
    for tenth in np.unique(place):
        rows = place == tenth
        own = None if weights is None else weights[rows] / weights[rows].mean()
        of_rows, n = losses[rows] * (1.0 if own is None else own), int(rows.sum())
        spread = Spread.of(of_rows, None if groups is None else groups[rows], own)
        error = ErrorEstimate.of_squares(float(of_rows.sum()), n, unit, spread)
        residual = float(np.average(residuals[rows], weights=own))
        tenths.append(Tenth(float(y[rows].min()), float(y[rows].max()), n, error, residual))
    return tenths
