"""Whether the probabilities of the predicted classes are what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.analysis import Reliability
from tuner.formatting import percent
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import Plot, percent_tick

if TYPE_CHECKING:
    from tuner.reporting.report import Report

STRIP = 46  # units under the frame for the numbers of rows
FEWEST = 5  # rows of a bin that is drawn


def reliability(report: Report) -> Figure | None:
    """Draw the share that is right against the probability of the predicted class, and the rows of each bin."""
    measured = None if report.predictions is None else report.predictions.reliability
    if measured is None:
        return None
    plot = Plot(height=400, margins=(32, 22, 44 + STRIP, 48))
    bins = [one for one in measured.bins if one.n >= FEWEST] or measured.bins
    low = min(bins[0].low, 0.9)
    least = min(low, *(one.accuracy_low for one in bins))
    x, y = plot.x_scale(low, 1), plot.y_scale(np.floor(10 * least) / 10, 1)
    plot.y_axis(y, "share that is right", percent_tick)
    most = max(one.n for one in bins)
    floor = plot.height - 44
    for tick in x.ticks():
        plot.upright(float(x(tick)), "grid")
        plot.text(float(x(tick)), floor + 16, percent_tick(tick), "tick", "middle")
    plot.text((plot.left + plot.right) / 2, plot.height - 8, "probability of the predicted class", "axis", "middle")
    plot.line(x([low, 1]), y([low, 1]), "diagonal")
    for one in bins:
        at = float(x(one.confidence))
        plot.line((at, at), y([one.accuracy_low, one.accuracy_high]), "dev interval")
        left, right = x([max(one.low, low), one.high]).tolist()
        height = (STRIP - 16) * one.n / most
        plot.rect(left + 1, floor - height, right - left - 2, height, "bar pruned")
    means, shares = ([getattr(one, key) for one in bins] for key in ("confidence", "accuracy"))
    plot.line(x(means), y(shares), "dev")
    for mean, share in zip(means, shares, strict=True):
        plot.circle(float(x(mean)), float(y(share)), 4, "dev effect")
    plot.line((plot.left, plot.right), (floor, floor), "pole")
    return Figure(
        title="Calibration",
        sentence=f"{_sentence(measured)} The bars are the numbers of rows.",
        svg=plot.svg("reliability", f"Reliability curve, expected calibration error {percent(measured.error)}"),
        legend=(("dev", "dev rows, with 95% intervals"), ("pruned", "dev rows with such a probability")),
    )


def _sentence(measured: Reliability) -> str:
    n = sum(one.n for one in measured.bins)
    says, right = (sum(one.n * getattr(one, key) for one in measured.bins) / n for key in ("confidence", "accuracy"))
    size = f"The expected calibration error is {percent(measured.error)}"
    chance, most = percent(measured.by_chance), percent(measured.by_chance_95)
    if measured.error <= measured.by_chance_95:
        return (
            f"{size}. On so few rows right probabilities would show {chance} on average, and up to {most}: nothing "
            "says that these are wrong."
        )
    kind = "too high (overconfident)" if says > right else "too low (underconfident)"
    return (
        f"{size}, where right probabilities would show up to {most}. On average the probability is {percent(says)} and "
        f"{percent(right)} of the rows are right: the probabilities are {kind}."
    )
