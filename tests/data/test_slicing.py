"""Slices of columns: which rows each has, in dev and in the training rows of every fold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tuner.data import DataSettings, load_dataset
from tuner.data.slicing import slices_of
from tuner.errors import UsageError


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """300 rows with a column of each kind, of which some cells are missing."""
    rng = np.random.default_rng(0)
    made = pd.DataFrame(
        {
            "age": rng.integers(18, 90, 300).astype(float),
            "rooms": rng.integers(1, 4, 300),
            "town": rng.choice(["A", "B", *(f"t{k}" for k in range(20))], 300, p=[0.3, 0.3, *[0.02] * 20]),
            "paid": rng.choice(["no", "yes"], 300),
            "day": np.datetime_as_string(np.datetime64("2024-01-01") + rng.integers(0, 300, 300)),
            "patient": rng.integers(0, 60, 300).astype(str),
            "label": rng.choice(["a", "b"], 300),
        }
    )
    made.loc[:20, "age"] = np.nan
    made.loc[30:40, "town"] = None
    return made


def test_each_slice_has_its_rows(frame: pd.DataFrame, tmp_path: Path) -> None:
    """Bins by fifths and two fifths, categories, rare ones, missing cells, words of booleans, days, groups."""
    frame.to_csv(tmp_path / "t.csv", index=False)
    dataset = load_dataset(
        DataSettings(source="t.csv", target="label", group="patient", folds=3), tmp_path, cache=False
    )
    slices = {one.label: one for one in slices_of(dataset)}
    age, day = frame["age"], frame["day"]
    cut = next(label for label in slices if label.startswith("age ≥")).removeprefix("age ≥ ")
    expected = {
        "age missing": age.isna(),
        f"age ≥ {cut}": age >= float(cut),
        "rooms = 2": frame["rooms"] == 2,
        "town = A": frame["town"] == "A",
        "town missing": frame["town"].isna(),
        "paid = yes": frame["paid"] == "yes",
    }
    for label, rows in expected.items():
        one, held = slices[label], rows.to_numpy()
        np.testing.assert_array_equal(one.dev, held[dataset.dev_rows], err_msg=label)
        for part, train in zip(dataset.parts, one.train, strict=True):
            np.testing.assert_array_equal(train, held[part.train.rows], err_msg=label)
    assert any(one.column == "patient" for one in slices.values())
    assert "town rare" in slices
    first = next(label for label in slices if label.startswith("day < ")).removeprefix("day < ")
    np.testing.assert_array_equal(slices[f"day < {first}"].dev, (day < first).to_numpy()[dataset.dev_rows])


def test_named_columns_alone(frame: pd.DataFrame, tmp_path: Path) -> None:
    """In their order; one that the file does not have is refused, with the nearest."""
    frame.to_csv(tmp_path / "t.csv", index=False)
    dataset = load_dataset(DataSettings(source="t.csv", target="label"), tmp_path, cache=False)
    assert list(dict.fromkeys(one.column for one in slices_of(dataset, ["paid", "age"]))) == ["paid", "age"]
    with pytest.raises(UsageError, match=r"segments: no column 'towns' in the data; did you mean 'town'\?"):
        slices_of(dataset, ["towns"])
