"""Intervals of a measured error, and of the difference of two errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tuner.errors import ArgumentError
from tuner.units import SHARE, Unit

Z95 = 1.959963984540054  # the standard normal's 97.5% point: two-sided 95%
MOST = 300.0  # of a logarithm: no end of an interval is infinite
ORDINARY = 3.0  # skewness of squared errors up to which their tail is as that of normal ones, whose skewness is 2.8
ROUNDING = 1e-6  # by which a sum of weights may exceed the number of examples
Z_POWER = 0.8416212335729143  # its 80% point: a test finds what is so far beyond its end in four of five samples


def wilson(wrong: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval for ``wrong`` of ``n``: all p with |wrong/n − p| ≤ z·√(p(1−p)/n).

    The lower end is exactly 0 at zero errors, the upper exactly 1 at ``n`` errors; (0, 1) if ``n`` is 0. ``wrong`` may
    be a fraction (a corrected error times its examples). (Wilson 1927)
    """
    if n <= 0:
        return 0.0, 1.0
    p = wrong / n
    center = p + z * z / (2 * n)
    half = z * math.sqrt(max(p * (1 - p), 0.0) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if wrong <= 0 else max(0.0, (center - half) / scale)
    high = 1.0 if wrong >= n else min(1.0, (center + half) / scale)
    return min(low, p), max(high, p)


@dataclass(frozen=True, slots=True)
class Spread:
    """How much the squared errors of examples differ, which decides how well their root mean square is known.

    ``deviation``: √n times the relative standard error of the mean of n. ``skewness``: of the examples' squared errors,
    or of their sums in groups; ``units``: such examples or groups per example. ``share``: as many examples of one and
    the same squared error, per example, would have the same sum and sum of squares.  ``power``: the error is the mean
    to this power, 1 for the absolute errors of a mean absolute error.  ``beyond``: the same with one more example as
    far off as the farthest, which is so many times (``farthest``) as far as the mean; None where squared errors are no
    more skewed than those of normal residuals.
    """

    deviation: float
    skewness: float
    share: float
    units: float = 1.0
    power: float = 0.5
    farthest: float = 1.0
    beyond: Spread | None = None

    @classmethod
    def of(
        cls,
        squares: NDArray[np.floating],
        groups: NDArray[np.integer] | None = None,
        weights: NDArray[np.floating] | None = None,
    ) -> Spread:
        """Return the spread of squared errors (n,), times the ``weights`` (n,), multiples of their mean, if any.

        Examples of one of the ``groups`` (n,) stay together.
        """
        losses = np.asarray(squares, dtype=np.float64)
        n, sizes = len(losses), np.ones(len(losses)) if weights is None else np.asarray(weights, dtype=np.float64)
        if not losses.sum():
            return cls(0.0, 0.0, 1.0)
        if groups is not None:
            unit = np.unique(groups, return_inverse=True)[1]
            losses, sizes = (np.bincount(unit, each).astype(np.float64) for each in (losses, sizes))
        spread, per_unit = cls._of_units(losses, sizes, n), n / len(losses)
        if spread.skewness <= ORDINARY:
            return spread
        mean = losses.sum() / sizes.sum()
        k = int((losses - mean * sizes).argmax())
        losses, sizes = np.append(losses, losses[k]), np.append(sizes, sizes[k])
        return replace(
            spread,
            farthest=float(losses[k] / (mean * sizes.mean())),
            beyond=cls._of_units(losses, sizes, n + per_unit),
        )

    @classmethod
    def _of_units(cls, losses: NDArray[np.float64], sizes: NDArray[np.float64], n: float) -> Spread:
        """Return the spread of the sums of groups, or of examples, from these and the sums of their weights."""
        n_units, mean = len(losses), losses.sum() / n
        apart = losses - losses.sum() / sizes.sum() * sizes
        variance = float(np.square(apart).sum()) * n_units / max(n_units - 1, 1)
        deviation = math.sqrt(variance / n) / mean if n_units > 1 else math.sqrt(n)
        typical = float(apart.std())
        skewness = float(((apart - apart.mean()) ** 3).mean()) / typical**3 if typical else 0.0
        return cls(deviation, skewness, float(losses.sum() ** 2 / np.square(losses).sum()) / n, n_units / n)

    def factors(self, n: float, z: float) -> tuple[float, float]:
        """Return by what the root mean square of n examples is to be multiplied for its lower and upper end.

        The logarithm of the mean ± Student's t of its standard errors, at as many degrees of freedom as examples count
        in it; the upper end is raised by the skewness of the studentized logarithm, of which a sample shows too little
        rather than too much.  (Hall 1992: its Edgeworth expansion, log m having the skewness of m less √n·σ/m.)

        A heavy tail shows in a sample as skewness, but not how far it reaches: the upper end is then that of the sample
        with one more example as far off as the farthest, all of it from a skewness of 4 on, nothing up to 3.
        """
        if n <= 0:
            return 0.0, math.inf
        low, up = self._exponents(n, z)
        if self.beyond is not None and z > 0:
            n_units = self.units * n
            _, with_it = replace(self.beyond, power=self.power)._exponents(n + 1 / self.units, z)
            with_it += self.power * math.log((n_units + self.farthest) / (n_units + 1))
            weight = min(self.skewness - ORDINARY, 1.0) * min(z / Z95, 1.0)
            up += weight * max(with_it - up, 0.0)
        return math.exp(-min(low, MOST)), math.exp(min(up, MOST))

    def _exponents(self, n: float, z: float) -> tuple[float, float]:
        """Return the logarithms of the factors of this sample alone, the first one's positive."""
        from scipy.special import stdtrit

        error = self.deviation / math.sqrt(n) * self.power
        t = float(stdtrit(max(self.share * n, 1.0), NormalDist().cdf(z)))
        skewed = (2 * z * z + 1) * self.skewness / 6 - self.deviation * math.sqrt(self.units) * z * z / 2
        more = max(skewed, 0.0) / math.sqrt(self.units * n)
        return t * error, (t + more) * error


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEstimate:
    """An error (fraction wrong, or RMSE), what it is based on, and its 95% interval.

    ``n``: its examples (None: the value is exact); ``n_effective``: the number of independent ones of one weight, if
    they come in groups or have weights. ``low_from`` is a second value: the lower end is then the smaller of the two
    Wilson ends, as for a selection-corrected dev error. ``spread``: of the squared errors, for an RMSE. ``most``: the
    largest loss of an example, 1 where it is wrong or not.
    """

    value: float
    n: int | None = None
    n_effective: float | None = None
    low_from: float | None = None
    spread: Spread | None = None
    most: float = 1.0

    @classmethod
    def exact(cls, value: float, unit: Unit = SHARE) -> ErrorEstimate:
        """Return an exact error, whose interval is the value itself."""
        if unit.is_percent and not 0 <= value <= 1:
            raise ArgumentError(f"an error is a fraction in [0, 1], got {value}")
        if not 0 <= value < math.inf:
            raise ArgumentError(f"an error is a number ≥ 0, got {value}")
        return cls(value=float(value))

    @classmethod
    def of_squares(cls, total: float, of: int, unit: Unit, spread: Spread) -> ErrorEstimate:
        """Return the RMSE of a sum of standardized squared errors of ``of`` examples; NaN without examples.

        Where the unit's error is the mean absolute error, that of absolute errors.
        """
        spread = replace(spread, power=1.0 if unit.is_absolute else 0.5)
        return cls(value=float(unit.error(total / of)) if of else math.nan, n=int(of), spread=spread)

    @classmethod
    def measured(cls, wrong: float, of: int, n_effective: float | None = None, *, most: float = 1.0) -> ErrorEstimate:
        """Return the error of ``wrong`` out of ``of`` examples; NaN with the interval (0, most) without examples.

        ``wrong`` may be a mean over several networks, a sum of weights whose mean is 1, or one of losses up to
        ``most``.
        """
        if not -ROUNDING * of <= wrong <= of * most * (1 + ROUNDING):
            raise ArgumentError(f"0 <= wrong <= of must hold, got wrong={wrong}, of={of}")
        value = min(max(float(wrong / of), 0.0), most) if of else math.nan
        return cls(value=value, n=int(of), n_effective=n_effective, most=most)

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Return the lower and upper end at ``z`` standard errors."""
        if self.n is None:
            return self.value, self.value
        n = self.n if self.n_effective is None else self.n_effective
        if self.spread is not None:
            down, up = self.spread.factors(n, z)
            least = self.value if self.low_from is None else min(self.value, self.low_from)
            return least * down, self.value * up
        if n <= 0 or math.isnan(self.value):
            return 0.0, self.most
        low, high = wilson(self.value / self.most * n, n, z)
        if self.low_from is not None:
            low = min(low, wilson(self.low_from / self.most * n, n, z)[0])
        return self.most * low, self.most * high

    @property
    def low(self) -> float:
        """Lower end of the 95% interval."""
        return self.interval()[0]

    @property
    def high(self) -> float:
        """Upper end of the 95% interval."""
        return self.interval()[1]


def difference_interval(a: ErrorEstimate, b: ErrorEstimate, z: float = Z95) -> tuple[float, float]:
    """Return the interval of a − b for disjoint samples: Newcombe's method 10, from the ends of both intervals.

    Lower end d − √((a−a_lo)² + (b_hi−b)²), upper end d + √((a_hi−a)² + (b−b_lo)²) with d = a − b.  (Newcombe 1998)
    """
    a_low, a_high = a.interval(z)
    b_low, b_high = b.interval(z)
    d = a.value - b.value
    return d - math.hypot(a.value - a_low, b_high - b.value), d + math.hypot(a_high - a.value, b.value - b_low)
