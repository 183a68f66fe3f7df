"""Dev error over the two most important hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuner.formatting import count
from tuner.reporting.axes import HyperparameterAxis, hyperparameter_axes
from tuner.reporting.figures.figure import Figure, positions
from tuner.reporting.figures.parallel import sample
from tuner.reporting.frames import dev_error
from tuner.reporting.svg import AxisScale, Plot, number, tag

if TYPE_CHECKING:
    from tuner.reporting.report import Report

FEWEST = 12  # trials
CELLS, SHADES = 28, 5
WIDTH = 0.09  # of the range: the standard deviation of the kernel
NEAR = 0.6  # weights that a cell needs, a trial in the cell being 1


def contours(report: Report) -> Figure | None:
    """Draw the average dev error near each point, where trials are, and the trials."""
    unit = report.diagnosis.unit
    axes = _two_axes(report)
    if axes is None:
        return None
    ranked = report.findings.ranked
    every = np.array([[axis.position(trial.params.get(axis.name)) for axis in axes] for trial in ranked], float)
    placed = np.flatnonzero(np.isfinite(every).all(axis=1))
    if len(placed) < FEWEST:
        return None
    places, trials = every[placed], [ranked[k] for k in placed]
    dev = np.array([dev_error(trial) for trial in trials], float)
    middle = (np.arange(CELLS) + 0.5) / CELLS
    mean, weight = _smoothed(places, dev, middle)
    known = weight >= NEAR
    levels = np.quantile(mean[known], np.linspace(0, 1, SHADES + 1))
    plot = Plot(width=460, height=400, margins=(32, 14, 44, 60))
    x, y = plot.x_scale(0, 1), plot.y_scale(0, 1)
    for shade in range(SHADES):
        inside = known & (mean <= levels[shade + 1]) & ((mean > levels[shade]) | (shade == 0))
        _draw_cells(plot, x(middle), y(middle), inside, f"level{shade}")
    _label_axes(plot, axes, x, y)
    px, py = x(places[:, 0]), y(places[:, 1])
    drawn = np.array(sample(range(len(trials))))
    for a, b in zip(px[drawn], py[drawn], strict=True):
        plot.circle(float(a), float(b), 2.2, "trial-dot")
    plot.circle(float(px[0]), float(py[0]), 7, "best")
    return Figure(
        title=f"Dev error over {axes[0].name} and {axes[1].name}",
        sentence=(
            "The two most important hyperparameters: the dev error (measured) of the trials near each point, on "
            "average over all other hyperparameters; nothing where there are no trials. The ring is the best trial. "
            "Slanted bands mean that the two must be chosen together."
        ),
        svg=plot.svg("contours", f"Dev error of {count(len(trials), 'trial')} over {axes[0].name} and {axes[1].name}"),
        legend=(
            ("best", "best trial"),
            *(
                (f"level{k}", f"{unit.text(float(levels[k]))} to {unit.text(float(levels[k + 1]))}")
                for k in range(SHADES)
            ),
        ),
        dots={"contours": positions(report.listed, [trials[k] for k in drawn], px[drawn], py[drawn])},
    )


def _draw_cells(plot: Plot, xs: np.ndarray, ys: np.ndarray, inside: np.ndarray, shade: str) -> None:
    """Draw the cells (CELLS, CELLS) with these middles that are inside, as one path."""
    width, height = (plot.right - plot.left) / CELLS, (plot.bottom - plot.top) / CELLS
    path = "".join(
        f"M{number(float(xs[i]) - width / 2)} {number(float(ys[j]) - height / 2)}"
        f"h{width:.2f}v{height:.2f}h{-width:.2f}z"
        for i, j in np.argwhere(inside)
    )
    if path:
        plot.parts.append(tag("path", d=path, class_=f"cell {shade}"))


def _label_axes(plot: Plot, axes: tuple[HyperparameterAxis, HyperparameterAxis], x: AxisScale, y: AxisScale) -> None:
    for position, label in axes[0].ticks(4):
        plot.text(float(x(position)), plot.bottom + 16, label, "tick", "middle")
    for position, label in axes[1].ticks(4):
        plot.text(plot.left - 7, float(y(position)) + 4, label, "tick", "end")
    plot.text((plot.left + plot.right) / 2, plot.height - 8, axes[0].name, "axis", "middle")
    plot.text(2, plot.top - 12, axes[1].name, "axis")


def _two_axes(report: Report) -> tuple[HyperparameterAxis, HyperparameterAxis] | None:
    """Return the axes of the two most important ranges; None with fewer than two."""
    if report.importances is None:
        return None
    axes = {axis.name: axis for axis in hyperparameter_axes(report.definition) if axis.searched.scale.is_numeric}
    names = [name for name in report.importances.shares if name in axes]
    return (axes[names[0]], axes[names[1]]) if len(names) > 1 else None


def _smoothed(places: np.ndarray, dev: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel mean of the dev error at each cell, (CELLS, CELLS), and the sum of the kernel there."""
    near = [np.exp(-0.5 * ((middle[:, None] - places[:, k]) / WIDTH) ** 2) for k in (0, 1)]
    weight = near[0] @ near[1].T
    return (near[0] * dev) @ near[1].T / np.maximum(weight, 1e-12), weight
