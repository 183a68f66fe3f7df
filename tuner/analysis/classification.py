"""How a classifier's predictions are wrong: confusions, precision and recall of each class, ranking of two classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.intervals import wilson

Floats = NDArray[np.float64]
OnShare = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Share:
    """A share of ``n`` rows, or what rises with one, with its 95% interval; NaN and (0, 1) where there are no rows."""

    value: float
    low: float
    high: float
    n: float

    @classmethod
    def measured(cls, part: float, n: float, effective: float = 1.0, of: OnShare = lambda share: share) -> Share:
        """Return the share of ``part`` in ``n`` with Wilson's interval, each put through ``of``.

        ``effective``: for how many independent rows each of the ``n`` counts.
        """
        low, high = wilson(part * effective, n * effective)
        return cls(of(part / n) if n else np.nan, of(low), of(high), n)

    def to_dict(self) -> dict[str, float | None]:
        """Return plain numbers; null without rows."""
        return {"value": None if np.isnan(self.value) else self.value, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Of one class: the share that is right of the rows predicted as it, and of its own rows, and F1.

    F1, the harmonic mean of both, is 2J/(1 + J) with J the share of the rows both in it and predicted as it among those
    that are one or the other, whose interval gives that of F1.
    """

    name: str
    precision: Share
    recall: Share
    f1: Share

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        scores = {key: getattr(self, key).to_dict() for key in ("precision", "recall", "f1")}
        return {"name": self.name, **scores}


def confusion_matrix(
    y: NDArray[np.integer], predicted: NDArray[np.integer], n_classes: int, weights: Floats | None = None
) -> Floats:
    """Count the rows, or sum their weights, by true class (rows) and predicted class (columns)."""
    counts = np.bincount(y * n_classes + predicted, weights=weights, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.float64)


def class_scores(confusion: Floats, class_names: Sequence[str], *, effective: float = 1.0) -> list[ClassScores]:
    """Return precision, recall and F1 of every class; ``effective``: independent rows that each row counts for."""
    right, of, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        ClassScores(
            name,
            precision=Share.measured(hit, as_it, effective),
            recall=Share.measured(hit, own, effective),
            f1=Share.measured(hit, own + as_it - hit, effective, lambda jaccard: 2 * jaccard / (1 + jaccard)),
        )
        for name, hit, own, as_it in zip(class_names, *(each.tolist() for each in (right, of, predicted)), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the score of the positive class ranks rows of two classes, at every threshold from the highest score down.

    ``thresholds``, ``hits`` (share of the positive rows at or above the threshold: recall, or true positive rate),
    ``alarms`` (the same of the negative rows: false positive rate) and ``precision``: (n_thresholds,).  ``area``: under
    the ROC curve, the chance that a positive row has the higher score of two; ``average_precision``: Σ precision times
    the rise of recall.
    """

    thresholds: Floats
    hits: Floats
    alarms: Floats
    precision: Floats
    area: Share
    average_precision: Share


def ranking(
    scores: NDArray[np.floating],
    positive: NDArray[np.bool_],
    weights: Floats | None = None,
    *,
    effective: float = 1.0,
) -> Ranking | None:
    """Rank rows by their scores (n,); None unless both classes have rows.

    ``weights``: (n,) of the rows; None: alike.  ``effective``: for how many independent rows each counts.

    The intervals are Wilson's: that of the area with as many rows as its variance stands for (Newcombe 2006, method 5),
    that of the average precision with the positive rows.  (Boyd, Eng & Page 2013)
    """
    w = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    ours, theirs = float(w[positive].sum()), float(w[~positive].sum())
    if not ours or not theirs:
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the last row of each threshold
    hit, alarm = (np.cumsum(np.where(side, w, 0)[order])[ends] for side in (positive, ~positive))
    hits, alarms, precision = hit / ours, alarm / theirs, hit / (hit + alarm)
    area = float(np.trapezoid(np.append(0, hits), np.append(0, alarms)))
    average = float((np.diff(hits, prepend=0) * precision).sum())
    n_ours, n_theirs = (effective * float(side.sum()) for side in (positive, ~positive))
    rows = _rows_of_area(area, n_ours, n_theirs)
    return Ranking(
        thresholds=np.asarray(scores[order][ends], dtype=np.float64),
        hits=hits,
        alarms=alarms,
        precision=precision,
        area=Share.measured(area * rows, rows),
        average_precision=Share.measured(average * n_ours, n_ours),
    )


def _rows_of_area(area: float, m: float, n: float) -> float:
    """Return p(1 − p) / variance of the area under the ROC curve of m positive and n negative rows."""
    spread = ((m + n) / 2 - 1) * ((1 - area) / (2 - area) + area / (1 + area))
    return m * n / (1 + max(spread, 0.0))
