"""Mean train error and gap along every hyperparameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import HyperparameterCurve
from tuner.formatting import value
from tuner.reporting.axes import HyperparameterAxis, hyperparameter_axes
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import AxisScale, Plot
from tuner.units import Unit

if TYPE_CHECKING:
    from tuner.reporting.report import Report


def along(report: Report) -> Figure | None:
    """Draw one panel per hyperparameter, all on the same scale."""
    effects = report.effects
    if effects is None:
        return None
    axes = {axis.name: axis for axis in hyperparameter_axes(report.definition)}
    shown = [curve for curve in effects.curves if len(curve.values) > 1 and curve.hyperparameter in axes]
    if not shown:
        return None
    middle = np.concatenate([np.concatenate([curve.train[:, 0], curve.gap[:, 0]]) for curve in shown])
    upper = np.concatenate([np.concatenate([curve.train[:, 2], curve.gap[:, 2]]) for curve in shown])
    unit = report.diagnosis.unit
    top = max(min(float(upper.max()), 2 * float(middle.max())) * 1.05, 0.005 * unit.size)
    drawn = "".join(_panel(axes[curve.hyperparameter], curve, top, place, unit) for place, curve in enumerate(shown))
    return Figure(
        title="Bias and variance along each hyperparameter",
        sentence=(
            "Mean train error (bias) and mean gap (variance) along each range, averaged over all others, "
            "with 95% bands, drawn only where there are trials. Where one curve falls while the other rises, the "
            "hyperparameter trades bias for variance."
        ),
        svg=f'<div class="small">{drawn}</div>',
        legend=(("train", "train error"), ("dev", "gap: dev − train")),
        wide=True,
    )


def _panel(axis: HyperparameterAxis, curve: HyperparameterCurve, top: float, place: int, unit: Unit) -> str:
    plot = Plot(width=310, height=196, margins=(30, 12, 26, 42))
    x, y = plot.x_scale(0, 1), plot.y_scale(0, top)
    plot.text(plot.left, plot.top - 12, axis.name, "axis name")
    for tick in y.ticks(3):
        at = float(y(tick))
        plot.line((plot.left, plot.right), (at, at), "grid")
        plot.text(plot.left - 6, at + 4, unit.tick(tick), "tick", "end")
    plot.below(*axis.ticks_on(x))
    positions = np.array([axis.position(of) for of in curve.values], float)
    order = np.argsort(positions)
    for name, line in (("train", curve.train), ("dev", curve.gap)):
        _line(plot, x(positions[order]), line[order], y, name, joined=axis.searched.scale.is_numeric)
    alt = f"Train error and gap along {axis.name}, from {value(curve.values[0])} to {value(curve.values[-1])}"
    return plot.svg(f"along-{place}", alt)


def _line(plot: Plot, px: np.ndarray, line: np.ndarray, y: AxisScale, css: str, joined: bool) -> None:
    if joined:
        plot.band(px, y(line[:, 1]), y(line[:, 2]), css)
        plot.line(px, y(line[:, 0]), f"smooth {css}")
        return
    aside = -4 if css == "train" else 4
    for at, (mean, low, high) in zip(px + aside, line, strict=True):
        plot.line((at, at), y([low, high]), f"interval {css}")
        plot.circle(at, float(y(mean)), 4, f"effect {css}")
