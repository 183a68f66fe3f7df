"""The kinds of columns: how each is read, fitted, encoded and described.

A column becomes one or more features:

- numeric: the value, normalized by the training rows' mean μ and standard deviation σ (σ = 0 becomes 1), or in another
  form (``number_forms.py``); missing cells get the training median (mean, or a given number) and, if the training rows
  have any, a flag;
- boolean: 0 or 1, missing cells likewise;
- categorical: one flag per category with enough training rows; rarer and unseen categories share one (without it
  they are all zeros); missing is a separate category;
- target_encoded: the mean target of the category's training rows (``target_means.py``);
- date: the time, and sine and cosine of its position in the year, week and day, if they vary, normalized.

Flags stay 0 and 1: divided by σ, flags of rare categories would be the largest inputs.  (Measured on adult with four
settings: 14.1% to 14.3% test error with plain flags, 14.9% to 15.1% with normalized ones.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)
from pydantic_core import PydanticKnownError

from tuner.data.dates import CLOCKS, CYCLES, DATE_FORMATS, DAY, FIRST_TIME, PARTS, date_parts
from tuner.data.notation import Notation
from tuner.data.number_forms import (
    AUTO,
    STANDARDIZE,
    TARGET_BINS,
    ChosenForm,
    FittedForm,
    NumericForm,
    Target,
    fit_form,
    fit_target_bins,
)
from tuner.data.target_means import FittedMeans, fit_means
from tuner.formatting import count, quoted
from tuner.target_transforms import SKEWED, skewness

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
LATER_KEYS = frozenset({"notation", "of", "note", "keep", "form", "order", "means"})
"""Keys of encodings that version 1 had not."""
Finite = Annotated[float, Field(allow_inf_nan=False)]

NOISE = 1e-14  # relative to the values: a smaller spread is rounding, not variation
LEAST_SPREAD = 1e-9  # of a part of a date
MOST_LEVELS = 256
LARGEST_INPUT = 1e30  # float32 holds 3.4e38; a dev value this many σ away is an error anyway
NO_VALUE, ONE_VALUE = "no value in the training rows", "the same value in every training row"
VALUE, BIN, LEVEL, RARE, MISSING = "value", "bin", "level", "rare", "missing"


class Reads(Enum):
    """How an encoder reads the cells of a column."""

    NUMBERS = auto()
    BOOLEANS = auto()
    SECONDS = auto()
    TEXT = auto()
    NOTHING = auto()


# --- columns ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Text as codes: row i is ``levels[codes[i]]``, or missing if the code is -1.  Levels are sorted."""

    codes: Ints
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column of numbers, NaN if missing, with its statistics over the training rows."""

    values: NDArray[Any]
    count: int
    mean: float
    scale: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its kind, the reason, and how to read it (a date's format, a boolean's words, a number's notation).

    ``of``: the column of the file whose cells it flags as limits of detection, if it is not one of the file's own;
    its second word is that limit's sign.  ``note``: what a person should know of how it is read.  ``order``: its
    categories, which are read as the numbers 0, 1, 2, ...
    """

    name: str
    kind: Kind
    why: str = ""
    date_format: str | None = None
    words: tuple[str, str] | None = None
    overruled: bool = False
    notation: Notation | None = None
    of: str = ""
    note: str = ""
    order: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The column of the file with its cells."""
        return self.of or self.name

    @property
    def reading(self) -> tuple[object, ...]:
        """Whatever decides how its cells are read."""
        return self.name, self.kind, self.date_format, self.words, self.notation, self.of, self.order

    @property
    def encoder(self) -> Encoder[Any]:
        """The encoder of its kind."""
        return ENCODERS[self.kind]


@dataclass(frozen=True, slots=True)
class Feature:
    """One input: the part of its column, its place in X, and its normalization."""

    part: str
    mean: Finite
    scale: Annotated[Finite, Field(gt=0)]
    level: str = ""
    position: int = -1


@dataclass(frozen=True, slots=True)
class FittedColumn(Column):
    """A column fitted on the training rows; without features it is not used, for the reason ``why``."""

    fill: Finite | None = None
    features: tuple[Feature, ...] = ()
    form: FittedForm | None = None
    means: FittedMeans | None = None

    def __post_init__(self) -> None:
        parts = {feature.part for feature in self.features}
        if unknown := parts - set(self.encoder.parts):
            raise ValueError(
                f"column {quoted(self.name)} of kind {self.kind} cannot have a feature {quoted(min(unknown))}"
            )
        if self.date_format not in (None, *DATE_FORMATS):
            raise ValueError(f"column {quoted(self.name)}: unknown date format {quoted(self.date_format)}")
        if parts and self.fill is None and self.encoder.reads is not Reads.TEXT:
            raise ValueError(f"column {quoted(self.name)}: expected a number in fill, got none")
        if self.form is not None and len(self.formed) != self.form.n_inputs:
            raise ValueError(
                f"column {quoted(self.name)}: expected {self.form.n_inputs} inputs of {self.form.name}, "
                f"got {len(self.formed)}"
            )

        if len(self.features if self.kind == "target_encoded" else ()) != (self.means.n_inputs if self.means else 0):
            raise ValueError(f"column {quoted(self.name)}: expected an input for each mean of the target")

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the keys that version 1 had not, if they say nothing, so that files of both versions are alike."""
        return {key: value for key, value in plain(self).items() if value or key not in LATER_KEYS}

    @property
    def formed(self) -> tuple[Feature, ...]:
        """The inputs that its form makes, in their order; none without a form."""
        return tuple(each for each in self.features if each.part != MISSING) if self.form is not None else ()

    def in_form(self, values: Doubles) -> Doubles:
        """Return the inputs that its form makes of numbers (n,), NaN where missing: (n, len(formed))."""
        assert self.form is not None
        first = self.formed[0]
        filled = np.where(np.isnan(values), self.fill or 0.0, values)
        return self.form.of((filled - first.mean) / first.scale)

    def moved(self, places: Ints) -> FittedColumn:
        """Return the column with its features at other places: ``places`` (n_features,) by their present ones."""
        moved = (replace(feature, position=int(places[feature.position])) for feature in self.features)
        return replace(self, features=tuple(moved))

    def keyed(self) -> dict[tuple[int, str], Feature]:
        """Return the features by their sort key: the place of their part in the encoder, and their level."""
        return {(self.encoder.parts.index(feature.part), feature.level): feature for feature in self.features}


def _known(kind: Any) -> Any:
    if not isinstance(kind, str) or kind not in ENCODERS:
        names = [repr(name) for name in ENCODERS]
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(names[:-1])} or {names[-1]}"})
    return kind


# --- encoders ---------------------------------------------------------------------------------------------------------

Cells = TypeVar("Cells")


def rare_below(n: int) -> int:
    """Return how many of n training rows a category needs for a flag: n/200, at least 2 and at most 10."""
    return max(2, min(10, n // 200))


def divisor(scale: float) -> float:
    """Return what to divide by: σ, or 1 if it is 0."""
    return scale if scale > 0 else 1.0


def flag(part: str, level: str = "") -> Feature:
    """Return a feature that is 0 or 1 and not normalized."""
    return Feature(part, 0.0, 1.0, level)


def slice_or_places(features: Sequence[Feature]) -> slice | Ints:
    """Return a slice if the features are adjacent in X, which makes assignment several times faster."""
    positions = [feature.position for feature in features]
    if positions and positions == list(range(positions[0], positions[0] + len(positions))):
        return slice(positions[0], positions[0] + len(positions))
    return np.array(positions, dtype=np.int64)


class Encoder(Generic[Cells]):
    """A kind of column.  The base class drops the column.

    ``parts``: the possible features of a column, in their order in X; the first has the column's name.
    ``in_blocks``: whether many of its columns are encoded at once.  ``one_hot``: whether at most one feature of a row
    is 1 and all others 0; it then has ``flags`` and no ``encode``.  ``settings``: what it heeds of
    [data.columns].
    """

    reads: Reads = Reads.NOTHING
    parts: tuple[str, ...] = ()
    in_blocks: ClassVar[bool] = False
    one_hot: ClassVar[bool] = False
    settings: tuple[str, ...] = ()

    def fit(
        self, column: FittedColumn, cells: Cells, rows: Ints, chosen: ColumnSettings, target: Target
    ) -> FittedColumn:
        """Return the column with its features fitted on the given (training) rows, without places in X.

        ``target``: that of these rows.
        """
        raise NotImplementedError

    def encode(self, column: FittedColumn, cells: Cells, rows: Ints, X: Floats) -> None:
        """Write the column's features of the given rows into X (len(rows), n_features), which is zero there."""
        raise NotImplementedError

    def flags(self, column: FittedColumn, cells: Cells, rows: Ints, none: int) -> NDArray[np.unsignedinteger[Any]]:
        """Return the place in X of the flag of each given row, (len(rows),); ``none`` without one."""
        raise NotImplementedError

    def feature_name(self, column: str, feature: Feature) -> str:
        """Return the displayed name of an input: age, age (missing), day (week_sin)."""
        return column if feature.part == self.parts[0] else f"{column} ({feature.part})"

    def describe(self, column: FittedColumn, parts: list[str]) -> str:
        """Describe the encoding of a column with features of these parts."""
        if MISSING not in parts or column.fill is None:
            return self.shown(column, parts)
        return f"{self.shown(column, parts)}, missing: {self.cell(column.fill)} and an indicator"

    def shown(self, column: FittedColumn, parts: list[str]) -> str:
        """Describe the encoding of cells that are not missing."""
        return "normalized"

    def cell(self, fill: float) -> str:
        """Format the value that replaces a missing cell."""
        return f"{fill:.6g}"


def _with_features(
    fitted: FittedColumn, features: list[Feature], fill: float, chosen: ColumnSettings, *, absent: bool
) -> FittedColumn:
    """Add the flag of missing cells if there are any, and the reason if there is no feature."""
    flags = [flag(MISSING)] if absent and chosen.indicator is not False else []
    every = (*features, *flags)
    return replace(fitted, why=fitted.why or ("" if every else ONE_VALUE), fill=fill, features=every)


def with_fill(mean: float, scale: float, fill: float, count: int, n: int) -> tuple[float, float]:
    """Return μ and σ of n rows after filling n − count of them with ``fill``."""
    if count == n:
        return mean, scale
    filled = (count * mean + (n - count) * fill) / n
    square = count * (scale**2 + (mean - filled) ** 2) + (n - count) * (fill - filled) ** 2
    return filled, math.sqrt(square / n)


class NumberEncoder(Encoder[NumberColumn]):
    """A number, normalized, or a boolean as 0 or 1; ``encoding`` writes blocks of such columns into X."""

    parts = (VALUE, BIN, MISSING)
    in_blocks = True

    def __init__(self, reads: Reads) -> None:
        self.reads = reads
        self.settings = ("fill", "indicator") if reads is Reads.BOOLEANS else ("fill", "indicator", "numeric", "order")

    def fit(
        self, column: FittedColumn, cells: NumberColumn, rows: Ints, chosen: ColumnSettings, target: Target
    ) -> FittedColumn:
        """Normalize by μ and σ of the rows after filling missing cells."""
        count, n, mean, scale = cells.count, len(rows), cells.mean, cells.scale
        if not count:
            return replace(column, kind="drop", why=NO_VALUE)
        fill = mean
        if isinstance(chosen.fill, float):
            fill = chosen.fill
        elif chosen.fill != "mean" and count < n:
            present = cells.values[rows]
            fill = float(np.median(present[~np.isnan(present)]))
        varies = scale > NOISE * max(abs(cells.low), abs(cells.high))
        mean, scale = (0.0, 1.0) if self.reads is Reads.BOOLEANS else with_fill(mean, scale, fill, count, n)
        features = [Feature(VALUE, mean, divisor(scale))] if varies or column.overruled else []
        fitted = _with_features(column, features, fill, chosen, absent=count < n)
        if not varies or self.reads is Reads.BOOLEANS or chosen.numeric in (None, STANDARDIZE):
            return fitted
        return _in_form(fitted, chosen.numeric, cells.values[rows], fill, target)

    def feature_name(self, column: str, feature: Feature) -> str:
        """Name an input: age, age (bin 03), age (missing)."""
        return f"{column} ({BIN} {feature.level})" if feature.part == BIN else super().feature_name(column, feature)

    def shown(self, column: FittedColumn, parts: list[str]) -> str:
        """Describe the values."""
        if self.reads is Reads.BOOLEANS:
            return "0 or 1"
        form = "normalized" if column.form is None else column.form.shown
        return f"place from {quoted(column.order[0])} to {quoted(column.order[-1])}, {form}" if column.order else form


def _in_form(column: FittedColumn, name: ChosenForm, values: NDArray[Any], fill: float, target: Target) -> FittedColumn:
    """Return the column with inputs in a form that is fitted on the values, NaN where missing."""
    numbers = values.astype(np.float64)
    numbers = np.where(np.isnan(numbers), fill, numbers)
    if name == AUTO:
        if abs(skewness(numbers)) <= SKEWED:
            return column
        name = "quantile"
    form, mean, scale = (fit_target_bins(numbers, target), 0.0, 1.0) if name == TARGET_BINS else fit_form(name, numbers)
    inputs = [Feature(VALUE, mean, divisor(scale))]
    if form.name == "piecewise_linear":
        inputs = [flag(BIN, f"{place:02d}") for place in range(1, form.n_inputs + 1)]
    flags = [feature for feature in column.features if feature.part == MISSING]
    return replace(column, form=form, features=(*inputs, *flags))


class CategoryEncoder(Encoder[TextColumn]):
    """One flag per frequent level, one for all rare ones, one for missing cells."""

    reads = Reads.TEXT
    parts = (LEVEL, RARE, MISSING)
    one_hot = True
    settings = ("indicator", "rare")

    def fit(
        self, column: FittedColumn, cells: TextColumn, rows: Ints, chosen: ColumnSettings, target: Target
    ) -> FittedColumn:
        """Return a flag for each level with enough rows, for rare levels and for missing cells."""
        codes, n = cells.codes[rows], len(rows)
        counts = np.bincount(codes + 1, minlength=len(cells.levels) + 1)
        absent, counts = int(counts[0]), counts[1:]
        least = rare_below(n) if chosen.rare is None else chosen.rare
        order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
        kept = sorted(int(level) for level in order if counts[level] >= least)
        rare = int(counts.sum() - counts[kept].sum())
        features = [flag(LEVEL, cells.levels[level]) for level in kept]
        if rare:
            features.append(flag(RARE))
        if absent and chosen.indicator is not False:
            features.append(flag(MISSING))
        if len(features) < 2:
            one = ONE_VALUE if counts.sum() else NO_VALUE
            scattered = f"no value occurs in {least} or more training rows" if rare and not kept else one
            return replace(column, why=scattered)
        return replace(column, features=tuple(features))

    def flags(self, column: FittedColumn, cells: TextColumn, rows: Ints, none: int) -> NDArray[np.unsignedinteger[Any]]:
        """Return the flag of each row's level."""
        by_level = {feature.level: feature.position for feature in column.features if feature.part == LEVEL}
        shared = {feature.part: feature.position for feature in column.features if feature.part != LEVEL}
        places = [by_level.get(level, shared.get(RARE, none)) for level in cells.levels]
        place = np.array([*places, shared.get(MISSING, none)], dtype=np.min_scalar_type(none))
        return place[cells.codes[rows]]

    def feature_name(self, column: str, feature: Feature) -> str:
        """Name a flag: job=clerk, job=(rare), job (missing)."""
        named = {LEVEL: f"{column}={feature.level}", RARE: f"{column}=({RARE})"}
        return named.get(feature.part, f"{column} ({feature.part})")

    def describe(self, column: FittedColumn, parts: list[str]) -> str:
        """Describe the flags."""
        others = {RARE: "rare ones combined", MISSING: "missing separate"}
        levels = f"one-hot, {parts.count(LEVEL)} categories"
        return ", ".join([levels, *(text for part, text in others.items() if part in parts)])


class TargetEncoder(Encoder[TextColumn]):
    """Means of the target; ``encoding`` writes them into X, of training rows those of other folds."""

    reads = Reads.TEXT
    parts = (VALUE,)
    settings = ("rare",)

    def fit(
        self, column: FittedColumn, cells: TextColumn, rows: Ints, chosen: ColumnSettings, target: Target
    ) -> FittedColumn:
        """Return an input for the second of two classes, for each of more, or for a number."""
        means = fit_means(cells.levels, cells.codes[rows], target, chosen.rare)
        if means is None:
            return replace(column, why="the target is the same for all of its categories")
        several = target.class_names or tuple(map(str, range(1, means.n_inputs + 1)))
        names = several if means.n_inputs > 1 else ("",)
        return replace(column, means=means, features=tuple(flag(VALUE, name) for name in names))

    def feature_name(self, column: str, feature: Feature) -> str:
        """Name an input: zip (target mean), zip (target mean of good)."""
        return f"{column} (target mean{f' of {feature.level}' if feature.level else ''})"

    def shown(self, column: FittedColumn, parts: list[str]) -> str:
        """Describe the means."""
        return f"mean of the target, {count(len(column.means.levels) if column.means else 0, 'category', 'categories')}"


class ValueEncoder(Encoder[Doubles]):
    """Functions of a number or a time, each normalized; a subclass lists them in ``parts`` before MISSING."""

    def parts_of(self, values: Doubles) -> Doubles:
        """Return (n, len(parts) − 1) of values (n,), none of which is missing."""
        raise NotImplementedError

    def fill(self, present: Doubles, chosen: ColumnSettings) -> float:
        """Return the value for missing cells: a chosen number, or the mean or median of the present cells."""
        if isinstance(chosen.fill, float):
            return chosen.fill
        return float(np.mean(present) if chosen.fill == "mean" else np.median(present))

    def fit(
        self, column: FittedColumn, cells: Doubles, rows: Ints, chosen: ColumnSettings, target: Target
    ) -> FittedColumn:
        """Keep and normalize the parts that vary in the rows."""
        values = cells[rows]
        present = values[~np.isnan(values)]
        if not len(present):
            return replace(column, kind="drop", why=NO_VALUE)
        fill = self.fill(present, chosen)
        parts = self.parts_of(np.where(np.isnan(values), fill, values))
        moments = zip(self.parts, parts.mean(axis=0).tolist(), parts.std(axis=0).tolist(), strict=False)
        features = [Feature(*of_part) for of_part in moments if of_part[2] > LEAST_SPREAD]
        return _with_features(column, features, fill, chosen, absent=len(present) < len(values))

    def encode(self, column: FittedColumn, cells: Doubles, rows: Ints, X: Floats) -> None:
        """Write the kept parts and the flag of missing cells."""
        values = cells[rows]
        absent = np.isnan(values)
        parts = self.parts_of(np.where(absent, column.fill or 0.0, values))
        for feature in column.features:
            raw = absent if feature.part == MISSING else parts[:, self.parts.index(feature.part)]
            with np.errstate(over="ignore"):  # overflow is clipped
                X[:, feature.position] = np.clip((raw - feature.mean) / feature.scale, -LARGEST_INPUT, LARGEST_INPUT)


class DateEncoder(ValueEncoder):
    """The time and its position in the year, week and day."""

    reads = Reads.SECONDS
    parts = (*PARTS, MISSING)
    settings = ("format", "indicator")

    def parts_of(self, values: Doubles) -> Doubles:
        """Return the time in days, sines and cosines."""
        return date_parts(values)

    def fit(
        self, column: FittedColumn, cells: Doubles, rows: Ints, chosen: ColumnSettings, target: Target
    ) -> FittedColumn:
        """Keep the parts that vary; of a time without a date those of the day."""
        fitted = super().fit(column, cells, rows, chosen, target)
        if column.date_format not in CLOCKS:
            return fitted
        of_day = {"time", "day_sin", "day_cos", MISSING}
        return replace(fitted, features=tuple(each for each in fitted.features if each.part in of_day))

    def fill(self, present: Doubles, chosen: ColumnSettings) -> float:
        """Return the median; a chosen number is not a date."""
        return float(np.median(present))

    def shown(self, column: FittedColumn, parts: list[str]) -> str:
        """Name the cycles."""
        periods = [period for period in CYCLES if f"{period}_sin" in parts or f"{period}_cos" in parts]
        return "time" + (", place in the " + ", ".join(periods) if periods else "")

    def cell(self, fill: float) -> str:
        """Format a date, with the time of day if it is not midnight."""
        moment = np.datetime64(math.floor(fill), "s")
        if FIRST_TIME <= fill < FIRST_TIME + DAY:  # the day that a time without a date is read as
            return str(np.datetime_as_string(moment, unit="m"))[-5:]
        return str(np.datetime_as_string(moment, unit="D" if fill % DAY == 0 else "m")).replace("T", " ")


ENCODERS: dict[str, Encoder[Any]] = {
    "numeric": NumberEncoder(Reads.NUMBERS),
    "boolean": NumberEncoder(Reads.BOOLEANS),
    "categorical": CategoryEncoder(),
    "target_encoded": TargetEncoder(),
    "date": DateEncoder(),
    "drop": Encoder(),
}
"""Kind of column in a definition -> its encoder."""

Kind = Annotated[str, BeforeValidator(_known, json_schema_input_type=Literal[tuple(ENCODERS)])]


def _date_format(text: Any) -> Any:
    if text not in DATE_FORMATS:
        raise PydanticKnownError("literal_error", {"expected": f"a format of dates: {', '.join(DATE_FORMATS)}"})
    return text


DateFormat = Annotated[str, BeforeValidator(_date_format, json_schema_input_type=Literal[tuple(DATE_FORMATS)])]


class ColumnSettings(BaseModel):
    """The settings of one column, which override the detected ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    kind: Kind | None = None
    """The kind of the column; "drop" leaves it out."""
    format: DateFormat | None = None
    """How dates are written, like "%d/%m/%Y"; by default detected in the training rows."""
    fill: Literal["median", "mean"] | float | None = None
    """The value for missing numbers: the median (default) or mean of the training rows, or a number."""
    indicator: bool | None = None
    """Whether missing cells have their own flag; by default if the training rows have any."""
    numeric: NumericForm | None = None
    """The form in which numbers are inputs, if not that of [data] numeric."""
    order: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    """Its categories from the lowest to the highest, which are inputs as the numbers 0, 1, 2, ...; the column is
    numeric."""
    rare: Annotated[int, Field(ge=1)] | None = None
    """Training rows a category needs for its own flag, by default rows / 200, at least 2 and at most 10; or for its own
    mean of the target, by default 2."""

    @field_validator("format")
    @classmethod
    def _only_dates_have_a_format(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("kind", "date") != "date":
            raise ValueError('expected kind = "date" beside it')
        return value

    @field_validator("order")
    @classmethod
    def _only_numbers_have_an_order(cls, order: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if order is not None and info.data.get("kind") not in (None, "numeric"):
            raise ValueError('expected kind = "numeric" beside it, or none')
        if order is not None and len(set(order)) < len(order):
            raise ValueError(f"duplicate category {max(order, key=order.count)!r}")
        return order

    @property
    def reads(self) -> Reads | None:
        """How the cells are read; None to detect it."""
        if self.order is not None:
            return Reads.TEXT
        return None if self.kind is None else ENCODERS[self.kind].reads
