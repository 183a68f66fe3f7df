"""Train and dev error of every trial: bias to the right, variance above the diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import Diagnosis, ErrorEstimate
from tuner.formatting import count
from tuner.outcomes import TrialState
from tuner.reporting.figures.error_axes import ErrorAxis, both_scales, error_axis
from tuner.reporting.figures.figure import Figure, Positions, positions
from tuner.reporting.frames import dev_error, train_error
from tuner.reporting.svg import AxisScale, Plot
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

GAPS = (0.05, 0.1, 0.2, 0.4)
LABEL_WIDTH = 48
LEGEND = {"complete": "complete trial", "explored": "exploring trial", "pruned": "pruned trial, at its last epoch"}


def scatter(report: Report) -> Figure | None:
    """Draw every trial that has errors; the caption counts the diverged ones."""
    unit = report.diagnosis.unit
    shown = [t for t in report.record.trials if t.networks and not t.has_diverged]
    best, corrected = report.best, report.corrected
    if not shown or best is None:
        return None
    train = np.array([train_error(trial) for trial in shown], float)
    dev = np.array([dev_error(trial) for trial in shown], float)
    kinds = np.array([_kind(trial) for trial in shown])
    place = next(k for k, trial in enumerate(shown) if trial.number == best.number)
    also = [dev[place], *((corrected.low, corrected.high) if corrected else ())]

    def draw(kind: str, key: str) -> tuple[str, Positions]:
        plot = Plot(height=400)
        across = error_axis(train, kind, report.diagnosis.unit, also=train[place])
        x, y = across.on(plot.x_scale), error_axis(dev, kind, report.diagnosis.unit, also=also).on(plot.y_scale)
        plot.x_axis(x, "train error", unit.tick)
        plot.y_axis(y, "dev error", unit.tick)
        _equal_gaps(plot, x, y, across, report.diagnosis)
        px, py = x(train), y(dev)
        for each in ("pruned", "complete", "explored"):
            plot.dots(px[kinds == each], py[kinds == each], each)
        plot.circle(px[place], py[place], 7, "best")
        if corrected is not None:
            _corrected(plot, float(px[place]), y, corrected)
        alt = f"Train against dev error of {count(len(shown), 'trial')}"
        return plot.svg(key, alt), positions(report.listed, shown, px, py)

    across, up = (
        error_axis(train, "linear", report.diagnosis.unit, also=train[place]),
        error_axis(dev, "linear", report.diagnosis.unit, also=also),
    )
    return Figure(
        title="Train against dev error",
        **both_scales(np.concatenate([train, dev]), "scatter", draw),
        sentence=_sentence(report, beyond=int(np.sum((train > across.high) | (dev > up.high)))),
        legend=(
            ("best", "best trial, measured"),
            *((("corrected", "best trial, selection-corrected, with its 95% interval"),) if corrected else ()),
            *((kind, LEGEND[kind]) for kind in LEGEND if kind in kinds),
        ),
    )


def _corrected(plot: Plot, x: float, y: AxisScale, corrected: ErrorEstimate) -> None:
    """Draw the selection-corrected error of the best trial with its interval."""
    low, middle, high = y([corrected.low, corrected.value, corrected.high]).tolist()
    plot.line((x, x), (low, high), "corrected whisker")
    for end in (low, high):
        plot.line((x - 5, x + 5), (end, end), "corrected whisker")
    plot.line((x - 6, x, x + 6, x, x - 6), (middle, middle - 6, middle, middle + 6, middle), "corrected point")


def _kind(trial: TrialRecord) -> str:
    if trial.state != TrialState.COMPLETE:
        return "pruned"
    return "explored" if trial.exploring else "complete"


def _equal_gaps(plot: Plot, x: AxisScale, y: AxisScale, across: ErrorAxis, diagnosis: Diagnosis) -> None:
    """Draw lines of equal dev − train: 0, the threshold and some larger gaps, labeled where they leave the frame."""
    threshold, unit = diagnosis.material_gap, diagnosis.unit
    train, free = across.grid(), plot.right + LABEL_WIDTH
    for gap in [0.0, threshold, *(gap for gap in unit.scaled(GAPS) if gap > 1.5 * threshold)]:
        inside = train[(train + gap >= y.low) & (train + gap <= y.high)]
        if len(inside) < 2:
            continue
        plot.line(x(inside), y(inside + gap), "diagonal" if gap == 0 else "line" if gap == threshold else "gap")
        end = float(x(inside[-1]))
        leaves_above = float(y(inside[-1] + gap)) < plot.top + 12
        if gap and leaves_above and plot.left + LABEL_WIDTH < end < free - LABEL_WIDTH:
            plot.text(end, plot.top - 5, f"gap {unit.gap(gap)}{unit.of_gaps}", "note", "middle")
            free = end
        if gap == 0:
            at = float(x(inside[len(inside) // 2]))
            anchor = "end" if at > (plot.left + plot.right) / 2 else "start"
            beside = at + (8 if anchor == "start" else -8)
            plot.text(beside, float(y(inside[len(inside) // 2])) + 14, "dev = train", "note halo", anchor)


def _sentence(report: Report, beyond: int) -> str:
    unit = report.diagnosis.unit
    diverged = report.record.count().diverged
    text = (
        "Further right is more bias; further above the lowest line (dev = train) is more variance. Each line joins "
        f"trials with the same dev − train (uncorrected){', in pp' if unit.is_percent else ''}; the red "
        "one is the threshold."
    )
    if beyond:
        text += f" {count(beyond, 'trial')} beyond the edge {'is' if beyond == 1 else 'are'} drawn on it."
    if diverged:
        text += f" {count(diverged, 'diverged trial')} {'is' if diverged == 1 else 'are'} left out."
    return text
