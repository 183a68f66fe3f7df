"""A running study on one screen: progress, best error so far, workers and the verdict so far."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tuner.commands import command_text, study_words
from tuner.formatting import count, moment
from tuner.reporting.report import Report
from tuner.storage import RunningTrial, StudyLook, unclaimed_text
from tuner.units import SHARE, Unit

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH, HEIGHT = 60, 6
BESIDE = 20
"""Columns beside the blocks, for labels."""


def view(look: StudyLook, report: Report | None) -> RenderableType:
    """Return everything as one rich renderable; ``report`` is None for a large study, whose verdict takes too long."""
    from rich.console import Group
    from rich.text import Text

    from tuner.reporting.terminal import Paragraph, gap_table

    parts: list[RenderableType] = [Paragraph(_progress(look), "bold")]
    if look.progress.unclaimed:
        parts.append(Paragraph(unclaimed_text(look.progress.unclaimed)))
    if look.hold is not None:
        parts.append(Paragraph(f"{look.hold} ({moment(look.hold.since)})"))
    if len(look.errors) > 1:
        parts += [
            "",
            Text(f"lowest dev {look.error_name} so far"),
            BestCurve(np.array(look.errors), look.progress.unit),
        ]
    if look.running:
        parts += ["", _workers(look.running)]
    if report is None:
        return Group(
            *parts, "", Paragraph(f"verdict: {command_text('report', *study_words(look.name, look.storage))}", "bold")
        )
    if report.best is not None:
        parts += ["", gap_table(report, level_only=True)]
    return Group(*parts, "", Paragraph(report.sentences[0], "bold"))


def _progress(look: StudyLook) -> str:
    counts, best, budget = look.progress.counts, look.progress.best, look.progress.budget
    done = counts.finished
    parts = [f"{look.name}: {done:,} of {count(max(done, budget), 'trial')}"]
    if best is not None:
        parts.append(f"best dev {look.error_name} {look.progress.unit.text(best.dev_error)} (trial {best.number})")
    parts += [
        f"{n:,} {name}" for name in ("pruned", "diverged", "failed", "unrecorded") if (n := getattr(counts, name))
    ]
    if done >= budget and look.progress.confirmations:
        parts.append(f"trained again: {look.progress.confirmations_done} of {look.progress.confirmations}")
    seconds = seconds_a_trial(look.ends)
    if look.running and seconds is not None:
        parts.append(f"{60 / seconds:.3g} trials/min")
        if done < budget:
            parts.append(f"about {datetime.timedelta(seconds=round(seconds * (budget - done)))} left")
    return " · ".join([*parts, f"{len(look.running)} running"])


def seconds_a_trial(ends: Sequence[datetime.datetime]) -> float | None:
    """Return the median time between the ends of trials; None with fewer than two."""
    between = [(after - before).total_seconds() for before, after in pairwise(ends)]
    return max(float(np.median(between)), 1e-3) if between else None


class BestCurve:
    """The curve of :func:`best_curve`, as wide as the terminal allows."""

    def __init__(self, errors: np.ndarray, unit: Unit = SHARE) -> None:
        self.errors, self.unit = errors, unit

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        width = max(1, min(WIDTH, options.max_width - BESIDE))
        yield Text("\n".join(best_curve(self.errors, width, self.unit)), style="cyan")


def best_curve(errors: np.ndarray, width: int = WIDTH, unit: Unit = SHARE) -> list[str]:
    """Return the lowest error up to each trial as lines of blocks, at most ``width`` wide."""
    so_far = np.minimum.accumulate(errors)
    top = max(float(np.quantile(so_far, 0.95)), float(so_far[-1]), 1e-9)
    places = np.linspace(0, len(so_far) - 1, min(width, len(so_far))).round().astype(int)
    heights = np.round(np.clip(so_far[places] / top, 0, 1) * HEIGHT * 8).astype(int)
    rows = []
    for row in range(HEIGHT - 1, -1, -1):
        filled = np.clip(heights - 8 * row, 0, 8)
        label = {HEIGHT - 1: unit.text(top), 0: unit.text(0.0)}.get(row, "")
        rows.append(f"{label:>7} │{''.join(BLOCKS[level] for level in filled)}")
    rows[0] += f"  now {unit.text(float(so_far[-1]))}"
    return rows


def _workers(running: Sequence[RunningTrial]) -> RenderableType:
    from tuner.reporting.terminal import FittedTable

    table = FittedTable("trial", "worker", "for", "attempt", right=0, wrapping=(1,), drop=(3,))
    for trial in running:
        lasted = str(datetime.timedelta(seconds=round(max(trial.seconds, 0))))
        table.add_row(str(trial.number), trial.worker, lasted, str(trial.attempt))
    return table
