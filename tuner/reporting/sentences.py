"""Verdicts as a person reads them: plain sentences."""

from __future__ import annotations

import datetime

from tuner.analysis import ClassWeightedError, Diagnosis, ErrorEstimate, examples_to_decide
from tuner.formatting import count, join, percent, points, rounded, span
from tuner.metrics import Metric
from tuner.outcomes import Level, Verdict

ERROR_NAMES = {
    "baseline": "baseline",
    "train": "train",
    "train_dev": "train-dev",
    "dev": "dev",
    "dev_corrected": "dev, corrected",
    "test": "test",
}

GAP_NAMES = {
    "avoidable_bias": "avoidable bias",
    "variance": "variance",
    "data_mismatch": "data mismatch",
    "dev_overfit": "overfitting to dev",
}

REFERENCE_NAMES = {
    "majority": "commonest class",
    "logistic_regression": "logistic regression",
    "gradient_boosting": "gradient boosting",
}

HEADLINES = {
    Verdict.HIGH_BIAS: "High bias: the network is wrong too often even on the examples it learned from.",
    Verdict.HIGH_VARIANCE: "High variance: the network does worse on new examples than on those it learned from.",
    Verdict.HIGH_BIAS_AND_VARIANCE: "High bias and high variance: the network is wrong too often on the examples it "
    "learned from, and worse still on new ones.",
    Verdict.LOW_BIAS_AND_VARIANCE: "Low bias and low variance: neither gap matters at the line that was set.",
}

NO_TRIAL = "No complete trial yet, so there is nothing to diagnose."


def headline(diagnosis: Diagnosis) -> str:
    """Say the verdict in one sentence, with what could not be told."""
    if not diagnosis.gaps:
        return NO_TRIAL
    open_gaps = join([GAP_NAMES[name] for name in diagnosis.undecided if name in ("avoidable_bias", "variance")], "or")
    if diagnosis.verdict == Verdict.UNDECIDED:
        return f"Cannot tell yet whether {open_gaps} is high: the examples counted are too few for that."
    told = HEADLINES[diagnosis.verdict]
    return told + (f" Whether {open_gaps} is high too cannot be told yet." if open_gaps else "")


def figures_sentence(diagnosis: Diagnosis, n_trials: int) -> str:
    """Give the figures that carry the verdict: error on new examples, and what knows nothing, beside it."""
    dev, corrected = diagnosis.errors.get("dev"), diagnosis.errors.get("dev_corrected")
    if dev is None or corrected is None:
        return ""
    allowed = corrected is not dev
    told = f"On new examples it is wrong on {_with_interval(corrected)}"
    if allowed:
        told += f", after allowing for picking the best of {count(n_trials, 'trial')} (counted: {percent(dev.value)})"
    return told + _references_clause(diagnosis) + "."


def weighted_sentence(metric: Metric, error: ClassWeightedError) -> str:
    """Say what a search found whose metric weights the classes, which the plain error does not show."""
    return (
        f"The search chose by the {metric.label}, the {metric.meaning}: {percent(error.value)} as counted "
        f"({span(error.low, error.high)}), where always answering one class has {percent(error.guess)}."
    )


def _with_interval(estimate: ErrorEstimate) -> str:
    return f"{percent(estimate.value)} (95% interval {span(estimate.low, estimate.high)})"


def _references_clause(diagnosis: Diagnosis) -> str:
    parts = [
        f"{'always answering the ' if name == 'majority' else ''}{words} on {percent(error)}"
        for name, words in REFERENCE_NAMES.items()
        if (error := diagnosis.references.get(name)) is not None
    ]
    return f"; {join(parts)}" if parts else ""


def gap_sentence(diagnosis: Diagnosis, name: str) -> str:
    """One gap against the line: its size, its interval and its level; if undecided, what would decide it."""
    gap, line = diagnosis.gaps[name], points(diagnosis.material_gap)
    size = f"{GAP_NAMES[name].capitalize()} is {points(gap.value)} pp ({span(gap.low, gap.high)})"
    if gap.level != Level.UNDECIDED:
        return f"{size}, {'above' if gap.level == Level.HIGH else 'below'} the line of {line}."
    open_ = f"{size}, on both sides of the line of {line}: {chance(gap.chance_high)} that it is high."
    return f"{open_} {_price(diagnosis, name)}"


def _price(diagnosis: Diagnosis, name: str) -> str:
    """Say how many examples would decide a gap."""
    needed = examples_to_decide(diagnosis, name)
    if needed is None:
        return "It lies so near the line that no number of examples can be named that would decide it."
    which, examples = needed
    much = f"{rounded(examples)} {ERROR_NAMES[which]} examples" if which != "all" else f"{examples:,} times the data"
    return f"About {much} would decide it, if the errors stay as they are."


def chance(of: float) -> str:
    """Write a chance in whole per cent, never quite 0 or 100%."""
    return "under 1%" if of < 0.01 else "over 99%" if of > 0.99 else f"{round(100 * of)}%"


def assumption(diagnosis: Diagnosis) -> str:
    """Say what the avoidable bias rests on."""
    baseline = diagnosis.errors["baseline"]
    assert baseline is not None
    if not diagnosis.baseline_given:
        return "No baseline was given: it is taken as 0%, as if a perfect answer were possible."
    rests = f", counted on {baseline.n:,} examples" if baseline.n is not None else ""
    return f"Baseline: {percent(baseline.value)}{rests}."


def when(moment: datetime.datetime) -> str:
    """A moment in UTC, to the minute."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
