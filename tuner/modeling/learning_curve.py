"""Would more data help: the chosen hyperparameters, trained afresh on growing random subsets of the training set.

The hyperparameters stay as they are at every size, λ among them: the penalty λ/(2m)·‖W‖² beside a mean loss is a prior
of fixed width beside a sum over m examples, so that a fixed λ rightly weighs less as examples come in (in ridge
regression the best λ does not depend on m), and it is what the user's definition would do with twice the data. What
limits the training is scaled instead: an epoch of fewer examples has fewer updates, and a network that was stopped too
early would make small sizes look worse, and the curve steeper, than they are.

The training rows that a smaller network leaves out are fresh examples to it. Where dev was drawn from the same rows at
random (:attr:`LearningCurveTask.is_one_draw`) they say of its error what dev examples say, and are kept beside them: a
dev set of a few hundred then has thousands at its side, on which nothing was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tuner.analysis import (
    SIZES,
    LearningNetwork,
    NetworkRun,
    epoch_corrected_errors,
    first_stop,
    pooled_epoch_corrected_errors,
    subset_sizes,
)
from tuner.data import Dataset, Part, Table, random_subset
from tuner.dev_layout import N_DEV_FOLDS
from tuner.errors import UsageError
from tuner.metrics import ERROR, METRICS
from tuner.nn import Hyperparameters, Stopping, TrainedNetwork
from tuner.outcomes import StopReason
from tuner.storage import Database, Outcome, StudyFacts, TrialRecord, write_learning
from tuner.study import StudyDefinition
from tuner.trainers import Interrupted, OwnNetwork, Trainer, TrialError, TrialRequest
from tuner.trial import TrialResult, dev_layout, losses_of, rows_of_error, trial_settings
from tuner.units import SHARE, Unit

SEEDS = 4
MOST_WATCHED = 10_000  # training rows evaluated where they are left out (kept curves need the number to stay)
MOST_LONGER = 4.0  # times as many epochs for few examples: after each, the whole dev set is looked at
OnSize = Callable[[list[LearningNetwork]], object]
STREAM = 9  # of the trial's seed: subsets and networks of the curve, apart from the trial's own
WATCHED = 0  # beside the sizes, which are the next number of the stream


@dataclass(frozen=True)
class LearningCurveTask:
    """A trial: hyperparameters as people read them, seed and number; the data to train on, and what trains it."""

    definition: StudyDefinition
    dataset: Dataset
    dev_folds: np.ndarray
    params: Mapping[str, Any]
    seed: int
    trainer: Trainer
    facts: StudyFacts | None = None
    number: int | None = None

    @property
    def pools_epochs(self) -> bool:
        """Whether the networks of all folds end at one epoch, as in the study's trials."""
        return self.facts is not None and self.facts.pooled_epoch

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The network's own settings."""
        return self.definition.searched_space.hyperparameters(self.params)

    @property
    def is_one_draw(self) -> bool:
        """Whether training and dev rows are one random draw, row by row, so that either says the same of a network.

        Not with folds (every row is a dev row already), a dev file of its own (and its train-dev set), a column that
        says which row serves where, later rows as dev, or groups that stay together.
        """
        data = self.definition.data
        ways = (data.folds, data.dev, data.split_column, data.time, data.group)
        return all(way is None for way in ways) and len(self.dataset.parts) == 1 and self.dataset.train_dev is None

    def watched(self) -> Table | None:
        """The training rows on which each network that left them out is evaluated; None where that is of no use."""
        if not self.is_one_draw:
            return None
        train = self.dataset.parts[0].train
        return random_subset(train, min(len(train), MOST_WATCHED), self.rng(WATCHED))

    def rng(self, *key: int) -> np.random.Generator:
        """A random number generator of its own for each key."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(STREAM, *key)))

    def updates(self, n_train: int) -> int:
        """Number of updates in an epoch."""
        batch = self.hyperparameters.batch_size
        return 1 if batch == "full" else math.ceil(n_train / int(batch))

    def stopping(self, n_train: int) -> Stopping:
        """The definition's limits, with as many updates as at full size and at most four times the epochs."""
        usual = trial_settings(self.definition, self.facts).stopping
        longer = min(self.updates(self.dataset.n_train) / self.updates(n_train), MOST_LONGER)
        patience = None if usual.patience is None else math.ceil(usual.patience * longer)
        return replace(usual, max_epochs=math.ceil(usual.max_epochs * longer), patience=patience)


def measure_learning_curve(
    task: LearningCurveTask,
    trial: TrialRecord,
    database: Database,
    study_id: int,
    *,
    sizes: int = SIZES,
    seeds: int = SEEDS,
    on_size: OnSize = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[LearningNetwork]:
    """Train what the database does not hold of the trial's curve yet, the smallest size first, and keep each size.

    A size that is held with fewer seeds is trained again. ``on_size`` is called with the networks of every
    size, held or trained. Returns all networks; of fewer sizes than asked for if ``should_stop()`` interrupted.
    """
    networks = list(trial.learning)
    with threadpool_limits(limits=1):
        for size in subset_sizes(task.dataset.n_train, task.dataset.n_classes, sizes):
            of_size = [network for network in networks if network.n_train == size]
            if len({network.repeat for network in of_size}) < seeds:
                trained = train_size(task, size, seeds, should_stop)
                if trained is None:
                    break
                write_learning(database, study_id, trial.number, trained)
                networks = [network for network in networks if network.n_train != size] + trained
                of_size = trained
            on_size(of_size)
    return networks


def train_size(
    task: LearningCurveTask, n_train: int, seeds: int, should_stop: Callable[[], bool] = lambda: False
) -> list[LearningNetwork] | None:
    """Networks on ``n_train`` examples, side by side: ``seeds`` repeats, with folds one a fold in each.

    Every repeat and size draws its examples anew, so that the repeats' spread holds what another training set would
    bring, and what is luck at one size is not at the next. None if ``should_stop()`` interrupted. Raises UsageError if
    a custom trainer fails.
    """
    together = [[repeat] for repeat in range(seeds)] if task.pools_epochs else [range(seeds)]
    networks: list[LearningNetwork] = []
    for repeats in together:
        trained = _train_repeats(task, n_train, repeats, should_stop)
        if trained is None:
            return None
        networks += trained
    return networks


def _train_repeats(
    task: LearningCurveTask, n_train: int, repeats: Sequence[int], should_stop: Callable[[], bool]
) -> list[LearningNetwork] | None:
    """The networks of some repeats side by side, which share what early stopping sees if the study's folds do."""
    dataset, definition = task.dataset, task.definition
    parts = [
        Part(random_subset(part.train, n_train, task.rng(n_train, repeat, place)), part.dev)
        for repeat in repeats
        for place, part in enumerate(dataset.parts)
    ]
    trainer, stopping = task.trainer, definition.training.stopping
    key = (n_train, *repeats) if task.pools_epochs else (n_train,)
    request = TrialRequest(
        dataset=replace(dataset, parts=tuple(parts), train_dev=None),
        values=task.params,
        settings=replace(
            trial_settings(definition, task.facts),
            stopping=task.stopping(n_train) if isinstance(trainer, OwnNetwork) else stopping,
            metric=ERROR.name,
            seeds=len(repeats),
            rungs=(),
        ),
        seed=int(task.rng(*key).integers(2**63)),
        dev_folds=np.tile(task.dev_folds, len(repeats)),
        should_stop=should_stop,
        number=task.number,
    )
    if isinstance(trainer, OwnNetwork):
        result = trainer.train(request)
        return None if result.stop_reason == StopReason.INTERRUPTED else _networks(task, result, repeats, parts)
    try:
        outcome = trainer.run(request)
    except TrialError as error:
        raise UsageError(str(error)) from error
    return None if isinstance(outcome, Interrupted) else _of_custom_trainer(outcome, n_train, len(dataset.parts))


def _of_custom_trainer(outcome: Outcome, n_train: int, n_parts: int) -> list[LearningNetwork]:
    """What a custom trainer's networks have wrong: without a choice of the epoch, and unknown on left-out rows."""
    return [
        LearningNetwork(
            n_train=n_train,
            repeat=index // n_parts,
            part=index % n_parts,
            stop_reason=network.stop_reason,
            best_epoch=max(network.best_epoch, 1),
            epochs=network.epochs,
            train_wrong=network.train_wrong,
            error=network.dev_wrong / network.n_dev,
            wrong=network.dev_losses,
            seconds=outcome.seconds / len(outcome.networks),
        )
        for index, network in enumerate(outcome.networks)
    ]


def _networks(
    task: LearningCurveTask, result: TrialResult, repeats: Sequence[int], trained_on: Sequence[Part]
) -> list[LearningNetwork]:
    n_parts, n_train, watched = len(task.dataset.parts), len(trained_on[0].train), task.watched()
    weights = dev_layout(task.dataset, 1).split_weights(task.dataset.dev_weights)
    wrongs = [_times(network.dev_wrong, weights[k % n_parts]) for k, network in enumerate(result.networks)]
    errors = _corrected_errors(task, result, wrongs, repeats, n_train)
    networks = []
    for index, (network, error) in enumerate(zip(result.networks, errors, strict=True)):
        left_out, left_wrong = _left_out_errors(network, watched, trained_on[index].train, task.dataset.unit)
        networks.append(
            LearningNetwork(
                n_train=n_train,
                repeat=repeats[index // n_parts],
                part=index % n_parts,
                stop_reason=network.stop_reason,
                best_epoch=network.best_epoch,
                epochs=network.epochs,
                train_wrong=rows_of_error(trained_on[index].train, network.train_error),
                error=error,
                wrong=wrongs[index],
                seconds=result.seconds / len(result.networks),
                left_out=left_out,
                left_wrong=left_wrong,
            )
        )
    return networks


def _times(rows: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    return rows if weights is None else rows * weights


def _corrected_errors(
    task: LearningCurveTask, result: TrialResult, wrong: Sequence[np.ndarray], repeats: Sequence[int], n_train: int
) -> list[float]:
    """The dev error of each network, which allows for the choice of its epoch if that was made by the error.

    ``wrong``: for each network (n_dev,), times the rows' weights.  A fold's error is times its rows' mean weight, so
    that the mean over all rows is that of the folds together.
    """
    errors = [
        float(of_rows.mean()) if network.best_epoch else task.dataset.counted_by.worst
        for network, of_rows in zip(result.networks, wrong, strict=True)
    ]
    by = METRICS[task.definition.search.metric].on_rows_of(task.dataset.counted_by) if task.dataset.unit.loss else ERROR
    if not METRICS[task.definition.training.monitor].on_rows_of(task.dataset.counted_by).is_shown_by(by):
        return errors
    stopping = task.stopping(n_train)
    first = first_stop(stopping.min_updates, task.updates(n_train))
    runs = [NetworkRun(fold_losses=losses, first_stop=first) for losses in result.dev_fold_losses]
    layout, weights = dev_layout(task.dataset, 1), task.dataset.dev_weights
    of_rows = zip(layout.split(task.dev_folds), layout.split_weights(weights), strict=True)
    sizes = np.array([np.bincount(fold, weights=each, minlength=N_DEV_FOLDS) for fold, each in of_rows])
    shares = np.array(layout.dev_sizes(weights)) / layout.sizes
    if task.pools_epochs:
        if not all(network.best_epoch for network in result.networks):
            return errors
        rng = task.rng(n_train, repeats[0], len(sizes), 1)
        pooled = pooled_epoch_corrected_errors(runs, sizes, patience=stopping.patience, rng=rng)
        return [float(error) for error in pooled * shares]
    for index, network in enumerate(result.networks):
        if network.best_epoch:
            repeat, place = divmod(index, len(sizes))
            rng = task.rng(n_train, repeats[repeat], place, 1)
            (error,) = epoch_corrected_errors([runs[index]], sizes[place], patience=stopping.patience, rng=rng)
            errors[index] = float(error * shares[place])
    return errors


def _left_out_errors(
    network: TrainedNetwork, watched: Table | None, train: Table, unit: Unit = SHARE
) -> tuple[np.ndarray, np.ndarray]:
    """(n_watched,) which rows the network was not trained on, and which of these it has wrong; empty if none.

    Of numbers the second has squared errors. Both are times the rows' weights, if they have any.
    """
    left_out = np.zeros(0, bool) if watched is None else ~np.isin(watched.rows, train.rows)
    if watched is None or not left_out.any():
        return np.zeros(0, bool), np.zeros(0, bool)
    rows = watched.chosen(left_out)
    of_rows = losses_of(rows, unit, *network.classify(rows.inputs))
    wrong = np.zeros(len(watched), of_rows.dtype)
    wrong[left_out] = of_rows
    weights = watched.error_weights
    return _times(left_out, weights), _times(wrong, weights)
