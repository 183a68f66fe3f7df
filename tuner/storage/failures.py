"""What a failure of a database means: whether it passes by itself, how long to wait for that, and what to do.

A server's failures are told apart by their SQLSTATE, SQLite's by its result code, never by words: servers speak many
languages.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from tuner.errors import NoRoomError, StorageError, UnavailableError
from tuner.formatting import duration, one_line
from tuner.printable import without_passwords

T = TypeVar("T")

WAIT_SECONDS = 300.0
"""How long a search or worker waits for a database that is locked or away, unless told otherwise."""
SHORT_WAIT_SECONDS = 10.0
"""The same for commands that someone waits for."""
SECONDS_AFTER_STOP = 0.5
"""How much longer an action waits once it was told to stop: long enough for a lock that is soon free."""
SECONDS_BETWEEN_LOOKS = 0.1
NOTICE_SECONDS = 2.0
"""A longer wait is reported."""
LONGEST_PAUSE = 2.0

PASSING_STATES = (
    "08",  # the connection failed
    "53",  # too many connections, no memory, no room
    "57P01",  # the server shuts down, or an administrator ended the connection
    "57P02",  # another of its processes crashed
    "57P03",  # it starts up, or recovers
    "57P05",  # the session was idle for too long
    "25P03",  # the same in a transaction
    "25P04",  # transaction_timeout
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # lock_timeout
    "57014",  # statement_timeout
    "23505",  # plain Optuna took the same number in the same moment: the next attempt takes another one
)
"""The beginnings of SQLSTATEs after which the same may work a moment later."""
UNANSWERED_STATES = ("08", "40003", "57P01", "57P02")
"""Those of a commit that may have taken effect."""
LACKING_STATES = ("42P01", "42703", "42P07", "42701")
"""A table or column is missing, or was not expected."""
PREPARED_STATES = ("26000", "42P05")
"""A pooler gave this connection's prepared statements to another one."""
REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "is not permitted to log in",
    "permission denied",
    "no such user",
    "no such database",
    "invalid connection option",
    "invalid port",
)
"""Why a server refuses a connection for good: the one failure whose SQLSTATE libpq does not pass on.  A refusal in
another language is waited for in vain, and no harm done.
"""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
DAMAGED = (sqlite3.SQLITE_CORRUPT,)
LACKING = ("no such table", "no such column", "duplicate column name")
"""SQLite has one code for all errors of a statement, and one language."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a database, and what is called with a line once that lasts longer than a moment."""

    seconds: float = WAIT_SECONDS
    on_wait: Callable[[str], None] | None = None


PATIENTLY, SHORTLY = Patience(), Patience(SHORT_WAIT_SECONDS)
_patience: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def waiting_for_database(patience: Patience) -> Iterator[None]:
    """What is opened in the block is waited for, and worked with, so patiently."""
    token = _patience.set(patience)
    try:
        yield
    finally:
        _patience.reset(token)


def present_patience() -> Patience:
    """The patience of the block around."""
    return _patience.get() or SHORTLY


def never() -> bool:
    """Say that there is no need to stop."""
    return False


class Wait:
    """One wait for a database: as long as its patience lasts, and hardly longer than until ``stop()``."""

    def __init__(self, patience: Patience, stop: Callable[[], bool] = never) -> None:
        self._patience = patience
        self._stop = stop
        self._began = time.monotonic()
        self._ends = self._began + patience.seconds
        self._was_stopped = self._was_reported = False
        self._pause = 0.05

    def is_over(self) -> bool:
        """Whether to give up."""
        now = time.monotonic()
        if not self._was_stopped and self._stop():
            self._was_stopped = True
            self._ends = min(self._ends, now + SECONDS_AFTER_STOP)
        return now >= self._ends

    def pause(self, where: str, error: Exception) -> None:
        """Sleep before the next attempt, ever longer, unless it is time to give up."""
        until = time.monotonic() + random.uniform(0.5, 1) * self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._report(where, error)
        while not self.is_over() and time.monotonic() < until:
            time.sleep(min(SECONDS_BETWEEN_LOOKS, max(0.0, until - time.monotonic())))

    def _report(self, where: str, error: Exception) -> None:
        waited = time.monotonic() - self._began
        if self._was_reported or self._patience.on_wait is None or waited < NOTICE_SECONDS:
            return
        self._was_reported = True
        limit = duration(self._patience.seconds)
        self._patience.on_wait(f"waiting up to {limit} for the database: {where}: {reason_of(error)}")


def retrying(
    action: Callable[[], T], where: str, patience: Patience | None = None, stop: Callable[[], bool] = never
) -> T:
    """Call ``action`` again while its failure is one that passes.  Raises StorageError; UnavailableError in the end."""
    wait = Wait(patience or present_patience(), stop)
    while True:
        try:
            with translating(where):
                return action()
        except UnavailableError as error:
            if isinstance(error, NoRoomError) or wait.is_over():
                raise
            wait.pause(where, error)


@contextmanager
def translating(where: str) -> Iterator[None]:
    """Turn the errors of the database's libraries into StorageError."""
    try:
        yield
    except (DBAPIError, NoConnectionError, sqlite3.Error) as error:
        raise failure(where, error) from error


def passes(error: BaseException) -> bool:
    """Whether the same may work a moment later: the database is busy, or its server away."""
    if isinstance(error, NoConnectionError):  # other threads have all connections
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        return isinstance(error.orig, Exception) and _passes_by_driver(error.orig, error)
    return isinstance(error, sqlite3.Error) and _code(error) in BUSY


def _passes_by_driver(cause: Exception, error: DBAPIError) -> bool:
    if isinstance(cause, sqlite3.Error):
        return _code(cause) in BUSY
    state = state_of(cause)
    if state is not None:
        return state.startswith(PASSING_STATES)
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    attempt = getattr(cause, "pgconn", None)
    if attempt is not None and attempt.needs_password:
        return False
    return not any(sign in str(cause) for sign in REFUSALS)  # no answer: there is no connection, or no longer


def state_of(cause: BaseException | None) -> str | None:
    """The SQLSTATE that a server answered with."""
    return getattr(cause, "sqlstate", None)


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's result code, without what extends it."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def may_have_taken_effect(error: DBAPIError) -> bool:
    """Whether a commit that failed so may have been made: the connection ended before the answer."""
    state = state_of(error.orig)
    if isinstance(error.orig, sqlite3.Error):
        return False
    return state is None or state.startswith(UNANSWERED_STATES)


def failure(where: str, error: Exception) -> StorageError:
    """What to tell of an error of the database's libraries."""
    cause: Any = getattr(error, "orig", None) or error
    text = reason_of(error)
    if isinstance(cause, sqlite3.Error) and _code(cause) in FULL:
        advice = "make room on its disk and start the same command again: nothing is lost"
        return NoRoomError(f"{where}: cannot be written ({text}); {advice}")
    if passes(error):
        return UnavailableError(f"{where}: is not available ({text}); start the same command again: nothing is lost")
    if isinstance(cause, sqlite3.Error) and _code(cause) == sqlite3.SQLITE_READONLY:
        return StorageError(f"{where}: cannot be written ({text}); expected a file and folder this user may write to")
    if is_damage(error):
        return StorageError(f"{where}: {damage(text)}")
    state = state_of(cause)
    if state in LACKING_STATES or text.startswith(LACKING):
        return StorageError(f"{where}: is not as tuner made it ({text}); {RESTORE}")
    if state in PREPARED_STATES:
        return StorageError(f"{where}: {text}; behind a pooler, add ?prepare_threshold=0 to the URL")
    return StorageError(f"{where}: {text}")


def reason_of(error: BaseException) -> str:
    """The database's own words, in one line without passwords."""
    if isinstance(error, StorageError):
        error = error.__cause__ or error
    return without_passwords(one_line(getattr(error, "orig", None) or error))[:300]


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that a file is not whole any more."""
    cause = getattr(error, "orig", None) or error
    return isinstance(cause, sqlite3.Error) and _code(cause) in DAMAGED


RESTORE = "restore a backup with tuner restore FILE"


def damage(text: str) -> str:
    """What to do about a damaged file."""
    return f"is damaged ({text}); {RESTORE}, or save what is left: sqlite3 FILE .recover"
