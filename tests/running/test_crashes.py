"""Nothing is ever lost: kills, pauses, full disks, clocks that jump, nodes that fail; real processes."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEADLINE
from tests.running.conftest import (
    ENDLESS,
    LASTING,
    Edit,
    Start,
    fingerprint,
    finished,
    forked,
    is_training,
    opened,
    rows,
    search,
    states,
    statuses,
    wait_for,
)
from tuner.errors import SearchError
from tuner.running import heartbeat, worker
from tuner.running.heartbeat import Heartbeat
from tuner.storage import Budget, Owner, claim_trial, database, renew, requeue
from tuner.trainers import own

REFUSED = 77
"""Exit status of a forked process that met the error it should."""
PRUNED = {
    "max_epochs = 6": "max_epochs = 60",
    "patience = 2": "patience = 30",
    "trials = 4": "trials = {trials}\nmax_attempts = 1000",
}


def count_finished(file: Path) -> int:
    """Complete and pruned trials, also while the file is being made."""
    try:
        return len(finished(file)) if file.exists() else 0
    except sqlite3.OperationalError:
        return 0


def search_with_kills(file: Path, trials: int, rng: random.Random) -> int:
    """Start a search again and again, and kill it at random moments, until its budget is complete; the kills."""
    kills = 0
    while (done := count_finished(file)) < trials:
        (process,) = forked(search)
        goal = min(done + rng.randrange(2), trials)
        while count_finished(file) < goal and process.is_alive():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.06))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    return kills


@pytest.mark.parametrize(("trials", "kills"), [(20, 12), pytest.param(130, 100, marks=pytest.mark.slow)])
def test_a_study_that_was_killed_is_the_same_to_the_bit(edit: Edit, trials: int, kills: int) -> None:
    """SIGKILL at random moments, relaunched until done: the same trials as of a study that was never killed."""
    file = edit({**PRUNED, "trials = 4": PRUNED["trials = 4"].format(trials=trials)})
    assert search_with_kills(file, trials, random.Random(kills)) >= kills
    found = fingerprint(file)
    assert ("PRUNED",) in rows(file, "SELECT DISTINCT state FROM trials")
    assert rows(file, "SELECT count(*) FROM tuner_claims WHERE attempts > 1")[0][0] > 0
    for path in file.parent.glob("tuner.db*"):
        path.unlink()
    search()
    assert fingerprint(file) == found


def test_a_worker_that_was_paused_discards_its_result(edit: Edit, start: Start) -> None:
    """SIGSTOP past the expiry: the trial is taken over; after SIGCONT the first worker notices; nothing is twice."""
    file = edit(LASTING)
    first = start("search", "small", TUNER_CLAIM_SECONDS="1")
    wait_for(lambda: is_training(file))
    first.send_signal(signal.SIGSTOP)
    second = start("search", "small", TUNER_CLAIM_SECONDS="1")
    _, errors = second.communicate(timeout=DEADLINE)
    assert second.returncode == 0, errors
    assert rows(file, "SELECT attempts FROM tuner_claims ORDER BY trial_id") == [(2,), (1,)]
    before = fingerprint(file)
    first.send_signal(signal.SIGCONT)
    output, errors = first.communicate(timeout=DEADLINE)
    assert first.returncode == 0, errors
    assert "nothing to do" in output
    assert fingerprint(file) == before
    assert finished(file) == [0, 1]


def test_a_heartbeat_notices_that_the_trial_was_taken_over(edit: Edit) -> None:
    """A running trial is interrupted within a beat of its loss."""
    edit(ENDLESS)
    study = opened()
    claim, _ = claim_trial(study.database, study.stored.study_id, Budget("a"), max_attempts=3, owner=owner())
    assert claim is not None
    with Heartbeat(lambda: renew(study.database, claim), seconds=0.02) as beat:
        assert not beat.lost
        assert requeue(study.database, claim)
        wait_for(lambda: beat.lost)
    study.database.close()


def owner() -> Owner:
    """Who holds the claims of these tests."""
    return Owner.this_process()


def test_a_heartbeat_outlives_a_database_that_is_busy(edit: Edit) -> None:
    """A beat that does not get through is followed by another one."""
    edit(ENDLESS)
    study = opened()
    claim, _ = claim_trial(study.database, study.stored.study_id, Budget("a"), max_attempts=3, owner=owner())
    assert claim is not None
    beats: list[bool] = []

    def sometimes() -> bool:
        beats.append(True)
        if len(beats) < 3:
            raise heartbeat.StorageError("busy")
        return renew(study.database, claim)

    with Heartbeat(sometimes, seconds=0.01) as beat:
        wait_for(lambda: len(beats) > 4)
        assert not beat.lost
    study.database.close()


def test_a_long_trial_is_requeued_with_a_checkpoint(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ran for over a minute goes on where it was, to the same bits; a short attempt keeps what there is."""
    monkeypatch.setattr(worker, "SECONDS_BETWEEN_LOOKS", 0)  # asked every mini-batch, which are counted here
    file = edit(LASTING)
    search()
    expected = fingerprint(file)
    for path in file.parent.glob("tuner.db*"):
        path.unlink()
    monkeypatch.setattr(worker, "CHECKPOINT_SECONDS", 0)
    search_batches(2000)
    (size,) = rows(file, "SELECT max(length(checkpoint)) FROM tuner_claims")[0]
    assert size > 1000
    monkeypatch.setattr(worker, "CHECKPOINT_SECONDS", 60)
    search_batches(500)
    assert rows(file, "SELECT max(length(checkpoint)) FROM tuner_claims") == [(size,)]
    search()
    assert fingerprint(file) == expected
    assert rows(file, "SELECT count(checkpoint) FROM tuner_claims") == [(0,)]


def search_batches(most: int) -> None:
    """A search that is told to stop after so many mini-batches."""
    study = opened()
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > most

    task = worker.Task(
        study.stored.study_id, study.trainer, study.dataset, study.dev_folds, Budget("a"), study.stored.facts
    )
    worker.Worker(study.database, task, stop).work()
    study.database.close()


def test_clocks_may_go_backwards(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour back at every look: the search goes on, its trials are its own."""
    file = edit()
    real, hours = time.time, iter(range(10**6))
    monkeypatch.setattr(database.time, "time", lambda: real() - 3600 * next(hours))
    search(total=8)
    assert finished(file) == list(range(8))


def test_a_bad_node_does_not_spoil_the_study(edit: Edit) -> None:
    """A machine where every trial fails stops after three; another one completes the budget all the same."""
    file = edit({"trials = 4": "trials = 20"})

    def bad_node() -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise OSError("no such device")

        own.run_trial = broken  # type: ignore[assignment]
        with pytest.raises(SearchError, match=r"3 trials in a row failed.*no such device"):
            search()
        os._exit(REFUSED)

    assert statuses([*forked(bad_node), *forked(search)])[1] == 0
    counts = dict(rows(file, "SELECT state, count(*) FROM trials GROUP BY state"))
    assert counts.get("COMPLETE", 0) + counts.get("PRUNED", 0) == 20
    assert counts.get("FAIL", 0) in (0, 3)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1400k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(edit: Edit, small_disk: Path) -> None:
    """The search ends with one line; with room again the same command completes the study."""
    edit({"max_epochs = 6": "max_epochs = 100", "patience = 2": "patience = 100", "trials = 4": "trials = 60"})
    file = small_disk / "tuner.db"
    url = f"sqlite:///{file}"

    def fill() -> None:
        with pytest.raises(SearchError, match=r"^[^\n]*cannot be written[^\n]*make room[^\n]*$"):
            search(storage=url)
        os._exit(REFUSED)

    assert statuses(forked(fill)) == [REFUSED]
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    done = finished(file)
    assert 0 < len(done) < 60
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    before = [row for row in states(file) if row[1] in ("COMPLETE", "PRUNED")]
    search(storage=url)
    assert finished(file) == list(range(60))
    assert set(before) <= set(states(file))


def test_a_database_cannot_be_made_on_a_full_disk(edit: Edit, small_disk: Path) -> None:
    """One line, and no half of a file."""
    edit()
    (small_disk / "filler").write_bytes(bytes(1_300_000))
    with pytest.raises(database.StorageError, match="cannot be created"):
        search(storage=f"sqlite:///{small_disk / 'tuner.db'}")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_process_killed_while_writing_leaves_a_whole_file(edit: Edit) -> None:
    """After a kill the file is sound, and every finished trial has its record."""
    file = edit({"trials = 4": "trials = 400"})
    (process,) = forked(search)
    wait_for(lambda: count_finished(file) > 5)
    process.kill()
    process.join()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    judged = rows(file, "SELECT count(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')")[0][0]
    assert judged == len(finished(file)) == rows(file, "SELECT count(*) FROM trial_values")[0][0]
