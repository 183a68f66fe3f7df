"""What a sampler and a pruner look at: trials of a study as Optuna's frozen trials."""

from __future__ import annotations

import heapq
import json
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import Connection

from tuner.storage import optuna_internals, tables
from tuner.storage.checked import BadValueError, optional
from tuner.storage.counting import RECORDED
from tuner.storage.database import Database
from tuner.storage.losses import unpack_fold_losses

CHUNK = 500
SEEN_BEST = 1000
SEEN_NEWEST = 1000
COMPARED = SEEN_BEST + SEEN_NEWEST
_IDS: sa.BindParameter[list[int]] = sa.bindparam("ids", expanding=True)

_t, _o, _p = tables.trials.c, optuna_internals.trials.c, optuna_internals.params.c
_v, _i = optuna_internals.values.c, optuna_internals.intermediate_values.c
_s = optuna_internals.trial_system_attributes.c
_COLUMNS = (_o.trial_id, _o.number, _o.state)
_FINISHED = (
    sa.select(*_COLUMNS, _t.finish_order, optional(_v.value))
    .select_from(tables.trials)
    .join(optuna_internals.trials, _t.trial_id == _o.trial_id)
    .outerjoin(optuna_internals.values, _v.trial_id == _t.trial_id)
    .where(_t.study_id == tables.STUDY, _t.finish_order > sa.bindparam("last"))
    .order_by(_t.finish_order)
)
_RUNNING = sa.select(*_COLUMNS, sa.null().label("value")).where(
    _o.study_id == tables.STUDY, _o.state == TrialState.RUNNING, RECORDED
)
_RUNGS = sa.select(_i.trial_id, _i.step, _i.intermediate_value).where(_i.trial_id.in_(_IDS))
_ATTRIBUTES = sa.select(_s.trial_id, _s.key, _s.value_json).where(_s.trial_id.in_(_IDS))
_e, _n = tables.epochs.c, tables.networks.c
_LOSSES = (
    sa.select(_n.network, _n.n_dev, _e.dev_fold_wrong)
    .join(tables.epochs, (_e.trial_id == _n.trial_id) & (_e.network == _n.network))
    .where(_n.trial_id == tables.TRIAL, _e.epoch <= sa.bindparam("epochs"))
    .order_by(_n.network)
)
_PARAMS = sa.select(_p.trial_id, _p.param_name, _p.param_value, _p.distribution_json).where(_p.trial_id.in_(_IDS))


@dataclass(slots=True)
class _Seen:
    """Which finished trials are kept, and how the lowest value came down; rows are added in the order they finished.

    ``newest``: the rows of the last 2,000. ``best``: a heap, the worst first, of the best 1,000 before the last 1,000.
    ``lowest``: of the complete trials; ``since_lowest``: how many trials finished after the first that had it.
    """

    last: int = 0
    newest: deque[Any] = field(default_factory=lambda: deque(maxlen=COMPARED))
    best: list[tuple[float, int, Any]] = field(default_factory=list)
    lowest: float = math.inf
    since_lowest: int = 0

    def with_rows(self, rows: Iterable[Any]) -> _Seen:
        """The same with later rows."""
        seen = _Seen(self.last, copy(self.newest), copy(self.best), self.lowest, self.since_lowest)
        for row in rows:
            seen._add(row)
        return seen

    def _add(self, row: Any) -> None:
        if row.value is None:
            where = f"trial {row.number}, "
            raise BadValueError(optuna_internals.values.name, "value", None, "a finite number", where=where)
        self.last = row.finish_order
        self.newest.append(row)
        if len(self.newest) > SEEN_NEWEST:
            older = self.newest[-1 - SEEN_NEWEST]
            push = heapq.heappush if len(self.best) < SEEN_BEST else heapq.heappushpop
            push(self.best, (-older.value, -older.number, older))
        if row.state is TrialState.COMPLETE and row.value < self.lowest:
            self.lowest, self.since_lowest = row.value, 0
        else:
            self.since_lowest += 1

    @property
    def by_sampler(self) -> list[Any]:
        """Rows of the trials that a sampler sees, in the order they finished."""
        older = sorted((row for *_, row in self.best), key=lambda row: row.finish_order)
        return older + list(self.newest)[-SEEN_NEWEST:]


class History:
    """What there is to learn from of a study's finished trials, in the order they finished, and of those that run.

    ``finished``: what a sampler sees: the last 1,000 to finish, and the best 1,000 of those before; all of up to 2,000.
    Its cost grows with the trials, the good of the middling old ones does not. ``newest``: what a pruner compares with,
    the last 2,000. ``lowest``: the lowest value of all complete trials; ``since_lowest``: how many trials finished
    since it was first reached. ``offered``: another study's trials that this one began with (``--from``), as if they
    had been finished before.
    """

    def __init__(self, database: Database, study_id: int, distributions: Mapping[str, BaseDistribution]) -> None:
        self._database = database
        self._study_id = study_id
        self._distributions = distributions
        self._reader = ParamReader(distributions)
        self._seen = _Seen()
        self._kept: dict[int, FrozenTrial] = {}
        self._offered: list[FrozenTrial] | None = None
        self.finished: list[FrozenTrial] = []
        self.newest: list[FrozenTrial] = []
        self.running: list[FrozenTrial] = []

    @property
    def lowest(self) -> float:
        """Infinite before the first complete trial."""
        return self._seen.lowest

    @property
    def since_lowest(self) -> int:
        """All finished trials before the first complete one."""
        return self._seen.since_lowest

    @property
    def offered(self) -> list[FrozenTrial]:
        """The worst first; they never change."""
        if self._offered is None:
            self._offered = self._database.read(self._read_offered)
        return self._offered

    def _read_offered(self, connection: Connection) -> list[FrozenTrial]:
        query = sa.select(tables.studies.c.offered).where(tables.studies.c.study_id == self._study_id)
        offers = json.loads(connection.execute(query).scalar_one() or "[]")
        ranked = [(k, sampled, value) for k, (sampled, value) in enumerate(offers, start=1) if value is not None]
        return [
            frozen_trial(-k, TrialState.COMPLETE, sampled, self._distributions, trial_id=-1 - k, value=value)
            for k, sampled, value in reversed(ranked)
            if sampled.keys() == self._distributions.keys()
            and all(optuna_internals.contains(self._distributions[name], given) for name, given in sampled.items())
        ]

    def refresh(self) -> None:
        """Bring the trials up to date; reads only what is new, and of many new ones only those that are kept."""

        def work(connection: Connection) -> tuple[_Seen, dict[int, FrozenTrial], list[FrozenTrial]]:
            new = connection.execute(_FINISHED, {"study": self._study_id, "last": self._seen.last}).all()
            running = connection.execute(_RUNNING, {"study": self._study_id}).all()
            seen = self._seen.with_rows(new)
            wanted = {row.trial_id: row for row in (*seen.newest, *seen.by_sampler)}
            missing = [row for trial_id, row in wanted.items() if trial_id not in self._kept]
            trials = self._frozen(connection, [*missing, *running])
            read = {row.trial_id: trial for row, trial in zip(missing, trials, strict=False)}
            kept = {trial_id: read.get(trial_id) or self._kept[trial_id] for trial_id in wanted}
            return seen, kept, trials[len(missing) :]

        self._seen, self._kept, self.running = self._database.read(work)
        self.finished = [self._kept[row.trial_id] for row in self._seen.by_sampler]
        self.newest = [self._kept[row.trial_id] for row in self._seen.newest]

    def network_losses(self, trial_id: int, epochs: int) -> list[float]:
        """Each network's mean dev loss at its best one of a finished trial's first so many epochs."""
        of = {"trial": trial_id, "epochs": epochs}
        rows = self._database.read(lambda connection: connection.execute(_LOSSES, of).all())
        least: dict[int, float] = {}
        for network, n_dev, packed in rows:
            loss = float(unpack_fold_losses([packed]).sum()) / n_dev
            least[network] = min(loss, least.get(network, loss))
        return list(least.values())

    def _frozen(self, connection: Connection, rows: Any) -> list[FrozenTrial]:
        ids = [row.trial_id for row in rows]
        params = self._params(connection, ids)
        rungs = by_trial(_in_chunks(connection, _RUNGS, ids))
        noted = _in_chunks(connection, _ATTRIBUTES, ids)
        attributes = by_trial((trial_id, key, json.loads(text)) for trial_id, key, text in noted)
        return [
            frozen_trial(
                row.number,
                row.state,
                params[row.trial_id],
                self._distributions,
                trial_id=row.trial_id,
                value=row.value,
                rung_values=rungs[row.trial_id],
                system_attributes=attributes[row.trial_id],
            )
            for row in rows
        ]

    def _params(self, connection: Connection, ids: list[int]) -> dict[int, dict[str, Any]]:
        params: dict[int, dict[str, Any]] = defaultdict(dict)
        for trial_id, name, value, written_as in _in_chunks(connection, _PARAMS, ids):
            known, external = self._reader.read(name, value, written_as)
            if known:
                params[trial_id][name] = external
        return params


class ParamReader:
    """Parameters as Optuna's table holds them, in terms of the study's present distributions.

    After ``--allow-changed`` a value may have been written under another range or list of choices, whose numbering
    the stored number follows.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._now = {name: (d, distribution_to_json(d)) for name, d in distributions.items()}

    def read(self, name: str, value: float, written_as: str) -> tuple[bool, Any]:
        """Whether the parameter is still searched and the value within its range; and the value."""
        if name not in self._now:
            return False, None
        distribution, text = self._now[name]
        written, external = written_value(value, written_as, distribution if written_as == text else None)
        return written is distribution or optuna_internals.contains(distribution, external), external


def written_value(
    value: float, written_as: str, written: BaseDistribution | None = None
) -> tuple[BaseDistribution, Any]:
    """The distribution and the value of a stored parameter.  Raises BadValueError for a value that is not of it."""
    try:
        written = json_to_distribution(written_as) if written is None else written
        external = written.to_external_repr(value)
        is_drawn = optuna_internals.contains(written, external)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        is_drawn = False
    if not is_drawn or written is None:
        expected = f"a value of {written_as[:200]}"
        raise BadValueError(optuna_internals.params.name, "param_value", value, expected, key="trial_id")
    return written, external


def by_trial(rows: Iterable[Any]) -> dict[int, dict[Any, Any]]:
    """The values of each trial by their keys, from rows of trial, key and value."""
    values: dict[int, dict[Any, Any]] = defaultdict(dict)
    for trial_id, key, value in rows:
        values[trial_id][key] = value
    return values


def _in_chunks(connection: Connection, query: sa.Select[Any], ids: list[int]) -> Any:
    """The rows of a query for these trials, without a statement longer than a database allows."""
    for start in range(0, len(ids), CHUNK):
        yield from connection.execute(query, {"ids": ids[start : start + CHUNK]})


def frozen_trial(
    number: int,
    state: TrialState,
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    *,
    trial_id: int,
    value: float | None = None,
    rung_values: Mapping[int, float] | None = None,
    system_attributes: Mapping[str, Any] | None = None,
) -> FrozenTrial:
    """Optuna's form of a trial; its distributions are the study's own (the space is static)."""
    return FrozenTrial(
        number=number,
        state=state,
        value=value,
        datetime_start=None,
        datetime_complete=None,
        params=dict(params),
        distributions={name: distributions[name] for name in params},
        user_attrs={},
        system_attrs=dict(system_attributes or {}),
        intermediate_values=dict(rung_values or {}),
        trial_id=trial_id,
    )
