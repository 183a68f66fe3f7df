"""``tuner watch``: a live view of a study, whoever runs it."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import StorageOption, StudyArgument, seconds_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tuner.workspace import StudyView

SHARE = 10
"""Of the time between two looks at the least this many times what a look takes: watching must not slow the search."""


def watch(
    study: StudyArgument,
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="Time between two looks.")] = "2s",
    storage: StorageOption = None,
) -> None:
    """Show best curve, workers and verdict so far until the study is finished or Ctrl-C; once where no one looks."""
    seconds = seconds_of(every, "--every")

    from rich.console import Console

    from tuner.workspace import StudyView

    console = Console(width=None if sys.stdout.isatty() else 100)
    viewed = StudyView(study, storage)
    try:
        if not console.is_terminal:
            console.print(_frame(viewed)[0])
            return
        with suppress(KeyboardInterrupt):
            _follow(viewed, console, seconds)
        console.print(_frame(viewed)[0])
    finally:
        viewed.close()


def _follow(viewed: StudyView, console: Console, seconds: float) -> None:
    """Draw anew, again and again, as long as there is something to wait for."""
    from rich.live import Live

    frame, is_finished = _frame(viewed)
    with Live(frame, console=console, screen=True, auto_refresh=False) as live:
        while not is_finished:
            began = time.monotonic()
            frame, is_finished = _frame(viewed)
            live.update(frame, refresh=True)
            time.sleep(max(seconds, SHARE * (time.monotonic() - began)))


def _frame(viewed: StudyView) -> tuple[RenderableType, bool]:
    """What is shown now, and whether the study is finished."""
    from tuner.reporting import build_report, view

    record, running = viewed.look()
    is_finished = not running and record.count().finished >= record.budget
    return view(build_report(record), running), is_finished
