"""Where training diverged: the share of trials along the learning rate or the hyperparameter that shows it best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.analysis import diverged_shares
from tuner.formatting import count, value
from tuner.reporting.effects import acting, searched_hyperparameters
from tuner.reporting.figures.figure import Figure
from tuner.reporting.findings import in_space
from tuner.reporting.svg import BAR_ROW, Plot, label_width

if TYPE_CHECKING:
    from tuner.reporting.report import Report


def failures(report: Report) -> Figure | None:
    """Draw one bar per quarter of the range along which divergence differs most; alpha's if none differs more."""
    ended = [trial for trial in report.record.trials if trial.has_result]
    trials = in_space(report.definition, ended)
    diverged = np.array([trial.has_diverged for trial in trials])
    if not diverged.any():
        return None
    params = acting(report.definition, trials)
    shares = {}
    for one in searched_hyperparameters(report.definition):
        acts = np.array([one.name in trial for trial in params], dtype=bool)
        if acts.any():
            tried = [trial[one.name] for trial in params if one.name in trial]
            shares[one.name] = diverged_shares(one, tried, diverged[acts])
    if not shares:
        return None
    name = max(shares, key=lambda name: (_spread(shares[name]), name == "alpha"))
    rows = [row for row in shares[name] if row[3]]
    plot = Plot(
        height=BAR_ROW * len(rows) + 40,
        margins=(26, 84, 14, label_width([name, *(_between(low, high) for low, high, *_ in rows)])),
    )
    plot.text(plot.left - 8, plot.top - 10, name, "axis", "end")
    x = plot.x_scale(0, max(0.1, *(failed / of for *_, failed, of in rows)))
    for place, (low, high, failed, of) in enumerate(rows):
        plot.bar(place, _between(low, high), float(x(failed / of)), f"{failed} of {of}", "diverged")
    return Figure(
        title="Where training diverged",
        sentence=(
            f"{count(int(diverged.sum()), 'trial')} of {len(trials):,} diverged. The sampler avoids them, and the "
            f"other figures leave them out. Their share differs most along {name}."
        ),
        svg=plot.svg("failures", f"Share of diverged trials along {name}"),
    )


def _spread(rows: list[tuple[Any, Any, int, int]]) -> float:
    """Return the range of the shares, each shrunk toward the middle by two more trials."""
    shares = [(failed + 0.5) / (of + 2) for *_, failed, of in rows]
    return max(shares) - min(shares)


def _between(low: Any, high: Any) -> str:
    return value(low) if low == high else f"{value(low)} to {value(high)}"
