"""Actions about the reference models, which are much simpler than the network."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.analysis.actions.action import Action
from tuner.analysis.actions.state import StudyState
from tuner.analysis.other_models import OtherModel, other_model
from tuner.metrics import BALANCED_ERROR, ERROR
from tuner.units import Unit


def give_baseline(state: StudyState) -> Action | None:
    """Only a baseline would tell whether avoidable bias is high."""
    unit = state.unit
    if not state.diagnosis.bias_is_unknown or state.train_error is None:
        return None
    attainable = state.diagnosis.attainable
    return Action(
        why=f"Whether the train error of {unit.text(state.train_error)} is avoidable bias is unknown without a "
        "baseline. Which error does a person, or the best other model, reach on these examples? Give it with "
        f"--baseline {_like(unit)}.",
        evidence={"train_error": state.train_error, "attainable": attainable},
    )


def _like(unit: Unit) -> str:
    """Return what a baseline looks like."""
    if not unit.is_share:
        return f"E, an {unit.name} {unit.of_target}"
    return "5%" if unit.is_percent else "E, a number like the metric"


def _comparable(state: StudyState) -> Mapping[str, float | None]:
    """Return the errors of the reference models; none if the search minimizes another error."""
    return state.diagnosis.references if state.metric.class_weights is None else {}


def beat_mean(state: StudyState) -> Action | None:
    """The network is not clearly better than always predicting the mean."""
    unit = state.unit
    mean, dev = state.diagnosis.references.get("mean"), state.dev
    if mean is None or dev is None or dev.high < mean:
        return None
    return Action(
        why=f"Always predicting the mean has a dev error of {unit.text(mean)}, and the network's "
        f"{unit.text(dev.value)} is not clearly lower: the network hardly generalizes.",
        evidence={"mean": mean, "dev_error": dev.value, "dev_high": dev.high},
    )


def beat_majority(state: StudyState) -> Action | None:
    """The network is not clearly better than always predicting the majority class."""
    unit = state.unit
    majority, dev = _comparable(state).get("majority"), state.dev
    if majority is None or dev is None or dev.high < majority:
        return None
    frequent = max(state.classes, key=lambda row: row.estimate.n or 0, default=None)
    missed = max(state.classes, key=lambda row: row.estimate.value, default=None)
    if missed is None or missed is frequent or missed.estimate.value <= 0.5 or state.metric != ERROR:
        rest = ": the network hardly generalizes."
    else:
        rest = (
            f". Its error on class {missed.name!r} is {unit.text(missed.estimate.value)}. If that class matters, "
            f'search again with "{BALANCED_ERROR.name}" as metric in [search], which gives each class the same '
            "weight."
        )
    guess = "the shares of the classes" if frequent is None or unit.loss is not None else repr(frequent.name)
    return Action(
        why=f"Always predicting {guess} has a dev error of {unit.text(majority)}, and the network's "
        f"{unit.text(dev.value)} is not clearly lower{rest}",
        evidence={"majority": majority, "dev_error": dev.value, "dev_high": dev.high},
    )


def compare_gradient_boosting(state: StudyState) -> Action | None:
    """Gradient boosting is as good as the network, or better."""
    return _use_instead(state, "gradient_boosting", "Gradient boosting")


def compare_nearest_neighbors(state: StudyState) -> Action | None:
    """Predicting the class, or the mean, of the nearest training rows is as good as the network, or better."""
    what = "class" if state.unit.is_share else "mean"
    return _use_instead(state, "nearest_neighbors", f"Predicting the {what} of the nearest training rows")


def compare_logistic_regression(state: StudyState) -> Action | None:
    """A linear model is as good as the network, or better."""
    return _use_instead(state, "logistic_regression", "Logistic regression")


def compare_ridge(state: StudyState) -> Action | None:
    """A linear model of the number is as good as the network, or better."""
    return _use_instead(state, "ridge", "Ridge regression")


def _use_instead(state: StudyState, name: str, title: str) -> Action | None:
    unit = state.unit
    other, dev = _instead(state), state.dev
    if other is None or other.name != name or dev is None:
        return None
    network = f"the network's {unit.text(dev.value)} ({unit.span(dev.low, dev.high)})"
    how = f"clearly below {network}. Use" if other.is_clear else f"no higher than {network}. It is simpler: use"
    return Action(
        why=f"{title} has a dev error of {unit.text(other.error)}, {how} that model.",
        evidence={name: other.error, "dev_error": dev.value, "dev_low": dev.low, "dev_high": dev.high},
    )


def _instead(state: StudyState) -> OtherModel | None:
    return other_model(state.diagnosis) if state.metric.class_weights is None else None


def try_linear_model(state: StudyState) -> Action | None:
    """A linear model is a little worse than the network, which may be chance."""
    unit = state.unit
    name = "logistic_regression" if unit.is_share else "ridge"
    linear, dev = _comparable(state).get(name), state.dev
    if linear is None or dev is None or dev.high < linear or _instead(state) is not None:
        return None
    return Action(
        why=f"{'Logistic' if unit.is_share else 'Ridge'} regression has a dev error of {unit.text(linear)}, and the "
        f"network's {unit.text(dev.value)} is not clearly lower: a linear model may be enough.",
        evidence={name: linear, "dev_error": dev.value, "dev_high": dev.high},
    )
