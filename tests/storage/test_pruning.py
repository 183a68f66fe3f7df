"""History that is removed: epochs of middling trials, failed trials, unused studies; what stays reads as before."""

from __future__ import annotations

import time

import pytest

from tests.storage.conftest import make_study, outcome, take, take_and_draw
from tuner.storage import (
    Database,
    HistoryLimits,
    PrunedHistory,
    fail,
    prune_study,
    pruning,
    read_study,
    study_names,
    write_outcome,
)

SOON = 10.0  # seconds from now


@pytest.fixture(autouse=True)
def few_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruners compare with the last two trials to finish."""
    monkeypatch.setattr(pruning, "COMPARED", 2)


def searched(database: Database, values: tuple[float, ...] = (0.3, 0.1, 0.5, 0.4, 0.6)) -> int:
    """A study of trials of three epochs, which finished in this order."""
    study = make_study(database, budget=99)
    for value in values:
        assert write_outcome(database, take_and_draw(database, study), study, outcome(value))
    return study


def test_middling_trials_keep_their_best_epoch(database: Database) -> None:
    """Of five trials the best and the last two keep all epochs; all else of the others stays, and is read as before."""
    study = searched(database)
    before = read_study(database, "made").trials
    assert prune_study(database, study, "made", HistoryLimits(1), dry_run=False) == PrunedHistory("made", epochs=4)
    after = read_study(database, "made").trials
    assert [len(trial.networks[0].dev_fold_losses) for trial in after] == [1, 3, 1, 3, 3]
    assert [len(trial.networks[0].curve) for trial in after] == [0, 5, 0, 5, 5]
    for old, new in zip(before, after, strict=True):
        assert (old.number, old.value, old.params, old.best_epoch) == (
            new.number,
            new.value,
            new.params,
            new.best_epoch,
        )
        assert (old.networks[0].dev_losses == new.networks[0].dev_losses).all()
        assert (old.networks[0].dev_fold_losses[-1] == new.networks[0].dev_fold_losses[-1]).all()
    assert prune_study(database, study, "made", HistoryLimits(1), dry_run=False) == PrunedHistory("made")


def test_a_dry_run_counts_and_changes_nothing(database: Database) -> None:
    """The same numbers as of the removal."""
    study = searched(database)
    fail(database, take(database, study), "no memory")
    take_and_draw(database, study)
    limits = HistoryLimits(1, failed_before=time.time() + SOON)
    said = prune_study(database, study, "made", limits, dry_run=True)
    assert said == PrunedHistory("made", epochs=4, failed=1)
    assert len(read_study(database, "made").trials[0].networks[0].dev_fold_losses) == 3
    assert prune_study(database, study, "made", limits, dry_run=False) == said


def test_failed_trials_go_except_the_last_number(database: Database) -> None:
    """Its number must not be given again; running and finished trials stay, and the failed of later."""
    study = searched(database, (0.3,))
    for _ in range(3):
        fail(database, take(database, study), "no memory")
    assert prune_study(database, study, "made", HistoryLimits(1, failed_before=0.0), dry_run=False).failed == 0
    limits = HistoryLimits(1, failed_before=time.time() + SOON)
    assert prune_study(database, study, "made", limits, dry_run=False).failed == 2
    assert [trial.number for trial in read_study(database, "made").trials] == [0, 3]
    assert take(database, study).number == 4


def test_an_unused_study_goes_whole(database: Database) -> None:
    """One in which a trial runs, or that is younger, stays."""
    study = searched(database, (0.3,))
    soon = HistoryLimits(1, unused_since=time.time() + SOON)
    assert not prune_study(
        database, study, "made", HistoryLimits(1, unused_since=time.time() - SOON), dry_run=False
    ).whole
    claim = take(database, study)
    assert not prune_study(database, study, "made", soon, dry_run=False).whole
    fail(database, claim, "no memory")
    assert prune_study(database, study, "made", soon, dry_run=True).whole
    assert study_names(database) == ["made"]
    assert prune_study(database, study, "made", soon, dry_run=False).whole
    assert study_names(database) == []


def test_a_vacuum_gives_space_back(database: Database) -> None:
    """A file gets smaller by the bytes that are returned; a server keeps its space for itself."""
    study = searched(database, (0.5,) * 40)
    prune_study(database, study, "made", HistoryLimits(1), dry_run=False)
    freed = database.vacuum()
    assert freed is None if not database.is_sqlite else freed is not None
    assert len(read_study(database, "made").trials) == 40
