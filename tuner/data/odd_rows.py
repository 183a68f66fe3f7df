"""Dev rows that are odd: equal rows of different classes, and cells far outside of what training rows have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.assembling import Assembly
from tuner.data.data_checks import row_hashes
from tuner.data.dataset import Dataset
from tuner.data.loading import assembly_of
from tuner.formatting import value

Ints = NDArray[np.int64]

TIMES = 5.0
"""A number is far outside if it is so many times as far from the median as the 1st or 99th percentile on its side."""


@dataclass(frozen=True, slots=True)
class OddCell:
    """A cell of a dev row, ``place`` among the dev rows, that no training row is like; ``usual``: what these have."""

    place: int
    column: str
    usual: str
    times: float
    """How far outside a number is, in distances of the percentile; infinite for a category that no training row has."""


def contradicting_rows(dataset: Dataset) -> list[Ints]:
    """Return the dev rows that are equal in every used column but not in their class: their places, group by group."""
    assembly = assembly_of(dataset)
    alike = row_hashes(assembly.tables, {key: np.zeros(len(y), dtype=np.int64) for key, y in assembly.y.items()})
    hashes = np.concatenate([alike[dev.table][dev.rows] for dev in assembly.dev])
    y = dataset.dev_y
    order = np.argsort(hashes, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(hashes[order])) + 1)
    return [group for group in groups if len(group) > 1 and len(np.unique(y[group], axis=0)) > 1]


def odd_cells(dataset: Dataset) -> list[OddCell]:
    """Return the dev rows' cells that are far outside of the training rows' ones, the farthest first.

    None of rows that are pixels.
    """
    assembly = assembly_of(dataset)
    if assembly.image is not None:
        return []
    cells, start = [], 0
    for train, dev in zip(assembly.train, assembly.dev, strict=True):
        cells += _far_numbers(assembly, train.rows, dev.table, dev.rows, start)
        cells += _new_categories(assembly, train.rows, dev.table, dev.rows, start)
        start += len(dev)
    return sorted(cells, key=lambda cell: (-cell.times, cell.place))


def _far_numbers(assembly: Assembly, train: Ints, table: str, rows: Ints, start: int) -> list[OddCell]:
    cells = []
    others = assembly.tables[table].measured()
    for name, column in assembly.tables["source"].measured().items():
        known = column[train].astype(np.float64)
        known = known[~np.isnan(known)]
        if not len(known) or name in assembly.tables["source"].values:  # dates
            continue
        low, middle, high = np.quantile(known, [0.01, 0.5, 0.99])
        away = others[name][rows].astype(np.float64) - middle
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.where(away > 0, away / (high - middle), away / (low - middle))
        far = np.flatnonzero((times > TIMES) & np.isfinite(times))
        usual = f"{value(float(low))} to {value(float(high))}"
        cells += [OddCell(start + int(k), name, usual, float(times[k])) for k in far]
    return cells


def _new_categories(assembly: Assembly, train: Ints, table: str, rows: Ints, start: int) -> list[OddCell]:
    cells = []
    for name, text in assembly.tables["source"].text.items():
        known = {text.levels[code] for code in np.unique(text.codes[train]) if code >= 0}
        other = assembly.tables[table].text[name]
        new = np.array([*(level not in known for level in other.levels), False])
        usual = f"{len(known):,} categories"
        cells += [OddCell(start + int(k), name, usual, float("inf")) for k in np.flatnonzero(new[other.codes[rows]])]
    return cells
