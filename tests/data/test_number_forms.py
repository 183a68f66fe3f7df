"""Forms of numbers as inputs: hand-worked cases, bounds, and the same from a stored encoding."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.data import DataSettings, Encoding, dataset_from, dataset_from_frame, rows_in_memory, with_another_split
from tuner.data.number_forms import (
    BINS,
    FARTHEST,
    ROBUST_LIMIT,
    FittedForm,
    NumberForm,
    Target,
    fit_form,
    fit_target_bins,
)
from tuner.errors import DataError
from tuner.metrics import METRICS

FORMS: tuple[NumberForm, ...] = get_args(NumberForm)
NUMBERS = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=5, max_size=60).filter(
    lambda numbers: len(set(numbers)) > 1
)


def frame(x: Any, n_dev: int = 2) -> pd.DataFrame:
    """A table of one number, its last rows for dev."""
    n = len(x)
    return pd.DataFrame({"x": x, "part": ["train"] * (n - n_dev) + ["dev"] * n_dev, "y": ["a", "b"] * (n // 2)})


def encoded(x: Any, **settings: Any) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The inputs of train and dev rows, and their names."""
    dataset = dataset_from_frame(frame(x), "y", DataSettings(split_column="part", **settings), cache=False)
    part = dataset.parts[0]
    return part.train.X, part.dev.X, dataset.feature_names


def test_piecewise_linear_by_hand() -> None:
    """Of 0 to 20 in 2 bins the knots are 0, 10.5 and 20: 5 fills a part of the first, 15 it and a part of the other."""
    train, dev, names = encoded([*range(20), 20, 20, 5, 15], numeric="piecewise_linear")
    assert names == ("x (bin 01)", "x (bin 02)")
    middle = np.median([*range(20), 20, 20])
    expected = [[5 / middle, 0], [1, (15 - middle) / (20 - middle)]]
    np.testing.assert_allclose(dev, expected, rtol=1e-6)
    assert train.min() == 0
    assert train.max() == 1


def test_quantile_by_hand() -> None:
    """Of 1, 2, 2, 4 the middle ranks are 1/8, 1/2 and 7/8; between knots it is linear."""
    form, mean, scale = fit_form("quantile", np.array([1.0, 2.0, 2.0, 4.0]))
    normal = NormalDist()
    assert (mean, scale) == (0, 1)
    ends = form.of(np.array([-9.0, 4.0, 99.0]))[:, 0]
    assert ends == pytest.approx([normal.inv_cdf(1 / 8), normal.inv_cdf(7 / 8), normal.inv_cdf(7 / 8)])
    assert form.of(np.array([2.0]))[0, 0] == pytest.approx(0)


def test_robust_by_hand() -> None:
    """Of 0 to 4 the median is 2 and the quartiles 1 and 3: 6 is z = 2, and 2 / √(1 + 4/9)."""
    form, mean, scale = fit_form("robust", np.arange(5.0))
    assert (mean, scale) == (2, 2)
    assert form.of(np.array([2.0]))[0, 0] == pytest.approx(2 / np.sqrt(1 + 4 / 9))
    assert form.of(np.array([1e300]))[0, 0] == pytest.approx(ROBUST_LIMIT)


@pytest.mark.parametrize("name", FORMS)
def test_numbers_too_close_to_divide_by_stay_finite(name: NumberForm) -> None:
    """Most differ by less than 1e-308, so that a number over their distance is infinite."""
    x = np.concatenate([np.linspace(0, 1e-309, 40), [1.0] * 8])
    form, mean, scale = fit_form(name, x)
    with np.errstate(over="ignore"):
        made = form.of((np.append(x, [5.1e-310, 1e30, -1e30]) - mean) / scale)
    assert np.abs(made).max() <= ROBUST_LIMIT


@pytest.mark.parametrize("name", FORMS)
@given(numbers=NUMBERS)
def test_forms_rise_within_bounds(name: NumberForm, numbers: list[float]) -> None:
    """A larger number has no smaller input, and none is beyond what the form allows, whatever the number."""
    x = np.array(numbers)
    form, mean, scale = fit_form(name, x)
    asked = np.sort(np.concatenate([x, [-1e30, 1e30, 0.5]]))
    made = form.of((asked - mean) / scale)
    assert made.shape == (len(asked), form.n_inputs)
    assert (np.diff(made, axis=0) >= -1e-9).all()
    assert np.abs(made).max() <= {"robust": ROBUST_LIMIT, "piecewise_linear": 1}.get(name, FARTHEST) + 1e-9
    assert form.n_inputs <= BINS


@pytest.mark.parametrize("name", FORMS)
def test_a_stored_encoding_gives_the_same_bits(name: NumberForm) -> None:
    """Missing cells, too; a column of its own may have another form, and an image has none."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.exponential(size=400), "b": rng.normal(size=400), "y": rng.integers(0, 2, 400)})
    rows.loc[::7, "a"] = np.nan
    settings = DataSettings(numeric=name, folds=3, columns={"b": {"numeric": "standardize"}})
    dataset = dataset_from_frame(rows, "y", settings, cache=False)
    for part, plain in zip(dataset.parts, dataset.encodings, strict=True):
        X = Encoding.from_json(json.loads(json.dumps(plain))).transform(rows)
        assert np.array_equal(X[part.dev.rows], part.dev.X)
        assert plain["version"] == (5 if name == "periodic" else 3)
    assert dataset.periodic == ((dataset.feature_names.index("a"),) if name == "periodic" else ())
    flag = dataset.feature_names.index("a (missing)")
    assert np.array_equal(dataset.parts[0].train.X[:, flag], rows["a"].isna()[dataset.parts[0].train.rows])
    assert "b" in dataset.feature_names
    shown = {column.name: column.encoding for column in dataset.columns}
    assert shown["b"] == "normalized"
    assert shown["a"].startswith(name.replace("_", " "))


def test_columns_that_cannot_have_a_form_keep_theirs() -> None:
    """A number with one value is left out, a boolean stays 0 or 1; a form of an image is refused."""
    x = [0.0, 1.0] * 12
    assert encoded(x, numeric="quantile", columns={"x": "boolean"})[0].max() == 1
    with pytest.raises(DataError, match="no usable column"):
        encoded([1.0] * 24, numeric="quantile")
    with pytest.raises(ValueError, match="image and numeric are mutually exclusive"):
        DataSettings(image=(2, 2), numeric="robust")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "none"}, "robust"),
        ({"knots": [2.0, 1.0], "values": [0.0, 1.0]}, "expected rising numbers"),
        ({"knots": [1.0], "values": [0.0]}, "two or more"),
        ({"values": [0.0]}, "expected one for each knot"),
        ({"knots": [0.0, float("nan")]}, "finite"),
        ({"name": "piecewise_linear", "values": []}, "expected 99 inputs"),
    ],
)
def test_a_form_that_others_wrote_is_checked(change: dict[str, Any], message: str) -> None:
    """What an encoding's JSON may not say is refused in one line."""
    dataset = dataset_from_frame(
        frame(np.arange(400.0)), "y", DataSettings(numeric="quantile", split_column="part"), cache=False
    )
    plain = json.loads(json.dumps(dataset.encodings[0]))
    assert isinstance(Encoding.from_json(plain).columns[0].form, FittedForm)
    plain["columns"][0]["form"] |= change
    with pytest.raises(DataError, match=message):
        Encoding.from_json(plain)


def test_auto_takes_quantiles_of_skewed_numbers() -> None:
    """Where most are small and a few are large; a number that is spread evenly is only normalized."""
    even, skewed = np.arange(50.0), np.arange(50.0) ** 8
    for x, form in ((even, "standardize"), (skewed, "quantile")):
        for own, expected in zip(encoded(x, numeric="auto")[:2], encoded(x, numeric=form)[:2], strict=True):
            assert np.array_equal(own, expected)


@pytest.mark.parametrize("kind", [str, float])
def test_bins_of_the_target_are_cut_where_it_changes(kind: type) -> None:
    """In the training rows alone, halfway between numbers, of any size; where it never changes there is one bin."""
    steps, x = np.repeat([0, 1, 0], 20), 1e9 + np.arange(60.0)
    rows = pd.DataFrame({"x": x, "noise": np.tile([0.0, 1.0], 30), "y": steps, "part": "train"})
    dev = pd.DataFrame({"x": [x[5], 0.0, x[40], np.nan], "noise": 0.5, "y": [0, 1, 0, 1], "part": "dev"})
    rows = pd.concat([rows, dev], ignore_index=True)
    settings = DataSettings(numeric="target_bins", split_column="part", columns={"noise": "numeric"})
    settings.set_task("classification" if kind is str else "regression")
    dataset = dataset_from_frame(rows.assign(y=rows["y"].map(kind)), "y", settings, cache=False)
    of_x, of_noise = Encoding.from_json(dataset.encodings[0]).columns[:2]
    assert of_x.form == FittedForm("piecewise_linear", (x[0], x[19] + 0.5, x[39] + 0.5, x[-1]))
    assert of_noise.form == FittedForm("piecewise_linear", (0.0, 1.0))
    assert dataset.parts[0].dev.X[1].tolist() == [0, 0, 0, 0.5]
    assert dataset.parts[0].dev.X[2, :3] == pytest.approx([1, 1, 0.5 / 19.5])


def test_rows_without_weight_cut_no_bins() -> None:
    """A row counts for a bin what it counts for in the cost."""
    target = Target(np.repeat([0, 1, 0], 20), np.arange(60), weights=np.repeat([1.0, 1e-9, 1.0], 20))
    assert fit_target_bins(np.arange(60.0), target).n_inputs == 1


@pytest.mark.parametrize("cache", [True, False])
def test_a_trial_has_the_form_that_it_chose(cache: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each form is that of a study with it, fold by fold and bit for bit; all are made of rows that are read once."""
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path))
    rows = pd.DataFrame({"a": np.arange(90.0) ** 2, "b": np.arange(90.0), "y": np.arange(90) % 2})
    settings = DataSettings(folds=3, columns={"b": {"numeric": "robust"}})
    reader = rows_in_memory(rows, "y").reader(settings)
    parsed: list[object] = []
    monkeypatch.setattr(reader, "raws", lambda raws=reader.raws: parsed.append(0) or raws())
    dataset = dataset_from(reader, cache=cache, forms=["piecewise_linear", "standardize"])
    assert len(parsed) == 1
    alone = dataset_from_frame(rows, "y", settings.model_copy(update={"numeric": "piecewise_linear"}), cache=False)
    chosen = dataset.in_form("piecewise_linear").counting(METRICS["balanced_error"])
    for part, expected in zip(chosen.parts, alone.parts, strict=True):
        assert np.array_equal(part.train.X, expected.train.X)
        assert np.array_equal(part.dev.X, expected.dev.X)
    assert dataset.counting(METRICS["balanced_error"]).in_form("piecewise_linear").counted_by.name == "balanced_error"
    assert dataset.in_form("standardize").parts is dataset.parts
    assert dataset.in_form(None) is dataset
    assert chosen.in_form("piecewise_linear") is chosen
    with pytest.raises(ValueError, match="in the form standardize, got piecewise_linear"):
        chosen.in_form("standardize")
    again = with_another_split(dataset, 3)
    for part, expected in zip(again.in_form("piecewise_linear").parts, again.parts, strict=True):
        assert np.array_equal(part.dev.rows, expected.dev.rows)
        assert part.train.X.shape[1] > expected.train.X.shape[1]
