"""What a command prints: one JSON object, lines for a person, or a report in color."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from tuner.reporting import Comparison, Report


ERROR_NAMES = {"dev_corrected": "corrected dev", "train_dev": "train-dev"}
"""Of the errors that a model carries, where people call them otherwise than programs do."""


def print_result(found: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """``--json``: one object on stdout; else what a person reads."""
    typer.echo(json.dumps(found) if as_json else "\n".join(lines))


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
