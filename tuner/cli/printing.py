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


def print_report(shown: Report | Comparison) -> None:
    """In color where somebody looks, as plain text elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(shown, crop=False)  # a command that is cut off cannot be typed
    else:
        typer.echo(shown.text(), nl=False)
