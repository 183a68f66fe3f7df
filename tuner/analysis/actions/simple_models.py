"""What the reference models call for: what much simpler models than the network reach on dev."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.state import StudyState
from tuner.formatting import percent, span
from tuner.metrics import BALANCED_ERROR, METRICS


def give_baseline(state: StudyState) -> Action | None:
    """High bias against a baseline that nobody gave."""
    if not state.is_high("avoidable_bias") or state.diagnosis.baseline_given or state.train_error is None:
        return None
    reached = _reached(state)
    rest = (
        "What error does a person, or the best other model, reach on these examples? Give it with --baseline, for "
        "example 5%."
        if reached is None
        else f"{reached[0].capitalize()} reaches {percent(reached[1])} on the dev examples, so the "
        "baseline is at most that."
    )
    return Action(
        why=f"The train error of {percent(state.train_error)} counts as bias because no baseline was given, so 0% is "
        f"assumed. {rest}",
        verb=None if reached is None else Verb.REPORT,
        options={} if reached is None else {"baseline": reached[1]},
        evidence={
            "train_error": state.train_error,
            "baseline": 0.0,
            **({} if reached is None else {"reached": reached[1]}),
        },
    )


def _reached(state: StudyState) -> tuple[str, float] | None:
    """The simple model that is clearly better than the network, and better than it is on its training set, if any."""
    errors = {name: state.diagnosis.references.get(name) for name in ("logistic_regression", "gradient_boosting")}
    known = [(error, name.replace("_", " ")) for name, error in errors.items() if error is not None]
    if not known or state.dev is None or state.train_error is None:
        return None
    error, name = min(known)
    return (name, error) if error < min(state.dev.low, state.train_error) else None


def _comparable(state: StudyState) -> Mapping[str, float | None]:
    """The reference models' errors; none where the search lowers another error, of which they say nothing."""
    return state.diagnosis.references if METRICS[state.metric].class_weights is None else {}


def beat_majority(state: StudyState) -> Action | None:
    """The network is not clearly better than an answer that needs no data."""
    majority, dev = _comparable(state).get("majority"), state.dev
    if majority is None or dev is None or dev.high < majority:
        return None
    majority_class = max(state.classes, key=lambda row: row.estimate.n or 0, default=None)
    missed = max(state.classes, key=lambda row: row.estimate.value, default=None)
    if missed is None or missed is majority_class or missed.estimate.value <= 0.5:
        rest = "."
    else:
        rest = (
            f". It is wrong on {percent(missed.estimate.value)} of class {missed.name!r}. If that class "
            f'matters, search again with metric = "{BALANCED_ERROR.name}" in [search] and monitor = '
            f'"{BALANCED_ERROR.name}" in [training], which weights all classes alike.'
        )
    return Action(
        why=f"The network is wrong on {percent(dev.value)} of the dev examples. That is not clearly better than always "
        f"predicting {majority_class and majority_class.name!r}, which is wrong on {percent(majority)}{rest}",
        evidence={"majority": majority, "dev_error": dev.value, "dev_high": dev.high},
    )


def compare_gradient_boosting(state: StudyState) -> Action | None:
    """Gradient boosting does clearly better, so that the network's error can be avoided."""
    references, dev = _comparable(state), state.dev
    boosting, linear = references.get("gradient_boosting"), references.get("logistic_regression")
    if boosting is None or dev is None:
        return None
    if boosting >= dev.low or (linear is not None and linear <= boosting):
        return None
    if dev.value - boosting <= state.diagnosis.material_gap:
        return None  # better, but by less than matters
    known = state.diagnosis.baseline_given or state.is_high("avoidable_bias")
    return Action(
        why=f"Gradient boosting with its defaults is wrong on {percent(boosting)} of the dev examples, the network on "
        f"{percent(dev.value)} ({span(dev.low, dev.high)}). Use that model, or take its error as the baseline for the "
        "network.",
        verb=None if known else Verb.REPORT,
        options={} if known else {"baseline": boosting},
        evidence={"gradient_boosting": boosting, "dev_error": dev.value, "dev_low": dev.low},
    )


def compare_logistic_regression(state: StudyState) -> Action | None:
    """A linear model does as well, and nothing else that is simple does far better."""
    references, dev = _comparable(state), state.dev
    linear, boosting = references.get("logistic_regression"), references.get("gradient_boosting")
    if linear is None or dev is None or dev.high < linear:
        return None
    far_better = boosting is not None and boosting < linear - state.diagnosis.material_gap
    if far_better or compare_gradient_boosting(state):
        return None
    return Action(
        why=f"The network is wrong on {percent(dev.value)} of the dev examples. That is not clearly better than "
        f"logistic regression, which is wrong on {percent(linear)}: a linear model may be enough.",
        evidence={"logistic_regression": linear, "dev_error": dev.value, "dev_high": dev.high},
    )
