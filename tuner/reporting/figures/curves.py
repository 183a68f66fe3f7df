"""Learning curves: error after every epoch, smoothed, with what was measured behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import exponentially_weighted_average
from tuner.reporting.figures.figure import Figure
from tuner.reporting.frames import mean_curve
from tuner.reporting.svg import Plot, percent_tick

if TYPE_CHECKING:
    from tuner.reporting.report import Report

WINDOW = 1 / 15  # of the epochs: what the average looks back on


def curves(report: Report) -> Figure | None:
    """Train and dev error of the best trial over its epochs."""
    best = report.best
    curve = mean_curve(best) if best is not None else {}
    if best is None or not len(curve["seconds"]):
        return None
    plot = Plot(height=400)
    epochs = np.arange(1, len(curve["seconds"]) + 1)
    highest = max(curve["train_error"].max(), curve["dev_error"].max())
    x = plot.x_scale(1, max(len(epochs), 2))
    y = plot.y_scale(0, max(float(highest) * 1.05, 0.01), "sqrt")
    plot.x_axis(x, "epoch", lambda v: f"{v:.0f}", [t for t in x.ticks() if t == int(t)])
    plot.y_axis(y, "error", percent_tick)
    beta = 1 - 1 / max(WINDOW * len(epochs), 2)
    for name in ("train", "dev"):
        values = curve[f"{name}_error"]
        plot.line(x(epochs), y(values), f"raw {name}")
        plot.line(x(epochs), y(exponentially_weighted_average(values, beta)), f"smooth {name}")
    if best.best_epoch:
        at = float(x(best.best_epoch))
        plot.line((at, at), (plot.top, plot.bottom), "mark")
    return Figure(
        title=f"Learning curves of trial {best.number}",
        sentence=(
            "Where the dev line has stopped falling while the train line goes on, more epochs add variance; where both "
            f"still fall, training ended early. The upright line is the best epoch, {best.best_epoch}. Thick lines are "
            "the bias-corrected exponentially weighted average, thin ones what was measured."
        ),
        svg=plot.svg("curves", f"Train and dev error of trial {best.number} over {len(epochs)} epochs"),
        legend=(("train", "train error"), ("dev", "dev error")),
    )
