"""A whole study read back, for the report: in bulk, in one consistent view, without holding up a writer."""

from __future__ import annotations

import datetime
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from optuna.trial import TrialState as OptunaState
from sqlalchemy.engine import Connection

from tuner.dev_layout import N_DEV_FOLDS, DevLayout
from tuner.outcomes import StopReason, TrialState
from tuner.scales import SCALES
from tuner.storage import optuna_internals, tables
from tuner.storage.address import mask
from tuner.storage.checked import BadValueError, optional
from tuner.storage.counting import RECORDED, STATES, Counts, StateCounts, count_states
from tuner.storage.database import Database
from tuner.storage.history import by_trial
from tuner.storage.learning import read_learning
from tuner.storage.networks import CURVE_COLUMNS, NetworkRecord, middle_epoch, network_of
from tuner.storage.studies import StoredStudy, no_study, stored_values, study_names

if TYPE_CHECKING:
    from tuner.analysis import LearningNetwork


ROUNDING = 1e-6
"""By which sums of relative weights may miss."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as it lies in the database; ``params`` are named and scaled as people read them.

    ``best_epoch``: with several networks (folds, seeds) the median of theirs.

    ``learning``: the networks of its learning curve, as far as it was measured.
    """

    number: int
    state: TrialState
    stop_reason: StopReason | None
    params: dict[str, Any]
    sampled: dict[str, float]
    value: float | None
    seed: int | None
    exploring: bool
    best_epoch: int | None
    epochs: int | None
    seconds: float | None
    started: datetime.datetime | None
    finished: datetime.datetime | None
    attempts: int
    reason: str | None
    rung_values: dict[int, float]
    networks: list[NetworkRecord] = field(default_factory=list)
    learning: list[LearningNetwork] = field(default_factory=list)

    @property
    def has_diverged(self) -> bool:
        """Whether a network's values stopped being finite."""
        return self.stop_reason == StopReason.DIVERGED

    @property
    def has_result(self) -> bool:
        """Complete or pruned: it has a value and networks."""
        return self.state in (TrialState.COMPLETE, TrialState.PRUNED)

    @property
    def is_judged(self) -> bool:
        """Complete and not diverged: its errors mean what they say."""
        return self.state == TrialState.COMPLETE and not self.has_diverged


@dataclass(frozen=True, slots=True)
class HeldOutEvaluation:
    """A trial's model, evaluated on the test set: when (seconds since 1970), and the wrong of ``n`` examples.

    ``wrong`` is a sum of relative weights, if rows have any.  ``n_effective``: for how many independent rows the ``n``
    count; None where each is.
    """

    trial_number: int | None
    looked: float
    wrong: float
    n: int
    n_effective: float | None
    model: str


@dataclass(frozen=True)
class StudyRecord(StoredStudy):
    """A study with its trials, in the order of their numbers; ``storage`` is empty once the database is gone.

    ``dev_rows``, ``dev_y``, ``dev_groups``, ``dev_weights`` (multiples of their mean, None: all alike), ``dev_fold``
    run over the dev examples in the order of every ``dev_losses``; with folds the networks of a trial hold consecutive
    stretches of them, with several seeds each network holds them all. ``beside``: the names of all studies of the
    database. ``earlier``: the judged trials of the study that this one began with, and of those before it, where they
    were judged on the same dev rows. ``unrecorded``: how many trials another program added, which are not among the
    ``trials``.
    """

    storage: str
    encoding: dict[str, Any]
    created: datetime.datetime
    dev_rows: np.ndarray
    dev_y: np.ndarray
    dev_groups: np.ndarray | None
    dev_fold: np.ndarray
    test_rows: np.ndarray
    test_evaluations: list[HeldOutEvaluation]
    trials: list[TrialRecord]
    dev_weights: np.ndarray | None = None
    unrecorded: int = 0
    beside: tuple[str, ...] = ()
    earlier: tuple[TrialRecord, ...] = ()

    def dev_layout(self, trial: TrialRecord) -> DevLayout:
        """How a trial's networks share the dev rows."""
        return DevLayout(tuple(network.n_dev for network in trial.networks), len(self.dev_y))

    def has_dev_rows_of(self, other: StudyRecord) -> bool:
        """Whether both studies judge their trials on the same dev rows, in the same order."""
        names = ("dev_rows", "dev_y", "dev_weights", "dev_fold")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    @property
    def class_names(self) -> list[str]:
        """The classes, in the order of their indices."""
        return self.facts.class_names

    @property
    def sizes(self) -> dict[str, int]:
        """Rows in train, dev, train_dev and test."""
        return self.facts.sizes

    @property
    def judged(self) -> tuple[TrialRecord, ...]:
        """The complete trials that did not diverge, by number."""
        return tuple(trial for trial in self.trials if trial.is_judged)

    @property
    def best(self) -> TrialRecord | None:
        """The complete trial with the lowest value, the earliest of equals; None as long as none is judged."""
        return min(self.judged, key=lambda trial: (trial.value, trial.number), default=None)

    def count(self) -> Counts:
        """Trials by how they ended."""
        return replace(count_trials(self.trials), unrecorded=self.unrecorded)


def count_trials(trials: Sequence[TrialRecord]) -> Counts:
    """Trials by how they ended."""
    states = StateCounts(**Counter(str(trial.state) for trial in trials))
    return states.ended(sum(trial.has_diverged for trial in trials))


def read_study(database: Database, name: str) -> StudyRecord:
    """Read everything about a study.  Raises UsageError where there is none of that name."""
    s, o, look = tables.studies.c, optuna_internals.studies.c, tables.test_evaluations.c
    with database.reading() as connection:
        row = connection.execute(
            sa.select(tables.studies, o.study_name.label("name"))
            .join(optuna_internals.studies, s.study_id == o.study_id)
            .where(o.study_name == name)
        ).one_or_none()
        if row is None:
            raise no_study(database, name)
        looks = connection.execute(
            sa.select(*(look[field.name] for field in fields(HeldOutEvaluation)))
            .where(look.study_id == row.study_id)
            .order_by(look.looked, look.look_id)
        ).all()
        _check_dev_set(name, row)
        trials = _read_trials(connection, row.study_id, len(row.dev_rows) // 8)
        unrecorded = count_states(connection, row.study_id).unrecorded
    groups, weights = row.dev_groups, row.dev_weights
    return StudyRecord(
        **stored_values(row),
        storage=mask(database.url),
        encoding=json.loads(row.encoding),
        created=datetime.datetime.fromtimestamp(row.created, datetime.UTC),
        dev_rows=np.frombuffer(row.dev_rows, "<i8"),
        dev_y=np.frombuffer(row.dev_classes, "<i4").astype(np.int64),
        dev_groups=None if groups is None else np.frombuffer(groups, "<i8"),
        dev_weights=None if weights is None else np.frombuffer(weights, "<f8"),
        dev_fold=np.frombuffer(row.dev_folds, "u1"),
        test_rows=np.frombuffer(row.test_rows, "<i8"),
        test_evaluations=[HeldOutEvaluation(*look) for look in looks],
        trials=trials,
        unrecorded=unrecorded,
        beside=tuple(study_names(database)),
    )


def _check_dev_set(name: str, row: Any) -> None:
    """Raise BadValueError unless the dev examples have as many classes, folds and groups as rows."""
    n = len(row.dev_rows) // 8
    n_classes = len(json.loads(row.facts)["class_names"])
    rows, test_rows = np.frombuffer(row.dev_rows, "<i8"), np.frombuffer(row.test_rows, "<i8")
    classes, folds = np.frombuffer(row.dev_classes, "<i4"), np.frombuffer(row.dev_folds, "u1")
    expected = {
        "dev_rows": (n > 0 and bool((rows >= 0).all()), "the numbers of one row or more"),
        "dev_classes": (
            len(classes) == n and bool(((classes >= 0) & (classes < n_classes)).all()),
            f"the classes of {n} dev rows, from 0 to {n_classes - 1}",
        ),
        "dev_folds": (
            len(folds) == n and bool((folds < N_DEV_FOLDS).all()),
            f"the folds of {n} dev rows, from 0 to {N_DEV_FOLDS - 1}",
        ),
        "dev_weights": (row.dev_weights is None or _are_weights(row.dev_weights, n), f"the weights of {n} dev rows"),
        "dev_groups": (row.dev_groups is None or len(row.dev_groups) == 8 * n, f"the groups of {n} dev rows"),
        "test_rows": (bool((test_rows >= 0).all()), "the numbers of rows"),
    }
    for column, (is_right, what) in expected.items():
        if not is_right:
            raise BadValueError(tables.studies.name, column, getattr(row, column), what, where=f"study {name!r}, ")


def _are_weights(packed: bytes, n: int) -> bool:
    """Whether these are n weights, multiples of their mean."""
    weights = np.frombuffer(packed, "<f8")
    return len(weights) == n and bool((weights >= 0).all()) and bool(abs(weights.mean() - 1) < ROUNDING)


def _check_trial(study_id: int, n_dev: int, row: Any, sampled: Collection[str], networks: list[NetworkRecord]) -> None:
    """Raise BadValueError if a trial lacks what every trial of its state has, or its parts are not of one study."""
    where = f"trial {row.number}, "
    if row.study_id not in (None, study_id):
        raise BadValueError(tables.trials.name, "study_id", row.study_id, f"its study's {study_id}", where=where)
    if row.state not in (OptunaState.COMPLETE, OptunaState.PRUNED):
        return
    for table, column in (
        *((tables.trials.name, name) for name in ("hyperparameters", "seed", "stop_reason", "epochs", "seconds")),
        (optuna_internals.values.name, "value"),
    ):
        if getattr(row, column) is None:
            expected = f"what every {row.state.name.lower()} trial has"
            raise BadValueError(table, column, None, expected, where=where)
    names = {scale.prefix + name for name in json.loads(row.hyperparameters) for scale in SCALES.values()}
    if not names.issuperset(sampled):
        expected = f"the values of all {len(sampled)} that were sampled"
        raise BadValueError(tables.trials.name, "hyperparameters", row.hyperparameters, expected, where=where)
    sizes = DevLayout(tuple(network.n_dev for network in networks), n_dev)
    if not (sizes.covers_once or all(size == n_dev for size in sizes.sizes)) or not networks:
        expected = f"the {n_dev} dev rows of the study, all or shared"
        raise BadValueError(tables.networks.name, "n_dev", list(sizes.sizes), expected, where=where)
    wrong = sum(network.dev_wrong for network in networks)
    if wrong > sum(sizes.sizes) * (1 + ROUNDING):
        raise BadValueError(tables.networks.name, "dev_wrong", wrong, f"at most {sum(sizes.sizes)} in all", where=where)
    if row.state is OptunaState.COMPLETE and any(len(network.dev_losses) != network.n_dev for network in networks):
        raise BadValueError(tables.networks.name, "dev_bits", b"", "what every complete trial has", where=where)


def _read_trials(connection: Connection, study_id: int, n_dev: int) -> list[TrialRecord]:
    o, t, c, v = optuna_internals.trials.c, tables.trials.c, tables.claims.c, optuna_internals.values.c
    rows = connection.execute(
        sa.select(
            *(o.trial_id, o.number, o.state, o.datetime_start, o.datetime_complete),
            *map(optional, (t.hyperparameters, t.seed, t.exploring, t.stop_reason, t.best_epoch, t.epochs, t.seconds)),
            *map(optional, (t.study_id, c.attempts, c.reason, v.value)),
        )
        .select_from(optuna_internals.trials)
        .outerjoin(tables.trials, t.trial_id == o.trial_id)
        .outerjoin(tables.claims, c.trial_id == o.trial_id)
        .outerjoin(optuna_internals.values, v.trial_id == o.trial_id)
        .where(o.study_id == study_id, RECORDED)
        .order_by(o.number)
    ).all()
    ids = sa.select(o.trial_id).where(o.study_id == study_id, RECORDED).scalar_subquery()
    p, i = optuna_internals.params.c, optuna_internals.intermediate_values.c
    params = sa.select(p.trial_id, p.param_name, p.param_value).where(p.trial_id.in_(ids))
    steps = sa.select(i.trial_id, i.step, i.intermediate_value).where(i.trial_id.in_(ids)).order_by(i.step)
    sampled, rungs = by_trial(connection.execute(params)), by_trial(connection.execute(steps))
    networks, learning = _read_networks(connection, ids), read_learning(connection, study_id)
    for row in rows:
        _check_trial(study_id, n_dev, row, sampled[row.trial_id], networks[row.trial_id])
    return [
        _trial(row, sampled[row.trial_id], rungs[row.trial_id], networks[row.trial_id], learning.get(row.trial_id, []))
        for row in rows
    ]


def _trial(
    row: Any,
    sampled: dict[str, float],
    rungs: dict[int, float],
    networks: list[NetworkRecord],
    learning: list[LearningNetwork],
) -> TrialRecord:
    return TrialRecord(
        number=row.number,
        state=STATES[row.state],
        stop_reason=row.stop_reason,
        params=json.loads(row.hyperparameters) if row.hyperparameters else {},
        sampled=sampled,
        value=row.value,
        seed=row.seed,
        exploring=bool(row.exploring),
        best_epoch=middle_epoch(networks) if networks else row.best_epoch,  # older rows hold the latest network's
        epochs=row.epochs,
        seconds=row.seconds,
        started=_aware(row.datetime_start),
        finished=_aware(row.datetime_complete),
        attempts=row.attempts or 0,
        reason=row.reason,
        rung_values=rungs,
        networks=networks,
        learning=learning,
    )


def _aware(naive: datetime.datetime | None) -> datetime.datetime | None:
    return None if naive is None else naive.replace(tzinfo=datetime.UTC)


def _read_networks(connection: Connection, ids: Any) -> dict[int, list[NetworkRecord]]:
    n, e = tables.networks.c, tables.epochs.c
    curves: dict[tuple[int, int], list[Any]] = defaultdict(list)
    query = (
        sa.select(e.trial_id, e.network, *(e[name] for name in CURVE_COLUMNS), e.dev_fold_wrong)
        .where(e.trial_id.in_(ids))
        .order_by(e.trial_id, e.network, e.epoch)
    )
    for row in connection.execute(query):
        curves[row[0], row[1]].append(row[2:])
    networks: dict[int, list[NetworkRecord]] = defaultdict(list)
    for row in connection.execute(
        sa.select(tables.networks).where(n.trial_id.in_(ids)).order_by(n.trial_id, n.network)
    ):
        networks[row.trial_id].append(network_of(row, curves[row.trial_id, row.network]))
    return networks
