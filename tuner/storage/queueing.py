"""The queue that workers serve: the open studies, what holds one, and who changes that.

What is needed of a study is read without trusting what else its row holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.paths import is_study_name
from tuner.storage import optuna_internals, tables
from tuner.storage.checked import HOLD
from tuner.storage.claims import cancel_running
from tuner.storage.confirmations import CONFIRMING, forget_open_confirmations
from tuner.storage.counting import FINISHED, RUNNING, finished_and_running
from tuner.storage.database import Database
from tuner.storage.holds import Hold, HoldKind, user_and_host
from tuner.storage.leases import lock_study

_s = tables.studies.c
_UNCHECKED_HOLD = sa.type_coerce(_s.hold, sa.Text).label("hold")
_CHANGE_STUDY = tables.studies.update().where(_s.study_id == tables.STUDY)


@dataclass(frozen=True, slots=True)
class OpenStudy:
    """A study with work left, and how many of its trials run; ``resumed``: when somebody last did so."""

    study_id: int
    name: str
    running: int
    priority: int = 0
    hold: Hold | None = None
    resumed: float | None = None

    @property
    def is_held(self) -> bool:
        """Whether nothing of it is claimed."""
        return self.hold is not None and self.hold.stops_claims


def open_studies(database: Database) -> list[OpenStudy]:
    """Studies with budget left, or trials that are to be confirmed, oldest first.

    What is wrong with a study shows where that study is served, not here.  A study with a bad name is left out.
    """
    o = optuna_internals.studies.c
    query = (
        sa.select(
            _s.study_id,
            sa.type_coerce(o.study_name, sa.String).label("name"),
            RUNNING.label("running"),
            sa.type_coerce(_s.priority, sa.Integer).label("priority"),
            _UNCHECKED_HOLD,
            sa.type_coerce(_s.resumed, sa.Double).label("resumed"),
        )
        .select_from(tables.studies)
        .join(optuna_internals.studies, o.study_id == _s.study_id)
        .where((_s.budget > FINISHED) | CONFIRMING)
        .order_by(_s.created)
    )
    rows = database.read(lambda connection: connection.execute(query).all())
    return [_open_study(row) for row in rows if is_study_name(row.name)]


def _open_study(row: Any) -> OpenStudy:
    priority = row.priority if isinstance(row.priority, int) else 0
    return OpenStudy(row.study_id, row.name, row.running, priority, _hold_of(row.hold), row.resumed)


def _hold_of(stored: Any) -> Hold | None:
    return Hold.from_json(stored) if HOLD.fits(stored) else None


def read_hold(database: Database, study_id: int) -> Hold | None:
    """What holds a study."""
    query = sa.select(_s.hold, _s.budget > FINISHED).where(_s.study_id == study_id)
    row = database.read(lambda connection: connection.execute(query).one_or_none())
    return None if row is None else Hold.present(row[0], has_budget=bool(row[1]))


def set_aside(database: Database, study_id: int, reason: str | None) -> None:
    """Keep why this worker set a study aside, for all who list the studies; None once it runs again.

    A study that somebody holds, or that failed for all workers, keeps its hold.
    """

    def work(connection: Connection) -> None:
        before = _locked_hold(connection, study_id)
        if before is not None and (before.stops_claims or (reason is None and before.kind is not HoldKind.SET_ASIDE)):
            return
        hold = None if reason is None else _new(HoldKind.SET_ASIDE, database.now(connection), reason)
        connection.execute(_CHANGE_STUDY, {"study": study_id, "hold": hold})

    database.write(work, repeatable=True)


def pause_study(database: Database, study_id: int) -> None:
    """Let no worker claim a trial of a study from now on, until it is resumed."""

    def work(connection: Connection) -> None:
        before = _locked_hold(connection, study_id)
        if before is None or before.kind is not HoldKind.PAUSED:
            connection.execute(
                _CHANGE_STUDY, {"study": study_id, "hold": _new(HoldKind.PAUSED, database.now(connection))}
            )

    database.write(work, repeatable=True)


def resume_study(database: Database, study_id: int) -> Hold | None:
    """Lift what holds a study, which is returned; workers that set it aside try it again at once."""

    def work(connection: Connection) -> Hold | None:
        before = _locked_hold(connection, study_id)
        connection.execute(_CHANGE_STUDY, {"study": study_id, "hold": None, "resumed": database.now(connection)})
        return before

    return database.write(work)


def cancel_study(database: Database, study_id: int) -> int:
    """End the running trials of a study as failed, and set its budget to what is finished.

    Returns the number of trials ended; those that wait are the first to run if the budget is raised again.
    Trainings of the best trials that are not done are given up.
    """

    def work(connection: Connection) -> int:
        lock_study(connection, study_id)
        now = database.now(connection)
        ended = cancel_running(connection, study_id, user_and_host(), now)
        finished, _ = finished_and_running(connection, study_id)
        changed = {"budget": finished, "hold": _new(HoldKind.CANCELED, now), "resumed": now}
        connection.execute(_CHANGE_STUDY, {"study": study_id, **changed})
        forget_open_confirmations(connection, study_id)
        return ended

    return database.write(work)


def _new(kind: HoldKind, now: float, reason: str | None = None) -> str:
    return Hold(kind, now, user_and_host(), reason).to_json()


def _locked_hold(connection: Connection, study_id: int) -> Hold | None:
    """What holds a study, whose row is locked until the transaction ends."""
    query = sa.select(_UNCHECKED_HOLD).where(_s.study_id == study_id).with_for_update()
    return _hold_of(connection.execute(query).scalar_one_or_none())
