"""The one connection to the shared database: transactions that wait for their turn and give each other way."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from tuner.errors import StorageError
from tuner.storage.address import shown, sqlite_file

T = TypeVar("T")

BUSY_SECONDS = 60
ATTEMPTS = 8
FULL = ("disk is full", "no space left", "disk I/O error")
READ_ONLY = ("readonly database", "read-only")
BUSY = ("locked", "busy", "too many clients", "too many connections", "remaining connection slots", "deadlock detected")


class Database:
    """One database, opened by one process.

    SQLite is put in WAL mode with a long busy timeout; a transaction that writes begins IMMEDIATE, so that
    it has its turn before it looks, and one that reads never blocks a writer.  On PostgreSQL at most two connections
    are open: one for the work, one for the heartbeat.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _server_engine(url)

    @property
    def name(self) -> str:
        """What names the database to a person."""
        return shown(self.url)

    @property
    def address(self) -> str:
        """The URL with its password: for connecting again, never for showing."""
        return self.url.render_as_string(hide_password=False)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent view, no lock that a writer would wait for."""
        with self._translating_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work(connection)`` in a transaction that has the write lock from its first statement.

        Retried, with jitter, as long as the database says it is busy; ``work`` may therefore run more than once,
        but takes effect once.
        """
        with self._translating_errors():
            return retrying(lambda: self._write_once(work))

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            connection = connection.execution_options(tuner_begin="IMMEDIATE")
            with connection.begin():
                return work(connection)

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the clock that all claims of this database go by."""
        if self.is_sqlite:
            return time.time()
        return float(connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    def close(self) -> None:
        """Give all connections back (before a fork, and at the end)."""
        self.engine.dispose()

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StorageError(f"{self.name}: {_explain(error)}") from error


def _explain(error: DBAPIError) -> str:
    text = " ".join(str(error.orig).split())
    lowered = text.lower()
    if any(sign.lower() in lowered for sign in FULL):
        return f"cannot be written ({text}); make room on its disk and start the same command again: nothing is lost"
    if any(sign in lowered for sign in READ_ONLY):
        return f"cannot be written ({text}); expected a file and folder this user may write to"
    if any(sign in lowered for sign in BUSY):
        return f"stayed busy through {ATTEMPTS} attempts ({text}); start the same command again: nothing is lost"
    return text


def new_key(result: sa.CursorResult[Any]) -> int:
    """The primary key of the row just inserted."""
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def retrying(action: Callable[[], T]) -> T:
    """Call ``action`` until the database is no longer busy, at most ATTEMPTS times, waiting longer each time."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except OperationalError as error:
            if attempt == ATTEMPTS or not any(sign in str(error.orig).lower() for sign in BUSY):
                raise
            time.sleep(random.uniform(0.05, 0.1) * 2**attempt)
    raise AssertionError("unreachable")


def _sqlite_engine(url: URL) -> Engine:
    # mode=rw: opening must not create; a new database is made whole, elsewhere, and moved into place.
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            f"{sqlite_file(url).as_uri()}?mode=rw",  # type: ignore[union-attr]
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        ),
        poolclass=sa.pool.QueuePool,
    )

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('tuner_begin', 'DEFERRED')}")

    return engine


def _server_engine(url: URL) -> Engine:
    try:
        return sa.create_engine(
            url, pool_size=2, max_overflow=0, pool_pre_ping=True, connect_args={"connect_timeout": 10}
        )
    except ModuleNotFoundError as error:
        raise StorageError(
            f'{shown(url)}: the driver {error.name!r} is missing; install it with pip install "tuner-search[postgres]"'
        ) from None
