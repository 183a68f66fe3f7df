"""Partial dependence of the columns that a network uses most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import ColumnUse, Dependence
from tuner.formatting import count, quoted, shorten
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import TICK_LETTER, AxisScale, Plot

if TYPE_CHECKING:
    from tuner.reporting.report import Report

LONGEST, LONGEST_TICK = 34, 10  # letters


def dependence(report: Report) -> Figure | None:
    """Draw one panel per column, all on the same scale unless each shows a class of its own."""
    use = report.columns
    if not isinstance(use, ColumnUse) or not use.dependence:
        return None
    is_number, is_of_several = use.dependence[0].is_number, bool(use.dependence[0].of)
    lowest = min(min(curve.means) for curve in use.dependence)
    highest = max(max(curve.means) for curve in use.dependence)
    room = 0.05 * (highest - lowest) or 0.05 * abs(highest) or 1.0
    low, high = lowest - room, highest + room
    if not is_number:
        low, high = max(low, 0.0), min(high, 1.0)
    drawn = "".join(_panel(curve, low, high, place) for place, curve in enumerate(use.dependence))
    what = "The number predicted" if is_number else "The probability predicted"
    if is_number and is_of_several:
        what = "The target that moves most, in its standard deviations from its mean, as predicted"
    return Figure(
        title="Partial dependence",
        sentence=(
            f"{what} by trial {use.trial}, on the mean of the dev rows, if a column had the same value in each; of the "
            f"{count(len(use.dependence), 'column')} whose shuffling raises the error most. Of strongly correlated "
            "columns it also shows values that do not occur together."
        ),
        svg=f'<div class="small">{drawn}</div>',
        wide=True,
    )


def _panel(curve: Dependence, low: float, high: float, place: int) -> str:
    plot = Plot(width=310, height=196, margins=(30, 14, 26, 52))
    y = plot.y_scale(low, high)
    name = shorten(curve.column, LONGEST)
    title = name if not curve.of else f"{shorten(name, LONGEST // 2)} → {shorten(curve.of, LONGEST // 2)}"
    plot.text(plot.left, plot.top - 12, title, "axis name")
    for tick in y.ticks(4):
        at = float(y(tick))
        plot.line((plot.left, plot.right), (at, at), "grid")
        plot.text(plot.left - 6, at + 4, f"{tick:,.6g}" if curve.is_number else f"{100 * tick:g}%", "tick", "end")
    positions = np.array(curve.positions) if curve.is_ordered else np.arange(len(curve.labels)) + 0.5
    ends = (float(positions.min()), float(positions.max())) if curve.is_ordered else (0.0, float(len(positions)))
    x = plot.x_scale(*ends)
    _labels(plot, x, positions, curve)
    if curve.is_ordered and len(positions) > 2:
        plot.line(x(positions), y(curve.means), "smooth train")
    for at, mean in zip(x(positions), y(curve.means), strict=True):
        plot.circle(float(at), float(mean), 3 if curve.is_ordered else 4, "effect train")
    of = f" of {'' if curve.is_number else 'the probability of '}{quoted(curve.of)}" if curve.of else ""
    alt = f"Partial dependence on {curve.column}{of}"
    return plot.svg(f"dependence-{place}", alt)


def _labels(plot: Plot, x: AxisScale, positions: np.ndarray, curve: Dependence) -> None:
    """Write the values below the axis: of numbers the ends and the middle, of categories as many as fit."""
    places = [*range(len(positions))]
    if curve.is_ordered:
        places = sorted({0, int(np.abs(positions - positions[[0, -1]].mean()).argmin()), len(positions) - 1})
    room = (plot.right - plot.left) / max(len(positions), 1)
    letters = LONGEST_TICK if curve.is_ordered else max(int(room / TICK_LETTER), 2)
    for k in places:
        at = float(x(positions[k]))
        anchor = "middle" if not curve.is_ordered or 0 < k < len(positions) - 1 else "start" if k == 0 else "end"
        plot.text(at, plot.bottom + 16, shorten(curve.labels[k], letters), "tick", anchor)
