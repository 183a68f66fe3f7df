"""Learning curves: error after every epoch, measured and smoothed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import exponentially_weighted_average
from tuner.formatting import count, join
from tuner.reporting.figures.error_axes import ErrorAxis, both_scales, error_axis
from tuner.reporting.figures.figure import Figure, Positions
from tuner.reporting.frames import dev_error, mean_curve
from tuner.reporting.svg import Plot
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

WINDOW = 1 / 15  # of the epochs: window of the average
NEXT_BEST = 6
MOST_NAMED = 6  # best epochs in a sentence
LEGEND = (("train", "train error"), ("dev", "dev error"))


def curves(report: Report) -> Figure | None:
    """Draw train and dev error of the best trial over its epochs."""
    best, weights = report.best, report.record.dev_weights
    if best is None or not len(mean_curve(best)["seconds"]):
        return None
    errors = _errors([best], weights)

    def draw(kind: str, key: str) -> tuple[str, Positions]:
        plot = Plot(height=400)
        epochs = _draw(plot, best, error_axis(errors, kind, best.unit), weights, report.error_name)
        return plot.svg(key, f"Train and dev error of trial {best.number} over {count(epochs, 'epoch')}"), {}

    return Figure(
        title=f"Learning curves of the best trial, number {best.number}",
        sentence=(
            "If dev error no longer falls while train error still does, more epochs add variance. If both still fall "
            f"at the end, more epochs may help. {_mark_sentence(best)}Thin lines are measured; thick lines are their "
            "bias-corrected exponentially weighted average."
        ),
        **both_scales(errors, "curves", draw),
        legend=LEGEND,
    )


def next_curves(report: Report) -> Figure | None:
    """Draw the curves of the next best trials, all on one scale."""
    shown = [trial for trial in report.findings.ranked[1 : NEXT_BEST + 1] if len(mean_curve(trial)["seconds"])]
    if not shown:
        return None
    weights = report.record.dev_weights
    axis = error_axis(_errors(shown, weights), "log", shown[0].unit)
    drawn = []
    for trial in shown:
        plot = Plot(width=310, height=220, margins=(34, 12, 40, 42))
        title = f"trial {trial.number}, dev error {trial.unit.text(dev_error(trial))}"
        epochs = _draw(plot, trial, axis, weights, title)
        drawn.append(plot.svg(f"curve-{trial.number}", f"Errors of trial {trial.number} over {count(epochs, 'epoch')}"))
    return Figure(
        title="Learning curves of the next best trials",
        sentence=(
            "If the curves are alike, the result does not depend on one trial. A trial whose best epoch is a single "
            "dip far below its neighbors is probably noise."
        ),
        svg=f'<div class="small">{"".join(drawn)}</div>',
        legend=LEGEND,
        wide=True,
    )


def _errors(trials: list[TrialRecord], weights: np.ndarray | None) -> np.ndarray:
    """Return all errors of the curves of some trials."""
    curves = [mean_curve(trial, weights) for trial in trials]
    return np.concatenate([curve[name] for curve in curves for name in ("train_error", "dev_error")])


def _draw(plot: Plot, trial: TrialRecord, axis: ErrorAxis, weights: np.ndarray | None, title: str) -> int:
    """Draw axes, curves and the best epochs of its networks; return the number of epochs."""
    curve = mean_curve(trial, weights)
    epochs = np.arange(1, len(curve["seconds"]) + 1)
    x = plot.x_scale(1, max(len(epochs), 2))
    y = axis.on(plot.y_scale)
    plot.x_axis(x, "epoch", lambda v: f"{v:.0f}", [t for t in x.ticks() if t == int(t)])
    plot.y_axis(y, title, trial.unit.tick)
    beta = 1 - 1 / max(WINDOW * len(epochs), 2)
    for name in ("train", "dev"):
        values = curve[f"{name}_error"]
        plot.line(x(epochs), y(values), f"raw {name}")
        plot.line(x(epochs), y(exponentially_weighted_average(values, beta)), f"smooth {name}")
    for epoch in _best_epochs(trial):
        plot.upright(float(x(epoch)), "mark")
    return len(epochs)


def _best_epochs(trial: TrialRecord) -> list[int]:
    """Return the distinct best epochs of a trial's networks."""
    return sorted({network.best_epoch for network in trial.networks if network.best_epoch})


def _mark_sentence(trial: TrialRecord) -> str:
    epochs = _best_epochs(trial)
    if len(epochs) > 1:
        networks = count(len(trial.networks), "network")
        named = join([*map(str, epochs)]) if len(epochs) <= MOST_NAMED else f"{epochs[0]} to {epochs[-1]}"
        return f"The vertical lines are the best epochs of its {networks}: {named}. "
    return f"The vertical line is the best epoch, {epochs[0]}. " if epochs else ""
