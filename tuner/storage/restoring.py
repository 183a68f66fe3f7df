"""Put a backup in the place of a SQLite database that is damaged or lost."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tuner.errors import StorageError
from tuner.formatting import one_line
from tuner.storage.address import refuse_network_file_system, refuse_no_file
from tuner.storage.database import alone_in, connect_to_read, database_beside, verify_whole
from tuner.storage.failures import failure, translating
from tuner.storage.schema import require_ours

SHARED_LOCK, SHARED_BYTES = 0x40000002, 510
"""Where in a file SQLite locks it for as long as a process has it open in WAL mode."""
PARTS = ("-wal", "-shm", "-journal")


def restore(backup: Path, path: Path) -> Path | None:
    """Put a copy of ``backup`` in the place of the database ``path``; returns where that one is kept, if there was one.

    What SQLite keeps beside the old file is moved with it: it would be taken for a part of the new one.  Raises
    StorageError, with nothing changed, if the backup is not a whole database of tuner, or another process has the
    database open.
    """
    refuse_no_file(backup)
    with translating(str(backup)):
        require_ours(backup)
    refuse_no_file(path)
    refuse_network_file_system(path.parent)
    try:
        with alone_in(path.parent), database_beside(path) as copy:
            _copy(backup, copy)
            with _closed_to_others(path):
                kept = _move_aside(path)
                copy.replace(path)
    except OSError as error:
        reason = f"cannot be restored: {error.strerror}; expected a folder one can write to"
        raise StorageError(f"{path}: {reason}") from None
    return kept


def _copy(backup: Path, copy: Path) -> None:
    try:
        with closing(connect_to_read(backup)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        verify_whole(copy)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise failure(str(copy.parent), error) from error
        raise StorageError(f"{backup}: is not whole ({one_line(error)}); expected a copy by tuner backup") from error


@contextmanager
def _closed_to_others(path: Path) -> Iterator[None]:
    """Raise StorageError if another process has the database open; none opens it in the block."""
    try:
        import fcntl
    except ImportError:  # Windows, where an open file cannot be moved
        yield
        return
    if not path.exists():
        yield
        return
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_BYTES, SHARED_LOCK)
        except OSError:
            raise StorageError(
                f"{path}: is open in another process; end its searches, workers and dashboards, then restore again"
            ) from None
        yield


def _move_aside(path: Path) -> Path | None:
    """Keep the database, with what is beside it, under another name; its own name stays until it is replaced."""
    if not path.exists():
        for part in PARTS:
            path.with_name(path.name + part).unlink(missing_ok=True)
        return None
    kept = path.with_name(f"{path.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
    os.link(path, kept)
    for part in PARTS:
        beside = path.with_name(path.name + part)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + part))
    return kept
