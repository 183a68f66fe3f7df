"""The job of a new study: held by one process at a time, and taken over where that one is gone."""

import dataclasses
from typing import Any

import pytest
import sqlalchemy as sa

from tests.storage.conftest import make_study
from tuner.storage import (
    CLAIM_SECONDS,
    Database,
    JobClaim,
    Owner,
    claim_job,
    finish_job,
    get_study,
    renew,
    requeue_job,
    tables,
)

ELSEWHERE = Owner("elsewhere", "another boot", "another name space", 1, "1")
DEAD = dataclasses.replace(Owner.this_process(), started="1")


def take_job(database: Database, study: int, attempts: int = 3) -> tuple[JobClaim | None, bool]:
    """What a worker of this process gets, and whether nothing is left of the job."""
    return claim_job(database, study, max_attempts=attempts, owner=Owner.this_process())


def held(database: Database, study: int) -> JobClaim:
    """A claim that there must be."""
    claim, is_done = take_job(database, study)
    assert claim is not None
    assert not is_done
    return claim


def owned(database: Database, owner: Owner, expires_in: float = CLAIM_SECONDS) -> None:
    """Make the job look as if another process held it."""

    def work(connection: sa.Connection) -> None:
        values = {"owner": owner.to_json(), "expires": database.now(connection) + expires_in}
        connection.execute(tables.jobs.update().values(values))

    database.write(work)


def job(database: Database) -> Any:
    """What is on record of the job."""
    with database.reading() as connection:
        return connection.execute(sa.select(tables.jobs)).one()


@pytest.mark.parametrize(("owner", "expires_in"), [(DEAD, CLAIM_SECONDS), (ELSEWHERE, -1)])
def test_a_dead_owners_job_is_taken_over(database: Database, owner: Owner, expires_in: float) -> None:
    """Its process is gone, or was not heard of: what it still says has no effect."""
    study = make_study(database)
    first = held(database, study)
    owned(database, owner, expires_in)
    second = held(database, study)
    assert (first.attempt, second.attempt) == (1, 2)
    assert not renew(database, first)
    assert not requeue_job(database, first)
    assert not finish_job(database, first, {"majority": 0.1})
    assert finish_job(database, second, {"majority": 0.5})
    assert get_study(database, "made").facts.references == {"majority": 0.5}
    assert take_job(database, study) == (None, True)


def test_a_living_owner_keeps_the_job(database: Database) -> None:
    """Nobody else gets it, and nothing is done yet; a heartbeat pushes the expiry on."""
    study = make_study(database)
    claim = held(database, study)
    owned(database, ELSEWHERE, expires_in=5)
    assert take_job(database, study) == (None, False)
    before = job(database).expires
    assert renew(database, claim)
    assert job(database).expires >= before + CLAIM_SECONDS - 10


def test_a_clock_set_back_keeps_no_job_waiting(database: Database) -> None:
    """A claim that seems to last for hours was made before the clock was set back: it is shortened."""
    study = make_study(database)
    held(database, study)
    owned(database, ELSEWHERE, expires_in=7200)
    assert take_job(database, study) == (None, False)
    expires = job(database).expires
    assert 0 <= database.read(database.now) + CLAIM_SECONDS - expires < CLAIM_SECONDS / 2


def test_a_requeued_job_was_not_begun(database: Database) -> None:
    """The next worker makes the first attempt."""
    study = make_study(database)
    assert requeue_job(database, held(database, study))
    assert (job(database).token, job(database).attempts, job(database).reason) == (None, 0, "re-queued")
    assert held(database, study).attempt == 1


def test_a_job_that_was_begun_too_often_is_given_up(database: Database) -> None:
    """A notice of the study says why it has no reference models."""
    study = make_study(database)
    held(database, study)
    owned(database, DEAD)
    assert take_job(database, study, attempts=1) == (None, True)
    reason = f"process {DEAD.pid} on {DEAD.host} ended in attempt 1"
    assert (job(database).token, job(database).reason) == (None, reason)
    facts = get_study(database, "made").facts
    assert facts.notices == [f"the reference models could not be trained: {reason}"]
    assert facts.references is None
