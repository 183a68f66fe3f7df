"""Train and dev error of every trial: bias to the right, variance above the diagonal."""

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
LEGEND = {"complete": "complete trial", "explored": "exploring trial", "pruned": "pruned trial, at its last epoch"}


def scatter(report: Report) -> Figure | None:
    """Draw every trial that has errors, on square-root axes; the caption counts the diverged ones."""
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
    """Return the end of the axes, so that a few high errors do not hide the other trials."""
    highest, most = float(errors.max()), float(np.quantile(errors, 0.9))
    return min(1.0, max(1.05 * min(highest, 2 * most), 0.01))


def _equal_gaps(plot: Plot, x: AxisScale, y: AxisScale, top: float, threshold: float) -> None:
    """Draw lines of equal dev − train: 0, the threshold and some larger gaps, labeled at their ends."""
    train = np.linspace(0, 1, 60) ** 2 * top
    free = plot.right + LABEL_WIDTH
    for gap in [0.0, threshold, *(gap for gap in GAPS if gap > 1.5 * threshold)]:
        along = np.append(train[train + gap < top], max(top - gap, 0.0))
        if top - gap <= 0:
            continue
        plot.line(x(along), y(along + gap), "diagonal" if gap == 0 else "line" if gap == threshold else "gap")
        end = float(x(along[-1]))
        if gap and plot.left + LABEL_WIDTH < end < free - LABEL_WIDTH:
            plot.text(end, plot.top - 5, f"gap {points(gap)} pp", "note", "middle")
            free = end
    plot.text(float(x(0.5 * top)) + 8, float(y(0.5 * top)) + 14, "dev = train", "note halo")


def _sentence(report: Report, beyond: int) -> str:
    diverged = report.record.count().diverged
    text = (
        "Further right is more bias; further above the lowest line (dev = train) is more variance. Each line joins "
        "trials with the same gap, in pp; the red one is the threshold. Both axes are square-root axes."
    )
    if beyond:
        text += f" {count(beyond, 'trial')} beyond the edge {'is' if beyond == 1 else 'are'} drawn on it."
    if diverged:
        text += f" {count(diverged, 'diverged trial')} {'is' if diverged == 1 else 'are'} left out."
    return text
