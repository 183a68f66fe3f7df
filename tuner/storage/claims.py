"""Claims: which worker runs which trial, at most one per trial and never more than the budget."""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.formatting import shorten
from tuner.outcomes import FailureCause, StopReason
from tuner.storage import optuna_internals, tables
from tuner.storage.counting import finished_and_running
from tuner.storage.database import Database, new_key
from tuner.storage.holds import LONGEST_REASON, Hold, HoldKind, user_and_host
from tuner.storage.leases import CLAIM_SECONDS, Lease, LeasedRows, LockedStudy, lock_study, terms, write_held
from tuner.storage.owner import Owner

_o, _c = optuna_internals.trials.c, tables.claims.c
_LIVE_CLAIMS = sa.select(_c.trial_id, _c.owner, _c.expires, _c.attempts).where(
    _c.study_id == tables.STUDY, _c.token.is_not(None)
)
_now: sa.BindParameter[float] = sa.bindparam("now", type_=sa.Double)
_DOUBTFUL_CLAIMS = _LIVE_CLAIMS.where(
    (_c.expires < _now)
    | (_c.expires > _now + CLAIM_SECONDS)
    | sa.type_coerce(_c.owner, sa.Text).like(sa.bindparam("here", type_=sa.Text), escape="/")
)
"""Live claims that may have to be ended or shortened: of the owners elsewhere only those whose time is up.

A study with 1,000 workers has as many live claims, and whoever claims the next trial holds up all others.
"""
_NEXT_NUMBER = sa.select(sa.func.coalesce(sa.func.max(_o.number), -1) + 1).where(_o.study_id == tables.STUDY)
_FIRST_WAITING = (
    sa.select(_o.trial_id, _o.number)
    .where(_o.study_id == tables.STUDY, _o.state == TrialState.WAITING)
    .order_by(_o.number)
    .limit(1)
)
_ATTEMPTS = sa.select(_c.attempts, _c.checkpoint).where(_c.trial_id == tables.TRIAL)
_CHANGE_TRIAL = optuna_internals.trials.update().where(_o.trial_id == tables.TRIAL)
"""The changed columns are passed as parameters."""
_LAST_FINISH = (
    sa.select(_o.datetime_complete)
    .join(tables.trials, tables.trials.c.trial_id == _o.trial_id)
    .where(tables.trials.c.study_id == tables.STUDY, tables.trials.c.finish_order.is_not(None))
    .order_by(tables.trials.c.finish_order.desc())
    .limit(1)
)
_FAILED_SINCE = (
    sa.select(sa.func.count())
    .join_from(optuna_internals.trials, tables.claims, _c.trial_id == _o.trial_id)
    .where(_o.study_id == tables.STUDY, _o.state == TrialState.FAIL, _o.datetime_complete > sa.bindparam("since"))
)
_CHANGE_STUDY = tables.studies.update().where(tables.studies.c.study_id == tables.STUDY)
MOST_FAILURES = 20
"""A study of which so many trials in a row failed, on whatever machines, waits for somebody to resume it."""


@dataclass(frozen=True, slots=True)
class Claim(Lease):
    """The right to run one trial, whose id is the key."""

    rows: ClassVar[LeasedRows] = LeasedRows(tables.claims.c.trial_id)
    study_id: int
    number: int
    checkpoint: bytes | None

    @property
    def trial_id(self) -> int:
        """The trial's id in the database."""
        return self.key


@dataclass(frozen=True, slots=True)
class Budget:
    """The limit for claims of the search ``call``.

    ``extra`` None: the study's budget, for its complete, pruned and running trials.  Otherwise: this many trials of
    this call, whatever the study's budget.  A call that ``began`` (seconds since 1970) before the study was canceled
    gets no more trials.
    """

    call: str
    extra: int | None = None
    began: float = math.inf

    def stopped_by(self, hold: Hold | None) -> bool:
        """Whether nothing is claimed because of a hold on the study."""
        if hold is None or hold.stops_claims:
            return hold is not None
        return hold.kind is HoldKind.CANCELED and hold.since >= self.began


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """Progress of a study or a call: trials counted, running, and allowed in total; ``is_held``: none is claimed.

    ``given_up``: ids of trials that failed just now, since too many of their workers died.
    """

    counted: int
    running: int
    allowed: int
    is_held: bool = False
    given_up: Sequence[int] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the budget is used up."""
        return self.counted >= self.allowed


def claim_trial(
    database: Database, study_id: int, budget: Budget, *, max_attempts: int, owner: Owner
) -> tuple[Claim | None, BudgetStatus]:
    """Claim the next trial if budget and holds allow: a waiting one first (lowest number), else a new one.

    One transaction: it ends dead owners' claims, checks the budget, and claims the trial.
    """
    token, is_again = uuid.uuid4().hex, False

    def work(connection: Connection) -> tuple[Claim | None, BudgetStatus]:
        nonlocal is_again
        before, is_again = is_again, True
        now = database.now(connection)
        study = lock_study(connection, study_id)
        taken = _claimed_as(connection, token) if before else None  # by this very call: its commit was not answered
        if taken is not None:
            return taken, _budget_status(connection, study_id, budget, study)
        given_up = _end_dead_claims(connection, study_id, now, max_attempts)
        standing = replace(_budget_status(connection, study_id, budget, study), given_up=given_up)
        if standing.is_held or standing.counted + standing.running >= standing.allowed:
            return None, standing
        return _take(connection, study_id, budget.call, token, owner, now), standing

    return database.write(work, repeatable=True)


def _claimed_as(connection: Connection, token: str) -> Claim | None:
    t, c = optuna_internals.trials.c, tables.claims.c
    row = connection.execute(
        sa.select(t.trial_id, t.study_id, t.number, c.attempts, c.checkpoint)
        .join(tables.claims, c.trial_id == t.trial_id)
        .where(c.token == token)
    ).one_or_none()
    return None if row is None else Claim(row.trial_id, token, row.attempts, row.study_id, row.number, row.checkpoint)


def _end_dead_claims(connection: Connection, study_id: int, now: float, max_attempts: int) -> list[int]:
    """Re-queue the trials of dead owners, or fail those with too many attempts, and return the ids of these."""
    given_up = []
    doubtful = connection.execute(_DOUBTFUL_CLAIMS, {"study": study_id, "now": now, "here": Owner.here()}).all()
    for claim in doubtful:
        death = Claim.rows.death(connection, claim.trial_id, claim, now)
        if death is None:
            continue
        reason = f"{FailureCause.CRASHED}: {death}"
        if claim.attempts >= max_attempts:
            _fail(connection, study_id, claim.trial_id, reason, now)
            given_up.append(claim.trial_id)
        else:
            _free_claim(connection, claim.trial_id, reason)
    return given_up


def _budget_status(connection: Connection, study_id: int, budget: Budget, study: LockedStudy) -> BudgetStatus:
    is_held = budget.stopped_by(study.hold)
    if budget.extra is None:
        return BudgetStatus(*finished_and_running(connection, study_id), study.budget, is_held)
    return BudgetStatus(*finished_and_running(connection, study_id, budget.call), budget.extra, is_held)


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
        return Claim(trial_id, token, 1, study_id, number, None)
    attempt = before.attempts + 1
    Claim.rows.change(connection, trial_id, attempts=attempt, **held)
    return Claim(trial_id, token, attempt, study_id, number, before.checkpoint)


def requeue(database: Database, claim: Claim, checkpoint: bytes | None = None) -> bool:
    """Re-queue the trial without counting this attempt; False if the claim was lost."""
    before = {"attempts": claim.attempt - 1, "checkpoint": checkpoint}
    return write_held(
        database, claim, lambda connection: _free_claim(connection, claim.trial_id, "re-queued", **before)
    )


def fail(database: Database, claim: Claim, reason: str) -> bool:
    """Mark the trial as failed for this reason; False if the claim was lost."""
    return write_held(
        database,
        claim,
        lambda connection: _fail(connection, claim.study_id, claim.trial_id, reason, database.now(connection)),
        study_id=claim.study_id,
    )


def cancel_running(connection: Connection, study_id: int, by: str, now: float) -> int:
    """End the running trials of a locked study as failed; returns how many there were."""
    running = connection.execute(_LIVE_CLAIMS, {"study": study_id}).all()
    for claim in running:
        end_failed(connection, claim.trial_id, f"{FailureCause.CANCELED} by {by}", now)
    return len(running)


def _free_claim(connection: Connection, trial_id: int, reason: str, **values: Any) -> None:
    """Make the trial wait again, with its parameters and seed."""
    Claim.rows.end(connection, trial_id, reason, **values)
    connection.execute(_CHANGE_TRIAL, {"trial": trial_id, "state": TrialState.WAITING, "datetime_start": None})


def _fail(connection: Connection, study_id: int, trial_id: int, reason: str, now: float) -> None:
    """Fail a trial, and hold the locked study if too many of it failed since one finished or somebody resumed it."""
    end_failed(connection, trial_id, reason, now)
    study = lock_study(connection, study_id)
    last = connection.execute(_LAST_FINISH, {"study": study_id}).scalar_one_or_none()
    since = max(utc(study.resumed or 0.0), last or utc(0.0))
    failures = connection.execute(_FAILED_SINCE, {"study": study_id, "since": since}).scalar_one()
    if failures >= MOST_FAILURES and (study.hold is None or not study.hold.stops_claims):
        what = shorten(f"{failures} trials in a row failed, the last one with {reason}", LONGEST_REASON)
        hold = Hold(HoldKind.FAILING, now, user_and_host(), what)
        connection.execute(_CHANGE_STUDY, {"study": study_id, "hold": hold.to_json()})


def end_failed(connection: Connection, trial_id: int, reason: str, now: float) -> None:
    """Mark a trial as failed for this reason, whoever has its claim."""
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
