"""The figures of the page: functions of the report that return a figure, or None if there is nothing to draw.

To add one, write a module and a line of ``FIGURES`` under its heading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tuner.reporting.figures.along import along
from tuner.reporting.figures.batches import batches
from tuner.reporting.figures.best_of import best_of
from tuner.reporting.figures.confusion import confusion
from tuner.reporting.figures.contours import contours
from tuner.reporting.figures.curves import curves, next_curves
from tuner.reporting.figures.dependence import dependence
from tuner.reporting.figures.effects import effects
from tuner.reporting.figures.effort import effort
from tuner.reporting.figures.failures import failures
from tuner.reporting.figures.figure import Figure
from tuner.reporting.figures.gaps import gaps
from tuner.reporting.figures.importance import importance
from tuner.reporting.figures.layers import layers
from tuner.reporting.figures.learning import learning
from tuner.reporting.figures.parallel import parallel
from tuner.reporting.figures.predicted import predicted
from tuner.reporting.figures.progress import progress
from tuner.reporting.figures.ranking import precision_recall, roc
from tuner.reporting.figures.reliability import reliability
from tuner.reporting.figures.sampled import sampled
from tuner.reporting.figures.scatter import scatter
from tuner.reporting.figures.tenths import tenths
from tuner.reporting.figures.timeline import timeline
from tuner.reporting.figures.validation import validation
from tuner.reporting.figures.weights import weights
from tuner.reporting.predictions import HEADING

if TYPE_CHECKING:
    from tuner.reporting.report import Report

COLUMNS = "Columns"

FIGURES: dict[str, dict[str, Callable[[Report], Figure | None]]] = {
    "Bias and variance": {"gaps": gaps},
    COLUMNS: {"dependence": dependence},
    HEADING: {
        "predicted": predicted,
        "tenths": tenths,
        "confusion": confusion,
        "reliability": reliability,
        "roc": roc,
        "precision_recall": precision_recall,
    },
    "Train and dev error": {"scatter": scatter, "curves": curves, "next_curves": next_curves, "layers": layers},
    "Would more data help?": {"learning": learning},
    "Hyperparameters": {
        "effects": effects,
        "importance": importance,
        "along": along,
        "validation": validation,
        "contours": contours,
        "weights": weights,
        "batches": batches,
    },
    "The search": {
        "progress": progress,
        "best_of": best_of,
        "sampled": sampled,
        "effort": effort,
        "failures": failures,
        "parallel": parallel,
        "timeline": timeline,
    },
}
"""Heading -> key -> drawing, in the page's order; those of "Bias and variance" and "Columns" are beside tables."""

__all__ = ["COLUMNS", "FIGURES", "Figure"]
