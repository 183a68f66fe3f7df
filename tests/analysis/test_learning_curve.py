"""The curve of error over examples: its posterior, its limits and its words."""

import numpy as np
import pytest

from tuner.analysis import (
    LearningCurve,
    LearningNetwork,
    LearningPoint,
    NetworkRun,
    epoch_corrected_errors,
    fit_learning_curve,
    learning_points,
)
from tuner.errors import ArgumentError

SIZES = [125, 250, 500, 1000, 2000]


def points(
    sizes: list[int], *, a: float, b: float, c: float = 0.5, n_dev: int = 5000, seeds: int = 3
) -> list[LearningPoint]:
    """Networks whose error is exactly a + b·(n/2000)^−c; each dev example has its own difficulty."""
    difficulty = (np.random.default_rng(0).permutation(n_dev) + 0.5) / n_dev
    return [LearningPoint(n_train=n, wrong=np.tile(difficulty < a + b * (n / 2000) ** -c, (seeds, 1))) for n in sizes]


def test_a_falling_curve_goes_on_falling() -> None:
    """A = 0.02, b = 0.04 at 2,000 examples: twice the data brings 6 % to 4.8 %."""
    found = fit_learning_curve(points(SIZES, a=0.02, b=0.04))
    assert found.today == pytest.approx(0.06, abs=1e-3)
    assert found.twice.n_train == 4000
    assert found.twice.low < 0.0483 < found.twice.high
    assert found.twice.value == pytest.approx(0.0483, abs=0.003)


def test_a_flat_curve_stays_flat() -> None:
    """More data does not help where it has not helped."""
    found = fit_learning_curve(points(SIZES, a=0.10, b=0.0))
    assert found.twice.value == pytest.approx(0.10, abs=0.01)
    assert not found.helps
    assert "may not help" in found.sentence()


def test_the_sentence_users_want() -> None:
    """Today's error, the one expected, and its interval."""
    found = fit_learning_curve(points(SIZES, a=0.0, b=0.04, c=0.6, n_dev=50_000))
    assert found.helps
    assert found.sentence().startswith("Twice the data would bring dev error from 4.0 % to about 2.")
    assert "–" in found.sentence()


def test_three_sizes_are_said_to_be_few() -> None:
    """Three parameters fit three sizes whatever they are."""
    found = fit_learning_curve(points(SIZES[2:], a=0.02, b=0.04))
    assert not found.enough_sizes
    assert not found.helps
    assert "3 sizes are too few" in found.sentence()


def test_one_size_is_no_curve_but_no_failure() -> None:
    """The prior alone decides, and the interval is wide."""
    found = fit_learning_curve(points([2000], a=0.02, b=0.04))
    assert found.twice.low < found.today
    assert not found.enough_sizes


def test_nothing_is_predicted_beyond_twice_the_data() -> None:
    """The curve drawn ends there."""
    found = fit_learning_curve(points(SIZES, a=0.02, b=0.04))
    assert max(prediction.n_train for prediction in found.predictions) == 4000
    assert all(p.low <= p.value <= p.high for p in found.predictions)


def test_seeds_that_differ_widen_the_interval() -> None:
    """Trainings that come out differently say less about the next ones."""
    calm = points(SIZES, a=0.02, b=0.04)
    luck = np.array([-0.01, 0.0, 0.01])
    shaken = [LearningPoint(n_train=p.n_train, wrong=p.wrong, errors=p.wrong.mean(axis=1) + luck) for p in calm]

    def width(curve: LearningCurve) -> float:
        return curve.twice.high - curve.twice.low

    assert width(fit_learning_curve(shaken)) > 1.2 * width(fit_learning_curve(calm))


def test_no_errors_at_all_is_a_curve_too() -> None:
    """Zero at every size: the prediction is near zero, with room above."""
    found = fit_learning_curve(points(SIZES, a=0.0, b=0.0, n_dev=200))
    assert found.twice.value < 0.02
    assert 0.0 <= found.twice.low <= found.twice.high < 0.1


def test_nothing_to_fit_is_refused() -> None:
    """No size, no curve."""
    with pytest.raises(ArgumentError, match="at least one size"):
        fit_learning_curve([])


def test_the_choice_of_the_epoch_is_allowed_for() -> None:
    """Networks that guess: the best of thirty epochs looks better than a half, corrected it does not."""
    rng = np.random.default_rng(1)
    folds = np.arange(400) % 20
    bits = rng.random((4, 30, 400)) < 0.5
    runs = [NetworkRun(fold_wrong=net.astype(int) @ np.eye(20, dtype=int)[folds]) for net in bits]
    found = epoch_corrected_errors(runs, np.bincount(folds), patience=None, rng=rng)
    assert bits.mean(axis=2).min(axis=1).mean() < 0.46
    assert found.mean() == pytest.approx(0.5, abs=0.03)


def network(n_train: int, repeat: int, part: int, wrong: list[bool], **changes: float) -> LearningNetwork:
    """A network of a curve."""
    fields = {"stop_reason": "patience", "best_epoch": 3, "epochs": 5, "train_wrong": 2, "error": 0.25, "seconds": 0.1}
    return LearningNetwork(n_train=n_train, repeat=repeat, part=part, wrong=np.array(wrong), **{**fields, **changes})


def test_folds_are_put_together_to_points() -> None:
    """Two folds of 1 and 3 dev examples: the bits side by side, the errors weighted, in whatever order they come."""
    networks = [
        network(40, 0, 1, [True, False, False], error=0.4),
        network(40, 0, 0, [True], error=0.8),
        network(20, 0, 0, [False]),
        network(20, 0, 1, [True, True, True]),
    ]
    small, large = learning_points(networks)
    assert (small.n_train, large.n_train) == (20, 40)
    assert large.wrong.tolist() == [[True, True, False, False]]
    assert large.each == pytest.approx([0.5])
    assert large.train_error == pytest.approx(0.05)


def test_a_repeat_that_diverged_is_left_out() -> None:
    """It says something about the learning rate, nothing about the size; a size without any other is no point."""
    networks = [network(20, 0, 0, [True], best_epoch=0, error=1.0), network(40, 0, 0, [True], best_epoch=0)]
    networks += [network(40, 1, 0, [False], error=0.1)]
    (found,) = learning_points(networks)
    assert (found.n_train, found.each.tolist()) == (40, [0.1])
