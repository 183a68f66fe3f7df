"""The error of the average of the best trials when their choice is allowed for, beside that of the best trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

USUAL_SIZE = 10
"""Trials of an ensemble: in benchmarks/README.md, more lower the error no further."""
HELD_OUT = 0.25  # of the dev folds, as where one trial is chosen
SPLITS, SPLITS_OF_GAIN = 200, 40

LossesOf = Callable[[NDArray[Any], NDArray[Any], NDArray[Any] | None], NDArray[Any]]


def _wrong(probabilities: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None) -> NDArray[Any]:
    return np.asarray(probabilities.argmax(axis=1) != y)


def rechosen_average_error(
    predictions: NDArray[np.floating[Any]],
    y: NDArray[Any],
    folds: NDArray[np.integer[Any]],
    size: int,
    *,
    weights: NDArray[np.floating[Any]] | None = None,
    losses_of: LossesOf = _wrong,
    rng: np.random.Generator,
) -> float:
    """Return the error, on dev folds that did not choose, of the average of the ``size`` trials best on the others.

    ``predictions``: (trials, n, n_classes) probabilities, or (trials, n) standardized numbers, for dev rows that a
    trial's network was not trained on, at least twice as many trials as ``size``, the best ones.  ``y``, ``folds``:
    (n,) class indices or numbers, and the dev fold of each row; ``weights``: (n,) what each row counts for.  Wrong
    rows, or ``losses_of(predictions, y, weights)`` (n,), over scored rows, both summed over 200 random splits of the
    folds.
    """
    lost = of = 0.0
    counts = np.ones(len(y)) if weights is None else weights
    for scored, (losses,) in _rechosen(predictions, y, folds, (size,), SPLITS, weights, losses_of, rng):
        lost += float(losses.sum())
        of += float(counts[scored].sum())
    return lost / of


@dataclass(frozen=True, slots=True)
class AverageGain:
    """Mean losses, on rows that did not choose, of the ``best`` trial and of the ``average`` of ``size`` trials.

    ``standard_error``: of their difference.
    """

    size: int
    best: float
    average: float
    standard_error: float


def average_gain(
    predictions: NDArray[np.floating[Any]],
    y: NDArray[Any],
    folds: NDArray[np.integer[Any]],
    size: int,
    *,
    weights: NDArray[np.floating[Any]] | None = None,
    groups: NDArray[np.integer[Any]] | None = None,
    losses_of: LossesOf = _wrong,
    rng: np.random.Generator,
) -> AverageGain:
    """Return what the average of the ``size`` best trials has less loss than the best one, both chosen on other rows.

    Arguments as of :func:`rechosen_average_error`; ``groups``: (n,) of rows that stay together.  Both are scored on the
    same rows: the standard error is that of the rows' differences in one split, had it scored all of them.
    """
    sums, scored_rows, squares = np.zeros(2), 0, 0.0
    for scored, both in _rechosen(predictions, y, folds, (1, size), SPLITS_OF_GAIN, weights, losses_of, rng):
        differences = both[0] - both[1]
        differences -= differences.mean()
        if groups is not None:
            differences = np.bincount(np.unique(groups[scored], return_inverse=True)[1], weights=differences)
        squares += float(np.square(differences).sum())
        sums += [losses.sum() for losses in both]
        scored_rows += int(scored.sum())
    best, average = sums / scored_rows
    return AverageGain(size, float(best), float(average), math.sqrt(squares / scored_rows / len(y)))


def _rechosen(
    predictions: NDArray[np.floating[Any]],
    y: NDArray[Any],
    folds: NDArray[np.integer[Any]],
    sizes: Sequence[int],
    splits: int,
    weights: NDArray[np.floating[Any]] | None,
    losses_of: LossesOf,
    rng: np.random.Generator,
) -> Iterator[tuple[NDArray[np.bool_], list[NDArray[Any]]]]:
    """Yield for random splits of the folds which rows are scored, (n,), and there, times the weights, the losses.

    Those are of the average of the trials that are best on the other rows, for each of ``sizes``.
    """
    counts = np.ones(len(y)) if weights is None else weights
    losses = np.stack([losses_of(one, y, weights) for one in predictions]) * counts
    filled = np.unique(folds)
    held = max(1, round(HELD_OUT * len(filled)))
    for _ in range(splits):
        scored = np.isin(folds, rng.permutation(filled)[:held])
        ranked = np.argsort(losses[:, ~scored].sum(axis=1), kind="stable")
        of_scored = None if weights is None else weights[scored]
        means = [predictions[ranked[:size]][:, scored].mean(axis=0) for size in sizes]
        yield scored, [losses_of(mean, y[scored], of_scored) * counts[scored] for mean in means]
