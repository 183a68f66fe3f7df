"""The next range of a knob: shifted where more or less of it is wanted, wider at a pressed edge, narrower around what
works.
"""

from __future__ import annotations

import math

from tuner.analysis.range_states import RangeState

WORTH = 0.8  # of the range's width: what narrows it by less is not worth a change
CLOSE = 0.75  # of the way to the end: what is left of the range is little
DUST = 1e-9  # a value with two digits is rounded to itself


def amount(knob: RangeState) -> float:
    """How much a knob regularises at the best trial, 0 to 1 of its range."""
    return knob.position if knob.strength > 0 else 1 - knob.position


def can_strengthen(knob: RangeState) -> bool:
    """Whether there is anything beyond, or a good part of the range left."""
    return amount(knob) < CLOSE or beyond(knob, upper=knob.strength > 0) is not None


def beyond(knob: RangeState, *, upper: bool) -> float | None:
    """The next end of a range on one side: a decade, a doubling, or half its width on; None at a natural limit."""
    if knob.kind == "log_uniform":
        return knob.high * 10 if upper else knob.low / 10
    if knob.kind == "power_of_two":
        return int(knob.high * 2) if upper else int(knob.low // 2) or None
    if knob.kind == "one_minus_log_uniform":
        end = 1 - (1 - knob.high) / 3 if upper else max(0.0, 1 - 3 * (1 - knob.low))
    else:
        half = (knob.high - knob.low) / 2
        least = 0.1 if knob.name == "keep_prob" else min(knob.low, 0.0)
        end = min(knob.high + half, 1.0 if knob.high <= 1 else math.inf) if upper else max(knob.low - half, least)
    end = float(f"{end:.4g}")
    return None if end == (knob.high if upper else knob.low) else end


def shifted(knob: RangeState, *, stronger: bool) -> dict[str, list[float]]:
    """A range from a little on the near side of the best value to the far end; beyond it, where the best is close."""
    upper = stronger == (knob.strength > 0)
    far = knob.high if upper else knob.low
    if (knob.position if upper else 1 - knob.position) > CLOSE:
        further = beyond(knob, upper=upper)
        far = far if further is None else further
    if knob.kind == "log_uniform":
        near = knob.best / 3 if upper else knob.best * 3
    else:
        slack = (knob.high - knob.low) / 10
        near = knob.best - slack if upper else knob.best + slack
    near = float(f"{min(max(near, knob.low), knob.high):.3g}")
    return {knob.kind: [near, far] if upper else [far, near]}


def narrowed(knob: RangeState) -> dict[str, list[float]] | None:
    """The range where good trials lie, its ends rounded outwards; None where it is hardly narrower than now."""
    if knob.good is None or knob.good[1] - knob.good[0] > WORTH:
        return None
    low, high = (
        _outwards(knob, position, upper=upper) for position, upper in zip(knob.good, (False, True), strict=True)
    )
    if low >= high or [low, high] == [knob.low, knob.high]:
        return None
    return {knob.kind: [low, high]}


def _outwards(knob: RangeState, position: float, *, upper: bool) -> float:
    """The value at a position of the range, rounded away from its middle, never beyond its end."""
    if not 0 < position < 1:
        return knob.high if upper else knob.low
    if knob.kind == "power_of_two":
        levels = position * math.log2(knob.high / knob.low)
        return int(knob.low) << (math.ceil(levels) if upper else math.floor(levels))
    if knob.kind == "log_uniform":
        end = _rounded(knob.low * (knob.high / knob.low) ** position, upper=upper)
    elif knob.kind == "one_minus_log_uniform":
        rest = (1 - knob.low) * ((1 - knob.high) / (1 - knob.low)) ** position
        end = float(f"{1 - _rounded(rest, upper=not upper):.12g}")
    else:
        end = _rounded(knob.low + position * (knob.high - knob.low), upper=upper)
    return min(max(end, knob.low), knob.high)


def _rounded(value: float, *, upper: bool) -> float:
    """Two significant digits, up or down."""
    if not value:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    steps = math.ceil(value / step - DUST) if upper else math.floor(value / step + DUST)
    return float(f"{steps * step:.2g}")
