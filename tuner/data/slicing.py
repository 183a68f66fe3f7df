"""Slices of single columns: bins of numbers and dates, categories, rare ones, missing cells."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tuner.data.assembling import Assembly, moments_of, special_columns
from tuner.data.dataset import Dataset
from tuner.data.encoders import Reads, TextColumn
from tuner.data.loading import assembly_of
from tuner.data.sources.raw import Raw
from tuner.data.tables import text_column, text_of
from tuner.errors import UsageError
from tuner.formatting import did_you_mean, quoted, shorten

BINS = 5  # of a column of numbers
MOST_LEVELS = 10  # categories with a slice of their own, and different numbers that are like categories
LONGEST = 40  # characters of a category in a label


@dataclass(frozen=True, eq=False)
class Slice:
    """Some rows by one column: a ``label`` ("age < 30"), and which they are.

    ``dev`` (n_dev,), in the order of ``dev_rows``; ``train``: (n_train,) for each part.
    """

    column: str
    label: str
    dev: NDArray[np.bool_]
    train: tuple[NDArray[np.bool_], ...]


@dataclass(frozen=True, eq=False)
class DevCells:
    """A column's cells in the dev rows: ``values`` (n_dev,) in their order, numbers, or codes of categories.

    NaN if missing; ``text`` writes one.
    """

    name: str
    values: NDArray[np.float64]
    is_ordered: bool
    text: Callable[[float], str]


@dataclass(frozen=True, eq=False)
class _Column:
    """The cells of a column in each table: numbers, NaN if missing (dates in seconds; booleans as 0 and 1), or text."""

    name: str
    numbers: dict[str, NDArray[np.float64]] | None = None
    texts: dict[str, TextColumn] | None = None
    are_dates: bool = False
    words: tuple[str, str] | None = None


def slices_of(dataset: Dataset, names: Sequence[str] = ()) -> list[Slice]:
    """Slice the dev and training rows by each input column, group and time, or by the columns of these ``names``.

    Reads the rows again.  Raises DataError if they changed, UsageError for a column that the file does not have.
    """
    assert dataset.reader is not None
    with dataset.reader as reader:
        assembly, raws = assembly_of(dataset), reader.raws()
        special = special_columns(raws["source"], assembly.settings)
        if not names:
            names = [name for name, column in assembly.columns.items() if not column.of]
            names += [special[key] for key in ("group", "time") if special.get(key, names[0]) not in names]
        rows = [(selection.table, selection.rows) for selection in assembly.train]
        dev = assembly.dev[0].table, dataset.dev_rows
        sliced = []
        for name in names:
            column = _column(name, assembly, raws, special)
            for label, holds in _rules(column, *dev):
                sliced.append(Slice(name, label, holds(*dev), tuple(holds(*each) for each in rows)))
        return sliced


def dev_cells(dataset: Dataset, names: Sequence[str]) -> list[DevCells]:
    """Return the cells of some columns in the dev rows.  Reads the rows again; raises DataError if they changed."""
    assert dataset.reader is not None
    with dataset.reader as reader:
        assembly, raws = assembly_of(dataset), reader.raws()
        special = special_columns(raws["source"], assembly.settings)
        dev, rows = assembly.dev[0].table, dataset.dev_rows
        return [_cells(_column(name, assembly, raws, special), dev, rows) for name in names]


def _cells(column: _Column, dev: str, rows: NDArray[np.int64]) -> DevCells:
    if column.texts is None:
        assert column.numbers is not None
        return DevCells(column.name, column.numbers[dev][rows], column.words is None, partial(_written, column))
    codes, levels = column.texts[dev].codes[rows], column.texts[dev].levels
    return DevCells(column.name, np.where(codes < 0, np.nan, codes), False, lambda code: levels[int(code)])


Holds = Callable[[str, NDArray[np.int64]], NDArray[np.bool_]]
"""Which of some rows of a table are in a slice."""


def _column(name: str, assembly: Assembly, raws: dict[str, Raw], special: dict[str, str]) -> _Column:
    source = assembly.tables["source"]
    tables = {"source", assembly.dev[0].table}
    if name in source.text:
        return _Column(name, texts={table: assembly.tables[table].text[name] for table in tables})
    if name in source.measured():
        numbers = {table: assembly.tables[table].measured()[name].astype(np.float64) for table in tables}
        column = assembly.columns[name]
        return _Column(name, numbers, are_dates=column.encoder.reads is Reads.SECONDS, words=column.words)
    frames = {table: raws[table].frame for table in tables}
    if name not in frames["source"].columns:
        known = did_you_mean(name, map(str, frames["source"].columns))
        raise UsageError(f"[diagnosis] segments: no column {quoted(name)} in the data; {known or 'name others'}")
    if name == special.get("time"):
        return _Column(name, {table: moments_of(raws[table], name) for table in tables}, are_dates=True)
    if all(getattr(frame[name].dtype, "kind", "O") in "buif" for frame in frames.values()):
        return _Column(name, {table: frame[name].to_numpy(np.float64) for table, frame in frames.items()})
    return _Column(name, texts={table: text_column(frame[name], name) for table, frame in frames.items()})


def _rules(column: _Column, dev: str, rows: NDArray[np.int64]) -> Iterator[tuple[str, Holds]]:
    """Yield the slices of a column: labels, and which rows are in them."""
    name = shorten(column.name, LONGEST)
    if column.texts is not None:
        texts = column.texts
        codes, levels = texts[dev].codes[rows], texts[dev].levels
        counts = np.bincount(codes + 1, minlength=len(levels) + 1)
        frequent = [levels[k] for k in np.argsort(-counts[1:], kind="stable")[:MOST_LEVELS] if counts[k + 1]]
        for level in frequent:
            yield (
                f"{name} = {shorten(level, LONGEST)}",
                partial(_is_in, texts, {level}),
            )
        if len(rare := set(levels) - set(frequent)):
            yield f"{name} rare", partial(_is_in, texts, rare)
        if counts[0]:
            yield f"{name} missing", lambda table, at: texts[table].codes[at] < 0
        return
    assert column.numbers is not None
    numbers = column.numbers
    values = numbers[dev][rows]
    present = np.unique(values[~np.isnan(values)])
    if len(present) <= MOST_LEVELS:
        for value in present:
            label = f"{name} = {_written(column, value)}"
            yield label, partial(_is_between, numbers, value, np.nextafter(value, np.inf))
    else:
        yield from _bins(
            column, numbers, np.quantile(values[~np.isnan(values)], np.arange(1, BINS) / BINS, method="higher")
        )
    if np.isnan(values).any():
        yield f"{name} missing", lambda table, at: np.isnan(numbers[table][at])


def _bins(
    column: _Column, numbers: dict[str, NDArray[np.float64]], cuts: NDArray[np.float64]
) -> Iterator[tuple[str, Holds]]:
    """Yield fifths of a column of numbers, and its lower and upper two fifths."""
    name, cuts = shorten(column.name, LONGEST), np.unique(cuts)
    ends = [(-np.inf, cuts[0]), *itertools.pairwise(cuts), (cuts[-1], np.inf)]
    if len(cuts) > 2:
        ends += [(-np.inf, cuts[1]), (cuts[-2], np.inf)]
    for low, high in ends:
        parts = ["" if np.isinf(low) else f"{_written(column, low)} ≤ ", name]
        parts += ["" if np.isinf(high) else f" < {_written(column, high)}"]
        label = f"{name} ≥ {_written(column, low)}" if np.isinf(high) else "".join(parts)
        yield label, partial(_is_between, numbers, low, high)


def _is_in(texts: dict[str, TextColumn], levels: set[str], table: str, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    chosen = np.array([*(level in levels for level in texts[table].levels), False], dtype=bool)
    return np.asarray(chosen[texts[table].codes[rows]])


def _is_between(
    numbers: dict[str, NDArray[np.float64]], low: float, high: float, table: str, rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    values = numbers[table][rows]
    return np.asarray((low <= values) & (values < high))


def _written(column: _Column, value: float) -> str:
    """Write a number, or the day of a date."""
    if column.words is not None:
        return column.words[int(value)]
    if not column.are_dates:
        return text_of(float(f"{value:.6g}"))
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=float(value))).strftime("%Y-%m-%d")
