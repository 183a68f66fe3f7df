"""The best trials trained again: planned once, each claimed by one process, and merged with their study."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.storage.conftest import make_study, outcome, take_and_draw
from tuner.storage import (
    Confirmation,
    ConfirmationClaim,
    Database,
    Owner,
    claim_confirmation,
    finish_confirmation,
    merge_database,
    open_database,
    plan_confirmations,
    read_study,
    requeue_confirmation,
    sqlite_url,
    write_outcome,
)


def claim(database: Database, study: int, attempts: int = 3) -> tuple[ConfirmationClaim | None, bool]:
    """The next training, for this process."""
    return claim_confirmation(database, study, max_attempts=attempts, owner=Owner.this_process())


@pytest.fixture
def study(database: Database) -> int:
    """A study with two finished trials, of which the first is to be trained again in two splits."""
    study = make_study(database)
    for value in (0.2, 0.1):
        assert write(database, study, value)
    plan_confirmations(database, study, [0], [0, 1])
    return study


def write(database: Database, study: int, value: float) -> bool:
    """Finish a trial."""
    return write_outcome(database, take_and_draw(database, study), study, outcome(value))


def test_each_training_is_planned_and_claimed_once(database: Database, study: int) -> None:
    """Another plan adds only trials that are new to it; a finished training is kept with its value."""
    plan_confirmations(database, study, [0, 1], [0])
    taken = [claim(database, study)[0] for _ in range(3)]
    assert claim(database, study) == (None, False)
    assert [(one.number, one.repeat, one.split) for one in taken if one] == [(0, 1, 0), (0, 2, 1), (1, 1, 0)]
    for one in taken:
        assert one is not None
        assert finish_confirmation(database, one, 0.25, 1.0)
        assert not finish_confirmation(database, one, 0.5, 1.0)
    assert claim(database, study) == (None, True)
    trials = read_study(database, "made").trials
    assert trials[0].confirmations == [Confirmation(1, 0, 0.25, True), Confirmation(2, 1, 0.25, True)]
    assert trials[1].values == [0.1, 0.25]


def test_a_training_that_keeps_failing_its_workers_is_given_up(database: Database, study: int) -> None:
    """A re-queued one counts no attempt; one whose attempts are used up is finished without a value."""
    first, _ = claim(database, study)
    assert first is not None
    assert requeue_confirmation(database, first)
    again, _ = claim(database, study)
    assert again is not None
    assert (again.key, again.attempt) == (first.key, 1)
    assert not requeue_confirmation(database, first)
    assert finish_confirmation(database, again, None, 1.0, "it diverged")
    assert claim(database, study, attempts=0) == (None, True)
    assert [one.value for one in read_study(database, "made").trials[0].confirmations] == [None, None]


def test_trainings_come_with_a_merged_study(database: Database, study: int, tmp_path: Path) -> None:
    """One that runs elsewhere is open here."""
    running, _ = claim(database, study)
    assert running is not None
    with open_database(sqlite_url(tmp_path / "target.db"), create=True) as target:
        merge_database(database, target)
        (mine,) = (trial for trial in read_study(target, "made").trials if trial.confirmations)
        assert [one.is_finished for one in mine.confirmations] == [False, False]
        again, _ = claim(target, read_study(target, "made").study_id)
        assert again is not None
        assert (again.number, again.repeat) == (0, 1)
