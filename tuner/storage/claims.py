"""Who runs which trial: claims that are exact in number, end with their owner, and are never two on one trial."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.outcomes import FailureCause, StopReason
from tuner.storage import optuna_internals, tables
from tuner.storage.counting import count_states
from tuner.storage.database import Database, new_key
from tuner.storage.leases import Lease, LeasedRows, lock_study, terms, write_held
from tuner.storage.owner import Owner

_o, _c = optuna_internals.trials.c, tables.claims.c
_LIVE_CLAIMS = sa.select(_c.trial_id, _c.owner, _c.expires, _c.attempts).where(
    _c.study_id == tables.STUDY, _c.token.is_not(None)
)
_NEXT_NUMBER = sa.select(sa.func.coalesce(sa.func.max(_o.number), -1) + 1).where(_o.study_id == tables.STUDY)
_FIRST_WAITING = (
    sa.select(_o.trial_id, _o.number)
    .where(_o.study_id == tables.STUDY, _o.state == TrialState.WAITING)
    .order_by(_o.number)
    .limit(1)
)
_ATTEMPTS = sa.select(_c.attempts, _c.checkpoint).where(_c.trial_id == tables.TRIAL)
_CHANGE_TRIAL = optuna_internals.trials.update().where(_o.trial_id == tables.TRIAL)
"""The columns that change are given beside the trial, by their names."""


@dataclass(frozen=True, slots=True)
class Claim(Lease):
    """The right to run one trial, whose id is the key."""

    rows: ClassVar[LeasedRows] = LeasedRows(tables.claims.c.trial_id)
    number: int
    checkpoint: bytes | None

    @property
    def trial_id(self) -> int:
        """The trial's id in the database."""
        return self.key


@dataclass(frozen=True, slots=True)
class Budget:
    """What a claim is checked against: ``call`` names the search that claims.

    ``extra`` None: the study's own budget, complete + pruned + running trials of the study.  Otherwise: so many
    trials of this one call, whatever the study's budget says.
    """

    call: str
    extra: int | None = None


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """How far a study, or a call, is: what counts, what runs, what is allowed in all."""

    counted: int
    running: int
    allowed: int

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is to be done or waited for."""
        return self.counted >= self.allowed


def claim_trial(
    database: Database, study_id: int, budget: Budget, *, max_attempts: int, owner: Owner
) -> tuple[Claim | None, BudgetStatus]:
    """Take the next trial, if the budget has one left: a waiting one first (lowest number), else a new one.

    One transaction: claims whose owner is gone are ended, the budget is checked, the trial is made or taken.
    """
    token, is_again = uuid.uuid4().hex, False

    def work(connection: Connection) -> tuple[Claim | None, BudgetStatus]:
        nonlocal is_again
        before, is_again = is_again, True
        now = database.now(connection)
        allowed = lock_study(connection, study_id)
        taken = _claimed_as(connection, token) if before else None  # by this very call: its commit was not answered
        if taken is not None:
            return taken, _standing(connection, study_id, budget, allowed)
        _end_dead_claims(connection, study_id, now, max_attempts)
        standing = _standing(connection, study_id, budget, allowed)
        if standing.counted + standing.running >= standing.allowed:
            return None, standing
        return _take(connection, study_id, budget.call, token, owner, now), standing

    return database.write(work, repeatable=True)


def _claimed_as(connection: Connection, token: str) -> Claim | None:
    """The claim that has this token, if there is one."""
    t, c = optuna_internals.trials.c, tables.claims.c
    row = connection.execute(
        sa.select(t.trial_id, t.number, c.attempts, c.checkpoint)
        .join(tables.claims, c.trial_id == t.trial_id)
        .where(c.token == token)
    ).one_or_none()
    return None if row is None else Claim(row.trial_id, token, row.attempts, row.number, row.checkpoint)


def _end_dead_claims(connection: Connection, study_id: int, now: float, max_attempts: int) -> None:
    """Let the trials of dead owners wait for somebody else, or fail where they were begun too often."""
    live = connection.execute(_LIVE_CLAIMS, {"study": study_id}).all()
    for claim in live:
        death = Claim.rows.death(connection, claim.trial_id, claim, now)
        if death is None:
            continue
        reason = f"{FailureCause.CRASHED}: {death}"
        if claim.attempts >= max_attempts:
            _fail(connection, claim.trial_id, reason, now)
        else:
            _free_claim(connection, claim.trial_id, reason)


def _standing(connection: Connection, study_id: int, budget: Budget, allowed: int) -> BudgetStatus:
    if budget.extra is None:
        states = count_states(connection, study_id)
        return BudgetStatus(states.finished, states.running, allowed)
    states = count_states(connection, study_id, budget.call)
    return BudgetStatus(states.finished, states.running, budget.extra)


def _take(connection: Connection, study_id: int, call: str, token: str, owner: Owner, now: float) -> Claim:
    held = {"call": call, "claimed": now, **terms(token, owner, now)}
    waiting = connection.execute(_FIRST_WAITING, {"study": study_id}).one_or_none()
    if waiting is None:
        number = next_number(connection, study_id)
        trial_id = insert_trial(connection, study_id, number, TrialState.RUNNING, started=now)
    else:
        trial_id, number = waiting
        set_state(connection, trial_id, TrialState.RUNNING, now)
    before = connection.execute(_ATTEMPTS, {"trial": trial_id}).one_or_none()
    if before is None:
        connection.execute(tables.claims.insert(), {"trial_id": trial_id, "study_id": study_id, "attempts": 1, **held})
        return Claim(trial_id, token, 1, number, None)
    attempt = before.attempts + 1
    Claim.rows.change(connection, trial_id, attempts=attempt, **held)
    return Claim(trial_id, token, attempt, number, before.checkpoint)


def put_back(database: Database, claim: Claim, checkpoint: bytes | None = None) -> bool:
    """Let the trial wait for whoever comes next, as if this attempt had not been; False if it was no longer ours."""
    before = {"attempts": claim.attempt - 1, "checkpoint": checkpoint}
    return write_held(database, claim, lambda connection: _free_claim(connection, claim.trial_id, "put back", **before))


def fail(database: Database, claim: Claim, reason: str) -> bool:
    """The trial failed for good, for this reason; False if it was no longer ours."""
    return write_held(
        database, claim, lambda connection: _fail(connection, claim.trial_id, reason, database.now(connection))
    )


def _free_claim(connection: Connection, trial_id: int, reason: str, **values: Any) -> None:
    """Back to the waiting trials, its parameters and seed kept."""
    Claim.rows.end(connection, trial_id, reason, **values)
    connection.execute(_CHANGE_TRIAL, {"trial": trial_id, "state": TrialState.WAITING, "datetime_start": None})


def _fail(connection: Connection, trial_id: int, reason: str, now: float) -> None:
    Claim.rows.end(connection, trial_id, reason, checkpoint=None)
    set_state(connection, trial_id, TrialState.FAIL, now)
    ours = tables.trials.c.trial_id == trial_id
    connection.execute(tables.trials.update().where(ours).values(stop_reason=StopReason.FAILED))


def next_number(connection: Connection, study_id: int) -> int:
    """The number after a study's last trial."""
    return int(connection.execute(_NEXT_NUMBER, {"study": study_id}).scalar_one())


def insert_trial(
    connection: Connection, study_id: int, number: int, state: TrialState, *, started: float | None = None
) -> int:
    """A new row in Optuna's table of trials; its id."""
    values: dict[str, Any] = {"number": number, "study_id": study_id, "state": state}
    if started is not None:
        values["datetime_start"] = utc(started)
    return new_key(connection.execute(optuna_internals.trials.insert(), values))


def set_state(connection: Connection, trial_id: int, state: TrialState, now: float) -> None:
    """Move a trial to a state, with the time that Optuna's table keeps for it."""
    column = "datetime_start" if state is TrialState.RUNNING else "datetime_complete"
    connection.execute(_CHANGE_TRIAL, {"trial": trial_id, "state": state, column: utc(now)})


def utc(seconds: float) -> datetime.datetime:
    """Naive UTC, as Optuna's tables hold times."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(tzinfo=None)
