"""The error of an average of trials, allowing for their choice."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.analysis import Candidates, average_gain, rechosen_average_error
from tuner.metrics import AUC, AVERAGE_PRECISION, F1, Metric


def squares(predicted: np.ndarray, true: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """The squared errors of numbers."""
    return np.square(predicted - true)


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
        corrected.append(rechosen_average_error(Candidates(probabilities, y, folds), 5, rng=rng))
    assert np.mean(measured) < 0.46
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.015)


def test_trials_that_agree_have_the_error_of_each() -> None:
    """Nothing is gained by a choice among equals: the corrected error is what all of them have."""
    y, folds = np.zeros(200, dtype=np.int64), np.arange(200) % 20
    wrong = np.arange(200) % 5 == 0
    one = np.stack([~wrong, wrong], axis=1).astype(np.float32)
    found = rechosen_average_error(Candidates(np.stack([one] * 4), y, folds), rng=np.random.default_rng(0))
    assert found == pytest.approx(0.2, abs=0.02)


def test_the_choice_of_trials_for_numbers_is_allowed_for_too() -> None:
    """Twenty trials with noise of variance 1: the average of five has the squared error 1/5."""
    rng = np.random.default_rng(3)
    y, folds = rng.normal(size=400), np.arange(400) % 20
    found = [
        rechosen_average_error(Candidates(y + rng.normal(size=(20, 400)), y, folds, losses_of=squares), 5, rng=rng)
        for _ in range(20)
    ]
    assert np.mean(found) == pytest.approx(0.2, abs=0.01)


def test_the_gain_of_an_average_is_that_beside_the_best_trial() -> None:
    """Three trials are each wrong on another tenth of the rows, their average on none."""
    y, folds = np.zeros(600, dtype=np.int64), np.arange(600) % 20
    wrong = np.stack([(np.arange(600) // 20) % 10 == k for k in range(3)])  # spread over all folds alike
    predictions = np.stack([~wrong, wrong], axis=2).astype(np.float32)
    found = average_gain(Candidates(predictions, y, folds), rng=np.random.default_rng(0))
    assert (found.best, found.average) == (pytest.approx(0.1, abs=0.01), 0.0)
    assert found.standard_error == pytest.approx(np.sqrt(0.1 * 0.9 / 600), rel=0.05)
    groups = np.arange(600) // 100
    together = average_gain(Candidates(predictions, y, folds), groups=groups, rng=np.random.default_rng(0))
    assert together.best == found.best
    assert together.standard_error > 1.5 * found.standard_error  # 20 wrong rows together


@pytest.mark.parametrize("metric", [AUC, AVERAGE_PRECISION, F1], ids=lambda metric: metric.name)
def test_the_average_of_equal_trials_gains_nothing(metric: Metric) -> None:
    """Also where a row's loss depends on the others: the best trial is scored on the same rows as the average."""
    rng = np.random.default_rng(0)
    y, folds = np.array([1, 0, 0, 0, 0] * 12), np.arange(60) % 20
    own = np.clip(0.2 * y + rng.uniform(0.2, 0.7, 60), 0, 1)
    predictions = np.tile(np.stack([1 - own, own], axis=1), (3, 1, 1))
    counted_by = metric.of_study(np.bincount(y), None)
    found = average_gain(Candidates(predictions, y, folds, losses_of=counted_by.losses_of), rng=rng)
    assert (found.best - found.average, found.standard_error) == (pytest.approx(0), pytest.approx(0))


def test_the_interval_of_a_gain_covers_nothing_where_trials_guess() -> None:
    """Twenty trials that guess: the average of some is as bad on rows that chose none."""
    rng = np.random.default_rng(9)
    y, folds = rng.integers(2, size=400), np.arange(400) % 20
    covered = 0
    for _ in range(20):
        right = rng.random((20, 400))
        predictions = np.stack([np.where(y, 1 - right, right), np.where(y, right, 1 - right)], axis=2)
        found = average_gain(Candidates(predictions, y, folds), rng=rng)
        covered += abs(found.best - found.average) < 2 * found.standard_error
    assert covered >= 18


def test_trials_that_complete_each_other_are_chosen() -> None:
    """By hand: the second best trial errs like the best, the third on other rows, and the fourth guesses."""
    y = np.zeros(8, dtype=np.int64)
    own = [[0.2, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], [0.1, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]]
    own += [[0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1], [0.4] * 8]
    predictions = np.stack([np.array(own), 1 - np.array(own)], axis=2)
    candidates = Candidates(predictions, y, np.arange(8))
    assert candidates.choose() == [0, 2]
    assert candidates.choose(3) == [0, 2, 1]
    only_last = np.arange(8) >= 6
    assert candidates.choose(rows=only_last) == [0, 1]  # two at least
    numbers = Candidates(np.array([[1.0, 1.0], [2.0, 1.0], [-1.0, -1.0]]), np.zeros(2), np.arange(2), losses_of=squares)
    assert numbers.choose() == [0, 2]


def test_trials_for_numbers_are_chosen_by_the_studys_own_error() -> None:
    """One row far off decides the squared error, not the absolute one."""
    predictions, y, folds = np.array([[6.0, 0, 0, 0], [2.5] * 4, [2.5] * 4]), np.zeros(4), np.arange(4)
    assert Candidates(predictions, y, folds, losses_of=squares).choose(1) == [1]
    absolute = Candidates(predictions, y, folds, losses_of=lambda of, true, _: np.abs(of - true))
    assert absolute.choose(1) == [0]


@pytest.mark.parametrize("heavy", [0, 1])
def test_rows_that_count_for_more_choose_more(heavy: int) -> None:
    """Of two pairs of trials the one is surer of the first row, the other of the second."""
    own = np.array([[0.9, 0.3], [0.9, 0.3], [0.3, 0.9], [0.3, 0.9]])
    weights = np.where(np.arange(2) == heavy, 1.9, 0.1)
    candidates = Candidates(np.stack([own, 1 - own], axis=2), np.zeros(2, np.int64), np.arange(2), weights)
    assert candidates.choose(2) == [2 * heavy, 2 * heavy + 1]


def test_no_more_trials_are_chosen_than_lower_the_loss() -> None:
    """Of forty trials with noise of their own the average of ten is taken, of equal ones that of two."""
    rng = np.random.default_rng(0)
    y, folds = rng.normal(size=300), np.arange(300) % 20
    assert len(Candidates(y + rng.normal(size=(40, 300)), y, folds, losses_of=squares).choose()) == 10
    assert Candidates(np.tile(y + 1, (5, 1)), y, folds, losses_of=squares).choose() == [0, 1]
