"""Learning curves: error after every epoch, smoothed, with what was measured behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import exponentially_weighted_average
from tuner.formatting import count, join, percent
from tuner.reporting.figures.figure import Figure
from tuner.reporting.frames import dev_error, mean_curve
from tuner.reporting.svg import Plot, percent_tick
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

WINDOW = 1 / 15  # of the epochs: what the average looks back on
NEXT_BEST = 6
MOST_NAMED = 6  # best epochs that a sentence lists
LEGEND = (("train", "train error"), ("dev", "dev error"))


def curves(report: Report) -> Figure | None:
    """Train and dev error of the best trial over its epochs."""
    best = report.best
    if best is None or not len(mean_curve(best)["seconds"]):
        return None
    plot = Plot(height=400)
    epochs = _draw(plot, best, _highest([best]))
    return Figure(
        title=f"Learning curves of the best trial, number {best.number}",
        sentence=(
            "Where the dev line has stopped falling while the train line goes on, more epochs add variance; where both "
            f"still fall, training ended early. {_mark_sentence(best)}Thick lines are the bias-corrected exponentially "
            "weighted average, thin ones what was measured."
        ),
        svg=plot.svg("curves", f"Train and dev error of trial {best.number} over {count(epochs, 'epoch')}"),
        legend=LEGEND,
    )


def next_curves(report: Report) -> Figure | None:
    """The same for the trials that come next, all on one scale."""
    shown = [trial for trial in report.findings.ranked[1 : NEXT_BEST + 1] if len(mean_curve(trial)["seconds"])]
    if not shown:
        return None
    highest = _highest(shown)
    drawn = []
    for trial in shown:
        plot = Plot(width=310, height=220, margins=(34, 12, 40, 42))
        epochs = _draw(plot, trial, highest, title=f"trial {trial.number}, dev error {percent(dev_error(trial))}")
        drawn.append(plot.svg(f"curve-{trial.number}", f"Errors of trial {trial.number} over {count(epochs, 'epoch')}"))
    return Figure(
        title="Learning curves of the next best trials",
        sentence=(
            "Curves that look alike come from settings that train alike; one that ends far below its neighbors by a "
            "single dip owes its rank to luck."
        ),
        svg=f'<div class="small">{"".join(drawn)}</div>',
        legend=LEGEND,
        wide=True,
    )


def _highest(trials: list[TrialRecord]) -> float:
    """Where the error axis ends: not above what the first epochs of most trials have."""
    found = [float(np.max(mean_curve(trial)[name])) for trial in trials for name in ("train_error", "dev_error")]
    return max(min(max(found), 2 * float(np.median(found))) * 1.05, 0.01)


def _draw(plot: Plot, trial: TrialRecord, highest: float, title: str = "error") -> int:
    """Draw axes, curves and the best epochs of its networks; return the number of epochs."""
    curve = mean_curve(trial)
    epochs = np.arange(1, len(curve["seconds"]) + 1)
    x = plot.x_scale(1, max(len(epochs), 2))
    y = plot.y_scale(0, highest, "sqrt")
    plot.x_axis(x, "epoch", lambda v: f"{v:.0f}", [t for t in x.ticks() if t == int(t)])
    plot.y_axis(y, title, percent_tick)
    beta = 1 - 1 / max(WINDOW * len(epochs), 2)
    for name in ("train", "dev"):
        values = curve[f"{name}_error"]
        plot.line(x(epochs), y(values), f"raw {name}")
        plot.line(x(epochs), y(exponentially_weighted_average(values, beta)), f"smooth {name}")
    for epoch in _best_epochs(trial):
        plot.upright(float(x(epoch)), "mark")
    return len(epochs)


def _best_epochs(trial: TrialRecord) -> list[int]:
    """The different best epochs of a trial's networks."""
    return sorted({network.best_epoch for network in trial.networks if network.best_epoch})


def _mark_sentence(trial: TrialRecord) -> str:
    epochs = _best_epochs(trial)
    if len(epochs) > 1:
        networks = count(len(trial.networks), "network")
        named = join([*map(str, epochs)]) if len(epochs) <= MOST_NAMED else f"{epochs[0]} to {epochs[-1]}"
        return f"The upright lines are the best epochs of its {networks}, {named}. "
    return f"The upright line is the best epoch, {epochs[0]}. " if epochs else ""
