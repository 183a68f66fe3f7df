"""``tuner watch``: follow a running study."""

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
"""The pause is at least this many times as long as reading the study, so that watching does not slow the search."""


def watch(
    study: StudyArgument,
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="Time between updates.")] = "2s",
    storage: StorageOption = None,
) -> None:
    """Show best error, workers and verdict until the study is finished or Ctrl-C; only once if not in a terminal."""
    seconds = seconds_of(every, "--every")

    from rich.console import Console

    from tuner.workspace import StudyView

    console = Console(width=None if sys.stdout.isatty() else 100)
    viewed = StudyView(study, storage)
    try:
        if not sys.stdout.isatty():
            console.print(_frame(viewed)[0])
            return
        with suppress(KeyboardInterrupt):
            _follow(viewed, console, seconds)
        console.print(_frame(viewed)[0])
    finally:
        viewed.close()


def _follow(viewed: StudyView, console: Console, seconds: float) -> None:
    """Redraw until the study is finished."""
    from rich.live import Live

    frame, is_finished = _frame(viewed)
    with Live(frame, console=console, screen=True, auto_refresh=False) as live:
        while not is_finished:
            began = time.monotonic()
            frame, is_finished = _frame(viewed)
            live.update(frame, refresh=True)
            time.sleep(max(seconds, SHARE * (time.monotonic() - began)))


def _frame(viewed: StudyView) -> tuple[RenderableType, bool]:
    """The current view, and whether the study is finished."""
    from tuner.reporting import build_report, view

    look, record = viewed.look()
    progress = look.progress
    has_work = progress.counts.finished < progress.budget or progress.is_confirming
    return view(look, None if record is None else build_report(record)), not (look.running or has_work)
