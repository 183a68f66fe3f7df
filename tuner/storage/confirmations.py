"""The best trials trained again, after the budget: each training is claimed by one worker, like a trial."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.storage import optuna_internals, tables
from tuner.storage.database import Database
from tuner.storage.leases import Lease, LeasedRows, lock_study, terms, write_held
from tuner.storage.owner import Owner

_o, _t, _k, _s = optuna_internals.trials.c, tables.trials.c, tables.confirmations.c, tables.studies.c
_OPEN = (
    sa.select(tables.confirmations, _o.number, _t.seed, _t.hyperparameters)
    .join(optuna_internals.trials, _o.trial_id == _k.trial_id)
    .join(tables.trials, _t.trial_id == _k.trial_id)
    .where(_k.study_id == tables.STUDY, _k.finished.is_(None))
    .order_by(_k.confirmation_id)
)
_IS_OPEN = sa.select(_k.confirmation_id).where(_k.study_id == tables.STUDY, _k.finished.is_(None)).limit(1)
CONFIRMING = (
    sa.select(_k.confirmation_id).where(_k.study_id == _s.study_id, _k.finished.is_(None)).correlate(tables.studies)
).exists()
"""Whether a study of our table has trainings that are not done."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A trial trained again, from 1 the ``repeat``-th time; its ``value`` is None if that failed or is not done.

    ``split``: 0 for the study's own dev rows or folds, else the number of another one.
    """

    repeat: int
    split: int
    value: float | None
    is_finished: bool


@dataclass(frozen=True, slots=True)
class ConfirmationClaim(Lease):
    """The right to train a trial again, with these hyperparameters; ``seed`` is that of the trial itself."""

    rows: ClassVar[LeasedRows] = LeasedRows(tables.confirmations.c.confirmation_id)
    study_id: int
    number: int
    repeat: int
    split: int
    seed: int
    hyperparameters: dict[str, Any]


def plan_confirmations(database: Database, study_id: int, numbers: Sequence[int], splits: Sequence[int]) -> None:
    """Let each of these trials be trained again once for each of ``splits``, unless it was or is to be already."""

    def work(connection: Connection) -> None:
        lock_study(connection, study_id)
        ids = connection.execute(
            sa.select(_o.trial_id).where(_o.study_id == study_id, _o.number.in_(numbers)).order_by(_o.number)
        )
        there = set(connection.execute(sa.select(_k.trial_id).where(_k.study_id == study_id)).scalars())
        rows = [
            {"study_id": study_id, "trial_id": trial_id, "repeat": repeat, "split": split, "attempts": 0}
            for trial_id in ids.scalars()
            for repeat, split in enumerate(splits, start=1)
            if trial_id not in there
        ]
        if rows:
            connection.execute(tables.confirmations.insert(), rows)

    database.write(work, repeatable=True)


def claim_confirmation(
    database: Database, study_id: int, *, max_attempts: int, owner: Owner
) -> tuple[ConfirmationClaim | None, bool]:
    """Claim a training that no living process has; returns also whether none is left to be done."""
    token = uuid.uuid4().hex

    def work(connection: Connection) -> tuple[ConfirmationClaim | None, bool]:
        lock_study(connection, study_id)
        rows = connection.execute(_OPEN, {"study": study_id}).all()
        now = database.now(connection)
        for row in rows:
            if row.token == token:  # claimed by this very call, whose commit was not answered
                return _claim(row, token, row.attempts), False
        is_done = True
        for row in rows:
            rows_of = ConfirmationClaim.rows
            death = None if row.token is None else rows_of.death(connection, row.confirmation_id, row, now)
            if row.token is not None and death is None:
                is_done = False
            elif row.attempts >= max_attempts:
                rows_of.end(connection, row.confirmation_id, death or row.reason, finished=now)
            else:
                attempt = row.attempts + 1
                rows_of.change(connection, row.confirmation_id, attempts=attempt, **terms(token, owner, now))
                return _claim(row, token, attempt), False
        return None, is_done

    # read without the write lock first: usually there is none
    if database.read(lambda connection: connection.execute(_IS_OPEN, {"study": study_id}).one_or_none()) is None:
        return None, True
    return database.write(work, repeatable=True)


def _claim(row: Any, token: str, attempt: int) -> ConfirmationClaim:
    return ConfirmationClaim(
        row.confirmation_id,
        token,
        attempt,
        study_id=row.study_id,
        number=row.number,
        repeat=row.repeat,
        split=row.split,
        seed=row.seed,
        hyperparameters=json.loads(row.hyperparameters),
    )


def requeue_confirmation(database: Database, claim: ConfirmationClaim) -> bool:
    """Re-queue the training without counting this attempt; False if the claim was lost."""
    return write_held(
        database,
        claim,
        lambda connection: claim.rows.end(connection, claim.key, "re-queued", attempts=claim.attempt - 1),
    )


def finish_confirmation(
    database: Database, claim: ConfirmationClaim, value: float | None, seconds: float, reason: str | None = None
) -> bool:
    """Record a training's value, or for what ``reason`` there is none; False if the claim was lost."""
    return write_held(
        database,
        claim,
        lambda connection: claim.rows.end(
            connection, claim.key, reason, finished=database.now(connection), value=value, seconds=seconds
        ),
        study_id=claim.study_id,
    )


def forget_open_confirmations(connection: Connection, study_id: int) -> None:
    """Give up the trainings of a locked study that are not done, those that run included."""
    connection.execute(tables.confirmations.delete().where(_k.study_id == study_id, _k.finished.is_(None)))


def count_confirmations(connection: Connection, study_id: int) -> tuple[int, int]:
    """How many trainings of a study are done, and how many there are in all."""
    query = sa.select(sa.func.count(_k.finished), sa.func.count()).where(_k.study_id == study_id)
    done, planned = connection.execute(query).one()
    return done, planned


def read_confirmations(connection: Connection, study_id: int) -> dict[int, list[Confirmation]]:
    """The trainings of every trial that was or is to be trained again, by the trial's id."""
    query = sa.select(_k.trial_id, _k.repeat, _k.split, _k.value, _k.finished).where(_k.study_id == study_id)
    by_trial: dict[int, list[Confirmation]] = defaultdict(list)
    for row in connection.execute(query.order_by(_k.trial_id, _k.repeat)):
        by_trial[row.trial_id].append(Confirmation(row.repeat, row.split, row.value, row.finished is not None))
    return by_trial
