"""A whole study read back, for the report: in bulk, in one consistent view, without holding up a writer."""

from __future__ import annotations

import datetime
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from optuna.trial import TrialState as OptunaState
from sqlalchemy.engine import Connection

from tuner.commands import study_words
from tuner.dev_layout import N_DEV_FOLDS, DevLayout
from tuner.outcomes import StopReason, TrialState
from tuner.scales import SCALES
from tuner.storage import optuna_internals, tables
from tuner.storage.address import mask
from tuner.storage.checked import MOST, BadValueError, CheckedQuery, optional
from tuner.storage.confirmations import Confirmation, read_confirmations
from tuner.storage.counting import (
    JUDGED,
    RECORDED,
    STATES,
    Counts,
    StateCounts,
    count_states,
    finished_and_running,
)
from tuner.storage.database import Database
from tuner.storage.facts import StudyFacts
from tuner.storage.learning import read_learning
from tuner.storage.networks import CURVE_COLUMNS, NetworkRecord, middle_epoch, network_of
from tuner.storage.owner import Owner
from tuner.storage.predictions import DevPredictions, read_predictions
from tuner.storage.ranking import RANK, Rank
from tuner.storage.studies import StoredStudy, no_study, stored_values, study_names
from tuner.storage.unclaimed import UnclaimedTrial, read_unclaimed
from tuner.units import SHARE, Unit

if TYPE_CHECKING:
    from tuner.analysis import LearningNetwork


ROUNDING = 1e-6
"""By which sums of relative weights may miss."""
CHUNK = 500
"""Trials read at a time."""
MANY, WHOLE = 10_000, 1000
"""Of more finished trials than ``MANY``, the ``WHOLE`` best are read with all epochs, the others with the best one."""

_o, _t, _c, _v = optuna_internals.trials.c, tables.trials.c, tables.claims.c, optuna_internals.values.c
_p = optuna_internals.params.c
_n, _e = tables.networks.c, tables.epochs.c
_IDS: sa.BindParameter[list[int]] = sa.bindparam("ids", expanding=True)
_PLACE = sa.tuple_(sa.bindparam("number", type_=sa.Integer), sa.bindparam("after", type_=sa.Integer))
_TRIALS = CheckedQuery(
    sa.select(
        *(_o.trial_id, _o.number, _o.state, _o.datetime_start, _o.datetime_complete),
        *map(optional, (_t.hyperparameters, _t.seed, _t.exploring, _t.stop_reason)),
        *map(optional, (_t.best_epoch, _t.epochs, _t.seconds, _t.study_id, _t.tie_break, _v.value)),
        *map(optional, (_c.attempts, _c.reason, _c.owner)),
    )
    .select_from(optuna_internals.trials)
    .outerjoin(tables.trials, _t.trial_id == _o.trial_id)
    .outerjoin(tables.claims, _c.trial_id == _o.trial_id)
    .outerjoin(optuna_internals.values, _v.trial_id == _o.trial_id)
    .where(_o.study_id == tables.STUDY, RECORDED, sa.tuple_(_o.number, _o.trial_id) > _PLACE)
    .order_by(_o.number, _o.trial_id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_OTHER_PARAMS = sa.select(_p.trial_id, _p.param_name).where(
    _p.trial_id.in_(_IDS), _p.param_name.is_(None) | _p.param_name.not_in(sa.bindparam("known", expanding=True))
)
_NETWORKS = CheckedQuery(sa.select(tables.networks).where(_n.trial_id.in_(_IDS)).order_by(_n.trial_id, _n.network))
_EPOCHS = CheckedQuery(
    sa.select(_e.trial_id, _e.network, _e.epoch, *(_e[name] for name in CURVE_COLUMNS), _e.dev_fold_wrong)
    .where(_e.trial_id.in_(_IDS))
    .order_by(_e.trial_id, _e.network, _e.epoch)
)
_BEST_EPOCHS = CheckedQuery(
    sa.select(_e.trial_id, _e.network, _e.epoch, _e.dev_fold_wrong).where(
        sa.tuple_(_e.trial_id, _e.network, _e.epoch).in_(
            sa.select(_n.trial_id, _n.network, _n.best_epoch).where(_n.trial_id.in_(_IDS))
        )
    )
)
"""Not as a join, for which SQLite reads all epochs of the trials."""
_IN_EVERY_TRIAL = ("hyperparameters", "seed", "stop_reason", "epochs", "seconds", "value")
_ALL = sa.select(_o.trial_id).where(_o.study_id == tables.STUDY)
_BEST = (
    _ALL.join(tables.trials, _t.trial_id == _o.trial_id)
    .join(optuna_internals.values, _v.trial_id == _o.trial_id)
    .where(JUDGED)
    .order_by(*RANK)
    .limit(WHOLE)
)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial as it lies in the database; ``params`` are named and scaled as people read them.

    ``best_epoch``: with several networks (folds, seeds) the median of theirs.

    ``learning``: the networks of its learning curve, as far as it was measured.  ``predictions``: what its networks
    predict of the dev rows; None if it is not among the best, or of 0.2 and before.  ``worker``: the process that ran
    it, None if it waits.  ``unit``: of its errors.  ``confirmations``: how it came out when it was trained again.
    ``tie_break``: see ``Rank``.
    """

    number: int
    state: TrialState
    stop_reason: StopReason | None
    params: dict[str, Any]
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
    networks: list[NetworkRecord] = field(default_factory=list)
    learning: list[LearningNetwork] = field(default_factory=list)
    predictions: DevPredictions | None = None
    worker: Owner | None = None
    unit: Unit = SHARE
    confirmations: Sequence[Confirmation] = ()
    tie_break: float = 0.0

    @property
    def rank(self) -> Rank:
        """Its place among trials that have a value, the best of which is the lowest."""
        assert self.value is not None
        return Rank(self.value, self.tie_break, self.number)

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

    @property
    def values(self) -> list[float]:
        """Its value, and those of the times that it was trained again."""
        again = [one.value for one in self.confirmations if one.value is not None]
        return again if self.value is None else [self.value, *again]


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
    ``trials``, and ``unclaimed`` those that it still runs. ``file``: the study file, if it says the study's name.
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
    unclaimed: tuple[UnclaimedTrial, ...] = ()
    file: Path | None = None
    beside: tuple[str, ...] = ()
    earlier: tuple[TrialRecord, ...] = ()

    @property
    def words(self) -> list[str]:
        """How a command names the study from the current folder."""
        return study_words(self.name, self.storage, self.file)

    def dev_layout(self, trial: TrialRecord) -> DevLayout:
        """How a trial's networks share the dev rows."""
        return DevLayout(tuple(network.n_dev for network in trial.networks), len(self.dev_y))

    def losses_of(self, predictions: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """The losses (n,) by which trials are compared, of probabilities (n, n_classes) or of standardized numbers."""
        if not self.unit.is_share:
            return np.asarray(self.unit.row_losses(predictions, y))
        return np.asarray(self.counted_by.losses_of(predictions, y, weights))

    def predicted(self, trial: TrialRecord) -> np.ndarray | None:
        """What a trial's networks predict of the dev rows, with seeds on average; None if too little of it is kept.

        Probabilities (n_dev, n_classes), or standardized numbers (n_dev,) or (n_dev, n_targets), float32.
        """
        if trial.predictions is None:
            return None
        n_dev, of = len(self.dev_y), trial.predictions
        rows = of.probabilities if self.unit.is_share else of.classes
        if rows is None or (self.unit.is_share and rows.shape[1] != len(self.class_names)):
            return None
        return np.asarray(rows.reshape(-1, n_dev, *rows.shape[1:]).mean(axis=0), np.float32)

    def has_dev_rows_of(self, other: StudyRecord) -> bool:
        """Whether both studies judge their trials on the same dev rows, in the same order."""
        names = ("dev_rows", "dev_y", "dev_weights", "dev_fold")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    @property
    def dev_strata(self) -> np.ndarray | None:
        """The dev rows' classes if each one's share of an error is fixed."""
        return self.counted_by.strata(self.dev_y)

    @property
    def class_names(self) -> list[str]:
        """The classes, in the order of their indices; none if there are numbers to predict."""
        return self.facts.class_names

    @property
    def unit(self) -> Unit:
        """The unit of the errors."""
        return self.facts.unit

    @property
    def sizes(self) -> dict[str, int]:
        """Rows in train, dev, train_dev and test."""
        return self.facts.sizes

    @cached_property
    def judged(self) -> tuple[TrialRecord, ...]:
        """The complete trials that did not diverge, by number."""
        return tuple(trial for trial in self.trials if trial.is_judged)

    @property
    def best(self) -> TrialRecord | None:
        """The complete trial with the lowest value, of equals that of the lowest cost; None as long as none is judged.

        If that trial was trained again, with others, the one of them with the lowest mean value.
        """
        lowest = min(self.judged, key=lambda trial: trial.rank, default=None)
        if lowest is None or all(trial is not lowest for trial in self.confirmed):
            return lowest
        return min(self.confirmed, key=lambda trial: (statistics.mean(trial.values), trial.rank))

    @cached_property
    def confirmed(self) -> list[TrialRecord]:
        """The judged trials that were trained again, each as often; none as long as a training is to be done."""
        again = [trial for trial in self.judged if trial.confirmations]
        if not all(one.is_finished for trial in again for one in trial.confirmations):
            return []
        most = max((len(trial.values) for trial in again), default=0)
        return [trial for trial in again if len(trial.values) == most > 1]

    def count(self) -> Counts:
        """Trials by how they ended."""
        return self._counts

    @cached_property
    def _counts(self) -> Counts:
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
        facts = StudyFacts.from_json(row.facts)
        trials = _read_trials(connection, row.study_id, len(row.dev_rows) // 8, facts)
        unrecorded = count_states(connection, row.study_id).unrecorded
        unclaimed = read_unclaimed(connection, row.study_id) if unrecorded else ()
    groups, weights = row.dev_groups, row.dev_weights
    return StudyRecord(
        **stored_values(row),
        storage=mask(database.url),
        encoding=json.loads(row.encoding),
        created=datetime.datetime.fromtimestamp(row.created, datetime.UTC),
        dev_rows=np.frombuffer(row.dev_rows, "<i8"),
        dev_y=facts.targets_of(row.dev_classes),
        dev_groups=None if groups is None else np.frombuffer(groups, "<i8"),
        dev_weights=None if weights is None else np.frombuffer(weights, "<f8"),
        dev_fold=np.frombuffer(row.dev_folds, "u1"),
        test_rows=np.frombuffer(row.test_rows, "<i8"),
        test_evaluations=[HeldOutEvaluation(*look) for look in looks],
        trials=trials,
        unrecorded=unrecorded,
        unclaimed=unclaimed,
        beside=tuple(study_names(database)),
    )


def _check_dev_set(name: str, row: Any) -> None:
    """Raise BadValueError unless the dev examples have as many classes, folds and groups as rows."""
    n = len(row.dev_rows) // 8
    facts = StudyFacts.from_json(row.facts)
    n_classes = len(facts.class_names)
    rows, test_rows = np.frombuffer(row.dev_rows, "<i8"), np.frombuffer(row.test_rows, "<i8")
    folds = np.frombuffer(row.dev_folds, "u1")
    whole = len(row.dev_classes) == n * facts.unit.n_targets * np.dtype(facts.targets_type).itemsize
    classes = facts.targets_of(row.dev_classes) if whole else np.zeros(0)
    fits = (classes >= 0) & (classes < n_classes) if facts.unit.is_share else np.isfinite(classes)
    targets = (
        f"classes of {n} dev rows, from 0 to {n_classes - 1}" if facts.unit.is_share else f"numbers of {n} dev rows"
    )
    expected = {
        "dev_rows": (n > 0 and bool((rows >= 0).all()), "the numbers of one row or more"),
        "dev_classes": (
            len(classes) == n and bool(fits.all()),
            f"the {targets}",
        ),
        "dev_folds": (
            len(folds) == n and bool((folds < N_DEV_FOLDS).all()),
            f"the folds of {n} dev rows, from 0 to {N_DEV_FOLDS - 1}",
        ),
        "dev_weights": (
            not facts.weighs_classes if row.dev_weights is None else _are_weights(row.dev_weights, n),
            f"the weights of {n} dev rows",
        ),
        "dev_groups": (row.dev_groups is None or len(row.dev_groups) == 8 * n, f"the groups of {n} dev rows"),
        "test_rows": (bool((test_rows >= 0).all()), "the numbers of rows"),
    }
    for column, (is_right, what) in expected.items():
        if not is_right:
            raise BadValueError(tables.studies.name, column, getattr(row, column), what, where=f"study {name!r}, ")


def _are_weights(packed: bytes, n: int) -> bool:
    """Whether these are n weights, multiples of their mean."""
    weights = np.frombuffer(packed, "<f8")
    return len(weights) == n and bool((weights > 0).all()) and bool(abs(weights.mean() - 1) < ROUNDING)


def _check_trial(
    study_id: int, n_dev: int, unit: Unit, row: Any, unnamed: Sequence[str], networks: list[NetworkRecord]
) -> None:
    """Raise BadValueError if a trial lacks what every trial of its state has, or its parts are not of one study.

    ``unnamed``: parameters that were sampled and are none of its hyperparameters.
    """
    where = f"trial {row.number}, "
    if row.study_id not in (None, study_id):
        raise BadValueError(tables.trials.name, "study_id", row.study_id, f"its study's {study_id}", where=where)
    if row.state not in (OptunaState.COMPLETE, OptunaState.PRUNED):
        return
    if None in (row.hyperparameters, row.seed, row.stop_reason, row.epochs, row.seconds, row.value):
        column = next(name for name in _IN_EVERY_TRIAL if getattr(row, name) is None)
        table = optuna_internals.values if column == "value" else tables.trials
        raise BadValueError(table.name, column, None, f"what every {row.state.name.lower()} trial has", where=where)
    if unnamed:
        expected = f"the values of all that were sampled, as {unnamed[0]} was"
        raise BadValueError(tables.trials.name, "hyperparameters", row.hyperparameters, expected, where=where)
    sizes = DevLayout(tuple(network.n_dev for network in networks), n_dev)
    if not (sizes.covers_once or all(size == n_dev for size in sizes.sizes)) or not networks:
        expected = f"the {n_dev} dev rows of the study, all or shared"
        raise BadValueError(tables.networks.name, "n_dev", list(sizes.sizes), expected, where=where)
    wrong, most = sum(network.dev_wrong for network in networks), sum(sizes.sizes) * unit.most
    if wrong > most * (1 + ROUNDING):
        raise BadValueError(tables.networks.name, "dev_wrong", wrong, f"at most {most:g} in all", where=where)
    if row.state is OptunaState.COMPLETE and not all(network.dev_bits for network in networks):
        raise BadValueError(tables.networks.name, "dev_bits", b"", "what every complete trial has", where=where)


def list_trials(
    database: Database, study_id: int, n_dev: int, unit: Unit, *, above: int = -1, at_once: int | None = None
) -> Iterator[TrialRecord]:
    """The recorded trials of a study with numbers ``above`` one, in order, without epochs and learning curves.

    Some, at most ``at_once``, are read at a time, each time in a transaction of its own: a slow reader does not hold up
    the log.
    """
    most = CHUNK if at_once is None else min(at_once, CHUNK)
    after: tuple[int, int] | None = (above, MOST)
    while after is not None:
        with database.reading() as connection:
            trials, after = _read_some(connection, study_id, n_dev, unit, after, epochs_of=None, most=most)
        yield from trials


def read_hyperparameter_names(database: Database, study_id: int) -> set[str]:
    """The names of the hyperparameters that any trial of a study has."""
    query = sa.select(tables.trials.c.hyperparameters).where(tables.trials.c.study_id == study_id)
    with database.reading() as connection:
        return {name for text in connection.execute(query).scalars() for name in json.loads(text)}


def _read_trials(connection: Connection, study_id: int, n_dev: int, facts: StudyFacts) -> list[TrialRecord]:
    finished, _ = finished_and_running(connection, study_id)
    query = _BEST if finished > MANY else _ALL
    whole = frozenset(connection.execute(query, {"study": study_id}).scalars())
    of_trials = (
        read_learning(connection, study_id),
        read_predictions(connection, study_id, n_dev, facts),
        read_confirmations(connection, study_id),
    )
    trials: list[TrialRecord] = []
    after: tuple[int, int] | None = (-1, -1)
    while after is not None:
        some, after = _read_some(connection, study_id, n_dev, facts.unit, after, epochs_of=whole, of_trials=of_trials)
        trials += some
    return trials


def _read_some(
    connection: Connection,
    study_id: int,
    n_dev: int,
    unit: Unit,
    after: tuple[int, int],
    *,
    epochs_of: Collection[int] | None,
    most: int | None = None,
    of_trials: tuple[
        Mapping[int, list[LearningNetwork]], Mapping[int, DevPredictions], Mapping[int, list[Confirmation]]
    ] = ({}, {}, {}),
) -> tuple[list[TrialRecord], tuple[int, int] | None]:
    """The next trials after a number and id, and the last one's number and id; None after the last trial.

    ``epochs_of``: ids of the trials that come with all their epochs, the others with the best one alone; None: without
    any.  ``of_trials``: learning curves, predictions and confirmations by the trials' ids.
    """
    number, trial_id = after
    learning, predictions, confirmations = of_trials
    most = most or CHUNK
    rows = _TRIALS.rows(connection, {"study": study_id, "number": number, "after": trial_id, "most": most})
    ids = [row.trial_id for row in rows]
    values = [json.loads(row.hyperparameters) if row.hyperparameters else {} for row in rows]
    unnamed = _unnamed(connection, rows, values)
    networks = _read_networks(connection, ids, epochs_of)
    for row in rows:
        _check_trial(study_id, n_dev, unit, row, unnamed[row.trial_id], networks[row.trial_id])
    trials = [
        replace(
            _trial(row, unit, params, networks[row.trial_id], learning.get(row.trial_id, [])),
            predictions=predictions.get(row.trial_id),
            confirmations=confirmations.get(row.trial_id, ()),
        )
        for row, params in zip(rows, values, strict=True)
    ]
    return trials, (rows[-1].number, rows[-1].trial_id) if len(rows) == most else None


@lru_cache(maxsize=100)
def _optuna_names(names: tuple[str, ...]) -> frozenset[str]:
    """What hyperparameters of these names may be called in Optuna's tables."""
    return frozenset(scale.prefix + name for name in names for scale in SCALES.values())


def _unnamed(connection: Connection, rows: Sequence[Any], values: Sequence[Mapping[str, Any]]) -> dict[int, list[str]]:
    """The sampled parameters of each trial that are none of its hyperparameters.

    Nearly all trials of a study have the same, which need not be read.
    """
    names = {
        row.trial_id: _optuna_names(tuple(params))
        for row, params in zip(rows, values, strict=True)
        if row.hyperparameters
    }
    known = frozenset.intersection(*names.values()) if names else frozenset()
    unnamed: dict[int, list[str]] = defaultdict(list)
    for trial_id, name in connection.execute(_OTHER_PARAMS, {"ids": list(names), "known": sorted(known)}):
        if name not in names[trial_id]:
            unnamed[trial_id].append(name)
    return unnamed


def _trial(
    row: Any,
    unit: Unit,
    params: dict[str, Any],
    networks: list[NetworkRecord],
    learning: list[LearningNetwork],
) -> TrialRecord:
    return TrialRecord(
        number=row.number,
        state=STATES[row.state],
        stop_reason=row.stop_reason,
        params=params,
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
        networks=networks,
        learning=learning,
        worker=None if row.owner is None else _worker(row.owner),
        unit=unit,
        tie_break=row.tie_break or 0.0,
    )


@lru_cache(maxsize=1000)
def _worker(owner: str) -> Owner:
    """The process that a claim names: a few, for very many claims."""
    return Owner.from_json(owner)


def _aware(naive: datetime.datetime | None) -> datetime.datetime | None:
    return None if naive is None else naive.replace(tzinfo=datetime.UTC)


def _read_networks(
    connection: Connection, ids: Sequence[int], epochs_of: Collection[int] | None
) -> dict[int, list[NetworkRecord]]:
    curves: dict[tuple[int, int], list[Any]] = defaultdict(list)
    if epochs_of is not None:
        whole, other = ([k for k in ids if (k in epochs_of) is is_whole] for is_whole in (True, False))
        for query, some in ((_EPOCHS, whole), (_BEST_EPOCHS, other)):
            for row in query.rows(connection, {"ids": some}) if some else ():
                curves[row[0], row[1]].append(row[2:])
    networks: dict[int, list[NetworkRecord]] = defaultdict(list)
    for row in _NETWORKS.rows(connection, {"ids": ids}):
        epochs = None if epochs_of is None else curves.get((row.trial_id, row.network), [])
        networks[row.trial_id].append(network_of(row, epochs))
    return networks
