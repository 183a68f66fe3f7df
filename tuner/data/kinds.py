"""Decide the kind of each column from the training rows and the definition."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from tuner.data.dates import DetectedFormat, detect_format, seconds_of
from tuner.data.encoders import (
    ENCODERS,
    NO_VALUE,
    NOISE,
    Column,
    ColumnSettings,
    Doubles,
    Reads,
    TextColumn,
    rare_below,
)
from tuner.data.missing import MISSING
from tuner.data.notation import LIMIT_NAMES, Notation, detect_notation, example_of
from tuner.data.settings import DataSettings
from tuner.data.tables import BOOLEAN_WORDS, RawTable, as_text, level_numbers, nearest, toml_key
from tuner.errors import DataError
from tuner.formatting import quoted, some_of

Ints = NDArray[np.int64]

BAD_SHARE = 0.01  # of the cells: with fewer non-numbers a column is numbers (or dates) with bad cells, not text
SINGLE_BAD_FROM = 20  # rows from which a single non-number is a bad cell
FREE_TEXT = "free text, which the network cannot read"
LOST_DIGITS = 'its integers differ only after the 14th digit; set it to "categorical" in [data.columns] to use it'
DISTINCT_FROM = 10  # rows from which unique text is an identifier
IDENTIFIER_FROM = 50  # rows from which different integers can be told from a coincidence
COUNTER_SPREAD = 1.1  # of the rows: row numbers of a table, of which a few rows were removed
GLANCE = 1000  # rows that rule out most columns
MANY_LEVELS = 100  # categories from which a column of text is mentioned
WORDS_OF_TEXT = 4  # words per cell from which a column is text rather than names
IDENTIFIER_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key|nr|no|num|number)$|[a-z](Id|ID|Key|Number)$", re.IGNORECASE)
COUNTER_NAME = re.compile(r"column_0|unnamed.*|index|id|row|row_?(id|number|num|no)|.*_id|.*Id|nr|no", re.IGNORECASE)


def decide_kinds(table: RawTable, rows: Ints, settings: DataSettings) -> dict[str, Column]:
    """Return the kind of every column, from the given (training) rows."""
    for name in settings.columns:
        if name not in table.names and name not in table.raw.frame.columns and name != table.raw.target:
            raise DataError(
                f"{table.raw.where}: no column {quoted(name)} ([data.columns]); {nearest(name, table.names)}"
            )
    decided: dict[str, Column] = {}
    for name in table.names:
        column = decided[name] = _decide(table, name, rows, settings.column(name))
        for sign in column.notation.limits if column.notation else ():
            flag = unused_name(f"{name} ({LIMIT_NAMES[sign]})", table.names)
            decided[flag] = Column(flag, "boolean", words=("", sign), of=name)
    for name, given in settings.columns.items():
        if isinstance(given, ColumnSettings) and name in decided:
            unheeded = _unheeded(decided[name], given)
            decided[name] = replace(decided[name], note="; ".join(filter(None, (decided[name].note, *unheeded))))
    return decided


def _unheeded(column: Column, given: ColumnSettings) -> Iterator[str]:
    """Say what of [data.columns] only columns of other kinds heed: no error, as it changes nothing."""
    for key, value in given.model_dump(exclude_none=True).items():
        if key == "kind" or key in ENCODERS[column.kind].settings:
            continue
        kinds = " or ".join(f'"{kind}"' for kind, encoder in ENCODERS.items() if key in encoder.settings)
        yield f"{key} = {json.dumps(value)} has no effect on a {column.kind} column; it needs kind = {kinds}"


def _decide(table: RawTable, name: str, rows: Ints, chosen: ColumnSettings) -> Column:
    if chosen.order is not None:
        return _in_order(table, name, rows, chosen.order)
    if chosen.kind is not None:
        return _as_chosen(table, name, rows, chosen.kind, chosen)
    if name in table.booleans:
        return Column(name, "boolean")
    if name in table.moments:
        return Column(name, "date")
    if name in table.text:
        return _read_text(name, table, counts_of(table.text[name], rows))
    if COUNTER_NAME.fullmatch(name) and _counts_rows(table.number(name)):
        return Column(name, "drop", "counts the rows")
    return Column(name, "numeric", _lost_digits(table, name, rows), note=_names_a_row(name, table.number(name)))


def _in_order(table: RawTable, name: str, rows: Ints, order: tuple[str, ...]) -> Column:
    text = as_text(table, name)
    seen = seen_levels(text, counts_of(text, rows))[0]
    if unknown := next((level for level in seen if level not in order), None):
        raise DataError(
            f"{table.raw.where}, column {quoted(name)}: expected one of {some_of(order)} (its order in "
            f"[data.columns]), got {quoted(unknown)}. Add it there, or to missing in [data]"
        )
    return Column(name, "numeric", "set in [data.columns]", overruled=True, order=order)


def _names_a_row(name: str, values: NDArray[np.generic]) -> str:
    """Return what to say of integers that name rows: row numbers in another order, or an identifier by its name."""
    first = values[:GLANCE]
    if len(values) < IDENTIFIER_FROM or not _are_different_integers(first):
        return ""
    low, high = float(values.min()), float(values.max())
    is_counter = high - low < COUNTER_SPREAD * len(values)
    if not (is_counter or IDENTIFIER_NAME.search(name)) or not _are_different_integers(values):
        return ""
    what = f"the integers from {low:.0f} to {high:.0f} in another order" if is_counter else "an identifier by its name"
    return (
        f"every value is different, and it is {what}: if it says nothing about a new row, set {toml_key(name)} = "
        '"drop" in [data.columns]'
    )


def _are_different_integers(values: NDArray[np.generic]) -> bool:
    numbers = values.astype(np.float64)
    return bool(np.all(numbers == np.floor(numbers))) and len(np.unique(numbers)) == len(numbers)


def unused_name(name: str, used: tuple[str, ...]) -> str:
    """Return a name that no column has."""
    while name in used:
        name += "_"
    return name


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


def _as_chosen(table: RawTable, name: str, rows: Ints, kind: str, chosen: ColumnSettings) -> Column:
    why, reads = "set in [data.columns]", ENCODERS[kind].reads
    if reads in (Reads.NUMBERS, Reads.BOOLEANS) and name in table.moments:
        raise DataError(
            f"{table.raw.where}, column {quoted(name)}: contains dates, but is {kind} in "
            "[data.columns]; change the kind"
        )
    notation = None
    if reads is Reads.NUMBERS and name in table.text:
        levels = table.text[name].levels
        seen = seen_levels(table.text[name], counts_of(table.text[name], rows))[0]
        notation = written[0] if (written := _notation_of_more(table, seen)) else None
        values = notation.numbers(levels) if notation else level_numbers(levels, table.raw.decimal)
        _refuse_if_none_fits(table, name, rows, values, "number")
    if reads is Reads.SECONDS and name not in table.moments:
        text = as_text(table, name)
        detected = None if chosen.format else detect_format(*seen_levels(text, counts_of(text, rows)))
        date_format = chosen.format or (detected.name if detected else "ISO8601")
        _refuse_if_none_fits(table, name, rows, seconds_of(text.levels, date_format), "date")
        return Column(name, kind, why, date_format=date_format, overruled=True)
    words = _words(table, name, rows) if reads is Reads.BOOLEANS else None
    return Column(name, kind, why, words=words, overruled=True, notation=notation)


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
    kept = np.array([level in MISSING for level in column.levels])  # by [data] keep: categories, but no numbers
    if (other := counts * ~kept).any() and (values := _read_as_values(name, table, other)):
        return values
    seen, seen_counts = seen_levels(column, counts)
    lowered = {level.lower() for level in seen}
    words = next((pair for pair in BOOLEAN_WORDS if lowered == set(pair)), None)
    if words is not None:
        return Column(name, "boolean", words=words)
    if len(seen) == present and present >= DISTINCT_FROM:
        is_text = np.mean([level.count(" ") + 1 for level in seen]) >= WORDS_OF_TEXT
        return Column(name, "drop", FREE_TEXT if is_text else "identifier: every value is different")
    numeric = ~np.isnan(level_numbers(tuple(seen), table.raw.decimal))
    note = _note_of_categories(seen, seen_counts, numeric)
    if not note and (column.codes < 0).any() and (spelled := table.raw.spelled(name)):
        keep = f"set keep = {json.dumps([spelled])} in [data] (--keep)"
        note = f"{spelled!r} is read as missing; if it is a category, {keep}"
    return Column(name, "categorical", note=note)


def _read_as_values(name: str, table: RawTable, counts: Ints) -> Column | None:
    """Return a column of numbers or dates, if (nearly) all of its cells are such."""
    present = int(counts.sum())
    seen, seen_counts = seen_levels(table.text[name], counts)
    not_numeric = int(seen_counts[np.isnan(level_numbers(tuple(seen), table.raw.decimal))].sum())
    if not_numeric and (written := _notation_of_more(table, seen)):
        notation, numbers = written
        unread = int(seen_counts[np.isnan(numbers)].sum())
        if not unread or _few_bad(unread, present):
            return Column(name, "numeric", notation=notation, note=example_of(notation, seen))
    if not not_numeric or _few_bad(not_numeric, present):
        return Column(name, "numeric", _lost_digits_of_text(seen, table.raw.decimal))
    detected = detect_format(seen, seen_counts)
    if detected is not None and _few_bad(present - round(detected.share * present), present):
        return Column(name, "date", date_format=detected.name, note=_read_as_date(name, detected, seen))
    return None


def _note_of_categories(seen: list[str], counts: Ints, numeric: NDArray[np.bool_]) -> str:
    """Return what to say of text that may not be categories: numbers among it, rare values, very many."""
    present = int(counts.sum())
    numbers = int(counts[numeric].sum())
    if 2 * numbers > present:
        other = seen[int(np.argmin(numeric))]
        return (
            f"text, since {present - numbers:,} of {present:,} training cells are no numbers, like {quoted(other)}: "
            f"{len(seen):,} categories. If such cells are missing values, add them to missing in [data]"
        )
    rare = int(counts[counts < rare_below(present)].sum())
    if len(seen) <= MANY_LEVELS and (2 * rare <= present or len(seen) < DISTINCT_FROM):
        return ""
    values = f"{len(seen):,} different values in {present:,} training rows"
    if 2 * rare > present:
        return f"{values}, most of them rare, as in {FREE_TEXT}: {rare:,} rows share one input"
    return f"{values}, each frequent one an input of its own"


def _notation_of_more(table: RawTable, seen: list[str]) -> tuple[Notation, Doubles] | None:
    """Return the notation of a column's numbers and the seen ones, if they are more than those without a notation."""
    notation = detect_notation(seen, table.raw.decimal)
    if notation is None:
        return None
    numbers = notation.numbers(seen)
    plain = np.isnan(level_numbers(tuple(seen), table.raw.decimal))
    return (notation, numbers) if np.isnan(numbers).sum() < plain.sum() else None


def _read_as_date(name: str, detected: DetectedFormat, seen: list[str]) -> str:
    """Return how text that is not ISO 8601 is read, and how to correct a guess of day and month."""
    if detected.name == "ISO8601":
        return ""
    values = seconds_of(seen, detected.name)
    if detected.swapped is None:
        return f"{seen[int(np.argmin(np.isnan(values)))]!r} is read as a date or time with the format {detected.name}"
    differs = np.nan_to_num(np.abs(values - seconds_of(seen, detected.swapped)))
    example = int(differs.argmax())
    day = str(np.datetime64(int(values[example]), "s"))[:10]
    settings = f'{toml_key(name)} = {{ kind = "date", format = "{detected.swapped}" }}'
    return (
        f"the training rows do not tell day and month apart: {seen[example]!r} is taken as {day} ({detected.name}). "
        f"If it is {detected.swapped}, set {settings} in [data.columns]"
    )


def _few_bad(bad: int, present: int) -> bool:
    return bad < BAD_SHARE * present or (bad == 1 and present >= SINGLE_BAD_FROM)
