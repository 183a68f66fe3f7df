"""A study that is read repeatedly while it runs."""

from __future__ import annotations

from tuner.storage import (
    StudyLook,
    StudyRecord,
    mask,
    read_errors,
    read_hold,
    read_last_ends,
    read_progress,
    read_running,
)
from tuner.workspace.opening import open_to_read, read_checked

MOST_WHOLE = 2000
"""Finished trials up to which the whole study is read for every look."""


class StudyView:
    """A study that is read repeatedly; of a large one only what is new."""

    def __init__(self, study: str, storage: str | None = None) -> None:
        self._database, self._stored = open_to_read(study, storage)
        self._last = 0
        self._errors: list[float] = []

    def look(self) -> tuple[StudyLook, StudyRecord | None]:
        """Read the study as it is now; its record is None if it is large."""
        database, study_id = self._database, self._stored.study_id
        progress = read_progress(database, study_id)
        is_large = progress.counts.finished > MOST_WHOLE
        record = None if is_large else read_checked(database, self._stored.name)
        self._last, new = read_errors(database, study_id, self._last)
        self._errors += new
        running, ends = read_running(database, study_id), read_last_ends(database, study_id)
        hold = read_hold(database, study_id)
        storage, errors = mask(database.url), tuple(self._errors)
        name, error_name = self._stored.name, self._stored.error_name
        return StudyLook(name, storage, progress, running, errors, ends, hold, error_name), record

    def close(self) -> None:
        """Close the database."""
        self._database.close()
