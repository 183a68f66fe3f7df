"""From columns to a network's inputs: fitted on training rows, kept as plain JSON, applied to any rows later.

Each column becomes one or more features:

- numeric: the value, normalised by the training rows' mean μ and standard deviation σ (σ = 0 becomes 1); missing
  cells take the training median (mean, or a given number) and, where the training rows have any, a flag says so;
- boolean: 0 or 1, missing cells likewise;
- categorical: one flag for each category with enough training rows; the rarer ones share one, which unseen
  categories use too (without it they are all zeros); missing is a category of its own;
- date: the time, and sine and cosine of its place in the year, the week and the day, as far as they vary, normalised.

Flags stay 0 and 1: divided by their σ, those of rare categories would be the largest inputs.  (Measured on adult with
four settings: 14.1 to 14.3 % test error with flags as they are, 14.9 to 15.1 % with normalised ones.)

Image-shaped inputs keep every column and take one μ and σ for each channel: an edge pixel that is inked once in
10 000 rows would otherwise become 100 σ, and a shifted image would no longer be a normalised one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dates import PARTS, date_parts
from tuner.data.settings import ColumnSettings, DataSettings
from tuner.data.sources.raw import Raw, by_row
from tuner.data.tables import Column, Numbers, TextColumn, TypedTable, raw_table, typed_table, with_columns
from tuner.errors import DataError
from tuner.formatting import error_line

if TYPE_CHECKING:
    import pandas as pd

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

VERSION = 1
CELLS_AT_ONCE = 1 << 17  # 1 MB of float64: a chunk stays in the processor's cache
NOISE = 1e-14  # a spread this small beside the values is rounding, not variation
MOST_LEVELS = 256
NO_VALUE, ONE_VALUE = "no value in the training rows", "the same value in every training row"
LARGEST_INPUT = 1e30  # float32 holds 3.4e38; a dev value this many σ out is wrong at any size

# The features that one column can have, in the order they stand in X.
PART_ORDER = ("value", *PARTS, "level", "rare", "missing")


def rare_below(n: int) -> int:
    """Return how many of n training rows a category needs for a feature of its own: 2 to 10, a 200th between."""
    return max(2, min(10, n // 200))


@dataclass(frozen=True, slots=True)
class Feature:
    """One input: which part of its column it shows, its place in X, and its normalisation."""

    part: str
    mean: float
    scale: float
    level: str = ""
    position: int = -1

    @property
    def key(self) -> tuple[int, str]:
        """Say where the feature stands among its column's."""
        return PART_ORDER.index(self.part), self.level


@dataclass(frozen=True, slots=True)
class FittedColumn(Column):
    """One column as learnt from the training rows; without features it is not used, ``why`` says so."""

    fill: float | None = None
    features: tuple[Feature, ...] = ()


@dataclass(frozen=True)
class Encoding:
    """A fitted encoding: ``transform`` makes a network's input of raw rows, ``to_json``/``from_json`` keep it."""

    columns: tuple[FittedColumn, ...]
    n_features: int
    source_columns: tuple[str, ...]
    target: str
    image: tuple[int, ...] | None = None
    missing: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers."""
        return {"version": VERSION, **_plain(self)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Encoding:
        """Rebuild an encoding; raises DataError where the JSON is not one."""
        if plain.get("version") != VERSION:
            raise DataError(f"encoding: version {plain.get('version')!r} found, expected {VERSION}")
        try:
            columns = tuple(_column_from(entry) for entry in plain["columns"])
            return cls(
                columns=columns,
                n_features=int(plain["n_features"]),
                source_columns=tuple(plain["source_columns"]),
                target=str(plain["target"]),
                image=tuple(plain["image"]) if plain["image"] else None,
                missing=tuple(plain["missing"]),
                feature_names=tuple(plain["feature_names"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"encoding: malformed ({error_line(error)})") from error

    def transform(self, frame: pd.DataFrame, where: str = "the rows") -> Floats:
        """Return X (n, n_features) float32 for raw rows: extra columns are ignored, a missing one is refused."""
        return self.transform_raw(Raw(frame.rename(columns=str), where, by_row))

    def transform_raw(self, raw: Raw) -> Floats:
        """Do the same for rows that a source has read."""
        typed = self.typed(raw)
        X = np.zeros((typed.n_rows, self.n_features), dtype=np.float32)
        encode(self, typed, np.arange(typed.n_rows), X)
        return X

    def typed(self, raw: Raw) -> TypedTable:
        """Read every column that is used as its kind."""
        used = [column.name for column in self.columns if column.features]
        table = raw_table(with_columns(raw, used, "which the model uses"), frozenset(), self.missing)
        return typed_table(table, {column.name: column for column in self.columns})

    @property
    def text_columns(self) -> frozenset[str]:
        """Name the columns whose cells must be read as text."""
        text = ("categorical", "date")
        return frozenset(column.name for column in self.columns if column.kind in text or column.words)


def _plain(value: Any) -> Any:
    """Return dataclasses as dictionaries and tuples as lists (``asdict`` copies every cell, at ten times the time)."""
    if isinstance(value, Encoding | FittedColumn | Feature):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _column_from(entry: Mapping[str, Any]) -> FittedColumn:
    features = tuple(Feature(**feature) for feature in entry["features"])
    words = (str(entry["words"][0]), str(entry["words"][1])) if entry["words"] else None
    return FittedColumn(**{**entry, "features": features, "words": words})


# --- fitting ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moments:
    """What the training rows show of columns of numbers, each an array (p,); NaN cells are left out."""

    count: Ints
    mean: Doubles
    scale: Doubles
    low: Doubles
    high: Doubles


def chunks(rows: Ints, width: int) -> Iterable[tuple[slice, Ints]]:
    """Cut row numbers into pieces that stay in the processor's cache: (place in the output, rows)."""
    step = max(CELLS_AT_ONCE // max(width, 1), 16)
    for start in range(0, len(rows), step):
        yield slice(start, start + step), rows[start : start + step]


def moments_of(values: NDArray[Any], rows: Ints) -> Moments:
    """Return counts, means, standard deviations and ranges of some rows, in one pass.  (Chan et al. 1983)"""
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


def _scale(scale: float) -> float:
    return scale if scale > 0 else 1.0


def _flag(part: str, level: str = "") -> Feature:
    """Return a feature that is 0 or 1 and not normalised."""
    return Feature(part, 0.0, 1.0, level)


def fit_numbers(
    numbers: Numbers, columns: Mapping[str, Column], rows: Ints, settings: DataSettings
) -> list[FittedColumn]:
    """Fit a block of numeric and boolean columns at once."""
    found = moments_of(numbers.values, rows)
    return [
        _fit_number(numbers.values[:, place], found, place, columns[name], rows, settings.column(name))
        for place, name in enumerate(numbers.names)
    ]


def _fit_number(
    values: NDArray[Any], found: Moments, place: int, column: Column, rows: Ints, chosen: ColumnSettings
) -> FittedColumn:
    count, n = int(found.count[place]), len(rows)
    fitted = FittedColumn(**asdict(column))
    if not count:
        return replace(fitted, kind="drop", why=NO_VALUE)
    mean, scale, fill = float(found.mean[place]), float(found.scale[place]), float(found.mean[place])
    if isinstance(chosen.fill, float):
        fill = chosen.fill
    elif chosen.fill != "mean" and count < n:
        present = values[rows]
        fill = float(np.median(present[~np.isnan(present)]))
    varies = scale > NOISE * max(abs(float(found.low[place])), abs(float(found.high[place])))
    mean, scale = (0.0, 1.0) if column.kind == "boolean" else with_fill(mean, scale, fill, count, n)
    features = [Feature("value", mean, _scale(scale))] if varies or column.overruled else []
    return _with_features(fitted, features, fill, missing=count < n and chosen.indicator is not False)


def _with_features(fitted: FittedColumn, features: list[Feature], fill: float, *, missing: bool) -> FittedColumn:
    """Add the flag of missing cells, and say why a column has no feature."""
    every = (*features, _flag("missing")) if missing else tuple(features)
    return replace(fitted, why=fitted.why or ("" if every else ONE_VALUE), fill=fill, features=every)


def with_fill(mean: float, scale: float, fill: float, count: int, n: int) -> tuple[float, float]:
    """Return μ and σ of n rows of which n − count have been given the value ``fill``."""
    if count == n:
        return mean, scale
    filled = (count * mean + (n - count) * fill) / n
    square = count * (scale**2 + (mean - filled) ** 2) + (n - count) * (fill - filled) ** 2
    return filled, math.sqrt(square / n)


def fit_category(text: TextColumn, column: Column, rows: Ints, chosen: ColumnSettings) -> FittedColumn:
    """Fit a categorical column: frequent levels by name, the others together, missing apart."""
    codes, n = text.codes[rows], len(rows)
    counts = np.bincount(codes + 1, minlength=len(text.levels) + 1)
    absent, counts = int(counts[0]), counts[1:]
    least = rare_below(n) if chosen.rare is None else chosen.rare
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    kept = sorted(int(level) for level in order if counts[level] >= least)
    rare = int(counts.sum() - counts[kept].sum())
    features = [_flag("level", text.levels[level]) for level in kept]
    if rare:
        features.append(_flag("rare"))
    if absent and chosen.indicator is not False:
        features.append(_flag("missing"))
    fitted = FittedColumn(**asdict(column))
    if len(features) < 2:
        one = ONE_VALUE if counts.sum() else NO_VALUE
        scattered = f"no value stands in {least} or more training rows" if rare and not kept else one
        return replace(fitted, why=scattered)
    return replace(fitted, features=tuple(features))


def fit_date(seconds: Doubles, column: Column, rows: Ints, chosen: ColumnSettings) -> FittedColumn:
    """Fit a date column; parts that do not vary in the training rows (the time of day of plain dates) are left out."""
    found = seconds[rows]
    present = found[~np.isnan(found)]
    fitted = FittedColumn(**asdict(column))
    if not len(present):
        return replace(fitted, kind="drop", why=NO_VALUE)
    fill = float(np.median(present))
    parts = date_parts(np.where(np.isnan(found), fill, found))
    mean, scale = parts.mean(axis=0), parts.std(axis=0)
    moments = zip(PARTS, mean.tolist(), scale.tolist(), strict=True)
    features = [Feature(*of_part) for of_part in moments if of_part[2] > 1e-9]
    return _with_features(fitted, features, fill, missing=len(present) < len(found) and chosen.indicator is not False)


def fit_image(numbers: Numbers, rows: Ints, image: tuple[int, ...]) -> list[FittedColumn]:
    """Fit an image's pixels: every one is kept, μ and σ are those of its channel over all pixels."""
    found = moments_of(numbers.values, rows)
    channel = np.arange(len(numbers.names)) % (image[2] if len(image) == 3 else 1)
    fitted = []
    for sign in range(channel.max() + 1):
        these = channel == sign
        count = found.count[these]
        mean = float((count * found.mean[these]).sum() / max(count.sum(), 1))
        square = count * (found.scale[these] ** 2 + (found.mean[these] - mean) ** 2)
        fitted.append(Feature("value", mean, _scale(math.sqrt(square.sum() / max(count.sum(), 1)))))
    return [
        FittedColumn(name, "numeric", fill=fitted[sign].mean, features=(fitted[sign],))
        for name, sign in zip(numbers.names, channel, strict=True)
    ]


def fit_columns(
    typed: TypedTable, columns: Mapping[str, Column], rows: Ints, settings: DataSettings, image: tuple[int, ...] | None
) -> tuple[FittedColumn, ...]:
    """Fit every column on the given rows alone; features have no place in X yet."""
    fitted: dict[str, FittedColumn] = {}
    for numbers in typed.numbers:
        found = fit_image(numbers, rows, image) if image else fit_numbers(numbers, columns, rows, settings)
        fitted |= {column.name: column for column in found}
    for name, text in typed.categories.items():
        fitted[name] = fit_category(text, columns[name], rows, settings.column(name))
    for name, seconds in typed.dates.items():
        fitted[name] = fit_date(seconds, columns[name], rows, settings.column(name))
    return tuple(fitted.get(name) or FittedColumn(**asdict(column)) for name, column in columns.items())


# --- layout -----------------------------------------------------------------------------------------------------------


def feature_name(column: str, feature: Feature) -> str:
    """Name an input for people: age, job=clerk, job=(rare), age (missing), day (week_sin)."""
    if feature.part in ("value", "time"):
        return column
    if feature.part == "level":
        return f"{column}={feature.level}"
    return f"{column}=({feature.part})" if feature.part == "rare" else f"{column} ({feature.part})"


def lay_out(fits: Sequence[tuple[FittedColumn, ...]]) -> tuple[list[tuple[FittedColumn, ...]], tuple[str, ...]]:
    """Give each feature its place in X, common to all fits: a feature that a fold's fit lacks stays 0 there."""
    placed: list[list[FittedColumn]] = [[] for _ in fits]
    names: list[str] = []
    for same in zip(*fits, strict=True):
        union = {feature.key: feature for column in same for feature in column.features}
        place = {key: len(names) + offset for offset, key in enumerate(sorted(union))}
        names += [feature_name(same[0].name, union[key]) for key in sorted(union)]
        for column, into in zip(same, placed, strict=True):
            features = tuple(replace(feature, position=place[feature.key]) for feature in column.features)
            into.append(replace(column, features=features))
    return [tuple(columns) for columns in placed], tuple(names)


# --- applying ---------------------------------------------------------------------------------------------------------


def encode(encoding: Encoding, typed: TypedTable, rows: Ints, X: Floats) -> None:
    """Write the given rows of a table into X (len(rows), n_features), which must be zeros."""
    fitted = {column.name: column for column in encoding.columns}
    for numbers in typed.numbers:
        _encode_numbers([fitted[name] for name in numbers.names], numbers.values, rows, X)
    for name, text in typed.categories.items():
        _encode_category(fitted[name], text, rows, X)
    for name, seconds in typed.dates.items():
        _encode_date(fitted[name], seconds[rows], X)


def _encode_numbers(columns: list[FittedColumn], values: NDArray[Any], rows: Ints, X: Floats) -> None:
    every = [(place, feature) for place, column in enumerate(columns) for feature in column.features]
    value, absent = ([each for each in every if each[1].part == part] for part in ("value", "missing"))
    places = np.array([place for place, _ in value], dtype=np.int64)
    mean = np.array([feature.mean for _, feature in value])
    scale = np.array([feature.scale for _, feature in value])
    fill = np.array([columns[place].fill for place in places], dtype=np.float64)
    into = _slice_or_places([feature.position for _, feature in value])
    whole = len(places) == values.shape[1]
    with np.errstate(over="ignore"):  # what overflows is clipped
        # whole numbers stay below the limit, unless the scale is one that only tiny numbers can have
        far = values.dtype.kind == "f" or ((np.abs(mean) + 2.0**64) / scale).max(initial=0) > LARGEST_INPUT
        for place, piece in chunks(rows, values.shape[1]):
            raw = values[piece]
            chunk = (raw if whole else raw[:, places]).astype(np.float64)
            if values.dtype.kind == "f":
                np.copyto(chunk, fill, where=np.isnan(chunk))
            chunk -= mean
            chunk /= scale
            if far and np.abs(chunk).max(initial=0) > LARGEST_INPUT:
                np.clip(chunk, -LARGEST_INPUT, LARGEST_INPUT, out=chunk)
            X[place, into] = chunk
            for source, feature in absent:
                X[place, feature.position] = np.isnan(raw[:, source])


def _slice_or_places(positions: list[int]) -> slice | Ints:
    """Return a slice where the places follow each other: assigning through it is several times faster."""
    if positions and positions == list(range(positions[0], positions[0] + len(positions))):
        return slice(positions[0], positions[0] + len(positions))
    return np.array(positions, dtype=np.int64)


def _encode_category(column: FittedColumn, text: TextColumn, rows: Ints, X: Floats) -> None:
    if not column.features:
        return
    by_level = {feature.level: place for place, feature in enumerate(column.features) if feature.part == "level"}
    shared = {feature.part: place for place, feature in enumerate(column.features) if feature.part != "level"}
    none = len(column.features)
    slots = [by_level.get(level, shared.get("rare", none)) for level in text.levels]
    slot = np.array([*slots, shared.get("missing", none)], dtype=np.int64)[text.codes[rows]]
    vectors = np.eye(none + 1, none, dtype=np.float32)  # the last one: no flag at all
    X[:, _slice_or_places([feature.position for feature in column.features])] = vectors[slot]


def _encode_date(column: FittedColumn, seconds: Doubles, X: Floats) -> None:
    absent = np.isnan(seconds)
    parts = date_parts(np.where(absent, column.fill or 0.0, seconds))
    for feature in column.features:
        raw = absent if feature.part == "missing" else parts[:, PARTS.index(feature.part)]
        X[:, feature.position] = (raw - feature.mean) / feature.scale
