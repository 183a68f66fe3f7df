"""What is asked again and again while a study runs: whether its report has changed, and what a trial changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from tuner.storage import optuna_internals, tables
from tuner.storage.claims import Budget, utc
from tuner.storage.counting import finished_and_running, read_study_counts
from tuner.storage.database import Database
from tuner.storage.holds import Hold, HoldKind

_o, _c, _s = optuna_internals.trials.c, tables.claims.c, tables.studies.c
_WRITTEN = sa.select(
    _s.definition,
    _s.budget,
    _s.hold,
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
    sa.select(sa.func.count(tables.confirmations.c.finished))
    .where(tables.confirmations.c.study_id == tables.STUDY)
    .scalar_subquery(),
).where(_s.study_id == tables.STUDY)


def read_version(database: Database, study_id: int) -> str:
    """What differs as soon as a report of the study would: made of counts, so that no trial is read for it."""
    with database.reading() as connection:
        counts = read_study_counts(connection, study_id)
        written = connection.execute(_WRITTEN, {"study": study_id}).one()
    return hashlib.sha256(repr((tuple(counts), tuple(written))).encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget right after a trial finished: ``is_best`` and ``is_last`` say whether no other trial is better or later.

    ``finished``, ``running`` and ``budget`` are those of the study, or of a call of ``search`` with its own number.
    """

    finished: int
    running: int
    budget: int
    is_best: bool
    is_last: bool
    best: int | None

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the budget is left to run."""
        return self.finished >= self.budget and not self.running


def read_hold_by(database: Database, trial_id: int) -> Hold | None:
    """The hold on a study for its failures that began with the end of this trial, the last of too many."""
    query = sa.select(_s.hold, _o.datetime_complete).join(tables.studies, _s.study_id == _o.study_id)
    row = database.read(lambda connection: connection.execute(query.where(_o.trial_id == trial_id)).one_or_none())
    hold = None if row is None else Hold.from_json(row.hold)
    if row is None or hold is None or hold.kind is not HoldKind.FAILING:
        return None
    return hold if utc(hold.since) == row.datetime_complete else None


def read_standing(database: Database, study_id: int, trial_id: int, budget: Budget) -> Standing:
    """What a trial that has just ended changed; read at once, so that of several workers one is the last."""
    t, extra = tables.trials.c, budget.extra
    order = sa.select(t.finish_order).where(t.trial_id == trial_id)
    last = sa.select(sa.func.max(t.finish_order)).where(t.study_id == study_id)
    if extra is not None:
        last = last.join(tables.claims, _c.trial_id == t.trial_id).where(_c.call == budget.call)
    with database.reading() as connection:
        row = read_study_counts(connection, study_id)
        finished, running = finished_and_running(connection, study_id, budget.call if extra is not None else None)
        whole = connection.execute(sa.select(_s.budget).where(_s.study_id == study_id)).scalar_one()
        place = connection.execute(order).scalar_one_or_none()
        is_last = place is not None and place == connection.execute(last).scalar_one()
    best = row.best_trial_id
    return Standing(finished, running, whole if extra is None else extra, best == trial_id, is_last, best)
