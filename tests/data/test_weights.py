"""The weights of rows: how they are read, what is refused, and that rows of weight 0 are left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.data.conftest import Load, Write, people
from tuner.data import DataSettings, dataset_from, fit_on_all, read_parts, rows_in_memory
from tuner.data.encoding import Encoding
from tuner.errors import ArgumentError, DataError
from tuner.metrics import BALANCED_ERROR


def weighed(n: int = 0) -> pd.DataFrame:
    """People, each with a weight from 1 to 4; the first ``n`` have 0."""
    frame = people()
    return frame.assign(weight=np.where(np.arange(len(frame)) < n, 0.0, np.arange(len(frame)) % 4 + 1.0))


def test_weights_stay_with_their_rows(write: Write, load: Load) -> None:
    """In every set and fold, from the cache too, and for the final network; the column is no input."""
    frame = weighed()
    write("a.csv", frame)
    for _ in range(2):
        dataset = load("a.csv", weight="weight", folds=3, cache=True)
        tables = [table for part in dataset.parts for table in (part.train, part.dev)]
        for table in (*tables, fit_on_all(dataset)[0]):
            assert table.weights is not None
            assert table.weights.tolist() == frame["weight"].to_numpy()[table.rows].tolist()
        encodings = [Encoding.from_json(dataset.encodings[0])]
        assert read_parts(dataset, ["test"], encodings)[0]["test"].weights is not None
    assert not any("weight" in name for name in dataset.feature_names)
    assert dataset.dev_weights is not None
    assert dataset.dev_weights.mean() == pytest.approx(1)
    assert any("rows are weighted by 'weight': the" in notice for notice in dataset.notices)


@pytest.mark.parametrize("weight", [None, "weight"])
def test_a_metric_of_classes_weighs_them_in_every_error(write: Write, load: Load, weight: str | None) -> None:
    """In each set and fold by its own rows, among all dev rows together; rows weigh in training what they did."""
    write("a.csv", weighed())
    plain = load("a.csv", weight=weight, folds=3)
    dataset = plain.counting(BALANCED_ERROR)
    encodings = [Encoding.from_json(dataset.encodings[0])]
    tables = [part.train for part in dataset.parts] + [fit_on_all(dataset)[0]]
    tables.append(read_parts(dataset, ["test"], encodings)[0]["test"])
    for table in tables:
        assert table.error_weights is not None
        assert np.bincount(table.y, table.error_weights) == pytest.approx(len(table) / 2)
        assert (table.weights is None) == (weight is None)
    assert dataset.dev_weights is not None
    assert np.bincount(dataset.dev_y, dataset.dev_weights) == pytest.approx(len(dataset.dev_y) / 2)
    assert dataset.dev_strata is not None
    assert plain.dev_strata is None
    assert (plain.dev_weights is None) == (weight is None)


def test_rows_of_weight_0_are_as_if_they_were_not_there(write: Write, load: Load) -> None:
    """Not in any set, nor in the encoding; the next rows keep their lines, and what was left out is noted."""
    write("a.csv", weighed(6))
    write("b.csv", weighed(6)[6:])
    dataset, without = (load(name, weight="weight") for name in ("a.csv", "b.csv"))
    assert (dataset.parts[0].train.X == without.parts[0].train.X).all()
    assert (dataset.sizes, dataset.encodings) == (without.sizes, without.encodings)
    assert any("a.csv: left out 6 rows of weight 0" in notice for notice in dataset.notices)


@pytest.mark.parametrize(
    ("cell", "found"),
    [("", "missing"), ("-1", "-1"), ("heavy", "'heavy'"), ("inf", "inf"), ("1e200", "1e[+]?200")],
)
def test_what_is_no_weight_is_refused_by_line(write: Write, load: Load, cell: str, found: str) -> None:
    """One line names file, row, column and value."""
    frame = weighed().astype({"weight": object})
    frame.loc[3, "weight"] = cell
    write("a.csv", frame)
    with pytest.raises(DataError, match=f"a.csv, line 5, column 'weight': {found}; expected a weight, a number from 0"):
        load("a.csv", weight="weight")


def test_weights_that_cannot_be_are_refused(write: Write, load: Load) -> None:
    """All of them 0, no such column, the target itself, and a test file without them."""
    write("a.csv", weighed())
    write("zero.csv", weighed().assign(weight=0))
    write("b.csv", people())
    for name, settings, message in (
        ("zero.csv", {"weight": "weight"}, "zero.csv, column 'weight': the weight of all .* rows is 0"),
        ("a.csv", {"weight": "weigth"}, r"no column 'weigth' \(\[data\] weight\); did you mean 'weight'"),
        ("a.csv", {"weight": "weight", "test": "b.csv"}, r"b.csv: no column 'weight' \(\[data\] weight\)"),
    ):
        with pytest.raises(DataError, match=message):
            load(name, **settings)
    write("c.csv", weighed().assign(rich=np.arange(len(people())) % 2))
    with pytest.raises(DataError, match=r"\[data\] weight is the target, 'rich'"):
        load("c.csv", weight="rich")


def test_rows_in_memory_have_weights_of_their_own() -> None:
    """A column of the frame, or a number per row, which makes other data of them; as many as rows."""
    frame = weighed(2)
    rows = frame.drop(columns="weight")
    by_column = rows_in_memory(frame, "rich", sample_weight="weight")
    by_row = rows_in_memory(rows, "rich", sample_weight=frame["weight"])
    found = [dataset_from(each.reader(DataSettings()), cache=False) for each in (by_column, by_row)]
    assert found[0].dev_weights is not None
    assert found[0].dev_weights.tolist() == (found[1].dev_weights if found[1].dev_weights is not None else []).tolist()
    assert by_row.content != rows_in_memory(rows, "rich").content
    with pytest.raises(DataError, match="sample_weight: expected 200 values, one per row, got 1"):
        rows_in_memory(rows, "rich", sample_weight=[1.0])
    with pytest.raises(
        ArgumentError, match="sample_weight: no column 'heft'; expected a column, or the weight of each"
    ):
        rows_in_memory(rows, "rich", sample_weight="heft")
