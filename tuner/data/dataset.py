"""A study's data: arrays, row numbers and names, without a frame or an open file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator

from tuner.data.number_forms import STANDARDIZE
from tuner.data.reading import RowReader
from tuner.data.sources.delimited import looks_numeric
from tuner.data.sources.raw import TargetNames, quoted_target
from tuner.formatting import quoted
from tuner.inputs import Inputs
from tuner.metrics import ERROR, Metric
from tuner.units import SHARE, TargetScale, Unit

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """Examples: inputs, y (n,) class indices or standardized numbers, rows (n,) row numbers in the file, from 0.

    y of several targets is (n, n_targets).

    weights: (n,) > 0, what each row counts for; None: all alike.
    counted_by: the metric that every error is of: its class weights are beside them, its losses in place of "wrong".
    """

    inputs: Inputs
    y: NDArray[Any]
    rows: Ints
    weights: Doubles | None = None
    counted_by: Metric = ERROR

    def __len__(self) -> int:
        return len(self.y)

    @property
    def error_weights(self) -> Doubles | None:
        """What each row counts for in an error, (n,), multiples of their mean; None: all alike."""
        return self.counted_by.row_weights(self.y, self.weights)

    @property
    def strata(self) -> Ints | None:
        """The classes (n,) if each one's share of an error is fixed."""
        return self.counted_by.strata(self.y)

    @property
    def X(self) -> Floats:  # noqa: N802
        """The inputs as an array (n, n_features) float32, made anew at every call if there are categories."""
        return self.inputs.array()

    def chosen(self, places: Any) -> Table:
        """Return some of the examples: their places in the table, a mask or a slice."""
        weights = None if self.weights is None else self.weights[places]
        return Table(self.inputs.rows(places), self.y[places], self.rows[places], weights, self.counted_by)


@dataclass(frozen=True, slots=True)
class Part:
    """The training and dev rows of one network; with folds there are K parts."""

    train: Table
    dev: Table


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """A column as ``tuner data`` prints it.  ``features`` is its number of inputs, 0 if it is not used.

    ``missing`` counts the training rows (with folds: all rows outside the test set) without a value.
    """

    name: str
    kind: str
    encoding: str
    features: int
    missing: int
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """The parts of a dataset that are kept as JSON: everything but arrays.

    sizes: rows in train, dev, train_dev, test; with folds train = dev = all rows outside the test set.
    class_counts: (n_classes,) rows of each class outside the test set.
    unit: that of the errors; of numbers to predict, for which there are no classes, with their mean and scale.
    fingerprint: SHA-256 over the contents of the data files; settings are not part of it.
    encodings: one encoding as plain JSON per part.
    periodic: the inputs of which networks make periodic ones.
    """

    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    sizes: dict[str, int]
    class_counts: Annotated[Ints, PlainValidator(np.asarray), PlainSerializer(np.ndarray.tolist)]
    fingerprint: str
    path: Path | None
    target: TargetNames
    encodings: tuple[dict[str, Any], ...]
    columns: tuple[ColumnSummary, ...]
    split_text: str
    image: tuple[int, ...] | None = None
    notices: tuple[str, ...] = ()
    unit: Unit = SHARE
    periodic: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset(DatasetFacts):
    """Prepared data, encoded and normalized from the training rows only (with folds those of each fold).

    parts: one; with folds K, whose dev tables together are all rows outside the test set.
    train_dev, test: None if there is none; with folds ``test`` is not encoded (``read_parts`` does it).
    dev_groups: (n_dev,) group codes in the order of ``dev_rows``, None without a group column.
    stored: the cache entry's folder; None if nothing is cached.
    reader: reads the raw rows again.
    counted_by: see Table; that of all tables.
    forms: the same data with the numbers as inputs in each form that a trial may choose; these have none themselves.
    """

    parts: tuple[Part, ...]
    train_dev: Table | None
    test: Table | None
    dev_groups: Ints | None
    test_rows: Ints
    stored: Path | None = None
    reader: RowReader | None = field(default=None, repr=False, compare=False)
    counted_by: Metric = ERROR
    forms: Mapping[str, Dataset] = field(default_factory=dict, repr=False, compare=False)

    def counting(self, metric: Metric) -> Dataset:
        """Return the same data with every error that of a metric: its class weights, or its losses of rows."""

        def of(table: Table | None) -> Any:
            return None if table is None else replace(table, counted_by=metric)

        parts = tuple(Part(of(part.train), of(part.dev)) for part in self.parts)
        return replace(
            self,
            parts=parts,
            train_dev=of(self.train_dev),
            test=of(self.test),
            counted_by=metric,
            unit=replace(self.unit, loss=metric.loss),
            forms={form: dataset.counting(metric) for form, dataset in self.forms.items()},
        )

    def in_form(self, form: str | None) -> Dataset:
        """Return the same data with the numbers in one of the ``forms``; itself, if that is its own form or none."""
        if form in self.forms or form is None:
            return self if form is None else self.forms[form]
        own = None if self.reader is None else self.reader.settings.numeric or STANDARDIZE
        if own not in (form, None):
            raise ValueError(f"expected data with numbers in the form {form}, got {own}")
        return self

    @property
    def n_classes(self) -> int:
        """Number of classes, or of numbers to predict."""
        return len(self.class_names) or self.unit.n_targets

    @property
    def n_features(self) -> int:
        """Number of inputs of a network."""
        return len(self.feature_names)

    @property
    def n_train(self) -> int:
        """Training rows of one network, the m in λ/m (with folds the smallest)."""
        return min(len(part.train) for part in self.parts)

    @property
    def encoding(self) -> dict[str, Any]:
        """The fitted encoding as plain JSON; with folds ``{"folds": [...]}``, one per fold."""
        return self.encodings[0] if len(self.encodings) == 1 else {"folds": list(self.encodings)}

    @property
    def dev_rows(self) -> Ints:
        """Row numbers of the dev rows, concatenated over the parts."""
        return np.concatenate([part.dev.rows for part in self.parts])

    @property
    def dev_y(self) -> NDArray[Any]:
        """Class indices or standardized numbers of the dev rows, in the order of ``dev_rows``."""
        return np.concatenate([part.dev.y for part in self.parts])

    @property
    def dev_weights(self) -> Doubles | None:
        """What the dev rows count for in an error, in the order of ``dev_rows``, as multiples of their mean.

        None if all are alike.
        """
        weights = [part.dev.weights for part in self.parts if part.dev.weights is not None]
        return self.counted_by.row_weights(self.dev_y, np.concatenate(weights) if weights else None)

    @property
    def dev_strata(self) -> Ints | None:
        """The classes of the dev rows, in their order, if each one's share of an error is fixed."""
        return self.counted_by.strata(self.dev_y)


def chosen_task(dataset: Dataset) -> list[str]:
    """Say whether a target of numbers is predicted as a number or as classes, and how to choose the other."""
    target = quoted_target(dataset.target)
    if isinstance(dataset.target, tuple):
        return [f"{target} are predicted as numbers (regression), by one network"]
    if not dataset.unit.is_share:
        return [f"{target} is predicted as a number (regression); --task classification predicts it as classes"]
    if dataset.n_classes > 2 and all(map(looks_numeric, dataset.class_names)):
        classes = f"{dataset.n_classes:,} classes (classification)"
        return [f"{target} is predicted as {classes}; --task regression predicts it as a number"]
    return []


def _described(target: TargetScale) -> dict[str, Any]:
    return {"name": target.name, "mean": target.mean, "deviation": target.scale}


READING = ("kind", "date_format", "words", "notation", "order")
"""The keys of a column's encoding that say how its cells are read."""


def read_differently(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Say which column two encodings of the same data (``Dataset.encoding``) read differently; empty for none.

    Another version of tuner may know more ways to write a number or a date.
    """
    for old, new in zip(before.get("folds", [before]), now.get("folds", [now]), strict=False):
        columns = {column["name"]: column for column in new["columns"]}
        for column in old.get("columns", ()):
            other = columns.get(column["name"])
            if other is None and column["features"]:
                return f"column {quoted(column['name'])}, which is no longer read or has another name"
            other = other or column
            if (column["features"] or other["features"]) and any(column.get(key) != other.get(key) for key in READING):
                return f"column {quoted(column['name'])} as {_read_as(column)}, now as {_read_as(other)}"
    return ""


def _read_as(column: dict[str, Any]) -> str:
    in_text = "an order" if column.get("order") else "numbers in text" if column.get("notation") else ""
    how = column.get("date_format") or in_text
    return f"{column['kind']} ({how})" if how else str(column["kind"])


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return the facts of a dataset that are printed; the data checks are separate, since they read the rows again."""
    return {
        "source": None if dataset.path is None else str(dataset.path),
        "fingerprint": dataset.fingerprint,
        "target": dataset.target if isinstance(dataset.target, str) else list(dataset.target),
        "task": "classification" if dataset.unit.is_share else "regression",
        "numbers": None
        if dataset.unit.is_share or dataset.unit.targets
        else {"mean": dataset.unit.mean, "deviation": dataset.unit.scale},
        **({"targets": [_described(target) for target in dataset.unit.targets]} if dataset.unit.targets else {}),
        "classes": [
            {"name": name, "rows": int(count)}
            for name, count in zip(dataset.class_names, dataset.class_counts, strict=True)
        ],
        "sizes": dict(dataset.sizes),
        "folds": len(dataset.parts) if len(dataset.parts) > 1 else None,
        "split": dataset.split_text,
        "features": dataset.n_features,
        "image": None if dataset.image is None else list(dataset.image),
        "columns": [asdict(column) for column in dataset.columns],
        "notices": list(dataset.notices),
    }
