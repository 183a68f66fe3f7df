"""Epochs and time: how long trials ran, and how much pruning saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count, duration
from tuner.formatting import share as in_percent
from tuner.outcomes import StopReason, TrialState
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import Plot
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

BARS = 24
ENDS = {
    StopReason.PATIENCE: "early stopping",
    StopReason.RETURNED: "ended by the trainer",
    StopReason.MAX_EPOCHS: "maximum number of epochs",
    StopReason.PRUNED: "pruned",
    StopReason.DIVERGED: "diverged",
}


def effort(report: Report) -> Figure | None:
    """Draw a histogram of epochs, by what ended the trial."""
    ran = [trial for trial in report.record.trials if trial.epochs and trial.has_result]
    if len(ran) < 2:
        return None
    epochs = np.array([trial.epochs for trial in ran], float)
    edges = _edges(report.definition.training.max_epochs, float(epochs.max()))
    heights = {end: np.histogram([t.epochs for t in ran if _end(t) == end and t.epochs], edges)[0] for end in ENDS}
    plot = Plot()
    x = plot.x_scale(float(edges[0]), float(edges[-1]))
    y = plot.y_scale(0, float(max(sum(heights.values()).max(), 1)) * 1.05)  # type: ignore[union-attr]
    plot.y_axis(y, "trials", lambda v: f"{v:,.0f}", [t for t in y.ticks(4) if t == int(t)])
    floor = np.zeros(len(edges) - 1)
    for end, height in heights.items():
        for left, right, below, h in zip(edges[:-1], edges[1:], floor, height, strict=True):
            if h:
                top = float(y(below + h))
                plot.rect(float(x(left)) + 0.5, top, float(x(right) - x(left)) - 1, float(y(below)) - top, f"bar {end}")
        floor = floor + height
    for tick in x.ticks():
        plot.text(float(x(tick)), plot.bottom + 16, f"{tick:.0f}", "tick", "middle")
    plot.text((plot.left + plot.right) / 2, plot.height - 8, "epochs run", "axis", "middle")
    return Figure(
        title="Pruning and time",
        sentence=_sentence(report, ran),
        svg=plot.svg("effort", f"Epochs of {count(len(ran), 'trial')}, by what ended them"),
        legend=tuple((end, words) for end, words in ENDS.items() if heights[end].any()),
    )


def _edges(max_epochs: int, most: float) -> np.ndarray:
    """Return the edges of at most BARS bars, each between two epochs; the last ends at the maximum."""
    step = max(1, -(-max(max_epochs, int(most)) // BARS))
    return np.arange(0, max(max_epochs, int(most)) + step, step) + 0.5


def _end(trial: TrialRecord) -> StopReason:
    return trial.stop_reason if trial.stop_reason in ENDS else StopReason.PATIENCE


def _sentence(report: Report, ran: list[TrialRecord]) -> str:
    seconds = sum(trial.seconds or 0.0 for trial in ran)
    text = f"{count(len(ran), 'trial')} took {duration(seconds)} of computing, {duration(seconds / len(ran))} each."
    whole = [trial.epochs or 0 for trial in ran if trial.state == TrialState.COMPLETE]
    short = [trial.epochs or 0 for trial in ran if trial.state == TrialState.PRUNED]
    if short and whole:
        saved = max(0.0, len(short) * float(np.mean(whole)) - sum(short))
        share = saved / (saved + sum(whole) + sum(short))
        text += f" Pruning ended {count(len(short), 'trial')} early and saved about {in_percent(share)} of the epochs."
    else:
        text += " No trial was pruned."
    at_limit = sum(trial.stop_reason == StopReason.MAX_EPOCHS for trial in ran)
    if at_limit:
        text += f" {count(at_limit, 'trial')} reached the maximum of {report.definition.training.max_epochs} epochs."
    return text
