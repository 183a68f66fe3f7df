"""Targets of numbers: when a target is one, how it is read, split and checked."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.conftest import Load, Write, people
from tuner.data import check_data_quality, chosen_task, random_subset
from tuner.data.targets import strata_of
from tuner.errors import DataError


def numbers(n: int = 200, seed: int = 0) -> pd.DataFrame:
    """The people, and a number that is somewhat higher for the older ones."""
    rng = np.random.default_rng(seed)
    table = people(n, seed)
    return table.assign(rich=(1000 * table["age"] + rng.normal(0, 5000, n)).round(2))


@pytest.mark.parametrize(
    ("target", "is_regression"),
    [
        (np.arange(200) % 20 + 0.5, False),
        (np.arange(200) % 21 + 0.5, True),
        (np.arange(200) % 50, False),
        (np.arange(200) % 51 - 25, True),
        ([f"c{k % 60}" for k in range(200)], False),
        ([f"$1,{k % 60:03}.50" for k in range(200)], True),
    ],
)
def test_many_different_numbers_are_regression(write: Write, load: Load, target: Any, is_regression: bool) -> None:
    """More than 20 that are not all integers, or more than 50 that are, however they are written."""
    write("p.csv", people().assign(rich=target))
    dataset = load("p.csv")
    assert (not dataset.unit.is_share, dataset.class_names == ()) == (is_regression,) * 2
    assert chosen_task(dataset)[:1] == [] or ("--task" in chosen_task(dataset)[0])


def test_the_definition_decides_otherwise(write: Write, load: Load) -> None:
    """[network] task reads three integers as numbers, and many as classes."""
    write("p.csv", people().assign(rich=np.arange(200) % 3))
    assert load("p.csv", task="regression").unit.scale == pytest.approx(np.std(np.arange(120) % 3), rel=0.1)
    write("p.csv", people().assign(rich=np.arange(200) % 60))
    assert load("p.csv", task="classification").n_classes == 60


def test_numbers_are_standardized_by_the_training_rows(write: Write, load: Load) -> None:
    """Mean 0 and deviation 1 there, of all parts in one unit; tenths of the numbers are in every set."""
    table = numbers()
    write("p.csv", table)
    dataset = load("p.csv")
    part = dataset.parts[0]
    assert (part.train.y.mean(), part.train.y.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    np.testing.assert_allclose(dataset.unit.restored(part.dev.y), table["rich"].to_numpy()[part.dev.rows])
    tenths = strata_of(table["rich"].to_numpy())
    assert set(np.bincount(tenths[part.dev.rows])) == {4}
    assert dataset.n_classes == 1
    folded = load("p.csv", folds=4)
    assert len(folded.parts) == 4
    assert random_subset(part.train, 30, np.random.default_rng(0)).y.std() > 0.5


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "the target is missing; expected a number in every row"),
        ("1e300", r"the target is '1e\+300'; expected a number from −1e\+100 to 1e\+100 in every row"),
    ],
)
def test_a_cell_that_is_no_number_is_refused(write: Write, load: Load, cell: str, message: str) -> None:
    """With the line, the cell and what was expected."""
    table = numbers().astype({"rich": object})
    table.loc[3, "rich"] = cell
    write("p.csv", table)
    with pytest.raises(DataError, match=f"line 5, column 'rich': {message}"):
        load("p.csv", task="regression")


def test_one_number_is_refused(write: Write, load: Load) -> None:
    """There is nothing to predict."""
    write("p.csv", people().assign(rich=7))
    with pytest.raises(DataError, match="all training rows have the number 7; expected different ones"):
        load("p.csv", task="regression")


@pytest.mark.parametrize(
    ("skew", "taken", "why"),
    [
        (lambda x: x, None, "skewness of the training rows is -?0.[0-9], within ±1"),
        (lambda x: np.exp(2 * x), "log", r"is \d.\d, that of their logarithms -?0.\d"),
        (lambda x: np.exp(np.exp(1.5 * x)), "quantile", r"that of their logarithms [1-9]"),
        (lambda x: x**5, "quantile", "and they have both signs"),
    ],
)
def test_auto_transforms_a_skewed_target_and_says_so(
    write: Write, load: Load, skew: Any, taken: str | None, why: str
) -> None:
    """By the skewness of the training rows, and that of their logarithms."""
    write("p.csv", people().assign(rich=skew(np.random.default_rng(3).normal(size=200))))
    dataset = load("p.csv", target_transform="auto")
    transform = dataset.unit.transform
    assert (None if transform is None else transform.name) == taken
    assert any(re.search(f'target_transform = "auto" takes "{taken or "none"}": .*{why}', n) for n in dataset.notices)


def test_a_transform_is_fitted_on_the_training_rows(write: Write, load: Load) -> None:
    """And undone of every row; it is also read from the cache.  Classes have none."""
    table = people().assign(rich=np.exp(np.random.default_rng(3).normal(size=200)))
    write("p.csv", table)
    for _ in range(2):
        dataset = load("p.csv", target_transform="quantile", cache=True)
        part, transform = dataset.parts[0], dataset.unit.transform
        assert transform is not None
        of_train = table["rich"].to_numpy()[part.train.rows]
        ends = transform.knots[0], transform.knots[-1]
        np.testing.assert_allclose(ends, (of_train.min(), of_train.max()), rtol=1e-12)  # interpolated
        np.testing.assert_allclose(dataset.unit.restored(part.dev.y), table["rich"].to_numpy()[part.dev.rows])
    write("p.csv", people().assign(rich=np.arange(200) % 3))
    with pytest.raises(DataError, match="the target has classes; leave it out, or --task regression"):
        load("p.csv", target_transform="log")


def test_a_column_that_tells_the_number_is_found(write: Write, load: Load) -> None:
    """And rows of one set that are in another; nothing is said of classes."""
    table = numbers(400)
    write("p.csv", pd.concat([table, table[:60]]).assign(code=lambda rows: rows["rich"] * 2))
    findings = check_data_quality(load("p.csv"))
    kinds = {finding.kind: finding for finding in findings}
    assert kinds["leakage"].columns == ("code",)
    assert "same_rows" in kinds
    assert not any("class" in finding.text or "wrong" in finding.text for finding in findings)


def two(n: int = 200) -> pd.DataFrame:
    """The people, and two numbers of each."""
    return numbers(n).assign(tall=lambda table: 150 + np.random.default_rng(1).normal(0, 10, len(table)).round(2))


def test_several_targets_are_standardized_each_by_itself(write: Write, load: Load) -> None:
    """By the training rows; named or by their positions; no column of theirs is an input; tenths are in every set."""
    table = two()
    write("p.csv", table)
    dataset = load("p.csv", target=["rich", "tall"], weight="age")
    part = dataset.parts[0]
    assert (dataset.target, dataset.n_classes, part.train.y.shape) == (("rich", "tall"), 2, (len(part.train), 2))
    np.testing.assert_allclose([part.train.y.mean(axis=0), part.train.y.std(axis=0)], [[0, 0], [1, 1]], atol=1e-9)
    np.testing.assert_allclose(dataset.unit.restored(part.dev.y), table[["rich", "tall"]].to_numpy()[part.dev.rows])
    assert {"rich", "tall"}.isdisjoint(column.name for column in dataset.columns)
    assert "tenths of the mean of the standardized targets" in dataset.split_text
    assert chosen_task(dataset) == ["'rich', 'tall' are predicted as numbers (regression), by one network"]
    assert load("p.csv", target=[-2, -1]).target == ("rich", "tall")
    assert load("p.csv", target=["tall"]).target == "tall"
    assert len(random_subset(part.train, 50, np.random.default_rng(0))) == 50


def test_rows_need_every_target(write: Write, load: Load) -> None:
    """drop_unlabeled leaves out rows without one of them; otherwise the first such row is named."""
    table = two()
    table.loc[[3, 5], "rich"], table.loc[5, "tall"] = np.nan, np.nan
    write("p.csv", table)
    with pytest.raises(DataError, match=r"line 7, column 'tall': the target is missing; expected a number in"):
        load("p.csv", target=["tall", "rich"])
    assert sum(load("p.csv", target=["tall", "rich"], drop_unlabeled=True).sizes.values()) == 198


def test_a_column_that_tells_one_of_several_targets_is_named(write: Write, load: Load) -> None:
    """The checks look at each target alone."""
    write("p.csv", two(600).assign(inches=lambda table: table["tall"] / 2.54))
    findings = check_data_quality(load("p.csv", target=["rich", "tall"]))
    told = {each.columns: each.text for each in findings if each.kind == "leakage"}
    assert "of the variance of 'tall'" in told["inches",]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": ["rich", "job"]}, "column 'job': the target is .*; expected a number in every row, as several"),
        ({"target": ["rich", "age"], "weight": "age"}, "weight is the target, 'age'"),
        ({"target": ["rich", "few"]}, "column 'few': 3 different values, which would be classes, and several targets"),
        ({"target": ["rich", "same"], "task": "regression"}, "column 'same': all training rows have the number 4"),
    ],
)
def test_what_cannot_be_one_of_several_targets_is_refused(
    write: Write, load: Load, changes: dict[str, Any], message: str
) -> None:
    """In one line that names the column."""
    write("p.csv", numbers().assign(few=np.arange(200) % 3, same=4))
    with pytest.raises(DataError, match=message):
        load("p.csv", **changes)
