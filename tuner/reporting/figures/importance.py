"""The importance of each hyperparameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.formatting import count, join
from tuner.formatting import share as in_percent
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import BAR_ROW, Plot, label_width

if TYPE_CHECKING:
    from tuner.reporting.effects import Importances
    from tuner.reporting.report import Report


def importance(report: Report) -> Figure | None:
    """Draw one bar per hyperparameter: on top those that certainly matter, the largest share first."""
    importances = report.importances
    if importances is None:
        return None
    plot = Plot(height=BAR_ROW * len(importances.shares) + 26, margins=(8, 52, 18, label_width(importances.shares)))
    x = plot.x_scale(0, max(importances.shares.values()))
    for place, (name, share) in enumerate(importances.shares.items()):
        css = "train" if name in importances.certain else "train faint"
        plot.bar(place, name, max(float(x(share)), plot.left + 1.0), in_percent(share), css)
    where = (
        f"Based on {count(importances.trials, 'exploring trial')} from the whole space."
        if importances.of_the_space
        else f"Too few trials explored, so this is based on all {count(importances.trials, 'complete trial')} and "
        "holds where the search looked."
    )
    return Figure(
        title="Hyperparameter importance",
        sentence=(
            "The share of each hyperparameter in what makes good trials good (PED-ANOVA). "
            f"{_certain(importances)} {where}"
        ),
        svg=plot.svg(
            "importance", ", ".join(f"{name} {in_percent(share)}" for name, share in importances.shares.items())
        ),
    )


def _certain(importances: Importances) -> str:
    """Say which hyperparameters certainly matter."""
    certain = [name for name in importances.shares if name in importances.certain]
    if not certain:
        return "No hyperparameter certainly matters by the exploring trials: the order may be chance."
    verb = "matters" if len(certain) == 1 else "matter"
    rest = " The order of the others (faint) may be chance." if len(certain) < len(importances.shares) else ""
    return f"By the exploring trials {join(certain)} certainly {verb}.{rest}"
