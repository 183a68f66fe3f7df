"""The error of an average of trials, allowing for their choice."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.analysis import average_gain, rechosen_average_error


def test_the_choice_of_the_trials_is_allowed_for() -> None:
    """Twenty trials that guess: the average of the five that guessed best looks better than a half, and is not."""
    rng = np.random.default_rng(3)
    y, folds = rng.integers(2, size=400), np.arange(400) % 20
    measured, corrected = [], []
    for _ in range(20):
        right = rng.random((20, 400))
        probabilities = np.stack([np.where(y, 1 - right, right), np.where(y, right, 1 - right)], axis=2)
        best = np.argsort((probabilities.argmax(axis=2) != y).mean(axis=1))[:5]
        measured.append((probabilities[best].mean(axis=0).argmax(axis=1) != y).mean())
        corrected.append(rechosen_average_error(probabilities, y, folds, 5, rng=rng))
    assert np.mean(measured) < 0.46
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.015)


def test_trials_that_agree_have_the_error_of_each() -> None:
    """Nothing is gained by a choice among equals: the corrected error is what all of them have."""
    y, folds = np.zeros(200, dtype=np.int64), np.arange(200) % 20
    wrong = np.arange(200) % 5 == 0
    one = np.stack([~wrong, wrong], axis=1).astype(np.float32)
    found = rechosen_average_error(np.stack([one] * 4), y, folds, 2, rng=np.random.default_rng(0))
    assert found == pytest.approx(0.2, abs=0.02)


def test_the_choice_of_trials_for_numbers_is_allowed_for_too() -> None:
    """Twenty trials with noise of variance 1: the average of five has the squared error 1/5 on rows that chose none."""
    rng = np.random.default_rng(3)
    y, folds = rng.normal(size=400), np.arange(400) % 20

    def squares(predicted: np.ndarray, true: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        return np.square(predicted - true)

    found = [
        rechosen_average_error(y + rng.normal(size=(20, 400)), y, folds, 5, losses_of=squares, rng=rng)
        for _ in range(20)
    ]
    assert np.mean(found) == pytest.approx(0.2, abs=0.01)


def test_the_gain_of_an_average_is_that_beside_the_best_trial() -> None:
    """Three trials are each wrong on another tenth of the rows, their average on none."""
    y, folds = np.zeros(600, dtype=np.int64), np.arange(600) % 20
    wrong = np.stack([(np.arange(600) // 20) % 10 == k for k in range(3)])  # spread over all folds alike
    predictions = np.stack([~wrong, wrong], axis=2).astype(np.float32)
    found = average_gain(predictions, y, folds, 3, rng=np.random.default_rng(0))
    assert (found.size, found.best, found.average) == (3, pytest.approx(0.1, abs=0.01), 0.0)
    assert found.standard_error == pytest.approx(np.sqrt(0.1 * 0.9 / 600), rel=0.05)
    together = average_gain(predictions, y, folds, 3, groups=np.arange(600) // 100, rng=np.random.default_rng(0))
    assert together.best == found.best
    assert together.standard_error > 1.5 * found.standard_error  # 20 wrong rows together


def test_the_interval_of_a_gain_covers_nothing_where_trials_guess() -> None:
    """Twenty trials that guess: the average of five is as bad on rows that chose none."""
    rng = np.random.default_rng(4)
    y, folds = rng.integers(2, size=400), np.arange(400) % 20
    covered = 0
    for _ in range(20):
        right = rng.random((20, 400))
        predictions = np.stack([np.where(y, 1 - right, right), np.where(y, right, 1 - right)], axis=2)
        found = average_gain(predictions, y, folds, 5, rng=rng)
        covered += abs(found.best - found.average) < 2 * found.standard_error
    assert covered >= 18
