"""What a trial was drawn with and what came of it: written in one transaction, read back in bulk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.formatting import quoted, shorten
from tuner.outcomes import StopReason
from tuner.storage import optuna_internals, tables
from tuner.storage.checked import BadValueError
from tuner.storage.claims import Claim, insert_trial, next_number, set_state
from tuner.storage.counting import count_finished
from tuner.storage.database import Database
from tuner.storage.history import ParamReader
from tuner.storage.leases import lock_study, write_held
from tuner.storage.networks import NetworkRecord, middle_epoch, rows_of_networks
from tuner.storage.predictions import DevPredictions, keep_predictions
from tuner.storage.ranking import Rank, tie_break

_t, _p = tables.trials.c, optuna_internals.params.c
_NOTED = sa.select(_t.hyperparameters, _t.seed, _t.exploring).where(_t.trial_id == tables.TRIAL)
_PARAMS = sa.select(_p.param_name, _p.param_value, _p.distribution_json).where(_p.trial_id == tables.TRIAL)
_FORGET_PARAMS = optuna_internals.params.delete().where(_p.trial_id == tables.TRIAL)
_LAST_FINISHED = sa.select(sa.func.coalesce(sa.func.max(_t.finish_order), 0)).where(_t.study_id == tables.STUDY)
_CHANGE_TRIAL = tables.trials.update().where(_t.trial_id == tables.TRIAL)


@dataclass(frozen=True, slots=True)
class SampledTrial:
    """What a trial runs with: Optuna's parameters, every hyperparameter as people read it, its seed, whether it
    explores, and what the sampler noted of it.
    """

    sampled: dict[str, Any]
    hyperparameters: dict[str, Any]
    seed: int
    exploring: bool
    system_attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a finished trial tells: its value, the values at the rungs it passed, its networks.

    ``predictions``: what these predict of the dev rows; None if it was pruned or diverged.
    """

    value: float
    stop_reason: StopReason
    rung_values: dict[int, float]
    networks: Sequence[NetworkRecord]
    seconds: float
    system_attributes: dict[str, Any] = field(default_factory=dict)
    predictions: DevPredictions | None = None

    @property
    def pruned(self) -> bool:
        """Whether it was stopped as hopeless beside others."""
        return self.stop_reason == StopReason.PRUNED


def write_sampled(
    database: Database, claim: Claim, study_id: int, drawn: SampledTrial, distributions: Mapping[str, BaseDistribution]
) -> bool:
    """Note what the trial will run with, before it runs; False if the claim is no longer ours."""

    def work(connection: Connection) -> None:
        if connection.execute(_NOTED, {"trial": claim.trial_id}).one_or_none() is None:
            insert_drawn(connection, claim.trial_id, study_id, drawn, distributions)  # else noted by this very call

    return write_held(database, claim, work)


def insert_drawn(
    connection: Connection,
    trial_id: int,
    study_id: int,
    drawn: SampledTrial,
    distributions: Mapping[str, BaseDistribution],
) -> None:
    """The parameters in Optuna's table and the rest in ours; a hand-picked trial's given parameters are replaced."""
    connection.execute(_FORGET_PARAMS, {"trial": trial_id})
    insert_params(connection, trial_id, drawn.sampled, distributions)
    row = {
        "trial_id": trial_id,
        "study_id": study_id,
        "seed": drawn.seed,
        "exploring": drawn.exploring,
        "hyperparameters": json.dumps(drawn.hyperparameters),
    }
    connection.execute(tables.trials.insert(), row)
    _insert_system_attributes(connection, trial_id, drawn.system_attributes)


def _insert_system_attributes(connection: Connection, trial_id: int, attributes: Mapping[str, Any]) -> None:
    rows = [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]
    if rows:
        connection.execute(optuna_internals.trial_system_attributes.insert(), rows)


def insert_params(
    connection: Connection, trial_id: int, sampled: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> None:
    """Rows of Optuna's table of parameters."""
    rows = [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(distributions[name]),
        }
        for name, value in sampled.items()
    ]
    if rows:
        connection.execute(optuna_internals.params.insert(), rows)


def enqueue_trial(
    database: Database, study_id: int, sampled: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> int:
    """Let a trial with these parameters wait to be run next, those left out drawn then; its number."""

    def work(connection: Connection) -> int:
        lock_study(connection, study_id)
        return insert_waiting(connection, study_id, sampled, distributions)

    return database.write(work)


def insert_waiting(
    connection: Connection, study_id: int, sampled: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> int:
    """A new trial that waits; its number."""
    number = next_number(connection, study_id)
    trial_id = insert_trial(connection, study_id, number, TrialState.WAITING)
    insert_params(connection, trial_id, sampled, distributions)
    return number


def read_sampled(
    database: Database, trial_id: int, distributions: Mapping[str, BaseDistribution]
) -> tuple[SampledTrial | None, dict[str, Any]]:
    """What an earlier attempt of this trial drew, or None; and the parameters given to it by hand, if any."""

    def work(connection: Connection) -> tuple[Any, Any]:
        of = {"trial": trial_id}
        return connection.execute(_NOTED, of).one_or_none(), connection.execute(_PARAMS, of).all()

    row, params = database.read(work)
    reader = ParamReader(distributions)
    read = {name: reader.read(name, value, written_as) for name, value, written_as in params}
    sampled = {name: value for name, (fits, value) in read.items() if fits}
    if row is None:
        return None, sampled
    return SampledTrial(sampled, json.loads(row.hyperparameters), row.seed, row.exploring), {}


def require_hyperparameters(
    database: Database, study: str, number: int, misfit: tuple[str, object, str] | None
) -> None:
    """Raise BadValueError for a stored hyperparameter that no trial can have: name, value and what was expected."""
    if misfit is not None:
        name, value, expected = misfit
        where = f"{database.name}, study {study!r}, trial {number}, "
        raise BadValueError(tables.trials.name, f"hyperparameters, {quoted(name)}", value, expected).at(where)


def require_definition(database: Database, study: str, definition: str, changes: Sequence[str]) -> None:
    """Raise BadValueError for a stored definition that differs from the study's identity in ``changes``."""
    if changes:
        expected = f"the study file that was searched ({shorten('; '.join(changes), 300)})"
        bad = BadValueError(tables.studies.name, "definition", definition, expected)
        raise bad.at(f"{database.name}, study {study!r}, ")


def write_outcome(database: Database, claim: Claim, study_id: int, outcome: Outcome) -> bool:
    """Everything about a finished trial in one transaction; False (and nothing written) if the claim is not ours.

    It was taken over then, or has ended by this very call, whose commit was not answered.
    """
    network_rows, epoch_rows = rows_of_networks(claim.trial_id, outcome.networks)
    rank = Rank(outcome.value, tie_break(outcome.networks), claim.number)

    def work(connection: Connection) -> None:
        _tell_optuna(connection, claim.trial_id, outcome, database.now(connection))
        changed = {
            "trial": claim.trial_id,
            "finish_order": connection.execute(_LAST_FINISHED, {"study": study_id}).scalar_one() + 1,
            "stop_reason": outcome.stop_reason,
            "best_epoch": middle_epoch(outcome.networks),
            "epochs": max((n.epochs for n in outcome.networks), default=0),
            "seconds": outcome.seconds,
            "tie_break": rank.tie_break,
        }
        connection.execute(_CHANGE_TRIAL, changed)
        count_finished(connection, study_id, claim.trial_id, rank, outcome.stop_reason)
        if network_rows:
            connection.execute(tables.networks.insert(), network_rows)
        if epoch_rows:
            connection.execute(tables.epochs.insert(), epoch_rows)
        if outcome.predictions is not None:
            keep_predictions(connection, study_id, claim.trial_id, rank, outcome.predictions)
        claim.rows.end(connection, claim.trial_id, None, checkpoint=None)

    return write_held(database, claim, work, study_id=study_id)  # finishing is counted per study, one at a time


def _tell_optuna(connection: Connection, trial_id: int, outcome: Outcome, now: float) -> None:
    set_state(connection, trial_id, TrialState.PRUNED if outcome.pruned else TrialState.COMPLETE, now)
    value = {"trial_id": trial_id, "objective": 0, "value": outcome.value, "value_type": optuna_internals.FINITE}
    connection.execute(optuna_internals.values.insert(), value)
    if outcome.rung_values:
        rows = [
            {
                "trial_id": trial_id,
                "step": step,
                "intermediate_value": value,
                "intermediate_value_type": optuna_internals.FINITE_INTERMEDIATE,
            }
            for step, value in outcome.rung_values.items()
        ]
        connection.execute(optuna_internals.intermediate_values.insert(), rows)
    _insert_system_attributes(connection, trial_id, outcome.system_attributes)
