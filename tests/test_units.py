"""Errors of classes and of numbers, as they are computed and written."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.units import SHARE, Unit


def test_a_share_is_its_own_loss_and_written_in_percent() -> None:
    """Nothing changes for classes."""
    assert SHARE.error(0.024) == SHARE.mean_loss(0.024) == 0.024
    assert (SHARE.text(0.024), SHARE.gap(-0.003), SHARE.span(0.019, 0.029)) == ("2.4%", "−0.30", "1.9–2.9")
    assert (SHARE.text(None), SHARE.zero, SHARE.tick(0.1)) == ("–", "0%", "10%")


@pytest.mark.parametrize(
    ("scale", "error", "text"),
    [
        (115_375.2, 49_512.4, "49,512"),
        (16.654, 5.229, "5.23"),
        (0.264, 0.0791, "0.0791"),
        (1e12, 3.21e11, "3.21e+11"),
        (16.654, -0.0001, "0.00"),
    ],
)
def test_an_rmse_has_digits_that_suit_the_numbers(scale: float, error: float, text: str) -> None:
    """One precision for all errors of a study, by the deviation of its target."""
    assert Unit(scale).text(error) == text


def test_numbers_are_standardized_and_restored() -> None:
    """The RMSE is the deviation times the root of the mean of the standardized squares."""
    numbers = np.array([1.0, 5.0, 9.0])
    unit = Unit(scale=float(numbers.std()), mean=5.0)
    assert unit.standardized(numbers).std() == pytest.approx(1)
    np.testing.assert_allclose(unit.restored(unit.standardized(numbers)), numbers)
    predicted = np.array([2.0, 5.0, 7.0])
    squares = np.square(unit.standardized(predicted) - unit.standardized(numbers))
    assert unit.error(squares.mean()) == pytest.approx(np.sqrt(np.square(predicted - numbers).mean()))
    assert unit.mean_loss(unit.error(0.3)) == pytest.approx(0.3)
    assert unit.material_gap == pytest.approx(0.02 * numbers.std())
    absolute = Unit(scale=unit.scale, mean=5.0, absolute=8 / 3)
    losses = absolute.row_losses(absolute.standardized(predicted), absolute.standardized(numbers))
    assert absolute.error(losses.mean()) == pytest.approx(np.abs(predicted - numbers).mean())
    assert absolute.mean_loss(absolute.error(0.3)) == pytest.approx(0.3)
    assert (absolute.name, absolute.material_gap) == ("MAE", pytest.approx(0.02 * np.abs(numbers - 5).mean()))
    assert unit.span(-1.0, 2.0) == "−1.000 to 2.000"


@pytest.mark.parametrize("by_absolute", [False, True])
def test_a_row_of_several_targets_loses_the_mean_in_their_deviations(by_absolute: bool) -> None:
    """By hand: residuals of 2 and 40 with deviations of 1 and 20 are 2 and 2, of 0.5 and 0 they are 0.5 and 0."""
    numbers = np.array([[1.0, 80.0], [3.0, 120.0]])
    unit = Unit.of_several(["a", "b"], numbers, by_absolute=by_absolute)
    assert [(target.name, target.scale, target.mean) for target in unit.targets] == [
        ("a", 1.0, 2.0),
        ("b", 20.0, 100.0),
    ]
    np.testing.assert_array_equal(unit.standardized(numbers), [[-1, -1], [1, 1]])
    np.testing.assert_array_equal(unit.predicted(unit.standardized(numbers)), numbers)
    predicted = numbers + np.array([[2, 40], [-0.5, 0]])
    losses = unit.row_losses(unit.standardized(predicted), unit.standardized(numbers))
    np.testing.assert_array_equal(losses, unit.missed(predicted - numbers))
    assert losses[0] == (2 if by_absolute else 4)
    assert losses.mean() == pytest.approx(1.125 if by_absolute else 2.0625)
    assert unit.error(losses.mean()) == pytest.approx(1.125 if by_absolute else 2.0625**0.5)
    assert unit.material_gap == pytest.approx(0.02)
    assert unit.row_losses(unit.of_training, unit.standardized(numbers)).mean() == 1
    assert Unit.from_dict(unit.to_dict()) == unit
