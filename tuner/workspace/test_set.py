"""Evaluate on the test set; each evaluation is recorded in the study's database before its result is shown."""

from __future__ import annotations

import os
from pathlib import Path

from tuner.data import Dataset, fingerprint_of, load_dataset, readable
from tuner.errors import NoDatabaseError, UsageError
from tuner.paths import STUDIES
from tuner.storage import Database, get_study, mask, open_database, record_test_evaluation, shown
from tuner.study import StudyDefinition
from tuner.workspace.locating import storage_url


class TestSetLog:
    """The database that records a study's test-set evaluations.

    Raises UsageError or StorageError if an evaluation could not be recorded; then none may be made.
    """

    def __init__(self, study: str, storage: str | None, recorded: str, fingerprint: str) -> None:
        self._database = _open(storage, recorded)
        try:
            stored = get_study(self._database, study)
            if stored.fingerprint != fingerprint:
                raise UsageError(
                    f"--test: study {study!r} in {self._database.name} has other data than the model "
                    f"({stored.fingerprint[:12]}, not {fingerprint[:12]}). Name the model's database with --storage"
                )
        except BaseException:
            self._database.close()
            raise
        self._study_id = stored.study_id

    def record(self, *, trial: int | None, wrong: float, n: int, n_effective: float | None, model: str) -> int:
        """Record an evaluation; returns how many there are, this one included."""
        with self._database as database:
            return record_test_evaluation(
                database, self._study_id, trial_number=trial, wrong=wrong, n=n, n_effective=n_effective, model=model
            )


def _open(storage: str | None, recorded: str) -> Database:
    """Open the database that the user named, or the usual one if the model was trained from it.

    A model file may come from anyone: it never chooses where tuner connects.
    """
    url = storage_url(storage)
    if not storage and mask(url) != recorded:
        raise UsageError(
            f"--test: the model was trained from {recorded}, not from {shown(url)}; a model file does not choose where "
            "an evaluation is recorded. Name the study's database with --storage"
        )
    try:
        return open_database(url, create=False)
    except NoDatabaseError:
        raise UsageError(
            f"--test: no database {shown(url)} to record the evaluation in. Name the study's database with --storage"
        ) from None


def load_models_data(definition: StudyDefinition, folder: str) -> Dataset:
    """Load the data of a model's study, from where it was trained or from this folder's studies.

    Raises UsageError if the data was in memory, DataError if it cannot be read.
    """
    source = definition.data.source
    if source is None:
        raise UsageError(
            f"study {definition.name!r} was searched on data in memory. Name a labeled file: tuner evaluate MODEL DATA"
        )
    folders = [Path(folder), STUDIES.absolute()]
    return load_dataset(definition.data, next((each for each in folders if os.path.isfile(each / source)), folders[0]))


def own_file(definition: StudyDefinition, folder: str, fingerprint: str, path: Path) -> str | None:
    """Which of the study's own files this is: "source", "dev", "test", or None."""
    with readable(path):
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        if fingerprint_of(path) == fingerprint:
            return "source"  # also a copy of it
        for key in ("source", "dev", "test"):
            name = getattr(definition.data, key)
            if name is None:
                continue
            if any((each / name).exists() and (each / name).samefile(path) for each in (Path(folder), STUDIES)):
                return key
    return None
