"""Odd dev rows with their lines: equal but for their class, or with cells far outside of the training rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.data import Dataset, contradicting_rows, odd_cells, read_dev_rows
from tuner.formatting import count, percent, value
from tuner.reporting.wrong_rows import cell_text, plain_cell
from tuner.storage import StudyRecord

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class OddRows:
    """Odd rows of one ``kind``, "duplicates" or "outliers", and what they are as a ``sentence``.

    ``frame``: ``place`` ("line 17"), ``given``, of several targets ``given_NAME`` of each, then of duplicates the
    ``group`` of equal rows, of outliers the ``column``, what is ``usual`` there and how many ``times`` as far outside
    the cell is (missing for a new category); then the data's own columns.
    """

    kind: str
    sentence: str
    frame: pd.DataFrame

    def text(self, name: str, of: Any) -> str:
        """Write a cell of a column of the frame for a person."""
        return (value(of) or "–") if name == "times" else cell_text(of)

    def to_dict(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Return plain JSON with some rows of the frame."""
        cells = [{str(key): plain_cell(of) for key, of in row.items()} for row in rows.to_dict("records")]
        return {"odd": self.kind, "rows_in_all": len(self.frame), "rows": cells}


def find_odd_rows(record: StudyRecord, dataset: Dataset, kind: str) -> OddRows:
    """Find the odd dev rows of a kind: "duplicates" or "outliers".  Raises DataError if the data changed."""
    return _duplicates(record, dataset) if kind == "duplicates" else _outliers(record, dataset)


def _duplicates(record: StudyRecord, dataset: Dataset) -> OddRows:
    groups = contradicting_rows(dataset)
    places = np.concatenate(groups) if groups else np.zeros(0, dtype=np.int64)
    fixed = {
        **_given(record, places),
        "group": np.repeat(np.arange(1, len(groups) + 1), [len(group) for group in groups]),
    }
    what = "class" if record.unit.is_share else "row of numbers" if record.unit.targets else "number"
    share = percent(len(places) / len(record.dev_y))
    sentence = (
        f"{count(len(places), 'dev row')} ({share}) in {count(len(groups), 'group')} are equal in "
        f"every used column but not in their {what}: at most one {what} of each group can be predicted."
        if groups
        else f"No dev rows are equal in every used column but not in their {what}."
    )
    return OddRows("duplicates", sentence, read_dev_rows(dataset, places, fixed))


def _outliers(record: StudyRecord, dataset: Dataset) -> OddRows:
    cells = odd_cells(dataset)
    places = np.array([cell.place for cell in cells], dtype=np.int64)
    fixed = {
        **_given(record, places),
        "column": [cell.column for cell in cells],
        "usual": [cell.usual for cell in cells],
        "times": [cell.times if math.isfinite(cell.times) else math.nan for cell in cells],
    }
    rule = (
        "more than 5 times as far from the median as the 1st or 99th percentile of the training rows, or a category "
        "that no training row has"
    )
    if dataset.image is not None:
        sentence = "Rows that are pixels are not compared: no pixel alone is odd."
    elif not cells:
        sentence = f"No cell of a dev row is an outlier: {rule}."
    else:
        rows = count(len(np.unique(places)), "dev row")
        sentence = f"{count(len(cells), 'cell')} of {rows} {'is' if len(cells) == 1 else 'are'} {rule}."
    return OddRows("outliers", sentence, read_dev_rows(dataset, places, fixed))


def _given(record: StudyRecord, places: np.ndarray) -> dict[str, Any]:
    y, unit = record.dev_y[places], record.unit
    if unit.targets:
        return {f"given_{target.name}": of for target, of in zip(unit.targets, unit.restored(y).T, strict=True)}
    return {"given": np.array(record.class_names, dtype=object)[y] if unit.is_share else unit.restored(y)}
