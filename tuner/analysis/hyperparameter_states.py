"""Where a search stands in each hyperparameter's range or choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.effects import Effect, HyperparameterEffect, HyperparameterEffects
from tuner.analysis.hyperparameters import SearchedHyperparameter
from tuner.analysis.influence import influential

TOP = 10  # best trials that show whether a range is too narrow
EDGE = 0.1  # outermost tenth of a range
GOOD_SHARE = 0.25  # of the trials, which show where to search more finely
FEWEST_GOOD = 5  # fewer good trials show nothing
CHANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperparameterState(SearchedHyperparameter):
    """Where a search stands in one hyperparameter, and what that does; ``best`` is the best trial's value.

    In a range: ``position``, the place of the best value, 0 to 1. ``strength``: 1 where more regularizes more (λ), −1
    where less does (keep_prob), otherwise 0. ``effect_on_bias``, ``effect_on_variance``: the effect's sign where it is
    certain, 0 where it is not, None where effects are not known. ``effect_on_dev``: near the best trial, on dev error.

    The rest is known only of a hyperparameter that is :func:`influential`, since a sampler's trials crowd together
    without a reason, too. ``near_low``, ``near_high``: share of the ten best trials in the outermost tenth. ``good``:
    the positions between which good trials lie (:func:`good_region`), None where too few trials tell. Among choices:
    the ``hopeless``, never among the good trials although they were tried so often that this is no accident.
    """

    best: Any
    position: float = 0.0
    near_low: float = 0.0
    near_high: float = 0.0
    strength: int = 0
    effect_on_bias: int | None = None
    effect_on_variance: int | None = None
    effect_on_dev: Effect | None = None
    good: tuple[float, float] | None = None
    hopeless: tuple[Any, ...] = ()

    @property
    def low(self) -> float:
        """Lower end of the range."""
        return self.bounds[0]  # type: ignore[no-any-return]

    @property
    def high(self) -> float:
        """Upper end of the range."""
        return self.bounds[1]  # type: ignore[no-any-return]

    @property
    def stronger_on_bias(self) -> int | None:
        """The effect on bias in the direction that regularizes more."""
        return None if self.effect_on_bias is None else self.effect_on_bias * self.strength

    @property
    def stronger_on_variance(self) -> int | None:
        """The effect on variance in the direction that regularizes more."""
        return None if self.effect_on_variance is None else self.effect_on_variance * self.strength


def hyperparameter_states(
    hyperparameters: Sequence[SearchedHyperparameter],
    params: Sequence[Mapping[str, Any]],
    values: NDArray[np.floating],
    exploring: NDArray[np.bool_],
    best: int,
    *,
    effects: HyperparameterEffects | None = None,
    strengths: Mapping[str, int] | None = None,
) -> tuple[HyperparameterState, ...]:
    """Where the search stands in every hyperparameter that can take more than one value.

    One entry per complete trial that did not diverge: ``params`` by hyperparameter name, without those that are idle
    there, the ``values`` the search minimized, and whether it explores. ``best`` is the place of the best;
    ``strengths`` as :class:`HyperparameterState` has them, 0 where a hyperparameter is not named. A hyperparameter that
    is idle at the best trial has no state.
    """
    by_name = (
        {} if effects is None else {effect.hyperparameter: effect for effect in effects.effects if effect.level is None}
    )
    explored = [trial for trial, explores in zip(params, exploring, strict=True) if explores]
    certain = influential(hyperparameters, explored, values[exploring])
    states = []
    for one in hyperparameters:
        if one.bounds[0] == one.bounds[1] if one.scale.is_numeric else len(one.bounds) < 2:
            continue
        ranked = [place for place in np.argsort(values, kind="stable") if one.name in params[place]]
        if best not in ranked:
            continue
        tried = [params[place][one.name] for place in ranked]
        state = HyperparameterState(
            name=one.name,
            kind=one.kind,
            bounds=one.bounds,
            ordered=one.ordered,
            most=one.most,
            best=params[best][one.name],
        )
        if not one.scale.is_numeric:
            states.append(replace(state, hopeless=_hopeless(one.bounds, tried) if one.name in certain else ()))
            continue
        position, effect = one.to_unit(tried), by_name.get(one.name)
        tops = position[:TOP]
        chosen = one.name in certain and len(ranked) >= 2 * TOP  # of fewer, the ten best are hardly better
        states.append(
            replace(
                state,
                position=float(position[ranked.index(best)]),
                near_low=float(np.mean(tops <= EDGE)) if chosen else 0.0,
                near_high=float(np.mean(tops >= 1 - EDGE)) if chosen else 0.0,
                strength=(strengths or {}).get(one.name, 0),
                effect_on_bias=_sign(effect, "train"),
                effect_on_variance=_sign(effect, "gap"),
                effect_on_dev=None if effect is None else effect.dev_near_best,
                good=good_region(position) if one.name in certain else None,
            )
        )
    return tuple(states)


def good_region(position: NDArray[np.floating]) -> tuple[float, float] | None:
    """Positions, 0 to 1, beyond which good trials are not to be expected: the rule of "coarse to fine".

    ``position``: of the trials, the best first. Good is the best quarter of them, so the best one is always inside. If
    good trials lie evenly on an unknown stretch, and n of them reach from a to b, then it ends beyond
    b + (b − a)(0.05^(−1/(n−1)) − 1) with a chance of 5%, and likewise below a: few trials narrow little. None with
    fewer than five good trials.
    """
    n = int(GOOD_SHARE * len(position))
    if n < FEWEST_GOOD:
        return None
    good = position[:n]
    low, high = float(good.min()), float(good.max())
    further = (high - low) * (CHANCE ** (-1 / (n - 1)) - 1)
    return max(low - further, 0.0), min(high + further, 1.0)


def _hopeless(choices: Sequence[Any], tried: Sequence[Any]) -> tuple[Any, ...]:
    """Choices tried n times, never among the good trials, where chance alone would do that with (3/4)^n < 5%: eleven
    times. ``tried``: of the trials, the best first.
    """
    among_good = set(tried[: int(GOOD_SHARE * len(tried))])
    never = [choice for choice in choices if choice not in among_good]
    return tuple(choice for choice in never if (1 - GOOD_SHARE) ** tried.count(choice) < CHANCE)


def _sign(effect: HyperparameterEffect | None, target: str) -> int | None:
    """Sign of an effect where it is certain, over the space or around the best trial; 0 where it is not."""
    if effect is None:
        return None
    for change in (getattr(effect, f"{target}_near_best"), getattr(effect, target)):
        if change.decided:
            return 1 if change.value > 0 else -1
    return 0
