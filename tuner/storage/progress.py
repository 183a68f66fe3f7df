"""A study's progress in a few numbers, cheap to read often."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner import outcomes
from tuner.outcomes import StopReason
from tuner.storage import optuna_internals, tables
from tuner.storage.checked import optional
from tuner.storage.confirmations import count_confirmations
from tuner.storage.counting import (
    JUDGED,
    RECORDED,
    STATES,
    Counts,
    StateCounts,
    count_ended,
    count_states,
    read_study_counts,
)
from tuner.storage.database import Database
from tuner.storage.facts import StudyFacts
from tuner.storage.holds import Hold
from tuner.storage.owner import Owner
from tuner.storage.unclaimed import UnclaimedTrial, read_unclaimed
from tuner.units import SHARE, Unit

RECENT = 20
"""Finished trials that the speed is based on."""
_o, _t, _n = optuna_internals.trials.c, tables.trials.c, tables.networks.c
_ERRORS = (
    sa.select(
        _t.finish_order,
        sa.func.max(sa.case((JUDGED, 1), else_=0)).label("is_judged"),
        sa.func.sum(_n.dev_wrong).label("wrong"),
        sa.func.sum(_n.n_dev).label("of"),
    )
    .join_from(tables.trials, optuna_internals.trials, _o.trial_id == _t.trial_id)
    .outerjoin(tables.networks, _n.trial_id == _t.trial_id)
    .where(_t.study_id == tables.STUDY, _t.finish_order > sa.bindparam("last"))
    .group_by(_t.finish_order)
    .order_by(_t.finish_order)
)
_ENDS = (
    sa.select(_o.datetime_complete)
    .join(tables.trials, _t.trial_id == _o.trial_id)
    .where(_t.study_id == tables.STUDY, _t.finish_order.is_not(None))
    .order_by(_t.finish_order.desc())
    .limit(RECENT)
)


@dataclass(frozen=True, slots=True)
class BestTrial:
    """The complete trial with the lowest value so far, its networks' errors pooled."""

    number: int
    value: float
    dev_error: float
    train_error: float
    hyperparameters: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A study's progress; ``budget`` is the study's own.  ``unclaimed``: trials that another program runs.

    ``confirmations_done`` of ``confirmations`` trainings are done, in which the best trials are trained again.
    """

    counts: Counts
    running: int
    budget: int
    best: BestTrial | None
    unit: Unit = SHARE
    unclaimed: tuple[UnclaimedTrial, ...] = ()
    confirmations_done: int = 0
    confirmations: int = 0

    @property
    def is_confirming(self) -> bool:
        """Whether some of these trainings are to be done."""
        return self.confirmations_done < self.confirmations


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A running trial: its worker, its seconds so far, its attempt, its worker's user, and its study."""

    number: int
    host: str
    pid: int
    seconds: float
    attempt: int
    user: str = ""
    study: str = ""

    @property
    def worker(self) -> str:
        """Whose process runs it, and where."""
        return f"{f'{self.user}@' if self.user else ''}{self.host}, process {self.pid}"


@dataclass(frozen=True, slots=True)
class StudyLook:
    """A study as it is now.

    ``errors``: dev errors of the complete trials that did not diverge, in the order they finished.  ``ends``: when the
    latest trials finished, the first of them first.
    """

    name: str
    storage: str
    progress: Progress
    running: Sequence[RunningTrial]
    errors: Sequence[float]
    ends: Sequence[datetime.datetime]
    hold: Hold | None = None
    error_name: str = "error"


def read_running(database: Database, study_id: int | None = None) -> list[RunningTrial]:
    """The running trials of a study, or of all studies, by study and number; expired claims do not count."""
    c, names = tables.claims.c, optuna_internals.studies.c
    query = (
        sa.select(names.study_name, _o.number, c.owner, c.claimed, c.attempts)
        .join(tables.claims, c.trial_id == _o.trial_id)
        .join(optuna_internals.studies, names.study_id == c.study_id)
        .where(c.token.is_not(None))
        .order_by(names.study_name, _o.number)
    )
    if study_id is not None:
        query = query.where(c.study_id == study_id)
    with database.reading() as connection:
        now = database.now(connection)
        rows = connection.execute(query.where(c.expires >= now)).all()
    owned = [(row, Owner.from_json(row.owner)) for row in rows]
    return [
        RunningTrial(
            number=row.number,
            host=owner.host,
            pid=owner.pid,
            seconds=now - row.claimed,
            attempt=row.attempts,
            user=owner.user,
            study=row.study_name,
        )
        for row, owner in owned
        if not owner.is_gone()
    ]


@dataclass(frozen=True, slots=True)
class EndedTrial:
    """A trial that ended.

    ``state``: complete, pruned or failed, which ``reason`` explains.  ``value``: the metric that trials are compared
    by, lower is better.  The errors are shares, or RMSE, over all networks of the trial.
    """

    number: int
    state: outcomes.TrialState
    stop_reason: StopReason | None
    value: float | None
    epochs: int | None
    seconds: float | None
    params: dict[str, Any]
    reason: str | None = None
    train_error: float | None = None
    dev_error: float | None = None


class EndedTrials:
    """The trials of a study that ended since the last call."""

    def __init__(self, database: Database, study_id: int) -> None:
        self._database = database
        self._study_id = study_id
        self._last = 0
        self._failed: set[int] = set()
        self._unit = read_unit(database, study_id)
        self.new()

    def new(self) -> list[EndedTrial]:
        """Trials not yet returned, in the order they ended; failed ones last."""
        finished, ended = self._database.read(
            lambda connection: (self._finished(connection), _failed(connection, self._study_id))
        )
        failed = [row for row in ended if row.number not in self._failed]
        self._failed |= {row.number for row in failed}
        if finished:
            self._last = finished[-1].finish_order
        return [_ended(row, STATES[row.state], self._unit) for row in finished] + [
            _ended(row, outcomes.TrialState.FAILED, self._unit, row.reason) for row in failed
        ]

    def _finished(self, connection: Connection) -> Any:
        o, t, v = optuna_internals.trials.c, tables.trials.c, optuna_internals.values.c
        return connection.execute(
            sa.select(o.number, o.state, v.value, tables.trials, *_sums(t.trial_id))
            .join(tables.trials, t.trial_id == o.trial_id)
            .outerjoin(optuna_internals.values, v.trial_id == o.trial_id)
            .where(t.study_id == self._study_id, t.finish_order > self._last)
            .order_by(t.finish_order)
        ).all()


def _failed(connection: Connection, study_id: int, call: str | None = None) -> Sequence[Any]:
    """Failed trials; all are read, as they are few and have no finish order."""
    o, t, c = optuna_internals.trials.c, tables.trials.c, tables.claims.c
    query = (
        sa.select(o.number, sa.null().label("value"), c.reason, *map(optional, t), *_sums(o.trial_id))
        .select_from(optuna_internals.trials)
        .outerjoin(tables.trials, t.trial_id == o.trial_id)
        .outerjoin(tables.claims, c.trial_id == o.trial_id)
        .where(o.study_id == study_id, o.state == TrialState.FAIL, RECORDED)
        .order_by(o.number)
    )
    return connection.execute(query if call is None else query.where(c.call == call)).all()


def read_ended(database: Database, trial_id: int) -> EndedTrial:
    """A trial that ended.  Raises StorageError."""
    o, t, c, v = optuna_internals.trials.c, tables.trials.c, tables.claims.c, optuna_internals.values.c
    query = (
        sa.select(o.number, o.state, c.reason, optional(v.value), *map(optional, t), *_sums(o.trial_id))
        .select_from(optuna_internals.trials)
        .outerjoin(tables.trials, t.trial_id == o.trial_id)
        .outerjoin(tables.claims, c.trial_id == o.trial_id)
        .outerjoin(optuna_internals.values, v.trial_id == o.trial_id)
        .where(o.trial_id == trial_id)
    )
    row = database.read(lambda connection: connection.execute(query).one())
    return _ended(row, STATES[row.state], read_unit(database, row.study_id), row.reason)


def read_failures(database: Database, study_id: int, call: str | None = None) -> dict[int, str | None]:
    """Why trials of a study, or of a call of ``search``, failed, by their numbers."""
    rows = database.read(lambda connection: _failed(connection, study_id, call))
    return {row.number: row.reason for row in rows}


def read_unit(database: Database, study_id: int) -> Unit:
    """The unit of a study's errors."""
    return database.read(lambda connection: _unit_of(connection, study_id))


def _unit_of(connection: Connection, study_id: int | None) -> Unit:
    query = sa.select(tables.studies.c.facts).where(tables.studies.c.study_id == study_id)
    facts = connection.execute(query).scalar_one_or_none()
    return SHARE if facts is None else StudyFacts.from_json(facts).unit


def _ended(row: Any, state: outcomes.TrialState, unit: Unit, reason: str | None = None) -> EndedTrial:
    return EndedTrial(
        number=row.number,
        state=state,
        stop_reason=row.stop_reason,
        value=row.value,
        epochs=row.epochs,
        seconds=row.seconds,
        params=json.loads(row.hyperparameters) if row.hyperparameters else {},
        reason=reason,
        train_error=unit.error(row.train_wrong / row.n_train) if row.n_train else None,
        dev_error=unit.error(row.dev_wrong / row.n_dev) if row.n_dev else None,
    )


def _sums(trial_id: Any) -> list[Any]:
    """The wrong and all examples of a trial's networks together."""
    n = tables.networks.c
    return [
        sa.select(sa.func.sum(n[name], type_=sa.Double)).where(n.trial_id == trial_id).scalar_subquery().label(name)
        for name in ("train_wrong", "n_train", "dev_wrong", "n_dev")
    ]


def read_progress(database: Database, study_id: int) -> Progress:
    """Count the study's trials and find its best one."""

    def work(connection: Connection) -> Progress:
        row = read_study_counts(connection, study_id)
        query = sa.select(tables.studies.c.budget).where(tables.studies.c.study_id == study_id)
        unit = _unit_of(connection, study_id)
        counts = StateCounts.of(row).ended(row.diverged)
        done, confirmations = count_confirmations(connection, study_id)
        return Progress(
            counts=counts,
            running=row.running,
            budget=connection.execute(query).scalar_one(),
            best=None if row.best_trial_id is None else _best(connection, row.best_trial_id, unit),
            unit=unit,
            unclaimed=read_unclaimed(connection, study_id) if counts.unrecorded else (),
            confirmations_done=done,
            confirmations=confirmations,
        )

    return database.read(work)


def read_state_counts(database: Database, study_id: int) -> tuple[StateCounts, tuple[UnclaimedTrial, ...]]:
    """Count the study's trials in each state, and find those that another program runs."""
    with database.reading() as connection:
        counts = count_states(connection, study_id)
        return counts, read_unclaimed(connection, study_id) if counts.unrecorded else ()


def read_errors(database: Database, study_id: int, after: int = 0) -> tuple[int, list[float]]:
    """The dev errors of the complete trials that did not diverge, in the order they finished, after that place in it.

    Returns also the place of the last trial to finish.
    """
    with database.reading() as connection:
        unit = _unit_of(connection, study_id)
        rows = connection.execute(_ERRORS, {"study": study_id, "last": after}).all()
    errors = [float(unit.error(float(row.wrong) / float(row.of))) for row in rows if row.is_judged and row.of]
    return (rows[-1].finish_order if rows else after), errors


def read_last_ends(database: Database, study_id: int) -> list[datetime.datetime]:
    """When the latest trials finished, the first of them first."""
    with database.reading() as connection:
        ends = connection.execute(_ENDS, {"study": study_id}).scalars().all()
    return sorted(end for end in ends if end is not None)


def read_counts(database: Database, study_id: int, call: str) -> Counts:
    """Count the trials that one call of ``search`` ended."""
    return database.read(lambda connection: count_ended(connection, study_id, call))


def _best(connection: Connection, trial_id: int, unit: Unit) -> BestTrial | None:
    o, t, v, n = optuna_internals.trials.c, tables.trials.c, optuna_internals.values.c, tables.networks.c
    row = connection.execute(
        sa.select(o.number, v.value, t.hyperparameters)
        .join(optuna_internals.values, v.trial_id == o.trial_id)
        .join(tables.trials, t.trial_id == o.trial_id)
        .where(o.trial_id == trial_id)
    ).one_or_none()
    if row is None:
        return None
    sums = (sa.func.sum(n.dev_wrong), sa.func.sum(n.n_dev), sa.func.sum(n.train_wrong), sa.func.sum(n.n_train))
    dev_wrong, n_dev, train_wrong, n_train = connection.execute(sa.select(*sums).where(n.trial_id == trial_id)).one()
    dev, train = (unit.error(float(of) / float(n)) for of, n in ((dev_wrong, n_dev), (train_wrong, n_train)))
    return BestTrial(row.number, row.value, dev, train, row.hyperparameters)
