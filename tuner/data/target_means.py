"""Categories as means of the target: ``kind = "target_encoded"`` in ``[data.columns]``.

A category is the mean target of its training rows, drawn toward the mean of all of them as by ten more rows
(Micci-Barreca 2001): of two classes the share of the second, of more classes the share of each, of numbers their mean.
Missing cells are a category, and so are all rare and unseen ones together.  The training rows are in five folds, and
each has the means of the other four: with its own target in its inputs, a network would learn to read it off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tuner.data.number_forms import Target

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

FOLDS = 5
PRIOR_ROWS = 10.0
MOST_LEVELS = 1000
LEAST_ROWS = 2
"""Training rows that a category needs for a mean of its own, unless ``rare`` says otherwise."""
MIXING = 0x9E3779B97F4A7C15  # 2⁶⁴ divided by the golden ratio: rows that repeat in the file end in all folds

Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class FittedMeans:
    """The inputs of each category, normalized: for each fold those of its rows, and then those of any other rows.

    ``values``: (FOLDS + 1, levels + 2, n_inputs); after the levels come the other ones together, and missing cells.
    """

    levels: tuple[str, ...]
    values: tuple[tuple[tuple[Finite, ...], ...], ...]

    def __post_init__(self) -> None:
        lengths = {len(inputs) for of_fold in self.values for inputs in of_fold}
        rows = {len(of_fold) for of_fold in self.values}
        if len(self.values) != FOLDS + 1 or rows != {len(self.levels) + 2} or len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"means: expected {FOLDS + 1} tables of {len(self.levels)} categories and 2 others")

    @property
    def n_inputs(self) -> int:
        """How many inputs it makes of a category."""
        return len(self.values[0][0])

    def of(self, levels: tuple[str, ...], codes: Ints, folds: Ints | None = None) -> Doubles:
        """Return the inputs (n, n_inputs) of cells, ``codes`` (n,) of levels, -1 if missing.

        ``folds`` (n,): those of ``folds_of``, if they are training rows.
        """
        place = {level: k for k, level in enumerate(self.levels)}
        others = len(place)
        slots = np.array([*(place.get(level, others) for level in levels), others + 1])[codes]
        inputs: Doubles = np.array(self.values)[FOLDS if folds is None else folds, slots]
        return inputs


def folds_of(units: Ints) -> Ints:
    """Return the fold of each training row, (n,); ``units`` (n,): its number in the file, or that of its group."""
    mixed = (units.astype(np.uint64) * np.uint64(MIXING)) >> np.uint64(32)
    return (mixed % np.uint64(FOLDS)).astype(np.int64)


def fit_means(levels: tuple[str, ...], codes: Ints, target: Target, least: int | None) -> FittedMeans | None:
    """Fit the means of training rows, ``codes`` (n,) of levels, -1 if missing; None if they are all alike."""
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    kept = sorted(int(level) for level in order if counts[level] >= (least or LEAST_ROWS))
    slots = np.array([*np.full(len(levels), len(kept)), len(kept) + 1])
    slots[kept] = np.arange(len(kept))
    folds, Y = folds_of(target.units), _columns_of(target)
    weights = np.ones(len(Y)) if target.weights is None else target.weights / target.weights.mean()
    shape = (FOLDS, len(kept) + 2)
    flat = folds * shape[1] + slots[codes]
    of_fold = [
        np.bincount(flat, weights * y, minlength=math.prod(shape)).reshape(shape) for y in (np.ones(len(Y)), *Y.T)
    ]
    rows, *sums = (np.asarray(each, dtype=np.float64) for each in of_fold)
    values = np.stack([*_shrunk(rows, np.stack(sums, axis=-1))])
    inputs = values[folds, slots[codes]]
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0)
    if not (scale > 1e-9).any():
        return None
    values = (values - mean) / np.where(scale > 1e-9, scale, 1.0)
    names = tuple(levels[level] for level in kept)
    return FittedMeans(names, tuple(tuple(map(tuple, of_fold)) for of_fold in values.tolist()))


def _columns_of(target: Target) -> Doubles:
    """Return what means are taken of, (n, k): one class of two, each of more, or the numbers."""
    if not target.class_names:
        return np.asarray(target.y, dtype=np.float64).reshape(len(target.y), -1)
    first = 1 if len(target.class_names) == 2 else 0
    return np.asarray(target.y[:, None] == np.arange(first, len(target.class_names)), dtype=np.float64)


def _shrunk(rows: Doubles, sums: Doubles) -> Iterator[Doubles]:
    """Yield the means (levels, k) without the rows of each fold, and of all, from each fold's weights and sums."""
    for left_out in (*range(FOLDS), None):
        used = [fold for fold in range(FOLDS) if fold != left_out]
        n, total = rows[used].sum(axis=0), sums[used].sum(axis=0)
        overall = total.sum(axis=0) / max(n.sum(), 1e-300)
        yield (total + PRIOR_ROWS * overall) / (n[:, None] + PRIOR_ROWS)
