"""A custom trainer: one call of a function per network, what it reports, and the labels it returns."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tuner.data import Dataset
from tuner.errors import UsageError
from tuner.inputs import Inputs
from tuner.metrics import METRICS, WORST_LOSS
from tuner.outcomes import StopReason
from tuner.storage import DevPredictions, NetworkRecord, Outcome, pack_losses
from tuner.study import StudyDefinition
from tuner.trainer_child.function import TrainerFunction
from tuner.trainer_child.messages import Ended, EpochErrors, Predicted, Returned, TrainCall, TrainerData
from tuner.trainers.process import TrainerProcess
from tuner.trainers.trainer import Estimate, Interrupted, TrialError, TrialRequest, memory_used
from tuner.trial import (
    OnEpochErrors,
    Prune,
    TrialSettings,
    dev_layout,
    network_seeds,
    rows_of_error,
    trial_settings,
    wrong_rows,
    wrong_rows_of,
)
from tuner.units import Unit

TINY = 1e-12
"""Mean squared errors closer than this, of standardized numbers, are the same."""


@dataclass(frozen=True)
class CustomTrainer:
    """Calls the function that the definition names; ``function`` is None where it may not be run here."""

    definition: StudyDefinition
    function: TrainerFunction | None
    _process: TrainerProcess | None = field(init=False, repr=False, compare=False)
    _sent: list[tuple[Dataset, list[TrainerData]]] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_process", None if self.function is None else TrainerProcess(self.function))

    def __reduce__(self) -> tuple[object, ...]:
        return CustomTrainer, (self.definition, self.function)

    @property
    def name(self) -> str:
        """``package.module:function``."""
        return str(self.definition.network.trainer)

    def prepare(self) -> None:
        """Start the function's process, which imports it."""
        self._permitted().start()

    def _permitted(self) -> TrainerProcess:
        if self._process is None:
            raise UsageError(f"trainer {self.name}: expected one that was permitted")
        return self._process

    def predict(self, saved: Sequence[Path], inputs: Sequence[Inputs], n_classes: int, n_targets: int) -> Predicted:
        """Each saved model's class probabilities, (n, n_classes), of inputs: one, or one each.  Raises UsageError.

        ``n_classes``: 0 for regression, and the predicted numbers, (n, n_targets).
        """
        try:
            return self._permitted().predict(saved, inputs, n_classes, n_targets)
        except TrialError as error:
            raise UsageError(str(error)) from error

    def run(self, request: TrialRequest, folder: Path | None = None) -> Outcome | Interrupted:
        """Call the function once for each network, one after the other; an interrupted trial begins anew.

        The networks are saved in ``folder`` as 0, 1, 2, …, if it is given.

        A trial of several networks (folds, seeds) is pruned by the first one's epochs, which are compared with the
        first one's of other trials.
        """
        began = time.perf_counter()
        process = self._permitted()
        dataset, settings, unit = request.dataset, request.settings, request.dataset.unit
        layout = dev_layout(dataset, settings.seeds)
        parts, dev_weights = self._data_of(dataset), layout.split_weights(dataset.dev_weights)
        networks: list[NetworkRecord] = []
        predicted: list[tuple[np.ndarray, np.ndarray | None, np.ndarray]] = []
        wrong: list[np.ndarray] = []
        rung_values: dict[int, float] = {}
        for k, stream in enumerate(network_seeds(request.seed, layout.n_networks)):
            part = k % len(parts)
            epochs = _Epochs(settings, unit, *((request.prune, request.on_epoch) if k == 0 else (None, None)))
            seed = int(stream.generate_state(1, np.uint32)[0])
            returned = process.train(
                TrainCall(
                    dict(request.values), part, seed, epochs.most, None if folder is None else str(folder / str(k))
                ),
                parts,
                on_epoch=epochs.note,
                should_stop=request.should_stop,
                on_output=request.print_output,
            )
            if returned is None:
                return Interrupted()
            if isinstance(returned, Ended):
                networks.append(_pruned(epochs, parts[part]))
                value = float(unit.error(epochs.best_dev_loss))
                return _outcome(networks, value, StopReason.PRUNED, epochs.rung_values, began)
            networks.append(_finished(epochs, parts[part], returned, dev_weights[k], unit))
            train_losses = np.asarray(unit.row_losses(returned.labels[0], parts[part].train.y))
            predicted.append((returned.labels[1], returned.dev_probabilities, train_losses))
            wrong.append(_losses(returned, parts[part], unit)[1])
            if k == 0:
                own = epochs.best_dev_loss if epochs.curve else networks[0].dev_wrong / max(networks[0].n_dev, 1)
                rung_values = {rung: epochs.rung_values.get(rung, float(unit.error(own))) for rung in settings.rungs}
        losses = [of if w is None else of * w for of, w in zip(wrong, dev_weights, strict=True)]
        metric = METRICS[settings.metric].as_counted(dataset.counted_by)
        mean = metric.of_losses(layout, losses, dataset.dev_y, dataset.dev_weights)
        reasons = {network.stop_reason for network in networks}
        reason = StopReason.MAX_EPOCHS if StopReason.MAX_EPOCHS in reasons else StopReason.RETURNED
        predictions = DevPredictions.joined(*zip(*predicted, strict=True))
        outcome = _outcome(networks, float(unit.error(mean)), reason, rung_values, began)
        return replace(outcome, predictions=predictions)

    def _data_of(self, dataset: Dataset) -> list[TrainerData]:
        """What the function sees of each part: the same list for the same data, which are sent once."""
        if not self._sent or self._sent[0][0] is not dataset:
            shared = (dataset.train_dev, dataset.class_names, dataset.feature_names, dataset.image)
            self._sent[:] = [(dataset, [TrainerData(part.train, part.dev, *shared) for part in dataset.parts])]
        return self._sent[0][1]

    def estimate(self, dataset: Dataset) -> Estimate:
        """Call the function in the middle of the space, and end it after the second epoch that it reports."""
        definition, settings = self.definition, trial_settings(self.definition)
        epochs = settings.stopping.max_epochs
        request = TrialRequest(
            dataset=dataset,
            values=definition.searched_space.middle(),
            settings=replace(settings, rungs=(min(2, epochs),)),
            seed=definition.search.seed,
            dev_folds=np.zeros(0, np.uint8),
            prune=lambda *_: True,
        )
        try:
            outcome = self.run(request)
        except TrialError as error:
            raise UsageError(str(error)) from error
        assert isinstance(outcome, Outcome)  # nothing stops it
        n_networks = dev_layout(dataset, settings.seeds).n_networks
        ran, epoch_seconds = "ran to its end, and its predictions are as they should be", None
        least = most = outcome.seconds
        if outcome.pruned:  # what comes before the first epoch is done once, however many follow
            seconds = outcome.networks[0].curve["seconds"].tolist()
            first, epoch_seconds = seconds[0], seconds[-1]
            least, most = least * n_networks, (first + epoch_seconds * (epochs - 1)) * n_networks
            ran = f"one epoch in {epoch_seconds:.2g} s; it was ended there, before it returned predictions"
        calls = f"; a trial calls it {n_networks} times" if n_networks > 1 else ""
        trials, memory = definition.search.trials, memory_used(dataset)
        memory["peak_bytes"] += self._permitted().memory
        return Estimate(
            n_networks=n_networks,
            n_parameters=None,
            updates_per_epoch=None,
            epoch_seconds=epoch_seconds,
            seconds_at_least=trials * least,
            seconds_at_most=trials * max(least, most),
            ran=f"trainer {self.name}: {ran}{calls}",
            **memory,
        )


@dataclass
class _Epochs:
    """The epochs that a trainer reported of one network, with mean losses; asks ``prune`` at the rungs."""

    settings: TrialSettings
    unit: Unit
    prune: Prune | None
    on_epoch: OnEpochErrors | None
    best_dev_loss: float = WORST_LOSS
    rung_values: dict[int, float] = field(default_factory=dict)
    curve: list[EpochErrors] = field(default_factory=list)

    @property
    def most(self) -> int:
        """The epochs that [training] allows."""
        return int(self.settings.stopping.max_epochs)

    def note(self, epoch: EpochErrors) -> bool:
        """Note an epoch; whether to go on."""
        train, dev = (self._loss(error) for error in (epoch.train_error, epoch.dev_error))
        self.curve.append(EpochErrors(train, dev, epoch.seconds))
        self.best_dev_loss = min(self.best_dev_loss, dev)
        if self.on_epoch is not None:
            self.on_epoch(len(self.curve), *(float(self.unit.error(loss)) for loss in (train, dev)))
        if len(self.curve) not in self.settings.rungs:
            return True
        self.rung_values[len(self.curve)] = float(self.unit.error(self.best_dev_loss))
        return self.prune is None or not self.prune(dict(self.rung_values), ())

    def _loss(self, error: float) -> float:
        """A reported share as it is, the square of a root mean squared error in standard deviations."""
        return error if self.unit.is_share else min(error, WORST_LOSS**0.5) ** 2


def _losses(returned: Returned, data: TrainerData, unit: Unit) -> list[np.ndarray]:
    """What the error of each table is the mean of, (n,)."""
    tables = zip(returned.labels, data.tables.values(), strict=True)
    return returned.losses or [np.asarray(unit.row_losses(predicted, table.y)) for predicted, table in tables]


def _finished(
    epochs: _Epochs, data: TrainerData, returned: Returned, dev_weights: np.ndarray | None, unit: Unit
) -> NetworkRecord:
    """The record of a network whose labels are known; its updates and errors by dev fold are not.

    ``dev_weights``: (n_dev,) of its dev rows, relative to those of all.
    """
    losses = _losses(returned, data, unit)
    wrong = losses[1]
    dev_loss = float(np.average(wrong, weights=data.dev.weights)) if len(wrong) else 0.0
    train_dev = data.train_dev
    return NetworkRecord(
        stop_reason=StopReason.MAX_EPOCHS if len(epochs.curve) >= epochs.most else StopReason.RETURNED,
        best_epoch=_epoch_of(dev_loss, epochs, len(wrong)),
        epochs=len(epochs.curve),
        updates=0,
        n_train=len(data.train),
        train_wrong=wrong_rows_of(data.train, losses[0]),
        train_cost=returned.costs[0],
        n_dev=len(wrong),
        dev_wrong=wrong_rows(wrong, dev_weights),
        dev_cost=returned.costs[1],
        dev_bits=pack_losses(wrong if dev_weights is None else wrong * dev_weights),
        curve=_curve(epochs),
        n_train_dev=None if train_dev is None else len(train_dev),
        train_dev_wrong=None if train_dev is None else wrong_rows_of(train_dev, losses[2]),
    )


def _epoch_of(dev_loss: float, epochs: _Epochs, n_dev: int) -> int:
    """The first epoch whose reported dev error is that of the labels, or numbers to 0.01%; 0 if none is."""
    apart = 0.5 / max(n_dev, 1) if epochs.unit.is_share else 2e-4 * dev_loss + TINY
    for epoch, (_, reported, _) in enumerate(epochs.curve, start=1):
        if abs(reported - dev_loss) < apart:
            return epoch
    return 0


def _pruned(epochs: _Epochs, data: TrainerData) -> NetworkRecord:
    """The record of a network that was ended: its errors as reported at its best epoch, its labels unknown."""
    best = min(range(len(epochs.curve)), key=lambda epoch: epochs.curve[epoch][1])
    train_error, dev_error, _ = epochs.curve[best]
    n_train, n_dev = len(data.train), len(data.dev)
    return NetworkRecord(
        stop_reason=StopReason.PRUNED,
        best_epoch=best + 1,
        epochs=len(epochs.curve),
        updates=0,
        n_train=n_train,
        train_wrong=rows_of_error(data.train, train_error),
        train_cost=math.nan,
        n_dev=n_dev,
        dev_wrong=rows_of_error(data.dev, dev_error),
        dev_cost=math.nan,
        dev_bits=b"",
        curve=_curve(epochs),
    )


def _curve(epochs: _Epochs) -> dict[str, np.ndarray]:
    train, dev, seconds = np.array(epochs.curve, float).reshape(-1, 3).T
    unknown = np.full(len(train), np.nan)
    return {"train_cost": unknown, "train_error": train, "dev_cost": unknown, "dev_error": dev, "seconds": seconds}


def _outcome(
    networks: list[NetworkRecord], value: float, reason: StopReason, rung_values: dict[int, float], began: float
) -> Outcome:
    return Outcome(
        value=value,
        stop_reason=reason,
        rung_values=rung_values,
        networks=networks,
        seconds=time.perf_counter() - began,
    )
