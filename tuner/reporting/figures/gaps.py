"""The gaps from baseline to dev error, and the threshold of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.analysis import Diagnosis
from tuner.formatting import percent, points, span
from tuner.reporting.figures.figure import Figure
from tuner.reporting.sentences import GAP_NAMES, gap_size, outcome_name
from tuner.reporting.svg import AxisScale, Plot, percent_tick

if TYPE_CHECKING:
    from tuner.reporting.report import Report

ROW = 46
STEPS = {
    "avoidable_bias": ("baseline", "train"),
    "variance": ("train", "dev"),
    "data_mismatch": ("train_dev", "dev"),
    "dev_overfit": ("dev", "test"),
}


def gaps(report: Report) -> Figure | None:
    """Draw one bar per gap, from the lower to the upper error, with its interval and the threshold."""
    diagnosis = report.diagnosis
    if not diagnosis.gaps:
        return None
    starts = {name: _error(diagnosis, STEPS[name][0]) for name in diagnosis.gaps}
    ends = [starts[name] + max(gap.high, diagnosis.material_gap) for name, gap in diagnosis.gaps.items()]
    plot = Plot(height=ROW * len(starts) + 62, margins=(16, 20, 44, 20))
    x = plot.x_scale(min(0.0, *(starts[name] + gap.low for name, gap in diagnosis.gaps.items())), max(ends) * 1.06)
    plot.x_axis(x, "error", percent_tick)
    for row, name in enumerate(starts):
        _step(plot, x, diagnosis, name, starts[name], plot.top + ROW * row)
    _logistic_regression(plot, x, diagnosis)
    alt = [
        f"{GAP_NAMES[name]} {gap_size(diagnosis, name)} pp ({span(gap.low, gap.high)})"
        for name, gap in diagnosis.gaps.items()
    ]
    return Figure(
        title="The gaps",
        sentence=(
            "Each bar is a gap, from one error to the next; its whisker is the 95% interval. A gap is high if the "
            f"whole whisker is right of the red tick (the threshold, {points(diagnosis.material_gap)} pp from the "
            "start of the bar), and low if it is left of it."
        ),
        svg=plot.svg("gaps", "; ".join(alt)),
    )


def _error(diagnosis: Diagnosis, name: str) -> float:
    if name == "dev" and diagnosis.errors.get("dev_corrected") is not None and diagnosis.errors.get("test") is None:
        name = "dev_corrected"
    estimate = diagnosis.errors.get(name)
    return 0.0 if estimate is None else estimate.value


def _step(plot: Plot, x: AxisScale, diagnosis: Diagnosis, name: str, start: float, top: float) -> None:
    gap = diagnosis.gaps[name]
    middle = top + 29
    left, right = sorted((float(x(start)), float(x(start + gap.value))))
    plot.text(
        plot.left, top + 13, f"{GAP_NAMES[name]} {gap_size(diagnosis, name)} pp, {outcome_name(gap.level)}", "name"
    )
    plot.rect(left, middle - 7, max(right - left, 1.5), 14, f"bar {name}")
    low, high = float(x(start + gap.low)), float(x(start + gap.high))
    plot.line((low, high), (middle, middle), "whisker")
    for end in (low, high):
        plot.line((end, end), (middle - 5, middle + 5), "whisker")
    at = float(x(start + diagnosis.material_gap))
    plot.line((at, at), (middle - 12, middle + 12), "tickline")


def _logistic_regression(plot: Plot, x: AxisScale, diagnosis: Diagnosis) -> None:
    error = diagnosis.references.get("logistic_regression")
    if error is not None and x.low < error < x.high:
        at = float(x(error))
        plot.upright(at, "gap")
        anchor = "end" if at > (plot.left + plot.right) / 2 else "start"
        plot.text(
            at + (-4 if anchor == "end" else 4), plot.top, f"logistic regression {percent(error)}", "note", anchor
        )
