"""The rows of the report's tables, the same for the terminal, Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import Diagnosis, ErrorEstimate, Share
from tuner.formatting import times
from tuner.outcomes import ERROR_NAMES, Level, Verdict
from tuner.reporting.sentences import (
    GAP_NAMES,
    REFERENCE_NAMES,
    best_known_sentence,
    gap_size,
    level_name,
    probability,
    reference_name,
)
from tuner.units import SHARE, Unit

if TYPE_CHECKING:
    from tuner.reporting.report import Report

GAP_FORMULAS = {
    "avoidable_bias": "train − baseline",
    "variance": "dev (selection-corrected) − train",
    "data_mismatch": "dev (selection-corrected) − train-dev",
    "dev_overfit": "test − dev",
}

VERDICT_LEVELS = {Verdict.UNDECIDED: Level.UNDECIDED, Verdict.LOW_BIAS_AND_VARIANCE: Level.LOW}
"""The level whose color a verdict has; the others have that of a high gap."""

MOST_CLASSES = 20  # that a table shows


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One line of the error table, as text."""

    name: str
    value: str
    interval: str
    based_on: str


@dataclass(frozen=True, slots=True)
class GapRow:
    """One line of the gap table, as text."""

    name: str
    formula: str
    value: str
    interval: str
    level: Level
    level_name: str
    confidence: str


def error_rows(report: Report) -> list[ErrorRow]:
    """Return baseline, train, train-dev, dev, dev (selection-corrected), test and reference models, if they exist."""
    diagnosis, n_evaluations = report.diagnosis, len(report.record.test_evaluations)
    unit = diagnosis.unit
    rows = []
    for key, name in ERROR_NAMES.items():
        estimate = diagnosis.errors.get(key)
        if key == "baseline":
            rows.append(_baseline_row(diagnosis))
        elif estimate is not None and not (key == "dev_corrected" and estimate is diagnosis.errors["dev"]):
            based_on = (
                f"dev, allowing for the choice of {report.chosen}" if key == "dev_corrected" else f"{estimate.n:,} rows"
            )
            if (
                key != "dev_corrected"
                and report.record.dev_weights is not None
                and report.record.unit.loss is None
                and estimate.n_effective is not None
            ):
                based_on += f", like {estimate.n_effective:,.0f} of one weight"
            if key == "test":
                based_on += f", evaluated {times(n_evaluations)}"
            rows.append(ErrorRow(name, unit.text(estimate.value), unit.span(estimate.low, estimate.high), based_on))
        elif key == "test" and len(report.record.test_rows):
            rows.append(ErrorRow(name, *_not_evaluated(n_evaluations)))
    errors = {key: diagnosis.references.get(key) for key in REFERENCE_NAMES}
    return rows + [
        ErrorRow(reference_name(key, unit), unit.text(error), "", "reference model, on dev")
        for key, error in errors.items()
        if error is not None
    ]


def _not_evaluated(n_evaluations: int) -> tuple[str, str, str]:
    """Return the cells of the test row if the best trial was not evaluated on the test set."""
    if n_evaluations:
        return "–", "", f"evaluated {times(n_evaluations)}, with another trial's model"
    return "–", "", "held out, not evaluated"


def _baseline_row(diagnosis: Diagnosis) -> ErrorRow:
    baseline, unit = diagnosis.errors["baseline"], diagnosis.unit
    assert baseline is not None
    if not diagnosis.baseline_given:
        known = diagnosis.best_known
        if known is None:
            return ErrorRow("baseline", unit.text(0.0), "", "not given, assumed")
        return ErrorRow("baseline", "unknown", "", f"not given; {best_known_sentence(diagnosis)}")
    if baseline.n is None:
        return ErrorRow("baseline", unit.text(baseline.value), "", "as given")
    interval = unit.span(baseline.low, baseline.high)
    return ErrorRow("baseline", unit.text(baseline.value), interval, f"{baseline.n:,} examples, as given")


def gap_rows(diagnosis: Diagnosis) -> list[GapRow]:
    """Return avoidable bias, variance and, if they exist, data mismatch and overfitting to dev."""
    corrected, unit = diagnosis.errors.get("dev_corrected") is not diagnosis.errors.get("dev"), diagnosis.unit
    rows = []
    for name, gap in diagnosis.gaps.items():
        formula = GAP_FORMULAS[name]
        if name == "variance" and diagnosis.errors.get("train_dev") is not None:
            formula = "train-dev − train"
        if not corrected:
            formula = formula.replace("dev (selection-corrected)", "dev")
        interval = unit.span(gap.low, gap.high)
        if name == "avoidable_bias" and diagnosis.best_known is not None:
            formula = "train − baseline, which is unknown"
        unknown = name == "avoidable_bias" and diagnosis.bias_is_unknown
        confidence = "unknown" if unknown else probability(gap.chance_high)
        level = level_name(diagnosis, name)
        rows.append(GapRow(GAP_NAMES[name], formula, gap_size(diagnosis, name), interval, gap.level, level, confidence))
    return rows


@dataclass(frozen=True, slots=True)
class ClassTable:
    """The table of the classes, or of tenths of the target, as text: a name, rows, and shares with their intervals.

    ``left_out``: classes that it does not show.
    """

    headings: list[str]
    rows: list[list[str]]
    left_out: int


TARGET_HEADINGS = ["target", "RMSE", "MAE", "R²"]


def target_rows(report: Report) -> list[list[str]]:
    """Return the dev errors of each of several targets, in its unit; no rows of one."""
    rows = []
    for target in report.record.unit.targets if report.target_errors else ():
        errors, text = report.target_errors[target.name], target.unit.text
        both = (text(errors.root_mean_squared_error), text(errors.mean_absolute_error))
        rows.append([target.name, *both, f"{errors.r2:.3f}"])
    return rows


def class_table(report: Report) -> ClassTable:
    """Return recall, precision and F1 of every class, or its dev error where predictions were not kept.

    Of numbers, the error and the mean residual of each tenth of the target, of several targets the errors of each.
    A metric that is none of wrong rows has columns of its own.  Classes are in their order; of more than a table shows,
    those with the highest errors are there.
    """
    if report.target_errors:
        return ClassTable(TARGET_HEADINGS, target_rows(report), 0)
    if report.tenths:
        return _tenth_table(report)
    predictions, names, unit = report.predictions, report.record.class_names, report.record.unit
    shares: dict[str, list[Share] | list[ErrorEstimate]] = {}
    of_metric = [one.estimate for one in report.findings.classes]
    if predictions is not None:
        shares["recall"] = [one.recall for one in predictions.classes]
        shares["precision"] = [one.precision for one in predictions.classes]
        shares["F1"] = [one.f1 for one in predictions.classes]
        errors = [1 - one.recall.value for one in predictions.classes]
    else:
        errors = [one.value for one in of_metric]
    name = f"dev {report.error_name}"
    if of_metric and (predictions is None or unit.loss is not None):
        shares[name] = of_metric
    n_rows = np.bincount(report.record.dev_y, minlength=len(names)).tolist() if names else []
    order = list(range(len(errors)))
    if len(order) > MOST_CLASSES:
        order.sort(key=lambda k: -errors[k] if n_rows[k] else 1.0)
    rows = [
        [names[k], f"{n_rows[k]:,}"]
        + [cell for key, of in shares.items() for cell in _with_interval(of[k], unit if key == name else SHARE)]
        for k in order[:MOST_CLASSES]
    ]
    headings = ["class", "dev rows", *(cell for name in shares for cell in (name, "95%"))]
    return ClassTable(headings, rows, max(0, len(order) - MOST_CLASSES))


def _tenth_table(report: Report) -> ClassTable:
    unit = report.record.unit
    rows = [
        [
            *(f"{unit.text(one.low)} to {unit.text(one.high)}", f"{one.n:,}"),
            *_with_interval(one.error, unit),
            unit.gap(one.residual),
        ]
        for one in report.tenths
    ]
    return ClassTable(["target", "dev rows", f"dev {report.error_name}", "95%", "predicted − true"], rows, 0)


def _with_interval(of: Share | ErrorEstimate, unit: Unit) -> tuple[str, str]:
    return unit.text(of.value), unit.span(of.low, of.high)
