"""What differs between the rows of two studies: a moved column is named, and chance is not."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.data.conftest import people
from tuner.data import Dataset, DataSettings, dataset_from_frame, find_drift, find_mismatch
from tuner.errors import DataError

NAMES = ("monday", "tuesday")


def made(frame: pd.DataFrame, **settings: object) -> Dataset:
    """The data of a frame whose class is in the column "rich"."""
    return dataset_from_frame(frame, "rich", DataSettings.model_validate(settings), cache=False)


def test_a_moved_column_is_named() -> None:
    """Older people and more clerks on Tuesday: both columns, with the names of the studies, in the order of size."""
    other = people(600, seed=1)
    other["age"] += 9
    other.loc[:300, "job"] = "clerk"
    (found,) = (each for each in find_drift(made(people(600)), made(other), NAMES) if each.kind == "distribution")
    assert set(found.columns) == {"age", "job"}
    assert found.text.startswith("monday and tuesday: the values of 2 columns")
    assert found.evidence["size"] > 0.3


def test_dev_rows_are_told_from_training_rows_by_what_moved() -> None:
    """Of parts that a column names: older people and other jobs give dev rows away; parts drawn at random are none."""
    dev = people(700, seed=1).assign(part="dev")
    dev["age"] += 12
    dev.loc[:300, "job"] = "clerk"
    found = find_mismatch(made(pd.concat([people(700).assign(part="train"), dev]), split_column="part"))
    assert found is not None
    assert found.separation.low > 0.7
    assert set(found.columns[:2]) == {"age", "job"}
    assert {name for name, _ in found.separation.falls} == {"age", "job"}
    assert {test.column for test, _ in found.tests} == {"age", "job"}
    assert found.rows == (700, 700)
    assert found.frame["column"].tolist() == list(found.columns)
    assert found.frame["distribution"].max() == found.tests[0][0].size
    assert find_mismatch(made(people(700))) is None
    same = pd.concat([people(300, seed=k).assign(part=part) for k, part in enumerate(("train", "dev"))])
    alike = find_mismatch(made(same, split_column="part"))
    assert alike is not None
    assert (alike.columns, alike.separation.falls) == ((), ())


def test_other_rows_of_one_kind_do_not_differ() -> None:
    """Of 15 pairs of random tables at most one is said to differ."""
    pairs = ((made(people(300, seed=100 + k)), made(people(300, seed=200 + k))) for k in range(15))
    assert sum(any(each.severity == "warning" for each in find_drift(*pair, NAMES)) for pair in pairs) <= 1


def test_what_orders_rows_is_not_compared() -> None:
    """The day of a nightly table is another one each night, which is no news; the same data have no drift."""
    first, other = (people(300, seed=day).assign(day=day * 1000 + pd.RangeIndex(300)) for day in (1, 2))
    assert find_drift(made(first, time="day"), made(other, time="day"), NAMES) == ()
    assert any("day" in each.columns for each in find_drift(made(first), made(other), NAMES))
    assert find_drift(made(first), made(first), NAMES) == ()


def test_a_missing_column_is_named() -> None:
    """Tables of different columns cannot be compared."""
    with pytest.raises(DataError, match="hours"):
        find_drift(made(people(300)), made(people(300, seed=1).drop(columns="hours")), NAMES)
