"""Errors by class, group, fold and seed."""

import math

import numpy as np
import pytest

from tuner.analysis import (
    ErrorEstimate,
    Spread,
    class_errors,
    class_weighted_error,
    effective_examples,
    effective_weighted,
    majority_error,
    seeds_error,
    wilson,
)
from tuner.metrics import BALANCED_ERROR, effective_rows, one_each, relative
from tuner.units import Unit


def test_every_class_has_its_own_error() -> None:
    """Two of three cats and none of five dogs."""
    y = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    wrong = np.array([1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    cat, dog = class_errors(y, wrong, ["cat", "dog"])
    assert (cat.name, cat.estimate.value, cat.estimate.n) == ("cat", 2 / 3, 3)
    assert (dog.estimate.value, dog.estimate.low) == (0.0, 0.0)


def test_a_class_absent_from_dev_is_unknown() -> None:
    """No example of it: the error is not zero."""
    found = class_errors(np.array([0, 0]), np.array([True, False]), ["seen", "absent"])[1].estimate
    assert math.isnan(found.value)
    assert (found.low, found.high, found.n) == (0.0, 1.0, 0)


def test_copies_in_a_group_count_once() -> None:
    """Ten copies of each of 200 examples are worth about 200."""
    bits = np.random.default_rng(0).random(200) < 0.2
    found = effective_examples(np.repeat(bits, 10), np.repeat(np.arange(200), 10), rng=np.random.default_rng(1))
    assert found == pytest.approx(200, rel=0.1)


def test_groups_without_likeness_cost_little() -> None:
    """Examples that are wrong independently of their group keep most of their number."""
    bits = np.random.default_rng(2).random(2000) < 0.2
    found = effective_examples(bits, np.arange(2000) // 2, rng=np.random.default_rng(3))
    assert found > 1500


def test_weights_cost_what_kish_says() -> None:
    """Equal weights nothing; without an error (Σw)²/Σw²; wrong rows that are heavy cost more than light ones."""
    wrong, weights = np.arange(200) % 5 == 0, relative(np.linspace(1, 3, 200))
    assert effective_weighted(wrong, np.ones(200)) == pytest.approx(200)
    assert effective_weighted(np.zeros(200), weights) == pytest.approx(effective_rows(weights))
    heavy, light = (np.arange(200) >= 160) * weights, (np.arange(200) < 40) * weights
    assert effective_weighted(heavy, weights) < effective_weighted(light, weights) <= effective_rows(weights)
    assert effective_examples(wrong * weights, np.arange(200), weights, rng=np.random.default_rng(0)) == pytest.approx(
        effective_weighted(wrong * weights, weights), rel=0.2
    )


@pytest.mark.parametrize(("sigma", "harder"), [(0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (1.5, 0.0)])
def test_a_weighted_error_is_covered(sigma: float, harder: float) -> None:
    """Of 95% intervals with lognormal weights at least 93% cover the truth, also where heavy rows are harder."""
    rng = np.random.default_rng(5)

    def share_wrong(weights: np.ndarray) -> np.ndarray:
        return np.minimum(0.1 * weights ** (harder / sigma), 0.95)

    every = np.exp(sigma * rng.normal(size=200_000))
    truth = np.average(share_wrong(every), weights=every)
    covered = 0
    for drawn in np.split(every[:150_000], 500):
        wrong, weights = rng.random(300) < share_wrong(drawn), relative(drawn)
        found = ErrorEstimate.measured(float(wrong @ weights), 300, effective_weighted(wrong * weights, weights))
        covered += found.low <= truth <= found.high
    assert covered >= 0.93 * 500


@pytest.mark.parametrize("rare", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("own", [False, True])
def test_a_balanced_error_is_covered(rare: float, own: bool) -> None:
    """With 20 rows of a rare class and 380 others, and where rows have weights of their own; not by much wider ends."""
    rng, y = np.random.default_rng(2), np.repeat([0, 1], [20, 380])
    truth, covered, effective = (rare + 0.02) / 2, 0, []
    for _ in range(400):
        wrong = rng.random(400) < np.where(y == 0, rare, 0.02)
        weights = BALANCED_ERROR.row_weights(y, rng.choice([1.0, 3.0], 400) if own else None)
        assert weights is not None
        effective.append(effective_weighted(wrong * weights, weights, y))
        found = ErrorEstimate.measured(float(wrong @ weights), 400, effective[-1])
        covered += found.low <= truth <= found.high
    assert covered >= 0.92 * 400
    if not own:
        exact = truth * (1 - truth) / ((rare * (1 - rare) / 20 + 0.02 * 0.98 / 380) / 4)
        assert np.mean(effective) > 0.6 * min(exact, 200)


@pytest.mark.parametrize("seed", range(20))
def test_where_all_or_none_are_wrong_nothing_shows(seed: int) -> None:
    """Every row of a class may be wrong: then it counts by its weights alone, however their mean is rounded."""
    rng = np.random.default_rng(seed)
    weights = rng.lognormal(size=rng.integers(1, 40))
    weights /= weights.mean()
    groups = np.arange(len(weights)) // 2
    for wrong in (weights, np.zeros(len(weights))):
        assert effective_weighted(wrong, weights) == effective_rows(weights)
        assert effective_examples(wrong, groups, weights, rng=rng) == len(np.unique(groups))


def test_a_class_has_the_error_of_its_own_weights() -> None:
    """A wrong cat that counts for three of four, and a dog that is right; none of a class is unknown."""
    weights = relative(np.array([3.0, 1.0, 4.0]))
    found = class_errors(np.array([0, 0, 1]), np.array([1, 0, 0]) * weights, ["cat", "dog", "cow"], weights)
    assert [one.estimate.value for one in found[:2]] == pytest.approx([0.75, 0.0])
    assert (found[0].estimate.n_effective, found[2].estimate.n) == (pytest.approx(1.6), 0)


def test_without_an_error_each_group_counts_once() -> None:
    """Zero errors say nothing about how alike a group is."""
    assert effective_examples(np.zeros(100, dtype=bool), np.arange(100) // 10, rng=np.random.default_rng(0)) == 10


def test_one_group_is_one_example() -> None:
    """Nothing to resample; nor where there are no examples at all."""
    nothing = np.zeros(0, dtype=int)
    assert effective_examples(nothing, nothing, rng=np.random.default_rng(0)) == 0
    assert effective_examples(np.array([0, 1, 1]), np.zeros(3, dtype=int), rng=np.random.default_rng(0)) == 1


def test_seeds_widen_the_interval() -> None:
    """Three trainings that differ say less about the hyperparameters than their examples alone."""
    found = seeds_error(np.array([0.08, 0.1, 0.12]), ErrorEstimate.measured(90, 1000))
    assert found is not None
    low, high = wilson(100, 1000)
    assert found.value == pytest.approx(0.1)
    assert found.low < low < high < found.high
    half = 4.302653 * 0.02 / np.sqrt(3)
    assert found.high == pytest.approx(0.1 + np.hypot(high - 0.1, half), abs=1e-6)


def test_seeds_of_numbers_have_the_interval_of_their_spread() -> None:
    """Where the seeds agree it is that of an RMSE of their mean, which is no share."""
    dev = ErrorEstimate.of_squares(400.0, 100, Unit(scale=1.0), Spread.of(np.repeat([2.0, 6.0], 50)))
    found = seeds_error(np.array([3.0, 3.0]), dev)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 1.5 * dev.low, 1.5 * dev.high))


def test_one_seed_has_no_second_line() -> None:
    """Its spread is not known."""
    assert seeds_error(np.zeros(1), ErrorEstimate.measured(0, 10)) is None


def test_majority_of_training_may_be_absent_from_dev() -> None:
    """Then it is always wrong."""
    assert majority_error([0, 0, 1], [1, 1]) == 1.0
    assert majority_error([], [1]) is None


def test_grouped_intervals_cover_where_plain_ones_do_not() -> None:
    """Thirty groups of about twenty, 2% wrong, mostly together: at least 90% of 300 intervals hold the truth."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(30), 20)
    grouped = plain = 0
    for _ in range(300):
        wrong = rng.random(600) < rng.beta(0.02 * 7 / 3, 0.98 * 7 / 3, size=30)[groups]
        effective = effective_examples(wrong, groups, rng=rng, resamples=200)
        low, high = wilson(wrong.mean() * effective, effective)
        grouped += low <= 0.02 <= high
        low, high = wilson(int(wrong.sum()), 600)
        plain += low <= 0.02 <= high
    assert grouped >= 0.9 * 300
    assert plain < 0.75 * 300


def test_the_balanced_error_is_the_mean_over_the_classes_there_are() -> None:
    """2 of 10 and 5 of 20 wrong: 22.5%, and half the diagonal of the two intervals' lengths to either side."""
    y = np.repeat([0, 1], [10, 20])
    wrong = np.concatenate([np.arange(10) < 2, np.arange(20) < 5])
    found = class_weighted_error(class_errors(y, wrong, ["a", "b", "absent"]), one_each)
    assert found is not None
    assert (found.value, found.guess) == (pytest.approx(0.225), 0.5)
    (a_low, a_high), (b_low, b_high) = wilson(2, 10), wilson(5, 20)
    assert found.low == pytest.approx(0.225 - math.hypot(0.2 - a_low, 0.25 - b_low) / 2)
    assert found.high == pytest.approx(0.225 + math.hypot(a_high - 0.2, b_high - 0.25) / 2)
    assert float(BALANCED_ERROR.weighted(wrong, y).mean()) == pytest.approx(0.225)
    assert class_weighted_error(class_errors(y[:0], wrong[:0], ["a", "b"]), one_each) is None


def test_the_balanced_errors_interval_covers_what_it_should() -> None:
    """Of 2,000 samples with 30 examples of a rare class, about 95% have the true value in their interval."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [400, 30])
    covered = 0
    for _ in range(2000):
        classes = class_errors(y, rng.random(430) < np.where(y, 0.4, 0.05), ["common", "rare"])
        found = class_weighted_error(classes, one_each)
        covered += found is not None and found.low <= 0.225 <= found.high
    assert 0.93 < covered / 2000 < 0.98
