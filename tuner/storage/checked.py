"""Columns whose values are checked where they are read: a shared database may hold what tuner never wrote."""

from __future__ import annotations

import datetime
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from tuner.errors import StorageError
from tuner.limits import LATEST_SECONDS
from tuner.metrics import METRICS, WORST_LOSS
from tuner.outcomes import Finding, StopReason
from tuner.paths import STUDY_NAME, is_study_name
from tuner.printable import is_unicode
from tuner.storage.facts import Begun
from tuner.storage.holds import Hold
from tuner.storage.owner import Owner
from tuner.target_transforms import TargetTransform
from tuner.units import TargetScale

MOST = 2**31 - 1
EARLIEST, LATEST = datetime.datetime(1970, 1, 1), datetime.datetime(2200, 1, 1)
LONGEST_SHOWN = 60
ADVICE = ". Restore a backup with tuner restore FILE, or delete the study"


class BadValueError(StorageError):
    """A value that tuner did not write.  ``key``: the table's column that leads to its study.

    ``Database`` locates it: it says in which database, study and trial it was found, and what to do.
    """

    def __init__(
        self, table: str, column: str, value: object, expected: str, *, key: str | None = None, where: str = ""
    ) -> None:
        shown = "NULL" if value is None else _shown(value)
        super().__init__(f"{where}table {table}, column {column}: {shown} is not {expected}")
        self.table, self.column, self.value, self.expected = table, column, value, expected
        self.key, self.where, self.is_located = key, where, False

    def at(self, where: str) -> BadValueError:
        """The same with where it was found, and what to do."""
        located = BadValueError(self.table, self.column, self.value, self.expected + ADVICE, where=where)
        located.is_located = True
        return located


def _shown(value: object) -> str:
    text = repr(value[: LONGEST_SHOWN + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column may hold: ``fits`` is asked of the value as the database's driver returns it.

    ``fit``: the same of all values of several rows, where that is faster than one by one.
    """

    expected: str
    fits: Callable[[Any], bool]
    fit: Callable[[Collection[Any]], bool] | None = None

    def fits_all(self, values: Collection[Any]) -> bool:
        """Whether a column may hold each of these."""
        return all(map(self.fits, set(values))) if self.fit is None else self.fit(values)


def _is_text(value: Any) -> bool:
    return type(value) is str and is_unicode(value)


def _is_date(value: Any) -> bool:
    try:
        date = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
        return bool(EARLIEST <= date < LATEST)
    except (TypeError, ValueError):
        return False


def integer(low: int, high: int) -> Kind:
    """Integers of a range, both ends included."""
    return Kind(
        f"an integer from {low} to {high}",
        lambda value: type(value) is int and low <= value <= high,
        lambda values: set(map(type, values)) == {int} and low <= min(values) and max(values) <= high,
    )


def number(expected: str, low: float, high: float) -> Kind:
    """Numbers of a range, both ends included, but not NaN."""
    return Kind(
        expected,
        lambda value: type(value) in (float, int) and low <= value <= high,
        lambda values: (
            set(map(type, values)) <= {float, int}
            and low <= min(values)
            and max(values) <= high
            and not any(map(math.isnan, values))
        ),
    )


def json_of(expected: str, model: Any) -> Kind:
    """Texts of JSON that a pydantic model or type accepts."""
    adapter = TypeAdapter(model)

    def fits(value: Any) -> bool:
        if not _is_text(value):
            return False
        try:
            adapter.validate_json(value)
        except (ValidationError, ValueError):
            return False
        return True

    return Kind(expected, fits)


def array_of(item_size: int) -> Kind:
    """Bytes of whole array items."""
    return Kind(
        f"bytes of complete {item_size}-byte items",
        lambda value: isinstance(value, bytes | memoryview) and len(value) % item_size == 0,
    )


def one_of(*texts: str) -> Kind:
    """One of some texts."""
    allowed = frozenset(texts)
    return Kind(f"one of {', '.join(texts)}", lambda value: isinstance(value, str) and value in allowed)


class _Row(BaseModel):
    """Strict, so that "1" is no number; entries of other versions are left alone."""

    model_config = ConfigDict(strict=True)


NaturalNumber = Annotated[int, Field(ge=0, le=MOST)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Value = bool | int | FiniteFloat | str | list[bool | int | FiniteFloat | str] | None

TEXT = Kind("UTF-8 text", _is_text)
PATH = Kind("a path of at most 5,000 characters", lambda value: _is_text(value) and len(value) <= 5000)
BYTES = Kind("bytes", lambda value: isinstance(value, bytes | memoryview))
COUNT = integer(0, MOST)
LONG = integer(-(2**63), 2**63 - 1)
FLAG = Kind("true or false", lambda value: type(value) is bool or (type(value) is int and value in (0, 1)))
FINITE = number("a finite number", -sys.float_info.max, sys.float_info.max)
NUMBER = number("a number", -math.inf, math.inf)
POSITIVE = number("a finite number ≥ 0", 0, sys.float_info.max)
ROWS = number(f"a number of rows, at most {MOST}, or a sum of their losses", 0, MOST * WORST_LOSS)
MOMENT = number("a time in seconds since 1970", 0, LATEST_SECONDS)
DATE = Kind("a date from 1970 on", _is_date)
NAME = Kind(f"a study's name ({STUDY_NAME})", is_study_name)
REASON = one_of(*StopReason)
JSON = json_of("JSON", JsonValue)
OBJECT = json_of("a JSON object", dict[str, JsonValue])
VALUES = json_of("hyperparameters in JSON", dict[str, Value])
OFFERED = json_of("a JSON list of trials", list[tuple[dict[str, Value], FiniteFloat | None]])
_Layer = tuple[NaturalNumber, NaturalNumber, float, float, float]  # of 0.2 and before
_WholeLayer = tuple[NaturalNumber, NaturalNumber, float, float, float, float | None, float | None, float | None]
LAYERS = json_of("a JSON list of layers", list[_Layer | _WholeLayer])


class _IdentityRow(_Row):
    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, JsonValue]
    metric: Literal[tuple(METRICS)] = Field(default="error", alias="search.metric")  # type: ignore[valid-type]


class _SizesRow(_Row):
    model_config = ConfigDict(strict=True, extra="forbid")
    train: NaturalNumber
    dev: NaturalNumber
    train_dev: NaturalNumber = 0
    test: NaturalNumber = 0


class _NumbersRow(_Row):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    scale: float = Field(gt=0)
    mean: float
    transform: TargetTransform | None = None
    targets: tuple[TargetScale, ...] | None = Field(default=None, min_length=2)
    absolute: float | None = Field(default=None, gt=0)


class _LossRow(_Row):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    metric: Literal[tuple(metric.name for metric in METRICS.values() if metric.of_rows)]  # type: ignore[valid-type]
    typical: float = Field(gt=0)
    most: float = Field(gt=0)
    costs: list[list[Annotated[float, Field(ge=0)]]] | None = None
    positive: Literal[0, 1] = 1
    is_share: bool = False


class _FactsRow(_Row):
    class_names: list[str]
    sizes: _SizesRow
    n_features: NaturalNumber | None = None
    form_features: dict[str, NaturalNumber] = Field(default_factory=dict)
    form_periodic: dict[str, NaturalNumber] = Field(default_factory=dict)
    folder: str = Field(default="", max_length=5000)
    notices: list[str] | None = None
    versions: dict[str, str] | None = None
    findings: list[Finding] | None = Field(default=None, alias="honesty")  # the key of 0.1
    begun: Begun | None = Field(default=None, alias="from")
    references: dict[str, float | None] | None = None
    exploring: Literal["random", "qmc"] = "random"
    pooled_epoch: bool = False
    exact_zeros: bool = False
    weighs_classes: bool = False
    ties_by_cost: bool = False
    numbers: _NumbersRow | None = None
    loss: _LossRow | None = None


OWNER = json_of("the JSON of a process", Owner)
HOLD = json_of("the JSON of a hold", Hold)
IDENTITY = json_of("the JSON of a study's identity", _IdentityRow)
FACTS = json_of("the JSON of a study's facts", _FactsRow)

BY_TYPE: tuple[tuple[type[TypeEngine[Any]], Kind], ...] = (
    (sa.Boolean, FLAG),
    (sa.BigInteger, LONG),
    (sa.Integer, COUNT),
    (sa.Float, FINITE),
    (sa.LargeBinary, BYTES),
    (sa.DateTime, DATE),
    (sa.String, TEXT),
)
"""What a column holds unless something else is said of it; Double is a Float, Text a String."""


class Checked(TypeDecorator[Any]):
    """A column's type that raises BadValueError for what the column may not hold."""

    impl = sa.types.NullType
    cache_ok = True

    def __init__(
        self, plain: TypeEngine[Any], table: str, column: str, kind: Kind, nullable: bool, key: str | None
    ) -> None:
        super().__init__()
        self.impl = plain  # type: ignore[assignment]
        self.plain, self.table, self.column, self.kind, self.nullable, self.key = (
            plain,
            table,
            column,
            kind,
            nullable,
            key,
        )

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Check a value as the driver returns it, and convert it as the plain type does."""
        convert = self.impl_instance.result_processor(dialect, coltype)
        fits, nullable = self.kind.fits, self.nullable

        def process(value: Any) -> Any:
            if value is None:
                if nullable:
                    return None
            elif fits(value):
                if convert is None:
                    return value
                try:
                    return convert(value)
                except (ArithmeticError, LookupError, TypeError, ValueError):
                    pass
            raise BadValueError(self.table, self.column, value, self.kind.expected, key=self.key)

        return process

    @property
    def unconverted(self) -> TypeEngine[Any]:
        """The plain type, but flags as they are stored: converted, any value would be one."""
        return sa.types.NullType() if isinstance(self.plain, sa.Boolean) else self.plain

    def fits_all(self, values: Sequence[Any]) -> bool:
        """Whether the column may hold each of these values, converted as the plain type does."""
        some = [value for value in values if value is not None] if None in values else values
        is_whole = self.nullable or len(some) == len(values)
        return is_whole and (not some or isinstance(self.plain, sa.Enum) or self.kind.fits_all(some))

    def optional(self) -> Checked:
        """The same with NULL, for a row that an outer join may not find."""
        return Checked(self.plain, self.table, self.column, self.kind, True, self.key)


class CheckedQuery:
    """A query whose values are checked column by column, several times as fast as each as it is read."""

    def __init__(self, query: sa.Select[Any]) -> None:
        self.query = query
        self._types: list[Any] = [column.type for column in query.selected_columns]
        self._all = query.with_only_columns(
            *(
                sa.type_coerce(getattr(column, "element", column), of.unconverted).label(column.name)
                for column, of in zip(query.selected_columns, self._types, strict=True)
            ),
        )

    def rows(self, connection: sa.Connection, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """All rows.  Raises BadValueError for the first value that its column may not hold."""
        with suppress(ArithmeticError, LookupError, TypeError, ValueError):
            rows = connection.execute(self._all, parameters).all()
            if all(of.fits_all(column) for of, column in zip(self._types, zip(*rows, strict=True), strict=False)):
                return rows
        return connection.execute(self.query, parameters).all()


def optional(column: sa.Column[Any]) -> sa.Label[Any]:
    """A column of a row that an outer join may not find."""
    assert isinstance(column.type, Checked)
    return sa.type_coerce(column, column.type.optional()).label(column.name)


def check_columns(metadata: sa.MetaData, kinds: Mapping[str, Kind], not_null: Collection[str] = ()) -> None:
    """Give every column of the tables its check: ``kinds`` maps "column" or "table.column" to more than its type says.

    ``not_null``: columns that could be NULL but never are.
    """
    for table in metadata.tables.values():
        key = next((name for name in ("trial_id", "study_id") if name in table.c), None)
        for column in table.c:
            plain = column.type
            kind = kinds.get(f"{table.name}.{column.name}") or kinds.get(column.name) or _kind_of(plain)
            nullable = bool(column.nullable) and column.name not in not_null
            column.type = Checked(plain, table.name, column.name, kind, nullable, key)


def _kind_of(plain: TypeEngine[Any]) -> Kind:
    if isinstance(plain, sa.Enum):
        return one_of(*plain.enums)
    return next(kind for of_type, kind in BY_TYPE if isinstance(plain, of_type))
