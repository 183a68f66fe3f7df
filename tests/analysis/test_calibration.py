"""Calibration, by hand and against scikit-learn."""

import math

import numpy as np
import pytest

from tuner.analysis import calibration


def test_a_hand_worked_case() -> None:
    """Two rows at 0.9, one of them right; two at 0.55, both right."""
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.45, 0.55], [0.45, 0.55]])
    found = calibration(p, np.array([0, 1, 1, 1]))
    assert [(one.low, one.high, one.n, one.accuracy) for one in found.bins] == [(0.5, 0.6, 2, 1.0), (0.8, 0.9, 2, 0.5)]
    assert found.error == pytest.approx(0.5 * 0.45 + 0.5 * 0.4)
    assert found.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.1) + 2 * math.log(0.55)) / 4)


def test_log_loss_is_that_of_scikit_learn() -> None:
    """On random probabilities of four classes."""
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    p, y = rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200)
    assert calibration(p, y).log_loss == pytest.approx(metrics.log_loss(y, p, labels=range(4)))


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    """What has underflowed counts as the least number that float32 holds."""
    assert 80 < calibration(np.array([[1.0, 0.0]]), np.array([1])).log_loss < 90


def test_a_perfectly_calibrated_classifier_has_an_error_near_zero() -> None:
    """Where every row is right as often as it says."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 20_000)
    y = (rng.random(20_000) > p).astype(int)
    assert calibration(np.column_stack([p, 1 - p]), y).error < 0.01
