"""The figures of the page, in its order: each a function of the report that draws one, or None where there is nothing.

To add one is one module and one line of ``FIGURES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tuner.reporting.figures.curves import curves
from tuner.reporting.figures.figure import Figure
from tuner.reporting.figures.scatter import scatter

if TYPE_CHECKING:
    from tuner.reporting.report import Report

FIGURES: dict[str, Callable[[Report], Figure | None]] = {
    "scatter": scatter,
    "curves": curves,
}

__all__ = ["FIGURES", "Figure"]
