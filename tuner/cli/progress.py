"""Progress of a search on stderr: a bar in a terminal, one line per minute elsewhere, or JSON lines."""

from __future__ import annotations

import datetime
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuner.cli.printing import print_log, wrapped
from tuner.errors import UsageError
from tuner.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.running import SearchProgress
    from tuner.storage import EndedTrial

SECONDS_BETWEEN_LINES = 60.0
FORMATS = ("text", "json")


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
        from tuner.running.showing import progress_bar

        with progress_bar(_print_ended if verbose else None) as update:
            yield update
    else:
        yield TextLines(verbose=verbose)


def _print_ended(console: Console, report: SearchProgress) -> None:
    """Print the trials that ended, above the bar."""
    from tuner.running.showing import ended_text

    for trial in report.ended:
        for line in wrapped(printable(ended_text(trial, report.metric, report.progress.unit)), console.width):
            console.print(line, markup=False, soft_wrap=True)


@contextmanager
def show_steps(*, quiet: bool = False, log_format: str = "text") -> Iterator[None]:
    """Say which large file is read or which trials are trained, before the search or the result can say more."""
    loggers = [] if quiet else [logging.getLogger(f"tuner.{room}") for room in ("data", "modeling")]
    handler, levels = _Steps(log_format), [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


class _Steps(logging.Handler):
    """Prints what the rooms log."""

    def __init__(self, log_format: str) -> None:
        super().__init__()
        self._log_format = log_format

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        if self._log_format == "json":
            log_json("reading", **vars(record)["read"])
        else:
            print_log(f"tuner: {record.getMessage()}")


class TextLines:
    """Lines for a log: one per minute, and with ``verbose`` one per trial."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._last = time.monotonic()

    def __call__(self, report: SearchProgress) -> None:
        """Print the lines that are due."""
        if self._verbose:
            for trial in report.ended:
                self.say_ended(trial, report)
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self.say_progress(report)

    def say_ended(self, trial: EndedTrial, report: SearchProgress) -> None:
        """Print a trial that ended."""
        from tuner.running.showing import ended_text

        say(ended_text(trial, report.metric, report.progress.unit))

    def say_progress(self, report: SearchProgress) -> None:
        """Print the progress of the search."""
        from tuner.running.showing import progress_text

        say(f"{report.done} of {report.allowed} trials · {progress_text(report)}")


class JsonLines(TextLines):
    """The same as JSON, one object per line."""

    def say_ended(self, trial: EndedTrial, report: SearchProgress) -> None:
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
        "confirmations": report.progress.confirmations,
        "confirmations_done": report.progress.confirmations_done,
        "best": None
        if best is None
        else {"number": best.number, "dev_error": best.dev_error, "train_error": best.train_error},
    }


def tell_of_wait(log_format: str = "text") -> Callable[[str], None]:
    """Return what prints that the database is waited for."""
    if log_format == "json":
        return lambda text: log_json("waiting", reason=text)
    return lambda text: print_log(f"tuner: {text}")


def log_json(event: str, **fields: Any) -> None:
    """Print a JSON line: ``time`` (UTC), ``event`` and its fields."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    print_log(json.dumps({"time": now, "event": event, **fields}))
