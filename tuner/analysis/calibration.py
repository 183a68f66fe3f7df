"""Calibration of class probabilities: log loss and expected calibration error."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10
LEAST = float(np.finfo(np.float32).tiny)
"""Replaces probabilities that underflowed to 0, whose log loss would be infinite."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The examples whose most probable class has a probability in (low, high]: its mean (``confidence``) and the share
    that is right (``accuracy``).
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """``log_loss`` is −mean log p(y); ``error`` is Σ n/N · |accuracy − confidence| over the bins that hold examples.

    (Naeini et al. 2015: expected calibration error.)
    """

    log_loss: float
    error: float
    bins: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {"log_loss": self.log_loss, "error": self.error, "bins": [asdict(one) for one in self.bins]}


def calibration(
    probabilities: NDArray[np.floating], y: NDArray[np.integer], weights: NDArray[np.floating] | None = None
) -> Calibration:
    """Calibration of class probabilities (n, n_classes), n > 0, against the true classes y (n,).

    ``weights``: (n,) of the rows in every mean; None: alike.
    """
    w = np.ones(len(y)) if weights is None else weights
    p = np.asarray(probabilities, dtype=np.float64)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    bins = []
    for k in np.unique(place):
        inside = place == k
        means = (float(np.average(each[inside], weights=w[inside])) for each in (confidence, right))
        bins.append(ReliabilityBin(k / BINS, (k + 1) / BINS, int(inside.sum()), *means))
    shares = np.bincount(place, weights=w)[np.unique(place)] / w.sum()
    gaps = [share * abs(one.accuracy - one.confidence) for share, one in zip(shares, bins, strict=True)]
    losses = -np.log(np.maximum(p[np.arange(len(y)), y], LEAST))
    return Calibration(float(np.average(losses, weights=w)), float(sum(gaps)), tuple(bins))
