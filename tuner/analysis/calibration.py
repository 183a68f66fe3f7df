"""Calibration of class probabilities: log loss, reliability and expected calibration error."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.intervals import wilson

BINS = 10
LEAST = float(np.finfo(np.float32).tiny)
"""Replaces probabilities that underflowed to 0, whose log loss would be infinite."""
MEAN_SIZE = math.sqrt(2 / math.pi)  # of a normal number with mean 0 and standard deviation 1
Z90 = 1.6448536269514722  # the standard normal's 95% point


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The examples whose most probable class has a probability in (low, high]: its mean (``confidence``) and the share
    that is right (``accuracy``) with its 95% interval.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """``error`` is Σ n/N · |accuracy − confidence| over the bins that hold examples.

    ``by_chance``: what it would be, on average, if the probabilities were right: not 0, for the examples of a bin are
    few.  ``by_chance_95``: what it would then exceed in 5 of 100 samples.

    (Naeini et al. 2015: expected calibration error; Bröcker & Smith 2007: its size by chance)
    """

    error: float
    by_chance: float
    by_chance_95: float
    bins: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        bins = [asdict(one) for one in self.bins]
        chance = {"error_by_chance": self.by_chance, "error_by_chance_95": self.by_chance_95}
        return {"error": self.error, **chance, "bins": bins}


@dataclass(frozen=True, slots=True)
class Calibration(Reliability):
    """The same with the log loss, −mean log p(y)."""

    log_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {"log_loss": self.log_loss, **Reliability.to_dict(self)}


def calibration(
    probabilities: NDArray[np.floating], y: NDArray[np.integer], weights: NDArray[np.floating] | None = None
) -> Calibration:
    """Calibration of class probabilities (n, n_classes), n > 0, against the true classes y (n,).

    ``weights``: (n,) of the rows in every mean; None: alike.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    of_predicted = reliability(p.max(axis=1), p.argmax(axis=1) == y, weights)
    losses = -np.log(np.maximum(p[np.arange(len(y)), y], LEAST))
    log_loss = float(np.average(losses, weights=weights))
    return Calibration(
        of_predicted.error, of_predicted.by_chance, of_predicted.by_chance_95, of_predicted.bins, log_loss
    )


def reliability(
    confidence: NDArray[np.floating],
    right: NDArray[np.bool_],
    weights: NDArray[np.floating] | None = None,
    *,
    effective: float = 1.0,
) -> Reliability:
    """Compare the probability of the predicted class with which rows are right, (n,) each, n > 0.

    ``weights``: (n,) of the rows in every mean; None: alike.  ``effective``: for how many independent rows each counts.
    """
    w = np.ones(len(right)) if weights is None else np.asarray(weights, dtype=np.float64)
    p = np.asarray(confidence, dtype=np.float64)
    place = np.clip(np.ceil(p * BINS).astype(np.int64) - 1, 0, BINS - 1)
    bins, gaps, variances = [], 0.0, []
    for k in np.unique(place):
        inside = place == k
        n = int(inside.sum())
        mean, accuracy = (float(np.average(each[inside], weights=w[inside])) for each in (p, right))
        ends = wilson(accuracy * n * effective, n * effective)
        bins.append(ReliabilityBin(k / BINS, (k + 1) / BINS, n, mean, accuracy, *ends))
        gaps += float(w[inside].sum()) * abs(accuracy - mean)
        variances.append(float((w[inside] ** 2 * np.clip(p[inside] * (1 - p[inside]), 0, None)).sum()) / effective)
    mean = MEAN_SIZE * sum(map(math.sqrt, variances))
    high = mean + Z90 * math.sqrt((1 - MEAN_SIZE**2) * sum(variances))
    total = float(w.sum())
    return Reliability(gaps / total, mean / total, high / total, tuple(bins))
