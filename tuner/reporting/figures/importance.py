"""How much of the difference between good and other trials each hyperparameter accounts for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.formatting import count
from tuner.formatting import share as in_per_cent
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import BAR_ROW, Plot, label_width

if TYPE_CHECKING:
    from tuner.reporting.report import Report


def importance(report: Report) -> Figure | None:
    """One bar a hyperparameter, the largest share on top."""
    found = report.importances
    if found is None:
        return None
    plot = Plot(height=BAR_ROW * len(found.shares) + 26, margins=(8, 52, 18, label_width(found.shares)))
    x = plot.x_scale(0, max(found.shares.values()))
    for place, (name, share) in enumerate(found.shares.items()):
        plot.bar(place, name, max(float(x(share)), plot.left + 1.0), in_per_cent(share), "train")
    first = next(iter(found.shares))
    where = (
        f"From {count(found.trials, 'exploring trial')}, spread over the whole space."
        if found.of_the_space
        else f"Too few trials explored, so this rests on all {found.trials} complete ones: it says what "
        "mattered where the search looked."
    )
    return Figure(
        title="What separates good trials from the rest",
        sentence=f"Shares of importance (PED-ANOVA); {first} counts most. {where}",
        svg=plot.svg("importance", ", ".join(f"{name} {in_per_cent(share)}" for name, share in found.shares.items())),
    )
