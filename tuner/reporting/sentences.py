"""Verdicts as plain sentences."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from tuner.analysis import (
    IF_UNCHANGED,
    ClassWeightedError,
    Diagnosis,
    ErrorEstimate,
    examples_to_decide,
    other_model,
)
from tuner.formatting import count, join, percent, rounded, span
from tuner.metrics import ERROR, Metric
from tuner.outcomes import ERROR_NAMES, Level, Verdict
from tuner.units import Unit

GAP_NAMES = {
    "avoidable_bias": "avoidable bias",
    "variance": "variance",
    "data_mismatch": "data mismatch",
    "dev_overfit": "overfitting to dev",
}

REFERENCE_NAMES = {
    "majority": "majority class (baseline)",
    "mean": "mean of the target (baseline)",
    "logistic_regression": "logistic regression",
    "ridge": "ridge regression",
    "gradient_boosting": "gradient boosting",
    "nearest_neighbors": "nearest neighbors",
}

HEADLINES = {
    Verdict.HIGH_BIAS: "High bias: the network makes too many errors even on its training examples.",
    Verdict.HIGH_VARIANCE: "High variance: the network does worse on new examples than on its training examples.",
    Verdict.HIGH_BIAS_AND_VARIANCE: "High bias and high variance: the network makes too many errors on its training "
    "examples, and even more on new ones.",
    Verdict.LOW_BIAS_AND_VARIANCE: "Low bias and low variance: both gaps are below the threshold.",
}

MODEL_NAMES = REFERENCE_NAMES | {
    "majority": "always predicting the majority class",
    "mean": "always predicting the mean",
    "nearest_neighbors": "predicting the class of the nearest training rows",
}
"""The reference models as the subject of a sentence."""
TRIVIAL = ("majority", "mean")
SHARES = "the shares of the classes"

UNKNOWN_BIAS = "Avoidable bias is unknown without a baseline"
NO_TRIAL = "No complete trial yet, so there is nothing to diagnose."


def reference_name(key: str, unit: Unit) -> str:
    """Name a reference model; of other losses than wrong or not, the one without skill predicts the classes' shares."""
    name = REFERENCE_NAMES.get(key, key)
    return f"{SHARES.removeprefix('the ')} (baseline)" if key == "majority" and unit.loss is not None else name


def headline(diagnosis: Diagnosis) -> str:
    """State the verdict, and which gap is inconclusive."""
    if not diagnosis.gaps:
        return NO_TRIAL
    few = diagnosis.too_few_examples
    why = [f"too few examples to say whether {_named(few)} is high"] if few else []
    if diagnosis.disputed:
        why.append(f"whether {_named(diagnosis.disputed)} is high depends on which of the equally good trials is taken")
    unknown = _unknown_bias(diagnosis)
    inconclusive = f"Inconclusive: {'; '.join(why)}." if why else ""
    if diagnosis.verdict == Verdict.UNDECIDED:
        return f"{inconclusive} {unknown}".strip() if why else f"Inconclusive. {unknown}"
    if few and len(why) == 1:
        inconclusive = f"{_named(few).capitalize()} is inconclusive."
    return " ".join(filter(None, [HEADLINES[diagnosis.verdict], inconclusive, unknown]))


def _unknown_bias(diagnosis: Diagnosis) -> str:
    """Say that avoidable bias is unknown without a baseline, and between what; empty with a baseline."""
    unit = diagnosis.unit
    known, bias = diagnosis.best_known, diagnosis.gaps.get("avoidable_bias")
    if known is None or bias is None or "avoidable_bias" in diagnosis.disputed:
        return ""
    train = diagnosis.errors["train"]
    assert train is not None
    if bias.level == Level.HIGH:
        return (
            f"{UNKNOWN_BIAS}, but at least {unit.gap(bias.low)}{unit.of_gaps}: {_best_model(diagnosis)} has a dev "
            f"error of {unit.text(known.value)}."
        )
    if bias.level == Level.LOW:
        return f"{UNKNOWN_BIAS}, but low: train error is only {unit.text(train.value)}."
    return f"{UNKNOWN_BIAS}: it is at most the train error of {unit.text(train.value)}."


def other_model_sentence(diagnosis: Diagnosis) -> str:
    """Say that another model is as good as the network, or better; empty if none is."""
    unit = diagnosis.unit
    other, dev = other_model(diagnosis), diagnosis.errors.get("dev_corrected")
    if other is None or dev is None:
        return ""
    name = MODEL_NAMES[other.name]
    if not unit.is_share:
        name = name.replace("the class of", "the mean of")
    if unit.loss is not None:
        name = name.replace("the majority class", SHARES)
    network = f"{unit.text(dev.value)} ({unit.span(dev.low, dev.high)})"
    errors = f"a dev error of {unit.text(other.error)}, compared with {network}"
    if other.name in TRIVIAL:
        return f"The network is not clearly better than {name}: {errors}."
    better = "clearly better than" if other.is_clear else "as good as"
    return f"{name[0].upper()}{name[1:]} is {better} the network: {errors}."


def _named(gaps: Iterable[str]) -> str:
    return join([GAP_NAMES[name] for name in gaps], "or")


def figures_sentence(diagnosis: Diagnosis, n_trials: int, error: str = ERROR.label) -> str:
    """State the error on new examples, and those of the reference models; ``error``: its name."""
    unit = diagnosis.unit
    error = error if unit.is_share else f"{error} ({unit.of_target})"
    dev, corrected = diagnosis.errors.get("dev"), diagnosis.errors.get("dev_corrected")
    if dev is None or corrected is None:
        return ""
    if corrected is dev:
        sentence = f"Dev {error}: {_with_interval(diagnosis, dev)}."
    else:
        sentence = (
            f"Dev {error} (selection-corrected): {_with_interval(diagnosis, corrected)}, which allows for picking the "
            f"best of {count(n_trials, 'trial')}; measured: {unit.text(dev.value)}."
        )
    return sentence + _reference_models(diagnosis)


def weighted_sentence(metric: Metric, corrected: ClassWeightedError, measured: float) -> str:
    """State what a search minimized that weights the classes, while the errors do not."""
    return (
        f"The search minimized the {metric.label} ({metric.meaning}). Selection-corrected: {percent(corrected.value)} "
        f"({span(corrected.low, corrected.high)}); measured: {percent(measured)}; always predicting one class gives "
        f"{percent(corrected.guess)}."
    )


def counting_sentence(metric: Metric, majority: float | None, rows_wrong: float) -> str:
    """State that each error is of a metric that weights the classes; ``rows_wrong``: the share of all rows."""
    guess = "" if majority is None else f", of which always predicting one class has {percent(majority)}"
    return (
        f"Every error here is the {metric.label} ({metric.meaning}){guess}. The best trial has {percent(rows_wrong)} "
        "of all dev rows wrong."
    )


def _with_interval(diagnosis: Diagnosis, estimate: ErrorEstimate) -> str:
    unit = diagnosis.unit
    return f"{unit.text(estimate.value)} (95% interval {unit.span(estimate.low, estimate.high)})"


def _reference_models(diagnosis: Diagnosis) -> str:
    parts = [
        f"{reference_name(key, diagnosis.unit)} {diagnosis.unit.text(error)}"
        for key in REFERENCE_NAMES
        if (error := diagnosis.references.get(key)) is not None
    ]
    return f" Reference models: {', '.join(parts)}." if parts else ""


def gap_sentence(diagnosis: Diagnosis, name: str) -> str:
    """Compare one gap with the threshold; if it is inconclusive, say what would decide it.

    The first gap spells out the unit and names the key of the threshold.
    """
    gap, first, unit = diagnosis.gaps[name], name == next(iter(diagnosis.gaps)), diagnosis.unit
    if name == "avoidable_bias" and diagnosis.bias_is_unknown:
        ends = f"{unit.gap(gap.low)} and {unit.gap(gap.high)}{unit.of_gaps_in_full}"
        return f"{UNKNOWN_BIAS}: it is between {ends}."
    written = unit.of_gaps_in_full if first else unit.of_gaps
    key = " (material_gap)" if first else ""
    threshold = f"the threshold{key} of {unit.gap(diagnosis.material_gap)}{unit.of_gaps}"
    size = f"{GAP_NAMES[name].capitalize()} is {unit.gap(gap.value)}{written} ({unit.span(gap.low, gap.high)})"
    if name == "avoidable_bias" and diagnosis.best_known is not None:
        size = f"Avoidable bias is between {unit.gap(gap.low)} and {unit.gap(gap.high)}{written}"
    if name in diagnosis.disputed:
        least, most = diagnosis.disputed[name]
        return (
            f"{size} in the best trial, and between {unit.gap(least)} and {unit.gap(most)}{unit.of_gaps} in the trials "
            f"within one standard error of it: whether it is above {threshold} depends on which of them is taken."
        )
    if gap.level != Level.UNDECIDED:
        return f"{size}, {'above' if gap.level == Level.HIGH else 'below'} {threshold}."
    return (
        f"{size}, inconclusive: the interval includes {threshold}. Confidence that it is above: "
        f"{probability(gap.chance_high)}. {_what_decides(diagnosis, name)}"
    )


def gap_size(diagnosis: Diagnosis, name: str) -> str:
    """Write a gap in percentage points; without a baseline the value of avoidable bias is the most it can be."""
    bounded = name == "avoidable_bias" and diagnosis.best_known is not None
    return ("at most " if bounded else "") + diagnosis.unit.gap(diagnosis.gaps[name].value)


def _what_decides(diagnosis: Diagnosis, name: str) -> str:
    """State how many examples would decide a gap."""
    needed = examples_to_decide(diagnosis, name)
    if needed is None:
        return "It is so close to the threshold that more examples would not decide it."
    which, examples = needed
    if which == "all":
        return f"About {examples:,} times as many examples would decide it {IF_UNCHANGED}."
    return f"About {rounded(examples)} {ERROR_NAMES[which]} examples would decide it {IF_UNCHANGED}."


def probability(of: float) -> str:
    """Write a probability as a whole percentage, ``under 1%`` or ``over 99%`` near the ends."""
    return "under 1%" if of < 0.01 else "over 99%" if of > 0.99 else f"{round(100 * of)}%"


def assumption(diagnosis: Diagnosis) -> str:
    """State the baseline."""
    unit = diagnosis.unit
    baseline = diagnosis.errors["baseline"]
    assert baseline is not None
    if diagnosis.best_known is not None:
        return f"No baseline was given: the best possible error is {best_known_sentence(diagnosis)}."
    if not diagnosis.baseline_given:
        return f"No baseline was given: {unit.zero} is assumed, as if perfect predictions were possible."
    examples = f", measured on {baseline.n:,} examples" if baseline.n is not None else ""
    return f"Baseline: {unit.text(baseline.value)}{examples}."


def _best_model(diagnosis: Diagnosis) -> str:
    """Name the model with the lowest known error, and where it has it."""
    assert diagnosis.best_known is not None
    if diagnosis.errors.get("train_dev") is not None:
        return "this network on train-dev"
    keys = [key for key, error in diagnosis.references.items() if error == diagnosis.best_known.value]
    names = [reference_name(key, diagnosis.unit) for key in keys]
    return f"{names[0].removesuffix(' (baseline)') if names else 'this network'} on dev"


def best_known_sentence(diagnosis: Diagnosis) -> str:
    """Say between what the best possible error is without a baseline, and by which model."""
    unit = diagnosis.unit
    assert diagnosis.best_known is not None
    most = unit.text(diagnosis.best_known.value)
    return f"between {unit.zero} and {most}, the error of {_best_model(diagnosis)}"


def level_name(diagnosis: Diagnosis, name: str) -> str:
    """Write the level of a gap: ``unknown`` if only a baseline would tell."""
    unknown = name == "avoidable_bias" and diagnosis.bias_is_unknown
    return "unknown" if unknown else outcome_name(diagnosis.gaps[name].level)


def outcome_name(outcome: Level | Verdict) -> str:
    """Write a level or verdict: ``inconclusive`` for undecided, blanks for underscores."""
    undecided = outcome in (Level.UNDECIDED, Verdict.UNDECIDED)
    return "inconclusive" if undecided else outcome.replace("_", " ")


def when(moment: datetime.datetime) -> str:
    """A moment in UTC, to the minute."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
