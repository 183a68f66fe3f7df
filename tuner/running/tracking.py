"""What `[search] track` names: every trial that ended is logged in experiment trackers, beside the database."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Protocol

from tuner.outcomes import TrialState
from tuner.running.outbox import Outbox
from tuner.storage import EndedTrial

SECONDS_BEFORE_AGAIN = 2.0
RUNS = Path("runs")
"""Where TensorBoard looks by convention, in the current folder."""
METRICS = ("value", "train_error", "dev_error", "seconds")


class Tracker(Protocol):
    """A place where trials are logged."""

    def send(self, study: str, trial: EndedTrial) -> None:
        """Log a trial that ended.  May raise anything."""


def metrics_of(trial: EndedTrial) -> dict[str, float]:
    """Return what was measured of a trial, by name; only finite numbers."""
    numbers = {name: getattr(trial, name) for name in METRICS}
    return {name: float(of) for name, of in numbers.items() if of is not None and math.isfinite(of)}


class MLflow:
    """A run per trial in the experiment of the study's name, at MLFLOW_TRACKING_URI or MLflow's default."""

    STATUS: ClassVar[dict[TrialState, str]] = {
        TrialState.COMPLETE: "FINISHED",
        TrialState.PRUNED: "KILLED",
        TrialState.FAILED: "FAILED",
    }

    def __init__(self) -> None:
        self._client = import_module("mlflow.tracking").MlflowClient()
        self._entities = import_module("mlflow.entities")
        self._client.search_experiments(max_results=1)  # makes the tables of a new database

    def send(self, study: str, trial: EndedTrial) -> None:
        """Log the trial as a run that has ended."""
        client, now = self._client, time.time_ns() // 1_000_000
        began = now - round(1000 * (trial.seconds or 0.0))
        run = client.create_run(self._experiment(study), began, {"state": trial.state}, f"trial {trial.number}")
        client.log_batch(
            run.info.run_id,
            [self._entities.Metric(name, of, now, 0) for name, of in metrics_of(trial).items()],
            [self._entities.Param(name, str(of)) for name, of in trial.params.items()],
        )
        client.set_terminated(run.info.run_id, self.STATUS[trial.state], now)

    def _experiment(self, study: str) -> str:
        known = self._client.get_experiment_by_name(study)
        if known is None:
            with suppress(Exception):  # another worker was quicker
                return str(self._client.create_experiment(study))
            known = self._client.get_experiment_by_name(study)
        return str(known.experiment_id)


class TensorBoard:
    """A folder per trial, ``runs/STUDY/trial-N``, with scalars and what the HPARAMS tab shows."""

    def __init__(self) -> None:
        self._events = import_module("tensorboard.summary.writer.event_file_writer")
        self._event = import_module("tensorboard.compat.proto.event_pb2").Event
        self._summary = import_module("tensorboard.compat.proto.summary_pb2").Summary
        self._hparams = import_module("tensorboard.plugins.hparams.summary_v2").hparams_pb

    def send(self, study: str, trial: EndedTrial) -> None:
        """Write the trial's events."""
        plain = {name: of if isinstance(of, bool | int | float | str) else str(of) for name, of in trial.params.items()}
        values = [self._summary.Value(tag=name, simple_value=of) for name, of in metrics_of(trial).items()]
        now = time.time()
        hparams = self._hparams({**plain, "state": str(trial.state)}, start_time_secs=now - (trial.seconds or 0.0))
        writer = self._events.EventFileWriter(str(RUNS / study / f"trial-{trial.number}"))
        try:
            writer.add_event(self._event(summary=hparams, wall_time=now))
            writer.add_event(self._event(summary=self._summary(value=values), step=trial.number, wall_time=now))
        finally:
            writer.close()


class WeightsAndBiases:
    """A run per trial in the project of the study's name; WANDB_MODE=offline keeps them in ``wandb/``."""

    def __init__(self) -> None:
        self._wandb = import_module("wandb")

    def send(self, study: str, trial: EndedTrial) -> None:
        """Log the trial as a run that has ended; nothing of the machine or the code is sent."""
        quiet = self._wandb.Settings(
            silent=True,
            console="off",
            disable_code=True,
            disable_git=True,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
        )
        name, params = f"trial {trial.number}", dict(trial.params)
        run = self._wandb.init(project=study, name=name, config=params, reinit="create_new", settings=quiet)
        run.summary.update({**metrics_of(trial), "state": str(trial.state)})
        run.finish(exit_code=int(trial.state == TrialState.FAILED))


TRACKER_CLASSES: dict[str, Callable[[], Tracker]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


class Tracking:
    """Logs the trials of one worker in the trackers of these ``names``, each in its own time."""

    def __init__(self, names: Sequence[str], study: str) -> None:
        self.outboxes = [
            Outbox(name, partial(_connected, name, study), lambda trial: f"trial {trial.number} was not logged")
            for name in names
        ]

    def send(self, trial: EndedTrial) -> None:
        """Log a trial, soon."""
        for outbox in self.outboxes:
            outbox.put(trial)


def _connected(name: str, study: str) -> Callable[[EndedTrial], None]:
    """Try twice: of several workers that make a tracker's new database at once, all but one may fail."""
    with suppress(Exception):
        return partial(TRACKER_CLASSES[name]().send, study)
    time.sleep(SECONDS_BEFORE_AGAIN)
    return partial(TRACKER_CLASSES[name]().send, study)
