"""Goals beside the figures that were measured for them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A figure and the bounds it has to keep; ``error`` is the figure's own standard error (0: not sampled)."""

    name: str
    value: float
    low: float = -math.inf
    high: float = math.inf
    error: float = 0.0

    def kept(self, slack: float = 0.0) -> bool:
        """Whether the figure is within its bounds, loosened by ``slack`` standard errors; NaN: nothing was there."""
        if math.isnan(self.value):
            return True
        return self.low - slack * self.error <= self.value <= self.high + slack * self.error

    def __str__(self) -> str:
        bounds = [f">= {self.low:g}"] * math.isfinite(self.low) + [f"<= {self.high:g}"] * math.isfinite(self.high)
        if not bounds:
            return f"  {self.name:<64}{self.value:>8.3f}  (beside it)"
        if math.isnan(self.value):
            return f"{self.name:<66}       –  (nothing to measure)"
        return f"{self.name:<66}{self.value:>8.3f}  ({' and '.join(bounds)}) {'reached' if self.kept() else 'MISSED'}"


def rate_goal(
    name: str, hits: ArrayLike, clusters: ArrayLike, *, low: float = -math.inf, high: float = math.inf
) -> Goal:
    """A share of hits against its bounds; standard error: the larger of a binomial's at the bound and the clusters'.

    Hits of one made problem are not independent: the clusters' error is that of the mean of the problems' shares.
    """
    was_hit, of = np.asarray(hits, dtype=float), np.asarray(clusters)
    if not len(was_hit):
        return Goal(name=name, value=math.nan, low=low, high=high)
    bound = low if math.isfinite(low) else high
    means = np.array([was_hit[of == cluster].mean() for cluster in np.unique(of)])
    spread = means.std(ddof=1) / math.sqrt(len(means)) if len(means) > 1 else 0.0
    error = max(math.sqrt(bound * (1 - bound) / len(was_hit)), float(spread))
    return Goal(name=name, value=float(was_hit.mean()), low=low, high=high, error=error)
