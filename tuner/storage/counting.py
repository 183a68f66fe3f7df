"""How many trials are in each state, and which of them count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState as OptunaState
from sqlalchemy.engine import Connection

from tuner.outcomes import StopReason, TrialState
from tuner.storage import optuna_internals, tables

STATES = {
    OptunaState.COMPLETE: TrialState.COMPLETE,
    OptunaState.PRUNED: TrialState.PRUNED,
    OptunaState.FAIL: TrialState.FAILED,
    OptunaState.RUNNING: TrialState.RUNNING,
    OptunaState.WAITING: TrialState.WAITING,
}
_o, _t, _c = optuna_internals.trials.c, tables.trials.c, tables.claims.c
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
IN_STATES = sa.select(_o.study_id, _o.state, RECORDED.label("recorded"), sa.func.count().label("trials")).group_by(
    _o.study_id, _o.state, RECORDED
)
"""Trials by study, state, and whether they are recorded."""
_COUNTED = IN_STATES.where(_o.study_id == tables.STUDY)
_COUNTED_OF_A_CALL = _COUNTED.join(tables.claims, _c.trial_id == _o.trial_id).where(_c.call == sa.bindparam("of_call"))


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

    def ended(self, diverged: int) -> Counts:
        """Those that ended."""
        return Counts(self.complete, self.pruned, self.failed, diverged, self.unrecorded)

    @classmethod
    def of(cls, rows: Iterable[Any]) -> StateCounts:
        """Sum the rows of ``IN_STATES`` of one study up."""
        counts: Counter[str] = Counter()
        for row in rows:
            counts[STATES[row.state] if row.recorded else "unrecorded"] += row.trials
        return cls(**counts)


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


def count_states(connection: Connection, study_id: int, call: str | None = None) -> StateCounts:
    """A study's trials in each state; with ``call`` those that this call of ``search`` claimed."""
    query, of_call = (_COUNTED, {}) if call is None else (_COUNTED_OF_A_CALL, {"of_call": call})
    return StateCounts.of(connection.execute(query, {"study": study_id, **of_call}))
