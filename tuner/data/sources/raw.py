"""What every source yields: a frame, and how messages name its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.data.settings import DataSettings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader must know besides the file itself.

    ``names`` are the columns of the study's source where this is another of its files, ``text`` those of its columns
    that hold text there: read as text here too, so that the category "1" never becomes the number 1.  ``target`` is
    the source's target column; rows to be predicted are not ``labeled`` and may come without it.
    """

    settings: DataSettings
    names: tuple[str, ...] = ()
    text: frozenset[str] = frozenset()
    target: str | None = None
    labeled: bool = True


@dataclass(frozen=True, slots=True)
class Raw:
    """One file's rows as read, every column in it; ``line_of`` turns a row number into "line 17" for messages.

    ``labels`` are the target's cells where the format keeps them apart from the columns, ``target`` is their name then.
    ``decimal`` is the sign that numbers have in cells read as text.
    """

    frame: pd.DataFrame
    where: str
    line_of: Callable[[int], str]
    target: str | None = None
    labels: pd.Series[Any] | None = None
    image: tuple[int, ...] | None = None
    decimal: str = "."
    notices: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(map(str, self.frame.columns))

    def at(self, row: int, column: str | None = None) -> str:
        """Name one cell: "file, line 17, column 'age'"."""
        place = f"{self.where}, {self.line_of(row)}"
        return place if column is None else f"{place}, column {column!r}"

    def cells(self, name: str) -> pd.Series[Any]:
        """Return one column, or the labels if they go by this name."""
        return self.labels if self.labels is not None and name == self.target else self.frame[name]


def by_row(row: int) -> str:
    """Name a row of a source that has no lines, counted from 0 as NumPy and pandas do."""
    return f"row {row}"


def rows_from(first: int) -> Callable[[int], str]:
    """Name the rows of a piece that begins at row ``first`` of its file."""
    return lambda row: f"row {first + row}"
