"""What is shown on stderr while a search runs: a bar in a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.running import Report

SECONDS_BETWEEN_LINES = 60.0


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Callable[[Report], None] | None]:
    """Yield what a search calls with its progress, or None where nothing is to be shown."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as update:
            yield update
    else:
        yield _Lines()


@contextmanager
def _bar() -> Iterator[Callable[[Report], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("[bold]trials"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task("trials", total=None, note="")

        def update(report: Report) -> None:
            counts = report.progress.counts
            progress.update(task, completed=counts.complete + counts.pruned, total=report.allowed, note=_note(report))

        yield update


def _note(report: Report) -> str:
    counts, best = report.progress.counts, report.progress.best
    parts = []
    if best is not None:
        parts.append(f"best dev {best.dev_error:.2%}, gap {best.dev_error - best.train_error:+.2%}")
    parts += [
        f"{n} {name}"
        for n, name in ((counts.pruned, "pruned"), (counts.diverged, "diverged"), (counts.failed, "failed"))
        if n
    ]
    return " · ".join(parts)


class _Lines:
    """One line a minute with the time: calm in a log or a cron mail."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, report: Report) -> None:
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        counts = report.progress.counts
        done = counts.complete + counts.pruned
        print(
            f"{time.strftime('%H:%M:%S')} {done}/{report.allowed} trials · {_note(report)}", file=sys.stderr, flush=True
        )
