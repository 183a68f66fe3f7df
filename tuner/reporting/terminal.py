"""The report in a terminal: the table of errors in color, notes, next steps and, last, the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from tuner.formatting import value
from tuner.outcomes import Level, TrialState
from tuner.reporting.rows import VERDICT_LEVELS, error_rows, gap_rows

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from tuner.reporting.comparing import Comparison
    from tuner.reporting.report import Report

WIDE = 1000  # columns: nothing wraps in them
COLORS = {Level.HIGH: "bold red", Level.LOW: "green", Level.UNDECIDED: "yellow"}


def renderable(report: Report) -> RenderableType:
    """Everything as one rich renderable; the verdict comes last, where the terminal stops scrolling."""
    from rich.console import Group
    from rich.text import Text

    verdict, *figures = report.sentences
    parts: list[RenderableType] = [_trials_line(report)]
    if report.best is not None:
        parts += ["", _error_table(report), "", _gap_table(report)]
    parts += ["", *(Text(sentence) for sentence in figures)]
    parts += [Text(f"· {warning}", style="bold yellow") for warning in report.data_warnings]
    parts += [Text(f"· {note}", style="dim") for note in report.notes]
    if report.actions:
        parts += ["", Text("Next steps", style="bold")]
    for place, action in enumerate(report.actions, start=1):
        gain = f" Expected gain: {action.expected_gain}." if action.expected_gain else ""
        parts.append(Text(f"{place}. {action.why}{gain}"))
        if action.command:
            parts.append(Text(f"   {action.command}", style="cyan", no_wrap=True, overflow="ignore"))
    style = COLORS[VERDICT_LEVELS.get(report.verdict, Level.HIGH)]
    return Group(*parts, "", Text(f"Verdict: {verdict}", style=f"bold {style}"))


def comparison_renderable(comparison: Comparison) -> RenderableType:
    """Draw the studies' table, lines that differ in bold, and the sentences below."""
    from rich.console import Group
    from rich.text import Text

    table = FittingTable("", *(report.record.name for report in comparison.reports))
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


def _error_table(report: Report) -> FittingTable:
    table = FittingTable("error", "", "95% interval", "based on", right=1)
    for row in error_rows(report):
        table.add_row(row.name, row.value, row.interval, row.based_on)
    return table


def _gap_table(report: Report) -> FittingTable:
    from rich.text import Text

    table = FittingTable("gap (pp)", "", "95% interval", "level", "confidence", "formula", right=1)
    for row in gap_rows(report.diagnosis):
        table.add_row(row.name, row.value, row.interval, Text(row.level, COLORS[row.level]), row.chance, row.formula)
    return table


class FittingTable:
    """A table without rules that leaves its last columns out where the terminal is too narrow to hold their words."""

    def __init__(self, *headings: str, right: int | None = None) -> None:
        self.headings = headings
        self.right = right
        self.rows: list[tuple[RenderableType, ...]] = []

    def add_row(self, *cells: RenderableType) -> None:
        """Add one row, a cell for each heading."""
        self.rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.measure import Measurement

        n = len(self.headings)
        while (
            n > 1 and Measurement.get(console, options.update(width=WIDE), self._table(n)).minimum > options.max_width
        ):
            n -= 1
        yield self._table(n)

    def _table(self, n: int) -> Table:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
        for place, heading in enumerate(self.headings[:n]):
            table.add_column(heading, justify="right" if place == self.right else "left", no_wrap=place < 3)
        for cells in self.rows:
            table.add_row(*cells[:n])
        return table
