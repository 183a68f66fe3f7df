"""Bringing in a study of plain Optuna, from any storage of it: checked trial by trial, written whole or not at all."""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection, StudySummary
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, Connection

from tuner.errors import StorageError, TunerError, UsageError
from tuner.files import open_regular
from tuner.formatting import one_line, quoted, shorten, some_of
from tuner.paths import STUDY_NAME, is_study_name
from tuner.printable import without_passwords
from tuner.storage import optuna_internals
from tuner.storage.address import parse_url, refuse_no_file, shown, sqlite_file, sqlite_url
from tuner.storage.checked import EARLIEST, JSON, LATEST
from tuner.storage.database import Database, connect_to_read
from tuner.storage.schema import SQLITE_MAGIC, rdb_storage
from tuner.storage.studies import insert_name

CHUNK = 500
"""Trials written at a time."""
LONGEST_NAME = 512
"""Characters of a parameter's or attribute's name in Optuna's tables."""
IMPORTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True, slots=True)
class OptunaStudy:
    """A study of plain Optuna, as its storage holds it; ``skipped``: why trials were left out, and how many."""

    name: str
    direction: StudyDirection
    trials: list[FrozenTrial]
    skipped: Mapping[str, int]

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters, in the order of their first trial."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.params))


def read_optuna_study(source: str, name: str | None, renamed: Mapping[str, str]) -> OptunaStudy:
    """Read a study from a URL (SQLite, PostgreSQL), a SQLite file or a journal file; nothing is changed there.

    ``name`` None: the only one there is.  ``renamed``: parameters' names -> their names here.  Raises StorageError for
    what Optuna cannot read, UsageError for a study or parameter that is not there, or several objectives.
    """
    url = parse_url(source) if "://" in source else None
    where = source if url is None else shown(url)
    try:
        with _opened(source, url) as storage:
            summaries = optuna.get_all_study_summaries(storage, include_best_trial=False)
            summary = _chosen(where, summaries, name)
            trials = storage.get_all_trials(storage.get_study_id_from_name(summary.study_name), deepcopy=False)
    except TunerError:
        raise
    except Exception as error:  # whatever Optuna, its drivers or JSON make of a file that others wrote
        reason = shorten(without_passwords(one_line(error)), 200)
        raise StorageError(
            f"{where}: cannot be read by Optuna: {reason}; expected a SQLite or journal file of Optuna, or a URL"
        ) from None
    unknown = [old for old in renamed if all(old not in trial.params for trial in trials)]
    if unknown:
        there = some_of(sorted({each for trial in trials for each in trial.params}))
        raise UsageError(f"--rename: no trial has a parameter {quoted(unknown[0])}; there are {there}")
    taken, skipped = [], Counter[str]()
    for trial in trials:
        fault = _fault(trial, renamed)
        if fault is None:
            taken.append(_renamed(trial, renamed))
        else:
            skipped[fault] += 1
    return OptunaStudy(summary.study_name, summary.direction, taken, skipped)


@contextmanager
def _opened(source: str, url: URL | None) -> Iterator[BaseStorage]:
    """The storage behind a URL or file, opened only to be read."""
    if url is None:
        path = Path(source).absolute()
        if _first_bytes(path) != SQLITE_MAGIC:
            yield JournalStorage(JournalFileBackend(str(path)))
            return
        url = sqlite_url(path)
    file = sqlite_file(url)
    if file is None:
        how: dict[str, Any] = {"connect_args": {"options": "-c default_transaction_read_only=on"}}
    else:
        _first_bytes(file)
        how = {"creator": lambda: connect_to_read(file)}
    storage = rdb_storage(url, how, skip_table_creation=True)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _first_bytes(path: Path) -> bytes:
    try:
        refuse_no_file(path)
        with open_regular(path) as file:
            return file.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be read: {error.strerror}; expected a SQLite or journal file of Optuna"
        ) from None


def _chosen(where: str, summaries: Sequence[StudySummary], name: str | None) -> StudySummary:
    """The study of this name, or the only one.  Raises UsageError."""
    names = [summary.study_name for summary in summaries]
    if name is None and len(names) != 1:
        there = f"it holds {some_of(names)}. Name one with --study" if names else "it holds none"
        raise UsageError(f"{where}: expected one study, {there}")
    matching = [summary for summary in summaries if name in (None, summary.study_name)]
    if not matching:
        raise UsageError(f"{where}: no study {quoted(str(name))}; it holds {some_of(names) if names else 'none'}")
    objectives = len(matching[0].directions)
    if objectives != 1:
        raise UsageError(f"{where}: study {quoted(matching[0].study_name)} has {objectives} objectives; expected one")
    return matching[0]


def _fault(trial: FrozenTrial, renamed: Mapping[str, str]) -> str | None:
    """Why a trial cannot be brought in; None if it can."""
    names = [renamed.get(name, name) for name in trial.params]
    if trial.state not in IMPORTED:
        return "not finished"
    if trial.state is TrialState.COMPLETE and not _is_finite(trial.values):
        return "the value is not one finite number"
    if not all(map(_is_name, [*names, *trial.user_attrs])) or len(set(names)) < len(names):
        return "a name is empty, too long, not printable, or given twice"
    if trial.params.keys() != trial.distributions.keys() or not all(_is_drawn(trial, name) for name in trial.params):
        return "a parameter is outside its range"
    if not all(map(_is_json, trial.user_attrs.values())):
        return "a user attribute is not JSON"
    return None


def _is_finite(values: Sequence[float] | None) -> bool:
    return values is not None and len(values) == 1 and type(values[0]) in (int, float) and math.isfinite(values[0])


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable()


def _is_drawn(trial: FrozenTrial, name: str) -> bool:
    """Whether a parameter's value is of its distribution, and can be stored."""
    try:
        distribution = trial.distributions[name]
        stored = distribution.to_internal_repr(trial.params[name])
        json.loads(distribution_to_json(distribution))
        return math.isfinite(stored) and optuna_internals.contains(distribution, trial.params[name])
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return False


def _is_json(value: object) -> bool:
    try:
        return JSON.fits(json.dumps(value))
    except (RecursionError, TypeError, ValueError):
        return False


def _renamed(trial: FrozenTrial, renamed: Mapping[str, str]) -> FrozenTrial:
    trial.params, trial.distributions = (
        {renamed.get(name, name): of for name, of in each.items()} for each in (trial.params, trial.distributions)
    )
    return trial


def name_for(study: OptunaStudy, name: str | None) -> str:
    """The name of a study here: ``name``, or its own.  Raises UsageError for what is no name of a study."""
    new = study.name if name is None else name
    if not is_study_name(new):
        raise UsageError(f"{quoted(new)} is not the name of a study ({STUDY_NAME}). Name it with --name")
    return new


def insert_optuna_study(database: Database, study: OptunaStudy, new: str) -> None:
    """Write a study of plain Optuna into Optuna's tables under this name.  Raises UsageError if it is taken."""

    def work(connection: Connection) -> None:
        if not database.is_sqlite:
            connection.execute(sa.text("LOCK TABLE tuner_studies IN SHARE ROW EXCLUSIVE MODE"))
        s = optuna_internals.studies.c
        if connection.execute(sa.select(s.study_id).where(s.study_name == new)).first() is not None:
            raise UsageError(f"study {quoted(new)} already exists in {database.name}. Name the new one with --name")
        study_id = insert_name(connection, new, study.direction)
        for start in range(0, len(study.trials), CHUNK):
            _insert_trials(connection, study_id, start, study.trials[start : start + CHUNK])

    database.write(work)


def _insert_trials(connection: Connection, study_id: int, first: int, trials: Sequence[FrozenTrial]) -> None:
    table = optuna_internals.trials
    rows = [
        {
            "number": number,
            "study_id": study_id,
            "state": trial.state,
            "datetime_start": _utc(trial.datetime_start),
            "datetime_complete": _utc(trial.datetime_complete),
        }
        for number, trial in enumerate(trials, start=first)
    ]
    insert = table.insert().returning(table.c.trial_id, sort_by_parameter_order=True)
    numbered = list(zip(connection.execute(insert, rows).scalars().all(), trials, strict=True))
    values = [
        {"trial_id": trial_id, "objective": 0, "value": float(trial.value), "value_type": optuna_internals.FINITE}
        for trial_id, trial in numbered
        if trial.value is not None and math.isfinite(trial.value)
    ]
    params = [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": trial.distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(trial.distributions[name]),
        }
        for trial_id, trial in numbered
        for name, value in trial.params.items()
    ]
    attributes = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for trial_id, trial in numbered
        for key, value in trial.user_attrs.items()
    ]
    for into, new in (
        (optuna_internals.values, values),
        (optuna_internals.params, params),
        (optuna_internals.trial_user_attributes, attributes),
    ):
        if new:
            connection.execute(into.insert(), new)


def _utc(local: datetime.datetime | None) -> datetime.datetime | None:
    """As Optuna's tables hold times; None for one that they cannot hold."""
    try:
        time = None if local is None else local.astimezone(datetime.UTC).replace(tzinfo=None)
    except (OverflowError, OSError, ValueError):
        return None
    return time if time is not None and EARLIEST <= time < LATEST else None
