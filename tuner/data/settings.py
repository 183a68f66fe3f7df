"""The ``[data]`` section of a study definition: where the rows come from and how they are split.

Unknown keys are refused by pydantic; whether the named files and columns exist is found out by ``load_dataset``.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tuner.data.encoders import ColumnSettings, Kind

# A part's size: below 1 a fraction of the rows, from 1 on a number of rows; 0 leaves the part out.
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SplitSettings(BaseModel):
    """Sizes of the parts that are drawn from ``source``; a missing one is min(20%, 10 000) of its rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dev: Size | None = None
    """Rows that trials are compared on: a fraction below 1, or a number of rows."""
    test: Size | None = None
    """Rows that stay sealed until the end: a fraction below 1, a number of rows, or 0 for none."""
    train_dev: Size | None = None
    """Rows carved from train where dev has its own file; by default as many as dev, at most min(20%, 10 000)."""

    @model_validator(mode="after")
    def _sizes_are_fractions_or_counts(self) -> Self:
        for name in ("dev", "test", "train_dev"):
            size = getattr(self, name)
            if size is not None and size >= 1 and size != int(size):
                raise ValueError(f"split.{name} must be a fraction below 1 or a whole number of rows, got {size:g}")
        if self.dev == 0:
            raise ValueError("split.dev must be above 0: without dev rows no trial can be compared")
        return self


class DataSettings(BaseModel):
    """The ``[data]`` section.

    ``source`` is a file (csv, tsv, parquet, npz, idx; gz, xz, zst allowed), relative to the definition; ``dev`` and
    ``test`` are files of their own where they exist.  ``seed`` governs the split alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    source: str | None = None
    """The file that holds the rows, relative to the definition."""
    target: str | int | None = None
    """The column of classes: its name, or its position from 0 (from the end if negative).  NPZ and IDX need none."""
    dev: str | None = None
    """A file of dev rows, where they are not drawn from ``source``."""
    test: str | None = None
    """A file of test rows, where they are not drawn from ``source``."""
    header: bool = True
    """Whether the first line names the columns; without it they are column_0, column_1, ..."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """What stands between cells; by default a comma, tab, semicolon or | is found out."""
    decimal: Literal[".", ","] | None = None
    """The decimal sign of numbers; by default found out where cells are not separated by commas."""
    encoding: str | None = None
    """The text's encoding; by default UTF-8 or UTF-16, else Windows-1252 (with a notice)."""
    missing: tuple[str, ...] = ()
    """Cells that mean "no value", besides the empty one, ?, NA, NaN, null, None and their like."""
    columns: dict[str, Kind | ColumnSettings] = Field(default_factory=dict)
    """What columns are, where it is not what they look like: NAME = "categorical", or { kind = ..., rare = 20 }."""
    image: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=3)] | None = None
    """The inputs' shape where each column is a pixel: [height, width] or [height, width, channels]."""
    split: SplitSettings = SplitSettings()
    """Sizes of the dev and test sets that are drawn from ``source``."""
    split_column: str | int | None = None
    """A column that names each row's part: train, dev or test."""
    group: str | int | None = None
    """A column whose rows of one value stay on one side of every border."""
    time: str | int | None = None
    """A column by which the latest rows are test, and those before them dev."""
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """Every row outside the test set serves as dev once, in this many folds."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the split alone: another search seed never moves the test set."""

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        for given, other, why in (
            ("dev", "folds", "with folds every row serves as dev"),
            ("time", "folds", "a fold's dev rows would be older than its training rows"),
            ("time", "group", "a split is by time or by group"),
            ("split_column", "time", "the column already names the split"),
            ("split_column", "group", "the column already names the split"),
            ("split_column", "dev", "the column already names the split"),
            ("split_column", "test", "the column already names the split"),
        ):
            if getattr(self, given) is not None and getattr(self, other) is not None:
                raise ValueError(f"{given} and {other} cannot stand together: {why}")
        for name in ("dev", "test"):
            if getattr(self, name) is not None and getattr(self.split, name) is not None:
                raise ValueError(
                    f"{name} and split.{name} cannot stand together: the {name} rows are those of its file"
                )
        if self.dev is not None and self.test is None and self.split.test:
            raise ValueError("split.test needs test rows like the dev rows, which have a file: name a test file too")
        if self.split.train_dev and self.dev is None:
            raise ValueError("split.train_dev needs a dev file: drawn dev rows are already like the training rows")
        return self

    def column(self, name: str) -> ColumnSettings:
        """Return one column's overrides, all None where the definition does not name it."""
        chosen = self.columns.get(name)
        if isinstance(chosen, ColumnSettings):
            return chosen
        return ColumnSettings(kind=chosen)
