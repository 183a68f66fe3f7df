"""Decide the kind of each column from the training rows and the definition."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from tuner.data.dates import detect_format, seconds_of
from tuner.data.encoders import ENCODERS, NO_VALUE, NOISE, Column, ColumnSettings, Reads, TextColumn
from tuner.data.settings import DataSettings
from tuner.data.tables import BOOLEAN_WORDS, RawTable, as_text, level_numbers, nearest
from tuner.errors import DataError
from tuner.formatting import quoted

Ints = NDArray[np.int64]

BAD_SHARE = 0.01  # of the cells: with fewer non-numbers a column is numbers (or dates) with bad cells, not text
SINGLE_BAD_FROM = 20  # rows from which a single non-number is a bad cell
LOST_DIGITS = 'its integers differ only after the 14th digit; set it to "categorical" in [data.columns] to use it'
DISTINCT_FROM = 10  # rows from which unique text is an identifier
COUNTER_NAME = re.compile(r"column_0|unnamed.*|index|id|row|row_?(id|number|num|no)|.*_id|.*Id|nr|no", re.IGNORECASE)


def decide_kinds(table: RawTable, rows: Ints, settings: DataSettings) -> dict[str, Column]:
    """Return the kind of every column, from the given (training) rows."""
    for name in settings.columns:
        if name not in table.names and name not in table.raw.frame.columns and name != table.raw.target:
            raise DataError(
                f"{table.raw.where}: no column {quoted(name)} ([data.columns]); {nearest(name, table.names)}"
            )
    return {name: _decide(table, name, rows, settings.column(name)) for name in table.names}


def _decide(table: RawTable, name: str, rows: Ints, chosen: ColumnSettings) -> Column:
    if chosen.kind is not None:
        return _as_chosen(table, name, rows, chosen.kind)
    if name in table.booleans:
        return Column(name, "boolean")
    if name in table.moments:
        return Column(name, "date")
    if name in table.text:
        return _read_text(name, table, counts_of(table.text[name], rows))
    if COUNTER_NAME.fullmatch(name) and _counts_rows(table.number(name)):
        return Column(name, "drop", "counts the rows")
    return Column(name, "numeric", _lost_digits(table, name, rows))


def _lost_digits(table: RawTable, name: str, rows: Ints) -> str:
    """Return what to say of integers that differ, but not as the 64-bit numbers that a network is given."""
    column = table.raw.frame[name]
    if getattr(column.dtype, "kind", "") not in "iu":
        return ""
    values = column.iloc[rows].dropna()
    return _lost_between(Decimal(int(values.min())), Decimal(int(values.max()))) if len(values) else ""


def _lost_between(low: Decimal, high: Decimal) -> str:
    is_lost = low != high and high - low <= Decimal(NOISE) * max(abs(low), abs(high))
    return LOST_DIGITS if is_lost else ""


def _lost_digits_of_text(levels: list[str], decimal: str) -> str:
    """Return the same of numbers as text."""
    values = level_numbers(tuple(levels), decimal)
    if not np.isfinite(values).all() or values.max() - values.min() > NOISE * np.abs(values).max():
        return ""
    try:
        exact = [Decimal(level.replace(decimal, ".", 1)) for level in levels]
    except InvalidOperation:
        return ""
    return _lost_between(min(exact), max(exact))


def counts_of(column: TextColumn, rows: Ints) -> Ints:
    """Return how often each level occurs in the given rows."""
    codes = column.codes[rows]
    return np.bincount(codes[codes >= 0], minlength=len(column.levels))


def seen_levels(column: TextColumn, counts: Ints) -> tuple[list[str], Ints]:
    """Return the levels that occur, and how often."""
    return [level for level, count in zip(column.levels, counts, strict=True) if count], counts[counts > 0]


def _counts_rows(values: NDArray[np.generic]) -> bool:
    return len(values) >= DISTINCT_FROM and bool(np.all(np.diff(values.astype(np.float64)) == 1))


def _as_chosen(table: RawTable, name: str, rows: Ints, kind: str) -> Column:
    why, reads = "set in [data.columns]", ENCODERS[kind].reads
    if reads in (Reads.NUMBERS, Reads.BOOLEANS) and name in table.moments:
        raise DataError(
            f"{table.raw.where}, column {quoted(name)}: contains dates, but is {kind} in "
            "[data.columns]; change the kind"
        )
    if reads is Reads.NUMBERS and name in table.text:
        _refuse_if_none_fits(table, name, rows, level_numbers(table.text[name].levels, table.raw.decimal), "number")
    if reads is Reads.SECONDS and name not in table.moments:
        text = as_text(table, name)
        detected = detect_format(*seen_levels(text, counts_of(text, rows)))
        date_format = detected[0] if detected else "ISO8601"
        _refuse_if_none_fits(table, name, rows, seconds_of(text.levels, date_format), "date")
        return Column(name, kind, why, date_format=date_format, overruled=True)
    words = _words(table, name, rows) if reads is Reads.BOOLEANS else None
    return Column(name, kind, why, words=words, overruled=True)


def _refuse_if_none_fits(table: RawTable, name: str, rows: Ints, values: NDArray[np.float64], what: str) -> None:
    """Refuse a kind as which none of the column's training cells can be read."""
    text = as_text(table, name)
    present = counts_of(text, rows) > 0
    if present.any() and np.isnan(values[present]).all():
        level = text.levels[int(np.flatnonzero(present)[0])]
        raise DataError(
            f"{table.raw.where}, column {quoted(name)}: no cell is a {what} (the first is {quoted(level)}). "
            'Change the kind in [data.columns], for example to "categorical"'
        )


def _words(table: RawTable, name: str, rows: Ints) -> tuple[str, str] | None:
    """Return the two words of a column that is boolean by definition; None if it contains numbers."""
    text = as_text(table, name)
    levels = sorted({level.lower() for level in seen_levels(text, counts_of(text, rows))[0]})
    if len(levels) > 2:
        raise DataError(
            f"{table.raw.where}, column {quoted(name)}: boolean in [data.columns], expected at most two different "
            f"values, got {len(levels)} in the training rows"
        )
    if name not in table.text:
        return None
    known = next((pair for pair in BOOLEAN_WORDS if set(levels) <= set(pair)), None)
    return known or ((levels[0], levels[1]) if len(levels) == 2 else ("", levels[0] if levels else "true"))


def _read_text(name: str, table: RawTable, counts: Ints) -> Column:
    """Decide the kind of text: numbers or dates with bad cells, booleans, identifiers, or categories."""
    column, present = table.text[name], int(counts.sum())
    if not present:
        return Column(name, "drop", NO_VALUE)
    numeric = ~np.isnan(level_numbers(column.levels, table.raw.decimal))
    not_numeric = int(counts[~numeric].sum())
    seen, seen_counts = seen_levels(column, counts)
    if not not_numeric or _few_bad(not_numeric, present):
        return Column(name, "numeric", _lost_digits_of_text(seen, table.raw.decimal))
    detected = detect_format(seen, seen_counts)
    if detected is not None and _few_bad(present - round(detected[1] * present), present):
        return Column(name, "date", date_format=detected[0])
    lowered = {level.lower() for level in seen}
    words = next((pair for pair in BOOLEAN_WORDS if lowered == set(pair)), None)
    if words is not None:
        return Column(name, "boolean", words=words)
    if len(seen) == present and present >= DISTINCT_FROM:
        return Column(name, "drop", "identifier: every value is different")
    share = (present - not_numeric) / present
    return Column(name, "categorical", f"text, though {share:.0%} of its cells are numbers" if share > 0.5 else "")


def _few_bad(bad: int, present: int) -> bool:
    return bad < BAD_SHARE * present or (bad == 1 and present >= SINGLE_BAD_FROM)
