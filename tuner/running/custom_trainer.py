"""A trial of a trainer of the user's own: one call a network, what it reports, and the labels it returns."""

from __future__ import annotations

import contextlib
import copy
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tuner.data import Dataset, Part, Table
from tuner.errors import StorageError
from tuner.formatting import error_line
from tuner.metrics import METRICS
from tuner.outcomes import StopReason
from tuner.running.interrupting import TrialEnded, interruptible
from tuner.storage import NetworkRecord, Outcome
from tuner.trainers import Trainer
from tuner.trial import TrialSettings, dev_layout, network_seeds

Prune = Callable[[dict[int, float]], bool]


class TrialError(TrialEnded):
    """What a trainer did wrong, in one line: an exception of its own, or a result that is none."""


@dataclass(frozen=True, slots=True)
class TrainerData:
    """What a trainer may see: train and dev examples, and train-dev ones where the study has them; never the test set.

    Each is a table: X (n, n_features) float32, encoded and normalised, y (n,) class indices, rows (n,) row numbers in
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


def run_custom_trial(
    trainer: Trainer,
    dataset: Dataset,
    params: Mapping[str, Any],
    settings: TrialSettings,
    *,
    seed: int,
    prune: Prune | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome | None:
    """Call the trainer once for each network, one after the other; what came of it, None if it was told to stop.

    A trial of several networks (folds, seeds) is pruned by the first one's epochs, which are compared with the first
    one's of other trials.  Raises TrialError where the trainer fails.
    """
    began = time.perf_counter()
    function = trainer.load()
    layout = dev_layout(dataset, settings.seeds)
    networks: list[NetworkRecord] = []
    rung_values: dict[int, float] = {}
    streams = network_seeds(seed, layout.n_networks)
    for k, (stream, part) in enumerate(zip(streams, layout.each(dataset.parts), strict=True)):
        data = _data(dataset, part)
        report = EpochReport(trainer.name, settings, prune if k == 0 else None, should_stop)
        number = int(stream.generate_state(1, np.uint32)[0])
        returned = _call(trainer.name, function, params, data, number, report, should_stop)
        if report.pruned:
            networks.append(_pruned(report, data))
            return _outcome(networks, report.best_dev_error, StopReason.PRUNED, report.rung_values, began)
        if report.stopped:
            return None
        networks.append(_judged(report, data, _labels(trainer.name, returned, data)))
        if k == 0:
            own = networks[0].dev_wrong / max(networks[0].n_dev, 1)
            rung_values = {rung: report.rung_values.get(rung, own) for rung in settings.rungs}
    value = METRICS[settings.metric].of_losses(layout, [network.dev_losses for network in networks], dataset.dev_y)
    reasons = {network.stop_reason for network in networks}
    reason = StopReason.MAX_EPOCHS if StopReason.MAX_EPOCHS in reasons else StopReason.RETURNED
    return _outcome(networks, value, reason, rung_values, began)


@dataclass
class EpochReport:
    """What a trainer calls after an epoch: ``report(epoch, train_error, dev_error)``, errors between 0 and 1.

    Epochs count from 1.  Raises within the trainer where the trial is to end: it is pruned, or the search stops.
    ``max_epochs`` is what [training] allows.
    """

    _name: str
    _settings: TrialSettings
    _prune: Prune | None
    _should_stop: Callable[[], bool]
    pruned: bool = False
    stopped: bool = False
    best_dev_error: float = 1.0
    rung_values: dict[int, float] = field(default_factory=dict)
    curve: list[tuple[float, float, float]] = field(default_factory=list)
    busy: threading.Lock = field(default_factory=threading.Lock)
    _last: float = field(default_factory=time.perf_counter)

    @property
    def max_epochs(self) -> int:
        """The epochs that [training] allows at the most."""
        return int(self._settings.stopping.max_epochs)

    def __call__(self, epoch: int, train_error: float, dev_error: float) -> None:
        """Note an epoch's errors; raise where the trial is to end."""
        with self.busy:
            self._hear(epoch, train_error, dev_error)
        if self.pruned or self.stopped:
            raise TrialEnded

    def _hear(self, epoch: int, train_error: float, dev_error: float) -> None:
        now = time.perf_counter()
        if epoch != len(self.curve) + 1:
            raise TrialError(
                f"trainer {self._name} reported epoch {epoch!r}, expected {len(self.curve) + 1}: epochs count from 1, "
                "one after the other"
            )
        errors = [self._checked(name, error) for name, error in (("train", train_error), ("dev", dev_error))]
        self.curve.append((errors[0], errors[1], now - self._last))
        self._last = now
        self.best_dev_error = min(self.best_dev_error, errors[1])
        self.stopped = self._should_stop()
        if epoch in self._settings.rungs and not self.stopped:
            self.rung_values[epoch] = self.best_dev_error
            self.pruned = self._prune is not None and self._prune(dict(self.rung_values))

    def _checked(self, name: str, error: Any) -> float:
        try:
            value = float(error)
        except (TypeError, ValueError):
            value = math.nan
        if not 0 <= value <= 1:
            raise TrialError(
                f"trainer {self._name} reported a {name} error of {error!r} in epoch {len(self.curve) + 1}, expected "
                "the share that is wrong, between 0 and 1"
            )
        return value


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
    found = Table(table.X.view(), table.y.view(), table.rows.view())
    for view in (found.X, found.y, found.rows):
        view.flags.writeable = False
    return found


def _call(
    name: str,
    function: Callable[..., Any],
    params: Mapping[str, Any],
    data: TrainerData,
    seed: int,
    report: EpochReport,
    should_stop: Callable[[], bool],
) -> Any:
    """What the trainer returns; ``report`` says whether it was ended.  What it prints goes to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr), interruptible(should_stop, report.busy):
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
        found = np.asarray(labels)
    except Exception as error:
        raise TrialError(f"{what} that are no array ({error_line(error)}), {expected}") from error
    if found.shape != (n,):
        hint = "; take the argmax of probabilities" if found.shape == (n, n_classes) else ""
        raise TrialError(f"{what} of shape {found.shape}, {expected}{hint}")
    if found.dtype.kind not in "iufb":
        raise TrialError(f"{what} like {found.tolist()[0]!r}, {expected} (not the classes' names)")
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~((found >= 0) & (found < n_classes) & (found == np.floor(found))))
    if len(wrong):
        raise TrialError(f"{what} with {found[wrong[0]]} at row {wrong[0]}, {expected}")
    return found.astype(np.int64)


def _judged(report: EpochReport, data: TrainerData, labels: list[np.ndarray]) -> NetworkRecord:
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
        pruned=reason == StopReason.PRUNED,
        stop_reason=reason,
        rung_values=rung_values,
        networks=networks,
        seconds=time.perf_counter() - began,
    )
