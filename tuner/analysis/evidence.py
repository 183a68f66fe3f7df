"""What a recipe is computed from: numbers and words about one study, and the health of its search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.effects import KnobEffect, KnobEffects
from tuner.analysis.knobs import Knob

TOP = 10  # best trials whose place in a range tells whether the search pressed against its end
EDGE = 0.1  # outermost tenth of a range
GOOD_SHARE = 0.25  # of the trials: those that show where to look more closely
FEWEST_GOOD = 5  # good trials below which they show nothing
CHANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobState:
    """Where a search stands in one ordered knob's range, and what the knob does.

    ``low``, ``high``: the range; ``best``: the best trial's value and ``position`` its place in the range, 0 to 1.
    ``near_low``, ``near_high``: share of the ten best trials in the outermost tenth. ``strength``: 1 where more
    regularises more (λ), −1 where less does (keep_prob), otherwise 0. ``pull_on_bias``, ``pull_on_variance``: the
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
    pull_on_bias: int | None = None
    pull_on_variance: int | None = None
    good: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceState:
    """Where a search stands in a knob with choices: the best trial's, and those that are never among the good trials
    although they were tried so often that this is no accident.
    """

    name: str
    choices: tuple[Any, ...]
    best: Any
    hopeless: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything the recipe looks at.

    ``study`` is how the study is named in commands, ``options`` what follows it there (``--storage URL``), ``taken``
    the names that no new study can have. Levels are "high", "low", "undecided" or None (not measured); gaps and errors
    are fractions; what is unknown is None.
    ``hidden``: the best trial's layers, ("64-32"); ``hidden_is_largest``: no larger network was searched.
    ``fits_epoch``: an epoch at which the best trial had learnt its training set down to ``fits_error``, though another
    one was chosen; else ``fits_trial``: a trial that has, with a network no larger. ``best_epochs``: the earliest and
    latest that early stopping chose in the best trial's networks, each on ``dev_rows`` or more by its ``monitor``.
    ``dev_low``, ``dev_high``: the ends of the corrected dev error's interval. ``majority``: the dev error of always
    answering ``commonest``; ``missed``: the class the network has wrong most often, and how often, if more than half.
    ``trainer``: the user's own, where it trains the models instead.
    ``since_best``: trials finished after the best one. ``diverged_above``: an α above which most trials diverged.
    ``dev_needed``: dev examples that would decide the variance; ``needed``: of every undecided gap its name, the set
    that would have to be larger and its examples ("all": so many times the data; None: no number is known).
    ``can_fold``: dev examples come from the training rows' source, not from a file of their own.
    ``pruned_winners``: pruned trials that were already better than the best when they were stopped. ``trials`` are the
    complete ones that did not diverge; the ``budget`` counts the pruned and the diverged ones, too.
    ``data_warnings``: what the checks of the data found that makes every number doubtful, as sentences.
    ``judged_by``: options that set the line and the baseline, as far as the definition does not. ``decided``: keys of
    the definition that an action ranked higher already changes.
    """

    study: str
    options: str = ""
    taken: frozenset[str] = frozenset()
    data_warnings: tuple[str, ...] = ()
    judged_by: str = ""
    decided: frozenset[str] = frozenset()
    bias: str | None = None
    variance: str | None = None
    mismatch: str | None = None
    dev_overfit: str | None = None
    bias_value: float | None = None
    variance_value: float | None = None
    mismatch_value: float | None = None
    dev_overfit_value: float | None = None
    material_gap: float = 0.02
    baseline_given: bool = False
    train_error: float | None = None
    dev_error: float | None = None
    dev_low: float | None = None
    dev_high: float | None = None
    majority: float | None = None
    logistic_regression: float | None = None
    gradient_boosting: float | None = None
    metric: str = "error"
    commonest: str | None = None
    missed: tuple[str, float] | None = None
    n_train: int = 0
    n_dev: int = 0
    folds: int | None = None
    can_fold: bool = True
    dev_needed: int | None = None
    needed: tuple[tuple[str, str, int | None], ...] = ()
    images: bool = False
    augmented: bool = False
    trainer: str | None = None
    hidden: str | None = None
    hidden_is_largest: bool = True
    fits_epoch: int | None = None
    fits_trial: int | None = None
    fits_error: float | None = None
    best_epochs: tuple[int, int] = (0, 0)
    dev_rows: int = 0
    monitor: str = "error"
    best_epoch: int = 0
    max_epochs: int = 0
    still_falling: bool = False
    trials: int = 0
    budget: int = 0
    searched: int = 0
    since_best: int = 0
    diverged: int = 0
    diverged_above: float | None = None
    duplicates: int = 0
    pruned: int = 0
    pruned_winners: int = 0
    knobs: tuple[KnobState, ...] = ()
    choices: tuple[ChoiceState, ...] = ()
    curve_today: float | None = None
    curve_estimate: float | None = None
    curve_twice: float | None = None
    curve_low: float | None = None
    curve_high: float | None = None
    curve_helps: bool | None = None


def knob_states(
    knobs: Sequence[Knob],
    params: Sequence[Mapping[str, Any]],
    values: NDArray[np.floating],
    best: int,
    *,
    effects: KnobEffects | None = None,
    strengths: Mapping[str, int] | None = None,
) -> tuple[KnobState, ...]:
    """Where the search stands in every knob with a range (choices have no edge).

    One entry a complete trial that did not diverge: ``params`` by knob name and the ``values`` the search minimised;
    ``best`` is the place of the best; ``strengths`` as :class:`KnobState` has them, 0 where a knob is not named.
    """
    pulls = {} if effects is None else {effect.knob: effect for effect in effects.effects if effect.level is None}
    top = np.argsort(values, kind="stable")[:TOP]
    chosen = len(values) >= 2 * TOP  # of fewer, the ten best are hardly better than the rest
    states = []
    for knob in knobs:
        if knob.kind == "choice" or knob.bounds[0] == knob.bounds[1]:
            continue
        position = knob.to_unit([trial[knob.name] for trial in params])
        pull = pulls.get(knob.name)
        states.append(
            KnobState(
                name=knob.name,
                kind=knob.kind,
                low=knob.bounds[0],
                high=knob.bounds[1],
                best=params[best][knob.name],
                position=float(position[best]),
                near_low=float(np.mean(position[top] <= EDGE)) if chosen else 0.0,
                near_high=float(np.mean(position[top] >= 1 - EDGE)) if chosen else 0.0,
                strength=(strengths or {}).get(knob.name, 0),
                pull_on_bias=_sign(pull, "train"),
                pull_on_variance=_sign(pull, "gap"),
                good=good_region(position, values),
            )
        )
    return tuple(states)


def good_region(position: NDArray[np.floating], values: NDArray[np.floating]) -> tuple[float, float] | None:
    """Positions, 0 to 1, beyond which good trials are not to be expected: the rule of "coarse to fine".

    Good is the best quarter of the trials, so the best one is always inside. If good trials lie evenly on an unknown
    stretch, and n of them reach from a to b, then it ends beyond b + (b − a)(0.05^(−1/(n−1)) − 1)
    with a chance of 5 %, and likewise below a. A knob that does not matter has good trials everywhere and keeps its
    range; few trials narrow little. None with fewer than five good trials.
    """
    n = int(GOOD_SHARE * len(values))
    if n < FEWEST_GOOD:
        return None
    good = position[np.argsort(values, kind="stable")[:n]]
    low, high = float(good.min()), float(good.max())
    further = (high - low) * (CHANCE ** (-1 / (n - 1)) - 1)
    return max(low - further, 0.0), min(high + further, 1.0)


def choice_states(
    knobs: Sequence[Knob], params: Sequence[Mapping[str, Any]], values: NDArray[np.floating], best: int
) -> tuple[ChoiceState, ...]:
    """Where the search stands in every knob with choices; arguments as those of :func:`knob_states`.

    A choice is hopeless if it was tried n times, never among the best quarter, and chance alone would do that with
    (3/4)^n < 5 %: eleven times.
    """
    good = np.argsort(values, kind="stable")[: int(GOOD_SHARE * len(values))]
    states = []
    for knob in knobs:
        if knob.kind != "choice" or len(knob.bounds) < 2:
            continue
        tried = [trial[knob.name] for trial in params]
        among_good = {tried[place] for place in good}
        hopeless = [
            choice
            for choice in knob.bounds
            if choice not in among_good and (1 - GOOD_SHARE) ** tried.count(choice) < CHANCE
        ]
        states.append(
            ChoiceState(name=knob.name, choices=tuple(knob.bounds), best=tried[best], hopeless=tuple(hopeless))
        )
    return tuple(states)


def _sign(pull: KnobEffect | None, target: str) -> int | None:
    """Sign of an effect where it is certain, over the space or around the best trial; 0 where it is not."""
    if pull is None:
        return None
    for effect in (getattr(pull, f"{target}_near_best"), getattr(pull, target)):
        if effect.decided:
            return 1 if effect.value > 0 else -1
    return 0


def diverging_from(alphas: Sequence[float], diverged: NDArray[np.bool_]) -> float | None:
    """Learning rate above which most trials diverged: the cut that separates them best; None if none does.

    Of the trials above the cut at least half diverged, and more than twice the share below.
    """
    order = np.argsort(alphas)
    bad = np.asarray(diverged, dtype=np.float64)[order]
    n = len(bad)
    if n < 2 or not 0 < bad.sum() < n:
        return None
    above = np.cumsum(bad[::-1])[::-1][1:]  # diverged among those after each cut
    count = np.arange(n - 1, 0, -1)
    below = (bad.sum() - above) / np.arange(1, n)
    gain = above / count - below
    cut = int(gain.argmax())
    if above[cut] / count[cut] < 0.5 or above[cut] / count[cut] <= 2 * below[cut]:
        return None
    ordered = np.asarray(alphas, dtype=np.float64)[order]
    return float(np.sqrt(ordered[cut] * ordered[cut + 1]))


def count_duplicates(params: Sequence[Mapping[str, Any]]) -> int:
    """How many trials repeat the hyperparameters of an earlier one."""
    return len(params) - len({tuple(sorted((name, str(value)) for name, value in trial.items())) for trial in params})
