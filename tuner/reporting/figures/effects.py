"""Each hyperparameter's pull on bias beside its pull on variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.analysis import Effect, HyperparameterEffect, HyperparameterEffects
from tuner.formatting import count, join, points, span
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import AxisScale, Plot, cut, label_width

if TYPE_CHECKING:
    from tuner.reporting.report import Report

ROW = 26
BETWEEN = 34
MOST_NAMED = 3


def effects(report: Report) -> Figure | None:
    """One row per hyperparameter or choice: effect on train error at the left, on the gap at the right, one scale."""
    found = report.effects
    if found is None:
        return None
    rows = found.effects
    room = label_width(row.label for row in rows)
    plot = Plot(height=ROW * len(rows) + 92, margins=(46, 12, 46, room))
    middle = (plot.left + plot.right) / 2
    reach = max(
        0.002, *(abs(end) for row in rows for end in (row.train.low, row.train.high, row.gap.low, row.gap.high))
    )
    reach = min(reach, 4 * max(0.002, *(abs(effect.value) for row in rows for effect in (row.train, row.gap))))
    panels = (
        AxisScale(-reach, reach, plot.left, middle - BETWEEN / 2),
        AxisScale(-reach, reach, middle + BETWEEN / 2, plot.right),
    )
    for scale, title, css in zip(panels, ("bias (train error)", "variance (gap)"), ("train", "dev"), strict=True):
        _frame(plot, scale, title, css)
    for place, row in enumerate(rows):
        y = plot.top + ROW * (place + 0.5)
        plot.text(plot.left - 8, y + 4, cut(row.label, room), "name", "end")
        for scale, effect, css in zip(panels, (row.train, row.gap), ("train", "dev"), strict=True):
            _effect(plot, scale, effect, y, css)
    plot.text(middle, plot.height - 6, "change in points", "axis", "middle")
    return Figure(
        title="What each hyperparameter pulls on",
        sentence=_sentence(found),
        svg=plot.svg("effects", _alt(rows)),
        legend=(("train", "raises or lowers bias"), ("dev", "raises or lowers variance")),
    )


def _frame(plot: Plot, scale: AxisScale, title: str, css: str) -> None:
    plot.text((scale.start + scale.end) / 2, plot.top - 26, title, "axis", "middle")
    plot.text(scale.start, plot.top - 9, "◂ less", "note")
    plot.text(scale.end, plot.top - 9, "more ▸", "note", "end")
    outer = AxisScale(0, scale.high, 0, 1).ticks(3)[-1]
    for tick in (-outer, 0.0, outer):
        x = float(scale(tick))
        plot.upright(x, "pole" if tick == 0 else "grid")
        plot.text(x, plot.bottom + 16, f"{100 * tick:g}".replace("-", "−"), "tick", "middle")


def _effect(plot: Plot, scale: AxisScale, effect: Effect, y: float, css: str) -> None:
    low, high = float(scale(effect.low)), float(scale(effect.high))
    plot.line((low, high), (y, y), f"interval {css}")
    plot.circle(float(scale(effect.value)), y, 4.5, f"effect {css}{'' if effect.decided else ' open'}")


def _sentence(found: HyperparameterEffects) -> str:
    rests = (
        "Change from the lower to the upper quarter of each range (a choice: against the others), averaged over the "
        f"space, with 95% intervals, from {count(found.trials, 'complete trial')}; filled dots are certain of their "
        "side. "
    )
    decided = [row for row in found.effects if row.train.decided or row.gap.decided]
    decided.sort(key=lambda row: -max(abs(e.value) for e in (row.train, row.gap) if e.decided))
    told = "; ".join(_told(row) for row in decided[:MOST_NAMED])
    rests += f"{told[:1].upper()}{told[1:]}. " if told else "No hyperparameter's pull is certain yet. "
    if found.where_the_search_looked:
        rests += f"Only {found.exploring} trials explored: this is said of where the search looked."
    return rests.strip()


def _told(row: HyperparameterEffect) -> str:
    parts = []
    for effect, what in ((row.train, "train error"), (row.gap, "the gap")):
        if effect.decided:
            verb = "raises" if effect.value > 0 else "lowers"
            parts.append(f"{verb} {what} by {points(abs(effect.value))} pp")
    who = f"more {row.hyperparameter}" if row.level is None else row.label
    return f"{who} {join(parts)}"


def _alt(rows: tuple[HyperparameterEffect, ...]) -> str:
    return "; ".join(
        f"{row.label}: train error {points(row.train.value)} "
        f"({span(row.train.low, row.train.high)}), gap {points(row.gap.value)} ({span(row.gap.low, row.gap.high)})"
        for row in rows
    )
