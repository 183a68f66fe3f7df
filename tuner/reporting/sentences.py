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
    "dev_corrected": "dev (selection-corrected)",
    "test": "test",
}

GAP_NAMES = {
    "avoidable_bias": "avoidable bias",
    "variance": "variance",
    "data_mismatch": "data mismatch",
    "dev_overfit": "overfitting to dev",
}

REFERENCE_NAMES = {
    "majority": "majority class (baseline)",
    "logistic_regression": "logistic regression",
    "gradient_boosting": "gradient boosting",
}

HEADLINES = {
    Verdict.HIGH_BIAS: "High bias: the network is wrong too often even on its training examples.",
    Verdict.HIGH_VARIANCE: "High variance: the network does worse on new examples than on its training examples.",
    Verdict.HIGH_BIAS_AND_VARIANCE: "High bias and high variance: the network is wrong too often on its training "
    "examples, and does even worse on new ones.",
    Verdict.LOW_BIAS_AND_VARIANCE: "Low bias and low variance: neither gap reaches the threshold (material_gap).",
}

NO_TRIAL = "No trial is complete yet, so there is nothing to diagnose."


def headline(diagnosis: Diagnosis) -> str:
    """State the verdict in one sentence, with the gaps that are inconclusive."""
    if not diagnosis.gaps:
        return NO_TRIAL
    open_gaps = join([GAP_NAMES[name] for name in diagnosis.undecided if name in ("avoidable_bias", "variance")], "or")
    if diagnosis.verdict == Verdict.UNDECIDED:
        return f"Inconclusive: there are too few examples to say whether {open_gaps} is high."
    told = HEADLINES[diagnosis.verdict]
    return told + (f" Whether {open_gaps} is high too is inconclusive." if open_gaps else "")


def figures_sentence(diagnosis: Diagnosis, n_trials: int) -> str:
    """Give the error on new examples, with the errors of the reference models."""
    dev, corrected = diagnosis.errors.get("dev"), diagnosis.errors.get("dev_corrected")
    if dev is None or corrected is None:
        return ""
    allowed = corrected is not dev
    told = f"The network is wrong on {_with_interval(corrected)}"
    if allowed:
        told += f" after correcting for picking the best of {count(n_trials, 'trial')} (measured: {percent(dev.value)})"
    return told + "." + _references_sentence(diagnosis)


def weighted_sentence(metric: Metric, error: ClassWeightedError) -> str:
    """Give the error that the search minimized, where it weights the classes."""
    return (
        f"The search minimized the {metric.label}, the {metric.meaning}: {percent(error.value)} measured "
        f"({span(error.low, error.high)}). Always predicting one class gives {percent(error.guess)}."
    )


def _with_interval(estimate: ErrorEstimate) -> str:
    return f"{percent(estimate.value)} (95% interval {span(estimate.low, estimate.high)})"


def _references_sentence(diagnosis: Diagnosis) -> str:
    parts = [
        f"{'always predicting the majority class' if name == 'majority' else words} on {percent(error)}"
        for name, words in REFERENCE_NAMES.items()
        if (error := diagnosis.references.get(name)) is not None
    ]
    return f" For comparison, on the same examples: {join(parts)}." if parts else ""


def gap_sentence(diagnosis: Diagnosis, name: str) -> str:
    """Compare one gap with the threshold; where that is inconclusive, say what would decide it."""
    gap, threshold = diagnosis.gaps[name], points(diagnosis.material_gap)
    size = f"{GAP_NAMES[name].capitalize()} is {points(gap.value)} pp ({span(gap.low, gap.high)})"
    if gap.level != Level.UNDECIDED:
        return f"{size}, {'above' if gap.level == Level.HIGH else 'below'} the threshold of {threshold} pp."
    confidence = f"{chance(gap.chance_high)} confidence that it is above"
    return f"{size}. The threshold of {threshold} pp lies inside the interval: {confidence}. {_price(diagnosis, name)}"


def _price(diagnosis: Diagnosis, name: str) -> str:
    """Say how many examples would decide whether a gap is high."""
    needed = examples_to_decide(diagnosis, name)
    if needed is None:
        return "The gap is too close to the threshold to say how many examples would decide."
    which, examples = needed
    much = f"{rounded(examples)} {ERROR_NAMES[which]} examples" if which != "all" else f"{examples:,} times the data"
    return f"About {much} would decide, if the errors stay as they are."


def chance(of: float) -> str:
    """Write a probability in whole percent, never 0% or 100%."""
    return "under 1%" if of < 0.01 else "over 99%" if of > 0.99 else f"{round(100 * of)}%"


def assumption(diagnosis: Diagnosis) -> str:
    """Say which baseline the avoidable bias is based on."""
    baseline = diagnosis.errors["baseline"]
    assert baseline is not None
    if not diagnosis.baseline_given:
        return "No baseline was given, so 0% is assumed: as if no error were unavoidable."
    measured = f", measured on {baseline.n:,} examples" if baseline.n is not None else ""
    return f"Baseline: {percent(baseline.value)}{measured}."


def when(moment: datetime.datetime) -> str:
    """A moment in UTC, to the minute."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
