"""Partial dependence: what the networks predict on the mean if a column had the same value in every dev row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import Dependence
from tuner.data import Dataset
from tuner.data.slicing import DevCells, dev_cells
from tuner.inputs import Inputs, joined_inputs
from tuner.modeling.model import Model

POINTS = 24  # of a column of numbers, between its 2.5th and 97.5th percentile
MOST_LEVELS = 10  # different values that are not thinned out
MOST_ROWS = 400

Places = Callable[[int, str], Sequence[int]]
"""The inputs that a network (of its place) makes of a column of the file."""


def partial_dependence(
    dataset: Dataset, model: Model, names: Sequence[str], places: Places, should_stop: Callable[[], bool]
) -> tuple[Dependence, ...]:
    """Return the curve of each column; those for which there is no time are left out.  (Friedman 2001)

    What a column's value becomes for a network is taken from the dev row whose value is nearest.
    """
    curves = []
    for cells in dev_cells(dataset, names):
        if should_stop():
            break
        if (curve := _curve(dataset, model, cells, places)) is not None:
            curves.append(curve)
    return tuple(curves)


def _curve(dataset: Dataset, model: Model, cells: DevCells, places: Places) -> Dependence | None:
    grid = _grid(cells)
    if len(grid) < 2:
        return None
    n_parts, start, sums = len(dataset.parts), 0, []
    for place, part in enumerate(dataset.parts):
        values = cells.values[start : start + len(part.dev)]
        start += len(part.dev)
        at = [_nearest(values, point, is_ordered=cells.is_ordered) for point in grid]
        rows = np.linspace(0, len(values) - 1, min(len(values), max(MOST_ROWS // n_parts, 1))).astype(int)
        if None in at:  # a category that this fold does not have
            continue
        features = places(place, cells.name)
        asked = joined_inputs([_with_value(part.dev.inputs, rows, row, features) for row in at if row is not None])
        predicted = model.average(range(place, len(model.networks), n_parts), [asked])
        sums.append((len(rows), predicted.probabilities.reshape(len(grid), len(rows), -1).mean(axis=1)))
    if not sums:
        return None
    means = np.average([of for _, of in sums], axis=0, weights=[n for n, _ in sums])
    targets = dataset.unit.targets
    if targets:
        means = dataset.unit.standardized(means)
    shown = _shown(dataset, means)
    names = dataset.class_names or tuple(target.name for target in targets)
    return Dependence(
        cells.name,
        names[shown] if names else "",
        cells.is_ordered,
        tuple(grid.tolist()),
        tuple(cells.text(value) for value in grid.tolist()),
        tuple(means[:, shown].tolist()),
        is_number=not dataset.class_names,
    )


def _shown(dataset: Dataset, means: NDArray[np.floating]) -> int:
    """Return the rarer of two classes; of more, or of several targets, the one that moves most; the middle quantile."""
    if not dataset.class_names and not dataset.unit.targets:
        return int(means.shape[1] // 2)
    if len(dataset.class_names) == 2:
        return int(np.argmin(dataset.class_counts))
    return int(np.argmax(np.ptp(means, axis=0)))


def _grid(cells: DevCells) -> NDArray[np.float64]:
    known = cells.values[~np.isnan(cells.values)]
    distinct, counts = np.unique(known, return_counts=True)
    if len(distinct) <= MOST_LEVELS:
        return distinct
    if not cells.is_ordered:
        return np.sort(distinct[np.argsort(-counts, kind="stable")[:MOST_LEVELS]])
    return np.unique(np.quantile(known, np.linspace(0.025, 0.975, POINTS), method="nearest"))


def _nearest(values: NDArray[np.float64], point: float, *, is_ordered: bool) -> int | None:
    """Return the row whose value is nearest, or of categories equal."""
    if np.isnan(values).all():
        return None
    row = int(np.nanargmin(np.abs(values - point)))
    return row if is_ordered or values[row] == point else None


def _with_value(inputs: Inputs, rows: NDArray[np.int64], row: int, features: Sequence[int]) -> Inputs:
    """Return some rows, each with what one row has in a column."""
    asked = inputs.rows(rows)
    numbers, flags = asked.numbers.copy(), asked.flags.copy()
    of_numbers = np.isin(inputs.places, features)
    of_flags = np.isin(inputs.flags, features).any(axis=0)
    numbers[:, of_numbers] = inputs.numbers[row, of_numbers]
    flags[:, of_flags] = inputs.flags[row, of_flags]
    return replace(asked, numbers=numbers, flags=flags)
