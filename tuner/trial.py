"""Run one trial: from hyperparameters, data and a seed to a value and its networks."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tuner.data import Dataset, Table
from tuner.dev_layout import N_DEV_FOLDS, DevLayout
from tuner.metrics import METRICS, Measured, relative
from tuner.nn import EpochMetrics, Examples, Hyperparameters, Stopping, TrainedNetwork, TrainingRun, output_for, train
from tuner.outcomes import StopReason
from tuner.storage import StudyFacts
from tuner.study import StudyDefinition, cost_matrix
from tuner.units import Unit

Augment = Callable[[np.random.Generator, np.ndarray], np.ndarray]
OnEpochErrors = Callable[[int, float, float], object]
"""Called after an epoch with its number, from 1, its train error and its dev error."""
Prune = Callable[[dict[int, float], Sequence[float]], bool]
"""Whether a trial should end, from its best value up to each rung, and from each network's mean dev loss at its best
epoch so far.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """The settings that all trials of a study share; ``seeds`` networks are trained together (with folds: one per
    fold).
    """

    stopping: Stopping
    metric: str = "error"
    costs: Mapping[str, float] | None = None
    seeds: int = 1
    output: str = "softmax"
    penalty_per: str = "train_set"
    rates: Mapping[str, float] | None = None
    class_weight: str | Mapping[str, float] | None = None
    exact_zeros: bool = True
    rungs: tuple[int, ...] = ()


def trial_settings(definition: StudyDefinition, facts: StudyFacts | None = None) -> TrialSettings:
    """The settings that all trials of a study share; without its facts, of a study that begins now, without folds."""
    training = definition.training
    return TrialSettings(
        costs=definition.diagnosis.cost,
        stopping=replace(
            training.stopping,
            pooled=facts is not None and facts.pooled_epoch,
            ties_by_cost=facts is None or facts.ties_by_cost,
        ),
        metric=definition.search.metric,
        seeds=training.seeds,
        output=definition.network.output_name,
        penalty_per=training.penalty_per,
        rates=training.rates,
        class_weight=training.class_weight,
        exact_zeros=facts is None or facts.exact_zeros,
        rungs=definition.rungs,
    )


@dataclass(frozen=True)
class TrialResult:
    """A trial's value at its networks' best epochs, and the networks.

    Where the ``stop_reason`` is INTERRUPTED, ``checkpoint`` goes on.
    ``rung_values``: the best value up to each rung; a trial that ended before a rung has its final value there.
    ``dev_losses``: for each network (n_dev,), its dev examples' losses at its best epoch, as the metric has them, times
    the examples' relative weights.
    ``dev_fold_losses``: for each network (epochs, 20), their sums over each dev fold after every epoch, float64;
    weighted, if the metric weights the classes.
    """

    value: float
    stop_reason: StopReason
    rung_values: dict[int, float]
    networks: list[TrainedNetwork]
    dev_losses: list[np.ndarray]
    dev_fold_losses: list[np.ndarray]
    train_dev_wrong: list[float] | None
    seconds: float
    checkpoint: bytes | None = None


def data_of_trial(dataset: Dataset, values: Mapping[str, Any]) -> Dataset:
    """The data as a trial's networks are given them: with the numbers in the form that it chose."""
    return dataset.in_form(values.get("numeric"))


def draw_dev_folds(n: int, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """20 random folds of the dev examples, (n,) uint8, of equal size; whole groups stay together."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(20,)))
    units = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(units.max()) + 1 if n else 0
    return rng.permutation(np.arange(n_units) % N_DEV_FOLDS).astype(np.uint8)[units]


def trial_seed(search_seed: int, number: int) -> int:
    """The seed of a trial, 63 bits, from the study's and the trial's number alone."""
    return int(np.random.SeedSequence([search_seed, number]).generate_state(1, np.uint64)[0] >> 1)


def described_epochs(max_epochs: int) -> list[int]:
    """The epochs after which each layer is described: 1, 2, 5, 10, 20, 50 and so on."""
    steps = (step * 10**power for power in range(len(str(max_epochs))) for step in (1, 2, 5))
    return [epoch for epoch in steps if epoch <= max_epochs]


def network_seeds(seed: int, n_networks: int) -> list[np.random.SeedSequence]:
    """The seeds of a trial's networks."""
    return [np.random.SeedSequence(seed, spawn_key=(network,)) for network in range(n_networks)]


def run_trial(
    dataset: Dataset,
    hyperparameters: Hyperparameters,
    settings: TrialSettings,
    *,
    seed: int,
    dev_folds: np.ndarray,
    augment: Augment | None = None,
    prune: Prune | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_epoch: OnEpochErrors | None = None,
    checkpoint: bytes | None = None,
) -> TrialResult:
    """Train the trial's networks and evaluate them on their dev examples.

    ``prune`` is called at every rung and may end the trial; ``should_stop()`` is called every mini-batch and
    interrupts it.  ``on_epoch`` is called after every epoch.  ``checkpoint`` continues an interrupted trial bit for
    bit.
    """
    began = time.perf_counter()
    layout = dev_layout(dataset, settings.seeds)
    watch = _Watch(dataset, settings, layout, dev_folds, prune, on_epoch)
    resume = None if checkpoint is None else watch.restore(checkpoint)
    trains, devs = _examples(dataset, settings)
    run = train(
        layout.each(trains),
        layout.each(devs),
        n_classes=dataset.n_classes,
        hyperparameters=hyperparameters,
        seeds=network_seeds(seed, layout.n_networks),
        stopping=_stopping(dataset, settings),
        output=output_for(settings.output, is_numeric=not dataset.unit.is_share),
        periodic=dataset.periodic,
        penalty_per=settings.penalty_per,
        rates=settings.rates,
        exact_zeros=settings.exact_zeros,
        augment=augment,
        on_epoch=watch,
        should_stop=should_stop,
        report_epochs=described_epochs(settings.stopping.max_epochs),
        resume=resume,
    )
    return watch.result(run, time.perf_counter() - began)


def _stopping(dataset: Dataset, settings: TrialSettings) -> Stopping:
    """When training stops, with the monitor as it is followed in a study whose errors are of a certain metric."""
    costs = None if settings.costs is None else cost_matrix(settings.costs, dataset.class_names)
    monitor = settings.stopping.metric.of_study(dataset.class_counts, costs)
    return replace(settings.stopping, monitor=monitor.watching(dataset.counted_by))


def dev_layout(dataset: Dataset, seeds: int) -> DevLayout:
    """How the networks of a trial on this data share its dev rows."""
    return DevLayout.planned([len(part.dev) for part in dataset.parts], seeds)


def _examples(dataset: Dataset, settings: TrialSettings) -> tuple[list[Examples], list[Examples]]:
    """The examples of each part; those of dev weigh in their cost as those of the training set do.

    In errors, the dev rows of folds count for what they count for among all dev rows.
    """
    trains, devs = [], []
    in_errors = dev_layout(dataset, 1).split_weights(dataset.dev_weights)
    for part, of_dev in zip(dataset.parts, in_errors, strict=True):
        of_classes = class_weights(settings.class_weight, part.train.y, dataset.class_names)
        trains.append(weighted_examples(part.train, of_classes, dataset.unit))
        devs.append(replace(weighted_examples(part.dev, of_classes, dataset.unit), error_weights=of_dev))
    return trains, devs


def class_weights(
    given: str | Mapping[str, float] | None, y: np.ndarray, class_names: Sequence[str]
) -> np.ndarray | None:
    """The weight of each class, (n_classes,), in the cost of training rows with the classes y (n,).

    "balanced": n / (classes with rows × rows of the class), as in scikit-learn; a class without a row weighs 1.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        return np.array([given.get(name, 1.0) for name in class_names])
    counts = np.bincount(y, minlength=len(class_names))
    return np.where(counts > 0, len(y) / np.count_nonzero(counts) / np.maximum(counts, 1), 1.0)


def weighted_examples(table: Table, of_classes: np.ndarray | None, unit: Unit) -> Examples:
    """A table's rows, each with its own weight and in the cost its class's, too; ``unit``: that of the errors."""
    in_cost = table.weights
    if of_classes is not None:
        in_cost = of_classes[table.y] * (1 if table.weights is None else relative(table.weights))
    row_losses = None if unit.is_share else unit.row_losses
    return Examples(table.inputs, table.y, in_cost, table.error_weights, row_losses, table.counted_by)


def losses_of(table: Table, unit: Unit, predicted: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """What the error of a table is the mean of, (n,), from its predicted classes or numbers and its probabilities.

    ``unit``: that of the errors.
    """
    if unit.loss is None:
        return np.asarray(unit.row_losses(predicted, table.y))
    return table.counted_by.losses_of(probabilities, table.y, table.error_weights)


def wrong_rows_of(table: Table, wrong: np.ndarray) -> float:
    """How many rows of a table are wrong, from which are (n,): the sum of their relative weights.

    Of squared errors (n,): their sum, times the weights.
    """
    total = wrong_rows(wrong, table.error_weights)
    return min(total, len(table)) if wrong.dtype == bool else total


def wrong_rows(wrong: np.ndarray, weights: np.ndarray | None) -> float:
    """How many rows are wrong, from which are (n,) and their relative weights (n,); of squared errors their sum."""
    if wrong.dtype != bool:
        return float((wrong if weights is None else wrong * weights).sum(dtype=np.float64))
    return int(np.count_nonzero(wrong)) if weights is None else float(weights[wrong].sum())


def rows_of_error(table: Table, error: float) -> float:
    """How many rows of a table an error stands for: an integer, unless rows have weights.

    Of numbers: the sum of the squared errors.
    """
    is_count = table.error_weights is None and table.y.dtype.kind == "i" and table.counted_by.of_rows is None
    return round(error * len(table)) if is_count else error * len(table)


@dataclass
class _Watch:
    """Sums the dev folds' losses after every epoch, and asks ``prune`` at the rungs."""

    dataset: Dataset
    settings: TrialSettings
    layout: DevLayout
    dev_folds: np.ndarray
    prune: Prune | None
    on_epoch: OnEpochErrors | None = None
    pruned: bool = False
    best_value: float = np.inf
    rung_values: dict[int, float] = field(default_factory=dict)
    fold_losses: list[list[np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metric = METRICS[self.settings.metric].as_counted(self.dataset.counted_by)
        self.y = self.dataset.dev_y
        self.dev_weights = self.dataset.dev_weights
        self.folds = self.layout.split(self.dev_folds)
        rows = np.ones(len(self.y)) if self.dev_weights is None else self.dev_weights
        self._dev_sizes = self.layout.dev_sizes(self.dev_weights)
        self.weights = self.layout.split(self.metric.weighted(rows, self.y, self.dev_weights))

    def __call__(self, metrics: EpochMetrics) -> bool:
        self.fold_losses.append(
            [
                np.bincount(fold, weights=weights * self.metric.losses(measured), minlength=N_DEV_FOLDS)
                for fold, weights, measured in zip(self.folds, self.weights, metrics.on_dev, strict=True)
            ]
        )
        value = self._value(metrics.on_dev)
        self.best_value = min(self.best_value, value)
        if self.on_epoch is not None:
            error = self.dataset.unit.error
            dev_error = np.average(metrics.dev_error, weights=self._dev_sizes)
            self.on_epoch(metrics.epoch, float(error(metrics.train_error.mean())), float(error(dev_error)))
        if metrics.epoch in self.settings.rungs and metrics.running.any():
            self.rung_values[metrics.epoch] = self.best_value
            self.pruned = self.prune is not None and self.prune(dict(self.rung_values), self._network_losses())
        return self.pruned

    def _network_losses(self) -> list[float]:
        losses = np.sum(self.fold_losses, axis=2)
        least = losses[losses.sum(axis=1).argmin()] if self.settings.stopping.pooled else losses.min(axis=0)
        return [float(loss) for loss in least / self.layout.sizes]

    def _value(self, networks: Sequence[Measured]) -> float:
        return self._shown(self.metric.value(self.layout, networks, self.y, self.dev_weights))

    def _shown(self, mean: float) -> float:
        """A mean of losses as a trial's value: of squared errors the RMSE in the target's unit."""
        return float(self.dataset.unit.error(mean)) if self.metric.counts_wrong else mean

    def result(self, run: TrainingRun, seconds: float) -> TrialResult:
        networks = run.networks
        value = self._value([network.on_dev for network in networks])
        reason = self._stop_reason(networks)
        if reason == StopReason.DIVERGED:
            value = self._shown(self.metric.worst_loss(is_numeric=not self.dataset.unit.is_share))
        if reason not in (StopReason.PRUNED, StopReason.INTERRUPTED):
            for rung in self.settings.rungs:
                self.rung_values.setdefault(rung, value)
        return TrialResult(
            value=value,
            stop_reason=reason,
            rung_values=dict(sorted(self.rung_values.items())),
            networks=networks,
            dev_losses=[
                self.metric.row_losses(network.on_dev, weights)
                for network, weights in zip(networks, self.layout.split_weights(self.dev_weights), strict=True)
            ],
            dev_fold_losses=[
                np.array([epoch[k] for epoch in self.fold_losses[: network.epochs]]).reshape(-1, N_DEV_FOLDS)
                for k, network in enumerate(networks)
            ],
            train_dev_wrong=self._train_dev_wrong(networks),
            seconds=seconds,
            checkpoint=None if run.checkpoint is None else self.checkpoint(run.checkpoint),
        )

    def _stop_reason(self, networks: Sequence[TrainedNetwork]) -> StopReason:
        reasons = {network.stop_reason for network in networks}
        for reason in (StopReason.INTERRUPTED, StopReason.DIVERGED):
            if reason in reasons:
                return reason
        if self.pruned:
            return StopReason.PRUNED
        return StopReason.MAX_EPOCHS if StopReason.MAX_EPOCHS in reasons else StopReason.PATIENCE

    def _train_dev_wrong(self, networks: Sequence[TrainedNetwork]) -> list[float] | None:
        table = self.dataset.train_dev
        if table is None:
            return None
        unit = self.dataset.unit
        return [wrong_rows_of(table, losses_of(table, unit, *network.classify(table.inputs))) for network in networks]

    def checkpoint(self, arrays: dict[str, np.ndarray]) -> bytes:
        """The trainer's checkpoint with what this watch has seen, as the bytes of an NPZ archive."""
        epochs = int(arrays["epoch"])
        buffer = io.BytesIO()
        rungs = np.array([(r, v) for r, v in self.rung_values.items() if r <= epochs], np.float64).reshape(-1, 2)
        everything: dict[str, Any] = arrays | {
            "watch.fold_wrong": np.array(self.fold_losses[:epochs]),  # its name since 0.1
            "watch.rungs": rungs,
            "watch.best_value": np.array(self.best_value),
        }
        np.savez(buffer, allow_pickle=False, **everything)
        return buffer.getvalue()

    def restore(self, checkpoint: bytes) -> dict[str, np.ndarray]:
        """Read what ``checkpoint`` wrote; returns the trainer's part."""
        with np.load(io.BytesIO(checkpoint), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        self.fold_losses = [list(epoch) for epoch in arrays.pop("watch.fold_wrong")]
        self.rung_values = {int(rung): float(value) for rung, value in arrays.pop("watch.rungs")}
        self.best_value = float(arrays.pop("watch.best_value"))
        return arrays
