"""Categories as numbers: in an order that the study file has, or as means of the target."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tuner.data import Dataset, DataSettings, Encoding, dataset_from_frame
from tuner.data.number_forms import Target
from tuner.data.target_means import FOLDS, PRIOR_ROWS, fit_means, folds_of
from tuner.errors import DataError

SIZES = {"order": ["S", "M", "L", "XL"]}


def sized(cells: list[Any], **settings: Any) -> Dataset:
    """A table of one column of sizes, its last two rows for dev."""
    n = len(cells)
    rows = pd.DataFrame({"size": cells, "part": ["train"] * (n - 2) + ["dev"] * 2, "y": [0, 1] * (n // 2)})
    columns = {"size": {**SIZES, **settings}}
    return dataset_from_frame(rows, "y", DataSettings(split_column="part", columns=columns), cache=False)


def test_an_order_makes_numbers_of_categories() -> None:
    """Places in the order, normalized; missing cells have the median, and what training rows never had is missing."""
    dataset = sized(["S", "M", "L", "M", None, "M", "L", "?"])
    X = dataset.parts[0].train.X
    assert dataset.feature_names == ("size", "size (missing)")
    assert X[:, 1].tolist() == [0, 0, 0, 0, 1, 0]
    assert X[:, 0] == pytest.approx(np.array([-1, 0, 1, 0, 0, 0]) * np.sqrt(3))
    assert dataset.columns[0].encoding == "place from 'S' to 'XL', normalized, missing: 1 and an indicator"
    again = Encoding.from_json(json.loads(json.dumps(dataset.encodings[0])))
    new = again.transform(pd.DataFrame({"size": ["XL", "XXL"]}))
    assert new[0, 0] == pytest.approx(2 * np.sqrt(3))
    assert new[1].tolist() == [0, 1]


def test_an_order_of_digits_is_one_of_texts_and_can_have_a_form() -> None:
    """Numbers in the file are read as categories, and may be piecewise linear inputs as other numbers."""
    cells = [1, 2, 10, 1, 2, 10] * 10
    dataset = sized(cells, order=["10", "2", "1"], numeric="piecewise_linear")
    assert dataset.feature_names == ("size (bin 01)", "size (bin 02)")
    assert dataset.parts[0].dev.X.tolist() == [[1, 0], [0, 0]]


def test_a_training_cell_that_is_not_in_the_order_is_refused() -> None:
    """One line says what was found, what is in the order and what to do."""
    with pytest.raises(DataError, match=r"column 'size': expected one of S, M, L, XL .*, got 'XXL'\. Add it there"):
        sized(["S", "M", "L", "XXL", "M", "M"])


def by_zip(zips: Any, y: Any, **settings: Any) -> Dataset:
    """A table of one column of zips and a number that says nothing."""
    rows = pd.DataFrame({"zip": zips, "x": np.arange(len(y)) % 7, "y": y})
    return dataset_from_frame(rows, "y", DataSettings(columns={"zip": "target_encoded"}, **settings), cache=False)


def test_a_rows_own_target_is_not_among_its_inputs() -> None:
    """Categories of noise tell training rows nothing; their means of all rows would give the target away."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"zip": [f"z{k}" for k in rng.permutation(np.arange(600) % 150)], "y": rng.integers(0, 2, 600)})
    part = (dataset := by_zip(rows["zip"], rows["y"])).parts[0]
    place = dataset.feature_names.index("zip (target mean)")
    of_all = Encoding.from_json(dataset.encodings[0]).transform(rows.assign(x=0))[part.train.rows, place]
    assert np.corrcoef(part.train.X[:, place], part.train.y)[0, 1] < 0.05
    assert np.corrcoef(of_all, part.train.y)[0, 1] > 0.4


@pytest.mark.parametrize("names", [("no", "yes"), ()])
def test_a_mean_is_drawn_toward_that_of_all(names: tuple[str, ...]) -> None:
    """As by ten rows; rare categories share one mean, and missing cells have theirs."""
    codes = np.repeat([0, 1, 2, 3, -1], [20, 30, 1, 1, 10])
    y = np.concatenate([np.ones(20), np.zeros(30), [1, 1], np.tile([0, 1], 5)])
    target = Target(y.astype(int) if names else y, np.arange(len(y)), names)
    means = fit_means(("a", "b", "c", "d"), codes, target, None)
    assert means is not None
    assert means.levels == ("a", "b")
    whole = PRIOR_ROWS * y.mean()
    expected = np.array([20 + whole, whole, 2 + whole, 5 + whole]) / (np.array([20, 30, 2, 10]) + PRIOR_ROWS)
    shown = means.of(("a", "b", "z"), np.array([0, 1, 2, -1]))[:, 0]
    assert (shown - shown[1]) / (shown[0] - shown[1]) == pytest.approx(
        (expected - expected[1]) / (expected[0] - expected[1])
    )


def test_each_of_several_classes_has_its_mean() -> None:
    """Its share in the category; of weighted rows by their weights."""
    codes, y = np.repeat([0, 1, 2], 40), np.repeat([0, 1, 2], 40)
    means = fit_means(("a", "b", "c"), codes, Target(y, np.arange(120), ("x", "y", "z")), None)
    assert means is not None
    assert means.of(("a", "b", "c"), np.array([0, 1, 2])).argmax(axis=1).tolist() == [0, 1, 2]
    assert fit_means(("a", "b"), codes % 2, Target(y * 0, np.arange(120), ("x", "y")), None) is None


def test_rows_of_a_group_are_in_one_fold() -> None:
    """What other rows of a patient say of its target is no mean of others."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(60), 5)
    y = rng.integers(0, 2, 60)[group]
    rows = pd.DataFrame({"zip": [f"z{k}" for k in group], "who": group, "x": 0, "y": y})
    settings = DataSettings(group="who", columns={"zip": "target_encoded", "x": "drop"})
    part = dataset_from_frame(rows, "y", settings, cache=False).parts[0]
    assert len(np.unique(part.train.X)) <= FOLDS
    assert np.bincount(folds_of(np.arange(1000)), minlength=FOLDS) == pytest.approx(200, abs=10)


@pytest.mark.parametrize("change", [{"values": []}, {"levels": ["a"]}, {"values": [[[]]] * 6}])
def test_means_that_others_wrote_are_checked(change: dict[str, Any]) -> None:
    """Their number is that of the folds, of the categories and of the inputs."""
    plain = json.loads(json.dumps(by_zip(["a", "b"] * 50, [0, 1] * 50).encodings[0]))
    assert plain["version"] == 4
    plain["columns"][0]["means"] |= change
    with pytest.raises(DataError, match="means: expected 6 tables"):
        Encoding.from_json(plain)
