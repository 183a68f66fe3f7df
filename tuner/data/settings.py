"""The ``[data]`` section of a study definition: where the rows come from and how they are split.

Unknown keys are refused by pydantic; whether the named files and columns exist is found out by ``load_dataset``.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["numeric", "boolean", "categorical", "date", "drop"]

# A part's size: below 1 a fraction of the rows, from 1 on a number of rows; 0 leaves the part out.
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SplitSettings(BaseModel):
    """Sizes of the parts that are drawn from ``source``; a missing one is min(20 %, 10 000) of its rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dev: Size | None = None
    test: Size | None = None
    train_dev: Size | None = None

    @model_validator(mode="after")
    def _sizes_are_fractions_or_counts(self) -> Self:
        for name in ("dev", "test", "train_dev"):
            size = getattr(self, name)
            if size is not None and size >= 1 and size != int(size):
                raise ValueError(f"split.{name} must be a fraction below 1 or a whole number of rows, got {size:g}")
        if self.dev == 0:
            raise ValueError("split.dev must be above 0: without dev rows no trial can be compared")
        return self


class ColumnSettings(BaseModel):
    """What one column is, where the definition overrules what its training cells look like."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind | None = None
    fill: Literal["median", "mean"] | float | None = None
    indicator: bool | None = None
    rare: Annotated[int, Field(ge=1)] | None = None


class DataSettings(BaseModel):
    """The ``[data]`` section.

    ``source`` is a file (csv, tsv, parquet, npz, idx; gz, xz, zst allowed), relative to the definition; ``dev`` and
    ``test`` are files of their own where they exist.  ``seed`` governs the split alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = None
    target: str | int | None = None
    dev: str | None = None
    test: str | None = None
    header: bool = True
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    columns: dict[str, Kind | ColumnSettings] = Field(default_factory=dict)
    image: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=3)] | None = None
    split: SplitSettings = SplitSettings()
    split_column: str | int | None = None
    group: str | int | None = None
    time: str | int | None = None
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

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
