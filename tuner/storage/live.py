"""What a server shows of a database again and again: who works on it, and whether a study's report has changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from tuner.storage import optuna_internals, tables
from tuner.storage.counting import read_study_counts
from tuner.storage.database import Database
from tuner.storage.owner import Owner

_o, _c, _s = optuna_internals.trials.c, tables.claims.c, tables.studies.c
_CLAIMS = (
    sa.select(optuna_internals.studies.c.study_name, _o.number, _c.owner, _c.claimed, _c.expires, _c.attempts)
    .join(optuna_internals.trials, _o.trial_id == _c.trial_id)
    .join(optuna_internals.studies, optuna_internals.studies.c.study_id == _c.study_id)
    .where(_c.token.is_not(None))
    .order_by(optuna_internals.studies.c.study_name, _o.number)
)
_WRITTEN = sa.select(
    _s.definition,
    _s.budget,
    sa.select(tables.jobs.c.finished).where(tables.jobs.c.study_id == tables.STUDY).scalar_subquery(),
    sa.select(sa.func.count())
    .select_from(tables.test_evaluations)
    .where(tables.test_evaluations.c.study_id == tables.STUDY)
    .scalar_subquery(),
    sa.select(sa.func.count())
    .select_from(tables.learning)
    .join(optuna_internals.trials, _o.trial_id == tables.learning.c.trial_id)
    .where(_o.study_id == tables.STUDY)
    .scalar_subquery(),
).where(_s.study_id == tables.STUDY)


@dataclass(frozen=True, slots=True)
class LiveClaim:
    """A trial that a worker runs: since how many ``seconds``, and for how many more its lease lasts unless renewed."""

    study: str
    trial: int
    host: str
    pid: int
    seconds: float
    attempt: int
    lease_seconds: float


def read_live_claims(database: Database) -> list[LiveClaim]:
    """Who runs what, of every study; without those that are gone for certain."""
    with database.reading() as connection:
        now = database.now(connection)
        rows = connection.execute(_CLAIMS).all()
    owners = [Owner.from_json(row.owner) for row in rows]
    return [
        LiveClaim(row.study_name, row.number, owner.host, owner.pid, now - row.claimed, row.attempts, row.expires - now)
        for row, owner in zip(rows, owners, strict=True)
        if not owner.is_gone()
    ]


def read_version(database: Database, study_id: int) -> str:
    """What differs as soon as a report of the study would: made of counts, so that no trial is read for it."""
    with database.reading() as connection:
        counts = read_study_counts(connection, study_id)
        written = connection.execute(_WRITTEN, {"study": study_id}).one()
    return hashlib.sha256(repr((tuple(counts), tuple(written))).encode(errors="surrogatepass")).hexdigest()[:16]
