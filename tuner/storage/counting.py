"""How many trials of a study are in each state, and which is the best: read without reading its finished trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState as OptunaState
from sqlalchemy.engine import Connection

from tuner.outcomes import StopReason, TrialState
from tuner.storage import optuna_internals, tables
from tuner.storage.checked import BadValueError, optional
from tuner.storage.ranking import RANK, Rank

STATES = {
    OptunaState.COMPLETE: TrialState.COMPLETE,
    OptunaState.PRUNED: TrialState.PRUNED,
    OptunaState.FAIL: TrialState.FAILED,
    OptunaState.RUNNING: TrialState.RUNNING,
    OptunaState.WAITING: TrialState.WAITING,
}
_o, _t, _c, _v = optuna_internals.trials.c, tables.trials.c, tables.claims.c, optuna_internals.values.c
_k, _s = tables.counts.c, tables.studies.c
_CLAIMED = sa.select(_c.trial_id).where(_c.trial_id == _o.trial_id).correlate(optuna_internals.trials)
RECORDED = sa.case(
    (
        _o.state.in_((OptunaState.COMPLETE, OptunaState.PRUNED)),
        sa.exists(_t.trial_id)
        .where(_t.trial_id == _o.trial_id, _t.finish_order.is_not(None))
        .correlate(optuna_internals.trials),
    ),
    (_o.state == OptunaState.RUNNING, _CLAIMED.where(_c.token.is_not(None)).exists()),
    (_o.state == OptunaState.FAIL, _CLAIMED.exists()),
    else_=sa.true(),
)
"""Whether a trial of a study of ours was run by tuner, which recorded it.  Those that another program adds to the
study, such as plain Optuna, are counted as unrecorded and take no part in anything else; one that waits is tuner's to
run.
"""
JUDGED = sa.and_(_o.state == OptunaState.COMPLETE, tables.trials.c.stop_reason != StopReason.DIVERGED)
"""Whether a trial's errors mean what they say."""


def _of_study(query: sa.Select[Any]) -> sa.ScalarSelect[Any]:
    """A number of each row of our table of studies."""
    return query.correlate(tables.studies).scalar_subquery()


def _in_state(state: OptunaState) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(_o.study_id == _s.study_id, _o.state == state)


FINISHED = sa.func.coalesce(_of_study(sa.select(sa.func.max(_t.finish_order)).where(_t.study_id == _s.study_id)), 0)
"""A study's finished trials: they are numbered from 1 in the order they finish."""
RUNNING = _of_study(sa.select(sa.func.count()).where(_c.study_id == _s.study_id, _c.token.is_not(None)))
"""A study's trials that a worker has claimed."""
STUDY_COUNTS = (
    sa.select(
        _s.study_id,
        FINISHED.label("finished"),
        RUNNING.label("running"),
        _of_study(_in_state(OptunaState.FAIL).where(RECORDED)).label("failed"),
        _of_study(_in_state(OptunaState.WAITING)).label("waiting"),
        _of_study(sa.select(sa.func.count()).where(_o.study_id == _s.study_id)).label("trials"),
        *map(optional, (_k.pruned, _k.diverged, _k.best_trial_id)),
    )
    .select_from(tables.studies)
    .outerjoin(tables.counts, _k.study_id == _s.study_id)
)
"""The counts of every study, for :meth:`StateCounts.of`."""
_OF_STUDY = STUDY_COUNTS.where(_s.study_id == tables.STUDY)
_BUDGET_STATUS = sa.select(FINISHED, RUNNING).select_from(tables.studies).where(_s.study_id == tables.STUDY)
_OF_CALL = _c.call == sa.bindparam("of_call")
_CLAIMS_OF_CALL = sa.select(sa.func.count()).select_from(tables.claims).where(_OF_CALL)
_UNFINISHED = (
    sa.select(optional(_c.token), optional(_c.call))
    .select_from(optuna_internals.trials)
    .outerjoin(tables.claims, _c.trial_id == _o.trial_id)  # of all calls, or SQLite begins with every claim of this one
    .where(
        _o.study_id == tables.STUDY,
        _o.state.in_((OptunaState.RUNNING, OptunaState.WAITING, OptunaState.FAIL)),
    )
)
_STATES_OF_CALL = (
    sa.select(_o.state, sa.func.count().label("trials"))
    .join(tables.claims, _c.trial_id == _o.trial_id)
    .where(_o.study_id == tables.STUDY, _OF_CALL)
    .group_by(_o.state)
)
_DIVERGED_OF_CALL = (
    sa.select(sa.func.count())
    .join_from(tables.claims, tables.trials, _t.trial_id == _c.trial_id)
    .where(_c.study_id == tables.STUDY, _t.stop_reason == StopReason.DIVERGED, _OF_CALL)
)
_BEST = (
    sa.select(*RANK)
    .join_from(optuna_internals.values, optuna_internals.trials, _o.trial_id == _v.trial_id)
    .join(tables.trials, _t.trial_id == _v.trial_id)
    .join(tables.counts, _k.best_trial_id == _v.trial_id)
    .where(_k.study_id == tables.STUDY)
)
_COUNT = (
    tables.counts.update()
    .where(_k.study_id == tables.STUDY)
    .values(pruned=_k.pruned + sa.bindparam("and_pruned"), diverged=_k.diverged + sa.bindparam("and_diverged"))
)
_CHANGE = tables.counts.update().where(_k.study_id == tables.STUDY)
_ENDED = (
    sa.select(_o.state, _t.stop_reason, sa.func.count())
    .join(optuna_internals.trials, _o.trial_id == _t.trial_id)
    .where(_t.study_id == tables.STUDY, _t.finish_order.is_not(None))
    .group_by(_o.state, _t.stop_reason)
)
_BEST_OF_ALL = (
    sa.select(_o.trial_id)
    .join(tables.trials, _t.trial_id == _o.trial_id)
    .join(optuna_internals.values, _v.trial_id == _o.trial_id)
    .where(_o.study_id == tables.STUDY, _t.finish_order.is_not(None), JUDGED)
    .order_by(*RANK)
    .limit(1)
)


class Finished:
    """What counts trials by their state."""

    __slots__ = ()
    complete: int
    pruned: int

    @property
    def finished(self) -> int:
        """Trials that use up a study's budget."""
        return self.complete + self.pruned


@dataclass(frozen=True, slots=True)
class StateCounts(Finished):
    """Trials in each state, as far as tuner ran them, and the unrecorded ones."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    unrecorded: int = 0

    @property
    def recorded(self) -> int:
        """All that tuner ran, runs or will run."""
        return self.finished + self.failed + self.running + self.waiting

    def ended(self, diverged: int) -> Counts:
        """Those that ended."""
        return Counts(self.complete, self.pruned, self.failed, diverged, self.unrecorded)

    @classmethod
    def of(cls, row: Any) -> StateCounts:
        """The counts of one study, from a row of ``STUDY_COUNTS``.  Raises BadValueError."""
        if row.pruned is None or row.diverged is None:
            expected = f"what is kept of every study (study {row.study_id})"
            raise BadValueError(tables.counts.name, "pruned", None, expected)
        complete, known = row.finished - row.pruned, row.finished + row.failed + row.running + row.waiting
        unrecorded = max(row.trials - known, 0)
        return cls(max(complete, 0), row.pruned, row.failed, row.running, row.waiting, unrecorded)


@dataclass(frozen=True, slots=True)
class Counts(Finished):
    """Trials by how they ended; the diverged ones are among the complete.

    ``unrecorded``: trials in any state that another program added.
    """

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    diverged: int = 0
    unrecorded: int = 0

    def to_dict(self) -> dict[str, int]:
        """Each number, the unrecorded ones only if there are any."""
        return {name: n for name, n in asdict(self).items() if n or name != "unrecorded"}


def count_states(connection: Connection, study_id: int) -> StateCounts:
    """A study's trials in each state."""
    return StateCounts.of(read_study_counts(connection, study_id))


def read_study_counts(connection: Connection, study_id: int) -> Any:
    """The row of ``STUDY_COUNTS`` of one study."""
    return connection.execute(_OF_STUDY, {"study": study_id}).one()


def finished_and_running(connection: Connection, study_id: int, call: str | None = None) -> tuple[int, int]:
    """How many trials count for the budget of a study, or of a call of ``search``, and how many run for it."""
    if call is None:
        finished, running = connection.execute(_BUDGET_STATUS, {"study": study_id}).one()
        return finished, running
    tokens = [row.token for row in connection.execute(_UNFINISHED, {"study": study_id}) if row.call == call]
    claims = connection.execute(_CLAIMS_OF_CALL, {"of_call": call}).scalar_one()
    return claims - len(tokens), sum(token is not None for token in tokens)


def count_ended(connection: Connection, study_id: int, call: str) -> Counts:
    """The trials that one call of ``search`` ended."""
    of = {"study": study_id, "of_call": call}
    states = {row.state: row.trials for row in connection.execute(_STATES_OF_CALL, of)}
    complete, pruned, failed = (
        states.get(state, 0) for state in (OptunaState.COMPLETE, OptunaState.PRUNED, OptunaState.FAIL)
    )
    return Counts(complete, pruned, failed, connection.execute(_DIVERGED_OF_CALL, of).scalar_one())


def count_finished(connection: Connection, study_id: int, trial_id: int, rank: Rank, stop_reason: StopReason) -> None:
    """Count a trial that has just finished; the study is locked."""
    pruned, diverged = stop_reason == StopReason.PRUNED, stop_reason == StopReason.DIVERGED
    if pruned or diverged:
        connection.execute(_COUNT, {"study": study_id, "and_pruned": int(pruned), "and_diverged": int(diverged)})
        return
    best = connection.execute(_BEST, {"study": study_id}).one_or_none()
    if best is None or rank < tuple(best):
        connection.execute(_CHANGE, {"study": study_id, "best_trial_id": trial_id})


def recounted(connection: Connection, study_id: int) -> dict[str, int | None]:
    """What a study's row of counts should hold, from all its finished trials."""
    ended: Sequence[Any] = connection.execute(_ENDED, {"study": study_id}).all()
    return {
        "pruned": sum(n for state, _, n in ended if state is OptunaState.PRUNED),
        "diverged": sum(
            n for state, reason, n in ended if state is OptunaState.COMPLETE and reason == StopReason.DIVERGED
        ),
        "best_trial_id": connection.execute(_BEST_OF_ALL, {"study": study_id}).scalar_one_or_none(),
    }


def miscounted(connection: Connection) -> list[str]:
    """What is kept of each study otherwise than its trials say."""
    wrong = []
    for row in connection.execute(STUDY_COUNTS.order_by(_s.study_id)).all():
        for name, count in recounted(connection, row.study_id).items():
            if getattr(row, name) != count:
                wrong.append(
                    f"study {row.study_id}, table {tables.counts.name}: {name} is {getattr(row, name)}, not {count}"
                )
    return wrong


def recount(connection: Connection, study_id: int) -> None:
    """Count a study's finished trials anew, after others than its own were added."""
    connection.execute(_CHANGE, {"study": study_id, **recounted(connection, study_id)})
