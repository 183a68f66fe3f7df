"""Open the study of a STUDY argument, to search it or to read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tuner.commands import command_text
from tuner.data import Dataset, check_data_quality, dataset_from, load_dataset
from tuner.errors import DataError, NoDatabaseError, TunerError, UsageError
from tuner.files import read_small
from tuner.paths import STUDIES
from tuner.storage import (
    PATIENTLY,
    Database,
    Patience,
    StoredStudy,
    StudyLine,
    StudyRecord,
    TrialRecord,
    get_study,
    open_database,
    read_study,
    require_definition,
    require_hyperparameters,
    shown,
    sqlite_file,
    study_lines,
    waiting_for_database,
)
from tuner.study import (
    Source,
    StudyDefinition,
    hooks_in_force,
    identity_changes,
    parse_definition,
    require_package,
    require_trackers,
    without_notify,
)
from tuner.trainers import Trainer, trainer_of
from tuner.units import Unit
from tuner.workspace.creating import PreparedStudy, prepare, refuse_read_differently
from tuner.workspace.locating import (
    Located,
    StudyPlace,
    Targets,
    data_file_reader,
    definition_for_data,
    locate,
    locate_again,
    name_of,
    refuse_defined,
    renamed,
    storage_url,
    stored_source,
    study_name_of,
    write_definition,
)
from tuner.workspace.warm_start import same_meaning

MOST_EARLIER = 10  # studies that one began with, one after the other, whose trials are read with it
AnyStudy = TypeVar("AnyStudy", bound=StoredStudy)


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """The STUDY argument and the options that locate and name it.

    ``allow_trainers``: custom trainers that may be run although only the database names them; None: none will be run.
    ``data``: keys of [data] of a data file's definition.  ``patience``: how long `open_study`, and work in what it
    opened, waits for the database.
    """

    study: str
    target: Targets = None
    storage: str | None = None
    name: str | None = None
    from_study: str | None = None
    allow_changed: bool = False
    allow_trainers: tuple[str, ...] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    patience: Patience = PATIENTLY


def open_study(request: StudyRequest, check_unit: Callable[[Unit], None] = lambda _: None) -> PreparedStudy:
    """Find the study's definition, read its data, and find or create it in its database.

    All checks are made before a file is written, also that of the unit of its errors by ``check_unit``.
    """
    with (
        waiting_for_database(request.patience),
        locate(request.study, request.storage, target=request.target, name=request.name, data=request.data) as located,
    ):
        source, trainer = _source(located, request)
        is_local = located.source is not None  # a database names no trackers and no hooks
        track = source.definition.search.trackers if is_local else ()
        hooks = hooks_in_force(source.definition.notify.hooks if is_local else {})
        old = None if request.from_study is None else name_of(request.from_study)
        with located.reader_of(source) as reader:
            study = prepare(
                source,
                dataset_from(reader, forms=source.definition.forms),
                located,
                from_study=old,
                allow_changed=request.allow_changed,
                write_definition=lambda: _write_made(located.unwritten, source.text),
                check_unit=check_unit,
            )
    return replace(study, trainer=trainer, file=located.absolute_file, track=track, hooks=hooks)


def _write_made(where: Path | None, text: str) -> None:
    """Write the definition made for a data file, unless a concurrent search wrote the same."""
    if where is None:
        return
    try:
        write_definition(where, text)
    except UsageError:
        if not where.is_file() or read_small(where) != text.encode():
            raise


def load_study_data(request: StudyRequest) -> tuple[Source, Dataset]:
    """Load the study's definition and data; nothing is written."""
    with locate(request.study, request.storage, target=request.target, data=request.data) as located:
        source, _ = _source(located, replace(request, allow_trainers=None))
        dataset = dataset_from(located.reader_of(source), forms=source.definition.forms)
        source.definition.require_target(dataset.class_names)
        return source, dataset


def load_checked(request: StudyRequest) -> tuple[Source, Dataset, Trainer, list[dict[str, Any]]]:
    """Load the study's definition, data and trainer, which the request must permit, and check the data.

    Returns the findings as plain dicts.  The rows are read once.
    """
    with locate(request.study, request.storage, target=request.target, data=request.data) as located:
        source, trainer = _source(located, request)
        with located.reader_of(source) as reader:
            dataset = dataset_from(reader, forms=source.definition.forms)
            source.definition.require_target(dataset.class_names)
            return source, dataset, trainer, [finding.to_dict() for finding in check_data_quality(dataset)]


def _source(located: Located, request: StudyRequest) -> tuple[Source, Trainer]:
    """The definition and its trainer; if it will be run, its imports are checked."""
    source = located.source or _stored_source(located)
    if request.name is not None:
        source = renamed(source, request.name)
    folder = None if located.source is None else source.folder
    trainer = trainer_of(source.definition, file_folder=folder, allowed=request.allow_trainers)
    if request.allow_trainers is not None:
        trainer.prepare()
        require_package(source.definition.search.sampler)
        require_trackers(() if located.source is None else source.definition.search.trackers)
    return source, trainer


def _stored_source(located: Located) -> Source:
    assert located.stored is not None  # or it would not have been found
    return stored_source(located.stored, shown(located.url))


def make_definition_file(path: Path, target: Targets, data: Mapping[str, Any]) -> tuple[Path, tuple[str, ...]]:
    """Write the definition of a data file, with some keys of [data]; returns its path and the notes on the data.

    Raises UsageError if the definition already exists.
    """
    where = STUDIES / f"{study_name_of(path)}.toml"
    refuse_defined(where)
    with data_file_reader(path, target, data) as reader:
        source = definition_for_data(reader, where, data)
        dataset = dataset_from(reader.with_settings(source.definition.data, source.folder))  # raises DataError
    write_definition(where, source.text)
    return where, dataset.notices


def read_record(study: str, storage: str | None = None) -> StudyRecord:
    """Read a study from its database.  Raises UsageError if it was never searched.

    [diagnosis] is taken from the definition file, if there is one.
    """
    with locate(study, storage) as located:
        return _read_record(located, study)


def read_checked(database: Database, name: str) -> StudyRecord:
    """Read a study, with the trials that it began with.  Raises StorageError for what cannot be one."""
    record = _read_alone(database, name)
    return replace(record, earlier=_earlier_trials(database, record))


def _read_alone(database: Database, name: str) -> StudyRecord:
    """Read a study whose definition is that of its identity, and allows its trials.  Raises StorageError."""
    record = read_study(database, name)
    definition = searched_definition(database, record)
    for trial in record.trials:
        if trial.params or trial.has_result:
            require_hyperparameters(database, name, trial.number, definition.misfit(trial.params))
    return record


def searched_definition(database: Database, stored: StoredStudy) -> StudyDefinition:
    """The stored definition of a study.  Raises StorageError if it is not that of the study's identity."""
    definition = parse_definition(stored.definition, f"study {stored.name!r} in {database.name}")
    changes = identity_changes(stored.identity, definition.identity(stored.fingerprint))
    require_definition(database, stored.name, stored.definition, changes)
    return definition


def _earlier_trials(database: Database, record: StudyRecord) -> tuple[TrialRecord, ...]:
    """Return the judged trials that the study's own ones continue, as far as they are still there and comparable."""
    trials: tuple[TrialRecord, ...] = ()
    later, read = record, {record.name}
    while later.facts.begun is not None and len(read) <= MOST_EARLIER:
        name = later.facts.begun.study
        if name in read or name not in record.beside:
            break
        later = _read_alone(database, name)
        if (
            not later.facts.trains_as(record.facts)
            or not same_meaning(later.identity, record.identity)
            or not later.has_dev_rows_of(record)
        ):
            break
        trials = (*later.judged, *trials)
        read.add(name)
    return trials


def _read_record(located: Located, study: str) -> StudyRecord:
    record = read_checked(searched_database(located, study), located.name)
    record = replace(compared(record, located.source), file=located.absolute_file)
    if located.source is None or record.changes_since_search:
        return record
    return replace(record, definition=located.source.text)


def compared(stored: AnyStudy, source: Source | None) -> AnyStudy:
    """Note what the user's study file says otherwise than the one that was searched."""
    if source is None:
        return stored
    changes = identity_changes(stored.identity, source.definition.identity(stored.fingerprint))
    return replace(stored, changes_since_search=tuple(changes))


def read_prepared(study: PreparedStudy) -> StudyRecord:
    """Read a study that was just searched."""
    study.database.close()
    return read_again(study.place)


def read_to_refine(study: str, storage: str | None, allowed: Collection[str]) -> StudyRecord:
    """Read a study whose definition will be written to a file, which permits the trainer that it names.

    Raises UsageError if the text is the database's and has a custom trainer that neither ``allowed`` nor the user's own
    definition file names.
    """
    with locate(study, storage) as located:
        record = _read_record(located, study)
        record = replace(record, definition=without_notify(record.definition))
        source = located.source
        own = None if source is None else source.definition.network.trainer
        trainer_of(
            parse_definition(record.definition, f"study {record.name!r} in {record.storage}"),
            allowed=[*allowed, *([] if own is None else [own])],
        )
        return record


def read_again(place: StudyPlace) -> StudyRecord:
    """Read a searched study as it is now; [diagnosis] as in :func:`read_record`."""
    with locate_again(place) as located:
        return _read_record(located, place.name)


def load_searched(place: StudyPlace, dataset: Dataset | None = None) -> tuple[StudyRecord, Dataset]:
    """Load a searched study and its data (``dataset``, if in memory).  Raises DataError if the data changed."""
    with locate_again(place) as located:
        record, source = _read_record(located, place.name), located.source
    return record, _data_of(record, source, dataset)


def read_with_data(study: str, storage: str | None = None) -> tuple[StudyRecord, Dataset | str]:
    """Read a study as :func:`read_record`, and its data; the reason as a sentence if they are gone or changed."""
    with locate(study, storage) as located:
        return _with_data(_read_record(located, study), located.source)


def read_again_with_data(place: StudyPlace, dataset: Dataset | None = None) -> tuple[StudyRecord, Dataset | str]:
    """Read a searched study as it is now, and its data (``dataset``, if in memory), as :func:`read_with_data`."""
    with locate_again(place) as located:
        return _with_data(_read_record(located, place.name), located.source, dataset)


def _with_data(
    record: StudyRecord, source: Source | None, dataset: Dataset | None = None
) -> tuple[StudyRecord, Dataset | str]:
    try:
        return record, _data_of(record, source, dataset)
    except TunerError as error:
        return record, str(error)


def _data_of(record: StudyRecord, source: Source | None, dataset: Dataset | None = None) -> Dataset:
    folder = Path(record.facts.folder) if source is None else source.folder
    definition = parse_definition(record.definition, f"study {record.name!r}")
    if dataset is None and definition.data.source is None:
        raise UsageError(
            f"study {record.name!r} was searched on data in memory. Pass them: "
            f"tuner.load_study({record.name!r}, data=…, target=…)"
        )
    dataset = load_dataset(definition.data, folder, forms=definition.forms) if dataset is None else dataset
    if dataset.fingerprint != record.fingerprint or not np.array_equal(dataset.dev_rows, record.dev_rows):
        files = " or ".join(str(file) for file in (dataset.path, definition.data.dev, definition.data.test) if file)
        raise DataError(
            f"{files or 'the rows'}: changed since study {record.name!r} was searched (fingerprint "
            f"{dataset.fingerprint[:12]}, recorded {record.fingerprint[:12]}). Restore the file"
        )
    refuse_read_differently(record.name, record.encoding, dataset.encoding)
    return dataset.counting(record.counted_by)


def trainer_to_train(place: StudyPlace, definition: StudyDefinition, allowed: Collection[str]) -> Trainer:
    """The trainer of a searched study.  Raises UsageError unless the study's file, or ``allowed``, permits its code."""
    with locate_again(place) as located:
        source = located.source
        own = None if source is None else source.definition.network.trainer
        folder = source.folder if source is not None and own == definition.network.trainer else None
        return trainer_of(definition, file_folder=folder, allowed=allowed)


def find_searched(study: str, storage: str | None = None) -> tuple[StudyPlace, StoredStudy]:
    """Find a study that was searched before.  Raises UsageError if there is none."""
    with locate(study, storage) as located:
        database = searched_database(located, study)
        stored = compared(located.stored or get_study(database, located.name), located.source)
        return StudyPlace(stored.name, database.address, located.absolute_file), stored


def open_to_read(study: str, storage: str | None = None) -> tuple[Database, StoredStudy]:
    """Open a study's database; returns it with the study; nothing is created."""
    with locate(study, storage) as located:
        database = searched_database(located, study)
        stored = located.stored or get_study(database, located.name)
        located.keep_open()
        return database, stored


def searched_database(located: Located, study: str) -> Database:
    """The database of a study.  Raises UsageError if there is none, for the study was never searched."""
    if located.unwritten is not None:
        start = command_text("search", study, "--target", "COLUMN")
        raise UsageError(f"{study} was never searched. Start with: {start}")
    try:
        return located.database()
    except NoDatabaseError:
        where, start = shown(located.url), command_text("search", study)
        raise UsageError(
            f"study {located.name!r} was never searched: no database {where}. Start with: {start}"
        ) from None


def list_studies(storage: str | None = None) -> tuple[str, list[StudyLine]]:
    """The database's name and its studies; none if it does not exist yet.

    Raises NoDatabaseError if ``storage`` names a file that does not exist.
    """
    url = storage_url(storage)
    file = sqlite_file(url)
    try:
        with open_database(url, create=False) as database:
            return database.name, study_lines(database)
    except NoDatabaseError:
        if file is not None and url != storage_url(None):
            raise
        return shown(url), []
