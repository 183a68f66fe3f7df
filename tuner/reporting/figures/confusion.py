"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuner.formatting import percent, quoted
from tuner.formatting import share as in_percent
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import BAR_ROW, LETTER, Plot, cut, label_width

if TYPE_CHECKING:
    from tuner.reporting.report import Report

MOST_CLASSES = 20  # of a matrix; of more, the most frequent confusions are bars
NARROW = 12  # classes of a matrix beside another figure
MOST_BARS = 15
TITLE = 84  # units that the title of the rows takes
WIDEST, ROW = 150, (28, 76)  # units: the most a cell is wide; the least and the most it is high
SHADES = ((0.5, 0), (0.1, 1), (0.01, 3), (0.0, 4))
"""Shares of a true class above which its cell has a shade; of the middle one no text would be readable."""


def confusion(report: Report) -> Figure | None:
    """Draw the confusion matrix, or of many classes the most frequent confusions."""
    predictions = report.predictions
    if predictions is None:
        return None
    counts, names = predictions.confusion, predictions.class_names
    alt = f"Confusion matrix of {len(names)} classes"
    sentence = _sentence(counts, names)
    if len(names) > MOST_CLASSES:
        bars = _bars(counts, names).svg("confusion", alt)
        return Figure(title="Most frequent confusions", sentence=sentence, svg=bars, wide=True)
    svg = _matrix(counts, names).svg("confusion", alt)
    return Figure(
        title="Confusion matrix",
        sentence=f"Dev rows by their true class (rows) and the predicted one (columns). {sentence}",
        svg=svg,
        legend=tuple(
            (f"level{shade}", _words(k)) for k, (_, shade) in enumerate(SHADES) if f"cell level{shade}" in svg
        ),
        wide=len(names) > NARROW,
    )


def _words(k: int) -> str:
    low = SHADES[k][0]
    if not k:
        return f"more than {in_percent(low)} of the class"
    high = in_percent(SHADES[k - 1][0])
    return f"{in_percent(low)} to {high}" if low else f"up to {high}"


def _sentence(counts: NDArray[np.float64], names: list[str]) -> str:
    wrong = _confusions(counts)
    if not wrong:
        return "No row is taken for another class."
    of, rows = wrong[0], counts.sum(axis=1)
    share = counts[of] / rows[of[0]]
    return (
        f"The most frequent confusion is {quoted(names[of[0]])} taken for {quoted(names[of[1]])}: "
        f"{_count(counts[of])} of {_count(rows[of[0]])} rows, {percent(share)}."
    )


def _confusions(counts: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return (true class, predicted class) of all confusions, the most frequent first."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    return [(int(k) // len(counts), int(k) % len(counts)) for k in order]


def _bars(counts: NDArray[np.float64], names: list[str]) -> Plot:
    shown = _confusions(counts)[:MOST_BARS]
    labels = [f"{names[true]} → {names[predicted]}" for true, predicted in shown]
    width = label_width(labels, most=460)
    plot = Plot(width=960, height=BAR_ROW * max(len(shown), 1) + 26, margins=(8, 60, 18, width))
    x = plot.x_scale(0, max((counts[of] for of in shown), default=1.0))
    for place, (label, of) in enumerate(zip(labels, shown, strict=True)):
        plot.bar(place, cut(label, width), float(x(counts[of])), _count(counts[of]), "dev")
    return plot


def _matrix(counts: NDArray[np.float64], names: list[str]) -> Plot:
    n, left = len(names), max(label_width(names, most=150) + 8, TITLE)
    width = 960 if n > NARROW else 460
    cell = min(WIDEST, (width - left - 8) // n)
    row = min(max(cell // 2, ROW[0]), ROW[1])
    upright = max(LETTER * len(name) for name in names) > cell - 4
    top = (label_width(names, most=110) if upright else 24) + 26
    plot = Plot(width=width, height=top + row * n + 8, margins=(top, 8, 8, left))
    plot.text(plot.left, 14, "predicted class", "axis")
    plot.text(2, top - 8, "true class", "axis")
    rows = counts.sum(axis=1)
    for i, name in enumerate(names):
        x, y = plot.left + cell * (i + 0.5), plot.top + row * i
        plot.text(plot.left - 8, y + row / 2 + 4, cut(name, left - 8), "name", "end")
        if upright:
            plot.upright_text(x + 4, plot.top - 8, cut(name, top - 26), "name")
        else:
            plot.text(x, plot.top - 8, name, "name", "middle")
        for j in np.flatnonzero(counts[i]).tolist():
            shade = next(shade for above, shade in SHADES if counts[i, j] > above * rows[i])
            middle = plot.left + cell * (j + 0.5)
            plot.rect(middle - cell / 2 + 0.5, y + 0.5, cell - 1, row - 1, f"cell level{shade}")
            plot.text(middle, y + row / 2 + 4, _count(counts[i, j]), f"on-level{shade}", "middle")
    for k in (0, n):
        plot.line((plot.left, plot.left + cell * n), [plot.top + row * k] * 2, "grid")
        plot.line([plot.left + cell * k] * 2, (plot.top, plot.top + row * n), "grid")
    return plot


def _count(rows: float) -> str:
    """Write a number of rows in at most five letters; a mean over networks has a decimal."""
    if rows >= 10_000:
        return f"{rows / 1000:.0f}k"
    return f"{rows:.1f}" if rows < 100 and abs(rows - round(rows)) > 0.05 else f"{rows:,.0f}"
