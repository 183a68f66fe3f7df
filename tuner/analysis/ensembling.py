"""Which of the best trials are averaged, and the error of the average when their choice is allowed for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_AVERAGED = 10
"""Trials of an ensemble, unless their number is given."""
HELD_OUT = 0.25  # of the dev folds, as where one trial is chosen
SPLITS, SPLITS_OF_GAIN, FEWEST_SPLITS = 200, 40, 20
CELLS = 400_000_000
"""Predictions that all splits of an estimate may compare, in seconds; with more there are fewer splits."""
LEAST_PROBABILITY = 1e-6

LossesOf = Callable[[NDArray[Any], NDArray[Any], NDArray[Any] | None], NDArray[Any]]


def _wrong(probabilities: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None) -> NDArray[Any]:
    return np.asarray(probabilities.argmax(axis=1) != y)


@dataclass(frozen=True)
class Candidates:
    """What trials, the best ones first, predict of dev rows that their networks were not trained on.

    ``predictions``: (trials, n, n_classes) probabilities, or of numbers (trials, n) or (trials, n, n_targets).  ``y``,
    ``folds``: (n,) class indices or numbers, and the dev fold of each row; ``weights``: (n,) what each row counts for.
    ``losses_of(predictions, y, weights)`` has the rows' losses (n,) by which trials are compared; of numbers it takes
    the predictions of several averages, too, (k, n) or (k, n, n_targets), and returns theirs, (k, n).
    """

    predictions: NDArray[np.floating[Any]]
    y: NDArray[Any]
    folds: NDArray[np.integer[Any]]
    weights: NDArray[np.floating[Any]] | None = None
    losses_of: LossesOf = _wrong

    @property
    def counts(self) -> NDArray[np.float64]:
        """What each row counts for, (n,)."""
        return np.ones(len(self.y)) if self.weights is None else np.asarray(self.weights, dtype=np.float64)

    def choose(self, size: int | None = None, rows: NDArray[np.bool_] | None = None) -> list[int]:
        """Return the places of the trials whose average is best, chosen one after the other.  (Caruana et al. 2004)

        Each is the one that lowers the average's log loss on the rows most, as the error is the same for many averages
        of few rows; of numbers, its error.  ``size``: how many, if there are; None: at least 2 and at most 10, as many
        as lower the loss.  No trial is taken twice, which would gain nothing (benchmarks/README.md).
        """
        rows = np.ones(len(self.y), dtype=bool) if rows is None else rows
        known, counts = self._of_truth[:, rows], self.counts[rows]
        total, chosen, losses = np.zeros_like(known[0]), list[int](), list[float]()
        for _ in range(min(size or MOST_AVERAGED, len(known))):
            left = [place for place in range(len(known)) if place not in chosen]
            each = self._misfits((total + known[left]) / (len(chosen) + 1), rows) @ counts
            best = int(np.argmin(each))
            chosen.append(left[best])
            losses.append(each[best])
            total += known[left[best]]
        return chosen if size else chosen[: max(2, int(np.argmin(losses)) + 1)]

    @cached_property
    def _of_truth(self) -> NDArray[np.float64]:
        """What the trials predict of the rows' own classes, (trials, n), or of numbers all of it."""
        of = self.predictions
        own = of if self._of_numbers else np.take_along_axis(of, self.y[None, :, None], axis=2)[:, :, 0]
        return np.asarray(own, dtype=np.float64)

    def _misfits(self, means: NDArray[np.float64], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The log losses of several averages (k, n) of what is predicted of the truth, or the losses of numbers."""
        if self._of_numbers:
            return self.losses_of(means, self.y[rows], None)
        return np.asarray(-np.log(np.maximum(means, LEAST_PROBABILITY)))

    @property
    def _of_numbers(self) -> bool:
        return bool(self.y.dtype.kind == "f")

    def losses(self, places: list[int], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the losses of the average of some trials on some rows, times what each row counts for."""
        mean = self.predictions[places][:, rows].mean(axis=0)
        weights = None if self.weights is None else self.weights[rows]
        return np.asarray(self.losses_of(mean, self.y[rows], weights) * self.counts[rows])

    def splits(self, most: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
        """Yield for random splits of the folds which rows are scored, (n,): a quarter of the folds."""
        filled = np.unique(self.folds)
        held = max(1, round(HELD_OUT * len(filled)))
        for _ in range(min(most, max(FEWEST_SPLITS, CELLS // (self.predictions.size * MOST_AVERAGED)))):
            yield np.isin(self.folds, rng.permutation(filled)[:held])


def rechosen_average_error(candidates: Candidates, size: int | None = None, *, rng: np.random.Generator) -> float:
    """Return the error, on dev folds that did not choose, of the average that is chosen on the others.

    Losses over what the scored rows count for, both summed over up to 200 random splits of the folds.
    """
    lost = of = 0.0
    for scored in candidates.splits(SPLITS, rng):
        lost += float(candidates.losses(candidates.choose(size, ~scored), scored).sum())
        of += float(candidates.counts[scored].sum())
    return lost / of


@dataclass(frozen=True, slots=True)
class AverageGain:
    """Mean losses, on rows that did not choose, of the ``best`` trial and of the ``average`` of some.

    ``standard_error``: of their difference.
    """

    best: float
    average: float
    standard_error: float


def average_gain(
    candidates: Candidates, *, groups: NDArray[np.integer[Any]] | None = None, rng: np.random.Generator
) -> AverageGain:
    """Return how much less loss an average of trials has than the best trial, both chosen on other rows.

    ``groups``: (n,) of rows that stay together.  Both are scored on the same rows: the standard error is that of the
    rows' differences in one split, had it scored all of them.
    """
    sums, scored_rows, squares = np.zeros(2), 0, 0.0
    everywhere = np.ones(len(candidates.y), dtype=bool)
    each = np.stack([candidates.losses([place], everywhere) for place in range(len(candidates.predictions))])
    for scored in candidates.splits(SPLITS_OF_GAIN, rng):
        best = int(np.argmin(each[:, ~scored].sum(axis=1)))
        both = [candidates.losses(places, scored) for places in ([best], candidates.choose(rows=~scored))]
        differences = np.subtract(*both)
        differences -= differences.mean()
        if groups is not None:
            differences = np.bincount(np.unique(groups[scored], return_inverse=True)[1], weights=differences)
        squares += float(np.square(differences).sum())
        sums += [losses.sum() for losses in both]
        scored_rows += int(scored.sum())
    best_loss, average = sums / scored_rows
    return AverageGain(float(best_loss), float(average), math.sqrt(squares / scored_rows / len(candidates.y)))
