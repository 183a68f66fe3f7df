"""Change a database other than by searching: raise budgets, enqueue trials, delete, copy, merge."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import UsageError
from tuner.storage import (
    URL,
    BadValueError,
    Counts,
    Merged,
    Progress,
    back_up,
    delete_study,
    enqueue_trial,
    merge_database,
    open_database,
    parse_url,
    raise_budget,
    read_progress,
    shown,
    sqlite_file,
    sqlite_url,
)
from tuner.study import FREE, HYPERPARAMETERS, StudyDefinition, nearest_key
from tuner.workspace.locating import name_of, storage_url
from tuner.workspace.opening import StudyRequest, open_study, open_to_read


@dataclass(frozen=True, slots=True)
class Submitted:
    """A study's state after a change; ``headline`` names study, database and data."""

    study: str
    headline: str
    progress: Progress

    @property
    def open_trials(self) -> int:
        """Trials not yet finished."""
        return max(0, self.progress.budget - self.progress.counts.finished)


def submit(request: StudyRequest, trials: int | None) -> Submitted:
    """Create the study if needed, and raise its budget by ``trials``; nothing is run."""
    study = open_study(request)
    with study.database as database:
        if trials is not None:
            raise_budget(database, study.stored.study_id, trials)
        return Submitted(study.stored.name, study.headline, read_progress(database, study.stored.study_id))


def enqueue(request: StudyRequest, values: Mapping[str, Any]) -> tuple[Submitted, int]:
    """Queue a trial with these hyperparameters, the others sampled; returns its number too.

    Raises UsageError for a hyperparameter that the study does not search, or a value outside its range.
    """
    study = open_study(request)
    with study.database as database:
        check_point(study.definition, values)
        space, study_id = study.definition.searched_space, study.stored.study_id
        searched = {name: value for name, value in values.items() if name in space.searched}
        number = enqueue_trial(database, study_id, space.sampled(searched), space.distributions)
        return Submitted(study.stored.name, study.headline, read_progress(database, study_id)), number


def check_point(definition: StudyDefinition, values: Mapping[str, Any]) -> None:
    """Raise UsageError for the first value that cannot be run in this study."""
    space = definition.searched_space
    known = definition.trainer_kind.known(definition.space)
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"unknown hyperparameter {name!r}{nearest_key(name, known)}")
        hyperparameter = HYPERPARAMETERS.get(name, FREE)
        expected = hyperparameter.check(value)
        if expected:
            raise UsageError(f"{name}: expected {expected}, got {value!r}")
        if name in space.searched:
            searched = space.searched[name]
            if not searched.contains(value):
                raise UsageError(
                    f"{name} = {value} is outside the range of {definition.name}: {searched.kind} = "
                    f"{list(searched.bounds)}"
                )
        elif (fixed := space.fixed.get(name, hyperparameter.default)) != value:
            raise UsageError(
                f"{name} is fixed at {fixed} in {definition.name}, got {value}. Add it to [space] to search it"
            )


@dataclass(frozen=True, slots=True)
class DeletionPreview:
    """What deleting a study would remove; ``fault``: why its trials cannot be counted."""

    study: str
    storage: str
    counts: Counts = field(default_factory=Counts)
    running: int = 0
    fault: str | None = None


def preview_deletion(study: str, storage: str | None) -> DeletionPreview:
    """Read what deleting the study would remove.  Raises UsageError if there is no such study."""
    try:
        database, stored = open_to_read(study, storage)
        with database:
            progress = read_progress(database, stored.study_id)
            return DeletionPreview(stored.name, database.name, progress.counts, progress.running)
    except BadValueError as error:
        name, url = _named(study, storage)
        return DeletionPreview(name, shown(url), fault=str(error))


def _named(study: str, storage: str | None) -> tuple[str, URL]:
    """The name and the database of a study whose rows may be bad."""
    try:
        database, stored = open_to_read(study, storage)
    except BadValueError:
        folder = Path(study).parent if study.endswith(".toml") else None
        return name_of(study), storage_url(storage, folder)
    database.close()
    return stored.name, database.url


def delete(study: str, storage: str | None) -> None:
    """Remove a study and its trials from the database; its definition and reports stay."""
    name, url = _named(study, storage)
    with open_database(url, create=False) as database:
        delete_study(database, name)


def backup(file: Path, storage: str | None) -> tuple[str, int]:
    """Copy the database into a new file while others write; returns the source and the copy's size in bytes.

    Raises UsageError if the file already exists, or the database is on a server.
    """
    url = storage_url(storage)
    path = sqlite_file(url)
    if path is None:
        raise UsageError(f"{shown(url)}: is a server. Back it up with pg_dump, or copy its studies with `tuner merge`")
    if os.path.lexists(file):
        raise UsageError(f"{file}: already exists; not overwritten. Name a new file")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file}: no such folder {file.parent}")
    open_database(url, create=False).close()
    back_up(path, file.absolute())
    return shown(url), file.stat().st_size


def merge(other: str, storage: str | None) -> tuple[str, list[Merged]]:
    """Merge the studies and trials of another database, all or none; returns the target and the result by study."""
    source_url = parse_url(other) if "://" in other else sqlite_url(Path(other))
    target_url = storage_url(storage)
    if source_url == target_url:
        raise UsageError(f"{shown(source_url)}: is the target database itself. Name another database to merge into it")
    path = sqlite_file(source_url)
    if path is not None and not path.exists():
        raise UsageError(f"{path}: no such file; expected a database of tuner (a tuner.db, or a copy by tuner backup)")
    with open_database(source_url, create=False) as source, open_database(target_url, create=True) as target:
        return target.name, merge_database(source, target)
