"""One trial: hyperparameters, data and a seed in; a value, and all that its networks tell, out."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tuner.data import Dataset
from tuner.nn import EpochMetrics, Examples, Hyperparameters, Stopping, TrainedNetwork, TrainingRun, train
from tuner.outcomes import StopReason
from tuner.study import StudyDefinition

N_DEV_FOLDS = 20
WORST = {"error": 1.0, "balanced_error": 1.0, "cost": 1e6}
"""A diverged trial's value: finite, so that the sampler learns to keep away (NaN would tell it nothing)."""

Augment = Callable[[np.random.Generator, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """What all trials of a study have in common; ``seeds`` networks are trained side by side (with folds: one a
    fold).
    """

    stopping: Stopping
    metric: str = "error"
    seeds: int = 1
    output: str = "softmax"
    penalty_per: str = "train_set"
    rungs: tuple[int, ...] = ()


def trial_settings(definition: StudyDefinition) -> TrialSettings:
    """What all trials of a definition have in common, in the trial's own words."""
    training = definition.training
    return TrialSettings(
        stopping=training.stopping,
        metric=definition.search.metric,
        seeds=training.seeds,
        output=definition.network.output,
        penalty_per=training.penalty_per,
        rungs=definition.rungs,
    )


@dataclass(frozen=True)
class TrialResult:
    """A trial's value at its networks' best epochs, and the networks.

    Where the ``stop_reason`` is INTERRUPTED, ``checkpoint`` goes on.
    ``rung_values``: the best value up to each rung; a trial that ended before a rung has its final value there.
    ``dev_fold_wrong``: for each network (epochs, 20), its wrong dev examples in each dev fold after every epoch.
    """

    value: float
    stop_reason: StopReason
    rung_values: dict[int, float]
    networks: list[TrainedNetwork]
    dev_fold_wrong: list[np.ndarray]
    train_dev_wrong: list[int] | None
    seconds: float
    checkpoint: bytes | None = None


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
    prune: Callable[[dict[int, float]], bool] | None = None,
    should_stop: Callable[[], bool] | None = None,
    checkpoint: bytes | None = None,
) -> TrialResult:
    """Train the trial's networks and judge them on their dev examples.

    ``prune(rung_values)`` is asked at every rung and may end the trial; ``should_stop()`` is asked every mini-batch
    and interrupts it.  ``checkpoint`` continues an interrupted trial to the same bits.
    """
    began = time.perf_counter()
    watch = _Watch(dataset, settings, dev_folds, prune)
    resume = None if checkpoint is None else watch.restore(checkpoint)
    trains, devs = _examples(dataset)
    n_networks = len(trains) if len(trains) > 1 else settings.seeds
    run = train(
        trains if len(trains) > 1 else trains[0],
        devs if len(devs) > 1 else devs[0],
        n_classes=dataset.n_classes,
        hyperparameters=hyperparameters,
        seeds=network_seeds(seed, n_networks),
        stopping=settings.stopping,
        output=settings.output,
        penalty_per=settings.penalty_per,
        augment=augment,
        on_epoch=watch,
        should_stop=should_stop,
        report_epochs=described_epochs(settings.stopping.max_epochs),
        resume=resume,
    )
    return watch.result(run, time.perf_counter() - began)


def _examples(dataset: Dataset) -> tuple[list[Examples], list[Examples]]:
    trains = [Examples(part.train.X, part.train.y) for part in dataset.parts]
    devs = [Examples(part.dev.X, part.dev.y) for part in dataset.parts]
    return trains, devs


@dataclass
class _Watch:
    """Follows the networks from epoch to epoch: counts the dev folds, and asks at the rungs whether to go on."""

    dataset: Dataset
    settings: TrialSettings
    dev_folds: np.ndarray
    prune: Callable[[dict[int, float]], bool] | None
    pruned: bool = False
    best_value: float = np.inf
    rung_values: dict[int, float] = field(default_factory=dict)
    fold_wrong: list[list[np.ndarray]] = field(default_factory=list)

    def __call__(self, metrics: EpochMetrics) -> bool:
        folds = self._folds(len(metrics.dev_wrong))
        self.fold_wrong.append(
            [
                np.bincount(fold[wrong], minlength=N_DEV_FOLDS).astype(np.uint16)
                for fold, wrong in zip(folds, metrics.dev_wrong, strict=True)
            ]
        )
        value = value_of(self.settings.metric, self.dataset, metrics.dev_wrong, metrics.dev_cost)
        self.best_value = min(self.best_value, value)
        if metrics.epoch in self.settings.rungs and metrics.running.any():
            self.rung_values[metrics.epoch] = self.best_value
            self.pruned = self.prune is not None and self.prune(dict(self.rung_values))
        return self.pruned

    def _folds(self, n_networks: int) -> list[np.ndarray]:
        """The dev folds of each network's own dev examples."""
        if len(self.dataset.parts) == 1:
            return [self.dev_folds] * n_networks
        ends = np.cumsum([len(part.dev) for part in self.dataset.parts])[:-1]
        return np.split(self.dev_folds, ends)

    def result(self, run: TrainingRun, seconds: float) -> TrialResult:
        networks = run.networks
        value = value_of(
            self.settings.metric, self.dataset, [n.dev_wrong for n in networks], [n.dev_cost for n in networks]
        )
        reason = self._stop_reason(networks)
        if reason == StopReason.DIVERGED:
            value = WORST[self.settings.metric]
        if reason not in (StopReason.PRUNED, StopReason.INTERRUPTED):
            for rung in self.settings.rungs:
                self.rung_values.setdefault(rung, value)
        return TrialResult(
            value=value,
            stop_reason=reason,
            rung_values=dict(sorted(self.rung_values.items())),
            networks=networks,
            dev_fold_wrong=[
                np.array([epoch[k] for epoch in self.fold_wrong[: network.epochs]], np.uint16).reshape(-1, N_DEV_FOLDS)
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

    def _train_dev_wrong(self, networks: Sequence[TrainedNetwork]) -> list[int] | None:
        table = self.dataset.train_dev
        if table is None:
            return None
        return [int((network.predict(table.X) != table.y).sum()) for network in networks]

    def checkpoint(self, arrays: dict[str, np.ndarray]) -> bytes:
        """The trainer's checkpoint with what this watch has seen, as the bytes of an NPZ archive."""
        epochs = int(arrays["epoch"])
        buffer = io.BytesIO()
        seen = np.array(self.fold_wrong[:epochs], np.uint16)
        rungs = np.array([(r, v) for r, v in self.rung_values.items() if r <= epochs], np.float64).reshape(-1, 2)
        everything: dict[str, Any] = arrays | {
            "watch.fold_wrong": seen,
            "watch.rungs": rungs,
            "watch.best_value": np.array(self.best_value),
        }
        np.savez(buffer, allow_pickle=False, **everything)
        return buffer.getvalue()

    def restore(self, checkpoint: bytes) -> dict[str, np.ndarray]:
        """The inverse of :meth:`checkpoint`; returns the trainer's part."""
        with np.load(io.BytesIO(checkpoint), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        self.fold_wrong = [list(epoch) for epoch in arrays.pop("watch.fold_wrong")]
        self.rung_values = {int(rung): float(value) for rung, value in arrays.pop("watch.rungs")}
        self.best_value = float(arrays.pop("watch.best_value"))
        return arrays


def value_of(
    metric: str, dataset: Dataset, dev_wrong: Sequence[np.ndarray], dev_cost: Sequence[float] | np.ndarray
) -> float:
    """A trial's value from its networks' wrong dev examples and dev costs.

    With folds the networks' dev sets together are the dev set; with seeds each network has all of it, and the value
    is the mean over networks.
    """
    if metric == "cost":
        sizes = [len(wrong) for wrong in dev_wrong]
        return float(np.average(np.asarray(dev_cost, float), weights=sizes))
    sets = [np.concatenate(list(dev_wrong))] if len(dataset.parts) > 1 else list(dev_wrong)
    if metric == "error":
        errors = [np.count_nonzero(wrong) / len(wrong) for wrong in sets]
        return errors[0] if len(errors) == 1 else float(np.mean(errors))
    y = dataset.dev_y
    counts = np.bincount(y)
    there = counts > 0
    return float(np.mean([(np.bincount(y, weights=wrong)[there] / counts[there]).mean() for wrong in sets]))
