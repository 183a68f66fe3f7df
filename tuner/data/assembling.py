"""Label, split and type rows: every step before they are encoded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dates import detect_format, seconds_of
from tuner.data.encoders import Column, Doubles, TextColumn
from tuner.data.kinds import decide_kinds
from tuner.data.missing import missing_cells
from tuner.data.number_forms import Target
from tuner.data.settings import DataSettings
from tuner.data.sources.delimited import target_among
from tuner.data.sources.raw import Raw, TargetNames, by_row, quoted_target, target_names, with_text_names
from tuner.data.splitting import Request, Split, draw_split, read_split
from tuner.data.tables import (
    RawTable,
    TypedTable,
    is_date,
    no_column,
    raw_table,
    text_column,
    typed_table,
    with_columns,
)
from tuner.data.targets import (
    AS_NUMBERS,
    alike_classes,
    find_classes,
    find_numbers,
    find_several,
    find_target,
    is_regression,
    match_labels,
    read_labels,
    strata_of,
    unit_of,
    unit_of_several,
)
from tuner.data.weights import read_weights
from tuner.errors import DataError
from tuner.formatting import count, quoted
from tuner.metrics import effective_rows
from tuner.units import SHARE, Unit

Ints = NDArray[np.int64]
STRATA_OF_SEVERAL = "the mean of the standardized targets"


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one of the study's tables: "source", "dev" or "test"."""

    table: str
    rows: Ints

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Assembly:
    """The data before encoding.

    tables, y, weights: by table; y are class indices or numbers, of several targets (n, n_targets), and without weights
    there are none.  train, dev: one
    selection per network.  unit: that of the target; of numbers it is fitted on the training rows, of all folds
    together.
    """

    settings: DataSettings
    tables: dict[str, TypedTable]
    y: dict[str, NDArray[Any]]
    weights: dict[str, Doubles]
    class_names: tuple[str, ...]
    target: TargetNames
    source_columns: tuple[str, ...]
    columns: dict[str, Column]
    train: tuple[Selection, ...]
    dev: tuple[Selection, ...]
    train_dev: Selection | None
    test: Selection | None
    groups: dict[str, TextColumn]
    image: tuple[int, ...] | None
    fingerprint: str
    path: Path | None
    split_text: str
    notices: tuple[str, ...] = field(default=())
    unit: Unit = SHARE

    @property
    def by_target(self) -> list[Assembly]:
        """The same rows for each of several targets alone."""
        if isinstance(self.target, str):
            return [self]
        return [
            replace(self, target=name, y={key: y[:, place] for key, y in self.y.items()})
            for place, name in enumerate(self.target)
        ]

    @property
    def outside_test(self) -> tuple[Selection, ...]:
        """Return all rows that may be training examples of a final network."""
        if len(self.train) > 1:
            return (Selection("source", np.sort(np.concatenate([dev.rows for dev in self.dev]))),)
        return (*self.train, *((self.train_dev,) if self.train_dev else ()), *self.dev)

    @property
    def parts(self) -> dict[str, Selection]:
        """Return the parts by name; with folds, train and dev are all rows outside the test set."""
        if len(self.train) > 1:
            parts = {"train": self.outside_test[0], "dev": self.outside_test[0], "test": self.test}
        else:
            parts = {"train": self.train[0], "train_dev": self.train_dev, "dev": self.dev[0], "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def target_of(self, selection: Selection) -> Target:
        """Return what rows are to predict: class indices, or numbers as networks are given them; and their weights."""
        table, rows = selection.table, selection.rows
        y, weights = self.y[table][rows], self.weights.get(table)
        return Target(
            y=y if self.class_names else self.unit.standardized(y),
            units=self.groups[table].codes[rows] if self.groups else rows,
            class_names=self.class_names,
            weights=None if weights is None else weights[rows],
        )

    @property
    def seen(self) -> Selection:
        """Return the rows that decide the kinds of columns: the training rows, of all folds together."""
        return self.train[0] if len(self.train) == 1 else self.outside_test[0]


# --- assembling -------------------------------------------------------------------------------------------------------


def assemble(raws: dict[str, Raw], settings: DataSettings, fingerprint: str, path: Path | None) -> Assembly:
    """Label, split and type raw rows."""
    source = raws["source"]
    refuse_repeated_names(source)
    target = find_target(source, settings)
    class_names, every_y, notices = _targets(raws, target, settings)
    y = every_y["source"] if class_names else strata_of(every_y["source"])
    special = special_columns(source, settings)
    weights = _weights(raws, special.get("weight"))
    groups = _groups(raws, special.get("group"))
    split = _split(source, settings, special, y, groups, raws)
    skip = frozenset({*target_names(target), *(name for name in special.values() if name not in settings.columns)})
    aligned = {key: with_columns(raw, list(source.names), "which the training file has") for key, raw in raws.items()}
    absent = missing_cells(settings.missing, settings.keep)
    tables = {key: raw_table(raw, skip, absent) for key, raw in aligned.items()}
    train = tuple(Selection("source", rows) for rows in split.train)
    dev = tuple(Selection("source", rows) for rows in split.dev) or (_all_rows("dev", every_y),)
    seen = split.train[0] if len(train) == 1 else np.sort(np.concatenate(split.dev))
    columns = decide_kinds(tables["source"], seen, settings)
    where = f"{source.where}, column {quoted_target(target)}"
    if isinstance(target, tuple):
        unit = unit_of_several(source.where, target, every_y["source"][seen], settings)
    elif class_names:
        _refuse_transform(where, settings)
        unit = SHARE
        notices += [*alike_classes(class_names), *missing_classes(class_names, [y[rows] for rows in split.train])]
    else:
        unit, of_unit = unit_of(where, every_y["source"][seen], settings)
        notices += of_unit
    if weights:
        notices.append(_weights_note(special["weight"], [weights[each.table][each.rows] for each in dev]))
    if settings.folds and settings.split.dev is not None:
        notices.append(f"split.dev = {settings.split.dev:g} has no effect: with folds every row is a dev row once")
    strata = "class" if class_names else f"tenths of {'the target' if isinstance(target, str) else STRATA_OF_SEVERAL}"
    image = _image(settings, source, tables["source"], columns)
    typed = {key: typed_table(table, columns) for key, table in tables.items()}
    return Assembly(
        settings=settings,
        tables=typed,
        y=every_y,
        weights=weights,
        class_names=class_names,
        target=target,
        source_columns=source.names,
        columns=columns,
        train=train,
        dev=dev,
        train_dev=Selection("source", split.train_dev) if len(split.train_dev) else None,
        test=_all_rows("test", every_y)
        if "test" in raws
        else (Selection("source", split.test) if len(split.test) else None),
        groups=groups,
        image=image,
        fingerprint=fingerprint,
        path=path,
        split_text=describe_split(settings, special, strata),
        notices=(*notices, *(notice for table in typed.values() for notice in table.notices)),
        unit=unit,
    )


def _refuse_transform(where: str, settings: DataSettings) -> None:
    """Refuse a transform of a target that has classes."""
    if settings.target_transform not in (None, "none"):
        raise DataError(
            f"{where}: [data] target_transform is of numbers to predict, and the target has classes; leave it "
            f"out{'' if settings.task else f', or {AS_NUMBERS}'}"
        )


def _targets(
    raws: dict[str, Raw], target: TargetNames, settings: DataSettings
) -> tuple[tuple[str, ...], dict[str, NDArray[Any]], list[str]]:
    """The training file's classes, each file's rows as their indices (n,), and what is to be noted of the files.

    Without classes the target is a number, and the rows are their numbers, (n, n_targets) of several targets.
    """
    notices = [notice for raw in raws.values() for notice in raw.notices]
    if isinstance(target, tuple):
        several = {key: [_target_in(raw, name) for name in target] for key, raw in raws.items()}
        return (), {key: find_several(raw, several[key], settings) for key, raw in raws.items()}, notices
    labels = {key: read_labels(raw, _target_in(raw, target), settings) for key, raw in raws.items()}
    if is_regression(raws["source"], target, labels["source"], settings):
        numbers = {key: find_numbers(raw, _target_in(raw, target), labels[key], settings) for key, raw in raws.items()}
        return (), numbers, notices
    class_names, y = find_classes(raws["source"], target, labels["source"], settings)
    every_y: dict[str, NDArray[Any]] = {"source": y}
    for key in labels.keys() - {"source"}:
        every_y[key], label_notices = match_labels(raws[key], target, labels[key], class_names)
        notices += label_notices
    return class_names, every_y, notices


def missing_classes(class_names: tuple[str, ...], training: list[Ints]) -> list[str]:
    """Refuse training rows of one class only; note classes without a training row."""
    notices = []
    for y in training:
        counts = np.bincount(y, minlength=len(class_names))
        if (counts > 0).sum() < 2:
            name = class_names[int(counts.argmax())]
            raise DataError(
                f"[data] split: all {len(y):,} training rows are of class {quoted(name)}; expected at least two classes"
            )
        notices += [f"class {quoted(class_names[label])} has no training row" for label in np.flatnonzero(counts == 0)]
    return list(dict.fromkeys(notices))


def _all_rows(key: str, y: dict[str, NDArray[Any]]) -> Selection:
    return Selection(key, np.arange(len(y[key])))


def refuse_repeated_names(raw: Raw) -> None:
    """Refuse duplicate column names."""
    repeated = raw.frame.columns[raw.frame.columns.duplicated()]
    if len(repeated):
        raise DataError(f"{raw.where}: duplicate column name {quoted(repeated[0])}; rename one of the columns")


def _target_in(raw: Raw, target: str) -> str:
    if raw.labels is None and target not in raw.frame.columns:
        raise no_column(raw, target, " (the target of the training file)")
    return target


def special_columns(raw: Raw, settings: DataSettings) -> dict[str, str]:
    """Return the columns that the split goes by: {"group": name} and the like."""
    special = {}
    for key in ("split_column", "group", "time", "weight"):
        wanted = getattr(settings, key)
        if wanted is not None:
            column = target_among(raw.names_with_apart, wanted)
            if column is None:
                raise no_column(raw, wanted, f" ([data] {key})")
            special[key] = column
    return special


def _weights(raws: dict[str, Raw], name: str | None) -> dict[str, Doubles]:
    if name is None:
        return {}
    return {key: read_weights(raw, name) for key, raw in raws.items()}


def _weights_note(name: str, of_dev: list[Doubles]) -> str:
    weights = np.concatenate(of_dev)
    return (
        f"rows are weighted by {quoted(name)}: the {count(len(weights), 'dev row')} say as much of an error as "
        f"{effective_rows(weights):,.0f} of one weight"
    )


def _full_text(raw: Raw, name: str, what: str) -> TextColumn:
    """Return a column as text; refuse missing cells."""
    column = text_column(raw.cells(name), f"{raw.where}, column {quoted(name)}", frozenset({""}))
    absent = np.flatnonzero(column.codes < 0)
    if len(absent):
        raise DataError(f"{raw.at(int(absent[0]), name)}: missing; expected a {what} in every row")
    return column


def _groups(raws: dict[str, Raw], name: str | None) -> dict[str, TextColumn]:
    if name is None:
        return {}
    for raw in raws.values():
        if raw.group is None and name not in raw.frame.columns:
            raise DataError(f"{raw.where}: no column {quoted(name)}, the groups of the training file ([data] group)")
    return {key: _full_text(raw, name, "group") for key, raw in raws.items()}


def _split(
    source: Raw,
    settings: DataSettings,
    special: dict[str, str],
    y: Ints,
    groups: dict[str, TextColumn],
    raws: dict[str, Raw],
) -> Split:
    request = Request(
        y=y,
        sizes=settings.split,
        seed=settings.seed,
        folds=settings.folds,
        groups=groups["source"].codes if groups else None,
        moments=moments_of(source, special["time"]) if "time" in special else None,
        own_dev=len(raws["dev"].frame) if "dev" in raws else None,
        own_test=len(raws["test"].frame) if "test" in raws else None,
    )
    if "split_column" in special:
        column = _full_text(source, special["split_column"], "part")
        return read_split(
            column.levels, column.codes, f"{source.where}, column {quoted(special['split_column'])}", request
        )
    return draw_split(request)


def moments_of(raw: Raw, name: str) -> NDArray[np.float64]:
    """Return a time column as numbers that increase with time."""
    series = raw.frame[name]
    if is_date(series):
        values = seconds_of(series)
    elif getattr(series.dtype, "kind", "O") in "iuf":
        values = series.to_numpy(dtype=np.float64)
    else:
        text = _full_text(raw, name, "time")
        detected = detect_format(list(text.levels), np.bincount(text.codes))
        values = seconds_of(text.levels, detected.name if detected else "ISO8601")[text.codes]
    bad = np.flatnonzero(np.isnan(values))
    if len(bad):
        row = int(bad[0])
        cell = f"{quoted(series.iloc[row])} is not a date or a number"
        raise DataError(f"{raw.at(row, name)}: {cell}. Fix the cell, or choose another [data] time column.")
    return values


def _image(settings: DataSettings, raw: Raw, table: RawTable, columns: dict[str, Column]) -> tuple[int, ...] | None:
    """Return the image shape of the inputs, from the settings or the file; refuse columns that are not pixels."""
    image = settings.image or raw.image
    if image is None:
        return None
    pixels = math.prod(image)
    if pixels != len(table.names):
        expected = f"{pixels} pixels for [data] image = {' × '.join(map(str, image))}"
        raise DataError(f"{raw.where}: expected {expected}, got {len(table.names)} columns")
    for column in columns.values():
        if not column.encoder.in_blocks:
            place = f"{raw.where}, column {quoted(column.name)}"
            raise DataError(f"{place}: expected numbers in every pixel of an image, got a {column.kind} column")
    return image


def describe_split(settings: DataSettings, special: dict[str, str], strata: str = "class") -> str:
    """Describe in a few words how the rows were split."""
    if "split_column" in special:
        how = f"by column {quoted(special['split_column'])}"
    elif "time" in special:
        how = f"the latest rows by {quoted(special['time'])} are dev and test"
    elif "group" in special:
        how = f"drawn by groups of {quoted(special['group'])}, seed {settings.seed}"
    else:
        how = f"drawn at random, stratified by {strata}, seed {settings.seed}"
    own = [key for key in ("dev", "test") if getattr(settings, key) is not None]
    files = f"; {' and '.join(own)} from separate files" if own else ""
    folds = f"; {settings.folds} folds, every row outside the test set is a dev row once" if settings.folds else ""
    return how + folds + files


def raw_of_frame(frame: Any, where: str) -> Raw:
    """Wrap a DataFrame as a source; its index is not a column."""
    if not len(frame):
        raise DataError(f"{where}: no rows; expected at least two of each class")
    return Raw(with_text_names(frame), where, by_row)
