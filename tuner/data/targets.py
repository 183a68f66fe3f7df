"""The target column: its classes or its numbers, and which of the two it has."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.data.encoders import Doubles, Reads, TextColumn
from tuner.data.missing import MISSING_LABELS, missing_labels
from tuner.data.notation import detect_notation
from tuner.data.number_forms import fit_form
from tuner.data.settings import DataSettings, Place
from tuner.data.sources.delimited import looks_numeric, target_among
from tuner.data.sources.raw import Raw, TargetNames, quoted_target
from tuner.data.tables import FINITE, LARGEST, level_numbers, nearest, no_column, text_column, text_of
from tuner.errors import DataError
from tuner.formatting import count, join, quoted, shorten, some_of
from tuner.target_transforms import SKEWED, TargetTransform, fit_log, fit_quantile, fit_ratio, skewness
from tuner.units import Unit, are_to_predict

Ints = NDArray[np.int64]

LEAST_SCALE = 1e-300  # so that a column of equal numbers can be divided by its own
BINS = 10  # of the numbers to predict: rows are drawn from each in its share
AS_NUMBERS = '--task regression (task = "regression" in [network]) predicts it as a number'
AS_CLASSES = '--task classification (task = "classification" in [network]) predicts it as classes'
LONGEST_CLASS = 1000  # characters of its name
LEAVE_OUT = "--drop-unlabeled (drop_unlabeled = true in [data]) leaves out such rows"
MOST_NAMES = 40  # columns listed in a message; the target is often the last one


def find_target(raw: Raw, settings: DataSettings) -> TargetNames:
    """Return the columns to predict: the format's own, or those in the definition."""
    if raw.target is not None:
        if isinstance(settings.target, tuple):
            raise DataError(f"{raw.where}: expected one column in [data] target, got {len(settings.target)}")
        return raw.target
    if not isinstance(settings.target, tuple):
        return _target_name(raw, settings, settings.target)
    names = tuple(_target_name(raw, settings, each) for each in settings.target)
    if len(set(names)) < len(names):
        raise DataError(f"{raw.where}: [data] target names a column twice: {quoted_target(names)}")
    return names


def _target_name(raw: Raw, settings: DataSettings, target: Place | None) -> str:
    names = raw.names
    if target is None:
        raise DataError(
            f"{raw.where}: no target. Set the column to predict with --target COLUMN (in a study file: target in "
            f"[data]). Columns: {', '.join(map(shorten, names[:MOST_NAMES]))}{', …' if len(names) > MOST_NAMES else ''}"
        )
    name = target_among(names, target)
    if name is not None:
        return name
    hint = ""
    if isinstance(target, str) and set(parts := target.split(",")) <= set(names):
        hint = f"; several targets are {' '.join(f'--target {part}' for part in parts)}, or a list in [data]"
    elif settings.header and any(looks_numeric(name) for name in names):
        hint = "; line 1 looks like data, not column names: if it is, set header = false in [data] (--no-header)"
    raise no_column(raw, target, " ([data] target)", hint)


def read_labels(raw: Raw, name: str, settings: DataSettings) -> TextColumn:
    """Return the target's cells as text; refuse missing ones."""
    labels = _label_cells(raw, name, settings)
    absent = np.flatnonzero(labels.codes < 0)
    if len(absent):
        others = len(absent) - 1
        more = f" (and {others:,} more row{'s' if others > 1 else ''})" if others else ""
        spelled = text_of(cell) if isinstance(cell := raw.cells(name).iloc[int(absent[0])], str) else ""
        is_usual = spelled in MISSING_LABELS and spelled != ""
        what = f"{quoted(spelled)}, which counts as missing{more}" if spelled else f"missing{more}"
        keep = f" If it is a class, set keep = {json.dumps([spelled])} in [data] (--keep)." if is_usual else ""
        task = "regression" if settings.has_several_targets else settings.task
        wanted = {"regression": "a number", "classification": "a class"}.get(task or "", "a class or number")
        raise DataError(
            f"{raw.at(int(absent[0]), name)}: the target is {what}; expected {wanted} in every row.{keep} {LEAVE_OUT}"
        )
    return labels


def _label_cells(raw: Raw, name: str, settings: DataSettings) -> TextColumn:
    absent = missing_labels(settings.missing, settings.keep)
    return text_column(raw.cells(name), f"{raw.where}, column {quoted(name)}", absent)


def labeled_rows(raw: Raw, settings: DataSettings, names: Iterable[str], *, alone: bool) -> Raw:
    """Return the rows that have a class, if the definition leaves out the others; it is noted how many they are.

    ``names``: the columns to predict; a row needs a number in each of several.  ``alone``: without rows of a class with
    a single example, too, which could not be in both train and dev.
    """
    if settings.drop_unlabeled:
        for name in names:
            if raw.labels is not None or name in raw.frame.columns:
                raw = _labeled_rows(raw, settings, name, alone=alone and not settings.has_several_targets)
    return raw


def _labeled_rows(raw: Raw, settings: DataSettings, name: str, *, alone: bool) -> Raw:
    labels = _label_cells(raw, name, settings)
    has_class = labels.codes >= 0
    counts = np.bincount(labels.codes[has_class], minlength=len(labels.levels))
    alone = alone and not is_regression(raw, name, labels, settings)
    single = [level for level, n in zip(labels.levels, counts, strict=True) if n == 1] if alone else []
    keep = has_class & ~np.append(counts == 1, False)[labels.codes] if single else has_class
    if keep.all():
        return raw
    if not keep.any():
        raise DataError(f"{raw.where}, column {quoted(name)}: no row has a class")
    what = "class" if len(single) or not is_regression(raw, name, labels, settings) else "number"
    notices = [f"left out {count(int((~has_class).sum()), 'row')} without a {what}"] if not has_class.all() else []
    if single:
        of = f"classes with one example ({some_of(list(map(quoted, single)), 5)})"
        notices.append(f"left out {count(len(single), 'row')} of {of}")
    return raw.only(np.flatnonzero(keep), (*raw.notices, *(f"{raw.where}: {notice}" for notice in notices)))


def is_regression(raw: Raw, name: str, labels: TextColumn, settings: DataSettings) -> bool:
    """Return whether a target has numbers to predict: as the definition says, or by its different cells."""
    if settings.task is not None:
        return settings.task == "regression"
    if settings.column(name).reads is Reads.TEXT:
        return False
    return are_to_predict(_numbers_of(raw, labels.levels))


def _numbers_of(raw: Raw, levels: tuple[str, ...]) -> Doubles:
    """Return the number of each of a target's different cells; NaN if it has none."""
    numbers = level_numbers(levels, raw.decimal)
    if np.isnan(numbers).any() and (notation := detect_notation(levels, raw.decimal)):
        written = notation.numbers(levels)
        return written if np.isnan(written).sum() < np.isnan(numbers).sum() else numbers
    return numbers


def find_numbers(raw: Raw, name: str, labels: TextColumn, settings: DataSettings) -> Doubles:
    """Return each row's number to predict, (n,).  Raises DataError for a cell that is none, or no count."""
    numbers = _numbers_of(raw, labels.levels)
    bad = np.flatnonzero(~(np.abs(numbers) <= LARGEST))
    if not len(bad) and settings.are_counts:
        bad = np.flatnonzero((numbers < 0) | (numbers != np.round(numbers)))
        if len(bad):
            row = int(np.flatnonzero(labels.codes == bad[0])[0])
            raise DataError(
                f"{raw.at(row, name)}: {quoted(labels.levels[int(bad[0])])} is not a count; expected an integer ≥ 0 in "
                'every row with output = "poisson" in [network]; output = "linear" predicts any number'
            )
    if len(bad):
        row = int(np.flatnonzero(labels.codes == bad[0])[0])
        cell = quoted(labels.levels[int(bad[0])])
        other = ", as several targets are numbers" if settings.has_several_targets else f", or {AS_CLASSES}"
        wanted = f"{'a number' if np.isnan(numbers[bad[0]]) else FINITE} in every row"
        raise DataError(f"{raw.at(row, name)}: the target is {cell}; expected {wanted}{other}")
    return np.asarray(numbers[labels.codes])


def find_several(raw: Raw, names: Sequence[str], settings: DataSettings) -> Doubles:
    """Return each row's numbers to predict, (n, n_targets).  Raises DataError for a column of classes."""
    columns = []
    for name in names:
        labels = read_labels(raw, name, settings)
        columns.append(find_numbers(raw, name, labels, settings))
        if settings.task is None and not is_regression(raw, name, labels, settings):
            values = count(len(labels.levels), "different value")
            raise DataError(
                f"{raw.where}, column {quoted(name)}: {values}, which would be classes, and several targets are "
                f"numbers; {AS_NUMBERS}"
            )
    return np.column_stack(columns)


def unit_of_several(where: str, names: Sequence[str], numbers: Doubles, settings: DataSettings) -> Unit:
    """Return the unit of several numbers to predict from those of the training rows, (n, n_targets)."""
    for name, of_target in zip(names, numbers.T, strict=True):
        unit_of(f"{where}, column {quoted(name)}", of_target, settings)  # refuses numbers that are all the same
    return Unit.of_several(names, numbers, by_absolute=settings.by_absolute)


def unit_of(where: str, numbers: Doubles, settings: DataSettings) -> tuple[Unit, list[str]]:
    """Return the unit of numbers to predict from those of the training rows, (n,), and what is to be noted of it."""
    scale = float(numbers.std())
    if not scale > 0 or numbers.min() == numbers.max():
        raise DataError(f"{where}: all training rows have the number {numbers[0]:g}; expected different ones")
    transform, notices = _transform(where, numbers, settings.target_transform or "none")
    mean = float(numbers.mean())
    if settings.are_counts:
        transform = fit_ratio(numbers)
    absolute = float(np.abs(numbers - mean).mean()) if settings.by_absolute else None
    return Unit(scale=scale, mean=mean, transform=transform, absolute=absolute), notices


def _transform(where: str, numbers: Doubles, name: str) -> tuple[TargetTransform | None, list[str]]:
    """Fit the target's transform on the training rows; say what "auto" took.

    It takes none up to a skewness of ±1; else the logarithm if all numbers have one sign and its skewness is at most
    that; else the quantile.
    """
    if name == "log":
        return fit_log(numbers), []
    if name == "quantile":
        return _fit_quantile(numbers), []
    if name == "none":
        return None, []
    before = skewness(numbers)
    measured = f"the skewness of the training rows is {before:.1f}"
    transform, taken, why = None, "none", f"{measured}, within ±{SKEWED:g}"
    if abs(before) > SKEWED:
        transform, taken = _fit_quantile(numbers), "quantile"
        if numbers.min() < 0 < numbers.max():
            why = f"{measured}, and they have both signs"
        else:
            logs = fit_log(numbers)
            after = skewness(logs.of(numbers))
            why = f"{measured}, that of their logarithms {after:.1f}"
            if abs(after) <= SKEWED:
                transform, taken = logs, "log"
    return transform, [f'{where}: target_transform = "auto" takes "{taken}": {why}']


def _fit_quantile(numbers: Doubles) -> TargetTransform:
    form, _, _ = fit_form("quantile", numbers)
    return fit_quantile(form.knots, form.values)


def strata_of(numbers: Doubles) -> Ints:
    """Return codes of tenths of the numbers (n,), from 0: what a split is stratified by.

    Of several targets (n, n_targets): of the mean of the standardized ones.
    """
    if numbers.ndim > 1:
        numbers = np.mean((numbers - numbers.mean(axis=0)) / np.maximum(numbers.std(axis=0), LEAST_SCALE), axis=1)
    ends = np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.unique(np.searchsorted(ends, numbers, side="right"), return_inverse=True)[1].astype(np.int64)


def find_classes(raw: Raw, name: str, labels: TextColumn, settings: DataSettings) -> tuple[tuple[str, ...], Ints]:
    """Return the class names, sorted as numbers or as text, and each row's class index."""
    counts = np.bincount(labels.codes, minlength=len(labels.levels))
    where = f"{raw.where}, column {quoted(name)}"
    if len(labels.levels) < 2:
        raise DataError(f"{where}: every row is of class {quoted(labels.levels[0])}; expected at least two classes")
    named = not all(map(looks_numeric, labels.levels))
    numbers = None if named else np.array([float(level) for level in labels.levels])
    other = f", or {AS_NUMBERS}" if numbers is not None and settings.task is None else ""
    if len(labels.levels) == len(labels.codes):
        raise DataError(
            f"{where}: as many classes as rows ({len(labels.codes)}); expected several rows per class{other}"
        )
    longest = max(labels.levels, key=len)
    if len(longest) > LONGEST_CLASS:
        raise DataError(
            f"{where}: expected names of classes, got a text of {len(longest):,} characters: {quoted(longest)}"
        )
    single = np.flatnonzero(counts == 1)
    if len(single):
        level = int(single[0])
        row = int(np.flatnonzero(labels.codes == level)[0])
        others = f", like {count(len(single) - 1, 'other class', 'other classes')}" if len(single) > 1 else ""
        raise DataError(
            f"{raw.at(row, name)}: class {quoted(labels.levels[level])} has only this example{others}; "
            f"expected at least two examples of each class, one for train and one for dev{other}. {LEAVE_OUT}"
        )
    if numbers is None:
        return labels.levels, labels.codes
    order = np.argsort(numbers, kind="stable")
    return tuple(labels.levels[level] for level in order), np.argsort(order)[labels.codes]


def alike_classes(class_names: Sequence[str]) -> list[str]:
    """Note classes that a person would take for one: yes, Yes and YES."""
    alike: dict[str, list[str]] = {}
    for name in class_names:
        alike.setdefault("".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(quoted(name))
    return [
        f"the classes {join(names)} differ only in case, spaces or the form of characters; if they are one class, "
        "write them alike"
        for names in alike.values()
        if len(names) > 1
    ]


def match_labels(raw: Raw, name: str, labels: TextColumn, class_names: tuple[str, ...]) -> tuple[Ints, tuple[str, ...]]:
    """Return class indices of another file's labels, and notices.

    A trailing dot is removed if labels differ only by it, as in the official test file of UCI's adult.
    """
    known = {label: index for index, label in enumerate(class_names)}
    levels: tuple[str, ...] = labels.levels
    notices: tuple[str, ...] = ()
    if not set(levels) <= set(known):
        stripped = tuple(level.removesuffix(".").rstrip() for level in levels)
        if set(stripped) <= set(known):
            notices = (
                f"{raw.where}: removed the trailing dot of the labels "
                f"({quoted(levels[0])} is read as {quoted(stripped[0])})",
            )
            levels = stripped
    y = np.array([known.get(level, -1) for level in levels], dtype=np.int64)[labels.codes]
    unknown = np.flatnonzero(y < 0)
    if len(unknown):
        label = levels[labels.codes[unknown[0]]]
        place = raw.at(int(unknown[0]), name)
        raise DataError(f"{place}: class {quoted(label)} is not in the training file; {nearest(label, class_names)}")
    return y, notices
