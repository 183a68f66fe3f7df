"""The steps from the baseline to the last error, and the gaps with their thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.analysis import Diagnosis
from tuner.reporting.figures.figure import Figure
from tuner.reporting.sentences import GAP_NAMES, gap_size, level_name
from tuner.reporting.steps import ENDS, ErrorStep, error_steps
from tuner.reporting.svg import AxisScale, Plot

if TYPE_CHECKING:
    from tuner.reporting.report import Report

ROW = 46
STARTS = {"avoidable_bias": "baseline", "variance": "train", "data_mismatch": "train_dev", "dev_overfit": "dev"}
"""Gap -> the error that its threshold is counted from."""
STYLES = {"train": "avoidable_bias", "train_dev": "variance", "dev": "variance", "dev_corrected": "optimism"}
STYLES |= {"test": "dev_overfit"}


def gaps(report: Report) -> Figure | None:
    """Draw one bar per step, each from the end of the one before, with the interval and threshold of the gaps."""
    diagnosis, steps = report.diagnosis, error_steps(report.diagnosis)
    unit = diagnosis.unit
    if not steps:
        return None
    shown = {_ends_with(diagnosis, name, steps): name for name in diagnosis.gaps}
    starts = {name: _start(diagnosis, name) for name in diagnosis.gaps}
    reach = [starts[name] + end for name, gap in diagnosis.gaps.items() for end in (gap.low, gap.high)]
    reach += [starts[name] + diagnosis.material_gap for name in diagnosis.gaps]
    plot = Plot(height=ROW * len(steps) + 84, margins=(16, 20, 44, 20))
    x = plot.x_scale(min(0.0, *reach), max(*reach, *(step.end for step in steps)) * 1.06)
    plot.x_axis(x, report.error_name, unit.tick)
    for row, step in enumerate(steps):
        top = plot.top + ROW * row
        _step(plot, x, diagnosis, step, shown.get(step.key), top)
        if step.key in shown:
            name = shown[step.key]
            _interval(plot, x, diagnosis, name, starts[name], top + 29)
        if row + 1 < len(steps):
            at = float(x(step.end))
            plot.line((at, at), (top + 29, top + ROW + 29), "gap")
    last = steps[-1]
    plot.text(plot.left, plot.bottom - 8, f"= {ENDS[last.key]} {unit.text(last.end)}", "name")
    alt = [f"{step.name} {step.size}{unit.of_gaps}" for step in steps]
    alt += [
        f"{GAP_NAMES[name]} {gap_size(diagnosis, name)}{unit.of_gaps} ({unit.span(gap.low, gap.high)})"
        for name, gap in diagnosis.gaps.items()
    ]
    return Figure(
        title="From the baseline to the error on new examples",
        sentence=(
            "Each bar is a step from one error to the next, and the steps add up to the last error. A whisker is the "
            f"95% interval of a gap. A gap is high if the whole whisker is right of its red tick (the threshold, "
            f"{unit.gap(diagnosis.material_gap)}{unit.of_gaps}), and low if it is left of it."
        ),
        svg=plot.svg("gaps", "; ".join(alt)),
    )


def _start(diagnosis: Diagnosis, name: str) -> float:
    estimate = diagnosis.errors.get(STARTS[name])
    return 0.0 if estimate is None else estimate.value


def _ends_with(diagnosis: Diagnosis, name: str, steps: list[ErrorStep]) -> str:
    """Return the step at whose end a gap ends."""
    keys = [step.key for step in steps]
    if name == "avoidable_bias":
        return "train"
    if name == "dev_overfit":
        return "test"
    if name == "variance" and "train_dev" in keys:
        return "train_dev"
    return "dev_corrected" if "dev_corrected" in keys else "dev"


def _step(plot: Plot, x: AxisScale, diagnosis: Diagnosis, step: ErrorStep, gap: str | None, top: float) -> None:
    unit = diagnosis.unit
    text = f"{step.name} {step.size}{unit.of_gaps}"
    if gap is not None:
        size = f"{GAP_NAMES[gap]} {gap_size(diagnosis, gap)}{unit.of_gaps}, {level_name(diagnosis, gap)}"
        text = f"{text}: {size}" if step.name != GAP_NAMES[gap] else size
    plot.text(plot.left, top + 13, text, "name")
    left, right = sorted((float(x(step.start)), float(x(step.end))))
    plot.rect(left, top + 22, max(right - left, 1.5), 14, f"bar {STYLES[step.key]}")


def _interval(plot: Plot, x: AxisScale, diagnosis: Diagnosis, name: str, start: float, middle: float) -> None:
    """Draw the whisker and the threshold of a gap."""
    gap = diagnosis.gaps[name]
    low, high = float(x(start + gap.low)), float(x(start + gap.high))
    plot.line((low, high), (middle, middle), "whisker")
    for end in (low, high):
        plot.line((end, end), (middle - 5, middle + 5), "whisker")
    at = float(x(start + diagnosis.material_gap))
    plot.line((at, at), (middle - 12, middle + 12), "tickline")
