"""Detect groups of rows: a column of many repeated values whose rows of one value share their class, or their number.

Examples are the visits of a patient or the sentences of a document.  If rows of one group are in both train and dev, a
network that recognizes the patient seems to know the disease.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LEAST_VALUES = 20
LARGEST_SHARE = 0.1  # of the rows for any one value: a dominant category is not a group
REPEATED = 0.9  # of the rows have a value that occurs at least twice
MIXED = 0.2  # pairs of one value differ in class at most this often, as a share of what chance allows
DEVIATIONS = 5.0  # below chance, at least
NEIGHBORS = 0.5  # numbers whose neighbors differ less than this share of chance are measurements, not names
GLANCE = 1000  # rows that are enough to rule out most columns


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """``mixed`` of the pairs of rows of one value differ in class, where ``chance`` of all pairs do."""

    mixed: float
    chance: float


def may_name_groups(values: NDArray[np.generic]) -> bool:
    """Whether a column's cells (text codes, or numbers; missing: negative or NaN) can be names of groups.

    Numbers must be integers.  There must be many values, none may dominate, and nearly all rows must repeat a value.
    """
    glance = values[:: max(1, len(values) // GLANCE)]
    for some in (glance, values):
        if values.dtype.kind == "f" and not np.all(some == np.floor(some)):  # NaN is not a name either
            return False
        if some is glance and not _many_and_even(glance, LEAST_VALUES // 2, 2 * LARGEST_SHARE):
            return False
    if not _many_and_even(values, LEAST_VALUES, LARGEST_SHARE):
        return False
    counts = np.unique(values, return_counts=True)[1]
    return bool(counts[counts > 1].sum() >= REPEATED * len(values))


def _many_and_even(values: NDArray[np.generic], least: int, largest: float) -> bool:
    counts = np.unique(values, return_counts=True)[1]
    return len(counts) >= least and bool(counts.max() <= largest * len(values))


def class_agreement(groups: NDArray[np.generic], y: Ints, *, ordered: bool) -> ClassAgreement | None:
    """Return how much the rows of one value share their class, or None if it may be chance.

    groups, y: (n,) each.  Under random labels of shares p the pairs of one value differ with probability 1 - Σp², and
    the number of alike pairs has variance P(s - s²) + T(Σp³ - s²), s = Σp², for P pairs and T = Σ n(n-1)(n-2) ordered
    pairs of pairs that share a row.  ``ordered``: the values are numbers; if neighbors also share their class, the
    column is a measurement.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shares = np.bincount(y) / len(y)
    alike = float((shares**2).sum())
    pairs = float((sizes * (sizes - 1)).sum()) / 2
    if alike == 1.0 or not pairs:
        return None
    cells, counts = np.unique(codes * len(shares) + y, return_counts=True)
    mixed = pairs - float((counts * (counts - 1)).sum()) / 2
    triples = float((sizes * (sizes - 1.0) * (sizes - 2.0)).sum())
    variance = pairs * (alike - alike**2) + triples * (float((shares**3).sum()) - alike**2)
    agreement = ClassAgreement(mixed / pairs, 1 - alike)
    if agreement.mixed > MIXED * agreement.chance or mixed > pairs * agreement.chance - DEVIATIONS * variance**0.5:
        return None
    if ordered and _neighbors_differ(cells, counts, len(shares)) < NEIGHBORS:
        return None
    return agreement


def number_agreement(groups: NDArray[np.generic], y: NDArray[np.floating], *, ordered: bool) -> ClassAgreement | None:
    """Return how much the numbers of one value's rows agree, or None if it may be chance.

    groups, y: (n,) each.  ``mixed`` is the variance within a value as a share of the whole, 1 by chance.  With random
    normal numbers the sum of squares within has a beta distribution. ``ordered`` as in :func:`class_agreement`.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, k = len(y), len(sizes)
    total = float(np.square(y - y.mean()).sum())
    if not total or k < 2 or n <= k:
        return None
    means = np.bincount(codes, weights=y) / sizes
    within = float(np.square(y - means[codes]).sum()) / total
    a, b = (n - k) / 2, (k - 1) / 2
    certain = within < a / (a + b) - DEVIATIONS * np.sqrt(a * b / (a + b + 1)) / (a + b)
    agreement = ClassAgreement(within * (n - 1) / (n - k), 1.0)
    if not certain or agreement.mixed > MIXED:
        return None
    steps = float(np.square(np.diff(means)).mean() / (2 * means.var() or 1.0))  # 1 by chance (von Neumann 1941)
    return None if ordered and steps < NEIGHBORS else agreement


def _neighbors_differ(cells: Ints, counts: Ints, n_classes: int) -> float:
    """Return how often neighboring values differ in their most frequent class, as a share of chance."""
    by_size = np.lexsort((counts, cells // n_classes))
    value = cells[by_size] // n_classes
    largest = by_size[np.append(value[1:] != value[:-1], True)]  # the last one of each value
    classes = cells[largest] % n_classes
    shares = np.bincount(classes) / len(classes)
    chance = 1 - float((shares**2).sum())
    return float((classes[1:] != classes[:-1]).mean()) / chance if chance else 0.0
