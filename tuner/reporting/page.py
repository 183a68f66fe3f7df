"""``report.html``: one file that opens from disk, loads nothing and runs only its own script."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import ArgumentError, UsageError
from tuner.files import translated
from tuner.formatting import did_you_mean
from tuner.outcomes import Level
from tuner.reporting.columns import HEADINGS
from tuner.reporting.commands import errors_command
from tuner.reporting.data_checks import found_in_data
from tuner.reporting.drawn import DrawnFigure
from tuner.reporting.errors_page import row_table
from tuner.reporting.figures import COLUMNS, FIGURES, Figure
from tuner.reporting.figures.figure import Positions
from tuner.reporting.figures.gaps import gaps
from tuner.reporting.figures.scatter import scatter
from tuner.reporting.glossary import link_html
from tuner.reporting.headline_numbers import headline_numbers
from tuner.reporting.mismatch import HEADING as MISMATCH
from tuner.reporting.mismatch import HEADINGS as MISMATCH_HEADINGS
from tuner.reporting.mismatch import mismatch_rows, mismatch_sentences
from tuner.reporting.predictions import HEADING, predictions_sentence
from tuner.reporting.provenance import about, provenance
from tuner.reporting.rendering import anchor, content_policy, environment, resource
from tuner.reporting.rows import VERDICT_LEVELS, class_table, error_rows, gap_rows
from tuner.reporting.trials_table import static_order, trials_table

if TYPE_CHECKING:
    from tuner.reporting.comparing import Comparison
    from tuner.reporting.report import Report

ROWS = 10  # of the wrong ones
BESIDE = "Bias and variance"  # its figures are beside the table


@dataclass(frozen=True, slots=True)
class LivePage:
    """What a served page follows: a study in this ``version``; ``links``: (address, text) of pages beside it."""

    study: str
    version: str
    links: Sequence[tuple[str, str]]


def page(report: Report, live: LivePage | None = None) -> str:
    """Write the whole page; one that is ``live`` shows the study's progress and loads itself again."""
    script = resource("script.js")
    live_script = "" if live is None else resource("live.js")
    columns = trials_table(report)
    leads = {HEADING: lead} if (lead := predictions_sentence(report.findings, report.error_name, report.chosen)) else {}
    dots: dict[str, list[list[float]]] = {}
    drawings = {
        heading: {key: figure for key, draw in drawings.items() if (figure := draw(report)) is not None}
        for heading, drawings in FIGURES.items()
    }
    beside, of_columns = drawings.pop(BESIDE), drawings.pop(COLUMNS)
    sections = {heading: figures for heading, figures in drawings.items() if figures or heading in leads}
    for section in (beside, of_columns, *sections.values()):
        for figure in section.values():
            dots |= {name: _dots(positions) for name, positions in figure.dots.items()}
    return link_html(
        environment()
        .get_template("report.html")
        .render(
            report=report,
            record=report.record,
            contents=_contents(report, sections),
            beside=beside,
            of_columns=of_columns,
            sections=sections,
            leads=leads,
            about=about(report),
            data_checks=found_in_data(report.record),
            provenance=provenance(report),
            style=resource("style.css"),
            script=script,
            live=live,
            live_script=live_script,
            column_headings=HEADINGS,
            mismatch=None
            if report.mismatch is None
            else {
                "heading": MISMATCH,
                "sentences": mismatch_sentences(report.mismatch),
                "headings": MISMATCH_HEADINGS,
                "rows": mismatch_rows(report.mismatch),
            },
            policy=content_policy(resource("style.css"), script, live_script, is_live=live is not None),
            data=embedded({"columns": [asdict(column) for column in columns], "dots": dots}),
            columns=columns,
            static_rows=static_order(report),
            numbers=headline_numbers(report),
            trials_heading=_trials_heading(report),
            wrong=report.wrong_rows,
            wrong_table=None
            if report.wrong_rows is None
            else row_table(report.wrong_rows, report.wrong_rows.frame.head(ROWS)),
            wrong_command=errors_command(report.record),
            **_tables(report),
        )
    )


def fragment(report: Report) -> str:
    """Write the verdict, the tables and the figures for a notebook, without script."""
    drawings = {key: draw(report) for section in FIGURES.values() for key, draw in section.items()}
    return link_html(
        environment()
        .get_template("fragment.html")
        .render(
            report=report,
            record=report.record,
            style=resource("style.css"),
            figures={key: figure for key, figure in drawings.items() if figure is not None},
            **_tables(report),
        )
    )


def draw_figure(report: Report, key: str) -> DrawnFigure:
    """Draw one figure of the page.  Raises ArgumentError for an unknown one, UsageError if there is nothing to draw."""
    drawings = {name: draw for section in FIGURES.values() for name, draw in section.items()}
    if key not in drawings:
        raise ArgumentError(f"figure: expected one of {', '.join(drawings)}{did_you_mean(key, drawings)}, got {key!r}")
    figure = drawings[key](report)
    if figure is None:
        raise UsageError(f"figure {key!r}: study {report.name!r} has nothing to draw there yet")
    return DrawnFigure(key, figure)


def write_figures(report: Report, folder: Path, kind: str, *, force: bool = False) -> list[Path]:
    """Write every figure that has something to draw as ``folder/KEY.kind``; return the files."""
    keys = [key for section in FIGURES.values() for key, draw in section.items() if draw(report) is not None]
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return [draw_figure(report, key).write(folder / f"{key}.{kind}", force=force) for key in keys]


def comparison_page(comparison: Comparison) -> str:
    """Write the page that compares studies."""
    figures = [
        {
            f"{key}-{place}": _with_ids(figure, place)
            for key, draw in (("gaps", gaps), ("scatter", scatter))
            if (figure := draw(report)) is not None
        }
        for place, report in enumerate(comparison.reports, start=1)
    ]
    template = environment().get_template("comparison.html")
    return link_html(template.render(comparison=comparison, figures=figures, style=resource("style.css"), whole=True))


def comparison_fragment(comparison: Comparison) -> str:
    """Write the table and the sentences for a notebook."""
    template = environment().get_template("comparison.html")
    return link_html(template.render(comparison=comparison, figures=[], style=resource("style.css"), whole=False))


def _with_ids(figure: Figure, place: int) -> Figure:
    """Return a figure whose drawings have ids of their own on a page that draws it of several studies."""
    scales = {kind: svg.replace('<svg id="', f'<svg id="{place}-') for kind, svg in figure.scales.items()}
    return replace(figure, svg=figure.svg.replace('<svg id="', f'<svg id="{place}-'), scales=scales)


def embedded(data: Any) -> str:
    """Return JSON for a script element, without a ``<`` that could end it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _contents(report: Report, headings: Iterable[str]) -> list[tuple[str, str]]:
    """Return (id, heading) of the sections below the verdict."""
    first = [("numbers", BESIDE), ("best", "Best trial")] if report.best is not None else []
    notes = [("notes", "Notes")] if report.notes else []
    columns = [("columns", COLUMNS)] if report.column_lines else []
    drawn = [(anchor(heading), heading) for heading in headings]
    mismatch = [("mismatch", MISMATCH)] if report.mismatch is not None else []
    wrong = [("wrong-rows", "Wrong rows")] if report.wrong_rows is not None or report.no_wrong_rows else []
    checks = [("data-checks", "Data checks")] if found_in_data(report.record) else []
    return [
        *first,
        *columns,
        *notes,
        *drawn,
        *mismatch,
        *wrong,
        ("trials", _trials_heading(report)),
        *checks,
        ("provenance", "Provenance"),
    ]


def _trials_heading(report: Report) -> str:
    return "All trials" if len(report.listed) == len(report.record.trials) else "Best trials"


def _tables(report: Report) -> dict[str, Any]:
    return {
        "color": VERDICT_LEVELS.get(report.verdict, Level.HIGH),
        "error_rows": error_rows(report),
        "gap_rows": gap_rows(report.diagnosis),
        "class_table": class_table(report),
    }


def _dots(trials: Positions) -> list[list[float]]:
    """Return numbers, xs and ys of the dots."""
    return [list(trials), [round(x, 1) for x, _ in trials.values()], [round(y, 1) for _, y in trials.values()]]
