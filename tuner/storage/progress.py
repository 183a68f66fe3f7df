"""How far a study is: a few numbers, read often and cheaply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.storage import tables
from tuner.storage.database import Database


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials by how they ended; the diverged ones are among the complete."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    diverged: int = 0


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
    """Where a study stands; ``budget`` is the study's own."""

    counts: Counts
    running: int
    budget: int
    best: BestTrial | None


def read_progress(database: Database, study_id: int) -> Progress:
    """Count the study's trials and find its best one."""
    with database.reading() as connection:
        states = _states(connection, study_id, None)
        query = sa.select(tables.studies.c.budget).where(tables.studies.c.study_id == study_id)
        return Progress(
            counts=_counts(connection, study_id, None, states),
            running=states.get(TrialState.RUNNING, 0),
            budget=connection.execute(query).scalar_one(),
            best=_best(connection, study_id),
        )


def read_counts(database: Database, study_id: int, call: str) -> Counts:
    """Count the trials that one call of ``search`` ended."""
    with database.reading() as connection:
        return _counts(connection, study_id, call, _states(connection, study_id, call))


def _states(connection: Connection, study_id: int, call: str | None) -> dict[TrialState, int]:
    o = tables.optuna_trials.c
    query = sa.select(o.state, sa.func.count()).where(o.study_id == study_id).group_by(o.state)
    return {row[0]: row[1] for row in connection.execute(_of_call(query, call))}


def _of_call(query: sa.Select[Any], call: str | None) -> sa.Select[Any]:
    if call is None:
        return query
    c = tables.claims.c
    return query.join(tables.claims, c.trial_id == tables.optuna_trials.c.trial_id).where(c.call == call)


def _counts(connection: Connection, study_id: int, call: str | None, states: dict[TrialState, int]) -> Counts:
    o, t = tables.optuna_trials.c, tables.trials.c
    diverged = (
        sa.select(o.state, sa.func.count())
        .join(tables.trials, t.trial_id == o.trial_id)
        .where(o.study_id == study_id, t.stop_reason == "diverged")
        .group_by(o.state)
    )
    found = {row[0]: row[1] for row in connection.execute(_of_call(diverged, call))}
    return Counts(
        complete=states.get(TrialState.COMPLETE, 0),
        pruned=states.get(TrialState.PRUNED, 0),
        failed=states.get(TrialState.FAIL, 0),
        diverged=found.get(TrialState.COMPLETE, 0),
    )


def _best(connection: Connection, study_id: int) -> BestTrial | None:
    o, t, v, n = tables.optuna_trials.c, tables.trials.c, tables.optuna_values.c, tables.networks.c
    row = connection.execute(
        sa.select(o.trial_id, o.number, v.value, t.hyperparameters)
        .join(tables.optuna_values, v.trial_id == o.trial_id)
        .join(tables.trials, t.trial_id == o.trial_id)
        .where(o.study_id == study_id, o.state == TrialState.COMPLETE, t.stop_reason != "diverged")
        .order_by(v.value, o.number)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    sums = (sa.func.sum(n.dev_wrong), sa.func.sum(n.n_dev), sa.func.sum(n.train_wrong), sa.func.sum(n.n_train))
    dev_wrong, n_dev, train_wrong, n_train = connection.execute(
        sa.select(*sums).where(n.trial_id == row.trial_id)
    ).one()
    return BestTrial(
        row.number, row.value, float(dev_wrong) / float(n_dev), float(train_wrong) / float(n_train), row.hyperparameters
    )
