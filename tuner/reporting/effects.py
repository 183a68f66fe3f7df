"""Effects of each hyperparameter on bias and on variance, and its importance."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.analysis import HyperparameterEffects, Idle, SearchedHyperparameter, hyperparameter_effects, influential
from tuner.reporting.competition import EFFECTS, random_stream
from tuner.reporting.findings import Findings
from tuner.reporting.frames import dev_error, train_error
from tuner.storage import TrialRecord
from tuner.study import HYPERPARAMETERS, Range, StudyDefinition, spec_of
from tuner.study.space import optuna_name

ENOUGH_EXPLORING = 20  # with fewer exploring trials, importances are those where the search looked
LEAST_TRIALS = 10
MOST_TRIALS = 2000
BEST = 5  # at least so many trials count as good


@dataclass(frozen=True, slots=True)
class Importances:
    """The importance of each hyperparameter; the shares sum to 1.

    ``trials``: what they are based on; ``of_the_space``: only exploring trials, from the whole space. ``certain``:
    those that certainly matter by the exploring trials. They come first; within both parts the largest share is first.
    """

    shares: dict[str, float]
    trials: int
    of_the_space: bool
    certain: frozenset[str] = frozenset()


def searched_hyperparameters(definition: StudyDefinition) -> list[SearchedHyperparameter]:
    """Return the searched hyperparameters for the analysis; choices of networks and numbers are ordered."""
    return [
        SearchedHyperparameter(name=name, kind=entry.kind, most=spec_of(name).most, **_bounds(name, entry))
        for name, entry in definition.searched_space.searched.items()
    ]


def _bounds(name: str, searched: Range) -> dict[str, Any]:
    bounds = searched.bounds
    if searched.scale.is_numeric:
        return {"bounds": tuple(bounds)}
    if all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in bounds):
        return {"bounds": sorted(bounds), "ordered": True}
    if name == "hidden":
        by_size = sorted(
            bounds, key=lambda choice: (math.prod(HYPERPARAMETERS["hidden"].parse(choice) or (0,)), choice)
        )
        return {"bounds": by_size, "ordered": True}
    return {"bounds": list(bounds)}


def find_effects(definition: StudyDefinition, findings: Findings) -> HyperparameterEffects | None:
    """Return the effects of every searched hyperparameter, from the complete trials; None if there are too few."""
    hyperparameters = searched_hyperparameters(definition)
    trials = findings.inside
    if findings.best not in trials or not hyperparameters:
        return None
    train = np.array([train_error(trial) for trial in trials], float)
    dev = np.array([dev_error(trial) for trial in trials], float)
    return hyperparameter_effects(
        hyperparameters,
        [trial.params for trial in trials],
        train,
        dev - train,
        np.array([trial.exploring for trial in trials]),
        trials.index(findings.best),
        rng=random_stream(definition, EFFECTS),
        idle=idle_of(definition),
    )


def idle_of(definition: StudyDefinition) -> Idle:
    """Return what says which hyperparameters are idle under given choices; a custom trainer may use all of them."""
    return definition.searched_space.idle if definition.trainer_kind.knows_hyperparameters else lambda _: ()


def acting(definition: StudyDefinition, trials: Iterable[TrialRecord]) -> list[dict[str, Any]]:
    """Return each trial's hyperparameters without those that its choices make idle, which show nothing there."""
    idle = idle_of(definition)
    idle_names = ((trial.params, idle(trial.params)) for trial in trials)
    return [
        {name: value for name, value in params.items() if name not in names} if names else params
        for params, names in idle_names
    ]


def find_importances(definition: StudyDefinition, findings: Findings) -> Importances | None:
    """Return PED-ANOVA importances from the exploring trials if there are enough, else from all complete trials.

    A sampler's trials crowd together, so a hyperparameter without effect often outranks a true one on them, and even on
    25 exploring trials it may: which ones matter is for :func:`influential` to say. Trials where a hyperparameter is
    idle do not count for it; one that never acts has no importance.
    (Watanabe, Bansal & Hutter 2023; conditional: 2026, arXiv:2601.20800)
    """
    searched = definition.searched_space.searched
    inside = findings.inside
    exploring = _some([trial for trial in inside if trial.exploring])
    of_the_space = len(exploring) >= ENOUGH_EXPLORING
    trials = exploring if of_the_space else _some(inside)
    if len(trials) < LEAST_TRIALS or len({trial.value for trial in trials}) < 2:
        return None
    by_optuna_name = _ped_anova(definition, trials)
    names = {name: optuna_name(name, entry) for name, entry in searched.items()}
    shares = {name: by_optuna_name[sampled] for name, sampled in names.items() if sampled in by_optuna_name}
    total = sum(shares.values())
    if len(shares) < 2 or not total > 0:
        return None
    certain = influential(
        searched_hyperparameters(definition),
        acting(definition, exploring),
        np.array([trial.value for trial in exploring], float),
    )
    ranked = sorted(shares.items(), key=lambda item: (item[0] not in certain, -item[1]))
    return Importances({name: share / total for name, share in ranked}, len(trials), of_the_space, certain)


def _some(trials: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
    """Return at most ``MOST_TRIALS`` of the trials, evenly spread: more would make the shares no surer, only slower."""
    return trials[:: -(-len(trials) // MOST_TRIALS)] if trials else trials


def _ped_anova(definition: StudyDefinition, trials: Sequence[TrialRecord]) -> dict[str, float]:
    """Return the importance of every sampled parameter for being in the best tenth, or the best five."""
    import optuna

    space = definition.searched_space
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for trial, params in zip(trials, acting(definition, trials), strict=True):
        sampled = space.sampled(params)
        used = {name: space.distributions[name] for name in sampled}
        study.add_trial(optuna.trial.create_trial(params=sampled, distributions=used, value=trial.value))
    with warnings.catch_warnings(action="ignore"):  # it is experimental, or a hyperparameter acts in a single trial
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, BEST / len(trials)))
        return optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
