"""What a command prints: lines that fit the terminal, one JSON object, or a report in color."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

import typer

from tuner.formatting import percent, value

if TYPE_CHECKING:
    from tuner.reporting import Comparison, Report


ERROR_NAMES = {"dev_corrected": "dev (selection-corrected)", "train_dev": "train-dev"}
"""Names of a model's errors that differ from their keys in JSON."""
USUAL_WIDTH = 80
COMMAND = re.compile(r"(^\s*|: |`|\()(tuner (?:(?!, |; | · |`|\)).)*)")
"""A command within a line, and what precedes it."""
GAP = re.compile(r"\S {2,}(?=\S)")
"""The space between two columns of a table."""
UNBREAKABLE = "\N{NO-BREAK SPACE}"


def terminal_width(stream: TextIO) -> int | None:
    """The columns of a terminal; None for a pipe or a file."""
    if not stream.isatty():
        return None
    return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH


def wrapped(line: str, width: int | None) -> list[str]:
    """Break a line at blanks, not within a command, so that it fits the width; the rest is indented."""
    if width is None or len(line) <= width:
        return [line]
    columns = [gap.end() for gap in GAP.finditer(line) if gap.end() <= width // 2]
    indent = max([len(line) - len(line.lstrip()) + 2, *columns[-1:]])
    bound = COMMAND.sub(lambda found: found[1] + found[2].replace(" ", UNBREAKABLE), line)
    lines = textwrap.wrap(bound, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return [part.replace(UNBREAKABLE, " ") for part in lines]


def print_lines(*lines: str, err: bool = False) -> None:
    """Print lines on stdout or stderr: wrapped in a terminal, as they are elsewhere."""
    width = terminal_width(sys.stderr if err else sys.stdout)
    parts = [part for text in lines for line in text.split("\n") for part in wrapped(line, width)]
    typer.echo("\n".join(parts), err=err)


def print_result(found: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print one JSON object with ``--json``, else lines for a person."""
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_lines(*lines)


def metric_text(metric: str, of: float | None) -> str:
    """Write a trial's value: an error in percent, a mean of another loss as a number."""
    from tuner.metrics import METRICS

    known = METRICS.get(metric)
    return percent(of) if known is not None and known.counts_wrong and known.from_labels else value(of) or "–"


def print_report(shown: Report | Comparison, *files: str) -> None:
    """Print a report, the lines that name its ``files`` and, last, the verdict.

    In color in a terminal; NO_COLOR and FORCE_COLOR override that.
    """
    from rich.console import Console

    from tuner.reporting.faces import PIPED_WIDTH

    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    if console.is_terminal:
        shown.print_to(console, files)
    else:
        typer.echo(shown.text(files=files), nl=False)
