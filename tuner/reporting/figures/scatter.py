"""Train against dev error of every trial: how far right is bias, how far above the diagonal is variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count, points
from tuner.outcomes import TrialState
from tuner.reporting.figures.figure import Figure
from tuner.reporting.frames import dev_error, train_error
from tuner.reporting.svg import AxisScale, Plot, percent_tick
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

GAPS = (0.05, 0.1, 0.2, 0.4)
LABEL_WIDTH = 48
LEGEND = {"complete": "complete trial", "explored": "exploring trial", "pruned": "pruned, as of its last epoch"}


def scatter(report: Report) -> Figure | None:
    """Every trial that has errors, on axes stretched near zero; diverged ones are only counted."""
    shown = [t for t in report.record.trials if t.networks and not t.has_diverged]
    if not shown or report.best is None:
        return None
    train = np.array([train_error(trial) for trial in shown], float)
    dev = np.array([dev_error(trial) for trial in shown], float)
    top = _limit(np.concatenate([train[np.isfinite(train)], dev]))
    plot = Plot(height=400)
    x, y = plot.x_scale(0, top, "sqrt"), plot.y_scale(0, top, "sqrt")
    plot.x_axis(x, "train error", percent_tick)
    plot.y_axis(y, "dev error", percent_tick)
    _equal_gaps(plot, x, y, top, report.diagnosis.material_gap)
    px, py = x(train), y(dev)
    kinds = np.array([_kind(trial) for trial in shown])
    for kind in ("pruned", "complete", "explored"):
        plot.dots(px[kinds == kind], py[kinds == kind], kind)
    place = next(k for k, trial in enumerate(shown) if trial.number == report.best.number)
    plot.circle(px[place], py[place], 7, "best")
    beyond = int(np.sum((train > top) | (dev > top)))
    return Figure(
        title="Train against dev error",
        sentence=_sentence(report, beyond),
        svg=plot.svg("scatter", f"Train against dev error of {count(len(shown), 'trial')}"),
        legend=(("best", "best trial"), *((kind, LEGEND[kind]) for kind in LEGEND if kind in kinds)),
        trials={t.number: (float(a), float(b)) for t, a, b in zip(shown, px, py, strict=True)},
    )


def _kind(trial: TrialRecord) -> str:
    if trial.state != TrialState.COMPLETE:
        return "pruned"
    return "explored" if trial.exploring else "complete"


def _limit(errors: np.ndarray) -> float:
    """Where the axes end: a few hopeless trials must not squeeze all others into a corner."""
    highest, most = float(errors.max()), float(np.quantile(errors, 0.9))
    return min(1.0, max(1.05 * min(highest, 2 * most), 0.01))


def _equal_gaps(plot: Plot, x: AxisScale, y: AxisScale, top: float, line: float) -> None:
    """Lines on which dev − train is the same: none, the material gap, and some larger ones, named where they leave."""
    train = np.linspace(0, 1, 60) ** 2 * top
    free = plot.right + LABEL_WIDTH
    for gap in [0.0, line, *(gap for gap in GAPS if gap > 1.5 * line)]:
        along = np.append(train[train + gap < top], max(top - gap, 0.0))
        if top - gap <= 0:
            continue
        plot.line(x(along), y(along + gap), "diagonal" if gap == 0 else "line" if gap == line else "gap")
        end = float(x(along[-1]))
        if gap and plot.left + LABEL_WIDTH < end < free - LABEL_WIDTH:
            plot.text(end, plot.top - 5, f"gap {points(gap)}", "note", "middle")
            free = end
    plot.text(float(x(0.5 * top)) + 8, float(y(0.5 * top)) + 14, "dev = train", "note halo")


def _sentence(report: Report, beyond: int) -> str:
    diverged = report.record.count().diverged
    told = (
        "Further right is more bias, further above the lowest line (dev = train) more variance; each line joins trials "
        "with the same gap, in points. Both axes are stretched near zero."
    )
    if beyond:
        told += f" {count(beyond, 'trial')} beyond the edge {'is' if beyond == 1 else 'are'} drawn on it."
    if diverged:
        told += f" {count(diverged, 'diverged trial')} {'is' if diverged == 1 else 'are'} left out."
    return told
