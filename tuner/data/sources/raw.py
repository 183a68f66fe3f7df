"""What every source returns: a frame, and the names of its rows in messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.missing import MISSING
from tuner.data.settings import DataSettings
from tuner.errors import DataError
from tuner.formatting import quoted

if TYPE_CHECKING:
    import pandas as pd


TargetNames = str | tuple[str, ...]
"""The column to predict, or the names of several."""


def target_names(target: TargetNames | None) -> tuple[str, ...]:
    """Return the names of the columns to predict."""
    return target if isinstance(target, tuple) else () if target is None else (target,)


def quoted_target(target: TargetNames) -> str:
    """Return the columns to predict as messages name them: 'x', or 'x', 'y'."""
    return ", ".join(map(quoted, target_names(target)))


LARGEST_EXACT = 2**53
"""Integers beyond it may differ and be one 64-bit number."""
FIRST_DATE, AFTER_LAST_DATE = np.datetime64("0001-01-01"), np.datetime64("10000-01-01")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of a reader besides the file.

    ``names``: the columns of the study's source, if this is another file.  ``text``: its text columns, which are read
    as text here too, so that the category "1" does not become the number 1.  ``target``: its target columns; rows to
    predict are not ``labeled`` and may lack them.
    """

    settings: DataSettings
    names: tuple[str, ...] = ()
    text: frozenset[str] = frozenset()
    target: TargetNames | None = None
    labeled: bool = True


@dataclass(frozen=True, slots=True)
class Raw:
    """The rows and columns of a file; ``line_of`` turns a row number into "line 17" for messages.

    ``labels``: the target's cells if the format keeps them apart from the columns, and ``target`` their name; ``group``
    and ``weight`` likewise, with their names.
    ``decimal``: the decimal sign in cells read as text.
    ``spelling``: how missing cells of a column of text are written, if the frame does not show it.
    """

    frame: pd.DataFrame
    where: str
    line_of: Callable[[int], str]
    target: str | None = None
    labels: pd.Series[Any] | None = None
    group: pd.Series[Any] | None = None
    weight: pd.Series[Any] | None = None
    image: tuple[int, ...] | None = None
    decimal: str = "."
    spelling: Callable[[str], str] | None = None
    notices: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Raise DataError for a column of dates outside the years 1 to 9999, with which few libraries can compute."""
        for name, cells in self.frame.items():
            if getattr(cells.dtype, "kind", "") == "M" and _is_beyond_dates(cells):
                raise DataError(f"{self.where}, column {quoted(str(name))}: dates outside the years 1 to 9999")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(map(str, self.frame.columns))

    @property
    def names_with_apart(self) -> tuple[str, ...]:
        """Return the names of the columns, then those of groups and weights that are kept apart."""
        return (*self.names, *(str(apart.name) for apart in (self.group, self.weight) if apart is not None))

    def at(self, row: int, column: str | None = None) -> str:
        """Name one cell: "file, line 17, column 'age'"."""
        place = f"{self.where}, {self.line_of(row)}"
        return place if column is None else f"{place}, column {quoted(column)}"

    def spelled(self, name: str) -> str:
        """Return how missing cells of a column of text are written, like NA; empty if they are empty."""
        if self.spelling is not None:
            return self.spelling(name)
        return most_spelled(self.frame[name].astype(object))

    def only(self, rows: NDArray[np.int64], notices: tuple[str, ...]) -> Raw:
        """Return some of the rows; messages name the same lines as before."""

        def picked(column: pd.Series[Any] | None) -> pd.Series[Any] | None:
            return None if column is None else column.iloc[rows].reset_index(drop=True)

        return replace(
            self,
            frame=self.frame.iloc[rows].reset_index(drop=True),
            line_of=lambda row: self.line_of(int(rows[row])),
            labels=picked(self.labels),
            group=picked(self.group),
            weight=picked(self.weight),
            notices=notices,
        )

    def with_targets(self, columns: Mapping[str, NDArray[Any]]) -> Raw:
        """Return the rows with columns to predict behind the others."""
        import pandas as pd

        return replace(self, frame=pd.concat([self.frame, pd.DataFrame(columns)], axis=1), target=None)

    def cells(self, name: str) -> pd.Series[Any]:
        """Return one column, or the labels, groups or weights if they have this name."""
        if self.labels is not None and name == self.target:
            return self.labels
        apart = next((each for each in (self.group, self.weight) if each is not None and each.name == name), None)
        return self.frame[name] if apart is None else apart


def most_spelled(cells: pd.Series[Any]) -> str:
    """Return the most frequent word for a missing cell; empty if there is none."""
    words = cells[cells.isin(MISSING - {"", "?"})].value_counts()
    return str(words.index[0]) if len(words) else ""


def _is_beyond_dates(cells: pd.Series[Any]) -> bool:
    moments = cells.dt.tz_localize(None).to_numpy()  # by the clocks of its time zone, as its text has it
    if moments.dtype == "datetime64[ns]":  # 1677 to 2262
        return False
    with np.errstate(invalid="ignore"):
        return bool(((moments < FIRST_DATE) | (moments >= AFTER_LAST_DATE)).any())


def with_text_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each column's name as text: of several levels, as Python writes them.

    Outer blanks are removed, as from a header, unless two names would be one.
    """
    names = [*map(str, frame.columns)]
    stripped = [name.strip() or name for name in names]
    return frame.set_axis(stripped if len(set(stripped)) == len(set(names)) else names, axis=1)


def by_row(row: int) -> str:
    """Name a row of a source without lines, from 0 as in NumPy and pandas."""
    return f"row {row}"


def rows_from(first: int) -> Callable[[int], str]:
    """Return names for the rows of a piece that begins at row ``first`` of its file."""
    return lambda row: f"row {first + row}"
