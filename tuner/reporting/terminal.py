"""The report in a terminal: the bias/variance table in color, the verdict, what to do next."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tuner.formatting import value
from tuner.outcomes import Level, TrialState
from tuner.reporting.rows import VERDICT_LEVELS, error_rows, gap_rows

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from tuner.reporting.comparing import Comparison
    from tuner.reporting.report import Report

COLORS = {Level.HIGH: "bold red", Level.LOW: "green", Level.UNDECIDED: "yellow"}


def renderable(report: Report) -> RenderableType:
    """Everything as one rich renderable."""
    from rich.console import Group
    from rich.text import Text

    told, *rest = report.sentences
    parts: list[RenderableType] = [_trials_line(report)]
    if report.best is not None:
        parts += ["", _error_table(report), "", _gap_table(report)]
    style = COLORS[VERDICT_LEVELS.get(report.verdict, Level.HIGH)]
    parts += ["", Text(told, style=style), *(Text(sentence) for sentence in rest)]
    parts += [Text(f"· {warning}", style="bold yellow") for warning in report.data_warnings]
    parts += [Text(f"· {note}", style="dim") for note in report.notes]
    if report.actions:
        parts += ["", Text("Do next", style="bold")]
    for place, action in enumerate(report.actions, start=1):
        gain = f" Expected gain: {action.expected_gain}." if action.expected_gain else ""
        parts.append(Text(f"{place}. {action.why}{gain}"))
        if action.command:
            parts.append(Text(f"   {action.command}", style="cyan", no_wrap=True, overflow="ignore"))
    return Group(*parts)


def comparison_renderable(comparison: Comparison) -> RenderableType:
    """Draw the studies' table, lines that differ in bold, and the sentences below."""
    from rich.console import Group
    from rich.text import Text

    table = plain_table("", *(report.record.name for report in comparison.reports))
    for row in comparison.rows:
        table.add_row(row.name, *(Text(cell, "bold" if row.differs else "dim") for cell in row.cells))
    return Group(table, "", *(Text(sentence) for sentence in comparison.sentences))


def _trials_line(report: Report) -> Text:
    from rich.text import Text

    counts = asdict(report.record.count())
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number or state == TrialState.COMPLETE)
    line = Text(f"{report.record.name}: {told}")
    if report.best is not None:
        line.append(f"\nbest trial {report.best.number}: ")
        line.append(", ".join(f"{name} {value(of)}" for name, of in report.best.params.items()), style="bold")
    return line


def _error_table(report: Report) -> Table:
    table = plain_table("error", "", "95% interval", "rests on", right=1)
    for row in error_rows(report):
        table.add_row(row.name, row.value, row.interval, row.based_on)
    return table


def _gap_table(report: Report) -> Table:
    from rich.text import Text

    table = plain_table("gap, in points", "", "95% interval", "level", "chance it is high", "", right=1)
    for row in gap_rows(report.diagnosis):
        table.add_row(row.name, row.value, row.interval, Text(row.level, COLORS[row.level]), row.chance, row.formula)
    return table


def plain_table(*headings: str, right: int | None = None) -> Table:
    """Make a table without rules; column ``right`` is aligned to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place == right else "left", no_wrap=place < 3)
    return table
