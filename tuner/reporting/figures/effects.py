"""The effect of each hyperparameter on bias and on variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tuner.analysis import Effect, HyperparameterEffect, HyperparameterEffects
from tuner.formatting import count, join, share
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import AxisScale, Plot, cut, label_width
from tuner.units import Unit

if TYPE_CHECKING:
    from tuner.reporting.report import Report

ROW = 26
BETWEEN = 34
MOST_NAMED = 3


def effects(report: Report) -> Figure | None:
    """Draw one row per hyperparameter or choice: effect on train error left, on the gap right, on one scale."""
    summary = report.effects
    if summary is None:
        return None
    rows = summary.effects
    room = label_width(row.label for row in rows)
    shares = {} if report.importances is None else report.importances.shares
    plot = Plot(height=ROW * len(rows) + 92, margins=(46, 92 if shares else 12, 46, room))
    middle = (plot.left + plot.right) / 2
    unit, least = report.diagnosis.unit, 0.002 * report.diagnosis.unit.size
    reach = max(
        least, *(abs(end) for row in rows for end in (row.train.low, row.train.high, row.gap.low, row.gap.high))
    )
    reach = min(reach, 4 * max(least, *(abs(effect.value) for row in rows for effect in (row.train, row.gap))))
    panels = (
        AxisScale(-reach, reach, plot.left, middle - BETWEEN / 2),
        AxisScale(-reach, reach, middle + BETWEEN / 2, plot.right),
    )
    for scale, title in zip(panels, ("bias (train error)", "variance (gap)"), strict=True):
        _frame(plot, scale, title, unit)
    for place, row in enumerate(rows):
        y = plot.top + ROW * (place + 0.5)
        plot.text(plot.left - 8, y + 4, cut(row.label, room), "name", "end")
        for scale, effect, css in zip(panels, (row.train, row.gap), ("train", "dev"), strict=True):
            _effect(plot, scale, effect, y, css)
    _importances(plot, [row.hyperparameter for row in rows], shares)
    plot.text(middle, plot.height - 6, f"change{' in pp' if unit.is_percent else ''}", "axis", "middle")
    return Figure(
        title="Effect of each hyperparameter on bias and variance",
        sentence=_sentence(summary, unit)
        + (" On the right: the importance, its share in what makes good trials good (PED-ANOVA)." if shares else ""),
        svg=plot.svg("effects", _alt(rows, unit)),
        legend=(("train", "raises or lowers bias"), ("dev", "raises or lowers variance")),
    )


def _frame(plot: Plot, scale: AxisScale, title: str, unit: Unit) -> None:
    plot.text((scale.start + scale.end) / 2, plot.top - 26, title, "axis", "middle")
    plot.text(scale.start, plot.top - 9, "◂ less", "note")
    plot.text(scale.end, plot.top - 9, "more ▸", "note", "end")
    outer = AxisScale(0, scale.high, 0, 1).ticks(3)[-1]
    for tick in (-outer, 0.0, outer):
        x = float(scale(tick))
        plot.upright(x, "pole" if tick == 0 else "grid")
        plot.text(x, plot.bottom + 16, unit.tick(tick).removesuffix("%").replace("-", "−"), "tick", "middle")


def _importances(plot: Plot, names: list[str], shares: Mapping[str, float]) -> None:
    """Write the importance of each hyperparameter beside its first row."""
    if not shares:
        return
    plot.text(plot.width - 4, plot.top - 26, "importance", "axis", "end")
    for place, name in enumerate(names):
        if name in shares and name not in names[:place]:
            plot.text(plot.width - 4, plot.top + ROW * (place + 0.5) + 4, share(shares[name]), "name", "end")


def _effect(plot: Plot, scale: AxisScale, effect: Effect, y: float, css: str) -> None:
    low, high = float(scale(effect.low)), float(scale(effect.high))
    plot.line((low, high), (y, y), f"interval {css}")
    plot.circle(float(scale(effect.value)), y, 4.5, f"effect {css}{'' if effect.decided else ' open'}")


def _sentence(summary: HyperparameterEffects, unit: Unit) -> str:
    about = (
        "Change from the lower to the upper quarter of each range (for a choice: compared with the others), averaged "
        f"over the space, with 95% intervals, based on {count(summary.trials, 'complete trial')}. A dot is filled if "
        "its interval excludes 0. "
    )
    decided = [row for row in summary.effects if row.train.decided or row.gap.decided]
    decided.sort(key=lambda row: -max(abs(e.value) for e in (row.train, row.gap) if e.decided))
    largest = "; ".join(_in_words(row, unit) for row in decided[:MOST_NAMED])
    about += f"{largest[:1].upper()}{largest[1:]}. " if largest else "No effect is certain yet. "
    if summary.where_the_search_looked:
        about += f"Only {count(summary.exploring, 'trial')} explored, so this holds where the search looked."
    return about.strip()


def _in_words(row: HyperparameterEffect, unit: Unit) -> str:
    parts = []
    for effect, what in ((row.train, "train error"), (row.gap, "the gap")):
        if effect.decided:
            verb = "raises" if effect.value > 0 else "lowers"
            parts.append(f"{verb} {what} by {unit.gap(abs(effect.value))}{unit.of_gaps}")
    what_changes = f"more {row.hyperparameter}" if row.level is None else row.label
    return f"{what_changes} {join(parts)}"


def _alt(rows: tuple[HyperparameterEffect, ...], unit: Unit) -> str:
    return "; ".join(
        f"{row.label}: train error {unit.gap(row.train.value)} "
        f"({unit.span(row.train.low, row.train.high)}), gap {unit.gap(row.gap.value)} "
        f"({unit.span(row.gap.low, row.gap.high)})"
        for row in rows
    )
