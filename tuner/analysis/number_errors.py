"""How far predicted numbers are from the true ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NumberErrors:
    """Root mean squared and mean absolute error, in the unit of the numbers, and the explained share of the variance.

    ``r2``: NaN if all true numbers are the same.
    """

    root_mean_squared_error: float
    mean_absolute_error: float
    r2: float

    @classmethod
    def of(cls, predicted: Doubles, y: Doubles, weights: NDArray[np.floating[Any]] | None = None) -> NumberErrors:
        """Measure predicted numbers (n,) against true ones (n,); ``weights`` (n,): what each row counts for."""
        residuals = predicted - y
        apart = np.square(y - np.average(y, weights=weights))
        unexplained = float(np.average(np.square(residuals), weights=weights))
        variance = float(np.average(apart, weights=weights))
        absolute = float(np.average(np.abs(residuals), weights=weights))
        return cls(math.sqrt(unexplained), absolute, 1 - unexplained / variance if variance else math.nan)

    @classmethod
    def of_each(
        cls, predicted: Doubles, y: Doubles, weights: NDArray[np.floating[Any]] | None = None
    ) -> list[NumberErrors]:
        """Measure each of several targets: predicted and true numbers are (n, n_targets)."""
        return [cls.of(each, of, weights) for each, of in zip(predicted.T, y.T, strict=True)]

    @classmethod
    def together(cls, each: Sequence[NumberErrors], scales: Doubles) -> NumberErrors:
        """Return the errors of several targets together, in their standard deviations ``scales`` (n_targets,).

        The mean of the squared, and of the absolute errors over the targets; R² is the mean of theirs.
        """
        squares = [(one.root_mean_squared_error / scale) ** 2 for one, scale in zip(each, scales, strict=True)]
        absolute = [one.mean_absolute_error / scale for one, scale in zip(each, scales, strict=True)]
        r2 = float(np.mean([one.r2 for one in each]))
        return cls(math.sqrt(np.mean(squares)), float(np.mean(absolute)), r2)

    def to_dict(self) -> dict[str, float | None]:
        """Return plain numbers; null where there is none."""
        return {name: None if math.isnan(of) else of for name, of in asdict(self).items()}
