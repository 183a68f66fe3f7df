"""Bringing the studies and trials of another database in: whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.errors import StorageError
from tuner.storage import optuna_internals, tables
from tuner.storage.checked import optional
from tuner.storage.claims import next_number
from tuner.storage.counting import recount
from tuner.storage.database import Database
from tuner.storage.facts import StudyFacts
from tuner.storage.imported import find_imported
from tuner.storage.leases import lock_study
from tuner.storage.predictions import forget_predictions, read_predictions
from tuner.storage.studies import insert_name

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
CHUNK = 200
"""Trials copied at a time: their epochs are many rows."""

_OPTUNA_ROWS = tuple(
    table
    for table in optuna_internals.metadata.sorted_tables
    if "trial_id" in table.c and table.name not in ("trials", "trial_heartbeats")
)
_STATES = (
    sa.select(optuna_internals.trials.c.state).where(optuna_internals.trials.c.study_id == tables.STUDY).distinct()
)
_OUR_ROWS = (tables.networks, tables.epochs, tables.learning)


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of one study: trials brought in, trials that were there already, trials left because they run."""

    study: str
    is_new: bool
    added: int
    known: int
    left: int


def merge_database(source: Database, target: Database) -> list[Merged]:
    """Copy every study of ``source`` into ``target``, in one transaction.

    A study that is not there comes with its trials as they are numbered, those that wait included.  Into one that is
    there come the finished trials it does not hold yet, under new numbers; one that is there under another identity
    refuses the whole merge.  Trials that run stay where they run.  Raises StorageError, and nothing was merged.
    """

    def work(into: Connection) -> list[Merged]:
        if not target.is_sqlite:
            into.execute(sa.text("LOCK TABLE tuner_studies IN SHARE ROW EXCLUSIVE MODE"))
        with source.reading() as out:
            s, o = tables.studies.c, optuna_internals.studies.c
            query = (
                sa.select(tables.studies, o.study_name).join(optuna_internals.studies, o.study_id == s.study_id)
            ).order_by(s.created)
            return [_merge_study(out, into, dict(row._mapping)) for row in out.execute(query).all()]

    return target.write(work)


def _merge_study(out: Connection, into: Connection, study: dict[str, Any]) -> Merged:
    name = study.pop("study_name")
    existing = into.execute(
        sa.select(tables.studies)
        .join(optuna_internals.studies, optuna_internals.studies.c.study_id == tables.studies.c.study_id)
        .where(optuna_internals.studies.c.study_name == name)
    ).one_or_none()
    old_id = study["study_id"]
    out.execute(_STATES, {"study": old_id}).all()  # one that there is not would be left behind without a word
    read_predictions(out, old_id, len(study["dev_rows"]) // 8, StudyFacts.from_json(study["facts"]))
    if existing is None:
        _refuse_foreign(into, name)
        new_id = insert_name(into, name)
        into.execute(tables.studies.insert().values({**study, "study_id": new_id}))
        wanted = _trials(out, old_id, (*FINISHED, TrialState.WAITING))
        _copy(out, into, new_id, wanted)
        ids = {old_id: new_id}
        _copy_changed(out, into, tables.test_evaluations, "study_id", ids, without=["look_id"])
        _copy_changed(out, into, tables.jobs, "study_id", ids, token=None)  # unfinished, it is done here
        into.execute(tables.counts.insert().values(study_id=new_id, pruned=0, diverged=0))
        recount(into, new_id)
        return Merged(name, True, len(wanted), 0, _count_others(out, old_id, wanted))
    _refuse_another(name, study, existing)
    lock_study(into, existing.study_id)
    there = {_sameness(trial): trial["trial_id"] for trial in _trials(into, existing.study_id, FINISHED)}
    offered = _trials(out, old_id, FINISHED)
    wanted = [trial for trial in offered if _sameness(trial) not in there]
    first = next_number(into, existing.study_id)
    renumbered = [dict(trial, number=first + k) for k, trial in enumerate(wanted)]
    _copy(out, into, existing.study_id, renumbered)
    recount(into, existing.study_id)
    _add_learning(out, into, {trial["trial_id"]: there[s] for trial in offered if (s := _sameness(trial)) in there})
    known = len(offered) - len(wanted)
    return Merged(name, False, len(wanted), known, _count_others(out, old_id, offered))


def _refuse_foreign(into: Connection, name: str) -> None:
    if find_imported(into, name) is not None:
        raise StorageError(f"study {name!r} already exists and is of plain Optuna; nothing was merged")


def _refuse_another(name: str, study: Mapping[str, Any], existing: Any) -> None:
    mine, other = json.loads(existing.identity), json.loads(study["identity"])
    changed = [key for key in [*mine, *other] if mine.get(key) != other.get(key)]
    facts = [StudyFacts.from_json(text) for text in (existing.facts, study["facts"])]
    if facts[0].pooled_epoch != facts[1].pooled_epoch:
        changed.append("one epoch for all folds, or one for each")
    if facts[0].exact_zeros != facts[1].exact_zeros:
        changed.append("L1 with exact zeros, or without")
    if facts[0].weighs_classes != facts[1].weighs_classes:
        changed.append("classes weighted in every error, or in the metric alone")
    if facts[0].ties_by_cost != facts[1].ties_by_cost:
        changed.append("of equal epochs the one with the lowest cost, or the first")
    if changed or (existing.dev_rows, existing.dev_classes) != (study["dev_rows"], study["dev_classes"]):
        differs = ", ".join(dict.fromkeys(changed)) or "the dev examples"
        raise StorageError(
            f"study {name!r} is in both databases with different settings ({differs}); nothing was merged. "
            "Merge into another database with --storage, or delete one of the two"
        )


def _trials(connection: Connection, study_id: int, states: tuple[TrialState, ...]) -> list[dict[str, Any]]:
    """Optuna's row of each trial in these states with ours beside it, in the order of their numbers."""
    o, t, v = optuna_internals.trials.c, tables.trials.c, optuna_internals.values.c
    ours = [optional(column).label(f"tuner_{column.name}") for column in t]
    query = (
        sa.select(optuna_internals.trials, *ours, optional(v.value).label("tuner_value"))
        .select_from(optuna_internals.trials)
        .outerjoin(tables.trials, t.trial_id == o.trial_id)
        .outerjoin(optuna_internals.values, v.trial_id == o.trial_id)
        .where(o.study_id == study_id, o.state.in_(states))
        .order_by(o.number)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def _sameness(trial: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two copies of one trial share, whatever their numbers: what it ran with and what came of it.

    Of an unrecorded one only its times are known.
    """
    times = (trial["datetime_start"], trial["datetime_complete"]) if trial["tuner_seed"] is None else ()
    return trial["tuner_seed"], trial["tuner_hyperparameters"], trial["tuner_value"], trial["state"], *times


def _count_others(out: Connection, study_id: int, wanted: list[dict[str, Any]]) -> int:
    o = optuna_internals.trials.c
    query = sa.select(sa.func.count()).select_from(optuna_internals.trials).where(o.study_id == study_id)
    return int(out.execute(query).scalar_one()) - len(wanted)


def _copy(out: Connection, into: Connection, new_id: int, trials: list[dict[str, Any]]) -> None:
    """Copy trials with everything that hangs on them, as the last ones to finish."""
    t = tables.trials.c
    query = sa.select(sa.func.coalesce(sa.func.max(t.finish_order), 0)).where(t.study_id == new_id)
    order = int(into.execute(query).scalar_one())
    finished = sorted(
        (trial["tuner_finish_order"], trial["trial_id"]) for trial in trials if trial["tuner_finish_order"]
    )
    orders = {trial_id: order + k for k, (_, trial_id) in enumerate(finished, start=1)}
    for chunk in _chunks(trials):
        ids = _insert_trials(into, new_id, chunk, orders)
        for table in (*_OPTUNA_ROWS, *_OUR_ROWS):
            _copy_rows(out, into, table, ids)
        _copy_changed(out, into, tables.predictions, "trial_id", ids, study_id=new_id)
        forget_predictions(into, new_id)
        _copy_changed(
            out, into, tables.confirmations, "trial_id", ids, without=["confirmation_id"], study_id=new_id, token=None
        )
        # nobody holds or asked for a trial that was brought in
        _copy_changed(out, into, tables.claims, "trial_id", ids, study_id=new_id, token=None, call=None)


def _chunks(trials: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(trials), CHUNK):
        yield trials[start : start + CHUNK]


def _insert_trials(
    into: Connection, new_id: int, chunk: list[dict[str, Any]], orders: Mapping[int, int]
) -> dict[int, int]:
    """The trials' own rows, in Optuna's table and ours; old id -> new id."""
    columns = [column.name for column in optuna_internals.trials.c if column.name not in ("trial_id", "study_id")]
    rows = [{"study_id": new_id, **{name: trial[name] for name in columns}} for trial in chunk]
    table = optuna_internals.trials
    insert = table.insert().returning(table.c.trial_id, sort_by_parameter_order=True)
    new_ids = into.execute(insert, rows).scalars().all()
    ids = {trial["trial_id"]: new for trial, new in zip(chunk, new_ids, strict=True)}
    ours = [
        {
            **{column.name: trial[f"tuner_{column.name}"] for column in tables.trials.c},
            "trial_id": ids[trial["trial_id"]],
            "study_id": new_id,
            "finish_order": orders.get(trial["trial_id"]),
        }
        for trial in chunk
        if trial["tuner_trial_id"] is not None
    ]
    if ours:
        into.execute(tables.trials.insert(), ours)
    return ids


def _copy_rows(out: Connection, into: Connection, table: sa.Table, ids: Mapping[int, int]) -> None:
    """Rows that belong to a trial; keys of their own, which Optuna's tables have, are given anew."""
    keys = [column.name for column in table.primary_key if table.metadata is optuna_internals.metadata]
    _copy_changed(out, into, table, "trial_id", ids, without=keys)


def _copy_changed(
    out: Connection,
    into: Connection,
    table: sa.Table,
    key: str,
    ids: Mapping[int, int],
    *,
    without: Sequence[str] = (),
    **changed: Any,
) -> None:
    """The rows of these ids, under the ids here and with these columns changed or left out."""
    query = sa.select(table).where(table.c[key].in_(ids)).order_by(*table.primary_key)
    rows = [{**row._mapping, **changed, key: ids[row._mapping[key]]} for row in out.execute(query)]
    if rows:
        into.execute(table.insert(), [{name: row[name] for name in row if name not in without} for row in rows])


def _add_learning(out: Connection, into: Connection, ids: Mapping[int, int]) -> None:
    """Learning curves of trials that are in both databases (id there -> id here), where there is none here."""
    query = sa.select(tables.learning.c.trial_id).distinct()
    measured, there = (set(connection.execute(query).scalars()) for connection in (out, into))
    missing = {old: new for old, new in ids.items() if old in measured and new not in there}
    _copy_rows(out, into, tables.learning, missing)
