"""Random subsets of a table, each class, or each tenth of the numbers, in its share."""

from __future__ import annotations

import numpy as np

from tuner.data.dataset import Table
from tuner.data.targets import strata_of


def random_subset(table: Table, n: int, rng: np.random.Generator) -> Table:
    """``n`` random rows of a table, each class, or each tenth of the numbers, in its share."""
    y = table.y if table.y.dtype.kind == "i" else strata_of(table.y)
    take = class_shares(np.bincount(y), n)
    drawn = [rng.permutation(np.flatnonzero(y == label))[:count] for label, count in enumerate(take)]
    rows = np.sort(np.concatenate(drawn))
    return table.chosen(rows)


def class_shares(counts: np.ndarray, n: int) -> np.ndarray:
    """How many of ``n`` rows each class gets: its share, rounded so that they add up; one at least where there is one.

    ``counts``: each class's rows, together at least ``n``; ``n`` is at least the number of classes.
    """
    exact = counts * (n / counts.sum())
    take: np.ndarray = np.minimum(np.maximum(np.floor(exact), 1), counts).astype(np.int64)
    while take.sum() < n:
        take[np.argmax(np.where(take < counts, exact - take, -np.inf))] += 1
    while take.sum() > n:
        take[np.argmax(np.where(take > 1, take - exact, -np.inf))] -= 1
    return take
