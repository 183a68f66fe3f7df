"""Dev errors of exploring trials against those that the sampler chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count
from tuner.reporting.figures.error_axes import error_axis
from tuner.reporting.figures.figure import Figure
from tuner.reporting.frames import dev_error
from tuner.reporting.svg import Plot

if TYPE_CHECKING:
    from tuner.reporting.report import Report

BARS, FEWEST = 20, 5
KINDS = {"explored": "exploring (random)", "complete": "sampled"}


def sampled(report: Report) -> Figure | None:
    """Draw two histograms on one axis, as shares of their trials."""
    unit = report.diagnosis.unit
    judged = report.findings.judged
    errors = {
        kind: np.array([dev_error(t) for t in judged if t.exploring == (kind == "explored")], float) for kind in KINDS
    }
    if min(map(len, errors.values())) < FEWEST:
        return None
    axis = error_axis(np.concatenate([*errors.values()]), "linear", report.diagnosis.unit)
    edges = np.linspace(axis.low, axis.high, BARS + 1)
    shares = {kind: np.histogram(np.clip(of, axis.low, axis.high), edges)[0] / len(of) for kind, of in errors.items()}
    plot = Plot(height=360)
    x = axis.on(plot.x_scale)
    plot.x_axis(x, "dev error", unit.tick)
    half = (plot.bottom - plot.top) / 2
    tallest = max(float(of.max()) for of in shares.values())
    for place, (kind, heights) in enumerate(shares.items()):
        floor = plot.top + half * (place + 1)
        plot.text(plot.left + 4, floor - half + 14, f"{KINDS[kind]}: {count(len(errors[kind]), 'trial')}", "name")
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            top = floor - float(height) / tallest * (half - 26)
            if height:
                plot.rect(float(x(left)) + 0.5, top, float(x(right) - x(left)) - 1, floor - top, f"bar {kind}")
        plot.line((plot.left, plot.right), (floor, floor), "pole")
        middle = float(x(float(np.median(errors[kind]))))
        plot.line((middle, middle), (floor - half + 22, floor), "mark")
    medians = {kind: unit.text(float(np.median(of))) for kind, of in errors.items()}
    return Figure(
        title="Random against sampled trials",
        sentence=(
            f"The median dev error of the exploring trials is {medians['explored']}, of those that the sampler chose "
            f"{medians['complete']} (vertical lines). If both look alike, the sampler found nothing to prefer: the "
            "space is flat, or the dev set is too small to tell trials apart."
        ),
        svg=plot.svg("sampled", f"Median dev error: random {medians['explored']}, sampled {medians['complete']}"),
        legend=tuple(KINDS.items()),
    )
