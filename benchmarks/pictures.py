"""Pictures for the documentation: figures of many reports by the size of the dev set, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from tuner.reporting.svg import Plot, tag

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 } .axis { font-weight: 600 }
.grid { stroke: #ddd; fill: none } .goal { stroke: #999; stroke-dasharray: 5 4; fill: none }
.first { stroke: #0072b2 } .second { stroke: #d55e00 } .range { stroke-width: 2; fill: none }
circle { fill: #fff; stroke-width: 2.5 }
text.first { fill: #0072b2; stroke: none } text.second { fill: #d55e00; stroke: none }
"""
SIZES = (50, 100, 200, 400, 801)
"""Where the groups of dev-set sizes begin, and where the last one ends."""
CLASSES = ("first", "second")

Label = Callable[[float], str]


def draw_trust(rows: pd.DataFrame, folder: Path) -> None:
    """Write trust-coverage.svg, trust-bias.svg and trust-levels.svg: see :func:`draw_by_size`.

    ``rows``: of benchmarks.diagnosis, a row a report.
    """
    rows = rows.assign(raw_covered=rows.raw_bias.abs() <= 1.96)
    draw_by_size(
        folder / "trust-coverage.svg",
        rows,
        {
            "selection-corrected, 95% interval": "dev_corrected.covered",
            "measured ± 1.96 standard errors": "raw_covered",
        },
        title="true error inside the interval",
        span=(0.4, 1.0),
        goal=0.95,
        label=_percent,
    )
    draw_by_size(
        folder / "trust-bias.svg",
        rows,
        {"selection-corrected": "corrected_bias", "measured": "raw_bias"},
        title="dev error less true error, standard errors",
        span=(-2.0, 0.5),
        goal=0.0,
        label=lambda tick: f"{tick:+g}".replace("-", "−") if tick else "0",
    )
    draw_by_size(
        folder / "trust-levels.svg",
        rows,
        {"the report": "variance.wrong", "with the measured dev error": "raw_wrong"},
        title="level of the variance stated and wrong",
        span=(0.0, 0.05),
        goal=None,
        label=_percent,
    )


def draw_by_size(
    path: Path,
    rows: pd.DataFrame,
    columns: dict[str, str],
    *,
    title: str,
    span: tuple[float, float],
    goal: float | None,
    label: Label,
) -> None:
    """Draw the mean of each column by size of the dev set, with its 95% interval over problems.

    ``columns``: the column of each name; ``span``: ends of the axis; ``goal``: a dashed line.
    """
    plot = Plot(width=560, height=310, margins=(34, 14, 80, 56))
    x, y = plot.x_scale(-0.5, len(SIZES) - 1.5), plot.y_scale(*span)
    plot.parts += [tag("style", STYLE), tag("rect", width=plot.width, height=plot.height, fill="#fff")]
    plot.y_axis(y, title, label)
    if goal is not None:
        plot.line((plot.left, plot.right), y([goal, goal]), "goal")
    said = []
    for place, (low, high) in enumerate(pairwise(SIZES)):
        some = rows[(rows.n_dev >= low) & (rows.n_dev < high)]
        plot.text(float(x(place)), plot.bottom + 18, f"{low} to {high - 1}", "tick", "middle")
        for (name, column), css, shift in zip(columns.items(), CLASSES, (-9, 9), strict=True):
            if some.problem.nunique() < 2:
                continue
            mean, half = mean_over_problems(some, column)
            at = float(x(place)) + shift
            plot.line((at, at), y([mean - half, mean + half]), f"range {css}")
            plot.circle(at, float(y(mean)), 4.5, css)
            said.append(f"{low} to {high - 1} dev rows, {name}: {label(round(mean, 3))}")
    plot.text((plot.left + plot.right) / 2, plot.bottom + 36, "rows of the dev set", "axis", "middle")
    for (name, _), css, at in zip(columns.items(), CLASSES, (plot.left, plot.left + 250), strict=True):
        plot.text(at, plot.height - 14, f"○ {name}", css)
    drawn = plot.svg(path.stem, f"{title.capitalize()}. {'; '.join(said)}")
    path.write_text(drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n", encoding="utf-8")


def mean_over_problems(rows: pd.DataFrame, column: str) -> tuple[float, float]:
    """The mean of the problems' means, and half of its 95% interval: reports of one problem are not independent."""
    means = rows.dropna(subset=column).astype({column: float}).groupby("problem")[column].mean()
    return float(means.mean()), 1.96 * float(means.std(ddof=1)) / math.sqrt(len(means))


def _percent(share: float) -> str:
    return f"{100 * np.round(share, 4):g}%"
