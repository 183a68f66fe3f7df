"""Leases: one process at a time may work on a row, as long as it renews its lease."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.errors import StorageError
from tuner.storage import tables
from tuner.storage.database import Database
from tuner.storage.holds import Hold
from tuner.storage.owner import Owner

CLAIM_SECONDS = float(os.environ.get("TUNER_CLAIM_SECONDS", "60"))
"""How long a lease lasts without a heartbeat; the variable is for tests, which cannot wait a minute."""
HEARTBEAT_SECONDS = CLAIM_SECONDS / 4

_s = tables.studies.c
_STUDY = sa.select(_s.budget, _s.hold, _s.resumed).where(_s.study_id == tables.STUDY).with_for_update()


class LeasedRows:
    """The rows of one table that are leased, found by ``key``; their statements are made once."""

    def __init__(self, key: sa.Column[int]) -> None:
        table, row = key.table, key == sa.bindparam("leased")
        assert isinstance(table, sa.Table)
        self.token = sa.select(table.c.token).where(row).with_for_update()
        self.renewal = table.update().where(row, table.c.token == sa.bindparam("held"))
        self._update = table.update().where(row)

    def change(self, connection: Connection, key: int, **values: Any) -> None:
        """Set columns of one row."""
        connection.execute(self._update, {"leased": key, **values})

    def end(self, connection: Connection, key: int, reason: str | None, **values: Any) -> None:
        """End the lease of a row."""
        self.change(connection, key, token=None, reason=reason, **values)

    def death(self, connection: Connection, key: int, row: Any, now: float) -> str | None:
        """Why the lease of a row has expired; None if it has not.

        A lease longer than CLAIM_SECONDS was made before the clock was set back: it is shortened to CLAIM_SECONDS.
        """
        reason = death_of(row.owner, row.expires, now)
        if reason is None and row.expires > now + CLAIM_SECONDS:
            self.change(connection, key, expires=now + CLAIM_SECONDS)
        return None if reason is None else f"{reason} in attempt {row.attempts}"


def death_of(owner: str, expires: float, now: float) -> str | None:
    """Why a lease has expired: its process is gone, or its time is up; None if it has not."""
    process = Owner.from_json(owner)
    if process.is_gone():
        return f"{process} ended"
    return f"{process} did not respond" if expires < now else None


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease of the row of ``key``; ``token`` proves it, ``attempt`` counts from 1."""

    rows: ClassVar[LeasedRows]
    key: int
    token: str
    attempt: int


def terms(token: str, owner: Owner, now: float) -> dict[str, Any]:
    """The columns of a row that is leased."""
    return {"token": token, "owner": owner.to_json(), "expires": now + CLAIM_SECONDS}


def renew(database: Database, lease: Lease) -> bool:
    """Extend the lease; False if another process has taken it over."""

    def work(connection: Connection) -> bool:
        expires = database.now(connection) + CLAIM_SECONDS
        mine = {"leased": lease.key, "held": lease.token}
        return connection.execute(lease.rows.renewal, {**mine, "expires": expires}).rowcount == 1

    return database.write(work, repeatable=True)


def write_held(
    database: Database, lease: Lease, work: Callable[[Connection], object], *, study_id: int | None = None
) -> bool:
    """Run ``work(connection)`` in a transaction; False, and nothing is written, if the lease is no longer ours.

    Its row is locked until the transaction ends, and before it the study's, where ``study_id`` is given.
    """

    def work_if_held(connection: Connection) -> bool:
        if study_id is not None:
            lock_study(connection, study_id)
        if connection.execute(lease.rows.token, {"leased": lease.key}).scalar_one_or_none() != lease.token:
            return False
        work(connection)
        return True

    return database.write(work_if_held, repeatable=True)


@dataclass(frozen=True, slots=True)
class LockedStudy:
    """What decides whether a study's trials are claimed; ``resumed``: since when its failures count."""

    budget: int
    hold: Hold | None
    resumed: float | None


def lock_study(connection: Connection, study_id: int) -> LockedStudy:
    """The study's row, held until the transaction ends (SQLite: the whole file already is).

    Take this lock before changing a study's trials; this prevents deadlocks.
    """
    row = connection.execute(_STUDY, {"study": study_id}).one_or_none()
    if row is None:
        raise StorageError("the study was deleted while it was searched")
    return LockedStudy(row.budget, Hold.from_json(row.hold), row.resumed)
