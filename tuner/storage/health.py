"""Check a database: its location, permissions and journal mode."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from tuner.errors import NoDatabaseError, StorageError
from tuner.formatting import count, one_line
from tuner.paths import resolved
from tuner.storage.address import file_system_of, refuse_network_file_system, shown, sqlite_file, sqlite_url
from tuner.storage.counting import miscounted
from tuner.storage.database import MOST_LOG, held_up, log_of
from tuner.storage.failures import damage
from tuner.storage.schema import open_database
from tuner.storage.studies import study_names

LEAST_FREE = 200_000_000
"""Bytes of free space a search needs; a thousand trials with their curves take about 20 MB."""

WAL = b"\x02\x02"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was found, and whether it passed."""

    name: str
    passed: bool
    detail: str


def check_database(url: URL) -> list[Check]:
    """Check the database of a URL, which need not exist yet; nothing is created."""
    path = sqlite_file(url)
    if path is None:
        checks = [_check_server(url)]
        return [*checks, _check_counts(url)] if checks[0].passed else checks
    folder = path.parent if path.parent.exists() else path.parent.parent
    checks = [_check_place(folder), _check_file(path, folder)]
    if path.exists() and checks[1].passed:
        checks += [_check_mode(path), _check_log(path), _check_counts(url)]
    return [*checks, _check_disk(folder)]


def _check_place(folder: Path) -> Check:
    try:
        refuse_network_file_system(folder)
    except StorageError as error:
        return Check("file system", False, str(error))
    return Check("file system", True, f"{file_system_of(folder) or 'unknown'}, on this machine")


def _check_file(path: Path, folder: Path) -> Check:
    if not os.access(folder, os.W_OK):
        return Check("database", False, f"{folder} cannot be written by this user. Name another file with --storage")
    if not path.exists():
        return Check("database", True, f"{path} does not exist yet; the first search creates it")
    try:
        with open_database(sqlite_url(path), create=False) as database:
            n_studies = len(study_names(database))
            fault = database.read(lambda connection: connection.execute(sa.text("PRAGMA quick_check(1)")).scalar_one())
            if fault != "ok":
                return Check("database", False, f"{path}: {damage(one_line(fault))}")
            database.write(lambda connection: connection.execute(sa.text("SELECT 1")))
    except StorageError as error:
        return Check("database", False, str(error))
    return Check("database", True, f"{path} can be read and written; {count(n_studies, 'study', 'studies')}")


def _check_log(path: Path) -> Check:
    """Check that SQLite's log does not grow: it cannot be brought into the file while somebody reads an older state."""
    log = log_of(path)
    size = log.stat().st_size if log.exists() else 0
    detail = f"{size / 1e6:,.0f} MB beside the database"
    if size <= MOST_LOG:
        return Check("log", True, detail)
    return Check("log", False, f"{detail}: {held_up(path)}")


def _check_counts(url: URL) -> Check:
    """Check that the counts kept of each study are those of its trials."""
    try:
        with open_database(url, create=False) as database:
            wrong = database.read(miscounted)
    except NoDatabaseError:
        return Check("counts", True, "no studies yet")
    except StorageError as error:
        return Check("counts", False, str(error))
    if not wrong:
        return Check("counts", True, "those kept of each study are those of its trials")
    return Check("counts", False, f"{'; '.join(wrong[:3])}. Only what is shown is wrong, no budget")


def _check_mode(path: Path) -> Check:
    """Check for WAL mode, in which readers never block writers (bytes 18 and 19 of the file)."""
    with path.open("rb") as file:
        is_wal = file.read(20)[18:] == WAL
    return Check("journal", is_wal, "WAL mode" if is_wal else f"{path} is not in WAL mode: readers block writers")


def _check_disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    room = f"{free / 1e9:,.1f} GB free in {resolved(folder)}"
    return Check("disk", free >= LEAST_FREE, room if free >= LEAST_FREE else f"{room}. Free some space before a search")


def _check_server(url: URL) -> Check:
    try:
        with open_database(url, create=False) as database:
            return Check(
                "database", True, f"{shown(url)} answers; {count(len(study_names(database)), 'study', 'studies')}"
            )
    except StorageError as error:
        return Check("database", isinstance(error, NoDatabaseError), str(error))
