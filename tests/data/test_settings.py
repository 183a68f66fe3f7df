"""The [data] section: what it accepts and what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tuner.data import DataSettings


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sauce": "a.csv"}, "Extra inputs are not permitted"),
        ({"split": {"dev": 0}}, "split.dev: expected a size > 0, got 0"),
        ({"split": {"test": 2.5}}, "integer number of rows, got 2.5"),
        ({"split": {"dev": -1}}, "greater than or equal to 0"),
        ({"folds": 1}, "greater than or equal to 2"),
        ({"time": "t", "folds": 5}, "older than its training rows"),
        ({"dev": "d.csv", "folds": 5}, "every row is a dev row"),
        ({"dev": "d.csv", "split": {"dev": 0.2}}, "mutually exclusive"),
        ({"dev": "d.csv", "split": {"test": 0.2}}, "set test to a file too"),
        ({"split": {"train_dev": 0.1}}, "needs dev to be a file"),
        ({"image": [28]}, "at least 2 items"),
        ({"delimiter": ";;"}, "at most 1 character"),
        ({"columns": {"a": "number"}}, "Input should be 'numeric'"),
        ({"columns": {"a": {"order": ["S", "M", "S"]}}}, "duplicate category 'S'"),
        ({"columns": {"a": {"order": ["S"]}}}, "at least 2 items"),
        ({"columns": {"a": {"kind": "categorical", "order": ["S", "M"]}}}, 'expected kind = "numeric" beside it'),
    ],
)
def test_refused_settings(keys: dict[str, Any], message: str) -> None:
    """Unknown keys, impossible sizes and contradictions are refused."""
    with pytest.raises(ValidationError, match=message):
        DataSettings(source="a.csv", target="y", **keys)


def test_a_columns_kind_may_be_short_or_a_table() -> None:
    """``job = "categorical"`` and ``job = { kind = "categorical" }`` mean the same."""
    short, table = (DataSettings(columns={"job": kind}) for kind in ("categorical", {"kind": "categorical"}))
    assert short.column("job") == table.column("job")
    assert short.column("other").kind is None
