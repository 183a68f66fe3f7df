"""Claims: exact in number, ended with their owner, never two on one trial."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.storage.conftest import DISTRIBUTIONS, drawn, make_study, outcome, take, take_and_draw
from tuner.errors import StorageError
from tuner.storage import (
    CLAIM_SECONDS,
    Budget,
    Claim,
    Database,
    Owner,
    claim_trial,
    delete_study,
    fail,
    put_back,
    read_drawn,
    read_study,
    renew,
    tables,
    write_drawn,
    write_outcome,
)

ELSEWHERE = Owner("elsewhere", "another boot", "another name space", 1, "1")
DEAD = dataclasses.replace(Owner.this_process(), started="1")


def owned(database: Database, claim: Claim, owner: Owner, expires_in: float = CLAIM_SECONDS) -> None:
    """Make a claim look as if another process held it."""
    mine = tables.claims.c.trial_id == claim.trial_id

    def work(connection: sa.Connection) -> None:
        values = {"owner": owner.to_json(), "expires": database.now(connection) + expires_in}
        connection.execute(tables.claims.update().where(mine).values(values))

    database.write(work)


def claim_or_none(database: Database, study_id: int, attempts: int = 3) -> Claim | None:
    """What a worker of this process gets."""
    return claim_trial(database, study_id, Budget("b"), max_attempts=attempts, owner=Owner.this_process())[0]


@contextmanager
def unanswered_commits(database: Database) -> Iterator[None]:
    """Every transaction's first commit takes effect, but the connection is lost before the answer is there."""
    lost = False

    def commit(connection: sa.Connection) -> None:
        nonlocal lost
        lost = not lost
        if lost:
            assert connection.connection.dbapi_connection is not None
            connection.connection.dbapi_connection.commit()
            raise OperationalError("COMMIT", {}, Exception("terminating connection due to administrator command"))

    sa.event.listen(database.engine, "commit", commit)
    yield
    sa.event.remove(database.engine, "commit", commit)


def test_a_commit_whose_answer_is_lost_takes_effect_once(database: Database) -> None:
    """A worker's writes are sent again, find themselves done, and a trial is neither taken nor told twice."""
    study = make_study(database, budget=9)
    with unanswered_commits(database):
        claim = take(database, study)
        assert write_drawn(database, claim, study, drawn(), DISTRIBUTIONS)
        assert renew(database, claim)
        write_outcome(database, claim, study, outcome())
        second = take(database, study)
        put_back(database, second)
        third = take(database, study)
        fail(database, third, "crashed")
    assert (claim.number, second.number, third.number, third.attempt) == (0, 1, 1, 1)
    first, failed = read_study(database, "made").trials
    assert (first.state, len(first.networks), first.params) == ("complete", 1, drawn().hyperparameters)
    assert failed.state == "failed"


def test_trials_are_numbered_from_zero_and_end_with_the_budget(database: Database) -> None:
    """Running trials count: nobody starts what would be one too many."""
    study = make_study(database, budget=3)
    assert [take(database, study).number for _ in range(3)] == [0, 1, 2]
    claim, standing = claim_trial(database, study, Budget("b"), max_attempts=3, owner=Owner.this_process())
    assert claim is None
    assert (standing.counted, standing.running, standing.allowed) == (0, 3, 3)
    assert not standing.is_complete


def test_a_finished_trial_counts_and_a_failed_one_does_not(database: Database) -> None:
    """Complete and pruned trials fill the budget; a failed one is replaced under a new number."""
    study = make_study(database, budget=2)
    first, second = take_and_draw(database, study), take_and_draw(database, study)
    assert write_outcome(database, first, study, outcome(pruned=True))
    assert fail(database, second, "out of memory")
    third = take_and_draw(database, study)
    assert third.number == 2
    assert write_outcome(database, third, study, outcome())
    assert claim_or_none(database, study) is None


def test_a_call_adds_exactly_its_own_number(database: Database) -> None:
    """``extra`` counts the trials of one call alone, beyond a full budget too."""
    study = make_study(database, budget=1)
    assert write_outcome(database, take_and_draw(database, study), study, outcome())
    for _ in range(2):
        assert write_outcome(database, take_and_draw(database, study, call="more", extra=2), study, outcome())
    claim, standing = claim_trial(database, study, Budget("more", 2), max_attempts=3, owner=Owner.this_process())
    assert claim is None
    assert standing.is_complete


def test_a_trial_put_back_is_the_next_to_run(database: Database) -> None:
    """The same number with the same parameters and seed; the attempt that was put back does not count."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    take_and_draw(database, study)
    assert put_back(database, claim, b"checkpoint")
    again = take(database, study)
    assert (again.number, again.attempt, again.checkpoint) == (0, 1, b"checkpoint")
    assert again.token != claim.token
    assert read_drawn(database, again.trial_id, DISTRIBUTIONS) == (drawn(0), {})


def test_a_dead_process_of_this_machine_is_noticed_at_once(database: Database) -> None:
    """No expiry is waited for; the attempts are counted and the reason is kept."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    owned(database, claim, DEAD)
    again = take(database, study)
    assert (again.number, again.attempt) == (0, 2)
    reason = read_study(database, "made").trials[0].reason
    assert reason is not None
    assert "crashed" in reason
    assert f"process {DEAD.pid}" in reason


def test_a_process_elsewhere_is_trusted_until_its_claim_expires(database: Database) -> None:
    """Another machine's process may live though it is not seen here."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    owned(database, claim, ELSEWHERE)
    assert take(database, study).number == 1
    owned(database, claim, ELSEWHERE, expires_in=-1)
    assert take(database, study).number == 0


def test_a_living_process_of_this_machine_is_trusted_until_its_claim_expires(database: Database) -> None:
    """A process that was stopped for longer than the expiry loses its trial."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    assert take(database, study).number == 1
    owned(database, claim, Owner.this_process(), expires_in=-1)
    assert take(database, study).number == 0


def test_a_heartbeat_pushes_the_expiry_on(database: Database) -> None:
    """A renewed claim is good for another minute."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    owned(database, claim, ELSEWHERE, expires_in=-1)
    assert renew(database, claim)
    assert take(database, study).number == 1


def test_whoever_lost_a_claim_changes_nothing(database: Database) -> None:
    """Neither heartbeat, draw, result, failure nor putting back of the old owner touches the new one's trial."""
    study = make_study(database)
    lost = take_and_draw(database, study)
    owned(database, lost, DEAD)
    now = take(database, study)
    assert not renew(database, lost)
    assert not write_drawn(database, lost, study, drawn(5), DISTRIBUTIONS)
    assert not write_outcome(database, lost, study, outcome(0.9))
    assert not fail(database, lost, "late")
    assert not put_back(database, lost)
    assert write_outcome(database, now, study, outcome(0.1))
    assert not write_outcome(database, lost, study, outcome(0.9))
    record = read_study(database, "made").trials[0]
    assert (record.state, record.value, len(record.networks)) == ("complete", 0.1, 1)


def test_a_trial_begun_too_often_fails_with_its_reason(database: Database) -> None:
    """After ``max_attempts`` crashes the trial is told as failed, and a new number takes its place."""
    study = make_study(database, budget=1)
    for attempt in (1, 2):
        claim = take(database, study, attempts=2)
        assert (claim.number, claim.attempt) == (0, attempt)
        owned(database, claim, DEAD)
    assert take(database, study, attempts=2).number == 1
    record = read_study(database, "made").trials[0]
    assert (record.state, record.stop_reason, record.attempts) == ("failed", None, 2)
    assert record.reason is not None
    assert "attempt 2" in record.reason


def test_a_clock_put_back_keeps_nobody_waiting(database: Database) -> None:
    """A claim that seems to last for hours was made before the clock was put back: it gets one expiry's time."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    owned(database, claim, ELSEWHERE, expires_in=7200)
    assert take(database, study).number == 1
    query = sa.select(tables.claims.c.expires).where(tables.claims.c.trial_id == claim.trial_id)
    with database.reading() as connection:
        expires = connection.execute(query).scalar_one()
        assert expires <= database.now(connection) + CLAIM_SECONDS


def test_a_process_started_later_with_the_same_number_is_another() -> None:
    """Process numbers are used again; the start time tells the two apart."""
    here = Owner.this_process()
    assert not here.is_gone()
    assert dataclasses.replace(here, started="1").is_gone()
    assert not dataclasses.replace(here, boot="another", started="1").is_gone()
    assert Owner.from_json(here.to_json()) == here


def test_a_deleted_study_is_a_clear_line(database: Database) -> None:
    """A worker whose study was deleted learns so."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    delete_study(database, "made")
    assert not renew(database, claim)
    with pytest.raises(StorageError, match="deleted"):
        write_outcome(database, claim, study, outcome())
    with pytest.raises(StorageError, match="deleted"):
        take(database, study)


def test_a_claim_lasts_as_long_as_it_says(sqlite: Database) -> None:
    """Four heartbeats fit into an expiry."""
    study = make_study(sqlite)
    claim = take(sqlite, study)
    with sqlite.reading() as connection:
        expires = connection.execute(sa.select(tables.claims.c.expires)).scalar_one()
    assert time.time() < expires <= time.time() + CLAIM_SECONDS
    assert claim.attempt == 1
