"""What the best trial predicts of the dev rows, for numbers: against the true ones, and how far off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import Plot

if TYPE_CHECKING:
    from tuner.reporting.report import Report

MOST_DOTS = 800
FAR = 50.0  # times the middle number: with a larger one, positive numbers have logarithmic axes


def predicted(report: Report) -> Figure | None:
    """Draw predicted against true numbers, and residuals along the predicted ones; None for classes."""
    best, record, unit = report.best, report.record, report.record.unit
    if best is None or best.predictions is None or unit.is_share:
        return None
    numbers = best.predictions.classes  # one network after the other: those of folds have the rows once, seeds each
    said = unit.predicted(numbers.reshape(-1, len(record.dev_y)).mean(axis=0))
    true = unit.restored(record.dev_y)
    some = np.linspace(0, len(true) - 1, min(len(true), MOST_DOTS)).astype(int)
    residuals = said - true
    ends = float(min(said.min(), true.min())), float(max(said.max(), true.max()))
    kind = _kind(true, said)
    across = Plot(width=460, height=340, margins=(34, 14, 44, 70))
    x, y = across.x_scale(*ends, kind), across.y_scale(*ends, kind)
    across.x_axis(x, "true", unit.tick)
    across.y_axis(y, "predicted", unit.tick)
    across.line(x(np.array(ends)), y(np.array(ends)), "diagonal")
    across.dots(x(true[some]), y(said[some]), "dev faint")
    reach = float(np.abs(residuals).max()) or 1.0
    off = Plot(width=460, height=340, margins=(34, 14, 44, 70))
    x = off.x_scale(float(said.min()), max(float(said.max()), float(said.min()) + 1e-9), kind)
    y = off.y_scale(-reach, reach)
    off.x_axis(x, "predicted", unit.tick)
    off.y_axis(y, "predicted − true", unit.tick)
    off.line((off.left, off.right), (float(y(0.0)),) * 2, "diagonal")
    off.dots(x(said[some]), y(residuals[some]), "dev faint")
    alt = f"Predicted against true numbers of {len(some):,} dev rows"
    return Figure(
        title="Predicted against true numbers",
        sentence=(
            "Each dot is a dev row, predicted by networks that were not trained on it. Dots on the line are predicted "
            "exactly; a curve of dots on the right means that the network misses a trend, and a funnel that it is less "
            "certain where the spread is wide."
        ),
        svg=f'<div class="small">{across.svg("predicted", alt)}{off.svg("residuals", "Their residuals")}</div>',
        wide=True,
    )


def _kind(true: NDArray[np.float64], said: NDArray[np.float64]) -> str:
    """Return the scale of the axes: "log" if a few of the numbers, all positive, would hide the others."""
    return "log" if min(true.min(), said.min()) > 0 and true.max() > FAR * np.median(true) else "linear"
