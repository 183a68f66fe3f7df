"""Shuffled columns: the rise of an error with its interval by hand, and which columns go together."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tuner.analysis import (
    ColumnUse,
    Dependence,
    ShuffledColumns,
    SingleColumn,
    correlated_columns,
    error_increase,
)
from tuner.analysis.effects import Effect


def test_rise_of_an_error_by_hand() -> None:
    """Of 100 rows 8 are wrong before and 28 after: 20 pp, half as certain if 4 rows each are one."""
    before, after = np.zeros(100), np.zeros((1, 100))
    before[:8] = after[0, :28] = 1
    rise = error_increase(before, after, lambda mean: mean)
    assert rise.value == pytest.approx(0.2)
    assert rise.high - rise.value == pytest.approx(1.96 * math.sqrt(0.2 * 0.8 / 100), rel=1e-3)
    grouped = error_increase(before, after, lambda mean: mean, np.arange(100) // 4)
    assert grouped.high - grouped.value == pytest.approx(2 * (rise.high - rise.value), rel=0.05)


def test_rise_of_an_rmse() -> None:
    """Squared errors of 1 that become 4 raise the RMSE by 1, without any doubt."""
    rise = error_increase(np.ones(50), np.full((3, 50), 4.0), math.sqrt)
    assert rise.value == rise.low == rise.high == pytest.approx(1)


def test_strongly_correlated_columns_go_together() -> None:
    """A number, its cube and a category that cuts it at the median; not a column of its own."""
    rng = np.random.default_rng(0)
    a, other = rng.normal(size=(2, 500))
    X = np.column_stack([a, other, a**3, a > 0, a <= 0])
    assert correlated_columns(X, [[0], [1], [2], [3, 4]]) == [[0, 2, 3]]


def test_what_is_written_is_read() -> None:
    """The plain form is JSON, and gives the same again."""
    shuffled = ShuffledColumns(("a",), Effect(0.1, 0.05, 0.15))
    curve = Dependence("a", "yes", True, (1.0, 2.0), ("1", "2"), (0.2, 0.3), is_number=True)
    use = ColumnUse(3, 100, (shuffled,), (), shuffled, 2, (SingleColumn("a", 0.1, 0.09, 0.5),), (curve,))
    written = json.loads(json.dumps(use.to_dict()))
    assert ColumnUse.from_dict(written) == use
    assert use.frame["increase"].tolist() == [0.1]
    assert use.dependence_frame["mean"].tolist() == [0.2, 0.3]
    for key, other in (("means", [0.1, math.nan]), ("labels", ["1"])):
        with pytest.raises(ValueError, match="expected as many labels and numbers"):
            ColumnUse.from_dict(written | {"dependence": [written["dependence"][0] | {key: other}]})
