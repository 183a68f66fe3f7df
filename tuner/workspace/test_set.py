"""Looks at the test set: each is written into the study's database before anybody sees what it showed."""

from __future__ import annotations

from pathlib import Path

from tuner.data import Dataset, fingerprint_of, load_dataset
from tuner.errors import NoDatabaseError, UsageError
from tuner.paths import STUDIES
from tuner.storage import Database, get_study, open_database, parse_url, record_test_look, shown
from tuner.study import StudyDefinition
from tuner.workspace.locating import storage_url


class Seal:
    """The seal on a study's test set: its database, found and fitting, where a look will be written.

    Raises UsageError or StorageError where a look could not be recorded; then the test set stays closed.
    """

    def __init__(self, study: str, storage: str | None, recorded: str, fingerprint: str) -> None:
        self._database = _open(storage, recorded)
        try:
            stored = get_study(self._database, study)
            if stored.fingerprint != fingerprint:
                raise UsageError(
                    f"--test: study {study!r} in {self._database.name} is about other data than the model "
                    f"(fingerprint {stored.fingerprint[:12]}, the model's {fingerprint[:12]}); name its own --storage"
                )
        except BaseException:
            self._database.close()
            raise
        self._study_id = stored.study_id

    def record(self, *, trial: int, wrong: int, n: int, n_effective: float | None, model: str) -> int:
        """Write the look down; how often the test set was looked at, this time included."""
        with self._database as database:
            return record_test_look(
                database, self._study_id, trial_number=trial, wrong=wrong, n=n, n_effective=n_effective, model=model
            )


def _open(storage: str | None, recorded: str) -> Database:
    """The database that is meant: named, else the one that the model was trained from."""
    if storage is None and "***" in recorded:
        raise UsageError(
            f"--test: the look has to be recorded in {recorded}: name it, password and all, with --storage"
        )
    url = storage_url(storage) if storage else parse_url(recorded)
    try:
        return open_database(url, create=False)
    except NoDatabaseError:
        raise UsageError(
            f"--test: there is no {shown(url)} to record the look in, and a look that is not recorded is not shown; "
            "name the study's database with --storage"
        ) from None


def load_models_data(definition: StudyDefinition, folder: str) -> Dataset:
    """The data of a model's study: where they lay when it was trained, or beside the studies of this folder.

    Raises UsageError where they were in memory, DataError where they cannot be read.
    """
    source = definition.data.source
    if source is None:
        raise UsageError(
            f"study {definition.name!r} was searched on rows handed over in memory: name a file to count on: "
            "tuner evaluate MODEL DATA"
        )
    folders = [Path(folder), STUDIES.absolute()]
    return load_dataset(definition.data, next((each for each in folders if (each / source).is_file()), folders[0]))


def own_file(definition: StudyDefinition, folder: str, fingerprint: str, path: Path) -> str | None:
    """Which of the study's own files this is: "source", "dev" or "test"; None for another one."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected a labeled file")
    if fingerprint_of(path) == fingerprint:
        return "source"  # a copy of the one file that there is
    for key in ("source", "dev", "test"):
        name = getattr(definition.data, key)
        if name is None:
            continue
        if any((each / name).exists() and (each / name).samefile(path) for each in (Path(folder), STUDIES)):
            return key
    return None
