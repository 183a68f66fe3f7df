"""What competed on a study's dev rows, for the selection correction: its trials and networks, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import (
    ClassError,
    Competition,
    NetworkRun,
    chosen_error,
    class_errors,
    first_stop,
    held_out_losses,
    rechosen_error,
)
from tuner.dev_layout import N_DEV_FOLDS
from tuner.metrics import METRICS
from tuner.storage import NetworkRecord, StudyRecord, TrialRecord
from tuner.study import StudyDefinition

CORRECTING, EFFECTS, COMPARING, EXPECTED_BEST, ENSEMBLE = 7, 8, 9, 10, 12
"""Streams of the study's seed, apart from the search's own draws."""
SINGLE_PRECISION = 1e-4  # of sums of losses as they are stored


def competition_of(
    record: StudyRecord, definition: StudyDefinition, judged: Sequence[TrialRecord], losses: NDArray[Any]
) -> Competition:
    """Return everything that was looked at on the dev set, the study's own trials first."""
    metric = record.metric
    alike = np.ones(len(record.dev_y))
    layout = record.dev_layout(judged[0])
    earlier = [trial for trial in record.earlier if trial.networks and record.dev_layout(trial) == layout]
    return Competition(
        trials=[runs_of(trial, record, definition) for trial in (*judged, *earlier)],
        fold_sizes=fold_sizes(record),
        losses=np.concatenate([losses, [dev_losses(record, trial) for trial in earlier]]) if earlier else losses,
        row_weights=record.dev_weights,
        patience=definition.training.patience,
        looks=layout.networks_per_row,
        folds=layout.has_folds,
        groups=record.dev_groups,
        weights=None if metric.class_weights is None else metric.weighted(alike, record.dev_y, record.dev_weights),
        epochs_by_loss=epochs_by_loss(record, definition),
        most=record.unit.most,
    )


def fold_sizes(record: StudyRecord) -> NDArray[Any]:
    """Return the dev rows of each fold, or the sum of their weights, (20,)."""
    return np.bincount(record.dev_fold, weights=record.dev_weights, minlength=N_DEV_FOLDS)


def epochs_by_loss(record: StudyRecord, definition: StudyDefinition) -> bool:
    """Return whether early stopping watched the mean loss whose folds are recorded, or chose no epoch."""
    watched = METRICS[definition.training.monitor].on_rows_of(record.counted_by)
    return watched.is_shown_by(record.metric) or not definition.trainer_kind.has_dev_folds


def by_weighted_losses(
    record: StudyRecord, definition: StudyDefinition, competition: Competition, weighted: NDArray[Any]
) -> Competition:
    """Return the competition by the weighted losses, (trials, n_dev), if their sums over the folds were recorded."""
    if not epochs_by_loss(record, definition) or not definition.trainer_kind.has_dev_folds:
        return competition
    metric = record.metric
    weights = metric.weighted(np.ones(len(record.dev_y)), record.dev_y, record.dev_weights)
    for trial in (*record.judged, *record.earlier):
        rows = record.dev_layout(trial).split(weights)
        for network, of_rows in zip(trial.networks, rows, strict=True):
            epoch = network.best_epoch - 1 if len(network.dev_fold_losses) > 1 else 0
            recorded = network.dev_fold_losses[epoch].sum()
            if not np.isclose(recorded, network.dev_losses @ of_rows, rtol=SINGLE_PRECISION):
                return competition  # of 0.2 or before, which recorded the plain losses
    return replace(competition, losses=competition.chosen_by, weights=None)


def corrected_classes(
    record: StudyRecord, definition: StudyDefinition, competition: Competition, weighted: Competition
) -> Sequence[ClassError]:
    """Return the classes' errors after allowing for the choice of the trial, and of the epochs if these were recorded.

    The trial is chosen again on bootstrap samples. Choosing the epochs again too, which only shows the weighted mean of
    the classes, raises all of them by the same factor.
    """
    losses = held_out_losses(competition, rng=random_stream(definition, CORRECTING))
    if weighted.can_replay:
        rechosen = rechosen_error(weighted, rng=random_stream(definition, CORRECTING))
        without_epochs = record.metric.mean(losses, record.dev_y, record.dev_weights)
        most = 1.0 if record.dev_weights is None else record.dev_weights
        losses = np.minimum(losses * (rechosen / without_epochs if without_epochs else 1.0), most)
    return class_errors(record.dev_y, losses, record.class_names, record.dev_weights)


def kept_trial(
    record: StudyRecord,
    definition: StudyDefinition,
    judged: Sequence[TrialRecord],
    competition: Competition,
    best: TrialRecord,
) -> TrialRecord | None:
    """Return trial 0, which repeats another study's best, unless choosing among all trials again gives a lower error.

    Both choose their epochs on the same parts of the dev set and are scored on the rest.  A study that began with
    trials of plain Optuna has none: trial 0 repeats only the parameters that both name.
    """
    begun, first = record.facts.begun, judged[0]
    if begun is None or begun.is_imported or not begun.trials or first.number != 0 or first is best:
        return None
    alone, own = (
        replace(competition, trials=competition.trials[:n], losses=competition.losses[:n]) for n in (1, len(judged))
    )
    old, new = (chosen_error(one, rng=random_stream(definition, COMPARING)) for one in (alone, own))
    return first if old <= new else None


def random_stream(definition: StudyDefinition, stream: int) -> np.random.Generator:
    """Return the random numbers of one part of the report: the same for the same study."""
    return np.random.default_rng(np.random.SeedSequence(definition.search.seed, spawn_key=(stream,)))


def dev_losses(record: StudyRecord, trial: TrialRecord) -> NDArray[Any]:
    """Return a trial's loss of each dev row, (n_dev,); with several seeds the mean over its networks."""
    return record.dev_layout(trial).row_losses([network.dev_losses for network in trial.networks])


def all_dev_losses(record: StudyRecord, trials: Sequence[TrialRecord]) -> NDArray[Any]:
    """Return all trials' losses of the dev rows, (trials, n_dev), of which there is no second copy meanwhile."""
    losses: NDArray[Any] = np.zeros((len(trials), len(record.dev_y)), dtype=bool)
    for place, trial in enumerate(trials):
        row = dev_losses(record, trial)
        if losses.dtype == bool and row.dtype != bool:
            losses = losses.astype(row.dtype)
        losses[place] = row
    return losses


def runs_of(trial: TrialRecord, record: StudyRecord, definition: StudyDefinition) -> list[NetworkRun]:
    """Return a trial's networks, epoch by epoch, and the first epoch after which patience could end each.

    Networks that share the epoch are one run. If the dev folds of each epoch are not recorded, a network counts as one
    epoch.
    """
    if not definition.trainer_kind.has_dev_folds:
        folds = record.dev_layout(trial).split(record.dev_fold)
        return [
            NetworkRun(fold_losses=np.bincount(fold, weights=network.dev_losses, minlength=N_DEV_FOLDS)[None])
            for network, fold in zip(trial.networks, folds, strict=True)
        ]
    runs = [_run(network, definition) for network in trial.networks]
    return [NetworkRun.pooled(runs)] if record.facts.pooled_epoch else runs


def _run(network: NetworkRecord, definition: StudyDefinition) -> NetworkRun:
    updates = network.updates / network.best_epoch if network.best_epoch else 1.0
    first = first_stop(definition.training.min_updates, updates)
    return NetworkRun(fold_losses=network.dev_fold_losses, first_stop=first)
