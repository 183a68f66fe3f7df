"""Best dev error so far: would more trials help?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count
from tuner.reporting.figures.error_axes import both_scales, error_axis
from tuner.reporting.figures.figure import Figure, Positions, positions
from tuner.reporting.frames import dev_error
from tuner.reporting.svg import Plot

if TYPE_CHECKING:
    from tuner.reporting.report import Report


def progress(report: Report) -> Figure | None:
    """Draw complete trials in the order in which they ended, and the lowest dev error so far."""
    unit = report.diagnosis.unit
    judged = sorted(report.findings.judged, key=lambda t: (t.finished.timestamp() if t.finished else 0.0, t.number))
    if len(judged) < 2:
        return None
    errors = np.array([dev_error(trial) for trial in judged], float)
    explored = np.array([trial.exploring for trial in judged])
    so_far = np.minimum.accumulate(errors)
    fell = np.flatnonzero(np.diff(so_far, prepend=np.inf))
    place = np.arange(1, len(judged) + 1)

    def draw(kind: str, key: str) -> tuple[str, Positions]:
        plot = Plot()
        x, y = plot.x_scale(0, len(judged)), error_axis(errors, kind, report.diagnosis.unit).on(plot.y_scale)
        plot.x_axis(x, "complete trials, in the order they ended", lambda v: f"{v:,.0f}")
        plot.y_axis(y, "dev error", unit.tick)
        px, py = x(place), y(errors)
        plot.dots(px[~explored], py[~explored], "complete faint")
        plot.dots(px[explored], py[explored], "explored faint")
        plot.line(
            np.repeat(x(np.append(place[fell], len(judged))), 2)[1:-1], np.repeat(y(so_far[fell]), 2), "smooth best"
        )
        alt = f"Lowest dev error over {count(len(judged), 'complete trial')}"
        return plot.svg(key, alt), positions(report.listed, judged, px, py)

    last = int(np.flatnonzero(so_far == so_far[-1])[0]) + 1
    return Figure(
        title="Best so far",
        sentence=(
            f"The lowest dev error, {unit.text(float(so_far[-1]))}, was first reached by the {_ordinal(last)} of "
            f"{count(len(judged), 'complete trial')}. If the line still falls at the right, more trials may help; if "
            "it has been flat for long, more trials may bring no improvement."
        ),
        **both_scales(errors, "progress", draw),
        legend=(
            ("best-line", "lowest so far"),
            ("complete", "sampled trial"),
            *((("explored", "exploring trial"),) if explored.any() else ()),
        ),
    )


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
