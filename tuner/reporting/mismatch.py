"""Where dev rows differ from training rows, as a report shows it."""

from __future__ import annotations

from typing import Any

from tuner.data import Mismatch
from tuner.formatting import count, points

HEADING = "Where dev differs from train"
HEADINGS = ("column", "AUC falls by", "values differ", "missing cells differ")
MOST = 20
"""Rows of the table."""


def mismatch_sentences(mismatch: Mismatch) -> list[str]:
    """Say how well dev rows are told from training rows, what the table is, and in what the classes differ."""
    train, dev = mismatch.rows
    can = "can" if mismatch.separation.is_notable else "can hardly"
    first = (
        f"Small boosted trees {can} tell {count(dev, 'dev row')} from {count(train, 'training row')}, by rows that "
        f"they were not fitted on: {mismatch.separation.text}."
    )
    rest = [f"{text[0].upper()}{text[1:]}." for text in mismatch.classes]
    if not mismatch.columns:
        return [first, "No column clearly differs.", *rest]
    table = (
        "A column that gives dev rows away lowers the AUC if its cells are shuffled. D is the largest difference of "
        "the shares below a value, total variation half the sum of the differences of the shares of categories."
    )
    return [first, table, *rest]


def mismatch_rows(mismatch: Mismatch) -> list[tuple[str, str, str, str]]:
    """Return the rows of the table, those that give dev rows away first."""
    falls = dict(mismatch.separation.falls)
    sizes = {(test.kind, test.column): test for test, _ in mismatch.tests}
    rows = []
    for column in mismatch.columns[:MOST]:
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


def mismatch_dict(mismatch: Mismatch) -> dict[str, Any]:
    """Return plain JSON."""
    falls = dict(mismatch.separation.falls)
    return {
        "train_rows": mismatch.rows[0],
        "dev_rows": mismatch.rows[1],
        "auc": {"value": mismatch.separation.auc, "low": mismatch.separation.low, "high": mismatch.separation.high},
        "classes": list(mismatch.classes),
        "columns": [
            {
                "column": column,
                "auc_fall": falls.get(column),
                "differences": [
                    {"kind": test.kind, "measure": test.measure, "size": test.size, "p_adjusted": p}
                    for test, p in mismatch.tests
                    if test.column == column
                ],
            }
            for column in mismatch.columns
        ],
    }
