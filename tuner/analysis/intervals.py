"""Intervals of a measured error, and of the difference of two errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.errors import ArgumentError

Z95 = 1.959963984540054  # the standard normal's 97.5% point: two-sided 95%
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEstimate:
    """An error (fraction wrong), what it is based on, and its 95% interval.

    ``n``: its examples (None: the value is exact); ``n_effective``: the number of independent ones of one weight, if
    they come in groups or have weights. ``low_from`` is a second value: the lower end is then the smaller of the two
    Wilson ends, as for a selection-corrected dev error.
    """

    value: float
    n: int | None = None
    n_effective: float | None = None
    low_from: float | None = None

    @classmethod
    def exact(cls, value: float) -> ErrorEstimate:
        """Return an exact error, whose interval is the value itself."""
        if not 0 <= value <= 1:
            raise ArgumentError(f"an error is a fraction in [0, 1], got {value}")
        return cls(value=float(value))

    @classmethod
    def measured(cls, wrong: float, of: int, n_effective: float | None = None) -> ErrorEstimate:
        """Return the error of ``wrong`` out of ``of`` examples; NaN with the interval (0, 1) without examples.

        ``wrong`` may be a mean over several networks, or a sum of weights whose mean is 1.
        """
        if not 0 <= wrong <= of * (1 + ROUNDING):
            raise ArgumentError(f"0 <= wrong <= of must hold, got wrong={wrong}, of={of}")
        return cls(value=min(float(wrong / of), 1.0) if of else math.nan, n=int(of), n_effective=n_effective)

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Return the lower and upper end at ``z`` standard errors."""
        if self.n is None:
            return self.value, self.value
        n = self.n if self.n_effective is None else self.n_effective
        if n <= 0 or math.isnan(self.value):
            return 0.0, 1.0
        low, high = wilson(self.value * n, n, z)
        if self.low_from is not None:
            low = min(low, wilson(self.low_from * n, n, z)[0])
        return low, high

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
