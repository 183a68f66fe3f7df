"""Who runs which trial: claims that are exact in number, end with their owner, and are never two on one trial."""

from __future__ import annotations

import datetime
import os
import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.errors import StorageError
from tuner.outcomes import FailureCause, StopReason
from tuner.storage import optuna_internals, tables
from tuner.storage.database import Database, new_key
from tuner.storage.owner import Owner

CLAIM_SECONDS = float(os.environ.get("TUNER_CLAIM_SECONDS", "60"))
"""How long a claim lasts without a heartbeat; the variable is for tests, which cannot wait a minute."""
HEARTBEAT_SECONDS = CLAIM_SECONDS / 4

_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)

_o, _c = optuna_internals.trials.c, tables.claims.c
_BUDGET = sa.select(tables.studies.c.budget).where(tables.studies.c.study_id == tables.STUDY).with_for_update()
_LIVE_CLAIMS = sa.select(_c.trial_id, _c.owner, _c.expires, _c.attempts).where(
    _c.study_id == tables.STUDY, _c.token.is_not(None)
)
_STATES = sa.select(_o.state, sa.func.count()).where(_o.study_id == tables.STUDY).group_by(_o.state)
_STATES_OF_A_CALL = _STATES.join(tables.claims, _c.trial_id == _o.trial_id).where(_c.call == sa.bindparam("of_call"))
_NEXT_NUMBER = sa.select(sa.func.coalesce(sa.func.max(_o.number), -1) + 1).where(_o.study_id == tables.STUDY)
_FIRST_WAITING = (
    sa.select(_o.trial_id, _o.number)
    .where(_o.study_id == tables.STUDY, _o.state == TrialState.WAITING)
    .order_by(_o.number)
    .limit(1)
)
_ATTEMPTS = sa.select(_c.attempts, _c.checkpoint).where(_c.trial_id == tables.TRIAL)
_TOKEN = sa.select(_c.token).where(_c.trial_id == tables.TRIAL).with_for_update()
_CHANGE_CLAIM = tables.claims.update().where(_c.trial_id == tables.TRIAL)
_CHANGE_TRIAL = optuna_internals.trials.update().where(_o.trial_id == tables.TRIAL)
"""The columns that change are given beside the trial, by their names."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one trial; ``token`` proves it, ``attempt`` counts from 1."""

    trial_id: int
    number: int
    token: str
    attempt: int
    checkpoint: bytes | None


def is_dead(owner: str, expires: float, now: float) -> bool:
    """Whether a claim has ended although nobody ended it: its time is up, or its owner's process is gone."""
    return expires < now or Owner.from_json(owner).is_gone()


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
    return None if row is None else Claim(row.trial_id, row.number, token, row.attempts, row.checkpoint)


def lock_study(connection: Connection, study_id: int) -> int:
    """The study's budget, its row held until the transaction ends (SQLite: the whole file already is).

    Whoever changes a study's trials takes this lock first, so that no two wait for each other's.
    """
    budget = connection.execute(_BUDGET, {"study": study_id}).scalar_one_or_none()
    if budget is None:
        raise StorageError("the study was deleted while it was searched")
    return int(budget)


def _end_dead_claims(connection: Connection, study_id: int, now: float, max_attempts: int) -> None:
    """Let the trials of dead owners wait for somebody else, or fail where they were begun too often."""
    live = connection.execute(_LIVE_CLAIMS, {"study": study_id}).all()
    for trial_id, owner_json, expires, attempts in live:
        owner = Owner.from_json(owner_json)
        is_gone = owner.is_gone()
        if expires >= now and not is_gone:
            if expires > now + CLAIM_SECONDS:  # the clock was put back since: the owner has one more expiry's time
                connection.execute(_CHANGE_CLAIM, {"trial": trial_id, "expires": now + CLAIM_SECONDS})
            continue
        reason = f"{FailureCause.CRASHED}: {owner} {'ended' if is_gone else 'was not heard of'} in attempt {attempts}"
        if attempts >= max_attempts:
            end_claim(connection, trial_id, reason)
            set_state(connection, trial_id, TrialState.FAIL, now)
            _set_stop_reason(connection, trial_id, StopReason.FAILED)
        else:
            _free_claim(connection, trial_id, reason)


def _standing(connection: Connection, study_id: int, budget: Budget, allowed: int) -> BudgetStatus:
    if budget.extra is None:
        rows = connection.execute(_STATES, {"study": study_id})
    else:
        rows = connection.execute(_STATES_OF_A_CALL, {"study": study_id, "of_call": budget.call})
    counts = {row[0]: row[1] for row in rows}
    counted = sum(counts.get(state, 0) for state in _COUNTED)
    return BudgetStatus(counted, counts.get(TrialState.RUNNING, 0), allowed if budget.extra is None else budget.extra)


def count_finished(connection: Connection, study_id: int) -> int:
    """Complete and pruned trials of a study."""
    t = optuna_internals.trials.c
    query = sa.select(sa.func.count()).where(t.study_id == study_id, t.state.in_(_COUNTED))
    return int(connection.execute(query).scalar_one())


def _take(connection: Connection, study_id: int, call: str, token: str, owner: Owner, now: float) -> Claim:
    held = {"token": token, "call": call, "owner": owner.to_json(), "claimed": now, "expires": now + CLAIM_SECONDS}
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
        return Claim(trial_id, number, token, 1, None)
    attempt = before.attempts + 1
    connection.execute(_CHANGE_CLAIM, {"trial": trial_id, "attempts": attempt, **held})
    return Claim(trial_id, number, token, attempt, before.checkpoint)


def renew(database: Database, claim: Claim) -> bool:
    """Push the expiry on; False if the claim is no longer ours (its trial was taken over)."""

    def work(connection: Connection) -> bool:
        c = tables.claims.c
        expires = database.now(connection) + CLAIM_SECONDS
        mine = (c.trial_id == claim.trial_id) & (c.token == claim.token)
        return connection.execute(tables.claims.update().where(mine).values(expires=expires)).rowcount == 1

    return database.write(work, repeatable=True)


def put_back(database: Database, claim: Claim, checkpoint: bytes | None = None) -> bool:
    """Let the trial wait for whoever comes next, as if this attempt had not been; False if it was no longer ours."""

    def work(connection: Connection) -> bool:
        if not is_held(connection, claim):
            return False
        c = tables.claims.c
        connection.execute(
            tables.claims.update()
            .where(c.trial_id == claim.trial_id)
            .values(attempts=c.attempts - 1, checkpoint=checkpoint)
        )
        _free_claim(connection, claim.trial_id, "put back")
        return True

    return database.write(work, repeatable=True)


def fail(database: Database, claim: Claim, reason: str) -> bool:
    """The trial failed for good, for this reason; False if it was no longer ours."""

    def work(connection: Connection) -> bool:
        if not is_held(connection, claim):
            return False
        end_claim(connection, claim.trial_id, reason)
        set_state(connection, claim.trial_id, TrialState.FAIL, database.now(connection))
        _set_stop_reason(connection, claim.trial_id, StopReason.FAILED)
        return True

    return database.write(work, repeatable=True)


def is_held(connection: Connection, claim: Claim) -> bool:
    """Whether the claim is still ours; on a server its row is locked until the transaction ends."""
    return bool(connection.execute(_TOKEN, {"trial": claim.trial_id}).scalar_one_or_none() == claim.token)


def end_claim(connection: Connection, trial_id: int, reason: str | None) -> None:
    """No one runs this trial any more, nor will."""
    connection.execute(_CHANGE_CLAIM, {"trial": trial_id, "token": None, "reason": reason, "checkpoint": None})


def _free_claim(connection: Connection, trial_id: int, reason: str) -> None:
    """Back to the waiting trials, its parameters and seed kept."""
    connection.execute(_CHANGE_CLAIM, {"trial": trial_id, "token": None, "reason": reason})
    connection.execute(_CHANGE_TRIAL, {"trial": trial_id, "state": TrialState.WAITING, "datetime_start": None})


def _set_stop_reason(connection: Connection, trial_id: int, reason: StopReason) -> None:
    connection.execute(tables.trials.update().where(tables.trials.c.trial_id == trial_id).values(stop_reason=reason))


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
