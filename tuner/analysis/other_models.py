"""Whether a reference model is as good as the network, or better."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.analysis.diagnosis import Diagnosis

TRIVIAL = ("majority", "mean")
LINEAR = ("logistic_regression", "ridge")


@dataclass(frozen=True, slots=True)
class OtherModel:
    """A reference model that makes the network superfluous: its name, its dev error, and whether it is clearly better.

    ``is_clear``: its error is below the interval of the network's, by more than the threshold.
    """

    name: str
    error: float
    is_clear: bool


def other_model(diagnosis: Diagnosis) -> OtherModel | None:
    """Return the model to use instead of the network; None if the network is better than all of them.

    First the best of those that are clearly better. Then "majority" or "mean", if the network is not clearly better
    than always predicting one class or number. Then those whose error is at most the network's (selection-corrected):
    the simplest if the best is better by no more than the threshold.
    """
    dev = diagnosis.errors.get("dev_corrected")
    errors = {name: error for name, error in diagnosis.references.items() if error is not None}
    if dev is None or not errors:
        return None
    threshold = diagnosis.material_gap
    trivial = next(((name, errors.pop(name)) for name in TRIVIAL if name in errors), None)
    best = min(errors, key=lambda name: errors[name], default=None)
    if best is not None and errors[best] < dev.low and dev.value - errors[best] > threshold:
        clear = {name: error for name, error in errors.items() if error < dev.low}
        name = _simplest(clear, best, threshold)
        return OtherModel(name, errors[name], True)
    if trivial is not None and dev.high >= trivial[1]:
        return OtherModel(*trivial, False)
    if best is None or errors[best] > dev.value:
        return None
    name = _simplest({name: error for name, error in errors.items() if error <= dev.value}, best, threshold)
    return OtherModel(name, errors[name], False)


def _simplest(errors: dict[str, float], best: str, threshold: float) -> str:
    """Return the simplest model if the best one is better by no more than the threshold."""
    return next((name for name in LINEAR if name in errors and errors[name] - errors[best] <= threshold), best)
