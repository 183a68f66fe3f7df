"""The best trials trained again after the budget: each training once, whoever dies, and the best chosen by all."""

from __future__ import annotations

import os
import pickle
import re
import signal
import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.running.conftest import Edit, command, forked, opened, rows, search, statuses, wait_for
from tuner.data import can_split_again
from tuner.errors import ArgumentError
from tuner.running import SearchProgress, SearchRequest, confirmation_job, processes, run_search
from tuner.running.confirmation_job import ConfirmationJob
from tuner.running.events import Event
from tuner.running.service import run_service
from tuner.running.task import Task
from tuner.trainers import Interrupted, OwnNetwork, TrialRequest
from tuner.workspace import StudyRequest, read_record
from tuner.workspace.administration import submit

BY_FOLDS = {'target = "kind"\n': 'target = "kind"\nfolds = 2\n'}
TRAININGS = "SELECT trial_id, repeat, split, attempts, finished IS NOT NULL, value FROM tuner_confirmations"


def held_up(tmp_path: Path, waiting: int) -> Callable[..., tuple[float | None, str | None]]:
    """Trainings that note whose they are and last until ``waiting`` of them run or ``tmp_path/go`` exists."""

    def train(_: object, __: object, should_stop: Callable[[], bool]) -> tuple[float | None, str | None]:
        with (tmp_path / "log").open("a") as file:
            print(os.getpid(), file=file)
        while not (tmp_path / "go").exists() and len((tmp_path / "log").read_text().split()) < waiting:
            if should_stop():
                return None, None
            time.sleep(0.01)
        return 0.25, None

    return train


@pytest.mark.parametrize(
    ("changes", "splits"), [({}, [0, 1]), (BY_FOLDS, [0, 1]), ({"[data]\n": '[data]\ndev = "small.csv"\n'}, [0])]
)
def test_the_best_trials_are_trained_again_once(edit: Edit, changes: dict[str, str], splits: list[int]) -> None:
    """With another seed, and where the split was drawn with another one; the same command finds nothing to do."""
    file = edit(changes)
    shown: list[SearchProgress] = []
    result = run_search(opened(), SearchRequest(confirm=3), shown.append)
    record = read_record("small")
    again = [trial for trial in record.trials if trial.confirmations]
    assert len(again) in (1, 2, 3)
    assert result.confirmed == record.best.number if record.best else None
    for trial in again:
        assert [(one.repeat, one.split) for one in trial.confirmations] == [*enumerate(splits, start=1)]
        assert len(trial.values) == 1 + len(splits)
    before = rows(file, TRAININGS)
    assert f"; 4 of 4 in total; the best trials were trained again ({len(before)} of" in result.headlines[0]
    numbers = [(one.progress.confirmations_done, one.progress.confirmations) for one in shown if one.done == 4]
    assert numbers == sorted(numbers)
    assert numbers[-1] == (len(before), len(before))
    again = search(confirm=3)
    assert "nothing more to do: the study is finished (4 trials) and its best trials were" in again.headlines[0]
    assert rows(file, TRAININGS) == before


def test_a_training_is_that_of_its_seed(edit: Edit) -> None:
    """``tuner train --seeds 2`` trains the same second network: its dev error is the recorded value."""
    edit(BY_FOLDS)
    search(confirm=1)
    (trial,) = (trial for trial in read_record("small").trials if trial.confirmations)
    status, output, _ = command("train", "small", "--trial", trial.number, "--seeds", 2, "--json")
    assert status == 0
    assert f"{trial.confirmations[0].value}" in output


def test_the_best_is_chosen_by_all_trainings(edit: Edit) -> None:
    """The lowest mean wins; while a training is open, and if a newer trial is better, the lowest value does."""
    file = edit()
    search(confirm=3)
    record = read_record("small")
    lowest = min(record.judged, key=lambda trial: (trial.value, trial.number))
    if record.best is not lowest:
        assert statistics.mean(record.best.values) < statistics.mean(lowest.values)  # type: ignore[union-attr]
    worst = "UPDATE tuner_confirmations SET value = 0.9 WHERE trial_id = (SELECT trial_id FROM trials WHERE number = ?)"
    change(file, worst, lowest.number)
    others = [trial for trial in read_record("small").confirmed if trial.number != lowest.number]
    best = min(others, key=lambda trial: statistics.mean(trial.values), default=lowest)
    assert read_record("small").best.number == best.number  # type: ignore[union-attr]
    change(file, "UPDATE tuner_confirmations SET finished = NULL, value = NULL WHERE confirmation_id = ?", 1)
    assert read_record("small").best.number == lowest.number  # type: ignore[union-attr]


def serve() -> None:
    """Run what is open, as ``tuner worker`` does."""
    run_service(None, forever=False, on_event=lambda _: None)


def change(file: Path, statement: str, *values: object) -> None:
    """Run SQL on a database."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement, values)
        connection.commit()


def test_two_workers_share_the_trainings(edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trains at once with the other, and each training is done once."""
    file = edit()
    search(confirm=0)
    monkeypatch.setattr(ConfirmationJob, "_train", held_up(tmp_path, waiting=2))
    workers = forked(lambda: search(confirm=3), 2)
    assert statuses(workers) == [0, 0]
    assert set((tmp_path / "log").read_text().split()) == {str(worker.pid) for worker in workers}
    assert {row[3:] for row in rows(file, TRAININGS)} == {(1, 1, 0.25)}


@pytest.mark.parametrize(("changes", "is_split"), [({}, True), ({"[data]\n": '[data]\ndev = "small.csv"\n'}, False)])
def test_worker_processes_get_rows_to_split(
    edit: Edit, changes: dict[str, str], is_split: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few rows, whose dev rows were drawn at random; of others the encoded ones alone."""
    edit(changes)
    sent: list[Task] = []
    monkeypatch.setattr(processes, "Parcel", lambda task: sent.append(pickle.loads(pickle.dumps(task))))
    monkeypatch.setattr(processes.WorkerProcesses, "run", lambda *_: None)
    search(workers=2)
    assert [can_split_again(task.dataset) for task in sent] == [is_split]


def test_a_killed_worker_loses_no_training(edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After kill -9 in the middle of a training another worker trains it again; a stopped one re-queues it."""
    file = edit()
    search(confirm=0)
    monkeypatch.setattr(ConfirmationJob, "_train", held_up(tmp_path, waiting=99))
    for how, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
        (process,) = forked(lambda: search(confirm=3))
        (tmp_path / "log").unlink(missing_ok=True)
        wait_for(lambda: (tmp_path / "log").exists())
        os.kill(process.pid or 0, how)
        assert statuses([process]) == [status]
    (tmp_path / "go").touch()
    serve()  # the plan is in the database: a worker of any kind does the rest
    found = rows(file, TRAININGS)
    assert [row[3] for row in found] == [2, *[1] * (len(found) - 1)]
    assert {row[4:] for row in found} == {(1, 0.25)}


def test_a_training_that_fails_leaves_the_choice_to_the_others(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is kept, the search ends well, and the report says which trial it was."""
    file = edit()
    search(confirm=0)
    best = read_record("small").best
    assert best is not None
    run = OwnNetwork.run

    def fail(self: OwnNetwork, request: TrialRequest) -> object:
        if request.values == best.params:
            raise ValueError("out of luck")
        return run(self, request)

    monkeypatch.setattr(OwnNetwork, "run", fail)
    search(confirm=2)
    reasons = rows(file, "SELECT DISTINCT reason FROM tuner_confirmations WHERE value IS NULL")
    assert reasons == [("ValueError: out of luck",)]
    assert read_record("small").best.number == best.number  # type: ignore[union-attr]


def test_a_training_that_lasts_too_long_ends(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of a trial is that of a training, too."""
    file = edit({"trials = 4": "trials = 1\ntrial_timeout = 0.2\nconfirm = 1"})

    def last(self: OwnNetwork, request: TrialRequest) -> object:
        while not request.should_stop():
            time.sleep(0.01)
        return Interrupted()

    search(confirm=0)
    monkeypatch.setattr(OwnNetwork, "run", last)
    search()
    assert {reason for (reason,) in rows(file, "SELECT reason FROM tuner_confirmations")} == {
        "wall limit: longer than 0.2 s"
    }


def test_a_scheduled_study_is_confirmed_by_its_workers(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """``confirm`` in the study file: ``tuner submit`` and ``tuner worker`` are enough; ``tuner cancel`` gives it up.

    The worker's log names each training, and makes the other split once.
    """
    file = edit({"trials = 4": "trials = 2\nconfirm = 2"})
    submit(StudyRequest("small"), None)
    events: list[Event] = []
    split, splits = confirmation_job.with_another_split, []
    monkeypatch.setattr(confirmation_job, "with_another_split", lambda *of: splits.append(of) or split(*of))
    run_service(None, forever=False, on_event=events.append)
    trainings = rows(file, TRAININGS)
    assert len(trainings) == 4
    told = [event.text for event in events if event.kind == "trained_again"]
    assert len(told) == len(trainings)
    assert re.match(r"small: trial \d trained again, value \d+\.\d%, \d", told[0])
    assert len(splits) == 1
    assert all(row[4] for row in trainings)
    change(file, "UPDATE tuner_confirmations SET finished = NULL WHERE confirmation_id = ?", 1)
    assert command("cancel", "small")[0] == 0
    assert len(rows(file, TRAININGS)) == len(trainings) - 1


def test_a_bad_number_of_trials_is_refused(edit: Edit) -> None:
    """In Python, on the command line and in the study file."""
    edit()
    with pytest.raises(ArgumentError, match="confirm: expected an integer ≥ 0 and ≤ 20, got 21"):
        search(confirm=21)
    assert command("search", "small", "--confirm", "21")[0] == 2
    edit({"trials = 4": "trials = 4\nconfirm = -1"})
    status, _, errors = command("search", "small")
    assert (status, "confirm" in errors) == (2, True)
