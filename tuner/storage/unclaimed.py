"""Trials that another program, such as plain Optuna, runs in a study of ours: they have no claim that could expire.

Plain Optuna notes when a trial began, by the clock and in the time zone of its machine.  A trial for which it keeps a
heartbeat is left to it: its own programs see that such a trial is dead.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.formatting import rough_duration, some_of
from tuner.storage import optuna_internals, tables
from tuner.storage.checked import BadValueError
from tuner.storage.claims import end_failed
from tuner.storage.database import Database
from tuner.storage.history import ParamReader
from tuner.storage.leases import lock_study
from tuner.storage.records import insert_waiting

TAKE_OVER_SECONDS = 86_400.0
"""How long another program may run a trial of a study that has no ``trial_timeout``."""

_o, _c, _p = optuna_internals.trials.c, tables.claims.c, optuna_internals.params.c
_h = optuna_internals.heartbeats.c
_UNCLAIMED = (
    sa.select(_o.trial_id, _o.number, _o.datetime_start)
    .where(
        _o.study_id == tables.STUDY,
        _o.state == TrialState.RUNNING,
        ~sa.exists().where(_c.trial_id == _o.trial_id, _c.token.is_not(None)),
    )
    .order_by(_o.number)
)
_SILENT = _UNCLAIMED.where(
    _o.datetime_start < sa.bindparam("before", type_=sa.DateTime),
    ~sa.exists().where(_h.trial_id == _o.trial_id),
)
_PARAMS = sa.select(_p.param_name, _p.param_value, _p.distribution_json).where(_p.trial_id == tables.TRIAL)


@dataclass(frozen=True, slots=True)
class UnclaimedTrial:
    """A trial that another program runs, for so many seconds by this machine's clock; None where it noted no start."""

    number: int
    seconds: float | None

    def __str__(self) -> str:
        return f"trial {self.number}" + ("" if self.seconds is None else f" for {rough_duration(self.seconds)}")


def unclaimed_text(trials: Sequence[UnclaimedTrial]) -> str:
    """Which trials another program runs, for how long, and what becomes of them."""
    which = some_of([str(trial) for trial in trials])
    return f"run by another program: {which}; a worker takes over after the study's trial_timeout, or else a day"


def read_unclaimed(connection: Connection, study_id: int) -> tuple[UnclaimedTrial, ...]:
    """What other programs run of a study, by number."""
    rows = connection.execute(_UNCLAIMED, {"study": study_id}).all()
    return tuple(UnclaimedTrial(row.number, _age(row.datetime_start)) for row in rows)


def take_over_unclaimed(
    database: Database, study_id: int, distributions: Mapping[str, BaseDistribution], after: float
) -> list[int]:
    """End the trials that another program has run for more than ``after`` seconds, and let each wait to be run again.

    The new trial has those of its parameters that the study searches.  If the program still lives, Optuna tells it that
    the trial has ended, as it does of one whose heartbeat stopped.  Returns the ids of the ended trials.
    """

    def silent(connection: Connection) -> list[Any]:
        before = datetime.datetime.now() - datetime.timedelta(seconds=after)
        return list(connection.execute(_SILENT, {"study": study_id, "before": before}))

    def work(connection: Connection) -> list[int]:
        lock_study(connection, study_id)
        now, rows = database.now(connection), silent(connection)
        for row in rows:
            age = rough_duration(_age(row.datetime_start) or 0.0)
            end_failed(connection, row.trial_id, f"another program ran it for {age}: taken over", now)
            insert_waiting(connection, study_id, _fitting(connection, row.trial_id, reader), distributions)
        return [row.trial_id for row in rows]

    reader = ParamReader(distributions)
    return database.write(work, repeatable=True) if database.read(silent) else []


def _fitting(connection: Connection, trial_id: int, reader: ParamReader) -> dict[str, Any]:
    fitting = {}
    for name, value, written_as in connection.execute(_PARAMS, {"trial": trial_id}):
        with suppress(BadValueError):
            fits, external = reader.read(name, value, written_as)
            if fits:
                fitting[name] = external
    return fitting


def _age(start: datetime.datetime | None) -> float | None:
    """Seconds since a local time without a zone."""
    return None if start is None else max((datetime.datetime.now() - start).total_seconds(), 0.0)
