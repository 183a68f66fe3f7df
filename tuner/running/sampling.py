"""Drawing a trial's hyperparameters, and asking whether to go on, from what the study has seen so far."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.storage import History, SampledTrial, frozen_trial, id_of
from tuner.study import FOLD_PRUNERS, PRUNERS, SAMPLERS, Draw, StudyDefinition, explores, n_exploring
from tuner.trial import trial_seed

optuna.logging.set_verbosity(optuna.logging.WARNING)  # each draw makes a study in memory, and Optuna tells of each


class TrialsInMemory(InMemoryStorage):
    """A study of trials that are in memory under their own numbers and ids, for Optuna's samplers and pruners.

    Adding them one by one would copy each and number them anew: 2,000 of them for every draw.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._frozen = list(trials)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials in these states."""
        return self._frozen if states is None else [trial for trial in self._frozen if trial.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """One trial."""
        return next(trial for trial in self._frozen if id_of(trial) == trial_id)

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """The complete trial with the lowest value."""
        return BaseStorage.get_best_trial(self, study_id)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Kept with the trial in memory; whoever asked the sampler or pruner stores it."""
        self.get_trial(trial_id).system_attrs[key] = value


def draw(
    definition: StudyDefinition, history: History, number: int, given: Mapping[str, Any], exploring_with: str = "qmc"
) -> SampledTrial:
    """What trial ``number`` runs with; ``given`` are parameters picked by hand.  Depends on the history and the
    number alone.
    """
    space = definition.searched_space
    seed = trial_seed(definition.search.seed, number)
    exploring = not given and explores(number, definition.search.explore)
    made_from = Draw(number, seed & 0xFFFFFFFF, definition.search.seed & 0xFFFFFFFF, space)
    sampler = SAMPLERS[definition.search.sampler](made_from)  # made in any case: what it needs is missed at once
    if exploring and exploring_with != definition.search.sampler:  # or two trials would be the same point of it
        sampler = SAMPLERS[exploring_with](replace(made_from, number=n_exploring(number, definition.search.explore)))
    now = frozen_trial(number, TrialState.RUNNING, {}, space.distributions, trial_id=-1)
    others = [trial for trial in history.running if trial.number != number and trial.params]
    study = _study(definition, [*history.offered, *history.finished, *others, now], sampler=sampler)
    wanted = {name: d for name, d in space.distributions.items() if name not in given and not d.single()}
    sampled = {**only_values(space.distributions), **given}
    if wanted:
        sampler.before_trial(study, now)
        sampled |= sampler.sample_relative(study, now, wanted)
        for name in [name for name in wanted if name not in sampled]:
            sampled[name] = sampler.sample_independent(study, now, name, wanted[name])
    sampled = {name: sampled[name] for name in space.distributions}
    attributes = {} if given else dict(now.system_attrs)  # a hand-picked point is none of the sampler's own
    return SampledTrial(sampled, space.values(sampled), seed, exploring, attributes)


def only_values(distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """The values of those parameters that can have only one; samplers refuse or warn of them."""
    return {
        name: d.choices[0] if isinstance(d, CategoricalDistribution) else d.low  # type: ignore[attr-defined]
        for name, d in distributions.items()
        if d.single()
    }


class Pruning:
    """Whether a trial is hopeless beside the others, asked at its rungs; ``attributes`` is what the pruner noted."""

    def __init__(self, definition: StudyDefinition, history: History, number: int, drawn: SampledTrial) -> None:
        self._definition = definition
        self._history = history
        self._number = number
        self._drawn = drawn
        self._pruner = PRUNERS[definition.search.pruner](definition.training.max_epochs)
        self.attributes: dict[str, Any] = {}

    def __call__(self, rung_values: dict[int, float], network_losses: Sequence[float] = ()) -> bool:
        """True if the trial should end now; one that explores never should."""
        if self._drawn.exploring:
            return False
        self._history.refresh()
        others = self._history.newest
        if self._definition.search.pruner in FOLD_PRUNERS:
            others, rung_values = self._best(max(rung_values)), dict(enumerate(network_losses))
        now = frozen_trial(
            self._number,
            TrialState.RUNNING,
            self._drawn.sampled,
            self._definition.searched_space.distributions,
            trial_id=-1,
            rung_values=rung_values,
            system_attributes=self.attributes,
        )
        study = _study(self._definition, [*others, now], pruner=self._pruner)
        pruned = bool(self._pruner.prune(study, now))
        self.attributes = dict(now.system_attrs)
        return pruned

    def _best(self, rung: int) -> list[FrozenTrial]:
        """The best complete trial, if any, with its folds' losses at a rung in place of its values at all rungs."""
        complete = [trial for trial in self._history.finished if trial.state is TrialState.COMPLETE]
        if not complete:
            return []
        best = copy(min(complete, key=lambda trial: (trial.value, trial.number)))
        best.intermediate_values = dict(enumerate(self._history.network_losses(id_of(best), rung)))
        return [best]


def _study(definition: StudyDefinition, trials: Sequence[FrozenTrial], **strategies: Any) -> optuna.Study:
    storage = TrialsInMemory(trials)
    storage.create_new_study([StudyDirection.MINIMIZE], definition.name)  # Hyperband's brackets depend on the name
    return optuna.Study(definition.name, storage, **strategies)
