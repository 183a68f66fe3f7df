"""Rows that are alike because they are near each other: in time, in the file, or in a group.

A random split puts such rows into both train and dev. A network that recognizes the neighbors of a dev row then seems
to be better than it will be on later rows. So a quick model is fitted twice on equally many rows, once to predict rows
drawn at random and once to predict later rows (or other groups), and the two errors are compared.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.assembling import Assembly, Selection
from tuner.data.encoding import encode, fit_encodings
from tuner.data.splitting import generator

Ints = NDArray[np.int64]
Errors = tuple[float, float]
"""Of the quick model on rows drawn at random, and on the rows held out."""

LEAST_ROWS = 200
MOST_ROWS, MOST_CELLS = 10_000, 1e6
HELD_OUT = 0.2
DEVIATIONS = 3.0  # standard errors between the two errors, from which they differ
ALIKE = 5.0  # standard errors above chance, from which neighbors share their class
RUNS = 4  # times the classes: a file with fewer runs of one class is sorted by class
STREAM = 7  # of the split's seed


def small_trees(X: NDArray[np.float32], y: NDArray[Any], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fit the small boosted trees of the data checks; return the probabilities (n, classes in order) of other rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=8, max_bins=63, early_stopping=False, random_state=0
    )
    with threadpool_limits(1):  # with trees this small, threads cost more than they save
        probabilities: NDArray[np.float64] = model.fit(X, y).predict_proba(others)
    return probabilities


class QuickModel:
    """Small boosted trees on a sample of the rows outside the test set, in the order of the file."""

    def __init__(self, assembly: Assembly) -> None:
        rng = generator(assembly.settings.seed, STREAM)
        rows = np.sort(np.concatenate([part.rows for part in assembly.outside_test if part.table == "source"]))
        most = min(MOST_ROWS, max(int(MOST_CELLS / len(assembly.columns)), LEAST_ROWS))
        # A stretch of neighbors keeps what makes them alike; a sample of single rows would lose it.
        self.rows = rows[int(rng.integers(max(len(rows) - most, 0) + 1)) :][:most]
        self.table = assembly.tables["source"]
        self.y = assembly.y["source"][self.rows]
        self.random = rng.permutation(len(self.rows))
        self._assembly = assembly
        self._X: NDArray[np.float32] | None = None

    def errors(self, held_out: NDArray[np.bool_]) -> Errors | None:
        """Return the errors on equally many random rows and on these; None if the second is not certainly higher."""
        n = int(held_out.sum())
        if len(self.rows) < LEAST_ROWS or not 0 < n < len(self.rows):
            return None
        at_random = np.zeros(len(self.rows), dtype=bool)
        at_random[self.random[:n]] = True
        usual, other = self._error(at_random), self._error(held_out)
        p = (usual + other) / 2
        return (usual, other) if other - usual > DEVIATIONS * math.sqrt(2 * p * (1 - p) / n) else None

    def _error(self, held_out: NDArray[np.bool_]) -> float:
        if self._X is None:
            encoding = fit_encodings(self._assembly, (Selection("source", self.rows),))[0]
            self._X = encode(encoding, self.table, self.rows).array()
        probabilities = small_trees(self._X[~held_out], self.y[~held_out], self._X[held_out])
        predicted = np.unique(self.y[~held_out])[probabilities.argmax(axis=1)]
        return float((predicted != self.y[held_out]).mean())


def last(positions: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows are the last fifth by these positions."""
    held_out = np.zeros(len(positions), dtype=bool)
    held_out[np.argsort(positions, kind="stable")[len(positions) - round(HELD_OUT * len(positions)) :]] = True
    return held_out


def other_groups(groups: NDArray[Any], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows are of a random fifth of the groups."""
    names = np.unique(groups)
    return np.isin(groups, rng.permutation(names)[: round(HELD_OUT * len(names))])


def is_autocorrelated(y: Ints) -> bool:
    """Return whether neighbors in the file share their class more often than chance, and not since it is sorted."""
    alike = float((np.diff(y) == 0).mean()) if len(y) > 1 else 0.0
    by_chance = float(np.square(np.bincount(y) / len(y)).sum())
    runs = int((np.diff(y) != 0).sum()) + 1
    certain = alike - by_chance > ALIKE * math.sqrt(by_chance * (1 - by_chance) / len(y))
    return certain and runs >= RUNS * len(np.unique(y))


def first_order(model: QuickModel, dates: list[str]) -> tuple[str | None, Errors] | None:
    """Return the first date column, else None for the order of the file, by which later rows are harder to predict.

    With the errors on random and on later rows; None if there is no such order.
    """
    names: list[str | None] = [*dates, None] if is_autocorrelated(model.y) else [*dates]
    for name in names:
        positions = model.rows if name is None else model.table.measured()[name][model.rows]
        errors = model.errors(last(positions))
        if errors is not None:
            return name, errors
    return None
