"""From columns to a network's inputs: fitted on training rows, kept as plain JSON, applied to any rows.

The encoder of a column's kind (``encoders.py``) encodes it; columns of numbers are encoded in blocks here.

Images keep every column and have one μ and σ per channel: otherwise an edge pixel that is set once in 10,000 rows would
become 100 σ, and a shifted image would not be normalized.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, TypeAdapter, ValidationError, model_serializer

from tuner.data.assembling import Assembly, Selection
from tuner.data.encoders import (
    LARGEST_INPUT,
    LATER_KEYS,
    MISSING,
    VALUE,
    Column,
    Doubles,
    Feature,
    FittedColumn,
    Floats,
    Ints,
    NumberColumn,
    Reads,
    divisor,
    slice_or_places,
)
from tuner.data.missing import missing_cells
from tuner.data.number_forms import PERIODIC
from tuner.data.settings import DataSettings, MissingCells
from tuner.data.sources.opening import usable_rows
from tuner.data.sources.raw import Raw, TargetNames, by_row, with_text_names
from tuner.data.tables import Numbers, TypedTable, raw_table, typed_table, with_columns
from tuner.errors import DataError
from tuner.formatting import quoted
from tuner.inputs import Inputs

if TYPE_CHECKING:
    import pandas as pd

CELLS_AT_ONCE = 1 << 17  # 1 MB of float64: a chunk stays in the processor's cache
Version = Literal[1, 2, 3, 4, 5]
Zeros = Callable[[str, tuple[int, ...], Any], NDArray[Any]]
"""Returns an array of zeros of that name, shape and type."""
INPUTS = NUMBERS, PLACES, FLAGS = "numbers", "places", "flags"
"""The names of the arrays of ``Inputs``."""


def _zeros(_: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    return np.zeros(shape, dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """A fitted encoding: ``transform`` makes a network's input of raw rows, ``to_json``/``from_json`` keep it.

    ``version``: 2 if it has what readers of version 1 would ignore, a notation of numbers or ``keep``; 3 with forms of
    numbers, 4 with an order or means of the target, and 5 with periodic inputs, which those of lower versions do not
    know.
    """

    version: Version = 1
    columns: tuple[FittedColumn, ...]
    n_features: Annotated[int, Field(ge=1)]
    source_columns: tuple[str, ...]
    target: TargetNames
    image: tuple[Annotated[int, Field(ge=1)], ...] | None
    missing: MissingCells
    keep: MissingCells = ()
    feature_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len({column.name for column in self.columns}) < len(self.columns):
            raise ValueError("duplicate column name")
        places = [feature.position for column in self.columns for feature in column.features]
        if len(set(places)) < len(places) or not all(0 <= place < self.n_features for place in places):
            raise ValueError(f"expected {self.n_features} features at different places, got {len(set(places))}")
        if len(self.feature_names) != self.n_features:
            raise ValueError(f"expected {self.n_features} feature_names, got {len(self.feature_names)}")

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in plain(self).items() if value or key not in LATER_KEYS}

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers."""
        plain: dict[str, Any] = _PLAIN.dump_python(self, mode="json")
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Encoding:
        """Rebuild an encoding; raises DataError for invalid JSON."""
        try:
            return _PLAIN.validate_python(plain)
        except ValidationError as error:
            first = error.errors()[0]
            raise DataError(f"encoding: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def transform(self, frame: pd.DataFrame, where: str = "the rows") -> Floats:
        """Return X (n, n_features) float32 for raw rows; extra columns are ignored, a missing one is refused."""
        return encode_frame([self], frame, where)[0].array()

    def typed(self, raw: Raw) -> TypedTable:
        """Read every used column as its kind."""
        table = raw_table(with_columns(raw, self.used_columns, "which the model uses"), frozenset(), self.absent)
        return typed_table(table, {column.name: column for column in self.columns})

    @property
    def absent(self) -> frozenset[str]:
        """The texts that count as missing."""
        return missing_cells(self.missing, self.keep)

    @property
    def used_columns(self) -> list[str]:
        """The columns of the rows that the inputs are made of."""
        return list(dict.fromkeys(column.source for column in self.columns if column.features))

    @property
    def text_columns(self) -> frozenset[str]:
        """The columns whose cells must be read as text."""
        text = {Reads.TEXT, Reads.SECONDS}
        return frozenset(
            column.source
            for column in self.columns
            if column.encoder.reads in text or column.words or column.notation or column.order
        )

    @property
    def periodic(self) -> tuple[int, ...]:
        """The places in X of the numbers of which a network makes periodic inputs."""
        formed = (column.formed for column in self.columns if column.form is not None and column.form.name == PERIODIC)
        return tuple(sorted(feature.position for features in formed for feature in features))

    def reads_as(self, columns: Mapping[str, Column]) -> bool:
        """Whether its columns are read as these are."""
        return all(
            column.name in columns and columns[column.name].reading == column.reading
            for column in self.columns
            if column.features
        )


_PLAIN = TypeAdapter(Encoding)


def encode_frame(encodings: Sequence[Encoding], frame: pd.DataFrame, where: str = "the rows") -> list[Inputs]:
    """Return the inputs of raw rows for each encoding."""
    with usable_rows(where):
        return encode_raw(encodings, Raw(with_text_names(frame), where, by_row))


def encode_raw(encodings: Sequence[Encoding], raw: Raw) -> list[Inputs]:
    """Return the inputs for each encoding; cells that several encodings read alike are read once."""
    tables: dict[Any, TypedTable] = {}
    inputs = []
    for encoding in encodings:
        used = [column for column in encoding.columns if column.features]
        reading = (encoding.absent, *(column.reading for column in used))
        if reading not in tables:
            tables[reading] = encoding.typed(raw)
        typed = tables[reading]
        inputs.append(encode(encoding, typed, np.arange(typed.n_rows)))
    return inputs


# --- fitting ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moments:
    """Statistics of columns of numbers over the training rows, (p,) each, without NaN cells."""

    count: Ints
    mean: Doubles
    scale: Doubles
    low: Doubles
    high: Doubles


def chunks(rows: Ints, width: int) -> Iterable[tuple[slice, Ints]]:
    """Yield pieces of row numbers that stay in the processor's cache: (place in the output, rows)."""
    step = max(CELLS_AT_ONCE // max(width, 1), 16)
    for start in range(0, len(rows), step):
        yield slice(start, start + step), rows[start : start + step]


def moments_of(values: NDArray[Any], rows: Ints) -> Moments:
    """Compute counts, means, standard deviations and ranges of some rows in one pass.  (Chan et al. 1983)"""
    width = values.shape[1]
    count, mean, square = np.zeros(width), np.zeros(width), np.zeros(width)
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    for _, piece in chunks(rows, width):
        raw = values[piece]
        low, high = np.fmin(low, np.fmin.reduce(raw, axis=0)), np.fmax(high, np.fmax.reduce(raw, axis=0))
        chunk = raw.astype(np.float64)
        n, chunk_mean = np.full(width, len(piece)), chunk.mean(axis=0)
        chunk -= chunk_mean
        if np.isnan(chunk_mean).any():
            absent = np.isnan(raw)
            n = len(piece) - absent.sum(axis=0)
            chunk_mean = np.where(absent, 0.0, raw).sum(axis=0) / np.maximum(n, 1)
            chunk = np.where(absent, 0.0, raw - chunk_mean)
        total = np.maximum(count + n, 1)
        step = chunk_mean - mean
        square += np.einsum("ij,ij->j", chunk, chunk) + step * step * count * n / total
        mean += step * n / total
        count += n
    scale = np.sqrt(square / np.maximum(count, 1))
    return Moments(count.astype(np.int64), mean, scale, low, high)


def fit_image(numbers: Numbers, rows: Ints, image: tuple[int, ...]) -> list[FittedColumn]:
    """Fit the pixels of images: all are kept, with μ and σ of their channel over all pixels."""
    moments = moments_of(numbers.values, rows)
    channel = np.arange(len(numbers.names)) % (image[2] if len(image) == 3 else 1)
    fitted = []
    for sign in range(channel.max() + 1):
        these = channel == sign
        count = moments.count[these]
        mean = float((count * moments.mean[these]).sum() / max(count.sum(), 1))
        square = count * (moments.scale[these] ** 2 + (moments.mean[these] - mean) ** 2)
        fitted.append(Feature(VALUE, mean, divisor(math.sqrt(square.sum() / max(count.sum(), 1)))))
    return [
        FittedColumn(name, "numeric", fill=fitted[sign].mean, features=(fitted[sign],))
        for name, sign in zip(numbers.names, channel, strict=True)
    ]


def fit_columns(assembly: Assembly, selection: Selection) -> tuple[FittedColumn, ...]:
    """Fit every column on the given rows only; features have no place in X yet."""
    typed, columns, rows = assembly.tables[selection.table], assembly.columns, selection.rows
    target = assembly.target_of(selection)
    known = attrgetter(*(each.name for each in fields(Column)))
    fitted = {name: FittedColumn(*known(column)) for name, column in columns.items()}
    cells: dict[str, Any] = {**typed.values, **typed.text}
    for numbers in typed.numbers:
        if assembly.image:
            fitted |= {column.name: column for column in fit_image(numbers, rows, assembly.image)}
        else:
            cells |= _number_columns(numbers, rows)
    for name, of_column in cells.items():
        column = fitted[name]
        fitted[name] = column.encoder.fit(column, of_column, rows, assembly.settings.column(name), target)
    return tuple(fitted.values())


def _number_columns(numbers: Numbers, rows: Ints) -> dict[str, NumberColumn]:
    moments = moments_of(numbers.values, rows)
    of_columns = (getattr(moments, each.name).tolist() for each in fields(moments))
    return {
        name: NumberColumn(numbers.values[:, place], *of_column)
        for place, (name, *of_column) in enumerate(zip(numbers.names, *of_columns, strict=True))
    }


# --- layout -----------------------------------------------------------------------------------------------------------


def lay_out(fits: Sequence[tuple[FittedColumn, ...]]) -> tuple[list[tuple[FittedColumn, ...]], tuple[str, ...]]:
    """Assign each feature a place in X that all fits share; a feature that a fold lacks is 0 there."""
    placed: list[list[FittedColumn]] = [[] for _ in fits]
    names: list[str] = []
    for same in zip(*fits, strict=True):
        used = [column for column in same if column.features]
        union = {key: feature for column in used for key, feature in column.keyed().items()}
        place = {key: len(names) + offset for offset, key in enumerate(sorted(union))}
        names += [used[0].encoder.feature_name(used[0].name, union[key]) for key in sorted(union)]
        for column, into in zip(same, placed, strict=True):
            features = tuple(replace(feature, position=place[key]) for key, feature in column.keyed().items())
            into.append(replace(column, features=features))
    return [tuple(columns) for columns in placed], tuple(names)


def fit_encodings(assembly: Assembly, selections: tuple[Selection, ...]) -> list[Encoding]:
    """Fit one encoding on the rows of each selection; all share one layout."""
    fits = [fit_columns(assembly, each) for each in selections]
    placed, names = lay_out(fits)
    if not names:
        raise DataError(
            f"{assembly.path or 'the rows'}: no usable column ({_reasons(fits[0])}). Set the kind of a column in "
            "[data.columns] to use it"
        )
    return [
        Encoding(
            version=_version(columns, assembly.settings),
            columns=columns,
            n_features=len(names),
            source_columns=assembly.source_columns,
            target=assembly.target,
            image=assembly.image,
            missing=assembly.settings.missing,
            keep=assembly.settings.keep or (),
            feature_names=names,
        )
        for columns in placed
    ]


def _version(columns: tuple[FittedColumn, ...], settings: DataSettings) -> Version:
    if any(column.form is not None and column.form.name == PERIODIC for column in columns):
        return 5
    if any(column.order or column.means for column in columns):
        return 4
    if any(column.form for column in columns):
        return 3
    return 2 if settings.keep or any(column.notation for column in columns) else 1


def _reasons(columns: tuple[FittedColumn, ...]) -> str:
    shown = [f"{quoted(column.name)}: {column.why}" for column in columns[:3]]
    return "; ".join(shown) + ("; …" if len(columns) > 3 else "") or "the target is the only column"


# --- applying ---------------------------------------------------------------------------------------------------------


def encode(
    encoding: Encoding, typed: TypedTable, rows: Ints, zeros: Zeros = _zeros, folds: Ints | None = None
) -> Inputs:
    """Encode the given rows of a table, into arrays that ``zeros`` provides.

    ``folds`` (len(rows),): those of ``folds_of``, if they are rows that the encoding was fitted on.
    Without categories the numbers have a column of ones beside them, so that a network trains on them without a copy.
    """
    n, shape = len(rows), _Shape.of(encoding)
    X = zeros(NUMBERS, (n, len(shape.places) + (not shape.flagged)), np.float32)
    if not shape.flagged:
        X[:, -1] = 1
        X = X[:, :-1]
    places = zeros(PLACES, shape.places.shape, np.int64)
    flags = zeros(FLAGS, (n, len(shape.flagged)), shape.of_flags)
    places[:] = shape.places
    flags[:] = encoding.n_features
    fitted = {column.name: column for column in encoding.columns}
    if shape.flagged:
        place = np.zeros(encoding.n_features, dtype=np.int64)
        place[places] = np.arange(len(places))
        fitted |= {name: column.moved(place) for name, column in fitted.items() if not column.encoder.one_hot}
    for numbers in typed.numbers:
        _encode_numbers([fitted[name] for name in numbers.names], numbers.values, rows, X)
    for name, cells in {**typed.values, **typed.text}.items():
        column = fitted[name]
        if name in shape.flagged:
            flags[:, shape.flagged.index(name)] = column.encoder.flags(column, cells, rows, encoding.n_features)
        elif column.means is not None:
            text = typed.text[name]
            X[:, slice_or_places(column.features)] = column.means.of(text.levels, text.codes[rows], folds)
        elif column.features:
            column.encoder.encode(column, cells, rows, X)
    return Inputs(X, places, flags, encoding.n_features)


def bytes_of_a_row(encoding: Encoding) -> int:
    """Return the bytes of a row's inputs."""
    shape = _Shape.of(encoding)
    return 4 * len(shape.places) + shape.of_flags.itemsize * len(shape.flagged)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The layout of an encoding's ``Inputs``: the places of numbers, and the columns that become flags."""

    places: Ints
    flagged: list[str]
    of_flags: np.dtype[np.unsignedinteger[Any]]

    @classmethod
    def of(cls, encoding: Encoding) -> _Shape:
        one_hot = [column for column in encoding.columns if column.encoder.one_hot and column.features]
        is_number = np.ones(encoding.n_features, dtype=bool)
        is_number[[feature.position for column in one_hot for feature in column.features]] = False
        of_flags = np.min_scalar_type(encoding.n_features)
        return cls(np.flatnonzero(is_number), [column.name for column in one_hot], of_flags)


def _encode_numbers(columns: list[FittedColumn], values: NDArray[Any], rows: Ints, X: Floats) -> None:
    every = [
        (place, feature)
        for place, column in enumerate(columns)
        for feature in column.features
        if column.form is None or feature.part == MISSING
    ]
    formed = [(place, column) for place, column in enumerate(columns) if column.form is not None]
    value, absent = ([each for each in every if each[1].part == part] for part in (VALUE, MISSING))
    places = np.array([place for place, _ in value], dtype=np.int64)
    mean = np.array([feature.mean for _, feature in value])
    scale = np.array([feature.scale for _, feature in value])
    fill = np.array([columns[place].fill for place in places], dtype=np.float64)
    into = slice_or_places([feature for _, feature in value])
    whole = len(places) == values.shape[1]
    with np.errstate(over="ignore"):  # overflow is clipped
        # integers stay below the limit, unless the scale is tiny
        far = values.dtype.kind == "f" or ((np.abs(mean) + 2.0**64) / scale).max(initial=0) > LARGEST_INPUT
        for place, piece in chunks(rows, values.shape[1]):
            raw = values[piece]
            chunk = (raw if whole else raw[:, places]).astype(np.float64)
            chunk -= mean
            chunk /= scale
            if far and not (chunk.max(initial=0) <= LARGEST_INPUT and chunk.min(initial=0) >= -LARGEST_INPUT):  # or NaN
                np.copyto(chunk, (fill - mean) / scale, where=np.isnan(chunk))
                np.clip(chunk, -LARGEST_INPUT, LARGEST_INPUT, out=chunk)
            X[place, into] = chunk
            for source, feature in absent:
                X[place, feature.position] = np.isnan(raw[:, source])
            for source, column in formed:
                X[place, slice_or_places(column.formed)] = column.in_form(raw[:, source].astype(np.float64))
