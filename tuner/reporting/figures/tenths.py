"""How far off predicted numbers are, by tenth of the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import Tenth
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import AxisScale, Plot
from tuner.units import Unit

if TYPE_CHECKING:
    from tuner.reporting.report import Report

MOST = 1.3  # times the largest error: what the axis shows of the intervals
DECADES = 50.0  # times the lowest error: a larger one has a logarithmic axis
LABELS = 5


def tenths(report: Report) -> Figure | None:
    """Draw error and mean residual of each tenth of the target; None for classes."""
    parts, unit, dev = report.tenths, report.record.unit, report.diagnosis.errors.get("dev")
    if not parts or dev is None:
        return None
    name = report.error_name
    errors = np.array([(one.error.value, one.error.low, one.error.high) for one in parts])
    above = _plot()
    y = _error_scale(above, np.append(errors[:, 0], dev.value))
    x = _axes(above, parts, unit)
    above.y_axis(y, f"dev {name}", unit.tick)
    above.line((above.left, above.right), (float(y(dev.value)),) * 2, "diagonal")
    for at, (error, low, high) in zip(x, errors, strict=True):
        above.line((at, at), y([low, high]), "interval dev")
        above.circle(at, float(y(error)), 4, "effect dev")
    residuals = np.array([one.residual for one in parts])
    below, reach = _plot(), float(np.abs(residuals).max()) or 1.0
    y = below.y_scale(-1.1 * reach, 1.1 * reach)
    x = _axes(below, parts, unit)
    below.y_axis(y, "mean of predicted − true", unit.tick)
    below.line((below.left, below.right), (float(y(0.0)),) * 2, "diagonal")
    for at, residual in zip(x, y(residuals), strict=True):
        below.circle(at, float(residual), 4, "effect dev")
    alt = f"Dev {name} of {len(parts)} parts of the dev rows, by their true number"
    drawn = above.svg("tenths", alt) + below.svg("tenth-residuals", "Their mean residuals")
    return Figure(
        title=f"{name} by tenth of the target",
        sentence=(
            f"Dev rows by their true number, a tenth of them in each part: their {name} with its 95% interval (the "
            "line is that of all dev rows), and the mean of what is predicted less what is true. A network that "
            "cannot tell the rows apart predicts too high where the numbers are low, and too low where they are high; "
            "if only one end is off, it misses a trend there."
        ),
        svg=f'<div class="small">{drawn}</div>',
        wide=True,
    )


def _plot() -> Plot:
    return Plot(width=460, height=300, margins=(34, 14, 44, 70))


def _error_scale(plot: Plot, errors: NDArray[np.float64]) -> AxisScale:
    low, high = float(errors.min()), MOST * float(errors.max()) or 1.0
    return plot.y_scale(low / MOST, high, "log") if 0 < DECADES * low < high else plot.y_scale(0.0, high)


def _axes(plot: Plot, parts: list[Tenth], unit: Unit) -> list[float]:
    """Label where some tenths begin and the last one ends, and return the middle of each."""
    x = plot.x_scale(0.0, float(len(parts)))
    ends = [*(one.low for one in parts), parts[-1].high]
    every = -(-len(parts) // LABELS)
    labels = {float(k): unit.tick(float(f"{ends[k]:.4g}")) for k in range(0, len(ends), every)}
    plot.x_axis(x, "true", labels.__getitem__, ticks=labels)
    return [float(x(k + 0.5)) for k in range(len(parts))]
