"""Removing what is rarely read: the epochs of middling old trials, failed trials, and studies nobody uses any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.storage import optuna_internals, tables
from tuner.storage.claims import utc
from tuner.storage.counting import JUDGED, RECORDED, RUNNING
from tuner.storage.database import Database
from tuner.storage.history import COMPARED
from tuner.storage.leases import lock_study
from tuner.storage.ranking import RANK
from tuner.storage.studies import delete_study, delete_trials

_o, _t, _v = optuna_internals.trials.c, tables.trials.c, optuna_internals.values.c
_e, _n, _s = tables.epochs.c, tables.networks.c, tables.studies.c
_BEST = (
    sa.select(_o.trial_id)
    .join(tables.trials, _t.trial_id == _o.trial_id)
    .join(optuna_internals.values, _v.trial_id == _o.trial_id)
    .where(_o.study_id == tables.STUDY, JUDGED)
    .order_by(*RANK)
    .limit(sa.bindparam("keep"))
)
_LAST = sa.select(sa.func.max(_t.finish_order)).where(_t.study_id == tables.STUDY).scalar_subquery()
_MIDDLING = sa.select(_t.trial_id).where(
    _t.study_id == tables.STUDY, _t.finish_order <= _LAST - sa.bindparam("newest"), _t.trial_id.not_in(_BEST)
)
_EPOCHS = sa.and_(
    _e.trial_id.in_(_MIDDLING),
    ~sa.exists(_n.trial_id).where(_n.trial_id == _e.trial_id, _n.network == _e.network, _n.best_epoch == _e.epoch),
)
_FAILED = (
    sa.select(_o.trial_id)
    .where(_o.study_id == tables.STUDY, _o.state == TrialState.FAIL, RECORDED)
    .where(_o.datetime_complete < sa.bindparam("failed_before"))
    .where(_o.number < sa.select(sa.func.max(_o.number)).where(_o.study_id == tables.STUDY).scalar_subquery())
)
"""Without a study's last trial, whose number would be given again."""
_LATEST = sa.select(sa.func.max(sa.func.coalesce(_o.datetime_complete, _o.datetime_start))).where(
    _o.study_id == tables.STUDY
)
_USE = sa.select(_s.created, RUNNING.label("running")).where(_s.study_id == tables.STUDY)


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """What stays: epochs of the ``keep`` best trials; failed trials and studies since these moments (None: all).

    Moments are seconds since 1970.  The last trials to finish, which pruners compare with, keep their epochs, too.
    """

    keep: int
    failed_before: float | None = None
    unused_since: float | None = None


@dataclass(frozen=True, slots=True)
class PrunedHistory:
    """What goes of a study: rows of epochs and failed trials, or all of it."""

    study: str
    epochs: int = 0
    failed: int = 0
    whole: bool = False


def prune_study(database: Database, study_id: int, name: str, limits: HistoryLimits, *, dry_run: bool) -> PrunedHistory:
    """Remove what the limits say of a study, in one transaction; with ``dry_run`` only count it."""
    if limits.unused_since is not None and _is_unused(database, study_id, limits.unused_since):
        if not dry_run:
            delete_study(database, name)
        return PrunedHistory(name, whole=True)
    of: dict[str, Any] = {"study": study_id, "keep": limits.keep, "newest": COMPARED}
    if limits.failed_before is not None:
        of["failed_before"] = utc(limits.failed_before)

    def count(connection: Connection) -> PrunedHistory:
        epochs = connection.execute(sa.select(sa.func.count()).select_from(tables.epochs).where(_EPOCHS), of)
        failed = 0 if limits.failed_before is None else len(connection.execute(_FAILED, of).all())
        return PrunedHistory(name, epochs.scalar_one(), failed)

    def remove(connection: Connection) -> PrunedHistory:
        lock_study(connection, study_id)
        epochs = connection.execute(tables.epochs.delete().where(_EPOCHS), of).rowcount
        failed = [] if limits.failed_before is None else list(connection.execute(_FAILED, of).scalars())
        delete_trials(connection, failed)
        return PrunedHistory(name, epochs, len(failed))

    return database.read(count) if dry_run else database.write(remove, repeatable=True)


def _is_unused(database: Database, study_id: int, since: float) -> bool:
    """Whether a study runs no trial, and began or ended none since."""

    def work(connection: Connection) -> bool:
        created, running = connection.execute(_USE, {"study": study_id}).one()
        latest = connection.execute(_LATEST, {"study": study_id}).scalar_one()
        return not running and created < since and (latest is None or latest < utc(since))

    return database.read(work)
