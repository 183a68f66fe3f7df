"""The ``[data]`` section of a study definition: where the rows come from and how they are split.

``load_dataset`` checks that the files and columns exist.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from tuner.data.encoders import ColumnSettings, Kind
from tuner.data.missing import MISSING
from tuner.data.number_forms import NumericForm

# The size of a set: a fraction of the rows if below 1, else a number of rows; 0 for none.
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Task = Literal["classification", "regression"]

MissingCells = Annotated[tuple[str, ...], Field(max_length=1000)]

Place = str | int
"""A column: its name, or its position from 0 (negative: from the end)."""


def _one_alone(target: Any) -> Any:
    return target[0] if isinstance(target, list | tuple) and len(target) == 1 else target


SeveralTargets = Annotated[tuple[Place, ...], Field(min_length=2, max_length=100)]


class SplitSettings(BaseModel):
    """Sizes of the sets that are drawn from ``source``; by default min(20%, 10,000) of its rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    dev: Size | None = None
    """Size of the dev set, on which trials are compared: a fraction below 1, or a number of rows."""
    test: Size | None = None
    """Size of the test set, held out until the end: a fraction below 1, a number of rows, or 0 for none."""
    train_dev: Size | None = None
    """Size of the train-dev set, drawn from train if dev is a file; by default as dev, at most min(20%, 10,000)."""

    @model_validator(mode="after")
    def _sizes_are_fractions_or_counts(self) -> Self:
        for name in ("dev", "test", "train_dev"):
            size = getattr(self, name)
            if size is not None and size >= 1 and size != int(size):
                raise ValueError(
                    f"split.{name}: expected a fraction below 1 or an integer number of rows, got {size:g}"
                )
        if self.dev == 0:
            raise ValueError("split.dev: expected a size > 0, got 0; trials are compared on the dev rows")
        return self


class DataSettings(BaseModel):
    """The ``[data]`` section.

    ``source`` is a file (csv, tsv, parquet, npz, idx; also gz, xz, zst), relative to the definition; ``dev`` and
    ``test`` are optional separate files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    source: str | None = None
    """The data file, relative to the study file."""
    target: Annotated[
        Place | SeveralTargets | None, BeforeValidator(_one_alone, json_schema_input_type=Place | SeveralTargets | None)
    ] = None
    """The column to predict: its name, or its position from 0 (negative: from the end).  Not needed for NPZ and IDX.
    A list of columns, all of numbers: one network predicts them together.  Those of y (n, k) in NPZ are y_0, y_1, …"""
    dev: str | None = None
    """A separate file of dev rows; without it they are drawn from ``source``."""
    test: str | None = None
    """A separate file of test rows; without it they are drawn from ``source``."""
    header: bool = True
    """Whether the first line has the column names; if not, they are column_0, column_1, ..."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character between cells; by default a comma, tab, semicolon or | is detected."""
    decimal: Literal[".", ","] | None = None
    """The decimal sign; by default detected, unless commas separate the cells."""
    encoding: str | None = None
    """The text encoding; by default UTF-8 or UTF-16, else Windows-1252 (with a note)."""
    missing: MissingCells = ()
    """Cells that count as missing, besides empty cells, ?, NA, NaN, null, None and similar."""
    keep: MissingCells | None = None
    """Spellings of these that are values instead: classes, or categories (a number or date is still missing there)."""
    drop_unlabeled: bool | None = None
    """Whether rows without a class, and rows of a class with a single example, are left out instead of refused."""
    numeric: NumericForm | None = None
    """The form in which numbers are inputs: by default "standardize", mean 0 and standard deviation 1."""
    columns: dict[str, Kind | ColumnSettings] = Field(default_factory=dict)
    """Overrides the detected kind of a column: NAME = "categorical", or NAME = { kind = "categorical", rare = 20 }."""
    image: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=3)] | None = None
    """The shape of image inputs, one column per pixel: [height, width] or [height, width, channels]."""
    split: SplitSettings = SplitSettings()
    """Sizes of the dev and test sets that are drawn from ``source``."""
    split_column: str | int | None = None
    """A column that assigns each row to train, dev or test."""
    group: str | int | None = None
    """A column of groups: rows of one group (visits of one patient) are never split between sets."""
    time: str | int | None = None
    """A date or number column: the latest rows become test, the rows before them dev."""
    weight: str | int | None = None
    """A column of numbers ≥ 0: what each row counts for in the cost and in every error; 0 leaves it out."""
    target_transform: Literal["none", "log", "quantile", "auto"] | None = None
    """What the network predicts in place of a skewed number: "log" its signed logarithm, "quantile" its normal quantile
    in the training rows, "auto" one of the two if their skewness is beyond ±1.  By default "none".  Errors stay in the
    unit of the target."""
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """Number of cross-validation folds: every row outside the test set is a dev row once."""
    eyeball: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the dev rows that tuner errors shows; the others are a black box that nobody looks at."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the split only: it does not depend on the search's seed."""

    @field_validator("target")
    @classmethod
    def _targets_differ(cls, target: Any) -> Any:
        if isinstance(target, tuple) and len(set(target)) < len(target):
            raise ValueError(f"expected different columns, got {list(target)}")
        return target

    @field_validator("keep")
    @classmethod
    def _kept_cells_would_be_missing(cls, cells: tuple[str, ...] | None) -> tuple[str, ...] | None:
        usual = MISSING - {""}
        if unusual := next((cell for cell in cells or () if cell not in usual), None):
            raise ValueError(f"expected some of {', '.join(sorted(usual))}, got {unusual!r}, which is a value anyway")
        return cells

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        for given, other, why in (
            ("dev", "folds", "with folds every row is a dev row"),
            ("time", "folds", "dev rows of a fold would be older than its training rows"),
            ("time", "group", "rows are split by time or by group"),
            ("split_column", "time", "the column already defines the split"),
            ("split_column", "group", "the column already defines the split"),
            ("split_column", "dev", "the column already defines the split"),
            ("split_column", "test", "the column already defines the split"),
            ("image", "numeric", "the pixels of an image are normalized alike"),
        ):
            if getattr(self, given) is not None and getattr(self, other) is not None:
                raise ValueError(f"{given} and {other} are mutually exclusive: {why}")
        if self.has_several_targets and self.target_transform not in (None, "none"):
            raise ValueError(
                f"target_transform: expected none with several targets, got {self.target_transform!r}; transform the "
                "columns in the data"
            )
        for name in ("dev", "test"):
            if getattr(self, name) is not None and getattr(self.split, name) is not None:
                raise ValueError(
                    f"{name} and split.{name} are mutually exclusive: the {name} rows are those of its file"
                )
        if self.dev is not None and self.test is None and self.split.test:
            raise ValueError("split.test cannot be drawn like dev, which is a file; set test to a file too")
        if self.split.train_dev and self.dev is None:
            raise ValueError(
                "split.train_dev needs dev to be a file: dev rows drawn from source are like the training rows"
            )
        return self

    _task: Task | None = PrivateAttr(default=None)
    _by_absolute: bool = PrivateAttr(default=False)
    _are_counts: bool = PrivateAttr(default=False)

    @property
    def draws_dev(self) -> bool:
        """Whether the dev rows, or the folds, are drawn at random."""
        by_column = self.split_column is not None and self.folds is None
        return self.dev is None and self.time is None and not by_column

    @property
    def has_several_targets(self) -> bool:
        """Whether there are several columns to predict."""
        return isinstance(self.target, tuple)

    @property
    def task(self) -> Task | None:
        """[network] task: whether the target has classes or numbers; None: the target's cells decide."""
        return self._task

    def set_task(self, task: Task | None) -> None:
        """Note [network] task, when the definition is made."""
        self._task = task

    @property
    def by_absolute(self) -> bool:
        """[search] metric: whether the error of numbers is the mean absolute error."""
        return self._by_absolute

    @property
    def are_counts(self) -> bool:
        """[network] output: whether the numbers to predict are counts, whose logarithm the network's output is."""
        return self._are_counts

    def set_losses(self, *, by_absolute: bool, are_counts: bool) -> None:
        """Note [search] metric and [network] output, when the definition is made."""
        self._by_absolute, self._are_counts = by_absolute, are_counts

    def described(self) -> dict[str, Any]:
        """Return everything that decides how rows are read and split, and their errors counted, as JSON."""
        noted = {
            "task": self.task,
            "by_absolute": self.by_absolute or None,
            "are_counts": self.are_counts or None,
        }
        settings = self.model_dump(mode="json", exclude={"eyeball"})
        return settings | {key: value for key, value in noted.items() if value is not None}

    @property
    def forms(self) -> dict[str, NumericForm]:
        """The forms of numbers that are set, by key."""
        own = {name: chosen for name, chosen in self.columns.items() if isinstance(chosen, ColumnSettings)}
        of_columns = {f"columns.{name}.numeric": chosen.numeric for name, chosen in own.items()}
        return {key: form for key, form in {"numeric": self.numeric, **of_columns}.items() if form is not None}

    def column(self, name: str) -> ColumnSettings:
        """Return the overrides of a column; all None if the definition has none."""
        chosen = self.columns.get(name)
        if not isinstance(chosen, ColumnSettings):
            return ColumnSettings(kind=chosen, numeric=self.numeric)
        return chosen if chosen.numeric is not None else chosen.model_copy(update={"numeric": self.numeric})
