"""What the batch size costs and brings: seconds per epoch, and noise from epoch to epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count
from tuner.reporting.axes import HyperparameterAxis, hyperparameter_axes
from tuner.reporting.figures.figure import Figure
from tuner.reporting.frames import mean_curve
from tuner.reporting.svg import Plot
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

FEWEST = 6  # epochs that say something of noise


def batches(report: Report) -> Figure | None:
    """Draw the median of both over the trials of each batch size, with their quartiles."""
    axis = next((axis for axis in hyperparameter_axes(report.definition) if axis.name == "batch_size"), None)
    trials = [trial for trial in report.record.trials if trial.has_result and not trial.has_diverged]
    if axis is None or not trials:
        return None
    drawn = [
        _panel(axis, trials, "seconds", "seconds per epoch", _seconds),
        _panel(
            axis, trials, "noise", f"noise of train error{', pp' if report.diagnosis.unit.is_percent else ''}", _noise
        ),
    ]
    if not all(drawn):
        return None
    return Figure(
        title="Time and noise along the batch size",
        sentence=(
            "Median and quartiles of the trials. An epoch of small mini-batches takes longer, and makes more updates. "
            "The noise is the standard deviation with which the train error goes up and down from epoch to epoch, in "
            "the later half of the epochs. With the same alpha, larger mini-batches make less of it."
        ),
        svg=f'<div class="small">{"".join(drawn)}</div>',
        wide=True,
    )


def _seconds(trial: TrialRecord) -> float | None:
    """Return the median seconds of an epoch."""
    seconds = mean_curve(trial)["seconds"]
    return float(np.median(seconds)) if len(seconds) else None


def _noise(trial: TrialRecord) -> float | None:
    """Return the standard deviation of a train error, in pp or its unit, around the line through its neighbors."""
    errors = mean_curve(trial)["train_error"]
    if len(errors) < FEWEST:
        return None
    bends = np.diff(errors[len(errors) // 2 :], n=2)  # of independent errors, six times their variance
    return float((100 if trial.unit.is_percent else 1) * np.sqrt(np.mean(bends**2) / 6))


def _panel(
    axis: HyperparameterAxis,
    trials: list[TrialRecord],
    key: str,
    title: str,
    of: Callable[[TrialRecord], float | None],
) -> str:
    """Draw one quantity along the batch size; empty if fewer than two batch sizes have it."""
    by_place: dict[float, list[float]] = defaultdict(list)
    for trial in trials:
        place, measured = axis.position(trial.params.get("batch_size")), of(trial)
        if place is not None and measured is not None:
            by_place[place].append(measured)
    if len(by_place) < 2:
        return ""
    places = sorted(by_place)
    low, middle, high = np.array([np.quantile(by_place[place], (0.25, 0.5, 0.75)) for place in places]).T
    plot = Plot(width=310, height=220, margins=(34, 12, 40, 48))
    x, y = plot.x_scale(0, 1), plot.y_scale(0, max(1.05 * float(high.max()), 1e-9))
    plot.y_axis(y, title, lambda tick: f"{tick:g}", y.ticks(4))
    plot.below(*axis.ticks_on(x))
    plot.text((plot.left + plot.right) / 2, plot.height - 6, "batch_size", "axis", "middle")
    plot.band(x(places), y(low), y(high), "dev")
    plot.line(x(places), y(middle), "smooth dev")
    n = sum(map(len, by_place.values()))
    return plot.svg(f"batches-{key}", f"{title.capitalize()} of {count(n, 'trial')} along batch_size")
