"""What a network predicts in place of a number whose distribution is skewed: ``[data] target_transform``.

Each form is fitted on the training rows, rises with the number, and is undone for whatever is reported.  z is what the
network predicts.

- log: z is the standardized signed logarithm sign(x) · log(1 + |x| / c), which zero and negative numbers have, too; c
  is the 1st percentile of the sizes |x| that are not 0, so that of almost all others z is the logarithm.
- quantile: z is the normal quantile of the share of rows below x, linear between and beyond knots.
- ratio: z is x / mean, a multiple of the mean; for counts, whose logarithm the network's output is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

Doubles = npt.NDArray[np.float64]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
TransformName = Literal["log", "quantile", "ratio"]
BEYOND = 10.0
"""Predictions of log and ratio are at most so many times the largest training number."""


@dataclass(frozen=True, slots=True)
class TargetTransform:
    """A fitted form: z = (signed log of x − center) / width, or as the knots (x, z) say.

    ``toe``: c of the logarithm.  ``low``, ``high``: what predictions z are limited to.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    name: TransformName
    low: Finite
    high: Finite
    center: Finite = 0.0
    width: Finite = 1.0
    toe: Finite = 1.0
    knots: tuple[Finite, ...] = ()
    values: tuple[Finite, ...] = ()

    def __post_init__(self) -> None:
        for knots in (self.knots, self.values):
            rising = all(below < above for below, above in pairwise(knots))
            if not rising or (len(knots) < 2) != (self.name != "quantile") or len(knots) != len(self.knots):
                raise ValueError(f"knots of {self.name}: expected two or more rising pairs of quantile, or none")
        if not (self.width > 0 and self.toe > 0 and self.low < self.high):
            raise ValueError(f"{self.name}: expected width > 0, toe > 0 and low < high")

    def of(self, numbers: Any) -> Doubles:
        """Return z of numbers."""
        x = np.asarray(numbers, dtype=np.float64)
        if self.name == "quantile":
            return _along(x, self.knots, self.values)
        if self.name == "log":
            x = np.sign(x) * np.log1p(np.abs(x) / self.toe)
        return np.asarray((x - self.center) / self.width)

    def undone(self, z: Any) -> Doubles:
        """Return the numbers of z."""
        z = np.asarray(z, dtype=np.float64)
        if self.name == "quantile":
            return _along(z, self.values, self.knots)
        x = self.center + self.width * z
        return np.asarray(np.sign(x) * self.toe * np.expm1(np.abs(x)) if self.name == "log" else x)


def _along(x: Doubles, knots: tuple[float, ...], values: tuple[float, ...]) -> Doubles:
    """Interpolate between knots; beyond them the first and the last line go on."""
    at, of = np.array(knots), np.array(values)
    k = np.clip(np.searchsorted(at, x) - 1, 0, len(at) - 2)
    return np.asarray(of[k] + (x - at[k]) * ((of[k + 1] - of[k]) / (at[k + 1] - at[k])))


def fit_log(numbers: Doubles) -> TargetTransform:
    """Fit the signed logarithm on training numbers (n,) that are not all equal."""
    sizes = np.abs(numbers[numbers != 0])
    toe = max(float(np.quantile(sizes, 0.01)), float(sizes.max()) * 1e-12)
    low, high = float(numbers.min()), float(numbers.max())
    ends = [low * BEYOND if low < 0 else low / BEYOND, high * BEYOND if high > 0 else high / BEYOND]
    logs, of_ends = (np.sign(x) * np.log1p(np.abs(x) / toe) for x in (numbers, np.array(ends)))
    center, width = float(logs.mean()), float(logs.std())
    low, high = ((of_ends - center) / width).tolist()
    return TargetTransform("log", low, high, center, width, toe)


def fit_quantile(knots: tuple[float, ...], values: tuple[float, ...]) -> TargetTransform:
    """Make the form of knots: numbers and their normal quantiles, both rising.  Predictions stay between them."""
    return TargetTransform("quantile", values[0], values[-1], knots=knots, values=values)


def fit_ratio(counts: Doubles) -> TargetTransform:
    """Return multiples of the mean of training counts (n,) that are not all 0."""
    mean = float(counts.mean())
    return TargetTransform("ratio", 0.0, BEYOND * float(counts.max()) / mean, width=mean)


SKEWED = 1.0
"""Skewness, without its sign, above which "auto" transforms the target, or a number among the inputs."""


def skewness(numbers: Doubles) -> float:
    """Return the skewness of numbers (n,) that are not all equal."""
    apart = numbers - numbers.mean()
    return float(np.mean((apart / apart.std()) ** 3))
