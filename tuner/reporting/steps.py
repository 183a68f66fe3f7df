"""The steps from the baseline to the last known error, which add up to it."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.analysis import Diagnosis
from tuner.formatting import join

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
    """In pp, or in the unit of the target, rounded so that the written sizes add up to the written errors."""


def error_steps(diagnosis: Diagnosis) -> list[ErrorStep]:
    """Return baseline → train (→ train-dev) → dev (measured) → dev (selection-corrected) → test, each step once.

    Empty without a trial. Without a baseline the first step begins at 0%.
    """
    unit = diagnosis.unit
    baseline = diagnosis.errors["baseline"]
    assert baseline is not None
    known = {key: estimate.value for key in NAMES if (estimate := diagnosis.errors.get(key)) is not None}
    if diagnosis.errors.get("dev_corrected") is diagnosis.errors.get("dev"):
        known.pop("dev_corrected", None)
    if "train" not in known:
        return []
    written = unit.rounded(max(known.values()))
    steps, at = [], baseline.value
    for key, value in known.items():
        size = written.number(value) - written.number(at)
        name = NAMES[key]
        if key == "train" and not diagnosis.baseline_given:
            name = f"train (from {unit.zero})"
        elif key == "dev" and "train_dev" in known:
            name = "dev − train-dev"
        elif key == "test" and "dev_corrected" not in known:
            name = "test − dev"
        steps.append(ErrorStep(key, name, at, value, f"{size:+,.{written.decimals}f}".replace("-", "−")))
        at = value
    return steps


def steps_sentence(diagnosis: Diagnosis) -> str:
    """Write the steps as a sum; empty without a trial."""
    unit = diagnosis.unit
    steps = error_steps(diagnosis)
    if not steps:
        return ""
    begin = f"from the baseline, {unit.text(steps[0].start)}," if diagnosis.baseline_given else f"from {unit.zero}"
    parts = [f"{step.size}{unit.of_gaps} {step.name.replace(f' (from {unit.zero})', ' error')}" for step in steps]
    return (
        f"Step by step {begin}: {join(parts)}. This is the {ENDS[steps[-1].key]} error of {unit.text(steps[-1].end)}."
    )
