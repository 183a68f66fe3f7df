"""Ranges in the sentences and changes of actions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuner.analysis.actions.action import Action, Gain, Verb
from tuner.analysis.actions.state import StudyState
from tuner.analysis.hyperparameter_states import HyperparameterState
from tuner.analysis.next_ranges import fall, shifted
from tuner.formatting import number


def described(ranges: Sequence[HyperparameterState]) -> str:
    """Return names with the best trial's values: "lambda (now 1) and keep_prob (now 0.6)"."""
    return " and ".join(f"{one.name} (now {number(one.best)})" for one in ranges)


def gain_of(falls: Iterable[tuple[float, float] | None]) -> Gain | None:
    """Return what several changes promise together: the least of one of them to the most of all."""
    known = [each for each in falls if each is not None]
    return Gain(max(low for low, _ in known), sum(high for _, high in known)) if known else None


def regularize(state: StudyState, ranges: Sequence[HyperparameterState], why: str, *, stronger: bool) -> Action:
    """Shift ranges toward more regularization, to reduce variance, or less, to reduce bias."""
    problem = "variance" if stronger else "bias"
    change = f"{'more' if stronger else 'less'} regularization"
    return Action(
        why=why,
        verb=Verb.REFINE,
        evidence={
            one.name: {
                "best": one.best,
                "low": one.low,
                "high": one.high,
                f"pull_on_{problem}": one.effect_on_variance if stronger else one.effect_on_bias,
            }
            for one in ranges
        },
        gain=gain_of(fall(one, upper=one.strength > 0) for one in ranges) if stronger else state.bias_gain,
        changes={f"space.{one.name}": shifted(one, stronger=stronger) for one in ranges},
        reasons={f"space.{one.name}": f"{change}: {number(one.best)} was best, {problem} is high" for one in ranges},
    )
