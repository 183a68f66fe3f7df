"""The next range of a knob: shifted where more or less of it is wanted, wider at a pressed edge, narrower around what
works.
"""

from __future__ import annotations

from tuner.analysis.range_states import RangeState
from tuner.scales import SCALES

WORTH = 0.8  # of the range's width: what narrows it by less is not worth a change
CLOSE = 0.75  # of the way to the end: what is left of the range is little
LEAST = {"keep_prob": 0.1}  # a network that drops more of its units learns nothing


def amount(knob: RangeState) -> float:
    """How much a knob regularises at the best trial, 0 to 1 of its range."""
    return knob.position if knob.strength > 0 else 1 - knob.position


def can_strengthen(knob: RangeState) -> bool:
    """Whether there is anything beyond, or a good part of the range left."""
    return amount(knob) < CLOSE or beyond(knob, upper=knob.strength > 0) is not None


def beyond(knob: RangeState, *, upper: bool) -> float | None:
    """The next end of a range on one side: a decade, a doubling, or half its width on; None at a natural limit."""
    return SCALES[knob.kind].beyond(knob.low, knob.high, upper=upper, least=LEAST.get(knob.name))


def shifted(knob: RangeState, *, stronger: bool) -> dict[str, list[float]]:
    """A range from a little on the near side of the best value to the far end; beyond it, where the best is close."""
    upper = stronger == (knob.strength > 0)
    far = knob.high if upper else knob.low
    if (knob.position if upper else 1 - knob.position) > CLOSE:
        further = beyond(knob, upper=upper)
        far = far if further is None else further
    near = SCALES[knob.kind].back_off(knob.low, knob.high, knob.best, upper=upper)
    near = float(f"{min(max(near, knob.low), knob.high):.3g}")
    return {knob.kind: [near, far] if upper else [far, near]}


def narrowed(knob: RangeState) -> dict[str, list[float]] | None:
    """The range where good trials lie, its ends rounded outwards; None where it is hardly narrower than now."""
    if knob.good is None or knob.good[1] - knob.good[0] > WORTH:
        return None
    low, high = (
        SCALES[knob.kind].outwards(knob.low, knob.high, position, upper=upper)
        for position, upper in zip(knob.good, (False, True), strict=True)
    )
    if low >= high or [low, high] == [knob.low, knob.high]:
        return None
    return {knob.kind: [low, high]}
