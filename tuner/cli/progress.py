"""Progress of a search on stderr: a bar in a terminal, one line per minute elsewhere, or JSON lines."""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuner.cli.printing import metric_text, print_log, wrapped
from tuner.errors import UsageError
from tuner.formatting import percent, points, rough_duration, value
from tuner.printable import printable

if TYPE_CHECKING:
    from tuner.running import SearchProgress
    from tuner.storage import EndedTrial

SECONDS_BETWEEN_LINES = 60.0
FORMATS = ("text", "json")
SEPARATOR = " · "
MATTERS_LEAST = ("speed", "running", "diverged", "pruned", "left", "best", "failed")
"""Parts of the progress line in the order they are left out in a narrow terminal."""
NARROWEST_BAR, WIDEST_BAR = 5, 24


def check_log_format(log_format: str) -> None:
    """Raise UsageError for an unknown log format."""
    if log_format not in FORMATS:
        raise UsageError(f"--log-format: expected {' or '.join(FORMATS)}, got {log_format!r}")


@contextmanager
def show_progress(*, quiet: bool, verbose: bool, log_format: str) -> Iterator[Callable[[SearchProgress], None] | None]:
    """Yield the function a search calls with its progress, or None to show nothing.

    ``verbose``: also one line per trial; ``log_format`` "json": every line is an object.
    """
    if log_format == "json":
        yield JsonLines(verbose=verbose)
    elif quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(verbose=verbose) as update:
            yield update
    else:
        yield TextLines(verbose=verbose)


@contextmanager
def _bar(*, verbose: bool) -> Iterator[Callable[[SearchProgress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = BarColumn(bar_width=WIDEST_BAR)
    columns = (
        TextColumn("[bold]trials"),
        bar,
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=False) as progress:
        task = progress.add_task("trials", total=None, note="")

        def update(report: SearchProgress) -> None:
            if verbose:
                for trial in report.ended:
                    for line in wrapped(printable(ended_text(trial, report.metric)), progress.console.width):
                        progress.console.print(line, markup=False, soft_wrap=True)
            counted = len("trials   ") + 2 * len(str(report.allowed)) + len("/ ")  # "trials ", bar, " 36/100 ", note
            note = progress_text(report, progress.console.width - counted)
            left = progress.console.width - counted - len(note)
            bar.bar_width = min(left, WIDEST_BAR) if left >= NARROWEST_BAR else 0
            progress.update(task, completed=report.done, total=report.allowed, note=note)

        yield update


def progress_text(report: SearchProgress, width: int | None = None) -> str:
    """Best dev error and its gap, speed, time left, and trials by state, in one line.

    Parts that do not fit ``width`` are left out, the least important first.
    """
    counts, best = report.progress.counts, report.progress.best
    parts = {}
    if best is not None:
        parts["best"] = f"best dev error {percent(best.dev_error)}, gap {points(best.dev_error - best.train_error)} pp"
    if report.new:
        parts["speed"] = _speed(report.new / report.seconds)
        if report.allowed > report.done:
            parts["left"] = f"{rough_duration((report.allowed - report.done) * report.seconds / report.new)} left"
    numbers = {"running": report.progress.running, "pruned": counts.pruned, "diverged": counts.diverged}
    parts |= {name: f"{n} {name}" for name, n in {**numbers, "failed": counts.failed}.items() if n}
    for name in MATTERS_LEAST:
        if width is not None and len(SEPARATOR.join(parts.values())) > width:
            parts.pop(name, None)
    return SEPARATOR.join(parts.values())


def _speed(per_second: float) -> str:
    return f"{per_second:.3g} trials/s" if per_second >= 0.1 else f"{60 * per_second:.2g} trials/min"


def ended_text(trial: EndedTrial, metric: str) -> str:
    """Describe a trial that ended, in one line."""
    parts = [trial.state if trial.reason is None else f"{trial.state}: {trial.reason}"]
    if trial.value is not None:
        parts.append(f"value {metric_text(metric, trial.value)}")
    if trial.epochs is not None:
        parts.append(f"{trial.epochs} epochs ({trial.stop_reason})")
    if trial.seconds is not None:
        parts.append(rough_duration(trial.seconds))
    parts += [f"{name} {value(of)}" for name, of in trial.params.items()]
    return f"trial {trial.number} {', '.join(parts)}"


class TextLines:
    """Lines for a log: one per minute, and with ``verbose`` one per trial."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._last = time.monotonic()

    def __call__(self, report: SearchProgress) -> None:
        """Print the lines that are due."""
        if self._verbose:
            for trial in report.ended:
                self.say_ended(trial, report.metric)
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self.say_progress(report)

    def say_ended(self, trial: EndedTrial, metric: str) -> None:
        """Print a trial that ended."""
        say(ended_text(trial, metric))

    def say_progress(self, report: SearchProgress) -> None:
        """Print the progress of the search."""
        say(f"{report.done} of {report.allowed} trials · {progress_text(report)}")


class JsonLines(TextLines):
    """The same as JSON, one object per line."""

    def say_ended(self, trial: EndedTrial, metric: str) -> None:
        """Print a trial that ended."""
        log_json("trial", **asdict(trial))

    def say_progress(self, report: SearchProgress) -> None:
        """Print the progress of the search."""
        log_json("progress", **_fields(report))


def say(text: str) -> None:
    """Print one line with the time."""
    print_log(f"{time.strftime('%H:%M:%S')} {text}")


def _fields(report: SearchProgress) -> dict[str, Any]:
    best = report.progress.best
    return {
        "done": report.done,
        "allowed": report.allowed,
        "seconds": round(report.seconds, 3),
        "trials_per_second": round(report.new / report.seconds, 4) if report.new else None,
        "running": report.progress.running,
        **asdict(report.progress.counts),
        "best": None
        if best is None
        else {"number": best.number, "dev_error": best.dev_error, "train_error": best.train_error},
    }


def log_json(event: str, **fields: Any) -> None:
    """Print a JSON line: ``time`` (UTC), ``event`` and its fields."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    print_log(json.dumps({"time": now, "event": event, **fields}))
