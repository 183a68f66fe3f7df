"""The expected best of k trials: were the trials enough?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import expected_best
from tuner.formatting import count
from tuner.reporting.competition import EXPECTED_BEST, random_stream
from tuner.reporting.figures.error_axes import better_scale, error_axis
from tuner.reporting.figures.figure import Figure
from tuner.reporting.frames import dev_error
from tuner.reporting.svg import Plot

if TYPE_CHECKING:
    from tuner.reporting.report import Report

FEWEST = 10


def best_of(report: Report) -> Figure | None:
    """Draw the expected lowest dev error of k exploring trials with its interval."""
    unit = report.diagnosis.unit
    judged = report.findings.judged
    exploring = [trial for trial in judged if trial.exploring]
    trials = exploring if len(exploring) >= FEWEST else list(judged)
    if len(trials) < FEWEST:
        return None
    kind = "exploring trial" if trials is exploring else "trial"
    errors = np.array([dev_error(trial) for trial in trials], float)
    best = expected_best(errors, rng=random_stream(report.definition, EXPECTED_BEST))
    plot = Plot()
    axis = error_axis(np.concatenate([best.low, best.high]), better_scale(best.value), report.diagnosis.unit)
    x, y = plot.x_scale(1, len(errors), "log"), axis.on(plot.y_scale)
    plot.x_axis(x, f"k, number of {kind}s", lambda v: f"{v:,.0f}")
    plot.y_axis(y, "expected lowest dev error", unit.tick)
    plot.band(x(best.k), y(best.low), y(best.high), "dev")
    plot.line(x(best.k), y(best.value), "smooth dev")
    value, low, high = (float(line[-1]) for line in (best.value, best.low, best.high))
    brought = float(best.value[np.searchsorted(best.k, len(errors) // 2)]) - value
    return Figure(
        title="Were the trials enough?",
        sentence=(
            f"The lowest dev error (measured) that k {kind}s reach on average, with its 95% interval (bootstrap). The "
            f"second half of {count(len(errors), kind)} brought {unit.gap(brought)}{unit.of_gaps}, to "
            f"{unit.text(value)} ({unit.span(low, high)}). Where the curve is flat, more random trials bring little; a "
            "sampler may do better."
        ),
        svg=plot.svg("best_of", f"Expected lowest dev error of 1 to {len(errors)} trials"),
        legend=(("dev", "expected lowest dev error, with its 95% interval"),),
    )
