"""Odd dev rows: equal rows of different classes, and cells far outside of what training rows have."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.data.conftest import people
from tuner.data import Dataset, DataSettings, contradicting_rows, dataset_from_frame, odd_cells


def made(frame: pd.DataFrame, folds: int | None = None) -> Dataset:
    """The data of a frame whose class is in the column "rich"."""
    split = {"test": 0} if folds else {"test": 0, "dev": 0.5}
    settings = DataSettings.model_validate({"folds": folds, "split": split})
    return dataset_from_frame(frame, "rich", settings, cache=False)


@pytest.mark.parametrize("folds", [None, 4])
def test_odd_rows_are_found(folds: int | None) -> None:
    """A number 100 times as far from the median as the others, and a new category, by their rows and columns."""
    frame = people(200)
    row = int(made(frame, folds).dev_rows[7])
    frame.loc[row, "age"], frame.loc[row, "job"] = 4000.0, "astronaut"
    dataset = made(frame, folds)
    cells = odd_cells(dataset)
    assert {(int(dataset.dev_rows[cell.place]), cell.column) for cell in cells} == {(row, "age"), (row, "job")}
    assert [cell.column for cell in cells] == ["job", "age"]
    assert math.isinf(cells[0].times)
    assert cells[1].times == pytest.approx(150, rel=0.5)


def test_ordinary_rows_are_not_odd() -> None:
    """Neither normal, skewed nor mostly constant numbers have odd cells."""
    rng = np.random.default_rng(0)
    frame = people(1000).assign(income=rng.lognormal(0, 1, 1000), visits=rng.random(1000) < 0.005)
    assert odd_cells(made(frame)) == []
    assert contradicting_rows(made(frame)) == []


@pytest.mark.parametrize("folds", [None, 4])
def test_equal_rows_of_different_classes_are_a_group(folds: int | None) -> None:
    """Three equal rows of two classes are one group, and equal rows of one class are none."""
    frame = people(200)
    dev = made(frame, folds).dev_rows
    classes = frame["rich"].to_numpy()
    wanted = [*dev[classes[dev] == "yes"][:2], *dev[classes[dev] == "no"][:1]]
    frame.loc[wanted, ["age", "hours", "job"]] = [41.0, 7, "cook"]
    twins = dev[classes[dev] == "no"][5:7]
    frame.loc[twins, ["age", "hours", "job"]] = [39.0, 7, "cook"]
    dataset = made(frame, folds)
    (group,) = contradicting_rows(dataset)
    assert sorted(dataset.dev_rows[group].tolist()) == sorted(map(int, wanted))
