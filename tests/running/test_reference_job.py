"""The reference models of a new study: trained once, by the first worker, and by another if that one dies."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEADLINE
from tests.running.conftest import (
    Edit,
    Start,
    finished,
    forked,
    rows,
    states,
    statuses,
    wait_for,
)
from tuner.errors import ArgumentError
from tuner.running import SearchRequest, SearchResult, reference_job, run_search
from tuner.workspace import StudyRequest, open_study, read_record
from tuner.workspace.administration import submit


def job(file: Path) -> tuple[object, ...]:
    """Attempts of the study's job, whether it is finished, whether somebody holds it, and why it failed."""
    (found,) = rows(file, "SELECT attempts, finished IS NOT NULL, token IS NOT NULL, reason FROM tuner_jobs")
    return found


def models(file: Path) -> list[str]:
    """The reference models whose errors are stored."""
    return sorted(json.loads(rows(file, "SELECT facts FROM tuner_studies")[0][0]).get("references", {}))


def search(**request: Any) -> SearchResult:
    """A search of a study whose job may not be done."""
    return run_search(open_study(StudyRequest("small")), SearchRequest(**request))


ALL = ["gradient_boosting", "logistic_regression", "majority", "nearest_neighbors"]


def held_up(tmp_path: Path) -> object:
    """Reference models whose training ends when ``tmp_path/go`` exists; who trains them is written to ``log``."""

    def train(_: object, __: object, should_stop: object, ___: str) -> dict[str, float]:
        with (tmp_path / "log").open("a") as file:
            print(os.getpid(), file=file)
        while not (tmp_path / "go").exists():
            if should_stop():  # type: ignore[operator]
                raise reference_job.TrainingStoppedError
            time.sleep(0.01)
        return {"majority": 0.5}

    return train


def test_creating_a_study_trains_nothing(edit: Edit) -> None:
    """``submit`` leaves the job to the first worker, which does it after its first trial."""
    file = edit()
    submit(StudyRequest("small"), None)
    assert (job(file), models(file)) == ((0, 0, 0, None), [])
    search(trials=1)
    assert (job(file), models(file)) == ((1, 1, 0, None), ALL)


def test_a_search_trains_the_models_that_it_is_asked_for(edit: Edit) -> None:
    """None leaves the job to another search; "fast" does it with two of them."""
    file = edit()
    search(trials=1, references="none")
    assert (job(file), models(file)) == ((0, 0, 0, None), [])
    search(trials=1, references="fast")
    assert (job(file), models(file)) == ((1, 1, 0, None), ["logistic_regression", "majority"])
    with pytest.raises(ArgumentError, match="references: expected one of all, fast, none, got 'some'"):
        search(references="some")


def test_sixteen_processes_that_start_at_once_train_the_models_once(
    edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others run trials meanwhile, and all wait for the models at the end."""
    train_once(edit, tmp_path, monkeypatch, n_processes=16)


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_sixty_processes_that_start_at_once_train_the_models_once(
    edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as a cluster has."""
    train_once(edit, tmp_path, monkeypatch, n_processes=60)


def train_once(edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_processes: int) -> None:
    """Start so many processes on a new study, and look at its job while they run and afterward."""
    file = edit({"trials = 4": "trials = 20"})
    monkeypatch.setattr(reference_job, "reference_errors", held_up(tmp_path))
    processes = forked(search, n_processes)
    wait_for(lambda: file.exists() and len(finished(file)) == 20)
    assert job(file) == (1, 0, 1, None)
    (tmp_path / "go").touch()
    assert statuses(processes) == [0] * n_processes
    assert (job(file), models(file)) == ((1, 1, 0, None), ["majority"])
    assert len((tmp_path / "log").read_text().split()) == 1


def test_a_killed_worker_is_replaced_by_another(edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill -9 in the middle: a living worker takes the job over."""
    edit({"trials = 4": "trials = 2"})
    monkeypatch.setattr(reference_job, "reference_errors", held_up(tmp_path))
    (first,) = forked(search)
    wait_for(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text().strip())
    (second,) = forked(search)
    file = tmp_path / "studies" / "tuner.db"
    wait_for(lambda: [state for _, state in states(file)] == ["COMPLETE"] * 2)
    os.kill(first.pid or 0, signal.SIGKILL)
    first.join()
    (tmp_path / "go").touch()
    assert statuses([second]) == [0]
    assert (job(file), models(file)) == ((2, 1, 0, None), ["majority"])


def test_an_interrupted_job_is_requeued(edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGINT ends it long before it is done, and it counts as if it had not been begun; the first trial is kept."""
    file = edit()
    monkeypatch.setattr(reference_job, "reference_errors", held_up(tmp_path))
    (process,) = forked(search)
    wait_for(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text().strip())
    os.kill(process.pid or 0, signal.SIGINT)
    statuses([process])
    assert job(file) == (0, 0, 0, "re-queued")
    assert states(file) == [(0, "COMPLETE")]


def test_the_time_of_a_search_is_over_for_the_models_too(
    edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come after the first trial and are interrupted at the timeout; the next search trains them."""
    file = edit()
    monkeypatch.setattr(reference_job, "reference_errors", held_up(tmp_path))
    assert search(timeout=3).timed_out
    assert (job(file), states(file)) == ((0, 0, 0, "re-queued"), [(0, "COMPLETE")])
    (tmp_path / "go").touch()
    search()
    assert (job(file), models(file)) == ((1, 1, 0, None), ["majority"])


def test_a_worker_does_not_ask_again_for_a_job_that_is_done(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the worker that did it nor one that finds it done: one look each, however many trials they run."""
    edit()
    claim, claims = reference_job.claim_job, []

    def count(*arguments: object, **options: object) -> object:
        claims.append(claim(*arguments, **options))  # type: ignore[arg-type]
        return claims[-1]

    monkeypatch.setattr(reference_job, "claim_job", count)
    monkeypatch.setattr(reference_job, "reference_errors", lambda *_: {"majority": 0.5})
    search(trials=3)
    assert [is_done for _, is_done in claims] == [False]
    search(trials=3)
    assert [is_done for _, is_done in claims] == [False, True]


def test_models_that_cannot_be_trained_are_no_failure_of_the_search(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search completes its budget; a notice says why the models are missing."""

    def fail(*_: object) -> dict[str, float]:
        raise MemoryError("too large")

    file = edit()
    monkeypatch.setattr(reference_job, "reference_errors", fail)
    assert search().progress.counts.complete + search().progress.counts.pruned == 4
    assert (job(file), models(file)) == ((1, 1, 0, "MemoryError: too large"), [])
    assert "the reference models could not be trained: MemoryError: too large" in read_record("small").facts.notices


def test_a_service_does_the_job_too(edit: Edit, start: Start) -> None:
    """``tuner worker`` on a study that was only submitted."""
    file = edit()
    open_study(StudyRequest("small")).database.close()
    process = start("worker")
    assert process.wait(DEADLINE) == 0
    assert (job(file), models(file)) == ((1, 1, 0, None), ALL)
