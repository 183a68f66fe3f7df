"""A study's one job besides its trials, its reference models: claimed like a trial, so that it is done exactly once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.storage import tables
from tuner.storage.claims import CLAIM_SECONDS, is_dead, lock_study
from tuner.storage.database import Database
from tuner.storage.facts import StudyFacts
from tuner.storage.owner import Owner

_j = tables.jobs.c
_ROW = sa.select(tables.jobs).where(_j.study_id == tables.STUDY)
_FACTS = sa.select(tables.studies.c.facts).where(tables.studies.c.study_id == tables.STUDY)
FAILED = "the reference models could not be trained"


@dataclass(frozen=True, slots=True)
class JobClaim:
    """The right to do the job of one study; ``token`` proves it, ``attempt`` counts from 1."""

    study_id: int
    token: str
    attempt: int


def claim_job(database: Database, study_id: int, *, max_attempts: int, owner: Owner) -> tuple[JobClaim | None, bool]:
    """Take the study's job, unless a living process holds it; and whether nothing is left of it to do or wait for."""
    token = uuid.uuid4().hex

    def work(connection: Connection) -> tuple[JobClaim | None, bool]:
        lock_study(connection, study_id)
        job = connection.execute(_ROW, {"study": study_id}).one_or_none()
        if job is None or job.finished is not None:
            return None, True
        if job.token == token:  # claimed by this very call, whose commit was not answered
            return JobClaim(study_id, token, job.attempts), False
        now = database.now(connection)
        if job.token is not None and not is_dead(job.owner, job.expires, now):
            return None, False
        if job.attempts >= max_attempts:
            reason = f"{Owner.from_json(job.owner)} ended in attempt {job.attempts}"
            _finish(connection, study_id, now, _with_notice(connection, study_id, reason), reason)
            return None, True
        held = {"token": token, "owner": owner.to_json(), "expires": now + CLAIM_SECONDS}
        _change(connection, study_id, attempts=job.attempts + 1, **held)
        return JobClaim(study_id, token, job.attempts + 1), False

    # a look without the write lock first: nearly always the job was done long ago
    job = database.read(lambda connection: connection.execute(_ROW, {"study": study_id}).one_or_none())
    if job is None or job.finished is not None:
        return None, True
    return database.write(work, repeatable=True)


def renew_job(database: Database, claim: JobClaim) -> bool:
    """Push the expiry on; False if the claim is no longer ours."""

    def work(connection: Connection) -> bool:
        return _held(connection, claim) and _change(
            connection, claim.study_id, expires=database.now(connection) + CLAIM_SECONDS
        )

    return database.write(work, repeatable=True)


def put_back_job(database: Database, claim: JobClaim) -> bool:
    """Re-queue the job, as if this attempt had not been; False if it was no longer ours."""

    def work(connection: Connection) -> bool:
        return _held(connection, claim) and _change(
            connection, claim.study_id, token=None, attempts=claim.attempt - 1, reason="re-queued"
        )

    return database.write(work, repeatable=True)


def finish_job(database: Database, claim: JobClaim, errors: dict[str, float] | str) -> bool:
    """Write down each reference model's dev error, or why there are none; False if the claim was no longer ours."""

    def work(connection: Connection) -> bool:
        if not _held(connection, claim):
            return False
        reason = errors if isinstance(errors, str) else None
        if isinstance(errors, str):
            facts = _with_notice(connection, claim.study_id, errors)
        else:
            facts = replace(_facts(connection, claim.study_id), references=errors)
        _finish(connection, claim.study_id, database.now(connection), facts, reason)
        return True

    return database.write(work, repeatable=True)


def _held(connection: Connection, claim: JobClaim) -> bool:
    lock_study(connection, claim.study_id)
    job = connection.execute(_ROW, {"study": claim.study_id}).one_or_none()
    return job is not None and job.token == claim.token


def _change(connection: Connection, study_id: int, **values: Any) -> bool:
    connection.execute(tables.jobs.update().where(_j.study_id == study_id).values(**values))
    return True


def _finish(connection: Connection, study_id: int, now: float, facts: StudyFacts, reason: str | None) -> None:
    _change(connection, study_id, token=None, finished=now, reason=reason)
    ours = tables.studies.c.study_id == study_id
    connection.execute(tables.studies.update().where(ours).values(facts=facts.to_json()))


def _facts(connection: Connection, study_id: int) -> StudyFacts:
    return StudyFacts.from_json(connection.execute(_FACTS, {"study": study_id}).scalar_one())


def _with_notice(connection: Connection, study_id: int, reason: str) -> StudyFacts:
    facts = _facts(connection, study_id)
    return replace(facts, notices=[*facts.notices, f"{FAILED}: {reason}"])
