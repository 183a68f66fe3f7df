"""The learning curve over training examples: would more data help?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count
from tuner.reporting.figures.error_axes import both_scales, error_axis
from tuner.reporting.figures.figure import Figure, Positions
from tuner.reporting.svg import AxisScale, Plot
from tuner.units import Unit

if TYPE_CHECKING:
    from tuner.analysis import LearningCurve, LearningPoint
    from tuner.reporting.learning import Learning
    from tuner.reporting.report import Report

LABEL = 52  # units of a label below the axis


def learning(report: Report) -> Figure | None:
    """Draw dev and train error over the number of training examples, and the fitted curve up to twice the data."""
    learning_curve = report.learning
    if learning_curve is None or learning_curve.curve is None:
        return None
    unit = report.diagnosis.unit
    sizes = [point.n_train for point in learning_curve.points]
    curve = learning_curve.curve

    def draw(kind: str, key: str) -> tuple[str, Positions]:
        plot = Plot(width=940, height=360, margins=(32, 30, 44, 48))
        x, y = _scales(plot, learning_curve.points, curve, kind, unit)
        plot.x_axis(x, "training examples of one network", lambda v: f"{v:,.0f}", _ticks(x, curve))
        plot.y_axis(y, report.error_name, unit.tick)
        _draw_curve(plot, x, y, curve, unit)
        for point in learning_curve.points:
            for css, errors in (("dev", unit.error(point.each)), ("left_out", unit.error(point.left_out_each))):
                plot.dots(x(np.full(len(errors), point.n_train)), y(errors), f"{css} faint")
        trains = [unit.error(point.train_error or 0.0) for point in learning_curve.points]
        plot.line(x(sizes), y(trains), "smooth train")
        alt = f"Dev error from {count(sizes[0], 'training example')} to {count(sizes[-1], 'training example')}"
        return plot.svg(key, f"{alt}, and the curve fitted to it, with its 95% band, up to twice the data"), {}

    errors = unit.error(np.concatenate([point.each for point in learning_curve.points]))
    return Figure(
        title=f"Learning curve over training examples, with the hyperparameters of trial {learning_curve.trial}",
        sentence=(
            f"{learning_curve.sentence} Each dot is one network trained on a random subset; the vertical line is "
            f"today's {count(sizes[-1], 'example')}. If dev error still falls there, more data helps; if it has met "
            f"train error, more data does not help.{_left_out(learning_curve)}"
        ),
        **both_scales(errors, "learning", draw),
        legend=(
            ("dev", "dev error, fitted with its 95% band"),
            *((("left_out", "error on training rows left out"),) if learning_curve.uses_left_out else ()),
            ("train", "train error"),
        ),
        wide=True,
    )


def _left_out(learning_curve: Learning) -> str:
    """Name the training rows that the curve is based on, in addition to the dev set."""
    if learning_curve.curve is None or not learning_curve.uses_left_out:
        return ""
    rows = count(learning_curve.curve.left_out, "training row")
    return f" Networks trained on fewer examples are also measured on the rows that they left out (of {rows})."


def _scales(
    plot: Plot, points: tuple[LearningPoint, ...], curve: LearningCurve, kind: str, unit: Unit
) -> tuple[AxisScale, AxisScale]:
    errors = unit.error(np.concatenate([np.append(point.each, point.left_out_each) for point in points]))
    also = [curve.predictions[-1].low, *(unit.error(point.train_error or 0.0) for point in points)]
    x = plot.x_scale(points[0].n_train, curve.twice.n_train, "log")
    return x, error_axis(errors, kind, unit, also=also).on(plot.y_scale)


def _ticks(x: AxisScale, curve: LearningCurve) -> list[float]:
    """Return twice the largest size and the measured sizes whose labels have room, the largest first."""
    ticks: list[float] = []
    for n in (curve.twice.n_train, *reversed(curve.sizes)):
        if not ticks or float(x(ticks[-1]) - x(n)) >= LABEL:
            ticks.append(n)
    return ticks


def _draw_curve(plot: Plot, x: AxisScale, y: AxisScale, curve: LearningCurve, unit: Unit) -> None:
    """Draw the fitted curve and its band, dashed beyond the measured sizes."""
    n = np.array([at.n_train for at in curve.predictions], float)
    low, value, high = (np.array([getattr(at, end) for at in curve.predictions]) for end in ("low", "value", "high"))
    plot.band(x(n), y(low), y(high), "dev")
    measured = n <= curve.sizes[-1]
    plot.line(x(n[measured]), y(value[measured]), "smooth dev")
    ahead = np.flatnonzero(~measured)
    ahead = np.concatenate([ahead[:1] - 1, ahead]) if len(ahead) else ahead
    plot.line(x(n[ahead]), y(value[ahead]), "smooth dev ahead")
    plot.upright(float(x(curve.sizes[-1])), "mark")
    plot.text(float(x(n[-1])), float(y(value[-1])) - 10, unit.text(curve.twice.value), "label", "end")
