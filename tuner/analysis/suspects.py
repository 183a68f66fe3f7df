"""Labels that look wrong: rows that networks which did not learn from them contradict with confidence.

Confident learning (Northcutt, Jiang & Chuang 2021), pruned by noise rate: a row claims a class if the probability of it
is at least the mean that rows of this class have, so that a class the networks are rarely sure of needs less.  Claims
by label, scaled to the rows of each label, count how many rows of one class are labeled as another; so many are
suspected, those with the largest margin between the two probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Suspects:
    """Rows whose label looks wrong, the most suspicious first.

    ``rows`` (k,): their places among the n rows; ``classes`` (k,): what they look like instead; ``margins`` (k,): by
    how much the probability of that class is above that of the label.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    margins: NDArray[np.float64]


def suspected_labels(y: NDArray[np.integer], probabilities: NDArray[np.floating]) -> Suspects:
    """Find labels that look wrong.

    ``y`` (n,): class indices; ``probabilities`` (n, n_classes), of networks that did not learn from these rows.
    """
    n, n_classes = probabilities.shape
    own = probabilities[np.arange(n), y]
    counts = np.bincount(y, minlength=n_classes)
    usual = np.bincount(y, weights=own, minlength=n_classes) / np.maximum(counts, 1)
    claims = np.where((probabilities >= usual) & (counts > 0), probabilities, -1.0)
    claimed, has_claim = claims.argmax(axis=1), claims.max(axis=1) >= 0
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (y[has_claim], claimed[has_claim]), 1)
    joint *= (counts / np.maximum(joint.sum(axis=1), 1))[:, None]
    suspected = _rounded(joint)
    margins = probabilities - own[:, None]
    most_probable, is_beaten = probabilities.argmax(axis=1), (margins > 0).any(axis=1)
    wrong: dict[int, int] = {}
    for given, other in zip(*np.nonzero(suspected), strict=True):
        if given == other:
            continue
        rows = np.flatnonzero((y == given) & is_beaten)
        ordered = rows[np.argsort(-margins[rows, other], kind="stable")]
        wrong |= {int(row): int(most_probable[row]) for row in ordered[: suspected[given, other]]}
    rows = np.array(sorted(wrong, key=lambda row: (-margins[row, wrong[row]], row)), dtype=np.int64)
    classes = np.array([wrong[row] for row in rows.tolist()], dtype=np.int64)
    return Suspects(rows, classes, margins[rows, classes])


def _rounded(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return counts as integers with the same sums of rows: the largest fractions are rounded up."""
    whole = np.floor(counts).astype(np.int64)
    ranks = np.argsort(np.argsort(whole - counts, axis=1, kind="stable"), axis=1, kind="stable")
    missing = np.round(counts.sum(axis=1)).astype(np.int64) - whole.sum(axis=1)
    return np.asarray(whole + (ranks < missing[:, None]))
