"""Holds: what keeps trials from being claimed, who set it, and what lifts it."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from tests.storage.conftest import make_study, outcome, take, take_and_draw
from tuner.storage import (
    Budget,
    Database,
    HoldKind,
    Owner,
    cancel_study,
    claim_trial,
    fail,
    open_studies,
    pause_study,
    raise_budget,
    read_hold,
    read_progress,
    read_running,
    requeue,
    resume_study,
    set_aside,
    study_lines,
    update_study,
    write_outcome,
)
from tuner.storage.claims import MOST_FAILURES
from tuner.storage.holds import user_and_host, user_name


def is_held(database: Database, study: int, budget: Budget | None = None) -> bool:
    """Whether a claim is refused because of a hold."""
    claim, standing = claim_trial(database, study, budget or Budget("a"), max_attempts=3, owner=Owner.this_process())
    if claim is not None:
        requeue(database, claim)
    return standing.is_held


def test_nothing_is_claimed_of_a_paused_study(database: Database) -> None:
    """Its running trial may be recorded; a second pause changes nothing, and to resume it lifts the first."""
    study = make_study(database)
    running = take_and_draw(database, study)
    pause_study(database, study)
    first = read_hold(database, study)
    pause_study(database, study)
    assert is_held(database, study)
    assert is_held(database, study, Budget("b", 1))
    assert write_outcome(database, running, study, outcome())
    (line,) = study_lines(database)
    assert line.hold == first
    assert (line.hold.kind, line.hold.by, line.set_aside) == (HoldKind.PAUSED, user_and_host(), None)
    assert resume_study(database, study) == first
    assert not is_held(database, study)


def test_a_canceled_study_ends_with_what_is_finished(database: Database) -> None:
    """Its running trials fail, searches that began before get no more, and a raised budget is served again."""
    study = make_study(database)
    assert write_outcome(database, take_and_draw(database, study), study, outcome())
    running = take_and_draw(database, study)
    began = database.read(database.now)
    assert cancel_study(database, study) == 1
    assert not write_outcome(database, running, study, outcome())
    (line,) = study_lines(database)
    assert (line.complete, line.failed, line.running, line.budget) == (1, 1, 0, 1)
    assert str(line.hold) == f"canceled by {user_and_host()}"
    assert open_studies(database) == []
    raise_budget(database, study, 2)
    assert read_hold(database, study) is None
    assert is_held(database, study, Budget("b", 5, began))
    assert not is_held(database, study, Budget("c", 5, database.read(database.now)))
    assert not is_held(database, study)


def test_a_study_that_only_fails_is_set_aside(database: Database) -> None:
    """After so many failures in a row, on all machines together; a finished trial begins the count anew."""
    study = make_study(database, budget=99)
    for n in range(2 * MOST_FAILURES - 1):
        assert not is_held(database, study), n
        if n == MOST_FAILURES - 1:
            assert write_outcome(database, take_and_draw(database, study), study, outcome())
        assert fail(database, take(database, study), f"ValueError: {n}")
    hold = read_hold(database, study)
    assert hold is not None
    assert str(hold) == f"set aside: {MOST_FAILURES} trials in a row failed, the last one with ValueError: {n}"
    assert is_held(database, study)
    set_aside(database, study, None)  # a worker that ran it before
    set_aside(database, study, "no data")
    assert study_lines(database)[0].set_aside == hold.reason
    resume_study(database, study)
    assert fail(database, take(database, study), "ValueError: again")
    assert not is_held(database, study)


def test_one_worker_sets_a_study_aside_for_itself(database: Database) -> None:
    """Others may claim from it; the reason is read until it runs again or somebody resumes it."""
    study = make_study(database)
    set_aside(database, study, "no data")
    assert not is_held(database, study)
    assert study_lines(database)[0].set_aside == "no data"
    set_aside(database, study, None)
    assert read_hold(database, study) is None
    set_aside(database, study, "no data")
    before = open_studies(database)[0].resumed
    resume_study(database, study)
    (after,) = open_studies(database)
    assert (before, after.hold) == (None, None)
    assert after.resumed is not None


def test_a_hold_that_tuner_did_not_write_is_refused_where_the_study_is_served(sqlite: Database) -> None:
    """It keeps no other study from being served, and can be replaced."""
    bad, good = make_study(sqlite), make_study(sqlite, "good")
    late = '{"kind": "paused", "since": 1e300, "by": "ann", "reason": null}'
    alter = sa.text("UPDATE tuner_studies SET hold = :hold WHERE study_id = 1")
    sqlite.write(lambda connection: connection.execute(alter, {"hold": late}))
    assert "is not the JSON of a hold" in str(study_lines(sqlite)[0].set_aside)
    alter = sa.text("UPDATE tuner_studies SET priority = 'x' WHERE study_id = 1")
    sqlite.write(lambda connection: connection.execute(alter))
    assert [(each.study_id, each.priority, each.is_held) for each in open_studies(sqlite)] == [
        (bad, 0, False),
        (good, 0, False),
    ]
    pause_study(sqlite, bad)
    update_study(sqlite, bad, priority=7)
    assert [(each.priority, each.is_held) for each in open_studies(sqlite)] == [(7, True), (0, False)]


def test_who_runs_what_is_read_across_studies(database: Database) -> None:
    """Each trial with its study and the user of its process."""
    for name in ("second", "first"):
        take(database, make_study(database, name))
    owner = Owner.this_process()
    seen = [(trial.study, trial.number, trial.user, trial.pid) for trial in read_running(database)]
    assert seen == [("first", 0, user_name(), owner.pid), ("second", 0, user_name(), owner.pid)]
    assert read_running(database)[0].worker == f"{user_name()}@{owner.host}, process {owner.pid}"
    assert replace(read_running(database)[0], user="").worker == f"{owner.host}, process {owner.pid}"
    assert read_progress(database, 1).running == 1
