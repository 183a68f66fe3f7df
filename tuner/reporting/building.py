"""Build reports and comparisons of stored studies."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.analysis import Baseline
from tuner.data import Dataset
from tuner.errors import ArgumentError
from tuner.formatting import times
from tuner.reporting.changes import earlier_report
from tuner.reporting.comparing import Comparison, drift_between
from tuner.reporting.faces import Faces, Printed
from tuner.reporting.files import csv_of_numbers, csv_text, json_text
from tuner.reporting.findings import find
from tuner.reporting.frames import epoch_columns, params_of, trial_columns
from tuner.reporting.news import find_news
from tuner.reporting.report import Report
from tuner.storage import StudyRecord
from tuner.study import parse_definition

if TYPE_CHECKING:
    from tuner.reporting.drawn import DrawnFigure


def _report_files(report: Report) -> dict[str, Callable[[], str]]:
    from tuner.reporting.markdown import markdown
    from tuner.reporting.page import page

    return {
        "report.html": lambda: page(report),
        "report.md": lambda: markdown(report),
        "trials.csv": lambda: csv_text(trial_columns(params_of(report.record)), report.trial_rows()),
        "epochs.csv": lambda: csv_of_numbers(epoch_columns(report.record)),
        "summary.json": lambda: json_text(report.summary),
    }


def _comparison_files(comparison: Comparison) -> dict[str, Callable[[], str]]:
    from tuner.reporting.markdown import comparison_markdown
    from tuner.reporting.page import comparison_page

    return {
        "report.html": lambda: comparison_page(comparison),
        "report.md": lambda: comparison_markdown(comparison),
        "summary.json": lambda: json_text(comparison.summary),
    }


def _report_fragment(report: Report) -> str:
    from tuner.reporting.page import fragment

    return fragment(report)


def _comparison_fragment(comparison: Comparison) -> str:
    from tuner.reporting.page import comparison_fragment

    return comparison_fragment(comparison)


def _print_report(report: Report) -> Printed:
    from tuner.reporting.terminal import printed

    return printed(report)


def _print_comparison(comparison: Comparison) -> Printed:
    from tuner.reporting.terminal import printed_comparison

    return printed_comparison(comparison)


def _report_figure(report: Report, key: str) -> DrawnFigure:
    from tuner.reporting.page import draw_figure

    return draw_figure(report, key)


REPORT_FACES = Faces[Report](_report_files, _print_report, _report_fragment, _report_figure)
COMPARISON_FACES = Faces[Comparison](_comparison_files, _print_comparison, _comparison_fragment)


def build_report(
    record: StudyRecord,
    *,
    baseline: Baseline = None,
    material_gap: float | None = None,
    since: datetime.timedelta | None = None,
    earlier: Path | None = None,
    dataset: Dataset | str | None = None,
    tally: Path | None = None,
) -> Report:
    """Build the report of a stored study.

    ``baseline`` (an error, or ``{"wrong": 3, "of": 200}``) and ``material_gap`` override its ``[diagnosis]``; ``since``
    adds what is new in that time; ``earlier`` is the folder of an earlier report, to say why the verdict changed;
    ``dataset`` has the rows, of which otherwise only what the database keeps is known, or says why they are missing;
    ``tally`` is a file with tags of wrong rows.
    """
    definition = parse_definition(record.definition, f"study {record.name!r}")
    said = definition.diagnosis
    findings = find(
        record,
        definition,
        said.baseline_error if baseline is None else baseline,  # type: ignore[arg-type]
        said.threshold(record.unit) if material_gap is None else material_gap,
    )
    now = datetime.datetime.now(datetime.UTC)
    return Report(
        record=record,
        definition=definition,
        findings=findings,
        made=now,
        faces=REPORT_FACES,
        news=None if since is None else find_news(record, since, now),
        earlier=None if earlier is None else earlier_report(earlier),
        dataset=None if isinstance(dataset, str) else dataset,
        no_rows=dataset if isinstance(dataset, str) else "",
        tally_file=tally,
    )


def compare(reports: Sequence[Report]) -> Comparison:
    """Compare the reports of two or more studies, row by row if their dev rows are the same."""
    if len(reports) < 2:
        raise ArgumentError(f"a comparison needs at least two studies, got {len(reports)}")
    names = [(report.record.storage, report.record.name) for report in reports]
    for (_, name), n in Counter(names).items():
        if n > 1:
            raise ArgumentError(f"a comparison needs different studies, got {name!r} {times(n)}")
    drifts = tuple(drift_between(reports[0], other) for other in reports[1:])
    return Comparison(tuple(reports), COMPARISON_FACES, drifts)
