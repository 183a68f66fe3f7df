"""The row of headline numbers at the top of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.formatting import duration
from tuner.reporting.sentences import reference_name

if TYPE_CHECKING:
    from tuner.reporting.report import Report


@dataclass(frozen=True, slots=True)
class HeadlineNumber:
    """A number with its name and what it is based on."""

    name: str
    value: str
    about: str


def headline_numbers(report: Report) -> list[HeadlineNumber]:
    """Return error, accuracy, baseline, best reference model, trials and time; without a trial only the last two."""
    diagnosis, findings, unit = report.diagnosis, report.findings, report.diagnosis.unit
    dev, baseline = diagnosis.errors.get("dev_corrected"), diagnosis.errors["baseline"]
    numbers = []
    if findings.weighted_corrected is not None:
        error = findings.weighted_corrected
        interval = f"95%: {unit.span(error.low, error.high)}"
        numbers.append(HeadlineNumber(findings.metric.label, unit.text(error.value), interval))
    if dev is not None:
        which = f"dev {report.error_name}" + (" (selection-corrected)" if report.corrected else "")
        numbers.append(HeadlineNumber(which, unit.text(dev.value), f"95%: {unit.span(dev.low, dev.high)}"))
        if unit.is_percent:
            accuracy = f"95%: {unit.span(1 - dev.high, 1 - dev.low)}"
            of_accuracy = report.error_name.replace("error", "accuracy").removeprefix("1 − ")
            numbers.append(HeadlineNumber(of_accuracy, unit.text(1 - dev.value), accuracy))
        elif (mean := diagnosis.references.get("mean")) is not None:
            explained = f"{1 - (dev.value / mean) ** 2:.3f}"
            numbers.append(HeadlineNumber("R²", explained, "of the dev rows' variance explained"))
    if baseline is not None and diagnosis.baseline_given:
        interval = "as given" if baseline.n is None else f"95%: {unit.span(baseline.low, baseline.high)}"
        numbers.append(HeadlineNumber("baseline", unit.text(baseline.value), interval))
    elif dev is not None:
        numbers.append(HeadlineNumber("baseline", "unknown", "--baseline E gives it"))
    errors = {name: error for name, error in diagnosis.references.items() if error is not None}
    if errors:
        name = min(errors, key=lambda one: errors[one])
        numbers.append(HeadlineNumber("best simple model", unit.text(errors[name]), reference_name(name, unit)))
    counts = report.record.count()
    others = {"pruned": counts.pruned, "failed": counts.failed, "diverged": counts.diverged}
    about = ", ".join(f"{n:,} {state}" for state, n in others.items() if n) or "all complete"
    numbers.append(HeadlineNumber("trials", f"{len(report.record.trials):,}", about))
    seconds = sum(trial.seconds or 0.0 for trial in report.record.trials)
    numbers.append(HeadlineNumber("time", duration(seconds), "of all trials together"))
    return numbers
