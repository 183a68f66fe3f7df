"""The columns that the best trial uses, as a report shows and keeps them."""

from __future__ import annotations

from typing import Any

from tuner.analysis import ColumnUse
from tuner.formatting import count, join, quoted
from tuner.reporting.changes import EarlierReport
from tuner.storage import StudyRecord
from tuner.units import Unit

HEADINGS = ("column", "error rises by", "95% interval")
MOST = 20
"""Rows of the table; the summary has all."""


def kept_columns(earlier: EarlierReport | None, record: StudyRecord) -> ColumnUse | None:
    """Return what an earlier report of the study measured of the trial that is still the best; None if it did not."""
    try:
        kept = {} if earlier is None else earlier.summary["columns"]
        if record.best is None or (kept["trial"], kept["fingerprint"]) != (record.best.number, record.fingerprint):
            return None
        return ColumnUse.from_dict(kept)
    except (KeyError, TypeError, ValueError):  # none, or a file of another version, or one that a person changed
        return None


def columns_dict(use: ColumnUse, record: StudyRecord) -> dict[str, Any]:
    """Return plain JSON, with the data that it is of."""
    return {**use.to_dict(), "fingerprint": record.fingerprint}


def column_rows(use: ColumnUse, unit: Unit) -> list[tuple[str, str, str]]:
    """Return the rows of the table: columns and groups of correlated ones, the most important first."""
    ranked = sorted((*use.columns, *use.groups), key=lambda each: -each.increase.value)[:MOST]
    return [
        (
            " and ".join(each.columns),
            f"{unit.gap(each.increase.value)}{unit.of_gaps}",
            unit.span(each.increase.low, each.increase.high),
        )
        for each in ranked
    ]


def too_good_sentences(use: ColumnUse, record: StudyRecord) -> list[str]:
    """Ask of columns that alone predict nearly as well as all whether they are known in time; once per column."""
    known = {name for finding in record.facts.findings if finding.kind == "leakage" for name in finding.columns}
    unit = record.unit
    return [
        f"Column {quoted(each.column)} alone predicts nearly as well as all columns: on the dev rows small trees of it "
        f"have an error of {unit.text(each.error)}, trial {use.trial} {unit.text(each.model)}, and the same prediction "
        f"for every row {unit.text(each.constant)}. Is it known at prediction time? If not, set its kind to "
        '"drop" in [data.columns].'
        for each in use.too_good
        if each.column not in known
    ]


def columns_sentence(use: ColumnUse | str, unit: Unit) -> str:
    """Say what the table is, which columns could be left out, and which were not measured; or why there is none."""
    if isinstance(use, str):
        return f"Which columns the network uses was not measured: {use}."
    text = (
        f"By how much the error of trial {use.trial} on {count(use.rows, 'dev row')} rises if a column is shuffled "
        "among them; strongly correlated columns are also shuffled together."
    )
    if use.droppable is not None:
        names, most = join([*map(quoted, use.droppable.columns)]), use.droppable.increase.high
        shuffled = "all of them" if len(use.droppable.columns) > 1 else "it"
        rise = f"{unit.gap(max(most, 0.0))}{unit.of_gaps}"
        text += f" {names} could be left out: with {shuffled} shuffled, the error rises by at most {rise}."
    if use.left_out:
        text += (
            f" There was no time for {count(use.left_out, 'more column')}: a tenth of the search's time was used up."
        )
    return text
