"""The figures of the page, in its order: each a function of the report that draws one, or None where there is nothing.

To add one is one module and one line of ``FIGURES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tuner.reporting.figures.curves import curves
from tuner.reporting.figures.effort import effort
from tuner.reporting.figures.figure import Figure
from tuner.reporting.figures.gaps import gaps
from tuner.reporting.figures.parallel import parallel
from tuner.reporting.figures.progress import progress
from tuner.reporting.figures.scatter import scatter

if TYPE_CHECKING:
    from tuner.reporting.report import Report

FIGURES: dict[str, Callable[[Report], Figure | None]] = {
    "gaps": gaps,
    "scatter": scatter,
    "curves": curves,
    "progress": progress,
    "effort": effort,
    "parallel": parallel,
}

__all__ = ["FIGURES", "Figure"]
