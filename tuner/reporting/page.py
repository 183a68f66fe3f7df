"""``report.html``: one file that opens from disk, loads nothing and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.arguments import path as path_of
from tuner.errors import ArgumentError, UsageError
from tuner.files import whole_file
from tuner.formatting import did_you_mean, percent, span, value
from tuner.outcomes import Level
from tuner.reporting.data_checks import found_in_data
from tuner.reporting.figures import FIGURES, Figure
from tuner.reporting.figures.gaps import gaps
from tuner.reporting.figures.scatter import scatter
from tuner.reporting.frames import trial_columns
from tuner.reporting.glossary import link_html
from tuner.reporting.provenance import about, provenance
from tuner.reporting.rows import MOST_CLASSES, VERDICT_LEVELS, class_rows, error_rows, gap_rows
from tuner.reporting.sentences import outcome_name

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from tuner.reporting.comparing import Comparison
    from tuner.reporting.report import Report

BESIDE = "Bias and variance"  # its figures are beside the table
STATIC_ROWS = 25  # trials without script, and in print


def page(report: Report) -> str:
    """Write the whole page."""
    script = _resource("script.js")
    data = _table_data(report)
    sections = {
        heading: {key: figure for key, draw in drawings.items() if (figure := draw(report)) is not None}
        for heading, drawings in FIGURES.items()
    }
    figures = {key: figure for section in sections.values() for key, figure in section.items()}
    return link_html(
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            record=report.record,
            beside=sections.pop(BESIDE),
            sections={heading: section for heading, section in sections.items() if section},
            about=about(report),
            most_classes=MOST_CLASSES,
            data_checks=found_in_data(report.record),
            provenance=provenance(report),
            style=_resource("style.css"),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            data=embedded({**data, "dots": {key: _dots(f.trials) for key, f in figures.items() if f.trials}}),
            columns=data["columns"],
            static_rows=_static_rows(report, data["values"]),
            **_tables(report),
        )
    )


def fragment(report: Report) -> str:
    """Write the verdict and the tables for a notebook, without script."""
    return link_html(
        _environment()
        .get_template("fragment.html")
        .render(report=report, record=report.record, style=_resource("style.css"), **_tables(report))
    )


@dataclass(frozen=True, repr=False)
class DrawnFigure:
    """One figure of the page; a notebook shows it."""

    key: str
    figure: Figure

    def __repr__(self) -> str:
        return f"DrawnFigure({self.key!r}: {self.figure.sentence!r})"

    def _repr_html_(self) -> str:
        template = _environment().get_template("figure.html")
        return template.render(key=self.key, figure=self.figure, style=_resource("style.css"))

    def write(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the figure as an HTML file, whole or not at all; replaces a file only with `force`."""
        path = path_of("path", path)
        with whole_file(path, force=force, is_ours=lambda _: False) as file:
            file.write(f'<!doctype html>\n<meta charset="utf-8">\n{self._repr_html_()}\n'.encode())
        return path


def draw_figure(report: Report, key: str) -> DrawnFigure:
    """Draw one figure of the page.  Raises ArgumentError for an unknown one, UsageError if there is nothing to draw."""
    drawings = {name: draw for section in FIGURES.values() for name, draw in section.items()}
    if key not in drawings:
        raise ArgumentError(f"figure: expected one of {', '.join(drawings)}{did_you_mean(key, drawings)}, got {key!r}")
    figure = drawings[key](report)
    if figure is None:
        raise UsageError(f"figure {key!r}: study {report.name!r} has nothing to draw there yet")
    return DrawnFigure(key, figure)


def comparison_page(comparison: Comparison) -> str:
    """Write the page that compares studies."""
    figures = [{"gaps": gaps(report), "scatter": scatter(report)} for report in comparison.reports]
    template = _environment().get_template("comparison.html")
    return link_html(template.render(comparison=comparison, figures=figures, style=_resource("style.css"), whole=True))


def comparison_fragment(comparison: Comparison) -> str:
    """Write the table and the sentences for a notebook."""
    template = _environment().get_template("comparison.html")
    return link_html(template.render(comparison=comparison, figures=[], style=_resource("style.css"), whole=False))


def embedded(data: Any) -> str:
    """Return JSON for a script element, without a ``<`` that could end it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def unbroken(text: str) -> str:
    """Keep a number and its unit, and the two ends of an interval, on one line."""
    return re.sub(r"(?<=\d)–(?=\d)", "–\u2060", re.sub(r"(?<=\d) (?=pp\b)", "\u00a0", text))


def options_whole(command: str) -> Markup:
    """Return a command whose options are not broken at their hyphens; the text is unchanged."""
    from markupsafe import Markup, escape

    words = (f'<span class="word">{escape(w)}</span>' if w.startswith("-") else escape(w) for w in command.split(" "))
    return Markup(" ".join(map(str, words)))


def _tables(report: Report) -> dict[str, Any]:
    return {
        "color": VERDICT_LEVELS.get(report.verdict, Level.HIGH),
        "error_rows": error_rows(report),
        "gap_rows": gap_rows(report.diagnosis),
        "class_rows": class_rows(report.findings.classes),
    }


def _table_data(report: Report) -> dict[str, Any]:
    """Return the trials column by column, with rounded numbers."""
    names = trial_columns(report.record)
    columns = [name for name in names if name != "seed"]
    rows = report.trial_rows
    values = {name: [_plain(row[k]) for row in rows] for k, name in enumerate(names)}
    return {"columns": columns, "values": [values[name] for name in columns]}


def _static_rows(report: Report, values: list[list[Any]]) -> list[list[Any]]:
    """Return the best trials, complete ones first."""
    trials = report.record.trials
    order = sorted(range(len(trials)), key=lambda k: (not trials[k].is_judged, trials[k].value or 0.0, k))
    return [[column[k] for column in values] for k in order[:STATIC_ROWS]]


def _plain(v: Any) -> Any:
    if isinstance(v, float):
        return float(f"{v:.4g}") if math.isfinite(v) else None
    return v if v is None or isinstance(v, bool | int | str) else value(v)


def _dots(trials: dict[int, tuple[float, float]]) -> list[list[float]]:
    """Return numbers, xs and ys of the dots."""
    return [list(trials), [round(x, 1) for x, _ in trials.values()], [round(y, 1) for _, y in trials.values()]]


@cache
def _resource(name: str) -> str:
    return (files("tuner.reporting") / "templates" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tuner.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "shown": value, "unbroken": unbroken, "options_whole": options_whole}
    environment.filters["outcome_name"] = outcome_name
    environment.globals |= {"span": span}
    return environment
