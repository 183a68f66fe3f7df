"""What the server reads: each time anew, so that it recovers with the database, and waits only a moment."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tuner.errors import NoDatabaseError, UsageError
from tuner.formatting import quoted
from tuner.paths import STUDIES, is_study_name
from tuner.reporting import build_report, trial_columns, trial_row
from tuner.reporting.commands import report_command
from tuner.reporting.page import LivePage, page
from tuner.storage import (
    URL,
    Database,
    Hold,
    Patience,
    RunningTrial,
    StoredStudy,
    StudyLine,
    get_study,
    mask,
    open_database,
    read_hold,
    read_progress,
    read_running,
    read_version,
    shown,
    study_lines,
    waiting_for_database,
)
from tuner.study import in_order
from tuner.workspace import StudyPlace, read_again
from tuner.workspace.listing import TrialList
from tuner.workspace.opening import searched_definition

AT_ONCE = 100
"""Trials that are sent at once."""
PATIENCE = Patience(1.0)
"""A reader learns soon that the database is away."""


@dataclass(frozen=True, slots=True)
class StudyList:
    """The studies of the database, oldest first, then those of plain Optuna; and who runs their trials."""

    storage: str
    studies: list[StudyLine]
    workers: list[RunningTrial]


@dataclass(frozen=True, slots=True)
class BestSoFar:
    """The complete trial with the lowest value; the errors are shares."""

    number: int
    value: float | None
    dev_error: float | None
    train_error: float | None
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """The progress of a study; ``version`` changes whenever its report would, ``hold`` keeps workers from it."""

    study: str
    storage: str
    version: str
    budget: int
    finished: int
    trials: dict[str, int]
    best: BestSoFar | None
    workers: list[RunningTrial]
    is_running: bool
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class TrialPage:
    """Trials in the order of their numbers; ``next`` is the ``above`` of the next page, null on the last one."""

    study: str
    trials: list[dict[str, Any]]
    next: int | None


class Reader:
    """Reads one database."""

    def __init__(self, url: URL) -> None:
        self._url = url

    @property
    def name(self) -> str:
        """What names the database to a person."""
        return shown(self._url)

    @contextmanager
    def _open(self) -> Iterator[Database]:
        with waiting_for_database(PATIENCE):
            database = open_database(self._url, create=False, upgrade=False)
        with database:
            yield database

    @contextmanager
    def _open_study(self, name: str) -> Iterator[tuple[Database, StoredStudy]]:
        """Raises UsageError for a name that no study has."""
        if not is_study_name(name):
            raise UsageError(f"no study {quoted(name)}")
        with self._open() as database:
            yield database, get_study(database, name)

    def studies(self) -> StudyList:
        """What ``/api/studies`` answers; a database that is not made yet has none."""
        try:
            with self._open() as database:
                lines, workers = study_lines(database), read_running(database)
        except NoDatabaseError:
            lines, workers = [], []
        return StudyList(mask(self._url), lines, workers)

    def check(self) -> None:
        """Raise StorageError unless the studies can be read."""
        with self._open() as database:
            study_lines(database)

    def state(self, name: str) -> StudyProgress:
        """What ``/api/studies/NAME`` answers."""
        with self._open_study(name) as (database, stored):
            progress, version = read_progress(database, stored.study_id), read_version(database, stored.study_id)
            workers, hold = read_running(database, stored.study_id), read_hold(database, stored.study_id)
        best = progress.best
        return StudyProgress(
            study=name,
            storage=mask(self._url),
            version=version,
            budget=progress.budget,
            finished=progress.counts.finished,
            trials=progress.counts.to_dict(),
            best=None
            if best is None
            else BestSoFar(
                best.number,
                finite(best.value),
                finite(best.dev_error),
                finite(best.train_error),
                json.loads(best.hyperparameters),
            ),
            workers=workers,
            is_running=bool(workers),
            hold=hold,
        )

    def trials(self, name: str, above: int, limit: int) -> Iterator[str]:
        """The text of a :class:`TrialPage`, piece by piece, each trial read when its piece is asked for."""
        with self._open_study(name) as (database, stored):
            definition = searched_definition(database, stored)
            listed = TrialList(database, stored, definition, definition)
            rows = islice(_rows(listed, above, limit), limit)
            yield f'{{"study": {json.dumps(name)}, "trials": ['
            n, last, separator = 0, above, "\n"
            while some := list(islice(rows, AT_ONCE)):
                yield separator + ",\n".join(text for _, text in some)
                n, last, separator = n + len(some), some[-1][0], ",\n"
            yield f'\n], "next": {last if n == limit else "null"}}}\n'

    def version(self, name: str) -> str:
        """What the study's report depends on: the database, and what a study file of this name says."""
        with self._open_study(name) as (database, stored):
            version = read_version(database, stored.study_id)
        try:
            file = _file_of(name).stat()
        except OSError:
            return version
        return f"{version}-{file.st_mtime_ns:x}-{file.st_size:x}"

    def report(self, name: str, version: str, links: Sequence[tuple[str, str]]) -> str:
        """The report's page, which follows the search; ``links``: (address, text) of pages beside it."""
        with waiting_for_database(PATIENCE):
            place = StudyPlace(name, self._url.render_as_string(hide_password=False), _file_of(name))
            record = read_again(place)
            instead = f"{report_command(record)} writes a page with wrong rows, segments and columns"
            report = build_report(record, dataset=f"the server reads no data files. {instead}")
            return page(report, LivePage(name, version, links))


def _file_of(name: str) -> Path:
    """The study file that ``tuner report NAME`` would read, too."""
    return STUDIES / f"{name}.toml"


def _rows(listed: TrialList, above: int, limit: int) -> Iterator[tuple[int, str]]:
    """Yield the number of each trial above one, and its JSON, with the columns of ``trials.csv``."""
    space, baseline = listed.definition.searched_space, listed.definition.diagnosis.baseline or 0.0
    for trial in listed.above(above, limit):
        names = in_order({*space.fixed, *space.searched, *trial.params})  # an older trial may have others
        cells = map(finite, trial_row(trial, names, baseline))
        yield trial.number, json.dumps(dict(zip(trial_columns(names), cells, strict=True)), allow_nan=False)


def finite(value: Any) -> Any:
    """The same, None for a number that JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
