"""The weights of rows, from the column that [data] weight names; rows of weight 0 are left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.data.encoders import Doubles
from tuner.data.settings import DataSettings
from tuner.data.sources.delimited import target_among, targets_among
from tuner.data.sources.raw import Raw
from tuner.data.tables import LARGEST, level_numbers, no_column, text_column
from tuner.errors import DataError
from tuner.formatting import count, quoted, value

WEIGHT = f"expected a weight, a number from 0 to {LARGEST:g}"


def weight_column(raw: Raw, settings: DataSettings) -> str | None:
    """Return the name of the column of weights; None without weights.  Raises DataError for none that can be."""
    if settings.weight is None:
        return None
    name = target_among(raw.names_with_apart, settings.weight)
    if name is None:
        raise no_column(raw, settings.weight, " ([data] weight)")
    if name == raw.target or name in targets_among(raw.names, settings.target):
        raise DataError(f"{raw.where}: [data] weight is the target, {quoted(name)}; expected another column")
    return name


def weighted_rows(raw: Raw, settings: DataSettings, *, whole: bool = True) -> Raw:
    """Return the rows whose weight is not 0; it is noted how many are left out.

    ``whole``: these are all rows of a set, of which one at least must count.
    """
    name = weight_column(raw, settings)
    if name is None:
        return raw
    counts = read_weights(raw, name) > 0
    if counts.all():
        return raw
    if whole and not counts.any():
        raise DataError(f"{raw.where}, column {quoted(name)}: the weight of all {count(len(counts), 'row')} is 0")
    left_out = f"{raw.where}: left out {count(int((~counts).sum()), 'row')} of weight 0"
    return raw.only(np.flatnonzero(counts), (*raw.notices, left_out))


def read_weights(raw: Raw, name: str) -> Doubles:
    """Return the weight of each row, (n,); refuse cells that are none."""
    cells = raw.cells(name)
    if getattr(cells.dtype, "kind", "O") in "biuf":
        weights = cells.to_numpy(dtype=np.float64)
    else:
        text = text_column(cells, f"{raw.where}, column {quoted(name)}", frozenset({""}))
        weights = np.append(level_numbers(text.levels, raw.decimal), np.nan)[text.codes]
    refused: NDArray[np.intp] = np.flatnonzero(~((weights >= 0) & (weights <= LARGEST)))
    if len(refused):
        row = int(refused[0])
        cell = cells.iloc[row]
        missing = "" if isinstance(cell, str) else "missing" if np.isnan(weights[row]) else value(cell)
        raise DataError(f"{raw.at(row, name)}: {missing or quoted(str(cell))}; {WEIGHT}; rows of weight 0 are left out")
    return weights
