"""The next range of a hyperparameter: shifted where more or less of it is wanted, wider at an edge, narrower inside."""

from __future__ import annotations

from tuner.analysis.hyperparameter_states import HyperparameterState

WORTH = 0.8  # of the range's width: what narrows it by less is not worth a change
CLOSE = 0.75  # of the way to the end: what is left of the range is little
BETWEEN_QUARTERS = 0.75  # of a range: from the middle of its lower to the middle of its upper quarter
BEYOND = 0.25  # of a range: the middle of what it gets longer by
LEAST = {"keep_prob": 0.1}  # a network that drops more of its units learns nothing
LARGEST_STEP = {"alpha": 3.0}  # times the upper end: ten times the learning rate diverges


def amount(state: HyperparameterState) -> float:
    """How much a hyperparameter regularizes at the best trial, 0 to 1 of its range."""
    return state.position if state.strength > 0 else 1 - state.position


def beyond(state: HyperparameterState, *, upper: bool) -> float | None:
    """The next end of a range on one side: a decade, a doubling, or half its width on; None at a natural limit."""
    name = state.name.partition(".")[0]
    end = state.scale.beyond(state.low, state.high, upper=upper, least=LEAST.get(name))
    if end is None or not upper:
        return end
    if name in LARGEST_STEP:
        end = min(end, float(f"{LARGEST_STEP[name] * state.high:.3g}"))
    return None if state.high >= state.most else min(end, state.most)


def fall(state: HyperparameterState, *, upper: bool) -> tuple[float, float] | None:
    """The interval of how much lower dev error gets toward one end of a range; None where a fall is not certain.

    Halfway from the best value to that end, and at the end a quarter of the range beyond it, of which trials say
    nothing: the fall promised there is 0 or more.
    """
    effect, room = state.effect_on_dev, 1 - state.position if upper else state.position
    if effect is None or not effect.decided or (effect.value < 0) != upper:
        return None
    least, most = sorted((abs(effect.low), abs(effect.high)))
    if room > 1 - CLOSE:
        return least * room / 2 / BETWEEN_QUARTERS, most * room / 2 / BETWEEN_QUARTERS
    return None if beyond(state, upper=upper) is None else (0.0, most * BEYOND / BETWEEN_QUARTERS)


def shifted(state: HyperparameterState, *, stronger: bool) -> dict[str, list[float]]:
    """A range from a little on the near side of the best value to the far end; beyond it, where the best is close."""
    upper = stronger == (state.strength > 0)
    far = state.high if upper else state.low
    if (state.position if upper else 1 - state.position) > CLOSE:
        further = beyond(state, upper=upper)
        far = far if further is None else further
    near = state.scale.back_off(state.low, state.high, state.best, upper=upper)
    near = float(f"{min(max(near, state.low), state.high):.3g}")
    return {state.kind: [near, far] if upper else [far, near]}


def can_shift(state: HyperparameterState, *, stronger: bool) -> bool:
    """Return whether :func:`shifted` gives another range than the searched one."""
    return shifted(state, stronger=stronger) != {state.kind: [state.low, state.high]}


def narrowed(state: HyperparameterState) -> dict[str, list[float]] | None:
    """The range where good trials lie, its ends rounded outwards; None where it is hardly narrower than now."""
    if state.good is None or state.good[1] - state.good[0] > WORTH:
        return None
    low, high = (
        state.scale.outwards(state.low, state.high, position, upper=upper)
        for position, upper in zip(state.good, (False, True), strict=True)
    )
    if low >= high or [low, high] == [state.low, state.high]:
        return None
    return {state.kind: [low, high]}
