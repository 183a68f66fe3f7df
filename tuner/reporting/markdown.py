"""``report.md``: the report for a pull request or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tuner.reporting.rows import error_rows, gap_rows
from tuner.reporting.wording import percent, span, value

if TYPE_CHECKING:
    from tuner.reporting.report import Report


def markdown(report: Report) -> str:
    """Write the whole report as GitHub-flavoured Markdown."""
    record = report.record
    told, *rest = report.sentences
    parts = [f"# {escape(record.name)}", f"**{told}**", " ".join(rest), *_actions(report)]
    if report.remarks:
        parts.append("\n".join(f"- {escape(remark)}" for remark in report.remarks))
    if report.best is not None:
        parts += ["## Bias and variance", *_tables(report), "## Best trial", *_best(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: object) -> str:
    """Text that Markdown and the HTML within it take as it stands."""
    flat = re.sub(r"\s+", " ", str(text))
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", flat).replace("&", "&amp;")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Write a Markdown table; ``right`` names the columns aligned to the right."""
    rule = ["---:" if place in right else "---" for place in range(len(headings))]
    lines = [headings, rule, *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _actions(report: Report) -> list[str]:
    if not report.actions:
        return []
    lines = []
    for place, action in enumerate(report.actions, start=1):
        lines.append(
            f"{place}. {escape(action.why)}" + (f"\n   ```\n   {action.command}\n   ```" if action.command else "")
        )
    return ["## Do next", "\n".join(lines)]


def _tables(report: Report) -> list[str]:
    errors = error_rows(report.diagnosis, len(report.record.test_looks), len(report.record.test_rows) > 0)
    gaps = gap_rows(report.diagnosis)
    return [
        table(
            ("error", "", "95 % interval", "rests on"),
            ((row.name, row.value, row.interval, row.rests_on) for row in errors),
            right=(1,),
        ),
        table(
            ("gap", "points", "95 % interval", "level", "chance it is high", "from"),
            ((row.name, row.value, row.interval, row.level, row.chance, row.formula) for row in gaps),
            right=(1,),
        ),
        table(
            ("class", "dev error", "95 % interval", "dev rows"),
            (
                (row.name, percent(row.estimate.value), span(row.estimate.low, row.estimate.high), row.estimate.n)
                for row in report.findings.classes
            ),
            right=(1, 3),
        ),
    ]


def _best(report: Report) -> list[str]:
    assert report.best is not None
    rows = [(name, value(of)) for name, of in report.best.params.items()]
    return [f"Trial {report.best.number}:", table(("hyperparameter", "value"), rows)]
