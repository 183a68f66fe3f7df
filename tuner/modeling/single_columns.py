"""Columns too good to be true: one alone, by small trees, predicts nearly as well as the networks by all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import SingleColumn, error_increase
from tuner.data import Dataset, Part, random_subset
from tuner.data.row_order import fit_small_trees, small_tree_numbers
from tuner.inputs import Inputs
from tuner.trial import losses_of

FEWEST_COLUMNS = 5
"""Of fewer columns one is often nearly enough."""
LEAST = 0.5
"""Of the loss of a constant prediction, that a column must remove."""
MISSING, MOST_MISSING = 0.1, 0.2
"""Of what the networks gain over a constant prediction, that a column may lack, and the upper end of its interval."""
MOST_ROWS = 20_000
Predict = Callable[[Part, int], tuple[NDArray[Any], NDArray[Any]]]
"""Classes or numbers (n,) and probabilities (n, n_classes) of the dev rows of the part at a place."""


def too_good_columns(
    dataset: Dataset,
    before: NDArray[np.float64],
    names: Sequence[str],
    places: Callable[[int, str], Sequence[int]],
    groups: NDArray[np.integer] | None,
    should_stop: Callable[[], bool],
) -> tuple[SingleColumn, ...]:
    """Return those of the columns ``names`` that alone predict nearly as well.

    ``before`` (n_dev,): the networks' losses of the dev rows, times their weights; ``places``: the inputs that the
    network of a part makes of a column.
    """
    chance = _losses(dataset, lambda part, _: _constant(dataset, part))
    gain, unit = float(chance.mean() - before.mean()), dataset.unit
    alike = []
    for name in names:
        if should_stop() or gain <= 0:
            break
        alone = _losses(dataset, lambda part, place, name=name: _trees(dataset, part, places(place, name)))  # type: ignore[misc]
        lacks = error_increase(before, alone[None], lambda mean: mean, groups)
        removes = float(chance.mean() - alone.mean())
        if removes >= LEAST * chance.mean() and lacks.value <= MISSING * gain and lacks.high <= MOST_MISSING * gain:
            errors = (float(unit.error(float(each.mean()))) for each in (alone, before, chance))
            alike.append(SingleColumn(name, *errors))
    return tuple(alike)


def _losses(dataset: Dataset, predict: Predict) -> NDArray[np.float64]:
    """Return the losses of the dev rows (n_dev,), times their weights."""
    losses = [losses_of(part.dev, dataset.unit, *predict(part, place)) for place, part in enumerate(dataset.parts)]
    joined, weights = np.concatenate(losses).astype(np.float64), dataset.dev_weights
    return joined if weights is None else joined * weights


def _constant(dataset: Dataset, part: Part) -> tuple[NDArray[Any], NDArray[Any]]:
    n, weights = len(part.dev), part.train.error_weights
    if not dataset.unit.is_share:
        mean = np.full(part.dev.y.shape, np.average(part.train.y, axis=0, weights=weights))
        return mean, mean[:, None]
    shares = np.bincount(part.train.y, weights=weights, minlength=dataset.n_classes)
    probabilities = np.tile(shares / shares.sum(), (n, 1))
    return dataset.counted_by.decide(probabilities), probabilities


def _trees(dataset: Dataset, part: Part, features: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any]]:
    train = part.train
    if len(train) > MOST_ROWS:
        train = random_subset(train, MOST_ROWS, np.random.default_rng(0))
    X, others = _columns(train.inputs, features), _columns(part.dev.inputs, features)
    if not dataset.unit.is_share:
        each = [small_tree_numbers(X, y, others) for y in train.y.reshape(len(train), -1).T]
        numbers = each[0] if train.y.ndim == 1 else np.stack(each, axis=1)
        return numbers, numbers[:, None]
    probabilities = np.zeros((len(others), dataset.n_classes))
    classes = np.unique(train.y)
    probabilities[:, classes] = fit_small_trees(X, train.y, train.error_weights)(others) if len(classes) > 1 else 1.0
    return dataset.counted_by.decide(probabilities), probabilities


def _columns(inputs: Inputs, features: Sequence[int]) -> NDArray[np.float32]:
    """Return the inputs of a column, a category as its code: trees need no flags."""
    of_flags = np.isin(inputs.flags, features).any(axis=0)
    return np.column_stack([inputs.numbers[:, np.isin(inputs.places, features)], inputs.flags[:, of_flags]]).astype(
        np.float32
    )
