"""Ranges as actions speak of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tuner.analysis.hyperparameter_states import HyperparameterState
from tuner.formatting import number


def described(ranges: Sequence[HyperparameterState]) -> str:
    """Names with the best trial's values: "lambda (now 1) and keep_prob (now 0.6)"."""
    return " and ".join(f"{one.name} (now {number(one.best)})" for one in ranges)


def effects_as_evidence(ranges: Sequence[HyperparameterState], on: Literal["bias", "variance"]) -> dict[str, Any]:
    """Each hyperparameter's range, best value and effect, as ``summary.json`` has them."""
    return {
        one.name: {
            "best": one.best,
            "low": one.low,
            "high": one.high,
            f"pull_on_{on}": one.effect_on_bias if on == "bias" else one.effect_on_variance,
        }
        for one in ranges
    }
