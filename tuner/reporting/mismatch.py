"""Where dev rows differ from training rows, as a report shows it."""

from __future__ import annotations

from typing import Any

from tuner.data import Mismatch
from tuner.formatting import count, points

HEADING = "Where dev differs from train"
HEADINGS = ("column", "AUC falls by", "values differ", "missing cells differ")
MOST = 20
"""Rows of the table."""


def mismatch_sentences(found: Mismatch) -> list[str]:
    """Say how well dev rows are told from training rows, what the table is, and in what the classes differ."""
    train, dev = found.rows
    can = "can" if found.told.is_notable else "can hardly"
    first = (
        f"Small boosted trees {can} tell {count(dev, 'dev row')} from {count(train, 'training row')}, by rows that "
        f"they were not fitted on: {found.told.text}."
    )
    rest = [f"{text[0].upper()}{text[1:]}." for text in found.classes]
    if not found.columns:
        return [first, "No column clearly differs.", *rest]
    table = (
        "A column that gives dev rows away lowers the AUC if its cells are shuffled. D is the largest difference of "
        "the shares below a value, total variation half the sum of the differences of the shares of categories."
    )
    return [first, table, *rest]


def mismatch_rows(found: Mismatch) -> list[tuple[str, str, str, str]]:
    """Return the rows of the table, those that give dev rows away first."""
    falls = dict(found.told.falls)
    sizes = {(test.kind, test.column): test for test, _ in found.tests}
    rows = []
    for column in found.columns[:MOST]:
        values, missing = (sizes.get((kind, column)) for kind in ("distribution", "missingness"))
        rows.append(
            (
                column,
                f"{falls[column]:.2f}" if column in falls else "–",
                "–" if values is None else f"{values.measure} {values.size:.2f}",
                "–" if missing is None else f"{points(missing.size)} pp",
            )
        )
    return rows


def mismatch_dict(found: Mismatch) -> dict[str, Any]:
    """Return plain JSON."""
    falls = dict(found.told.falls)
    return {
        "train_rows": found.rows[0],
        "dev_rows": found.rows[1],
        "auc": {"value": found.told.auc, "low": found.told.low, "high": found.told.high},
        "classes": list(found.classes),
        "columns": [
            {
                "column": column,
                "auc_fall": falls.get(column),
                "differences": [
                    {"kind": test.kind, "measure": test.measure, "size": test.size, "p_adjusted": p}
                    for test, p in found.tests
                    if test.column == column
                ],
            }
            for column in found.columns
        ],
    }
