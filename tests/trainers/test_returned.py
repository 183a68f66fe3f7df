"""What a custom trainer may return: labels, probabilities, a model, and costs; all of it is checked."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tuner.data import Table
from tuner.inputs import Inputs
from tuner.trainer_child.messages import TrainerData
from tuner.trainer_child.report import TrainerError
from tuner.trainer_child.returned import checked

Y = np.array([0, 1, 2, 1])
RIGHT = np.eye(3)[Y]


def data() -> TrainerData:
    """Three classes, four rows; the last train class is missing among the first two."""
    train, dev = (Table(Inputs.of(np.zeros((n, 2), np.float32)), Y[:n], np.arange(n)) for n in (2, 4))
    return TrainerData(train, dev, None, ("a", "b", "c"), ("x", "y"), None)


class Constant:
    """Always says the second of its two classes, with 75%."""

    classes_ = np.array([0, 1])

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """(n, 2)"""
        return np.tile([0.25, 0.75], (len(X), 1))


def test_probabilities_are_labels_and_a_cost() -> None:
    """The cost is the mean cross-entropy: log 2 where every true class has a half."""
    half = RIGHT / 2 + np.roll(RIGHT, -1, axis=1) / 2
    returned = checked("t", (RIGHT[:2], half), data())
    assert returned.labels[0].tolist() == [0, 1]
    np.testing.assert_allclose(returned.costs, (0, math.log(2)), atol=1e-12)
    np.testing.assert_array_equal(returned.dev_probabilities, half)
    only_labels = checked("t", (Y[:2], Y), data())
    assert only_labels.dev_probabilities is None
    assert math.isnan(only_labels.costs[0])


def test_a_class_without_a_probability_costs_much_but_not_everything() -> None:
    """An infinite cost could not be stored."""
    wrong = np.roll(RIGHT, 1, axis=1)
    assert checked("t", (RIGHT[:2], wrong), data()).costs[1] == pytest.approx(-math.log(1e-7))


def test_a_model_is_asked_for_its_predictions() -> None:
    """Its columns are its own classes; one that only predicts is asked for labels."""
    returned = checked("t", Constant(), data())
    assert [labels.tolist() for labels in returned.labels] == [[1, 1], [1, 1, 1, 1]]
    assert returned.costs[0] == pytest.approx(-(math.log(0.25) + math.log(0.75)) / 2)
    labels = SimpleNamespace(predict=lambda X: np.full(len(X), 2))
    assert checked("t", {"model": labels}, data()).labels[1].tolist() == [2] * 4


def test_costs_may_be_given() -> None:
    """They are the trainer's own, whatever it minimizes."""
    returned = checked("t", {"predictions": (Y[:2], Y), "costs": (0.5, 1.5)}, data())
    assert returned.costs == (0.5, 1.5)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (
            (RIGHT[:2], RIGHT * 2),
            "dev probabilities that sum to 2 at row 0, expected 1, and none below 0; scores need",
        ),
        ((RIGHT[:2], np.full((4, 3), np.nan)), "dev probabilities that sum to nan at row 0"),
        (
            (RIGHT[:2], np.array([[2.0, -1.0, 0.0]] * 4)),
            "dev probabilities that sum to 1 at row 0, expected 1",
        ),
        ((RIGHT[:2], RIGHT[:, :2]), r"dev labels of shape \(4, 2\), expected \(4,\) class indices .* or \(4, 3\) prob"),
        ({"predictions": (Y[:2], Y), "cost": 1}, "the key 'cost', expected predictions, costs, model"),
        ({"predictions": (Y[:2], Y), "costs": (1, math.nan)}, "the costs .* expected two numbers"),
        ({"model": object()}, r"a model of object, expected predict_proba\(X\) or predict\(X\)"),
        ({}, "NoneType, expected predictions of train, dev, as a tuple of 2 arrays"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(returned: Any, expected: str) -> None:
    """With what was found and what was expected."""
    with pytest.raises(TrainerError, match=f"^trainer t returned.*{expected}") as error:
        checked("t", returned, data())
    assert "\n" not in str(error.value)


def test_several_numbers_of_each_row_are_checked() -> None:
    """(n, n_targets), in their order; the cost is the mean of all squares."""
    train, dev = (Table(Inputs.of(np.zeros((n, 2), np.float32)), np.zeros((n, 2)), np.arange(n)) for n in (2, 4))
    several = TrainerData(train, dev, None, (), ("x", "y"), None)
    assert several.n_targets == 2
    returned = checked("t", (np.ones((2, 2)), np.tile([0, 2.0], (4, 1))), several)
    assert returned.labels[1].tolist() == [[0, 2]] * 4
    assert returned.costs == (1, 2)
    for said, message in (
        (np.ones(4), r"dev numbers of shape \(4,\), expected \(4, 2\) numbers from"),
        (np.array([[0, 0]] * 3 + [[0, np.inf]]), "with inf at row 3"),
    ):
        with pytest.raises(TrainerError, match=message):
            checked("t", (np.ones((2, 2)), said), several)
