"""The one connection to the shared database: transactions that wait for their turn and give each other way."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from tuner.commands import command_text
from tuner.errors import StorageError
from tuner.files import temporary_beside
from tuner.formatting import one_line
from tuner.storage.address import connect_arguments, library_url, shown, sqlite_file
from tuner.storage.checked import BadValueError
from tuner.storage.failures import (
    Patience,
    may_have_taken_effect,
    never,
    present_patience,
    retrying,
    translating,
)

T = TypeVar("T")

BUSY_SECONDS = 0.5
"""How long one attempt waits for SQLite's lock; short, so that a signal is heard in between."""
WAIT_FOR_THREAD_SECONDS = 30.0
"""How long a thread waits for the one connection; transactions are short."""
LONG_LOG = 64_000_000
"""Bytes of a log beyond which SQLite's own checkpoints, every 4 MB, were held up for some time."""
MOST_LOG = 1_000_000_000
"""Bytes of a log of which people are told: it grows as long as a reader holds it up."""
LOG = "log"
"""Of a connection: device and inode of the log that it writes to."""


class Database:
    """One database, opened by one process.

    SQLite is put in WAL mode; a transaction that writes begins IMMEDIATE, so that it has its turn before it looks, and
    one that reads never blocks a writer.  On PostgreSQL there is one connection, for the work and the heartbeats; each
    transaction names its isolation, so that no setting of the server or a pooler matters.

    ``stop``: a wait for the database ends soon after it is true.
    """

    def __init__(self, url: URL, patience: Patience | None = None) -> None:
        self.url = url
        self.patience = present_patience() if patience is None else patience
        self.stop: Callable[[], bool] = never
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _server_engine(url, lambda: self.stop())
        self._path = sqlite_file(url)
        self._file = None if self._path is None else _file_at(self._path)

    @property
    def name(self) -> str:
        """What names the database to a person."""
        return shown(self.url)

    @property
    def address(self) -> str:
        """The URL with its password: for connecting again, never for showing."""
        return self.url.render_as_string(hide_password=False)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work(connection)`` in a transaction that only reads; tried again like :meth:`write`, for a worker."""

        def read_once() -> T:
            with self._view() as connection:
                return work(connection)

        with self._locating_bad_values():
            return self.retrying(read_once)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent view, no lock that a writer would wait for."""
        with self._locating_bad_values(), translating(self.name), self._view() as connection:
            yield connection

    @contextmanager
    def _view(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection
            self._require_same_file(connection)

    def write(self, work: Callable[[Connection], T], *, repeatable: bool = False) -> T:
        """Run ``work(connection)`` in a transaction that has the write lock from its first statement.

        Tried again, with jitter, as long as the database is busy or its server away; ``work`` may therefore run more
        than once, but takes effect once: a transaction whose commit was asked for is repeated only where ``work`` is
        ``repeatable``: it finds out itself whether it took effect before the server's answer was lost.

        Raises StorageError; UnavailableError once the patience is at an end.
        """
        with self._locating_bad_values():
            return self.retrying(lambda: self._write_once(work, repeatable))

    def retrying(self, action: Callable[[], T]) -> T:
        """Call ``action`` again while the database is busy or away.  Raises StorageError."""
        return retrying(action, self.name, self.patience, self.stop)

    def _write_once(self, work: Callable[[Connection], T], repeatable: bool) -> T:
        with self.engine.connect() as connection:
            connection = connection.execution_options(
                **({"tuner_begin": "IMMEDIATE"} if self.is_sqlite else {"isolation_level": "READ COMMITTED"})
            )
            transaction = connection.begin()
            try:
                result = work(connection)
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if repeatable or not may_have_taken_effect(error):
                    raise
                raise StorageError(
                    f"{self.name}: the connection was lost before the server answered; look whether the change was "
                    "made before you start the same command again"
                ) from error
            self._require_same_file(connection)
            return result

    def _require_same_file(self, connection: Connection) -> None:
        """Raise StorageError if the file or its log was deleted or replaced, after writing what this process holds.

        The system keeps a deleted file for those who have it open, so that nothing else fails.  SQLite removes the log
        only once nobody has the database open.
        """
        if self._path is None or self._file is None:
            return
        log = _file_at(log_of(self._path))
        if log is not None:
            connection.info.setdefault(LOG, log)
        if _file_at(self._path) == self._file and log == connection.info.get(LOG):
            return
        device, inode = self._file
        folder = self._path.parent if self._path.parent.is_dir() else Path.cwd()
        rescued = folder / f"{self._path.name}.rescued-{device}-{inode}"
        held = connection.connection.driver_connection
        assert isinstance(held, sqlite3.Connection)
        try:
            with alone_in(folder):  # the last of several workers to write has the trials of all
                copy_whole(held, rescued)
        except (sqlite3.Error, OSError) as error:
            kept = f"its trials could not be saved ({one_line(error)})"
        else:
            kept = f"its trials are in {rescued}. To continue: {command_text('restore', str(rescued))}"
        raise StorageError(f"{self.name}: was deleted or replaced while it was open; {kept}")

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the clock that all claims of this database go by."""
        if self.is_sqlite:
            return time.time()
        return float(connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    def shorten_log(self) -> int:
        """Bring a long log of SQLite into the file, and empty it; returns its bytes.

        As long as somebody reads an older state, the log is left, and no writer waits for that.
        """
        if self._path is None:
            return 0
        size = _size(log_of(self._path))
        if size > LONG_LOG:
            with suppress(sqlite3.Error), closing(_connect(self._path)) as connection:
                for kind in ("PASSIVE", "TRUNCATE"):  # the second waits for readers: only once nobody holds the log up
                    is_busy, frames, done = connection.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()
                    if is_busy or done < frames:
                        break
        return _size(log_of(self._path))

    def long_log(self, size: int) -> str:
        """What to tell of a log that a reader holds up."""
        return f"{size / 1e6:,.0f} MB of log beside {self.name}: {held_up(self.name)}"

    def vacuum(self) -> int | None:
        """Give the space of removed rows back: to the system, of which the bytes are returned; a server's, to itself.

        Raises StorageError, on a full disk too: SQLite writes the file anew.
        """
        if self._path is None:
            with translating(self.name), self.engine.connect() as connection:
                alone = connection.execution_options(isolation_level="AUTOCOMMIT")
                alone.execute(sa.text("VACUUM (ANALYZE)"))
            return None
        path = self._path
        before = _size(path) + _size(log_of(path))

        def work() -> None:
            with closing(_connect(path)) as connection:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        self.retrying(work)
        return before - _size(path) - _size(log_of(path))

    def close(self) -> None:
        """Give all connections back (before a fork, and at the end); the next use makes new ones."""
        self.engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _locating_bad_values(self) -> Iterator[None]:
        try:
            yield
        except BadValueError as error:
            if error.is_located:
                raise
            raise error.at(f"{self.name}, {self._place_of(error)}") from None

    def _place_of(self, bad: BadValueError) -> str:
        """The study and the trial of a bad value, as far as they can be found."""
        if bad.key is None:
            return bad.where
        value, column = bad.value, f"x.{bad.column}"
        if self.is_sqlite and isinstance(value, str):  # not all of it may be UTF-8
            value, column = value.encode(errors="surrogateescape"), f"CAST({column} AS BLOB)"
        same = "IS" if self.is_sqlite else "IS NOT DISTINCT FROM"
        trial = ", t.number" if bad.key == "trial_id" else ""
        join = "JOIN trials t ON t.trial_id = x.trial_id JOIN" if trial else "JOIN"
        query = (
            f"SELECT s.study_name{trial} FROM {bad.table} x {join} studies s "
            f"ON s.study_id = {'t' if trial else 'x'}.study_id WHERE {column} {same} :value"
        )
        with suppress(DBAPIError, ValueError), self.engine.connect() as connection:
            place = connection.execute(sa.text(query), {"value": value}).first()
            if place is not None:
                return f"study {place[0]!r}, " + (f"trial {place[1]}, " if trial else "")
        return ""


def new_key(result: sa.CursorResult[Any]) -> int:
    """The primary key of the row just inserted."""
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def _file_at(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file at a path; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _size(path: Path) -> int:
    """The bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, where the system has such: others that would make the same file wait, and find it.

    Without it (Windows, some file systems) each makes the file, and the last or the first one stays.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sqlite_engine(url: URL) -> Engine:
    path = sqlite_file(url)
    assert path is not None
    engine = sa.create_engine("sqlite://", creator=lambda: _connect(path), poolclass=sa.pool.QueuePool)

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('tuner_begin', 'DEFERRED')}")

    return engine


def _connect(path: Path) -> sqlite3.Connection:
    if not os.access(path, os.W_OK) or not (os.access(path.parent, os.W_OK) or _has_wal(path)):
        return connect_to_read(path)
    # mode=rw: opening must not create; a new database is made whole, elsewhere, and moved into place.
    connection = _connect_as(path, "mode=rw")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write: not to the file, and nothing beside it unless somebody has the file open.

    Opening a file in WAL mode makes two files beside it, even to read; where nobody has left any there, the file is
    all there is, and SQLite may take it as it stands (``immutable``).
    """
    return _connect_as(path, "mode=ro" if _has_wal(path) else "mode=ro&immutable=1")


def _has_wal(path: Path) -> bool:
    return log_of(path).exists()


def log_of(path: Path) -> Path:
    """The file beside a database that holds its latest transactions."""
    return Path(f"{path}-wal")


def _connect_as(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = _text
    return connection


def _text(stored: bytes) -> str:
    """What is no UTF-8 becomes lone surrogates, which the column's check refuses by name."""
    return stored.decode("utf-8", "surrogateescape")


def held_up(path: object) -> str:
    """Why a log grows, and what to do."""
    return f"a program has long been reading it. Find it with: fuser {path}, and end it"


@contextmanager
def database_beside(path: Path) -> Iterator[Path]:
    """A temporary file for a database; removed with what SQLite keeps beside it."""
    with temporary_beside(path) as temporary:
        try:
            yield temporary
        finally:
            for suffix in ("-wal", "-shm", "-journal"):
                temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def copy_whole(source: sqlite3.Connection, target: Path) -> None:
    """Copy a database with SQLite's online backup, and rename the copy into place once it is verified.

    Raises sqlite3.Error or OSError; then no copy is left.
    """
    with database_beside(target) as temporary:
        with closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
        verify_whole(temporary)
        temporary.replace(target)


def verify_whole(path: Path) -> None:
    """Bring SQLite's log into a file that nobody else has open, and check that all of it is there.

    On a full disk SQLite ends without an error and leaves the rest in the log.  Raises sqlite3.Error.
    """
    with closing(sqlite3.connect(path)) as connection:
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    log = log_of(path)
    left = log.stat().st_size if log.exists() else 0
    with closing(_connect_as(path, "mode=ro&immutable=1")) as connection:
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        (expected,) = connection.execute(query).fetchone()
        (fault,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    size = path.stat().st_size
    if is_busy or left or fault != "ok" or size != expected:
        raise sqlite3.DatabaseError(f"{size:,} bytes were written, expected {expected:,} ({fault})")


def _server_engine(url: URL, should_stop: Callable[[], bool]) -> Engine:
    try:
        engine = sa.create_engine(
            library_url(url),
            pool_size=1,
            max_overflow=0,
            pool_timeout=WAIT_FOR_THREAD_SECONDS,
            pool_pre_ping=True,
            connect_args=connect_arguments(url),
        )
    except ModuleNotFoundError as error:
        raise StorageError(
            f'{shown(url)}: the driver {error.name!r} is missing; install it with pip install "tuner-search[postgres]"'
        ) from None

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_: object, __: object, arguments: list[Any], named: dict[str, Any]) -> object:
        from tuner.storage.server_connection import connect

        return connect(should_stop, *arguments, **named)

    return engine
