"""The error of the average of the best trials when their choice is allowed for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

HELD_OUT = 0.25  # of the dev folds, as where one trial is chosen
SPLITS = 200

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
    counts = np.ones(len(y)) if weights is None else weights
    losses = np.stack([losses_of(one, y, weights) for one in predictions]) * counts
    filled = np.unique(folds)
    held = max(1, round(HELD_OUT * len(filled)))
    lost = of = 0.0
    for _ in range(SPLITS):
        scored = np.isin(folds, rng.permutation(filled)[:held])
        best = np.argsort(losses[:, ~scored].sum(axis=1), kind="stable")[:size]
        mean = predictions[best][:, scored].mean(axis=0)
        of_scored = None if weights is None else weights[scored]
        lost += float(losses_of(mean, y[scored], of_scored) @ counts[scored])
        of += float(counts[scored].sum())
    return lost / of
