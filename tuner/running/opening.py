"""The whole way from what a user typed to a finished search, or to a study that is only read."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.data import load_dataset
from tuner.errors import UsageError
from tuner.running.catalog import Located, locate, renamed, storage_url, stored_source, write_new
from tuner.running.preparing import PreparedStudy, prepare
from tuner.storage import (
    Database,
    StudyLine,
    StudyRecord,
    get_study,
    open_database,
    read_study,
    shown,
    sqlite_file,
    study_lines,
)
from tuner.study import Source


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """Which study is meant: STUDY, and the options that say where it lies and what it is called."""

    study: str
    target: str | None = None
    storage: str | None = None
    name: str | None = None
    from_study: str | None = None
    allow_changed: bool = False


def open_study(request: StudyRequest) -> PreparedStudy:
    """Find the study's definition, read its data, and find or make it in its database; in this order.

    Everything that can be refused is refused before a file is made.
    """
    located = locate(request.study, request.storage, target=request.target)
    source = located.source or _stored(located)
    if request.name is not None:
        source = renamed(source, request.name)
    dataset = load_dataset(source.definition.data, source.folder)
    study = prepare(source, dataset, located.url, allow_changed=request.allow_changed)
    if located.unwritten is not None:
        write_new(located.unwritten, source.text)
    return study


def _stored(located: Located) -> Source:
    database = open_database(located.url, create=False)
    try:
        return stored_source(database, located.name)
    finally:
        database.close()


def read_record(study: str, storage: str | None = None) -> StudyRecord:
    """Everything the database holds about a study.  Raises UsageError where it was never searched."""
    database, name = open_to_read(study, storage)
    try:
        return read_study(database, name)
    finally:
        database.close()


def open_to_read(study: str, storage: str | None = None) -> tuple[Database, str]:
    """The database a study lies in, and its name there; nothing is created."""
    located = locate(study, storage)
    if located.unwritten is not None:
        raise UsageError(f"{study} was never searched; start with: tuner search {study} --target COLUMN")
    path = sqlite_file(located.url)
    if path is not None and not path.exists():
        raise UsageError(
            f"study {located.name!r} was never searched: there is no {path}; start with: tuner search {study}"
        )
    database = open_database(located.url, create=False)
    get_study(database, located.name)
    return database, located.name


def list_studies(storage: str | None = None) -> tuple[str, list[StudyLine]]:
    """What names the database, and its studies; none where it does not exist."""
    url = storage_url(storage)
    path = sqlite_file(url)
    if path is not None and not path.exists():
        return shown(url), []
    database = open_database(url, create=False)
    try:
        return database.name, study_lines(database)
    finally:
        database.close()
