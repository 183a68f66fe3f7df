"""The steps from the baseline to the last known error, which add up to it."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.analysis import Diagnosis
from tuner.formatting import join, percent

FIRST, LAST = "baseline", ("dev_corrected", "test")
NAMES = {
    "train": "avoidable bias",
    "train_dev": "train-dev − train",
    "dev": "dev − train",
    "dev_corrected": "selection optimism",
    "test": "test − dev (selection-corrected)",
}
"""The error at the end of a step -> the step's name."""
ENDS = {"train": "train", "train_dev": "train-dev", "dev": "dev (measured)"}
ENDS |= {"dev_corrected": "dev (selection-corrected)", "test": "test"}


@dataclass(frozen=True, slots=True)
class ErrorStep:
    """A step from one error to the next, up or down; ``key`` is the error at its end."""

    key: str
    name: str
    start: float
    end: float
    size: str
    """In pp, rounded so that the written sizes add up to the written errors."""


def error_steps(diagnosis: Diagnosis) -> list[ErrorStep]:
    """Return baseline → train (→ train-dev) → dev (measured) → dev (selection-corrected) → test, each step once.

    Empty without a trial. Without a baseline the first step begins at 0%.
    """
    baseline = diagnosis.errors["baseline"]
    assert baseline is not None
    known = {key: estimate.value for key in NAMES if (estimate := diagnosis.errors.get(key)) is not None}
    if diagnosis.errors.get("dev_corrected") is diagnosis.errors.get("dev"):
        known.pop("dev_corrected", None)
    if "train" not in known:
        return []
    decimals = 1 if max(known.values()) >= 0.0095 else 2
    steps, at = [], baseline.value
    for key, value in known.items():
        size = round(100 * value, decimals) - round(100 * at, decimals)
        name = NAMES[key]
        if key == "train" and not diagnosis.baseline_given:
            name = "train (from 0%)"
        elif key == "dev" and "train_dev" in known:
            name = "dev − train-dev"
        elif key == "test" and "dev_corrected" not in known:
            name = "test − dev"
        steps.append(ErrorStep(key, name, at, value, f"{size:+.{decimals}f}".replace("-", "−")))
        at = value
    return steps


def steps_sentence(diagnosis: Diagnosis) -> str:
    """Write the steps as a sum; empty without a trial."""
    steps = error_steps(diagnosis)
    if not steps:
        return ""
    begin = f"from the baseline, {percent(steps[0].start)}," if diagnosis.baseline_given else "from 0%"
    parts = [f"{step.size} pp {step.name.replace(' (from 0%)', ' error')}" for step in steps]
    return f"Step by step {begin}: {join(parts)}. This is the {ENDS[steps[-1].key]} error of {percent(steps[-1].end)}."
