"""Which columns the networks use: each is shuffled among the dev rows, the first are tried alone and drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tuner.analysis import ColumnUse, ShuffledColumns, SingleColumn, correlated_columns, error_increase
from tuner.data import Dataset, Encoding
from tuner.errors import UsageError
from tuner.inputs import Inputs
from tuner.modeling.custom_fit import fit_trial
from tuner.modeling.dependence import partial_dependence
from tuner.modeling.fitting import FitRequest, chosen_trial
from tuner.modeling.model import Model
from tuner.modeling.single_columns import FEWEST_COLUMNS, too_good_columns
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import StudyDefinition
from tuner.trainers import Trainer
from tuner.trial import data_of_trial, losses_of, trial_settings

SHUFFLES = 5
MOST_ROWS = 5000
"""Training rows that show which columns are correlated."""
MOST_INPUTS = 1000
"""Of more inputs no groups of correlated columns are looked for."""
FIRST = 6
"""Columns that are tried alone, and whose partial dependence is drawn: those whose shuffling raises the error most."""
STREAM = 18


def can_shuffle(dataset: Dataset) -> bool:
    """Whether the inputs are columns with a meaning of their own, and there are several: not pixels."""
    return dataset.image is None and len(_inputs_of(Encoding.from_json(dataset.encodings[0]))) > 1


def _inputs_of(encoding: Encoding) -> dict[str, list[int]]:
    """Return the places of the inputs that are made of each column of the file."""
    places: dict[str, list[int]] = {}
    for column in encoding.columns:
        if column.features:
            places.setdefault(column.source, []).extend(feature.position for feature in column.features)
    return places


def takes_too_long(trial: TrialRecord, seconds: float) -> bool:
    """Whether training a trial again would leave its columns less than half of the time."""
    return (trial.seconds or 0.0) > seconds / 2


def train_and_measure_columns(
    record: StudyRecord, dataset: Dataset, definition: StudyDefinition, trainer: Trainer, seconds: float | None = None
) -> ColumnUse:
    """Train the best trial again, and measure its columns, in ``seconds`` if given.

    Raises UsageError where that is too little, or the columns say nothing, and a TunerError where it cannot be trained.
    """
    start, trial = time.monotonic(), chosen_trial(record, None)
    if not can_shuffle(dataset):
        raise UsageError(f"study {record.name!r} has pixels or a single column, whose importance says nothing")
    if seconds is not None and takes_too_long(trial, seconds):
        raise UsageError(f"training trial {trial.number} again would take more than half of {seconds:.2g} seconds")
    model = fit_trial(
        record, dataset, trial_settings(definition, record.facts), trainer, FitRequest(trial=trial.number)
    )
    threshold = definition.diagnosis.threshold(record.unit)
    return measure_columns(
        record, dataset, trial, model, threshold, lambda: seconds is not None and time.monotonic() - start > seconds
    )


def measure_columns(
    record: StudyRecord,
    dataset: Dataset,
    trial: TrialRecord,
    model: Model,
    threshold: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> ColumnUse:
    """Shuffle each column among the dev rows (with folds of each fold), and correlated columns together.

    ``model``: that of the trial, with its networks; ``threshold``: of a gap that matters.  Columns for which there is
    no time after ``should_stop()`` are left out.
    """
    dataset = data_of_trial(dataset, trial.params)
    shuffle = _Shuffle(dataset, model, record.dev_groups)
    of_columns = _inputs_of(model.encodings[0])
    with threadpool_limits(limits=1):
        alone = []
        for name in of_columns:
            if should_stop():
                break
            alone.append(shuffle([name]))
        groups = [shuffle(group) for group in _groups(dataset, of_columns) if not should_stop()]
        droppable = _droppable(shuffle, alone, groups, threshold / 2, should_stop)
        first = _first(alone, groups)
        too_good: tuple[SingleColumn, ...] = ()
        if len(of_columns) >= FEWEST_COLUMNS:
            too_good = too_good_columns(dataset, shuffle.before, first, shuffle.places, record.dev_groups, should_stop)
        dependence = partial_dependence(dataset, model, first, shuffle.places, should_stop)
    return ColumnUse(
        trial.number,
        len(dataset.dev_y),
        tuple(sorted(alone, key=lambda each: -each.increase.value)),
        tuple(sorted(groups, key=lambda each: -each.increase.value)),
        droppable,
        len(of_columns) - len(alone),
        too_good,
        dependence,
    )


class _Shuffle:
    """Shuffles columns, and says how much larger the error is."""

    def __init__(self, dataset: Dataset, model: Model, groups: NDArray[np.integer] | None) -> None:
        self.dataset, self.model, self.groups = dataset, model, groups
        self.inputs = [part.dev.inputs for part in dataset.parts]
        self._of_columns = [_inputs_of(encoding) for encoding in model.encodings]
        self.before = self._losses(self.inputs)

    def __call__(self, names: Sequence[str]) -> ShuffledColumns:
        rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(STREAM,)))
        after = np.stack([self._losses(self._shuffled(names, rng)) for _ in range(SHUFFLES)])
        unit = self.dataset.unit
        return ShuffledColumns(
            tuple(names), error_increase(self.before, after, lambda mean: float(unit.error(mean)), self.groups)
        )

    def places(self, part: int, name: str) -> Sequence[int]:
        """Return the inputs that the networks of a part make of a column."""
        return self._of_columns[part].get(name, ())

    def _shuffled(self, names: Sequence[str], rng: np.random.Generator) -> list[Inputs]:
        shuffled = []
        for place, inputs in enumerate(self.inputs):
            features = [feature for name in names for feature in self.places(place, name)]
            order = rng.permutation(len(inputs))
            numbers, flags = inputs.numbers.copy(), inputs.flags.copy()
            of_numbers = np.isin(inputs.places, features)
            of_flags = np.isin(flags, features).any(axis=0)
            numbers[:, of_numbers] = inputs.numbers[order][:, of_numbers]
            flags[:, of_flags] = inputs.flags[order][:, of_flags]
            shuffled.append(replace(inputs, numbers=numbers, flags=flags))
        return shuffled

    def _losses(self, inputs: Sequence[Inputs]) -> NDArray[np.float64]:
        """Return the losses of the dev rows (n_dev,), times their weights."""
        losses, n_folds = [], len(self.dataset.parts)
        for place, (part, of_part) in enumerate(zip(self.dataset.parts, inputs, strict=True)):
            predicted = self.model.average(range(place, len(self.model.networks), n_folds), [of_part])
            unit = self.dataset.unit
            classes: Any = predicted.classes if unit.is_share else unit.standardized(predicted.classes)
            losses.append(losses_of(part.dev, unit, classes, predicted.probabilities))
        joined, weights = np.concatenate(losses).astype(np.float64), self.dataset.dev_weights
        return joined if weights is None else joined * weights


def _first(alone: Sequence[ShuffledColumns], groups: Sequence[ShuffledColumns]) -> list[str]:
    """Return the columns whose shuffling, alone or with correlated ones, raises the error most, if it does."""
    ranked = sorted((*alone, *groups), key=lambda each: -each.increase.value)
    return [*dict.fromkeys(name for each in ranked if each.increase.value > 0 for name in each.columns)][:FIRST]


def _groups(dataset: Dataset, of_columns: Mapping[str, Sequence[int]]) -> list[list[str]]:
    if dataset.n_features > MOST_INPUTS:
        return []
    train, names = dataset.parts[0].train, [*of_columns]
    rows = np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).astype(int)
    groups = correlated_columns(train.inputs.rows(rows).array(), [*of_columns.values()])
    return [[names[k] for k in group] for group in groups]


def _droppable(
    shuffle: _Shuffle,
    alone: Sequence[ShuffledColumns],
    groups: Sequence[ShuffledColumns],
    most: float,
    should_stop: Callable[[], bool],
) -> ShuffledColumns | None:
    """Return the columns that together certainly raise the error by less than ``most``; None if there are none."""
    needed = {name for group in groups if group.increase.high >= most for name in group.columns}
    ranked = sorted(alone, key=lambda each: each.increase.high)
    names = [each.columns[0] for each in ranked if each.increase.high < most and each.columns[0] not in needed]
    while names and not should_stop():
        together = shuffle(names)
        if together.increase.high < most:
            return together
        names = names[: len(names) // 2]
    return None
