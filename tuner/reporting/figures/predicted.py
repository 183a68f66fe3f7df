"""What the best trial predicts of the dev rows, for numbers: against the true ones, and how far off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import Plot
from tuner.units import Unit

if TYPE_CHECKING:
    from tuner.reporting.report import Report

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_DOTS = 800
FAR = 50.0  # times the middle number: with a larger one, positive numbers have logarithmic axes
MOST_TARGETS = 6


def predicted(report: Report) -> Figure | None:
    """Draw predicted against true numbers, and residuals along the predicted ones; None for classes.

    Of several targets the predicted against the true numbers of each.
    """
    best, record, unit = report.best, report.record, report.record.unit
    if best is None or best.predictions is None or unit.is_share:
        return None
    said = unit.predicted(best.predictions.by_network(len(record.dev_y)).mean(axis=0))
    true = unit.restored(record.dev_y)
    some = np.linspace(0, len(true) - 1, min(len(true), MOST_DOTS)).astype(int)
    sentence = (
        "Each dot is a dev row, predicted by networks that were not trained on it. Dots on the line are predicted "
        "exactly"
    )
    if unit.targets:
        each = list(zip(unit.targets, said.T, true.T, strict=True))[:MOST_TARGETS]
        plots = [
            _across(of, given, some, unit, f" {target.name}").svg(
                f"predicted-{place}", f"Predicted against true {target.name} of {len(some):,} dev rows"
            )
            for place, (target, of, given) in enumerate(each)
        ]
        sentence += "." if len(each) == len(unit.targets) else f"; the first {len(each)} targets are drawn."
    else:
        sentence += (
            "; a curve of dots on the right means that the network misses a trend, and a funnel that it is less "
            "certain where the spread is wide."
        )
        alt = f"Predicted against true numbers of {len(some):,} dev rows"
        off = _off(said, true, some, unit).svg("residuals", "Their residuals")
        plots = [_across(said, true, some, unit).svg("predicted", alt), off]
    return Figure(
        title="Predicted against true numbers",
        sentence=sentence,
        svg=f'<div class="small">{"".join(plots)}</div>',
        wide=True,
    )


def _across(said: Doubles, true: Doubles, some: Ints, unit: Unit, name: str = "") -> Plot:
    """Plot predicted against true numbers (n,) of some rows."""
    ends = float(min(said.min(), true.min())), float(max(said.max(), true.max()))
    kind = _kind(true, said)
    across = Plot(width=460, height=340, margins=(34, 14, 44, 70))
    x, y = across.x_scale(*ends, kind), across.y_scale(*ends, kind)
    across.x_axis(x, f"true{name}", unit.tick)
    across.y_axis(y, f"predicted{name}", unit.tick)
    across.line(x(np.array(ends)), y(np.array(ends)), "diagonal")
    across.dots(x(true[some]), y(said[some]), "dev faint")
    return across


def _off(said: Doubles, true: Doubles, some: Ints, unit: Unit) -> Plot:
    """Plot residuals along the predicted numbers (n,) of some rows."""
    residuals, kind = said - true, _kind(true, said)
    reach = float(np.abs(residuals).max()) or 1.0
    off = Plot(width=460, height=340, margins=(34, 14, 44, 70))
    x = off.x_scale(float(said.min()), max(float(said.max()), float(said.min()) + 1e-9), kind)
    y = off.y_scale(-reach, reach)
    off.x_axis(x, "predicted", unit.tick)
    off.y_axis(y, "predicted − true", unit.tick)
    off.line((off.left, off.right), (float(y(0.0)),) * 2, "diagonal")
    off.dots(x(said[some]), y(residuals[some]), "dev faint")
    return off


def _kind(true: Doubles, said: Doubles) -> str:
    """Return the scale of the axes: "log" if a few of the numbers, all positive, would hide the others."""
    return "log" if min(true.min(), said.min()) > 0 and true.max() > FAR * np.median(true) else "linear"
