"""Train a study's reference models once: claimed by one worker, like a trial."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.storage import tables
from tuner.storage.database import Database
from tuner.storage.facts import StudyFacts
from tuner.storage.leases import Lease, LeasedRows, lock_study, terms, write_held
from tuner.storage.owner import Owner

_JOB = sa.select(tables.jobs).where(tables.jobs.c.study_id == tables.STUDY)
_STUDY = tables.studies.c.study_id == tables.STUDY
_FACTS = sa.select(tables.studies.c.facts).where(_STUDY)
_CHANGE_STUDY = tables.studies.update().where(_STUDY)
FAILED = "the reference models could not be trained"


@dataclass(frozen=True, slots=True)
class JobClaim(Lease):
    """The right to do the job of one study, whose id is the key."""

    rows: ClassVar[LeasedRows] = LeasedRows(tables.jobs.c.study_id)


def claim_job(database: Database, study_id: int, *, max_attempts: int, owner: Owner) -> tuple[JobClaim | None, bool]:
    """Claim the study's job unless a living process has it; returns also whether the job is finished."""
    token = uuid.uuid4().hex

    def work(connection: Connection) -> tuple[JobClaim | None, bool]:
        lock_study(connection, study_id)
        job = connection.execute(_JOB, {"study": study_id}).one_or_none()
        if job is None or job.finished is not None:
            return None, True
        if job.token == token:  # claimed by this very call, whose commit was not answered
            return JobClaim(study_id, token, job.attempts), False
        now = database.now(connection)
        if job.token is not None and JobClaim.rows.death(connection, study_id, job, now) is None:
            return None, False
        if job.attempts >= max_attempts:
            _finish(connection, study_id, now, f"{Owner.from_json(job.owner)} ended in attempt {job.attempts}")
            return None, True
        JobClaim.rows.change(connection, study_id, attempts=job.attempts + 1, **terms(token, owner, now))
        return JobClaim(study_id, token, job.attempts + 1), False

    # read without the write lock first: usually the job is finished
    job = database.read(lambda connection: connection.execute(_JOB, {"study": study_id}).one_or_none())
    if job is None or job.finished is not None:
        return None, True
    return database.write(work, repeatable=True)


def requeue_job(database: Database, claim: JobClaim) -> bool:
    """Re-queue the job without counting this attempt; False if the claim was lost."""
    return write_held(
        database,
        claim,
        lambda connection: claim.rows.end(connection, claim.key, "re-queued", attempts=claim.attempt - 1),
    )


def finish_job(database: Database, claim: JobClaim, errors: dict[str, float] | str, notice: str = "") -> bool:
    """Record each reference model's dev error, or why there are none, and a notice; False if the claim was lost."""
    return write_held(
        database,
        claim,
        lambda connection: _finish(connection, claim.key, database.now(connection), errors, notice),
        study_id=claim.key,
    )


def _finish(
    connection: Connection, study_id: int, now: float, errors: dict[str, float] | str, notice: str = ""
) -> None:
    facts = StudyFacts.from_json(connection.execute(_FACTS, {"study": study_id}).scalar_one())
    reason = errors if isinstance(errors, str) else None
    if isinstance(errors, str):
        facts = replace(facts, notices=[*facts.notices, f"{FAILED}: {errors}"])
    else:
        facts = replace(facts, references=errors, notices=[*facts.notices, *([notice] if notice else [])])
    JobClaim.rows.end(connection, study_id, reason, finished=now)
    connection.execute(_CHANGE_STUDY, {"study": study_id, "facts": facts.to_json()})
