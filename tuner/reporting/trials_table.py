"""The table of trials on the page: its columns, as numbers for the script and as text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tuner.formatting import percent, points, value
from tuner.metrics import ERROR
from tuner.reporting.frames import params_of, trial_columns
from tuner.reporting.report import Report, best_first

ERRORS = {"train_error", "dev_error"}
GAPS = {"avoidable_bias": "train_minus_baseline", "variance": "dev_minus_train"}
"""Columns in pp, and their names on the page: what the report calls variance is selection-corrected, this is not."""
HIDDEN = {"stop_reason", "train_cost", "dev_cost", "best_epoch", "reason"}
"""Columns that are shown only when they are chosen."""
STATIC_ROWS = 25  # trials without script, and in print


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column: its name, its unit ("%", "pp" or ""), its values, and whether it is shown at first."""

    name: str
    unit: str
    values: list[Any]
    shown: bool

    def text(self, row: int) -> str:
        """Return a cell as people read it."""
        of = self.values[row]
        if of is None or not self.unit:
            return value(of)
        return percent(of) if self.unit == "%" else points(of)


def trials_table(report: Report) -> list[TableColumn]:
    """Return the columns of ``trials.csv`` without those that repeat others or are empty."""
    names = trial_columns(params_of(report.record))
    rows = list(report.trial_rows(report.listed.values()))
    dropped = {"seed"}
    if ERROR.is_shown_by(report.record.metric):
        dropped.add("value")  # the dev error
    if not report.diagnosis.baseline_given:
        dropped.add("avoidable_bias")  # the train error
    columns = []
    for place, name in enumerate(names):
        values = [_plain(row[place]) for row in rows]
        if name in dropped or (rows and all(one is None for one in values)):
            continue
        is_share = report.diagnosis.unit.is_percent  # otherwise errors and gaps are plain numbers
        unit = "%" if name in ERRORS or (name == "value" and report.findings.metric.counts_wrong) else ""
        columns.append(
            TableColumn(
                GAPS.get(name, name), ("pp" if name in GAPS else unit) if is_share else "", values, name not in HIDDEN
            )
        )
    return columns


def static_order(report: Report) -> list[int]:
    """Return the table's rows of the best trials, complete ones first."""
    return best_first([report.record.trials[place] for place in report.listed.values()])[:STATIC_ROWS]


def _plain(of: Any) -> Any:
    if isinstance(of, float):
        return float(f"{of:.4g}") if math.isfinite(of) else None
    return of if of is None or isinstance(of, bool | int | str) else value(of)
