"""The studies of a database: made once, found by name, never continued under another identity unasked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from sqlalchemy.engine import Connection

from tuner.arguments import unexpected
from tuner.errors import UsageError
from tuner.formatting import quoted, some_of
from tuner.metrics import ERROR, METRICS, Metric, counting
from tuner.paths import is_study_name
from tuner.storage import optuna_internals, tables
from tuner.storage.checked import MOST, BadValueError
from tuner.storage.counting import JUDGED, STUDY_COUNTS, Finished, StateCounts, count_states
from tuner.storage.database import Database, new_key
from tuner.storage.facts import StudyFacts
from tuner.storage.holds import Hold, HoldKind
from tuner.storage.imported import find_imported, imported_counts, is_imported, only_to_begin_with
from tuner.storage.leases import lock_study
from tuner.storage.ranking import RANK
from tuner.storage.records import insert_waiting
from tuner.storage.unclaimed import UnclaimedTrial, read_unclaimed
from tuner.units import SHARE, Unit


@dataclass(frozen=True, slots=True)
class WarmStartTrial:
    """A trial of another study that a new one begins with.

    ``sampled``: Optuna's parameters; ``value`` is None where the other study's values mean something else.
    """

    sampled: dict[str, Any]
    value: float | None


@dataclass(frozen=True)
class NewStudy:
    """All that is kept of a study besides its trials; arrays run over the dev examples in the order of their bits.

    ``offers``: trials of another study, the best first, that the sampler knows from the start; the first
    ``n_repeated`` of them wait to be run again.
    """

    name: str
    definition: str
    identity: dict[str, Any]
    fingerprint: str
    data_path: str
    dev_rows: np.ndarray
    dev_classes: np.ndarray
    dev_groups: np.ndarray | None
    dev_folds: np.ndarray
    test_rows: np.ndarray
    budget: int
    facts: StudyFacts
    encoding: dict[str, Any] = field(default_factory=dict)
    dev_weights: np.ndarray | None = None
    offers: Sequence[WarmStartTrial] = ()
    n_repeated: int = 0
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredStudy:
    """A study as it lies in the database, without its trials.

    ``changes_since_search``: what the user's study file says otherwise, if there is one.
    """

    study_id: int
    name: str
    definition: str
    identity: dict[str, Any]
    fingerprint: str
    data_path: str
    facts: StudyFacts
    budget: int
    changes_since_search: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def counted_by(self) -> Metric:
        """The metric that every error is of."""
        name = self.identity.get("search.metric", ERROR.name)
        return counting(name, weighs_classes=self.facts.weighs_classes, loss=self.facts.unit.loss)

    @property
    def error_name(self) -> str:
        """What people call the study's errors: "error", "balanced error", "RMSE"."""
        unit = self.facts.unit
        return self.counted_by.label if unit.is_share else unit.name

    @property
    def metric(self) -> Metric:
        """What trials are chosen by, of rows with the weights that the study's errors have."""
        return METRICS[self.identity.get("search.metric", ERROR.name)].on_rows_of(self.counted_by)


def stored_values(row: Any) -> dict[str, Any]:
    """The fields of a StoredStudy, from a row that has a column for each."""
    values = {field.name: getattr(row, field.name) for field in fields(StoredStudy) if not field.kw_only}
    return {**values, "identity": json.loads(row.identity), "facts": StudyFacts.from_json(row.facts)}


@dataclass(frozen=True, slots=True)
class StudyLine(Finished):
    """One line of ``tuner studies``; ``set_aside``: why the study cannot be read, or workers could not run it.

    ``hold``: what keeps workers from it, or a worker.  ``unclaimed``: trials that another program runs.

    ``is_imported``: it is of plain Optuna, and no more is known than the number of its trials, all unrecorded.
    """

    name: str
    budget: int
    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int
    unrecorded: int
    best: float | None
    created: float
    data_path: str
    metric: str
    set_aside: str | None
    is_imported: bool = False
    priority: int = 0
    hold: Hold | None = None
    unit: Unit = SHARE
    unclaimed: tuple[UnclaimedTrial, ...] = ()


def find_study(database: Database, name: str) -> StoredStudy | None:
    """The study of this name, or None."""
    return database.read(lambda connection: _find(connection, name))


def get_study(database: Database, name: str) -> StoredStudy:
    """The study of this name.  Raises UsageError naming those there are."""
    study = find_study(database, name)
    if study is None:
        raise no_study(database, name)
    return study


def no_study(database: Database, name: str) -> UsageError:
    """The error for a name that no study has, with the names there are."""
    if is_imported(database, name):
        return UsageError(only_to_begin_with(name))
    names = study_names(database)
    there = f"it holds {some_of(names)}" if names else "it holds none yet"
    return UsageError(f"no study {quoted(name)} in {database.name}; {there}")


def read_points(database: Database, study_id: int) -> list[tuple[int, dict[str, Any], float]]:
    """Number, hyperparameters and value of every complete trial that did not diverge, the best first."""
    o, t, v = optuna_internals.trials.c, tables.trials.c, optuna_internals.values.c
    query = (
        sa.select(o.number, t.hyperparameters, v.value)
        .join(optuna_internals.trials, o.trial_id == t.trial_id)
        .join(optuna_internals.values, v.trial_id == t.trial_id)
        .where(t.study_id == study_id, JUDGED)
        .order_by(*RANK)
    )
    with database.reading() as connection:
        return [(number, json.loads(text), value) for number, text, value in connection.execute(query)]


def read_dev_set(database: Database, study_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Row numbers, class indices or standardized numbers, and weights of a study's dev examples."""
    s = tables.studies.c
    with database.reading() as connection:
        query = sa.select(s.dev_rows, s.dev_classes, s.dev_weights, s.facts).where(s.study_id == study_id)
        row = connection.execute(query).one()
    weights = None if row.dev_weights is None else np.frombuffer(row.dev_weights, "<f8")
    targets = np.frombuffer(row.dev_classes, StudyFacts.from_json(row.facts).targets_type)
    return np.frombuffer(row.dev_rows, "<i8"), targets, weights


def read_encoding(database: Database, study_id: int) -> dict[str, Any]:
    """How a study's data is encoded, as JSON."""
    query = sa.select(tables.studies.c.encoding).where(tables.studies.c.study_id == study_id)
    encoding: dict[str, Any] = json.loads(database.read(lambda connection: connection.execute(query).scalar_one()))
    return encoding


def study_names(database: Database) -> list[str]:
    """All studies of ours, oldest first."""
    s, o = tables.studies.c, optuna_internals.studies.c
    with database.reading() as connection:
        query = sa.select(o.study_name).join(tables.studies, s.study_id == o.study_id).order_by(s.created)
        return list(connection.execute(query).scalars())


def study_ids(database: Database) -> dict[str, int]:
    """The ids of all studies of ours by name, oldest first, whatever else their rows hold; bad names are left out."""
    s, o = tables.studies.c, optuna_internals.studies.c
    query = (
        sa.select(sa.type_coerce(o.study_name, sa.String), s.study_id)
        .join(tables.studies, s.study_id == o.study_id)
        .order_by(s.created)
    )
    with database.reading() as connection:
        return {name: study_id for name, study_id in connection.execute(query) if is_study_name(name)}


def ensure_study(database: Database, study: NewStudy) -> tuple[StoredStudy, bool]:
    """The study of that name, made if there is none (of many that try at once, one makes it); and whether it is new."""

    def work(connection: Connection) -> tuple[StoredStudy, bool]:
        if not database.is_sqlite:
            connection.execute(sa.text("LOCK TABLE tuner_studies IN SHARE ROW EXCLUSIVE MODE"))
        stored = _find(connection, study.name)
        if stored is not None:
            return stored, False
        if find_imported(connection, study.name) is not None:
            raise UsageError(only_to_begin_with(study.name, "--name", "NEW"))
        _insert(connection, study, database.now(connection))
        made = _find(connection, study.name)
        assert made is not None
        return made, True

    stored = find_study(database, study.name)
    return (stored, False) if stored is not None else database.write(work)


def _find(connection: Connection, name: str) -> StoredStudy | None:
    s, o = tables.studies.c, optuna_internals.studies.c
    ours = (s.definition, s.identity, s.fingerprint, s.data_path, s.facts, s.budget)
    row = connection.execute(
        sa.select(s.study_id, o.study_name.label("name"), *ours)
        .join(optuna_internals.studies, s.study_id == o.study_id)
        .where(o.study_name == name)
    ).one_or_none()
    return None if row is None else StoredStudy(**stored_values(row))


def insert_name(connection: Connection, name: str, direction: StudyDirection = StudyDirection.MINIMIZE) -> int:
    """A new study in Optuna's tables; its id."""
    study_id = new_key(connection.execute(optuna_internals.studies.insert().values(study_name=name)))
    connection.execute(optuna_internals.directions.insert().values(study_id=study_id, direction=direction, objective=0))
    return study_id


def _insert(connection: Connection, study: NewStudy, now: float) -> None:
    study_id = insert_name(connection, study.name)
    connection.execute(tables.jobs.insert().values(study_id=study_id, attempts=0))
    connection.execute(tables.counts.insert().values(study_id=study_id, pruned=0, diverged=0))
    groups, weights = study.dev_groups, study.dev_weights
    for offer in study.offers[: study.n_repeated]:
        insert_waiting(connection, study_id, offer.sampled, study.distributions)
    connection.execute(
        tables.studies.insert().values(
            study_id=study_id,
            definition=study.definition,
            identity=json.dumps(study.identity),
            fingerprint=study.fingerprint,
            data_path=study.data_path,
            facts=study.facts.to_json(),
            encoding=json.dumps(study.encoding),
            dev_rows=study.dev_rows.astype("<i8").tobytes(),
            dev_classes=study.dev_classes.astype(study.facts.targets_type).tobytes(),
            dev_groups=None if groups is None else groups.astype("<i8").tobytes(),
            dev_weights=None if weights is None else weights.astype("<f8").tobytes(),
            dev_folds=study.dev_folds.astype("u1").tobytes(),
            test_rows=study.test_rows.astype("<i8").tobytes(),
            offered=json.dumps([[o.sampled, o.value] for o in study.offers]) if study.offers else None,
            budget=study.budget,
            created=now,
            priority=0,
        )
    )


def update_study(database: Database, study_id: int, **values: Any) -> None:
    """Set columns of a study's row (its definition and identity after ``--allow-changed``, its budget)."""
    encoded = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in values.items()}
    database.write(
        lambda connection: connection.execute(
            tables.studies.update().where(tables.studies.c.study_id == study_id).values(**encoded)
        )
    )


def record_test_evaluation(
    database: Database,
    study_id: int,
    *,
    trial_number: int | None,
    wrong: float,
    n: int,
    n_effective: float | None,
    model: str,
) -> int:
    """Record a test-set evaluation of a trial's model; returns how many there are, this one included.

    ``n_effective``: the independent rows among the ``n``, given groups; None if all are.
    """
    evaluations = tables.test_evaluations

    def work(connection: Connection) -> int:
        lock_study(connection, study_id)
        row = {"trial_number": trial_number, "wrong": wrong, "n": n, "n_effective": n_effective, "model": model}
        connection.execute(evaluations.insert().values(study_id=study_id, looked=database.now(connection), **row))
        query = sa.select(sa.func.count()).select_from(evaluations).where(evaluations.c.study_id == study_id)
        return int(connection.execute(query).scalar_one())

    return database.write(work)


def set_budget(database: Database, study_id: int, total: int) -> int:
    """Set the budget to ``total`` trials, but no fewer than are finished.  Returns the new budget."""
    return _change_budget(database, study_id, lambda _, finished: max(total, finished))


def raise_budget(database: Database, study_id: int, by: int) -> int:
    """Raise the budget by ``by`` above the larger of budget and finished trials.  Returns the new budget."""
    return _change_budget(database, study_id, lambda budget, finished: max(budget, finished) + by)


def _change_budget(database: Database, study_id: int, change: Callable[[int, int], int]) -> int:
    """Set the budget to ``change(budget, finished trials)``, and return it."""

    def work(connection: Connection) -> int:
        study, finished = lock_study(connection, study_id), count_states(connection, study_id).finished
        budget = change(study.budget, finished)
        if budget > MOST:
            raise unexpected("trials", f"a budget of at most {MOST:,}", budget)
        changed: dict[str, Any] = {"budget": budget}
        if study.hold is not None and study.hold.kind is HoldKind.CANCELED and budget > finished:
            changed["hold"] = study.hold.opened_again().to_json()
        connection.execute(tables.studies.update().where(tables.studies.c.study_id == study_id).values(changed))
        return budget

    return database.write(work)


def study_lines(database: Database) -> list[StudyLine]:
    """List the database's studies, oldest first, then those of plain Optuna.

    One that cannot be read keeps none of the others from being listed.
    """
    with database.reading() as connection:
        imported = [
            _line_of_unknown(name, unrecorded=trials, is_imported=True)
            for name, trials in imported_counts(connection).items()
        ]
    return _own_lines(database) + imported


def _own_lines(database: Database) -> list[StudyLine]:
    with suppress(BadValueError), database.reading() as connection:
        return _lines(connection, sa.true())
    s, lines = tables.studies.c, []
    with database.reading() as connection:
        ids = connection.execute(sa.select(s.study_id)).scalars().all()
    for study_id in ids:
        try:
            with database.reading() as connection:
                lines += _lines(connection, s.study_id == study_id)
        except BadValueError as error:
            lines.append(_unreadable(database, study_id, str(error)))
    return lines


def _unreadable(database: Database, study_id: int, fault: str) -> StudyLine:
    """The line of a study with a bad row, under its number if its name is bad."""
    o = optuna_internals.studies.c
    with database.reading() as connection:
        query = sa.select(sa.type_coerce(o.study_name, sa.String)).where(o.study_id == study_id)
        name = connection.execute(query).scalar_one_or_none()
    shown = str(name) if is_study_name(name) else f"({study_id})"
    return _line_of_unknown(shown, set_aside=f"cannot be read: {fault}")


def _line_of_unknown(
    name: str, unrecorded: int = 0, set_aside: str | None = None, *, is_imported: bool = False
) -> StudyLine:
    """What is shown of a study whose rows cannot be read, or that is of plain Optuna."""
    return StudyLine(
        name=name,
        budget=0,
        **asdict(StateCounts(unrecorded=unrecorded)),
        best=None,
        created=0.0,
        data_path="",
        metric="error",
        set_aside=set_aside,
        is_imported=is_imported,
    )


def _lines(connection: Connection, of: sa.ColumnElement[bool]) -> list[StudyLine]:
    s, o, v = tables.studies.c, optuna_internals.studies.c, optuna_internals.values.c
    rows = connection.execute(
        sa.select(
            *(s.study_id, o.study_name, s.budget, s.created, s.data_path, s.identity, s.priority, s.hold, s.facts)
        )
        .join(optuna_internals.studies, s.study_id == o.study_id)
        .where(of)
        .order_by(s.created)
    ).all()
    counts = {row.study_id: StateCounts.of(row) for row in connection.execute(STUDY_COUNTS.where(of))}
    best: dict[int, float] = {
        row.study_id: row.value
        for row in connection.execute(
            sa.select(s.study_id, v.value)
            .join(tables.counts, tables.counts.c.study_id == s.study_id)
            .join(optuna_internals.values, v.trial_id == tables.counts.c.best_trial_id)
            .where(of)
        )
    }
    holds = {
        row.study_id: Hold.present(row.hold, has_budget=counts[row.study_id].finished < row.budget) for row in rows
    }
    return [
        StudyLine(
            name=row.study_name,
            budget=row.budget,
            **asdict(counts[row.study_id]),
            best=best.get(row.study_id),
            created=row.created,
            data_path=row.data_path,
            metric=json.loads(row.identity).get("search.metric", "error"),
            set_aside=_reason_to_set_aside(holds[row.study_id]),
            priority=row.priority,
            hold=holds[row.study_id],
            unit=StudyFacts.from_json(row.facts).unit,
            unclaimed=read_unclaimed(connection, row.study_id) if counts[row.study_id].unrecorded else (),
        )
        for row in rows
    ]


def _reason_to_set_aside(hold: Hold | None) -> str | None:
    return hold.reason if hold is not None and hold.kind in (HoldKind.FAILING, HoldKind.SET_ASIDE) else None


def delete_study(database: Database, name: str) -> None:
    """Remove a study and all its trials, from Optuna's tables and ours, in one transaction.  Raises UsageError.

    Nothing else of it is read: it may be a study with bad rows.
    """
    o = optuna_internals.studies.c
    with database.reading() as connection:
        study_id = connection.execute(sa.select(o.study_id).where(o.study_name == name)).scalar_one_or_none()
    if study_id is None:
        raise no_study(database, name)

    def work(connection: Connection) -> None:
        for table in (tables.studies, optuna_internals.studies):  # nobody begins a trial from here on
            connection.execute(sa.select(table.c.study_id).where(table.c.study_id == study_id).with_for_update())
        connection.execute(tables.claims.delete().where(tables.claims.c.study_id == study_id))  # nor writes to one
        delete_trials(
            connection,
            sa.select(optuna_internals.trials.c.trial_id).where(optuna_internals.trials.c.study_id == study_id),
        )
        for table in [*reversed(optuna_internals.metadata.sorted_tables), *reversed(tables.metadata.sorted_tables)]:
            if "study_id" in table.c and table is not optuna_internals.studies:
                connection.execute(table.delete().where(table.c.study_id == study_id))
        connection.execute(optuna_internals.studies.delete().where(optuna_internals.studies.c.study_id == study_id))

    database.write(work, repeatable=True)


def delete_trials(connection: Connection, ids: sa.Select[tuple[int]] | Sequence[int]) -> None:
    """Remove trials with all that is recorded of them, from Optuna's tables and ours."""
    trials = optuna_internals.trials
    for table in [*reversed(optuna_internals.metadata.sorted_tables), *reversed(tables.metadata.sorted_tables)]:
        if "trial_id" in table.c and table is not trials:
            connection.execute(table.delete().where(table.c.trial_id.in_(ids)))
    connection.execute(trials.delete().where(trials.c.trial_id.in_(ids)))
