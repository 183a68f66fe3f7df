"""A custom trainer: one call of a function per network, what it reports, and the labels it returns."""

from __future__ import annotations

import contextlib
import copy
import math
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tuner.data import Dataset, Part, Table
from tuner.errors import StorageError, UsageError
from tuner.formatting import error_line
from tuner.metrics import METRICS
from tuner.outcomes import StopReason
from tuner.storage import NetworkRecord, Outcome
from tuner.study import StudyDefinition
from tuner.trainers.epoch_report import EpochReport
from tuner.trainers.function import TrainerFunction
from tuner.trainers.interrupting import TrialEnded, interruptible
from tuner.trainers.trainer import Estimate, Interrupted, TrialError, TrialRequest, memory_used
from tuner.trial import dev_layout, network_seeds, trial_settings


@dataclass(frozen=True, slots=True)
class TrainerData:
    """What a trainer may see: train and dev examples, and train-dev ones where the study has them; never the test set.

    Each is a table: X (n, n_features) float32, encoded and normalized, y (n,) class indices, rows (n,) row numbers in
    the file.  The arrays are shared by all trials and cannot be written to.  ``image``: height and width, where rows
    are pixels.
    """

    train: Table
    dev: Table
    train_dev: Table | None
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    image: tuple[int, ...] | None

    @property
    def n_classes(self) -> int:
        """Number of classes: y is 0 to n_classes - 1."""
        return len(self.class_names)


@dataclass(frozen=True, slots=True)
class CustomTrainer:
    """Calls the function that the definition names; ``function`` is None where it may not be run here."""

    definition: StudyDefinition
    function: TrainerFunction | None

    @property
    def name(self) -> str:
        """``package.module:function``."""
        return str(self.definition.network.trainer)

    def prepare(self) -> None:
        """Import the function."""
        self._permitted().load()

    def _permitted(self) -> TrainerFunction:
        if self.function is None:
            raise UsageError(f"trainer {self.name}: expected one that was permitted")
        return self.function

    def run(self, request: TrialRequest) -> Outcome | Interrupted:
        """Call the function once for each network, one after the other; an interrupted trial begins anew.

        A trial of several networks (folds, seeds) is pruned by the first one's epochs, which are compared with the
        first one's of other trials.
        """
        began = time.perf_counter()
        function = self._permitted()
        call = function.load()
        dataset, settings = request.dataset, request.settings
        layout = dev_layout(dataset, settings.seeds)
        networks: list[NetworkRecord] = []
        rung_values: dict[int, float] = {}
        streams = network_seeds(request.seed, layout.n_networks)
        for k, (stream, part) in enumerate(zip(streams, layout.each(dataset.parts), strict=True)):
            data = _data(dataset, part)
            report = EpochReport(self.name, settings, request.prune if k == 0 else None, request.should_stop)
            seed = int(stream.generate_state(1, np.uint32)[0])
            with function.importable():
                returned = _call(self.name, call, request.values, data, seed, report)
            if report.pruned:
                networks.append(_pruned(report, data))
                return _outcome(networks, report.best_dev_error, StopReason.PRUNED, report.rung_values, began)
            if report.stopped:
                return Interrupted()
            networks.append(_finished(report, data, _labels(self.name, returned, data)))
            if k == 0:
                own = networks[0].dev_wrong / max(networks[0].n_dev, 1)
                rung_values = {rung: report.rung_values.get(rung, own) for rung in settings.rungs}
        value = METRICS[settings.metric].of_losses(layout, [network.dev_losses for network in networks], dataset.dev_y)
        reasons = {network.stop_reason for network in networks}
        reason = StopReason.MAX_EPOCHS if StopReason.MAX_EPOCHS in reasons else StopReason.RETURNED
        return _outcome(networks, value, reason, rung_values, began)

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
            with threadpool_limits(limits=1):
                outcome = self.run(request)
        except TrialError as error:
            raise UsageError(str(error)) from error
        assert isinstance(outcome, Outcome)  # nothing stops it
        n_networks = dev_layout(dataset, settings.seeds).n_networks
        ran, epoch_seconds = "ran to its end, and its labels are as they should be", None
        least = most = outcome.seconds
        if outcome.pruned:  # what comes before the first epoch is done once, however many follow
            seconds = outcome.networks[0].curve["seconds"].tolist()
            first, epoch_seconds = seconds[0], seconds[-1]
            least, most = least * n_networks, (first + epoch_seconds * (epochs - 1)) * n_networks
            ran = f"one epoch in {epoch_seconds:.2g} s; it was ended there, before it returned labels"
        calls = f"; a trial calls it {n_networks} times" if n_networks > 1 else ""
        trials = definition.search.trials
        return Estimate(
            n_networks=n_networks,
            n_parameters=None,
            updates_per_epoch=None,
            epoch_seconds=epoch_seconds,
            seconds_at_least=trials * least,
            seconds_at_most=trials * max(least, most),
            ran=f"trainer {self.name}: {ran}{calls}",
            **memory_used(dataset),
        )


def _data(dataset: Dataset, part: Part) -> TrainerData:
    return TrainerData(
        train=_read_only(part.train),
        dev=_read_only(part.dev),
        train_dev=None if dataset.train_dev is None else _read_only(dataset.train_dev),
        class_names=dataset.class_names,
        feature_names=dataset.feature_names,
        image=dataset.image,
    )


def _read_only(table: Table) -> Table:
    """The same rows, which no trainer can change under the next trial's feet."""
    read_only = Table(table.X.view(), table.y.view(), table.rows.view())
    for view in (read_only.X, read_only.y, read_only.rows):
        view.flags.writeable = False
    return read_only


def _call(
    name: str,
    function: Callable[..., Any],
    params: Mapping[str, Any],
    data: TrainerData,
    seed: int,
    report: EpochReport,
) -> Any:
    """What the trainer returns; ``report`` says whether it was ended.  What it prints goes to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr), interruptible(report.should_stop, report.busy):
            return function(copy.deepcopy(dict(params)), data, seed, report)
    except (TrialError, MemoryError, StorageError):
        raise
    except TrialEnded:
        report.stopped = not report.pruned
        return None
    except (Exception, SystemExit) as error:
        raise TrialError(f"trainer {name} raised {error_line(error)}{_place(error)}") from error


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _labels(name: str, returned: Any, data: TrainerData) -> list[np.ndarray]:
    """The class indices that a trainer returned, of train, dev and train-dev, checked."""
    tables = {"train": data.train, "dev": data.dev}
    if data.train_dev is not None:
        tables["train_dev"] = data.train_dev
    expected = f"expected the predicted labels of {', '.join(tables)}, as a tuple of {len(tables)} arrays"
    if not isinstance(returned, tuple | list):
        raise TrialError(f"trainer {name} returned {type(returned).__name__}, {expected}")
    if len(returned) != len(tables):
        raise TrialError(f"trainer {name} returned {len(returned)} things, {expected}")
    return [
        _checked_labels(f"trainer {name} returned {split} labels", labels, len(table), data.n_classes)
        for (split, table), labels in zip(tables.items(), returned, strict=True)
    ]


def _checked_labels(what: str, labels: Any, n: int, n_classes: int) -> np.ndarray:
    expected = f"expected ({n},) class indices from 0 to {n_classes - 1}, as in y"
    try:
        array = np.asarray(labels)
    except Exception as error:
        raise TrialError(f"{what} that are no array ({error_line(error)}), {expected}") from error
    if array.shape != (n,):
        hint = "; take the argmax of probabilities" if array.shape == (n, n_classes) else ""
        raise TrialError(f"{what} of shape {array.shape}, {expected}{hint}")
    if array.dtype.kind not in "iufb":
        raise TrialError(f"{what} like {array.tolist()[0]!r}, {expected} (not the classes' names)")
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~((array >= 0) & (array < n_classes) & (array == np.floor(array))))
    if len(wrong):
        raise TrialError(f"{what} with {array[wrong[0]]} at row {wrong[0]}, {expected}")
    return array.astype(np.int64)


def _finished(report: EpochReport, data: TrainerData, labels: list[np.ndarray]) -> NetworkRecord:
    """The record of a network whose labels are known; its costs, updates and errors by dev fold are not."""
    wrong = labels[1] != data.dev.y
    dev_error = float(wrong.mean()) if len(wrong) else 0.0
    train_dev = data.train_dev
    epochs = len(report.curve)
    return NetworkRecord(
        stop_reason=StopReason.MAX_EPOCHS if epochs >= report.max_epochs else StopReason.RETURNED,
        best_epoch=_epoch_of(dev_error, report, len(wrong)),
        epochs=epochs,
        updates=0,
        n_train=len(data.train),
        train_wrong=int((labels[0] != data.train.y).sum()),
        train_cost=math.nan,
        n_dev=len(wrong),
        dev_wrong=int(wrong.sum()),
        dev_cost=math.nan,
        dev_losses=wrong,
        curve=_curve(report),
        n_train_dev=None if train_dev is None else len(train_dev),
        train_dev_wrong=None if train_dev is None else int((labels[2] != train_dev.y).sum()),
    )


def _epoch_of(dev_error: float, report: EpochReport, n_dev: int) -> int:
    """The first epoch whose reported dev error is that of the labels; 0 if none is."""
    for epoch, (_, reported, _) in enumerate(report.curve, start=1):
        if abs(reported - dev_error) < 0.5 / max(n_dev, 1):
            return epoch
    return 0


def _pruned(report: EpochReport, data: TrainerData) -> NetworkRecord:
    """The record of a network that was ended: its errors as reported at its best epoch, its labels unknown."""
    best = min(range(len(report.curve)), key=lambda epoch: report.curve[epoch][1])
    train_error, dev_error, _ = report.curve[best]
    n_train, n_dev = len(data.train), len(data.dev)
    return NetworkRecord(
        stop_reason=StopReason.PRUNED,
        best_epoch=best + 1,
        epochs=len(report.curve),
        updates=0,
        n_train=n_train,
        train_wrong=round(train_error * n_train),
        train_cost=math.nan,
        n_dev=n_dev,
        dev_wrong=round(dev_error * n_dev),
        dev_cost=math.nan,
        dev_losses=np.zeros(0, bool),
        curve=_curve(report),
    )


def _curve(report: EpochReport) -> dict[str, np.ndarray]:
    train, dev, seconds = np.array(report.curve, float).reshape(-1, 3).T
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
