"""What the reference lines call for: models that know much less than the network, and what they reach on dev."""

from __future__ import annotations

from tuner.analysis.action import Action, command
from tuner.analysis.evidence import Evidence
from tuner.formatting import percent, span


def give_baseline(evidence: Evidence) -> Action | None:
    """High bias against a baseline that nobody gave."""
    if evidence.bias != "high" or evidence.baseline_given or evidence.train_error is None:
        return None
    known = _reached(evidence)
    rest = (
        "what error does a person, or the best other model, reach on these examples? Say so with --baseline, as 0.05 "
        "for 5 %."
        if known is None
        else f"{known[0]} reaches {percent(known[1])} on the dev examples, so the baseline is no higher than that."
    )
    return Action(
        action="give_baseline",
        why=f"The train error of {percent(evidence.train_error)} counts as bias only because no baseline was given and "
        f"0 % was assumed: {rest}",
        command="" if known is None else _report_with(evidence, known[1]),
        evidence={
            "train_error": evidence.train_error,
            "baseline": 0.0,
            **({} if known is None else {"reached": known[1]}),
        },
    )


def _reached(evidence: Evidence) -> tuple[str, float] | None:
    """The simple model that is clearly better than the network, and better than it is on its training set, if any."""
    lines = {"logistic regression": evidence.logistic_regression, "gradient boosting": evidence.gradient_boosting}
    known = [(error, name) for name, error in lines.items() if error is not None]
    if not known or evidence.dev_low is None or evidence.train_error is None:
        return None
    error, name = min(known)
    return (name, error) if error < min(evidence.dev_low, evidence.train_error) else None


def _report_with(evidence: Evidence, baseline: float) -> str:
    return command(evidence, "report", f"--baseline {baseline:.4g}", *filter(None, [evidence.judged_by]))


def beat_majority(evidence: Evidence) -> Action | None:
    """The network is not clearly better than an answer that needs no data."""
    majority, reached, highest = evidence.majority, evidence.dev_error, evidence.dev_high
    if majority is None or reached is None or highest is None or highest < majority:
        return None
    if evidence.metric == "balanced_error":
        return None  # then it is not this error that the search lowers
    if evidence.missed is None:
        rest = ": what it has learnt hardly holds for new examples."
    else:
        name, wrong = evidence.missed
        rest = (
            f"; of class {name!r} it gets {percent(wrong)} wrong. Where that class matters, search again with "
            '"balanced_error" as metric in [search] and monitor in [training], which counts every class alike.'
        )
    return Action(
        action="beat_majority",
        why=f"Always answering {evidence.commonest!r} is wrong on {percent(majority)} of the dev examples, which the "
        f"network's {percent(reached)} is not clearly below{rest}",
        evidence={"majority": majority, "dev_error": reached, "dev_high": highest},
    )


def compare_gradient_boosting(evidence: Evidence) -> Action | None:
    """Gradient boosting does clearly better, so that the network's error can be avoided."""
    boosting, linear = evidence.gradient_boosting, evidence.logistic_regression
    if evidence.metric == "balanced_error":
        return None  # of which the lines' errors say nothing
    if boosting is None or evidence.dev_low is None or evidence.dev_high is None or evidence.dev_error is None:
        return None
    if boosting >= evidence.dev_low or (linear is not None and linear <= boosting):
        return None
    if evidence.dev_error - boosting <= evidence.material_gap:
        return None  # better, but by less than matters
    return Action(
        action="compare_gradient_boosting",
        why=f"Gradient boosting with its defaults is wrong on {percent(boosting)} of the dev examples, clearly below "
        f"the network's {percent(evidence.dev_error)} ({span(evidence.dev_low, evidence.dev_high)}): so much of the "
        "error can be avoided. That model may do, and its error is a baseline that the network has yet to reach.",
        command="" if evidence.baseline_given or evidence.bias == "high" else _report_with(evidence, boosting),
        evidence={"gradient_boosting": boosting, "dev_error": evidence.dev_error, "dev_low": evidence.dev_low},
    )


def compare_logistic_regression(evidence: Evidence) -> Action | None:
    """A linear model does as well, and nothing else that is simple does far better."""
    linear, boosting = evidence.logistic_regression, evidence.gradient_boosting
    if evidence.metric == "balanced_error":
        return None  # of which the lines' errors say nothing
    if linear is None or evidence.dev_high is None or evidence.dev_error is None or evidence.dev_high < linear:
        return None
    if compare_gradient_boosting(evidence) or (boosting is not None and boosting < linear - evidence.material_gap):
        return None
    return Action(
        action="compare_logistic_regression",
        why=f"Logistic regression is wrong on {percent(linear)} of the dev examples, which the network's "
        f"{percent(evidence.dev_error)} is not clearly below: a linear model may do.",
        evidence={"logistic_regression": linear, "dev_error": evidence.dev_error, "dev_high": evidence.dev_high},
    )
