"""What metrics of class probabilities are means of: a loss for each row.

All take ``probabilities`` (n, n_classes), class indices ``y`` (n,), weights (n,) or None for all alike and the
:class:`Loss` of the study, and return (n,) float64.

The area under the ROC curve, average precision and F1 are no means of rows' losses.  Theirs are linearized: 1 − the
metric, plus what a little more weight on the row would change, times the number of rows.  Their mean is exactly 1 − the
metric, and their variance that of the metric over samples (DeLong's, for the area under the ROC curve), so that what
holds for means holds for these metrics, too.  (Efron 1982: the infinitesimal jackknife; DeLong et al. 1988)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.decisions import least_cost

Array = npt.NDArray[Any]
Weights = npt.NDArray[Any] | None
LEAST = float(np.finfo(np.float64).eps)
"""A probability that rounds to 0 counts for this much, as in scikit-learn."""

MOST_LOG_LOSS = -math.log(LEAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a study keeps of the metric that its errors are of, if they are no shares of wrong rows.

    ``metric``: its name in the table of metrics.  ``typical``: its value if the classes' shares are always predicted.
    ``most``: the largest loss of a row.  ``costs``: at [k][j] what it costs to predict class j for a row of class k.
    ``positive``: of two classes the rarer.  ``is_share``: whether it is written in percent.
    """

    metric: str
    typical: float
    most: float = 1.0
    costs: tuple[tuple[float, ...], ...] | None = None
    positive: int = 1
    is_share: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        costs = None if self.costs is None else [list(row) for row in self.costs]
        return {key: value for key, value in {**asdict(self), "costs": costs}.items() if value is not None}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Loss:
        """Return what :meth:`to_dict` wrote."""
        costs = document.get("costs")
        return cls(**{**document, "costs": None if costs is None else tuple(map(tuple, costs))})


RowLosses = Callable[[Array, Array, Weights, Any], Array]


def wrong_classes(probabilities: Array, y: Array, weights: Weights, loss: Loss | None) -> Array:
    """Whether the most probable class is wrong, as a number."""
    return np.asarray(probabilities.argmax(axis=1) != y, dtype=np.float64)


def log_losses(probabilities: Array, y: Array, weights: Weights, loss: Loss) -> Array:
    """−log p_y"""
    own = np.asarray(probabilities[np.arange(len(y)), y], dtype=np.float64)
    return np.asarray(-np.log(np.clip(own, LEAST, 1.0)))


def squared_differences(probabilities: Array, y: Array, weights: Weights, loss: Loss) -> Array:
    """Σ (p − onehot(y))² over the classes; of two classes half of it, (1 − p_y)².  (Brier 1950)"""
    apart = np.square(np.asarray(probabilities, dtype=np.float64) - (np.arange(probabilities.shape[1]) == y[:, None]))
    return np.asarray(apart[:, 0] if apart.shape[1] == 2 else apart.sum(axis=1))


def costs_of_errors(probabilities: Array, y: Array, weights: Weights, loss: Loss) -> Array:
    """The cost of the class with the lowest expected cost."""
    costs = np.array(loss.costs)
    return np.asarray(costs[y, least_cost(probabilities, costs)])


def ranking_errors(probabilities: Array, y: Array, weights: Weights, loss: Loss) -> Array:
    """1 − the area under the ROC curve, linearized: of several classes the mean of each against the rest."""
    return _macro(_ranking, probabilities, y, weights, loss, undefined=0.5)


def imprecisions(probabilities: Array, y: Array, weights: Weights, loss: Loss) -> Array:
    """1 − average precision, linearized: of two classes that of the rarer, of several their mean."""
    return _macro(_imprecision, probabilities, y, weights, loss, undefined=1.0)


def f1_errors(probabilities: Array, y: Array, weights: Weights, loss: Loss) -> Array:
    """1 − F1 of the most probable classes, linearized: of two classes that of the rarer, of several their mean."""
    predicted = probabilities.argmax(axis=1)
    said = predicted[:, None] == np.arange(probabilities.shape[1])
    return _macro(_confused, said, y, weights, loss, undefined=1.0)


def _macro(
    of_class: Callable[[Array, Array, Array], Array | None],
    scores: Array,
    y: Array,
    weights: Weights,
    loss: Loss,
    *,
    undefined: float,
) -> Array:
    """Return the mean over the classes that have one; of two classes, that of the rarer."""
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    classes = [loss.positive] if scores.shape[1] == 2 else range(scores.shape[1])
    each = [of_class(scores[:, label], y == label, w) for label in classes]
    defined = [losses for losses in each if losses is not None]
    return np.mean(defined, axis=0) if defined else np.full(len(y), undefined)


def _ranking(scores: Array, positive: Array, w: Array) -> Array | None:
    """The weight of the other kind's rows on the wrong side of each row, half of those of the same score."""
    level = np.unique(scores, return_inverse=True)[1]
    ours, others = (np.bincount(level, weights=w * of) for of in (positive, ~positive))
    total, total_others = ours.sum(), others.sum()
    if not total or not total_others:
        return None
    others_above = (total_others - np.cumsum(others) + others / 2) / total_others
    ours_below = (np.cumsum(ours) - ours / 2) / total
    apart = np.where(positive, others_above[level], ours_below[level])
    error = float(ours @ others_above) / total
    return np.asarray(error + w.sum() / np.where(positive, total, total_others) * (apart - error))


def _imprecision(scores: Array, positive: Array, w: Array) -> Array | None:
    """Σ (recallₖ − recallₖ₋₁) · precisionₖ over the scores from the highest, and its derivative by a row's weight."""
    total = float(w[positive].sum())
    if not total:
        return None
    values, level = np.unique(scores, return_inverse=True)
    level = len(values) - 1 - level
    ours, every = np.bincount(level, weights=w * positive), np.bincount(level, weights=w)
    above = np.cumsum(every)
    precision = np.cumsum(ours) / above
    recall = ours / total
    average = float(recall @ precision)
    more, less = (np.cumsum((recall / above * of)[::-1])[::-1] for of in (np.ones(len(values)), precision))
    slope = np.where(positive, (precision[level] - average) / total + more[level], 0.0) - less[level]
    return np.asarray(1 - average - w.sum() * slope)


def _confused(said: Array, positive: Array, w: Array) -> Array | None:
    """(false positives + false negatives) / (the same + twice the true positives)"""
    wrong = said != positive
    counted = np.where(wrong, 1.0, 2.0 * positive)
    total = float(w @ counted)
    if not total:
        return None
    error = float(w @ wrong) / total
    return np.asarray(error + w.sum() / total * (wrong - error * counted))
