"""The report in a terminal of any width: tables in color, notes, next steps, and the verdict last."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tuner.outcomes import Level, TrialState
from tuner.printable import printable
from tuner.reporting.faces import Printed
from tuner.reporting.rows import TARGET_HEADINGS, VERDICT_LEVELS, error_rows, gap_rows, target_rows
from tuner.reporting.sentences import GAP_NAMES, gap_size

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from tuner.reporting.comparing import Comparison
    from tuner.reporting.report import Report

COLORS = {Level.HIGH: "bold red", Level.LOW: "green", Level.UNDECIDED: "yellow"}
BETWEEN = 2
"""Blanks between two columns."""


def printed(report: Report) -> Printed:
    """Best trial, tables, sentences, notes and next steps; then the verdict."""
    body: list[RenderableType] = _trials_lines(report)
    if report.best is not None:
        body += ["", _error_table(report), "", gap_table(report), ""]
        if rows := target_rows(report):
            table = FittedTable(f"{TARGET_HEADINGS[0]} (dev, in its own unit)", *TARGET_HEADINGS[1:])
            for row in rows:
                table.add_row(*row)
            body += [table, ""]
        body += [Paragraph(sentence) for sentence in report.sentences[1:]]
    body += [Paragraph(f"· {warning}", "bold yellow") for warning in report.warnings]
    body += [Paragraph(f"· {note}", "dim") for note in report.notes]
    if report.tally is not None:
        body.append(Paragraph(report.tally.sentence))
    if report.actions:
        body += ["", Text("Next steps", style="bold")]
    for place, step in enumerate(report.steps, start=1):
        first, *more = step.reasons
        body += [Paragraph(f"{place}. {first}"), *(Paragraph(f"And: {reason}", indent="   ") for reason in more)]
        if step.command:
            body.append(command_line(step.command))
    return Printed(body, _verdict(report))


def printed_comparison(comparison: Comparison) -> Printed:
    """The studies' table, rows that differ in bold; then how the others compare with the first."""
    table = FittedTable("", *(report.record.name for report in comparison.reports))
    for row in comparison.rows:
        table.add_row(row.name, *(Text(cell, "bold" if row.differs else "dim") for cell in row.cells))
    return Printed([table], [Paragraph(sentence) for sentence in comparison.sentences])


class Paragraph:
    """Text that is wrapped between words; a word longer than a line stays whole."""

    def __init__(self, text: str, style: str = "", indent: str = "") -> None:
        self.text, self.style, self.indent = printable(text), style, indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = textwrap.wrap(
            self.text,
            options.max_width,
            initial_indent=self.indent,
            subsequent_indent=self.indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield Text("\n".join(lines), self.style, no_wrap=True, overflow="ignore")


def command_line(command: str) -> Text:
    """A command on one line, however long, so that it can be copied."""
    return Text(f"   {printable(command)}", style="cyan", no_wrap=True, overflow="ignore")


class FittedTable:
    """A table without rules.  Where it is too wide its ``wrapping`` columns are wrapped between words, then the columns
    ``drop`` are left out in that order; in the end each row is a list.  Column ``right`` is aligned to the right.
    """

    def __init__(
        self, *headings: str, right: int | None = None, wrapping: tuple[int, ...] = (), drop: tuple[int, ...] = ()
    ) -> None:
        self.headings, self.right, self.drop = tuple(map(printable, headings)), right, drop
        self.wrapping = wrapping or tuple(range(len(headings)))
        self.rows: list[list[Text]] = []

    def add_row(self, *cells: str | Text) -> None:
        """Add a row with one cell per heading."""
        texts = [Text(cell) if isinstance(cell, str) else cell for cell in cells]
        self.rows.append([Text(printable(text.plain), text.style) for text in texts])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept = list(range(len(self.headings)))
        for dropped in (None, *self.drop):
            kept = [column for column in kept if column != dropped]
            widths = self._widths(kept, options.max_width)
            if widths is not None:
                yield self._table(kept, widths)
                return
        for row in self.rows:
            yield Paragraph(row[0].plain, "bold")
            for heading, cell in zip(self.headings[1:], row[1:], strict=True):
                if cell.plain:
                    yield Paragraph(f"{heading} {cell.plain}", indent="  ")

    def _widths(self, kept: list[int], room: int) -> list[int] | None:
        """Widths of these columns; None where they do not fit even with every wrapping column at its longest word."""
        texts = {column: [self.headings[column], *(row[column].plain for row in self.rows)] for column in kept}
        widths = {column: max(map(cell_len, texts[column])) for column in kept}
        words = {
            column: [word for text in texts[column] for word in text.split()]
            for column in kept
            if column in self.wrapping
        }
        least = widths | {column: max(map(cell_len, words[column])) for column in kept if words.get(column)}
        room -= BETWEEN * (len(kept) - 1)
        if sum(least.values()) > room:
            return None
        while sum(widths.values()) > room:
            widest = max((column for column in kept if widths[column] > least[column]), key=lambda k: widths[k])
            widths[widest] -= 1
        return list(widths.values())

    def _table(self, kept: list[int], widths: list[int]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, BETWEEN, 0, 0))
        for column, width in zip(kept, widths, strict=True):
            table.add_column(
                self.headings[column], justify="right" if column == self.right else "left", width=width, overflow="fold"
            )
        for row in self.rows:
            table.add_row(*(row[column] for column in kept))
        return table


def gap_table(report: Report, *, level_only: bool = False) -> FittedTable:
    """One row per gap; ``level_only``: without the confidence and what the gap is calculated from."""
    headings = ("gap", report.diagnosis.unit.of_gaps.strip(), "95% interval", "level", "confidence", "from")
    shown = 4 if level_only else 6
    table = FittedTable(*headings[:shown], right=1, wrapping=(0,), drop=(5, 4)[: shown - 4])
    for row in gap_rows(report.diagnosis):
        level = Text(row.level_name, COLORS[row.level])
        table.add_row(*(row.name, row.value, row.interval, level, row.confidence, row.formula)[:shown])
    return table


def _trials_lines(report: Report) -> list[RenderableType]:
    counts = asdict(report.record.count())
    shown = [f"{number:,} {state}" for state, number in counts.items() if number or state == TrialState.COMPLETE]
    lines: list[RenderableType] = [Paragraph(f"{report.record.name}: {', '.join(shown)}")]
    if report.best is not None:
        params = ", ".join(f"{name} {of}" for name, of in report.shown_params.items())
        lines.append(Paragraph(f"best trial {report.best.number}: {params}", "bold"))
    return lines


def _error_table(report: Report) -> FittedTable:
    table = FittedTable(report.error_name, "", "95% interval", "based on", right=1, wrapping=(0, 3))
    for row in error_rows(report):
        table.add_row(row.name, row.value, row.interval, row.based_on)
    return table


def _verdict(report: Report) -> list[RenderableType]:
    """The verdict, the gaps it is based on, and the first command."""
    unit = report.diagnosis.unit
    style = COLORS[VERDICT_LEVELS.get(report.verdict, Level.HIGH)]
    lines: list[RenderableType] = [Paragraph(report.sentences[0], f"bold {style.removeprefix('bold ')}")]
    known = [
        f"{GAP_NAMES[name]} {gap_size(report.diagnosis, name)}{unit.of_gaps} ({unit.span(gap.low, gap.high)})"
        for name, gap in report.diagnosis.gaps.items()
        if name in ("avoidable_bias", "variance")
    ]
    if known:
        lines.append(Paragraph(", ".join(known).capitalize()))
    lines += [command_line(action.command) for action in report.actions if action.command][:1]
    return lines
