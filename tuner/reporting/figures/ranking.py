"""How the probability of one of two classes ranks the dev rows: ROC and precision–recall curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tuner.analysis import Share
from tuner.formatting import percent, quoted
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import AxisScale, Plot, percent_tick

if TYPE_CHECKING:
    from tuner.reporting.report import Report


def roc(report: Report) -> Figure | None:
    """Draw the share of the positive rows that is found against the share of the others that is taken for them."""
    predictions = report.predictions
    if predictions is None or predictions.ranking is None:
        return None
    ranked, name = predictions.ranking, quoted(predictions.class_names[predictions.positive])
    plot, x, y = _plot(f"others predicted as {name} (false positive rate)", f"rows of {name} found (recall)")
    plot.line(x([0, 1]), y([0, 1]), "gap")
    _curve(plot, x(np.append(0, ranked.alarms)), y(np.append(0, ranked.hits)))
    positive, negative = predictions.confusion[predictions.positive], predictions.confusion[1 - predictions.positive]
    alarms, hits = (row[predictions.positive] / row.sum() for row in (negative, positive))
    plot.circle(float(x(alarms)), float(y(hits)), 6, "best")
    return Figure(
        title="ROC curve",
        sentence=(
            f"The area under the curve is {_number(ranked.area)}: the chance that a row of {name} has a higher "
            "probability of it than a row of the other class. The dotted line is chance."
        ),
        svg=plot.svg("roc", f"ROC curve of {name}, area {_number(ranked.area)}"),
        legend=(("dev", "dev rows"), ("best", f"as predicted: {percent(hits)} found, {percent(alarms)} false alarms")),
    )


def precision_recall(report: Report) -> Figure | None:
    """Draw the share of rows predicted as the positive class that is right against the share that is found."""
    predictions = report.predictions
    if predictions is None or predictions.ranking is None:
        return None
    ranked, name = predictions.ranking, quoted(predictions.class_names[predictions.positive])
    plot, x, y = _plot(f"rows of {name} found (recall)", "of those predicted, right (precision)")
    share = predictions.confusion[predictions.positive].sum() / predictions.confusion.sum()
    plot.line(x([0, 1]), y([share, share]), "gap")
    _curve(plot, x(np.append(0, ranked.hits)), y(np.append(ranked.precision[0], ranked.precision)))
    scores = predictions.classes[predictions.positive]
    legend: tuple[tuple[str, str], ...] = (("dev", "dev rows"),)
    if not np.isnan(scores.precision.value):
        plot.circle(float(x(scores.recall.value)), float(y(scores.precision.value)), 6, "best")
        at = f"as predicted: precision {percent(scores.precision.value)}, recall {percent(scores.recall.value)}"
        legend = (*legend, ("best", at))
    return Figure(
        title="Precision and recall",
        sentence=(
            f"The average precision is {_number(ranked.average_precision)}. If a lower probability is enough to "
            f"predict {name}, more of its rows are found, and more of the other class with them. The dotted line is a "
            f"guess: {percent(share)} of the rows are of {name}."
        ),
        svg=plot.svg("precision_recall", f"Precision against recall of {name}"),
        legend=legend,
    )


def _plot(across: str, up: str) -> tuple[Plot, AxisScale, AxisScale]:
    plot = Plot(height=400, margins=(32, 22, 44, 48))
    x, y = plot.x_scale(0, 1), plot.y_scale(0, 1)
    plot.x_axis(x, across, percent_tick)
    plot.y_axis(y, up, percent_tick)
    return plot, x, y


def _curve(plot: Plot, xs: ArrayLike, ys: ArrayLike) -> None:
    """Draw a line without points that lie on the pixel of the one before."""
    at = np.stack([np.asarray(xs, float), np.asarray(ys, float)])
    moved = np.append(True, (np.diff(np.round(at)) != 0).any(axis=0))
    plot.line(at[0, moved], at[1, moved], "dev smooth")


def _number(share: Share) -> str:
    return f"{share.value:.3f} (95%: {share.low:.3f}–{share.high:.3f})"
