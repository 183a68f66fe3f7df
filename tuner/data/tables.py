"""Columns as NumPy arrays: a matrix of numbers, text as codes with levels, times in seconds.

A frame becomes a ``RawTable`` by the types of its columns; ``kinds.py`` decides the kind of each column from the
training rows; encodings are fitted on and applied to a ``TypedTable`` of those kinds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dates import seconds_of
from tuner.data.encoders import Column, Doubles, Reads, TextColumn
from tuner.data.missing import MISSING
from tuner.data.notation import limit_of
from tuner.data.sources.delimited import looks_numeric
from tuner.data.sources.raw import Raw
from tuner.errors import DataError
from tuner.formatting import count, did_you_mean, quoted, shorten
from tuner.printable import is_unicode

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e100  # larger numbers mean "missing", and their squares would overflow
FINITE = f"a number from −{LARGEST:g} to {LARGEST:g}"

# Pairs of words, false first, that make a column boolean.
BOOLEAN_WORDS = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on"))


@dataclass(frozen=True, slots=True)
class Numbers:
    """Columns of numbers: values (n, len(names)) of any number type, NaN if missing."""

    names: tuple[str, ...]
    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class RawTable:
    """The columns of a file by type; ``names`` in the order of the file."""

    raw: Raw
    names: tuple[str, ...]
    numbers: Numbers
    text: dict[str, TextColumn]
    moments: dict[str, Doubles]
    booleans: frozenset[str]

    def __len__(self) -> int:
        return len(self.raw.frame)

    def number(self, name: str) -> NDArray[Any]:
        """Return one column of numbers."""
        column: NDArray[Any] = self.numbers.values[:, self.numbers.names.index(name)]
        return column


@dataclass(frozen=True, slots=True)
class TypedTable:
    """The columns of a file as their encoders read them: blocks of numbers (booleans as 0 and 1), values, text."""

    n_rows: int
    numbers: tuple[Numbers, ...]
    values: dict[str, Doubles]
    text: dict[str, TextColumn]
    notices: tuple[str, ...] = field(default=())

    def measured(self) -> dict[str, NDArray[Any]]:
        """Return each column of numbers (dates in seconds), a view (n_rows,)."""
        blocks = ((name, block.values[:, k]) for block in self.numbers for k, name in enumerate(block.names))
        return dict(blocks) | self.values


# --- from a frame -----------------------------------------------------------------------------------------------------


def text_of(value: object) -> str:
    """Return a cell as text: integers without a point, so that 3 and 3.0 are one category."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()


def text_column(values: Any, where: str, missing: frozenset[str] = frozenset()) -> TextColumn:
    """Code a column's cells by their text, without outer spaces."""
    import pandas as pd

    try:
        codes, uniques = pd.factorize(values, use_na_sentinel=True)
    except TypeError as error:
        raise DataError(f"{where}: expected one value per row, got lists or other containers") from error
    texts = [text_of(value) for value in uniques]
    if broken := next((text for text in texts if not is_unicode(text)), None):
        raise DataError(f"{where}: {quoted(broken)} is not UTF-8 text; fix the cell")
    levels = sorted(set(texts) - missing)
    place = {level: position for position, level in enumerate(levels)}
    renumber = np.array([*(place.get(text, -1) for text in texts), -1], dtype=np.int64)
    return TextColumn(renumber[codes], tuple(levels))


def is_date(series: pd.Series[Any]) -> bool:
    """Whether a column has the type of dates (text of dates has not)."""
    return getattr(series.dtype, "kind", "") == "M"


def raw_table(raw: Raw, skip: frozenset[str], absent: frozenset[str]) -> RawTable:
    """Sort a frame's columns by type, without those in ``skip`` (target and columns of the split).

    ``absent``: the texts that count as missing; numbers among them, like -999, do, too.
    """
    import pandas as pd
    from pandas.api import types

    frame = raw.frame
    names = tuple(name for name in raw.names if name not in skip)
    numeric, text, moments, booleans = [], {}, {}, set()
    for name in names:
        series = frame[name]
        where = f"{raw.where}, column {quoted(name)}"
        if types.is_bool_dtype(series.dtype) and not isinstance(series.dtype, pd.CategoricalDtype):
            booleans.add(name)
            numeric.append(name)
        elif types.is_timedelta64_dtype(series.dtype) or types.is_complex_dtype(series.dtype):
            raise DataError(f"{where}: expected numbers, text, booleans or dates, got {series.dtype}")
        elif types.is_numeric_dtype(series.dtype):
            numeric.append(name)
        elif is_date(series):
            moments[name] = seconds_of(series)
        else:
            text[name] = text_column(series, where, absent)
    numbers = without_stand_ins(number_matrix(frame, numeric), absent - MISSING)
    return RawTable(raw, names, numbers, text, moments, frozenset(booleans))


def number_matrix(frame: pd.DataFrame, names: list[str]) -> Numbers:
    """Return columns as one matrix, without a copy if possible, else with one; NaN if missing."""
    if len(names) == frame.shape[1] and len(set(frame.dtypes)) == 1:
        values = frame.to_numpy()
        if values.dtype.kind in "buif":
            return Numbers(tuple(names), values)
    plain = [dtype for name in names if isinstance(dtype := frame[name].dtype, np.dtype)]
    is_plain = len(plain) == len(names) and len({dtype.kind == "b" for dtype in plain}) == 1
    columns = np.empty((len(names), len(frame)), dtype=np.result_type(*plain) if is_plain else np.float64)
    for column, name in zip(columns, names, strict=True):
        column[:] = frame[name] if is_plain else frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return Numbers(tuple(names), columns.T)


def without_stand_ins(numbers: Numbers, missing: frozenset[str]) -> Numbers:
    """Set numbers that the definition calls missing (like -999) to NaN."""
    stand_ins = [float(cell) for cell in missing if looks_numeric(cell)]
    if not stand_ins or not numbers.names:
        return numbers
    values = numbers.values.astype(np.float64)
    values[np.isin(values, stand_ins)] = np.nan
    return Numbers(numbers.names, values)


# --- by kind ----------------------------------------------------------------------------------------------------------


def typed_table(table: RawTable, columns: Mapping[str, Column]) -> TypedTable:
    """Read every column as its kind; a cell that cannot be read is refused with its place."""
    refuse_infinite(table)
    native = [name for name in table.numbers.names if columns[name].encoder.in_blocks and not columns[name].order]
    blocks = [_native_block(table, native)] if native else []
    numeric = set(native)
    parsed: dict[str, Doubles] = {}
    values: dict[str, Doubles] = {}
    text: dict[str, TextColumn] = {}
    notices: list[str] = []
    for column in (column for name, column in columns.items() if name not in numeric and column.source in table.names):
        reads = column.encoder.reads
        if column.of:
            parsed[column.name] = _limit_flags(table, column)
        elif reads is Reads.TEXT:
            text[column.name] = as_text(table, column.name)
        elif reads is not Reads.NOTHING:
            read = _dates if reads is Reads.SECONDS else _parsed_numbers
            (parsed if column.encoder.in_blocks else values)[column.name] = read(table, column, notices)
    if parsed:
        blocks.append(Numbers(tuple(parsed), np.column_stack(list(parsed.values()))))
    return TypedTable(len(table), tuple(blocks), values, text, tuple(notices))


def _native_block(table: RawTable, names: list[str]) -> Numbers:
    if len(names) == len(table.numbers.names):
        return table.numbers
    wanted = set(names)
    places = [place for place, name in enumerate(table.numbers.names) if name in wanted]
    return Numbers(tuple(names), table.numbers.values[:, places])


def as_text(table: RawTable, name: str) -> TextColumn:
    """Return a column of any type as text."""
    if name in table.text:
        return table.text[name]
    if name in table.moments:
        return text_column(table.raw.frame[name].astype(str).where(table.raw.frame[name].notna()), name)
    values = table.number(name)
    exact = table.raw.frame[name]
    if values.dtype.kind == "f" and exact.dtype.kind in "iu":  # beside decimals, the matrix rounds large integers
        return text_column(exact.astype(object).where(~np.isnan(values), None), name)
    if name in table.booleans:
        return text_column(np.where(np.isnan(values.astype(np.float64)), np.nan, values).astype(object), name)
    return text_column(values, name)


def level_numbers(levels: tuple[str, ...], decimal: str) -> Doubles:
    """Read levels as numbers with the file's decimal sign; NaN if not a number."""
    import pandas as pd

    if decimal != ".":
        levels = tuple(level.replace(decimal, ".", 1) for level in levels)
    return np.asarray(pd.to_numeric(pd.Series(levels, dtype=object), errors="coerce"), dtype=np.float64)


def _spread(column: TextColumn, values: Doubles, missing: float = np.nan) -> Doubles:
    """Return each row's value from each level's value."""
    spread: Doubles = np.append(values, missing)[column.codes]
    return spread


def _refuse_or_note(table: RawTable, column: Column, unread: NDArray[np.bool_], what: str, notices: list[str]) -> None:
    """Refuse cells that are not of the column's kind; if the definition sets the kind, they count as missing."""
    text = as_text(table, column.name)
    is_value = np.array([level not in MISSING for level in text.levels], dtype=bool)  # [data] keep makes others levels
    unread = unread & is_value
    rows = np.flatnonzero((text.codes >= 0) & np.append(unread, False)[text.codes])
    if not len(rows):
        return
    first = int(rows[0])
    value = text.levels[text.codes[first]]
    if not column.overruled:
        raise DataError(
            f"{table.raw.at(first, column.name)}: {quoted(value)} is not a {what}, unlike the column's other cells. "
            f"Fix the cell, or set missing = [{quoted(value)}] in [data], or {shorten(toml_key(column.name))} = "
            '"categorical" in [data.columns]'
        )
    notices.append(
        f"column {quoted(column.name)}: {count(len(rows), 'cell')} not a {what}, read as missing; "
        f"the first is {quoted(value)}"
    )


def _limit_flags(table: RawTable, column: Column) -> Doubles:
    """Return 1 for each row whose cell is a limit with the column's sign."""
    if column.of not in table.text:
        return np.zeros(len(table))
    text, sign = table.text[column.of], (column.words or ("", ""))[1]
    return _spread(text, np.array([float(limit_of(level) == sign) for level in text.levels]), missing=0.0)


def _places(table: RawTable, column: Column, notices: list[str]) -> Doubles:
    """Return the place of each cell in the column's order."""
    text, place = as_text(table, column.name), {level: float(k) for k, level in enumerate(column.order)}
    values = np.array([place.get(level, np.nan) for level in text.levels], dtype=np.float64)
    _refuse_or_note(table, column, np.isnan(values), "category of its order", notices)
    return _spread(text, values)


def _parsed_numbers(table: RawTable, column: Column, notices: list[str]) -> Doubles:
    if column.order:
        return _places(table, column, notices)
    if column.name in table.moments:
        return table.moments[column.name]
    if column.name in table.numbers.names:
        return table.number(column.name).astype(np.float64)
    text = table.text[column.name]
    if column.encoder.reads is Reads.BOOLEANS:
        words = column.words or BOOLEAN_WORDS[0]
        number_of = {words[0]: 0.0, words[1]: 1.0}
        values = np.array([number_of.get(level.lower(), np.nan) for level in text.levels], dtype=np.float64)
        if column.words is None:  # 0 and 1 in training, but read as text
            values = np.where(np.isnan(values), level_numbers(text.levels, table.raw.decimal), values)
        if column.overruled:
            _refuse_or_note(table, column, np.isnan(values), f"{quoted(words[0])} or {quoted(words[1])}", notices)
        return _spread(text, values)
    levels = text.levels
    notation = column.notation
    values = notation.numbers(levels) if notation else level_numbers(levels, table.raw.decimal)
    unit = f" with {notation.unit}" if notation and notation.unit == "%" else ""
    _refuse_or_note(table, column, np.isnan(values), f"number{unit}", notices)
    spread = _spread(text, values)
    _refuse_large(table, column.name, spread)
    return spread


def _dates(table: RawTable, column: Column, notices: list[str]) -> Doubles:
    if column.name in table.moments:
        return table.moments[column.name]
    text = as_text(table, column.name)
    values = seconds_of(text.levels, column.date_format or "ISO8601")
    if column.name in table.text:
        _refuse_or_note(table, column, np.isnan(values), "date", notices)
    return _spread(text, values)


def refuse_infinite(table: RawTable) -> None:
    """Refuse infinite and extremely large numbers, naming the first."""
    values = table.numbers.values
    if values.dtype.kind != "f" or not values.size:
        return
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.fmax.reduce(values, axis=0, initial=-np.inf), np.fmin.reduce(values, axis=0, initial=np.inf)
        bad = np.flatnonzero((largest[0] > LARGEST) | (largest[1] < -LARGEST))
    if len(bad):
        _refuse_large(table, table.numbers.names[bad[0]], values[:, bad[0]])


def _refuse_large(table: RawTable, name: str, values: NDArray[Any]) -> None:
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(np.abs(values) > LARGEST)
    if len(rows):
        row = int(rows[0])
        raise DataError(f"{table.raw.at(row, name)}: expected {FINITE} or an empty cell, got {values[row]:g}")


def toml_key(name: str) -> str:
    """Write a column's name as a TOML key."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def with_columns(raw: Raw, names: list[str], why: str) -> Raw:
    """Return the rows with these columns in this order; a missing one is refused, with the reason ``why``.

    Outer blanks of names do not matter.
    """
    if list(raw.names) == names:
        return raw
    present = set(raw.names)
    stripped = {name.strip(): name for name in raw.names}
    picked = [name if name in present else stripped.get(name.strip(), name) for name in names]
    absent = next((name for name in picked if name not in present), None)
    if absent is not None:
        raise no_column(raw, absent, f", {why}")
    return replace(raw, frame=raw.frame[picked].set_axis(names, axis=1))


def no_column(raw: Raw, name: object, why: str, hint: str = "") -> DataError:
    """Return the error for a missing column; ``why`` says where it is named."""
    return DataError(f"{raw.where}: no column {quoted(name)}{why}; {nearest(str(name), raw.names)}{hint}")


def nearest(name: str, names: tuple[str, ...]) -> str:
    """Return a hint for an unknown name: the nearest of ``names``, or the first few."""
    shown = ", ".join(map(shorten, names[:8])) + (", …" if len(names) > 8 else "")
    return did_you_mean(name, names) or f"found {shown or 'no columns'}"
