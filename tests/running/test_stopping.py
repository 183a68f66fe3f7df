"""Being stopped: by Ctrl-C, by SIGTERM, by a kill; real processes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.conftest import DEADLINE
from tests.running.conftest import ENDLESS, LASTING, Edit, Start, finished, is_training, rows, search, states, wait_for


@pytest.mark.parametrize(("number", "status", "workers"), [(signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 2)])
def test_a_signal_puts_the_running_trial_back(
    edit: Edit, start: Start, number: signal.Signals, status: int, workers: int
) -> None:
    """A long trial is re-queued at once; the exit status and the last line say so."""
    database = edit(ENDLESS)
    process = start("search", "small", "--references", "none", "--workers", workers)
    wait_for(lambda: is_training(database, workers))
    process.send_signal(number)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == status
    last = errors.splitlines()[-1]
    assert f"stopped by {number.name}" in last
    assert "tuner search small" in last
    assert states(database) == [(k, "WAITING") for k in range(workers)]
    assert rows(database, "SELECT token, attempts, reason FROM tuner_claims") == [(None, 0, "re-queued")] * workers


@pytest.mark.slow
def test_the_next_run_completes_what_was_stopped(edit: Edit, start: Start) -> None:
    """No number twice, none missing."""
    database = edit(LASTING)
    process = start("search", "small")
    wait_for(lambda: is_training(database))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE)
    assert [state for _, state in states(database)] == ["WAITING"]
    assert search().run.complete == 2
    assert finished(database) == [0, 1]


def test_workers_end_with_their_parent(edit: Edit, start: Start) -> None:
    """``kill -9`` of a search with two workers leaves no worker behind; their trials are re-queued."""
    database = edit(ENDLESS)
    process = start("search", "small", "--references", "none", "--workers", 2)
    wait_for(lambda: is_training(database, 2))
    process.kill()
    process.communicate(timeout=DEADLINE)
    wait_for(lambda: states(database) == [(0, "WAITING"), (1, "WAITING")])


def test_a_worker_that_dies_is_replaced(edit: Edit, start: Start) -> None:
    """A worker is killed in its trial: the trial is taken over, and the budget completed."""
    database = edit({**LASTING, "trials = 4": "trials = 4"})
    process = start("search", "small", "--references", "none", "--workers", 2)
    wait_for(lambda: is_training(database))
    os.kill(pid_of_a_trial(database), signal.SIGKILL)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    assert finished(database) == [0, 1, 2, 3]
    assert rows(database, "SELECT count(*) FROM tuner_claims WHERE attempts = 2") == [(1,)]


def pid_of_a_trial(database: Path) -> int:
    """The process that took a trial last."""
    query = "SELECT owner FROM tuner_claims WHERE token IS NOT NULL ORDER BY claimed DESC LIMIT 1"
    return int(json.loads(rows(database, query)[0][0])["pid"])
