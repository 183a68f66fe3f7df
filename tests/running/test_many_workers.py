"""Many uncoordinated processes on one database: exact budgets, no number twice, readers that see whole trials."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import DEADLINE
from tests.running.conftest import Edit, Start, finished, forked, opened, rows, search, states, statuses, wait_for
from tuner.storage import HistoryLimits, prune_study, pruning, read_study
from tuner.workspace import read_record


def check_exact(file: Path, budget: int) -> None:
    """Exactly the budget's trials, each number once, each with one record, none left running or waiting."""
    assert finished(file) == list(range(budget))
    assert {state for _, state in states(file)} <= {"COMPLETE", "PRUNED"}
    assert rows(file, "SELECT count(*) FROM studies") == [(1,)]
    order = [n for (n,) in rows(file, "SELECT finish_order FROM tuner_trials ORDER BY finish_order")]
    assert order == list(range(1, budget + 1))
    pruned = rows(file, "SELECT count(*) FROM trials WHERE state = 'PRUNED'")
    assert rows(file, "SELECT pruned FROM tuner_counts") == pruned
    assert rows(file, "SELECT count(*) FROM tuner_claims WHERE token IS NOT NULL OR attempts != 1") == [(0,)]


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_64_workers_start_in_the_same_moment_on_a_new_file(edit: Edit, tmp_path: Path) -> None:
    """None fails, the file is made once, and the count is exact."""
    file = edit({"trials = 4": "trials = 100"})
    (tmp_path / "before").mkdir()
    search(storage=f"sqlite:///{tmp_path}/before/tuner.db")  # what is imported now need not be imported 64 times
    begin = time.monotonic() + 1

    def work() -> None:
        time.sleep(max(0, begin - time.monotonic()))
        search()

    assert statuses(forked(work, 64)) == [0] * 64
    assert [path.name for path in file.parent.glob("*.db*")] == ["tuner.db"]
    check_exact(file, 100)


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_32_commands_start_in_the_same_moment_on_a_new_file(edit: Edit, start: Start) -> None:
    """The same with ``tuner search`` as a user or a batch system starts it."""
    file = edit({"trials = 4": "trials = 100"})
    processes = [start("search", "small", "--quiet", "--references", "none") for _ in range(32)]
    for process in processes:
        _, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, errors
    check_exact(file, 100)


def test_history_is_pruned_beside_running_workers(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs go again and again while two processes search: the budget is exact, and every trial keeps its result."""
    monkeypatch.setattr(pruning, "COMPARED", 2)  # trials that pruners compare with
    file = edit({"trials = 4": "trials = 12"})
    study = opened()
    study_id, removed = study.stored.study_id, 0
    study.database.close()  # before the fork
    processes = forked(search, 2)
    while any(process.is_alive() for process in processes):
        limits = HistoryLimits(keep=1, failed_before=time.time())
        removed += prune_study(study.database, study_id, "small", limits, dry_run=False).epochs
        time.sleep(0.02)
    assert statuses(processes) == [0] * 2
    check_exact(file, 12)
    assert removed > 0
    record = read_study(study.database, "small")
    study.database.close()
    assert [(trial.has_result, len(trial.networks)) for trial in record.trials] == [(True, 1)] * 12


def test_every_call_adds_its_own_trials(edit: Edit) -> None:
    """Four calls of ``--trials 5`` at once, and one that completes the budget: none takes another's."""
    file = edit({"trials = 4": "trials = 10"})
    search()
    assert statuses([*forked(lambda: search(trials=5), 4), *forked(search, 2)]) == [0] * 6
    check_exact(file, 30)
    calls = rows(file, "SELECT count(*) FROM tuner_claims GROUP BY call ORDER BY 1")
    assert calls == [(5,), (5,), (5,), (5,), (10,)]


def test_a_report_is_consistent_while_16_workers_write(edit: Edit) -> None:
    """Every look finds each finished trial whole, and never fewer of them than before."""
    file = edit({"trials = 4": "trials = 120"})
    processes = forked(search, 16)
    wait_for(lambda: file.exists() and rows(file, "SELECT count(*) FROM tuner_networks")[0][0] > 0)
    before, looks = 0, 0
    while before < 120:
        record = read_record("small")
        judged = [trial for trial in record.trials if trial.state in ("complete", "pruned")]
        assert len(judged) >= before
        for trial in judged:
            (network,) = trial.networks
            assert trial.value is not None
            assert len(network.curve["dev_error"]) == network.epochs == len(network.dev_fold_losses)
            assert network.dev_losses.sum() == network.dev_wrong
        before, looks = len(judged), looks + 1
    assert statuses(processes) == [0] * 16
    assert looks > 1
    check_exact(file, 120)
