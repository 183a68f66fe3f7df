"""What is told of a search in Python while it runs: callbacks, the log, a bar; and how a callback ends it."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tuner
from tuner.errors import ArgumentError
from tuner.running import Hooks, SearchProgress
from tuner.running.showing import show_where_seen
from tuner.storage import BestTrial, Counts, EndedTrial, Progress


def test_every_trial_is_passed_on(small_study: Path) -> None:
    """Once each, with its result; the best ones get better, and the last of them is the study's best."""
    ended: list[tuner.EndedTrial] = []
    best: list[tuner.EndedTrial] = []
    study = tuner.search("small", on_trial=ended.append, on_best=best.append)
    assert [trial.number for trial in ended] == [0, 1, 2, 3]
    frame = study.trials().set_index("number")
    for trial in ended:
        row = frame.loc[trial.number]
        assert (trial.value, trial.dev_error, trial.train_error) == (row.value, row.dev_error, row.train_error)
        assert trial.params["alpha"] == row.alpha
    values = [trial.value for trial in best]
    assert values == sorted(values, reverse=True)
    assert best[-1] == study.best
    assert study.best_params == study.best.params


def test_every_epoch_is_passed_on(small_study: Path) -> None:
    """While its trial runs, with the errors that the study then records; Stop ends the search with that trial."""
    epochs: list[tuner.EndedEpoch] = []
    study = tuner.search("small", trials=2, on_epoch=epochs.append)
    recorded = study.report().epochs
    assert [(each.number, each.epoch) for each in epochs] == list(zip(recorded.number, recorded.epoch, strict=True))
    assert [each.dev_error for each in epochs] == pytest.approx(recorded.dev_error.tolist())
    assert [each.train_error for each in epochs] == pytest.approx(recorded.train_error.tolist())

    def stop(epoch: tuner.EndedEpoch) -> None:
        raise tuner.Stop

    assert len(tuner.search("small", trials=2, on_epoch=stop).trials().query("state == 'complete'")) < 4
    with pytest.raises(ArgumentError, match="on_epoch: expected workers=1, whose epochs end in this process, got 2"):
        tuner.search("small", workers=2, on_epoch=stop)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_callback_ends_the_search(small_study: Path, workers: int) -> None:
    """By Stop: finished trials are kept, none is left running, and the same call continues."""

    def stop(trial: tuner.EndedTrial) -> None:
        raise tuner.Stop

    study = tuner.search("small", workers=workers, total=200, on_trial=stop)
    assert 1 <= len(study.trials().query("state == 'complete' or state == 'pruned'")) < 200
    assert not (study.trials()["state"] == "running").any()
    before = len(study.trials().query("state != 'waiting'"))
    assert len(tuner.search("small", trials=1).trials().query("state != 'waiting'")) == before + 1


def test_one_worker_stops_at_once(small_study: Path) -> None:
    """After the very trial."""

    def stop(trial: tuner.EndedTrial) -> None:
        if trial.number == 1:
            raise tuner.Stop

    assert list(tuner.search("small", on_trial=stop).trials()["number"]) == [0, 1]


def test_a_callback_that_fails_fails_no_trial(small_study: Path) -> None:
    """Its error comes out of the search, after the trials are in order."""

    def fail(trial: tuner.EndedTrial) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tuner.search("small", on_best=fail)
    assert tuner.load_study("small").trials()["state"].tolist() == ["complete"]


def test_the_log_has_a_line_for_every_trial(small_study: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By the logger "tuner": the study, its trials, the result."""
    with caplog.at_level(logging.INFO, logger="tuner"):
        tuner.search("small", trials=2)
    lines = [record.getMessage() for record in caplog.records if record.name == "tuner"]
    assert lines[0].startswith("study small · database")
    assert sum(line.startswith(("trial 0 complete", "trial 1 complete")) for line in lines) == 2
    assert lines[-1].startswith("2 trials in")


def test_a_failed_trial_and_one_that_diverged_are_never_the_best() -> None:
    """A failure is a warning."""
    seen: list[int] = []
    hooks = Hooks(on_best=lambda trial: seen.append(trial.number))
    best = BestTrial(3, 0.5, 0.5, 0.1, "{}")
    hooks(SearchProgress(Progress(Counts(), 0, 9, best), 9))
    trials = [
        EndedTrial(4, "failed", None, None, None, None, {}, "it broke"),
        EndedTrial(5, "complete", "diverged", 0.1, 1, 1.0, {}),
        EndedTrial(6, "pruned", "pruned", 0.1, 1, 1.0, {}),
        EndedTrial(7, "complete", "patience", 0.6, 1, 1.0, {}),
        EndedTrial(8, "complete", "patience", 0.4, 1, 1.0, {}),
    ]
    hooks(SearchProgress(Progress(Counts(), 0, 9, best), 9, ended=trials))
    assert seen == [8]


def test_a_search_runs_beside_other_work(small_study: Path) -> None:
    """In a thread of an event loop."""

    async def main() -> tuple[tuner.Study, str]:
        study, other = await asyncio.gather(
            asyncio.to_thread(tuner.search, "small", trials=2), asyncio.sleep(0, "done")
        )
        return study, other

    study, other = asyncio.run(main())
    assert (len(study.trials()), other) == (2, "done")


def test_progress_is_shown_in_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elsewhere nothing is written."""
    with show_where_seen() as show:
        assert show is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with show_where_seen() as show:
        assert show is not None
        show(SearchProgress(Progress(Counts(complete=3), 1, 9, None), 9))
    assert "3/9" in capsys.readouterr().err


def test_a_notebook_gets_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By IPython's display, which every notebook has."""
    shown: list[str] = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            shown.append(data["text/plain"])

    def display(data: dict[str, str], **options: Any) -> Handle:
        return Handle()

    module = ModuleType("IPython.display")
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
    with show_where_seen() as show:
        assert show is not None
        show(SearchProgress(Progress(Counts(complete=3), 1, 9, None), 9))
    assert shown == ["trials 3 of 9 · 1 running"]
