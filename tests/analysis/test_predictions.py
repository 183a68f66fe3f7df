"""The verdict on anyone's predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import root_mean_squared_error

from tuner.analysis import ErrorEstimate, Spread, diagnose_predictions
from tuner.errors import ArgumentError


def test_predictions_of_any_type_are_diagnosed() -> None:
    """Labels may be words, and columns of a table; the majority line comes along."""
    y_train, y_dev = pd.Series(["cat"] * 600 + ["dog"] * 400), pd.Series(["cat"] * 500 + ["dog"] * 500)
    said = y_dev.where(np.arange(1000) >= 200, "dog")
    found = diagnose_predictions(y_train, y_train, y_dev, said, baseline=0.0)
    assert found.verdict == "high_variance"
    assert found.to_dict()["errors"]["majority"] == {"value": 0.5}
    assert found.to_dict()["errors"]["baseline"] == {"value": 0.0, "given": True}


def test_labels_and_probabilities_are_not_mixed_up() -> None:
    """A table of probabilities is refused with both shapes."""
    with pytest.raises(ArgumentError, match=r"\(4,\) and \(4, 2\)"):
        diagnose_predictions(np.zeros(4), np.zeros((4, 2)), np.zeros(4), np.zeros(4))


def test_predictions_of_nothing_are_undecided() -> None:
    """Empty lists are no error, and no verdict."""
    assert diagnose_predictions([], [], [], []).verdict == "undecided"


def test_a_missing_label_is_refused_not_counted_as_wrong() -> None:
    """NaN is no class: an error made of it would be a number about nothing."""
    with pytest.raises(ArgumentError, match="predicted_dev must be class labels or numbers, got nan at 1"):
        diagnose_predictions([0, 1], [0, 1], [0, 1], [0, np.nan])


@pytest.mark.parametrize("baseline", ["a", "0.1", [0.1]])
def test_a_baseline_that_is_no_number_is_refused(baseline: object) -> None:
    """With what it may be."""
    with pytest.raises(ArgumentError, match=r"baseline: expected an error in \[0, 1\] or"):
        diagnose_predictions([0, 1], [0, 1], [0, 1], [0, 1], baseline=baseline)  # type: ignore[arg-type]


def prices(n: int = 400) -> tuple[Any, Any, Any, Any]:
    """Numbers of 400 rows for training and as many for dev, with predictions that are 10 and 30 off."""
    rng = np.random.default_rng(0)
    train, dev = rng.normal(500, 100, n), rng.normal(500, 100, n)
    return train, train + rng.normal(0, 10, n), dev, dev + rng.normal(0, 30, n)


def test_predictions_of_numbers_are_diagnosed_by_their_rmse() -> None:
    """In the unit of y, with the intervals of a report's RMSE; the mean is the reference model."""
    y_train, said_train, y_dev, said_dev = prices()
    found = diagnose_predictions(y_train, said_train, pd.Series(y_dev), said_dev, baseline=10)
    dev = found.errors["dev"]
    assert dev is not None
    assert dev.value == pytest.approx(root_mean_squared_error(y_dev, said_dev), rel=1e-12)
    squares = np.square((said_dev - y_dev) / y_train.std())
    assert (dev.low, dev.high) == ErrorEstimate(value=dev.value, n=400, spread=Spread.of(squares)).interval()
    assert found.references["mean"] == pytest.approx(np.sqrt(np.mean((y_dev - y_train.mean()) ** 2)))
    assert found.material_gap == pytest.approx(0.02 * y_train.std())
    assert (found.verdict, found.avoidable_bias.level) == ("high_variance", "low")


def test_several_targets_are_diagnosed_in_their_deviations() -> None:
    """A price in another currency weighs as much; the mean of the targets has an error of about 1."""
    of_train, said_train, of_dev, said_dev = (np.stack([each, each / 1000], axis=1) for each in prices())
    alone, found = diagnose_predictions(*prices()), diagnose_predictions(of_train, said_train, of_dev, said_dev)
    for name in ("train", "dev"):
        one, both = alone.errors[name], found.errors[name]
        assert one is not None
        assert both is not None
        assert both.value == pytest.approx(one.value / prices()[0].std())
    assert (found.verdict, found.material_gap) == (alone.verdict, 0.02)
    assert found.references["mean"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predicted_dev": np.zeros(400)}, r"got shapes \(400, 2\) and \(400,\)"),
        ({"task": "classification"}, "several targets are numbers to predict"),
        ({"y_train": np.stack([np.arange(400.0), np.ones(400)], axis=1)}, "different numbers in target 1, got only 1"),
        ({"predicted_dev": [[0, np.inf]] * 400}, r"got inf at \(0, 1\)"),
        ({"y_dev": np.zeros((5, 3)), "predicted_dev": np.zeros((5, 3))}, "must have the same targets"),
        ({"baseline": {"wrong": 1, "of": 2}}, "baseline: expected an RMSE in standard deviations of the targets"),
    ],
)
def test_what_is_no_prediction_of_several_targets_is_refused(change: dict[str, Any], message: str) -> None:
    """In one line that names the argument, the place and the value."""
    each = [np.stack([numbers, numbers], axis=1) for numbers in prices()]
    given = dict(zip(("y_train", "predicted_train", "y_dev", "predicted_dev"), each, strict=True))
    with pytest.raises(ArgumentError, match=message):
        diagnose_predictions(**{**given, **change})


def test_the_task_decides_what_the_numbers_are() -> None:
    """Grades are classes unless said otherwise; numbers of a file's text are numbers; many integers may be classes."""
    grades, said = [*range(1, 11)] * 10, np.array([*range(1, 11)] * 10) + 0.25
    with pytest.raises(ArgumentError, match=r"got only others, .*task='regression' if they are numbers"):
        diagnose_predictions(grades, said, grades, said)
    of_text = diagnose_predictions(grades, said, list(map(str, grades)), said, task="regression")
    assert of_text.variance.value == 0
    assert of_text.errors["dev"].value == pytest.approx(0.25)  # type: ignore[union-attr]
    labels = [*range(100)] * 2
    assert not diagnose_predictions(labels, labels, labels, labels).unit.is_share
    assert diagnose_predictions(labels, labels, labels, labels, task="classification").unit.is_share


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"predicted_dev": [1e300] * 400},
            r"predicted_dev: expected numbers from −1e\+100 to .*, got 1e\+300 at 0",
        ),
        ({"y_train": [5.0] * 400}, "y_train: expected different numbers, got only 5"),
        ({"y_dev": [], "predicted_dev": []}, "y_dev: expected one or more numbers, got none"),
        ({"predicted_dev": ["high"] * 400}, "expected numbers in y and predictions, got text"),
        ({"predicted_dev": np.zeros((400, 1))}, r"of one length, got shapes \(400,\) and \(400, 1\)"),
        ({"task": "ranking"}, "task: expected one of classification, regression, got 'ranking'"),
        ({"baseline": {"wrong": 1, "of": 2}}, "baseline: expected an RMSE in the unit of the target"),
    ],
)
def test_what_is_no_prediction_of_numbers_is_refused(change: dict[str, Any], message: str) -> None:
    """In one line that names the argument and the value."""
    given = dict(zip(("y_train", "predicted_train", "y_dev", "predicted_dev"), prices(), strict=True))
    with pytest.raises(ArgumentError, match=message):
        diagnose_predictions(**{**given, "task": "regression", **change})
