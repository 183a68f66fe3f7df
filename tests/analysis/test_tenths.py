"""Errors of predicted numbers by tenth of the target."""

import numpy as np
import pytest

from tuner.analysis import errors_by_tenth
from tuner.units import Unit


def test_each_tenth_has_its_own_error_and_mean_residual() -> None:
    """Of 100 numbers the ten lowest are 3 too high, and the others exact; rows of weight 3 count three times."""
    y = np.arange(100.0)
    residuals = np.where(y < 10, 3.0, 0.0)
    first, *others = errors_by_tenth(y, residuals, np.square(residuals / 2), Unit(scale=2.0))
    assert (first.low, first.high, first.n, first.error.value, first.residual) == (0, 9, 10, 3, 3)
    assert len(others) == 9
    assert all(one.error.value == one.residual == 0 for one in others)
    weights = np.where(y < 5, 3.0, 1.0)
    halved = errors_by_tenth(y, np.where(y < 5, 3.0, 0.0), np.where(y < 5, 2.25, 0.0), Unit(scale=2.0), weights)[0]
    assert (halved.residual, halved.error.value) == pytest.approx((2.25, 3 * 0.75**0.5))


def test_equal_numbers_are_not_split() -> None:
    """Where most numbers are 0 there are fewer parts, and all rows are in one of them."""
    y = np.append(np.zeros(80), np.arange(1.0, 21.0))
    parts = errors_by_tenth(y, y * 0 + 1.0, y * 0 + 1.0, Unit(scale=1.0), groups=np.arange(100) // 2)
    assert [part.n for part in parts] == [80, 10, 10]
