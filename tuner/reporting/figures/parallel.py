"""Parallel coordinates: one line per trial through its hyperparameters to its dev error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tuner.formatting import count
from tuner.reporting.axes import HyperparameterAxis, hyperparameter_axes
from tuner.reporting.figures.figure import Figure
from tuner.reporting.frames import dev_error
from tuner.reporting.svg import AxisScale, Plot
from tuner.storage import TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

T = TypeVar("T")
MOST_LINES = 240  # more would hide each other and make the page larger
SHADES = 5


def parallel(report: Report) -> Figure | None:
    """Draw complete trials, the better the darker; of many trials the best and an even sample of the rest."""
    axes = hyperparameter_axes(report.definition)
    judged = report.findings.ranked
    if len(judged) < 2 or not axes:
        return None
    shown = sample(judged)
    errors = np.array([dev_error(trial) for trial in shown], float)
    top = max(min(float(errors.max()), 3 * float(np.quantile(errors, 0.75))), float(errors.min()) + 1e-9)
    plot = Plot(width=960, height=340, margins=(34, 46, 26, 46))
    y = plot.y_scale(top, float(errors.min()))
    xs = np.linspace(plot.left, plot.right, len(axes) + 1)
    for k, (trial, error) in reversed(list(enumerate(zip(shown, errors, strict=True)))):
        _trial_line(plot, axes, xs, trial, float(y(error)), k * SHADES // len(shown))
    for x, axis in zip(xs, axes, strict=False):
        _axis(plot, float(x), axis.name, [(plot.bottom - at * (plot.bottom - plot.top), of) for at, of in axis.ticks()])
    errors_at = AxisScale(y.high, y.low, 0, 1).ticks(5)
    _axis(plot, float(xs[-1]), "dev error", [(float(y(tick)), report.diagnosis.unit.tick(tick)) for tick in errors_at])
    all_ = count(len(judged), "complete trial")
    which = f"The {all_}" if len(shown) == len(judged) else f"The best and a sample of the rest, {len(shown)} of {all_}"
    return Figure(
        title="Where the good trials are",
        sentence=(
            f"{which}, one line each; the lower the dev error (right axis, lowest on top), the stronger the line. A "
            "hyperparameter matters if strong lines meet in a part of its axis, and matters little if they cover all "
            "of it."
        ),
        svg=plot.svg(
            "parallel", f"Parallel coordinates of {count(len(shown), 'trial')} over {len(axes)} hyperparameters"
        ),
        legend=tuple((f"shade{k}", words) for k, words in ((0, "best fifth"), (2, "middle"), (4, "worst fifth"))),
        wide=True,
    )


def sample(judged: Sequence[T]) -> list[T]:
    """Return all trials, or the best and an even sample of the rest, half of the lines each."""
    if len(judged) <= MOST_LINES:
        return list(judged)
    half = MOST_LINES // 2
    rest = np.linspace(half, len(judged) - 1, MOST_LINES - half).astype(int)
    return [*judged[:half], *(judged[k] for k in rest)]


def _trial_line(
    plot: Plot, axes: list[HyperparameterAxis], xs: np.ndarray, trial: TrialRecord, end: float, shade: int
) -> None:
    places = [axis.position(trial.params.get(axis.name)) for axis in axes]
    if None in places:
        return
    ys = [plot.bottom - place * (plot.bottom - plot.top) for place in places if place is not None]
    plot.line(xs, [*ys, end], f"trial shade{shade}", data_trial=trial.number)


def _axis(plot: Plot, x: float, name: str, ticks: list[tuple[float, str]]) -> None:
    """Draw a vertical axis at ``x`` with its name and ``ticks``: (pixel, label)."""
    plot.upright(x, "pole")
    plot.text(x, plot.top - 16, name, "axis", "middle")
    for y, label in ticks:
        plot.line((x - 3, x + 3), (y, y), "pole")
        plot.text(x + 6, y + 4, label, "tick halo")
