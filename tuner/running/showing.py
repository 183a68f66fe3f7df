"""What a person sees while a search runs: a bar in a terminal, a line in a notebook; and the words for a trial."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuner.formatting import rough_duration, value
from tuner.running.search import OnProgress, SearchProgress
from tuner.storage import EndedTrial
from tuner.study import metric_text
from tuner.units import SHARE, Unit

if TYPE_CHECKING:
    from rich.console import Console

SEPARATOR = " · "
MATTERS_LEAST = ("speed", "running", "diverged", "pruned", "left", "best", "again", "failed")
"""Parts of the progress line in the order they are left out in a narrow terminal."""
NARROWEST_BAR, WIDEST_BAR = 5, 24


@contextmanager
def show_where_seen() -> Iterator[OnProgress | None]:
    """Yield what shows the progress in a terminal or a notebook; None where nobody would see it."""
    from rich.console import Console

    if Console().is_jupyter:
        yield _notebook_line()
    elif sys.stderr.isatty():
        with progress_bar() as update:
            yield update
    else:
        yield None


def _notebook_line() -> OnProgress:
    """One line below the cell, which changes."""
    from IPython.display import display

    handle: Any = display({"text/plain": "trials: starting"}, raw=True, display_id=True)

    def update(report: SearchProgress) -> None:
        line = f"trials {report.done} of {report.allowed} · {progress_text(report)}"
        handle.update({"text/plain": line}, raw=True)

    return update


@contextmanager
def progress_bar(print_ended: Callable[[Console, SearchProgress], None] | None = None) -> Iterator[OnProgress]:
    """Show a bar on stderr, a terminal; ``print_ended`` prints above it."""
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
            if print_ended is not None:
                print_ended(progress.console, report)
            counted = len("trials   ") + 2 * len(str(report.allowed)) + len("/ ")  # "trials ", bar, " 36/100 ", note
            note = progress_text(report, progress.console.width - counted)
            left = progress.console.width - counted - len(note)
            bar.bar_width = min(left, WIDEST_BAR) if left >= NARROWEST_BAR else 0
            progress.update(task, completed=report.done, total=report.allowed, note=note)

        yield update


def progress_text(report: SearchProgress, width: int | None = None) -> str:
    """Best dev error, how far it is above train error, speed, time left, and trials by state, in one line.

    Once all trials are done, how many trainings of the best ones again are, instead of speed and time left.  Parts that
    do not fit ``width`` are left out, the least important first.
    """
    counts, best, unit = report.progress.counts, report.progress.best, report.progress.unit
    parts = {}
    if best is not None:
        parts["best"] = (
            f"best dev {unit.name} {unit.text(best.dev_error)}, "
            f"dev − train {unit.gap(best.dev_error - best.train_error)}{unit.of_gaps}"
        )
    if report.done >= report.allowed and report.progress.confirmations:
        parts["again"] = f"trained again: {report.progress.confirmations_done} of {report.progress.confirmations}"
    elif report.new:
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


def ended_text(trial: EndedTrial, metric: str, unit: Unit = SHARE) -> str:
    """Describe a trial that ended, in one line."""
    parts = [trial.state if trial.reason is None else f"{trial.state}: {trial.reason}"]
    if trial.value is not None:
        parts.append(f"value {metric_text(metric, trial.value, unit)}")
    if trial.epochs is not None:
        parts.append(f"{trial.epochs} epochs ({trial.stop_reason})")
    if trial.seconds is not None:
        parts.append(rough_duration(trial.seconds))
    parts += [f"{name} {value(of)}" for name, of in trial.params.items()]
    return f"trial {trial.number} {', '.join(parts)}"
