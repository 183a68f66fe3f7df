"""Train and dev error of every trial along each hyperparameter, and the best trial of each slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count
from tuner.reporting.axes import HyperparameterAxis, hyperparameter_axes
from tuner.reporting.figures.error_axes import ErrorAxis, better_scale, error_axis
from tuner.reporting.figures.figure import Figure, Positions, positions
from tuner.reporting.figures.parallel import sample
from tuner.reporting.frames import dev_error, train_error
from tuner.reporting.svg import Plot
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

FEWEST = 6  # trials
SLICES = 8


def validation(report: Report) -> Figure | None:
    """Draw one panel per hyperparameter, all on the same scale of errors."""
    axes, ranked = hyperparameter_axes(report.definition), report.findings.ranked
    if len(ranked) < FEWEST or not axes:
        return None
    shown = sample(ranked)
    dev = np.array([dev_error(trial) for trial in shown], float)
    train = np.array([train_error(trial) for trial in shown], float)
    errors = np.concatenate([train, dev])
    scale = error_axis(errors, better_scale(errors), report.diagnosis.unit)
    svgs, dots = [], {}
    for place, axis in enumerate(axes):
        key = f"validation-{place}"
        svg, dots[key] = _panel(report, key, axis, scale, shown, train, dev)
        svgs.append(svg)
    sampled = (
        "" if len(shown) == len(ranked) else f" The best and a sample of the rest, {len(shown)} of {len(ranked):,}."
    )
    return Figure(
        title="Validation curves",
        sentence=(
            "Every trial along each range, with its train and its dev error (measured). The line is the isolation "
            f"plot: the lowest dev error in each of {SLICES} slices of the range, the other hyperparameters at their "
            "best. Where it is lowest and flat, the value is good; if it still falls at an end, widen the range."
            f"{sampled}"
        ),
        svg=f'<div class="small">{"".join(svgs)}</div>',
        legend=(("train", "train error"), ("dev", "dev error"), ("best-line", "best dev error of the slice")),
        dots=dots,
        wide=True,
    )


def _panel(
    report: Report,
    key: str,
    axis: HyperparameterAxis,
    errors: ErrorAxis,
    shown: list[TrialRecord],
    train: np.ndarray,
    dev: np.ndarray,
) -> tuple[str, Positions]:
    places = [axis.position(trial.params.get(axis.name)) for trial in shown]
    has = np.array([place is not None for place in places])
    at = np.array([place for place in places if place is not None], float)
    plot = Plot(width=310, height=220, margins=(34, 12, 40, 42))
    x, y = plot.x_scale(0, 1), errors.on(plot.y_scale)
    plot.y_axis(y, "error", shown[0].unit.tick, y.ticks(4))
    plot.below(*axis.ticks_on(x))
    plot.text((plot.left + plot.right) / 2, plot.height - 6, axis.name, "axis", "middle")
    px, py = x(at), y(dev[has])
    plot.dots(px, y(train[has]), "train faint")
    plot.dots(px, py, "dev faint")
    middles, lowest = _isolated(at, dev[has])
    plot.line(x(middles), y(lowest), "smooth best")
    trials = [trial for trial, known in zip(shown, has, strict=True) if known]
    alt = f"Train and dev error of {count(len(trials), 'trial')} along {axis.name}"
    return plot.svg(key, alt), positions(report.listed, trials, px, py)


def _isolated(at: np.ndarray, dev: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the best trial of each slice is, and its dev error."""
    slices = np.minimum((at * SLICES).astype(int), SLICES - 1)
    best = [int(np.flatnonzero(slices == k)[dev[slices == k].argmin()]) for k in np.unique(slices)]
    return at[best], dev[best]
