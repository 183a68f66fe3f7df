"""Change a database other than by searching: raise budgets, enqueue trials, delete, copy, merge."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from tuner.commands import study_words
from tuner.errors import NoDatabaseError, UsageError
from tuner.storage import (
    URL,
    BadValueError,
    Counts,
    Database,
    HistoryLimits,
    Hold,
    Merged,
    OptunaStudy,
    Progress,
    PrunedHistory,
    RunningTrial,
    back_up,
    cancel_study,
    count_imported,
    delete_study,
    enqueue_trial,
    insert_optuna_study,
    mask,
    merge_database,
    name_for,
    no_study,
    open_database,
    parse_url,
    pause_study,
    prune_study,
    raise_budget,
    read_hold,
    read_optuna_study,
    read_progress,
    read_running,
    resume_study,
    shown,
    sqlite_file,
    sqlite_url,
    study_ids,
    study_lines,
    study_names,
    update_study,
)
from tuner.storage import (
    restore as restore_file,
)
from tuner.workspace.creating import PreparedStudy
from tuner.workspace.locating import is_path, name_of, storage_url
from tuner.workspace.opening import StudyRequest, open_study, open_to_read
from tuner.workspace.points import check_point

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Submitted:
    """A study's state after a change; ``headline`` names study, database and data, ``hold`` what keeps workers off.

    ``words``: how a command names the study from the current folder; ``storage_words``: its database, for ``worker``.
    """

    study: str
    headline: str
    words: list[str]
    storage_words: list[str]
    progress: Progress
    hold: Hold | None = None

    @property
    def open_trials(self) -> int:
        """Trials not yet finished."""
        return max(0, self.progress.budget - self.progress.counts.finished)


def _submitted(study: PreparedStudy, progress: Progress, hold: Hold | None = None) -> Submitted:
    name, storage = study.stored.name, mask(study.database.url)
    _, *storage_words = study_words(name, storage)
    return Submitted(name, study.headline, study.words, storage_words, progress, hold)


def submit(request: StudyRequest, trials: int | None, priority: int | None = None) -> Submitted:
    """Create the study if needed, raise its budget by ``trials``, and set its priority; nothing is run."""
    study = open_study(request)
    with study.database as database:
        study_id = study.stored.study_id
        if priority is not None:
            update_study(database, study_id, priority=priority)
        if trials is not None:
            raise_budget(database, study_id, trials)
        progress, hold = read_progress(database, study_id), read_hold(database, study_id)
        return _submitted(study, progress, hold)


@dataclass(frozen=True, slots=True)
class QueueChange:
    """What became of a study in the queue; ``before``: what held it until then, ``ended``: trials that were ended."""

    study: str
    before: Hold | None = None
    ended: int = 0


def pause(study: str, storage: str | None) -> tuple[str, list[QueueChange]]:
    """Let no worker claim trials of a study, or of those that match a pattern; returns the database's name, too."""

    def change(database: Database, name: str, study_id: int) -> QueueChange:
        pause_study(database, study_id)
        return QueueChange(name)

    return _change_queue(study, storage, change)


def resume(study: str, storage: str | None) -> tuple[str, list[QueueChange]]:
    """Lift what holds a study, or those that match a pattern."""
    return _change_queue(
        study, storage, lambda database, name, study_id: QueueChange(name, resume_study(database, study_id))
    )


def cancel(study: str, storage: str | None) -> tuple[str, list[QueueChange]]:
    """End the running trials of a study, or of those that match a pattern, and its budget."""
    return _change_queue(
        study, storage, lambda database, name, study_id: QueueChange(name, ended=cancel_study(database, study_id))
    )


def prune_history(
    study: str, storage: str | None, limits: HistoryLimits, *, dry_run: bool
) -> tuple[str, list[PrunedHistory]]:
    """Remove what the limits say of a study, or of those that match a pattern; with ``dry_run`` only say what."""
    return _change_queue(
        study,
        storage,
        lambda database, name, study_id: prune_study(database, study_id, name, limits, dry_run=dry_run),
    )


def vacuum(storage: str | None) -> int | None:
    """Give the space of removed rows back; returns the bytes of a file."""
    with open_database(storage_url(storage), create=False) as database:
        return database.vacuum()


def _change_queue(study: str, storage: str | None, change: Callable[[Database, str, int], T]) -> tuple[str, list[T]]:
    """Change a study, whatever else its row holds.  Raises UsageError if none has this name or matches the pattern."""
    if not study:
        raise UsageError("expected a study, or a pattern like 'churn-*', got ''")
    is_pattern = not is_path(study) and any(sign in study for sign in "*?[")
    name, url = (study, storage_url(storage)) if is_pattern else _named(study, storage)
    with open_database(url, create=False) as database:
        matching = {each: of for each, of in study_ids(database).items() if fnmatchcase(each, name)}
        if not matching:
            raise no_study(database, name)
        return database.name, [change(database, each, study_id) for each, study_id in matching.items()]


@dataclass(frozen=True, slots=True)
class Workers:
    """The trials that run in a database, and the studies that have budget left and no worker may claim from."""

    storage: str
    running: Sequence[RunningTrial]
    held: Mapping[str, Hold]
    open_trials: int


def read_workers(storage: str | None) -> Workers:
    """Read who runs what, across the studies of a database."""
    with open_database(storage_url(storage), create=False) as database:
        lines = [line for line in study_lines(database) if line.finished < line.budget]
        held = {line.name: line.hold for line in lines if line.hold is not None and line.hold.stops_claims}
        free = (line.budget - line.finished - line.running for line in lines if line.name not in held)
        return Workers(database.name, read_running(database), held, sum(max(n, 0) for n in free))


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
        return _submitted(study, read_progress(database, study_id)), number


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
    imported = _count_imported(study, storage)
    if imported is not None:
        return DeletionPreview(study, shown(storage_url(storage)), Counts(unrecorded=imported))
    try:
        database, stored = open_to_read(study, storage)
        with database:
            progress = read_progress(database, stored.study_id)
            return DeletionPreview(stored.name, database.name, progress.counts, progress.running)
    except BadValueError as error:
        name, url = _named(study, storage)
        return DeletionPreview(name, shown(url), fault=str(error))


def _named(study: str, storage: str | None) -> tuple[str, URL]:
    """The name and the database of a study whose rows may be bad, or that is of plain Optuna."""
    if _count_imported(study, storage) is not None:
        return study, storage_url(storage)
    try:
        database, stored = open_to_read(study, storage)
    except BadValueError:
        folder = Path(study).parent if study.endswith(".toml") else None
        return name_of(study), storage_url(storage, folder)
    database.close()
    return stored.name, database.url


def _count_imported(study: str, storage: str | None) -> int | None:
    """The number of trials of a study of plain Optuna; None if there is none of this name."""
    if is_path(study):
        return None
    with suppress(NoDatabaseError), open_database(storage_url(storage), create=False) as database:
        return count_imported(database, study)
    return None


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


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored database, the number of its studies, and where the one before it is kept, if there was one."""

    storage: str
    studies: int
    kept: Path | None


def restore(file: Path, storage: str | None) -> Restored:
    """Put a copy of a backup in the place of the database.

    Raises UsageError and StorageError; then nothing is changed.
    """
    url = storage_url(storage)
    path = sqlite_file(url)
    if path is None:
        raise UsageError(f"{shown(url)}: is a server. Restore it with pg_restore or psql")
    if not file.exists():
        raise UsageError(f"{file}: no such file; expected a copy by tuner backup")
    if path.exists() and file.samefile(path):
        raise UsageError(f"{file}: is the database itself. Name a copy by tuner backup")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: no such folder {path.parent}")
    kept = restore_file(file.absolute(), path)
    with open_database(url, create=False) as database:
        return Restored(shown(url), len(study_names(database)), kept)


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


@dataclass(frozen=True, slots=True)
class Imported:
    """A study of plain Optuna that was brought in: its name here, the database, and what was read."""

    name: str
    storage: str
    study: OptunaStudy


def import_study(
    source: str, study: str | None, name: str | None, renamed: Sequence[str], storage: str | None
) -> Imported:
    """Bring in a study of plain Optuna from a URL or file; ``renamed`` are texts like "lr=alpha".

    Raises UsageError if it is not there or its name is taken, StorageError if its storage cannot be read.
    """
    names = dict(_renaming(text) for text in renamed)
    read = read_optuna_study(source, study, names)
    new = name_for(read, name)
    with open_database(storage_url(storage), create=True) as target:
        insert_optuna_study(target, read, new)
        return Imported(new, target.name, read)


def _renaming(text: str) -> tuple[str, str]:
    old, sign, new = text.partition("=")
    if not (old and sign and new):
        raise UsageError(f"--rename: expected OLD=NEW like lr=alpha, got {text!r}")
    return old, new
