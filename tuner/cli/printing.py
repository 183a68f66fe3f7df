"""What a command prints: lines that fit the terminal, one JSON object, or a report in color.

The only module that writes on stdout and stderr.  Every line goes through :func:`tuner.printable.printable`.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import typer

from tuner.printable import printable, without_passwords

if TYPE_CHECKING:
    from tuner.reporting import Comparison, Report


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


def fitting_columns(widths: Sequence[int], gap: int, width: int | None) -> list[int]:
    """The places of the columns of a table that fit a terminal, from the first on."""
    fitting: list[int] = []
    for place, needed in enumerate(widths):
        if width is None or sum(widths[k] + gap for k in fitting) + needed <= width:
            fitting.append(place)
    return fitting


def wrapped(line: str, width: int | None) -> list[str]:
    """Break a line at blanks, not within a command, so that it fits the width; the rest is indented."""
    if width is None or len(line) <= width:
        return [line]
    columns = [gap.end() for gap in GAP.finditer(line) if gap.end() <= width // 2]
    indent = max([len(line) - len(line.lstrip()) + 2, *columns[-1:]])
    bound = COMMAND.sub(lambda match: match[1] + match[2].replace(" ", UNBREAKABLE), line)
    lines = textwrap.wrap(bound, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return [part.replace(UNBREAKABLE, " ") for part in lines]


def print_changes_since_search(study: str, changes: Sequence[str]) -> None:
    """Note on stderr what the study file here says otherwise than the one that was searched."""
    if changes:
        differs = f"the study file of {study} differs from the one that was searched ({'; '.join(changes)})"
        print_lines(f"tuner: note: {differs}; the one that was searched is used", err=True)


def print_lines(*lines: str, err: bool = False) -> None:
    """Print lines on stdout or stderr: wrapped in a terminal, as they are elsewhere.

    Each argument is one line; a line end within it is shown as what it is.
    """
    width = terminal_width(sys.stderr if err else sys.stdout)
    typer.echo("\n".join(part for line in lines for part in wrapped(printable(line), width)), err=err)


def print_log(line: str) -> None:
    """Print a line on stderr at once; a log that cannot be written ends no search."""
    with suppress(OSError):
        typer.echo(printable(line), err=True)


def print_json(document: Any) -> None:
    """Print one JSON object on stdout, in ASCII, so that nothing in it steers a terminal."""
    typer.echo(without_passwords(json.dumps(document)))


def print_file(text: str) -> None:
    """Print the text of a file: as it is into a pipe or file, line by line as it may be shown in a terminal."""
    FileOutput(sys.stdout).write(text)


class FileOutput:
    """A stream for the text of a file, which a terminal may not obey."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        if self._stream.isatty():
            text = "\n".join(map(printable, text.split("\n")))
        return self._stream.write(text)


def confirm(question: str) -> None:
    """Ask on stderr; anything but yes aborts."""
    typer.confirm(printable(question), abort=True, err=True)


def print_traceback(error: BaseException) -> None:
    """Print an error with where it comes from; its message is one line."""
    import traceback

    for part in traceback.format_exception(error):
        has_lines = part.startswith(("  File ", "Traceback ", "\n"))
        print_lines(*(part.rstrip("\n").split("\n") if has_lines else [part.rstrip()]), err=True)


def print_result(document: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print one JSON object with ``--json``, else lines for a person."""
    if as_json:
        print_json(document)
    else:
        print_lines(*lines)


def print_report(shown: Report | Comparison, *files: str) -> None:
    """Print a report, the lines that name its ``files`` and, last, the verdict.

    In color in a terminal; NO_COLOR and FORCE_COLOR override that.
    """
    from rich.console import Console

    from tuner.reporting.faces import PIPED_WIDTH

    console = Console(width=terminal_width(sys.stdout) or PIPED_WIDTH)
    if console.is_terminal:
        shown.print_to(console, files)
    else:
        typer.echo(shown.text(files=files), nl=False)
