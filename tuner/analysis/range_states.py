"""Where a search stands in each hyperparameter's range or choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.effects import HyperparameterEffect, HyperparameterEffects
from tuner.analysis.hyperparameters import SearchedHyperparameter

TOP = 10  # best trials whose place in a range tells whether the search pressed against its end
EDGE = 0.1  # outermost tenth of a range
GOOD_SHARE = 0.25  # of the trials: those that show where to look more closely
FEWEST_GOOD = 5  # good trials below which they show nothing
CHANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeState:
    """Where a search stands in the range of one hyperparameter, and what that does.

    ``low``, ``high``: the range; ``best``: the best trial's value and ``position`` its place in the range, 0 to 1.
    ``near_low``, ``near_high``: share of the ten best trials in the outermost tenth. ``strength``: 1 where more
    regularises more (λ), −1 where less does (keep_prob), otherwise 0. ``effect_on_bias``, ``effect_on_variance``: the
    effect's sign where it is certain, 0 where it is not, None where effects are not known. ``good``: the positions
    between which good trials lie (:func:`good_region`), None where too few trials tell.
    """

    name: str
    kind: str
    low: float
    high: float
    best: float
    position: float
    near_low: float
    near_high: float
    strength: int = 0
    effect_on_bias: int | None = None
    effect_on_variance: int | None = None
    good: tuple[float, float] | None = None

    @property
    def stronger_on_bias(self) -> int | None:
        """The effect on bias in the direction that regularizes more."""
        return None if self.effect_on_bias is None else self.effect_on_bias * self.strength

    @property
    def stronger_on_variance(self) -> int | None:
        """The effect on variance in the direction that regularizes more."""
        return None if self.effect_on_variance is None else self.effect_on_variance * self.strength


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceState:
    """Where a search stands in choices: the best trial's, and the ``hopeless``.

    These are never among the good trials although they were tried so often that this is no accident.
    """

    name: str
    choices: tuple[Any, ...]
    best: Any
    hopeless: tuple[Any, ...] = ()


def range_states(
    hyperparameters: Sequence[SearchedHyperparameter],
    params: Sequence[Mapping[str, Any]],
    values: NDArray[np.floating],
    best: int,
    *,
    effects: HyperparameterEffects | None = None,
    strengths: Mapping[str, int] | None = None,
) -> tuple[RangeState, ...]:
    """Where the search stands in every hyperparameter with a range (choices have no edge).

    One entry a complete trial that did not diverge: ``params`` by hyperparameter name and the ``values`` the search
    minimised; ``best`` is the place of the best; ``strengths`` as :class:`RangeState` has them, 0 where a
    hyperparameter is not named.
    """
    by_name = (
        {} if effects is None else {effect.hyperparameter: effect for effect in effects.effects if effect.level is None}
    )
    top = np.argsort(values, kind="stable")[:TOP]
    chosen = len(values) >= 2 * TOP  # of fewer, the ten best are hardly better than the rest
    states = []
    for hyperparameter in hyperparameters:
        if not hyperparameter.scale.is_numeric or hyperparameter.bounds[0] == hyperparameter.bounds[1]:
            continue
        position = hyperparameter.to_unit([trial[hyperparameter.name] for trial in params])
        effect = by_name.get(hyperparameter.name)
        states.append(
            RangeState(
                name=hyperparameter.name,
                kind=hyperparameter.kind,
                low=hyperparameter.bounds[0],
                high=hyperparameter.bounds[1],
                best=params[best][hyperparameter.name],
                position=float(position[best]),
                near_low=float(np.mean(position[top] <= EDGE)) if chosen else 0.0,
                near_high=float(np.mean(position[top] >= 1 - EDGE)) if chosen else 0.0,
                strength=(strengths or {}).get(hyperparameter.name, 0),
                effect_on_bias=_sign(effect, "train"),
                effect_on_variance=_sign(effect, "gap"),
                good=good_region(position, values),
            )
        )
    return tuple(states)


def good_region(position: NDArray[np.floating], values: NDArray[np.floating]) -> tuple[float, float] | None:
    """Positions, 0 to 1, beyond which good trials are not to be expected: the rule of "coarse to fine".

    Good is the best quarter of the trials, so the best one is always inside. If good trials lie evenly on an unknown
    stretch, and n of them reach from a to b, then it ends beyond b + (b − a)(0.05^(−1/(n−1)) − 1) with a chance of 5 %,
    and likewise below a. A hyperparameter that does not matter has good trials everywhere and keeps its range; few
    trials narrow little. None with fewer than five good trials.
    """
    n = int(GOOD_SHARE * len(values))
    if n < FEWEST_GOOD:
        return None
    good = position[np.argsort(values, kind="stable")[:n]]
    low, high = float(good.min()), float(good.max())
    further = (high - low) * (CHANCE ** (-1 / (n - 1)) - 1)
    return max(low - further, 0.0), min(high + further, 1.0)


def choice_states(
    hyperparameters: Sequence[SearchedHyperparameter],
    params: Sequence[Mapping[str, Any]],
    values: NDArray[np.floating],
    best: int,
) -> tuple[ChoiceState, ...]:
    """Where the search stands in every hyperparameter with choices; arguments as those of :func:`range_states`.

    A choice is hopeless if it was tried n times, never among the best quarter, and chance alone would do that with
    (3/4)^n < 5 %: eleven times.
    """
    good = np.argsort(values, kind="stable")[: int(GOOD_SHARE * len(values))]
    states = []
    for hyperparameter in hyperparameters:
        if hyperparameter.scale.is_numeric or len(hyperparameter.bounds) < 2:
            continue
        tried = [trial[hyperparameter.name] for trial in params]
        among_good = {tried[place] for place in good}
        hopeless = [
            choice
            for choice in hyperparameter.bounds
            if choice not in among_good and (1 - GOOD_SHARE) ** tried.count(choice) < CHANCE
        ]
        states.append(
            ChoiceState(
                name=hyperparameter.name,
                choices=tuple(hyperparameter.bounds),
                best=tried[best],
                hopeless=tuple(hopeless),
            )
        )
    return tuple(states)


def _sign(effect: HyperparameterEffect | None, target: str) -> int | None:
    """Sign of an effect where it is certain, over the space or around the best trial; 0 where it is not."""
    if effect is None:
        return None
    for change in (getattr(effect, f"{target}_near_best"), getattr(effect, target)):
        if change.decided:
            return 1 if change.value > 0 else -1
    return 0
