"""How many trials are in each state, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass

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
_o, _c = optuna_internals.trials.c, tables.claims.c
JUDGED = sa.and_(_o.state == OptunaState.COMPLETE, tables.trials.c.stop_reason != StopReason.DIVERGED)
"""Whether a trial's errors mean what they say."""
_COUNTED = sa.select(_o.state, sa.func.count()).where(_o.study_id == tables.STUDY).group_by(_o.state)
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
    """Trials in each state."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0

    def ended(self, diverged: int) -> Counts:
        """Those that ended."""
        return Counts(self.complete, self.pruned, self.failed, diverged)


@dataclass(frozen=True, slots=True)
class Counts(Finished):
    """Trials by how they ended; the diverged ones are among the complete."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    diverged: int = 0


def count_states(connection: Connection, study_id: int, call: str | None = None) -> StateCounts:
    """A study's trials in each state; with ``call`` those that this call of ``search`` claimed."""
    query, of_call = (_COUNTED, {}) if call is None else (_COUNTED_OF_A_CALL, {"of_call": call})
    rows = connection.execute(query, {"study": study_id, **of_call})
    return StateCounts(**{STATES[state]: n for state, n in rows})
