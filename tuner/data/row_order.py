"""Rows that are alike because they are near each other: in time, in the file, or in a group.

A random split puts such rows into both train and dev. A network that recognizes the neighbors of a dev row then seems
to be better than it will be on later rows. So a quick model is fitted twice on equally many rows, once to predict rows
drawn at random and once to predict later rows (or other groups), and the two errors are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
TURNS = 0.02  # of the rows: a file whose numbers turn less often is sorted by them
STREAM = 7  # of the split's seed


def small_tree_numbers(X: NDArray[np.float32], y: NDArray[Any], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fit the same trees to numbers; return those predicted of other rows, (n,)."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingRegressor(
        max_iter=30, max_leaf_nodes=8, max_bins=63, early_stopping=False, random_state=0
    )
    with threadpool_limits(1):
        predicted: NDArray[np.float64] = model.fit(X, y).predict(others)
    return predicted


def fit_small_trees(
    X: NDArray[np.float32], y: NDArray[Any], weights: NDArray[np.floating] | None = None
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """Fit the small boosted trees of the data checks; return what gives the probabilities (n, classes in order)."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=8, max_bins=63, early_stopping=False, random_state=0
    )
    with threadpool_limits(1):  # with trees this small, threads cost more than they save
        model.fit(X, y, sample_weight=weights)

    def predict(others: NDArray[np.float32]) -> NDArray[np.float64]:
        with threadpool_limits(1):
            return np.asarray(model.predict_proba(others), dtype=np.float64)

    return predict


class QuickModel:
    """Small boosted trees on a sample of the rows outside the test set, in the order of the file.

    Its errors are shares of wrong rows, or root mean squared errors.
    """

    def __init__(self, assembly: Assembly) -> None:
        rng = generator(assembly.settings.seed, STREAM)
        rows = np.sort(np.concatenate([part.rows for part in assembly.outside_test if part.table == "source"]))
        most = min(MOST_ROWS, max(int(MOST_CELLS / len(assembly.columns)), LEAST_ROWS))
        # A stretch of neighbors keeps what makes them alike; a sample of single rows would lose it.
        self.rows = rows[int(rng.integers(max(len(rows) - most, 0) + 1)) :][:most]
        self.table = assembly.tables["source"]
        self.y = assembly.y["source"][self.rows]
        self.random = rng.permutation(len(self.rows))
        self.is_numeric = not assembly.class_names
        self._assembly = assembly
        self._X: NDArray[np.float32] | None = None

    def errors(self, held_out: NDArray[np.bool_]) -> Errors | None:
        """Return the errors on equally many random rows and on these; None if the second is not certainly higher."""
        n = int(held_out.sum())
        if len(self.rows) < LEAST_ROWS or not 0 < n < len(self.rows):
            return None
        at_random = np.zeros(len(self.rows), dtype=bool)
        at_random[self.random[:n]] = True
        usual, other = self._losses(at_random), self._losses(held_out)
        means = float(usual.mean()), float(other.mean())
        if self.is_numeric:
            certain = means[1] - means[0] > DEVIATIONS * math.sqrt((usual.var() + other.var()) / n)
            return (math.sqrt(means[0]), math.sqrt(means[1])) if certain else None
        p = sum(means) / 2
        return means if means[1] - means[0] > DEVIATIONS * math.sqrt(2 * p * (1 - p) / n) else None

    def _losses(self, held_out: NDArray[np.bool_]) -> NDArray[Any]:
        """Return which of the rows held out are wrong, or their squared errors, (n,)."""
        if self._X is None:
            encoding = fit_encodings(self._assembly, (Selection("source", self.rows),))[0]
            self._X = encode(encoding, self.table, self.rows).array()
        if self.is_numeric:
            said = small_tree_numbers(self._X[~held_out], self.y[~held_out], self._X[held_out])
            return np.asarray(np.square(said - self.y[held_out]))
        probabilities = fit_small_trees(self._X[~held_out], self.y[~held_out])(self._X[held_out])
        predicted = np.unique(self.y[~held_out])[probabilities.argmax(axis=1)]
        return np.asarray(predicted != self.y[held_out])


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


def numbers_are_autocorrelated(y: NDArray[np.floating]) -> bool:
    """Return whether neighbors in the file have numbers that are more alike than chance, and not since it is sorted."""
    if len(y) < LEAST_ROWS:
        return False
    ranks = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    steps = np.sign(np.diff(y))
    turns = int((steps[1:] * steps[:-1] < 0).sum())
    return bool(np.corrcoef(ranks[:-1], ranks[1:])[0, 1] > ALIKE / math.sqrt(len(y)) and turns >= TURNS * len(y))


def first_order(model: QuickModel, dates: list[str]) -> tuple[str | None, Errors] | None:
    """Return the first date column, else None for the order of the file, by which later rows are harder to predict.

    With the errors on random and on later rows; None if there is no such order.
    """
    in_file = numbers_are_autocorrelated(model.y) if model.is_numeric else is_autocorrelated(model.y)
    names: list[str | None] = [*dates, None] if in_file else [*dates]
    for name in names:
        positions = model.rows if name is None else model.table.measured()[name][model.rows]
        errors = model.errors(last(positions))
        if errors is not None:
            return name, errors
    return None
