"""A running study on one screen: how far it is, the best so far, who works on it, and the verdict so far."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count, percent
from tuner.reporting.frames import dev_error
from tuner.reporting.report import Report
from tuner.reporting.rows import gap_rows
from tuner.reporting.terminal import COLORS, FittingTable
from tuner.storage import RunningTrial, StudyRecord

if TYPE_CHECKING:
    from rich.console import RenderableType

BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH, HEIGHT = 60, 6
RECENT = 20
"""Finished trials that the speed is taken from."""


def view(report: Report, running: Sequence[RunningTrial]) -> RenderableType:
    """Everything as one rich renderable."""
    from rich.console import Group
    from rich.text import Text

    record = report.record
    parts: list[RenderableType] = [Text(_progress(record, running), style="bold")]
    judged = sorted(report.findings.judged, key=lambda trial: (trial.finished or report.made, trial.number))
    errors = np.array([dev_error(trial) for trial in judged], float)
    if len(errors) > 1:
        parts += ["", Text("lowest dev error so far"), *(Text(line, style="cyan") for line in best_curve(errors))]
    if running:
        parts += ["", _workers(running)]
    parts += ["", Text(report.sentences[0])]
    if report.best is not None:
        gaps = FittingTable("gap (pp)", "", "95% interval", "level", right=1)
        for row in gap_rows(report.diagnosis):
            gaps.add_row(row.name, row.value, row.interval, Text(row.level, COLORS[row.level]))
        parts += ["", gaps]
    return Group(*parts)


def _progress(record: StudyRecord, running: Sequence[RunningTrial]) -> str:
    counts, best = record.count(), record.best
    done = counts.finished
    parts = [f"{record.name}: {done:,} of {count(record.budget, 'trial')}"]
    if best is not None:
        parts.append(f"best dev error {percent(dev_error(best))} (trial {best.number})")
    parts += [f"{n:,} {name}" for name in ("pruned", "diverged", "failed") if (n := getattr(counts, name))]
    seconds = seconds_a_trial(record)
    if running and seconds is not None:
        parts.append(f"{60 / seconds:.3g} trials/min")
        if done < record.budget:
            parts.append(f"about {datetime.timedelta(seconds=round(seconds * (record.budget - done)))} left")
    return " · ".join([*parts, f"{len(running)} running"])


def seconds_a_trial(record: StudyRecord) -> float | None:
    """The time from one end to the next, the median of the latest trials' (a pause of a day does not count)."""
    ends = sorted(trial.finished.timestamp() for trial in record.trials if trial.finished is not None)[-RECENT:]
    return max(float(np.median(np.diff(ends))), 1e-3) if len(ends) > 1 else None


def best_curve(errors: np.ndarray) -> list[str]:
    """The lowest error up to each trial as lines of blocks, ``WIDTH`` wide, from 0 to the first trials' error."""
    so_far = np.minimum.accumulate(errors)
    top = max(float(np.quantile(so_far, 0.95)), float(so_far[-1]), 1e-9)
    places = np.linspace(0, len(so_far) - 1, min(WIDTH, len(so_far))).round().astype(int)
    heights = np.round(np.clip(so_far[places] / top, 0, 1) * HEIGHT * 8).astype(int)
    rows = []
    for row in range(HEIGHT - 1, -1, -1):
        filled = np.clip(heights - 8 * row, 0, 8)
        label = {HEIGHT - 1: percent(top), 0: percent(0.0)}.get(row, "")
        rows.append(f"{label:>7} │{''.join(BLOCKS[level] for level in filled)}")
    rows[0] += f"  now {percent(float(so_far[-1]))}"
    return rows


def _workers(running: Sequence[RunningTrial]) -> RenderableType:
    told = FittingTable("trial", "worker", "for", "attempt", right=0)
    for trial in running:
        lasted = str(datetime.timedelta(seconds=round(max(trial.seconds, 0))))
        told.add_row(str(trial.number), f"{trial.host}, process {trial.pid}", lasted, str(trial.attempt))
    return told
