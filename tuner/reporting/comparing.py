"""Studies side by side: ``tuner report A B``."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tuner.analysis import Effect, ErrorEstimate, difference_interval
from tuner.analysis.intervals import Z95
from tuner.data import find_drift
from tuner.errors import TunerError
from tuner.formatting import count, value
from tuner.outcomes import Finding
from tuner.reporting.competition import dev_losses
from tuner.reporting.faces import Faces, Shown
from tuner.reporting.report import Report
from tuner.reporting.rows import error_rows, gap_rows
from tuner.reporting.sentences import outcome_name, probability
from tuner.storage import StudyRecord


@dataclass(frozen=True)
class ComparedRow:
    """One row of the table: its name, and one cell per study."""

    name: str
    cells: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the cells differ."""
        return len(set(self.cells)) > 1


@dataclass(frozen=True)
class Pairing:
    """The best networks of a study and of the first one on the same dev rows.

    ``only_first`` dev rows are wrong in the first alone, ``only_other`` in the other alone. ``difference``: of their
    selection-corrected errors, other − first. ``chance_equal``: how likely so large a one is if both were equally good.
    """

    only_first: float
    only_other: float
    difference: Effect
    chance_equal: float


@dataclass(frozen=True)
class Comparison(Shown):
    """Reports of two or more studies, the first of which the others are compared with; made by ``compare``."""

    reports: tuple[Report, ...]
    faces: Faces[Comparison]
    drifts: tuple[tuple[Finding, ...] | None, ...]
    """Of each study but the first, how its rows differ from those of the first; None where that is unknown."""

    @property
    def name(self) -> str:
        """The studies' names, ``A-vs-B``."""
        return "-vs-".join(report.record.name for report in self.reports)

    @property
    def sentences(self) -> list[str]:
        """How each study compares with the first, and in what its rows differ."""
        first, sentences = self.reports[0], []
        for other, drift in zip(self.reports[1:], self.drifts, strict=True):
            sentences += [_against(first, other), *_drift_sentences(first.record, other.record, drift)]
        return sentences

    @property
    def rows(self) -> list[ComparedRow]:
        """Errors, gaps, trials and best hyperparameters, one column per study."""
        columns = [_column(report) for report in self.reports]
        names = list(dict.fromkeys(name for column in columns for name in column))
        return [ComparedRow(name, tuple(column.get(name, "–") for column in columns)) for name in names]

    @property
    def summary(self) -> dict[str, Any]:
        """The studies' summaries, and how the others differ from the first."""
        return {
            "studies": [report.summary for report in self.reports],
            "differences": [
                _difference_dict(self.reports[0], other)
                | {"drift": None if drift is None else [finding.to_dict() for finding in drift]}
                for other, drift in zip(self.reports[1:], self.drifts, strict=True)
            ],
        }


def pair(first: Report, other: Report) -> Pairing | None:
    """Compare two best networks row by row; None where they were not judged by the wrong ones of the same dev rows.

    The rows in which they differ give the standard error, as in McNemar's test, with one more such row so that it is
    never 0. The difference is that of the corrected errors, since a best of 100 trials has fewer wrong rows than a
    single one that is as good; the probability is by the corrections of re-choosing and of the bootstrap, the larger.
    """
    a, b = first.record, other.record
    old, new = (report.diagnosis.errors.get("dev_corrected") for report in (first, other))
    same = (
        _count_wrong(first, other)
        and a.fingerprint == b.fingerprint
        and np.array_equal(np.sort(a.dev_rows), np.sort(b.dev_rows))
        and _same_weights(a, b)
    )
    if not same or old is None or new is None:
        return None
    more = _in_row_order(other).astype(float) - _in_row_order(first)
    rows = np.argsort(a.dev_rows, kind="stable")
    unit = rows if a.dev_groups is None else np.unique(a.dev_groups[rows], return_inverse=True)[1]
    error = math.sqrt((np.bincount(unit, weights=more) ** 2).sum() + 1) / len(more)
    value, by_bootstrap = new.value - old.value, _bootstrapped(new) - _bootstrapped(old)
    sure = min(abs(value), abs(by_bootstrap)) if value * by_bootstrap > 0 else 0.0
    return Pairing(
        only_first=float(np.abs(more[more < 0]).sum()),
        only_other=float(more[more > 0].sum()),
        difference=Effect(value, value - Z95 * error, value + Z95 * error),
        chance_equal=math.erfc(sure / error / math.sqrt(2)),
    )


def _bootstrapped(error: ErrorEstimate) -> float:
    return error.value if error.low_from is None else error.low_from


def _count_wrong(*reports: Report) -> bool:
    return all(report.findings.metric.counts_wrong and report.diagnosis.unit.is_share for report in reports)


def _in_row_order(report: Report) -> np.ndarray:
    assert report.best is not None
    wrong = dev_losses(report.record, report.best)
    return wrong[np.argsort(report.record.dev_rows, kind="stable")]


def _same_weights(a: StudyRecord, b: StudyRecord) -> bool:
    if a.dev_weights is None or b.dev_weights is None:
        return a.dev_weights is b.dev_weights
    one, other = a.dev_weights[np.argsort(a.dev_rows)], b.dev_weights[np.argsort(b.dev_rows)]
    return np.array_equal(one, other)


def _against(first: Report, other: Report) -> str:
    names = f"{other.record.name} compared with {first.record.name}"
    a, b = (report.diagnosis.errors.get("dev_corrected") for report in (first, other))
    if a is None or b is None:
        return f"{names}: no complete trial in {first.record.name if a is None else other.record.name} yet."
    unit = first.diagnosis.unit
    if unit.is_share != other.diagnosis.unit.is_share:
        return f"{names}: one predicts classes and the other numbers, so that their errors cannot be compared."
    if first.error_name != other.error_name:
        return (
            f"{names}: the {other.error_name} (dev, selection-corrected) is {unit.text(b.value)} and the "
            f"{first.error_name} {unit.text(a.value)}, which cannot be compared."
        )
    instead = f"{unit.text(b.value)} instead of {unit.text(a.value)}"
    errors = f"{names}: dev {first.error_name} (selection-corrected) {instead}"
    paired = pair(first, other)
    if paired is None:
        low, high = difference_interval(b, a)
        apart = "" if low > 0 or high < 0 else ", which may be chance"
        difference = f"{unit.gap(b.value - a.value)}{unit.of_gaps_in_full} ({unit.span(low, high)})"
        unlike = (
            "dev rows are not compared one by one"
            if not unit.is_share
            else "dev rows differ"
            if _count_wrong(first, other)
            else "metrics do not both count wrong rows"
        )
        return f"{errors}, a difference of {difference}{apart}. Their {unlike}."
    by_weight = "" if first.record.dev_weights is None else " by their weights,"
    return (
        f"{errors}. On the same {count(len(first.record.dev_y), 'dev row')},{by_weight} {paired.only_first:,.0f} are "
        f"wrong only in the best trial of {first.record.name} and {paired.only_other:,.0f} only in that of "
        f"{other.record.name}. Allowing for the choice of both, the probability of so large a difference, if they were "
        "equally good, is "
        f"{probability(paired.chance_equal)}."
    )


def drift_between(first: Report, other: Report) -> tuple[Finding, ...] | None:
    """Say in what the rows of two studies differ; None if not both have theirs, or one lacks a column."""
    if first.dataset is None or other.dataset is None:
        return None
    try:
        return find_drift(first.dataset, other.dataset, (first.record.name, other.record.name))
    except TunerError:
        return None


def _drift_sentences(first: StudyRecord, other: StudyRecord, drift: tuple[Finding, ...] | None) -> list[str]:
    if drift is None or first.fingerprint == other.fingerprint:
        return []
    if not drift:
        return [f"No column, class or combination of columns of {other.name} clearly differs from {first.name}."]
    return [f"{finding.text[0].upper()}{finding.text[1:]}." for finding in drift]


def _difference_dict(first: Report, other: Report) -> dict[str, Any]:
    difference: dict[str, Any] = {"study": other.record.name, "against": first.record.name}
    a, b = (report.diagnosis.errors.get("dev_corrected") for report in (first, other))
    paired = pair(first, other)
    if a is not None and b is not None and first.error_name == other.error_name:
        low, high = (paired.difference.low, paired.difference.high) if paired else difference_interval(b, a)
        difference["dev_corrected"] = {"value": b.value - a.value, "low": low, "high": high}
    difference["paired"] = paired and {
        "only_first_wrong": paired.only_first,
        "only_other_wrong": paired.only_other,
        "chance_equal": paired.chance_equal,
    }
    return difference


def _column(report: Report) -> dict[str, str]:
    """Return a study's cells by the names of the rows."""
    counts = asdict(report.record.count())
    column = {
        "verdict": outcome_name(report.verdict),
        "trials": ", ".join(f"{number} {state}" for state, number in counts.items() if number),
    }
    for error in error_rows(report):
        column[f"{error.name} {report.error_name}"] = error.value + (f" ({error.interval})" if error.interval else "")
    for gap in gap_rows(report.diagnosis):
        column[gap.name] = f"{gap.value}{report.diagnosis.unit.of_gaps} ({gap.interval}), {outcome_name(gap.level)}"
    if report.best is not None:
        column["best trial"] = str(report.best.number)
        column |= {name: value(of) for name, of in report.best.params.items()}
    return column
