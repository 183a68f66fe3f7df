"""Actions about the reference models, which are much simpler than the network."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.state import StudyState
from tuner.formatting import percent, span
from tuner.metrics import BALANCED_ERROR, METRICS


def give_baseline(state: StudyState) -> Action | None:
    """High bias without a given baseline."""
    if not state.is_high("avoidable_bias") or state.diagnosis.baseline_given or state.train_error is None:
        return None
    reached = _reached(state)
    rest = (
        "Which error does a person, or the best other model, reach on these examples? Give it with --baseline 5%."
        if reached is None
        else f"{reached[0].capitalize()} reaches {percent(reached[1])} on dev, so the baseline is at most that."
    )
    return Action(
        why=f"The train error of {percent(state.train_error)} counts as bias only because no baseline was given and "
        f"0% is assumed. {rest}",
        verb=None if reached is None else Verb.REPORT,
        options={} if reached is None else {"baseline": reached[1]},
        evidence={
            "train_error": state.train_error,
            "baseline": 0.0,
            **({} if reached is None else {"reached": reached[1]}),
        },
    )


def _reached(state: StudyState) -> tuple[str, float] | None:
    """Return the reference model whose dev error is clearly below the network's, and below its train error, if any."""
    errors = {name: state.diagnosis.references.get(name) for name in ("logistic_regression", "gradient_boosting")}
    known = [(error, name.replace("_", " ")) for name, error in errors.items() if error is not None]
    if not known or state.dev is None or state.train_error is None:
        return None
    error, name = min(known)
    return (name, error) if error < min(state.dev.low, state.train_error) else None


def _comparable(state: StudyState) -> Mapping[str, float | None]:
    """Return the errors of the reference models; none if the search minimizes another error."""
    return state.diagnosis.references if METRICS[state.metric].class_weights is None else {}


def beat_majority(state: StudyState) -> Action | None:
    """The network is not clearly better than always predicting the majority class."""
    majority, dev = _comparable(state).get("majority"), state.dev
    if majority is None or dev is None or dev.high < majority:
        return None
    frequent = max(state.classes, key=lambda row: row.estimate.n or 0, default=None)
    missed = max(state.classes, key=lambda row: row.estimate.value, default=None)
    if missed is None or missed is frequent or missed.estimate.value <= 0.5:
        rest = ": the network hardly generalizes."
    else:
        rest = (
            f". Its error on class {missed.name!r} is {percent(missed.estimate.value)}. If that class matters, search "
            f'again with "{BALANCED_ERROR.name}" as metric in [search] and monitor in [training], which gives each '
            "class the same weight."
        )
    return Action(
        why=f"Always predicting {frequent and frequent.name!r} has a dev error of {percent(majority)}, and the "
        f"network's {percent(dev.value)} is not clearly lower{rest}",
        evidence={"majority": majority, "dev_error": dev.value, "dev_high": dev.high},
    )


def compare_gradient_boosting(state: StudyState) -> Action | None:
    """Gradient boosting is clearly better, so a part of the network's error is avoidable."""
    references, dev = _comparable(state), state.dev
    boosting, linear = references.get("gradient_boosting"), references.get("logistic_regression")
    if boosting is None or dev is None:
        return None
    if boosting >= dev.low or (linear is not None and linear <= boosting):
        return None
    if dev.value - boosting <= state.diagnosis.material_gap:
        return None  # better by less than the threshold
    known = state.diagnosis.baseline_given or state.is_high("avoidable_bias")
    return Action(
        why=f"Gradient boosting with its defaults has a dev error of {percent(boosting)}, clearly below the network's "
        f"{percent(dev.value)} ({span(dev.low, dev.high)}). Use that model, or take its error as the baseline that the "
        "network should reach.",
        verb=None if known else Verb.REPORT,
        options={} if known else {"baseline": boosting},
        evidence={"gradient_boosting": boosting, "dev_error": dev.value, "dev_low": dev.low},
    )


def compare_logistic_regression(state: StudyState) -> Action | None:
    """A linear model does as well, and gradient boosting is not far better."""
    references, dev = _comparable(state), state.dev
    linear, boosting = references.get("logistic_regression"), references.get("gradient_boosting")
    if linear is None or dev is None or dev.high < linear:
        return None
    far_better = boosting is not None and boosting < linear - state.diagnosis.material_gap
    if far_better or compare_gradient_boosting(state):
        return None
    return Action(
        why=f"Logistic regression has a dev error of {percent(linear)}, and the network's {percent(dev.value)} is not "
        "clearly lower: a linear model may be enough.",
        evidence={"logistic_regression": linear, "dev_error": dev.value, "dev_high": dev.high},
    )
