"""``[search] track``: every trial that ended is logged, and no tracker holds up or loses a trial."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.running.conftest import Edit, command, finished, opened
from tuner.outcomes import TrialState
from tuner.running import SearchRequest, run_search, tracking
from tuner.running.outbox import close
from tuner.running.tracking import TRACKER_CLASSES, Tracking
from tuner.storage import EndedTrial
from tuner.study import TRACKERS, parse_definition

TRACKED = {"trials = 4": 'trials = 4\ntrack = ["tensorboard"]'}
quiet_libraries = pytest.mark.filterwarnings("ignore")  # what other libraries warn of is theirs


def trial(number: int = 3, state: TrialState = TrialState.COMPLETE, **changes: Any) -> EndedTrial:
    """A trial that ended."""
    values: dict[str, Any] = {
        "stop_reason": None,
        "value": 0.25,
        "epochs": 4,
        "seconds": 1.5,
        "params": {"alpha": 0.1, "hidden": "64-32", "keep_prob": [0.5, 0.9]},
        "train_error": 0.125,
        "dev_error": 0.25,
        **changes,
    }
    return EndedTrial(number=number, state=state, **values)


FAILED = trial(4, TrialState.FAILED, value=None, seconds=None, train_error=None, dev_error=None, reason="out of memory")


class Logged:
    """A tracker that keeps what it is given, or fails."""

    trials: list[EndedTrial]

    def __init__(self, error: BaseException | None = None) -> None:
        self.trials = []
        self._error = error

    def send(self, study: str, trial: EndedTrial) -> None:
        """Keep a trial."""
        self.trials.append(trial)
        if self._error is not None:
            raise self._error


def test_each_trial_of_a_search_is_logged_once(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is recorded, by this search alone; the key may change at any time."""
    edit()
    run_search(opened(), SearchRequest(trials=1))
    logged = Logged()
    monkeypatch.setitem(TRACKER_CLASSES, "tensorboard", lambda: logged)
    database = edit(TRACKED)
    study = opened()
    run_search(study, SearchRequest())
    assert [one.number for one in logged.trials] == [1, 2, 3]
    assert finished(database) == [0, 1, 2, 3]
    assert {one.state for one in logged.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(one.params["alpha"] > 0 and one.dev_error is not None and one.seconds for one in logged.trials)


@pytest.mark.parametrize("error", [OSError("server gone at http://me:secret@host\nnow"), SystemExit(1)])
def test_a_tracker_that_fails_loses_no_trial(
    edit: Edit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    """One line says so, without a password; the trials are recorded, and the other trials are still offered to it."""
    failing = Logged(error)
    monkeypatch.setitem(TRACKER_CLASSES, "tensorboard", lambda: failing)
    database = edit(TRACKED)
    assert run_search(opened(), SearchRequest(trials=2)).run.failed == 0
    assert (len(failing.trials), finished(database)) == (2, [0, 1])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tuner: warning: tensorboard: trial 0 was not logged: ")
    assert "secret" not in line


def test_a_tracker_that_hangs_is_left_behind(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """The end of a search waits for a while, and says that trials may be missing; the other trackers have them."""
    answer = threading.Event()

    class Hanging:
        def send(self, study: str, trial: EndedTrial) -> None:
            answer.wait()

    logged = Logged()
    monkeypatch.setitem(TRACKER_CLASSES, "mlflow", Hanging)
    monkeypatch.setitem(TRACKER_CLASSES, "wandb", lambda: logged)
    one = Tracking(["mlflow", "wandb"], "small")
    one.send(trial())
    close(one.outboxes, 0.5)
    answer.set()
    assert len(logged.trials) == 1
    assert "mlflow: it still has not answered, so that it may lack the last trials" in capsys.readouterr().err


def test_a_tracker_must_be_known_and_installed(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, exit status 2, and no database."""
    assert TRACKERS.keys() == TRACKER_CLASSES.keys()
    database = edit({"trials = 4": 'trials = 4\ntrack = ["mlflw"]'})
    status, _, errors = command("search", "small")
    assert (status, errors.count("\n")) == (2, 1)
    assert "track" in errors
    assert "did you mean 'mlflow'?" in errors
    edit(TRACKED)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, _, errors = command("search", "small")
    assert (status, errors.count("\n")) == (2, 1)
    assert "pip install 'tuner-search[track]'" in errors
    assert not database.exists()


def test_tracking_is_not_part_of_a_study() -> None:
    """The same study with and without."""
    text = 'name = "a"\n[data]\nsource = "a.csv"\ntarget = "y"\n[search]\n'
    plain, tracked = (parse_definition(text + more, "a.toml") for more in ("", 'track = ["mlflow", "mlflow"]\n'))
    assert plain.identity("f") == tracked.identity("f")


@quiet_libraries
def test_mlflow_has_a_run_for_each_trial(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the experiment of the study's name, with parameters, errors, state and duration, and nothing else."""
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workplace / 'mlflow.db'}")
    from mlflow.tracking import MlflowClient

    tracker = tracking.MLflow()
    tracker.send("small", trial())
    tracker.send("small", FAILED)
    client = MlflowClient()
    experiment = client.get_experiment_by_name("small")
    failed, complete = client.search_runs([experiment.experiment_id])
    assert complete.info.run_name == "trial 3"
    assert (complete.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert complete.info.end_time - complete.info.start_time == 1500
    assert complete.data.params == {"alpha": "0.1", "hidden": "64-32", "keep_prob": "[0.5, 0.9]"}
    assert complete.data.metrics == {"value": 0.25, "train_error": 0.125, "dev_error": 0.25, "seconds": 1.5}
    assert failed.data.metrics == {}
    assert {name: of for name, of in failed.data.tags.items() if not name.startswith("mlflow.")} == {"state": "failed"}


@quiet_libraries
def test_tensorboard_has_a_folder_for_each_trial(workplace: Path) -> None:
    """With its errors as scalars, and its hyperparameters and state as hparams."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    tracker = tracking.TensorBoard()
    tracker.send("small", trial())
    tracker.send("small", FAILED)
    assert sorted(path.name for path in Path("runs/small").iterdir()) == ["trial-3", "trial-4"]
    read = EventAccumulator("runs/small/trial-3").Reload()
    scalars = {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert scalars == {name: [(3, of)] for name, of in tracking.metrics_of(trial()).items()}
    ((content,),) = [list(of.values()) for of in [read.PluginTagToContent("hparams")]]
    hparams = HParamsPluginData.FromString(content).session_start_info.hparams
    assert hparams["alpha"].number_value == 0.1
    assert {name: hparams[name].string_value for name in ("hidden", "keep_prob", "state")} == {
        "hidden": "64-32",
        "keep_prob": "[0.5, 0.9]",
        "state": "complete",
    }


@quiet_libraries
def test_wandb_keeps_a_run_for_each_trial_offline(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own local folder, without a server."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tracker = tracking.WeightsAndBiases()
    tracker.send("small", trial())
    tracker.send("small", FAILED)
    runs = list(Path("wandb").glob("offline-run-*/*.wandb"))
    assert len(runs) == 2
    assert any(b"64-32" in run.read_bytes() for run in runs)
