"""Which trials a dev set can tell from the best, and which of them to prefer."""

import numpy as np
import pytest
from scipy.stats import binomtest

from tuner.analysis import chance_as_good, resolution, simplest_tied, tied_with_best
from tuner.metrics import BALANCED_ERROR


def bits(*counts: int, n: int = 100) -> np.ndarray:
    """Trials that have their first so many examples wrong: nested, so that differences are exact."""
    return np.arange(n) < np.array(counts)[:, None]


def test_mcnemar_is_the_sign_test_on_discordant_examples() -> None:
    """P(Bin(b + c, ½) ≥ b), as scipy's exact binomial test gives it."""
    rng = np.random.default_rng(0)
    wrong = rng.random((6, 200)) < 0.2
    found = chance_as_good(wrong, 2)
    for other in (0, 1, 3, 4, 5):
        b = int((wrong[other] & ~wrong[2]).sum())
        c = int((wrong[2] & ~wrong[other]).sum())
        assert found[other] == pytest.approx(binomtest(b, b + c, 0.5, alternative="greater").pvalue)
    assert found[2] == 1.0


def test_a_trial_far_behind_is_told_apart() -> None:
    """One more of a hundred wrong is nothing, thirty more are."""
    assert tied_with_best(bits(5, 6, 35), 0).tolist() == [0, 1]


def test_a_lone_trial_is_its_own_set() -> None:
    """Nobody to compare with."""
    assert tied_with_best(bits(5), 0).tolist() == [0]


def test_ties_are_ties_at_any_size() -> None:
    """Equal on every example."""
    assert tied_with_best(np.repeat(bits(5), 50, axis=0), 0).tolist() == list(range(50))


def test_an_empty_dev_set_distinguishes_nothing() -> None:
    """No examples, no difference."""
    assert tied_with_best(np.zeros((3, 0), dtype=bool), 1).tolist() == [0, 1, 2]
    assert resolution(np.zeros((3, 0), dtype=bool), 1, np.arange(3)) is None


def test_shares_of_several_networks_are_compared_in_pairs() -> None:
    """With seeds, bits become shares, and the paired test takes McNemar's place."""
    rng = np.random.default_rng(1)
    shares = np.stack([rng.binomial(3, p, size=400) / 3 for p in (0.1, 0.1, 0.4)])
    assert tied_with_best(shares, 0).tolist() == [0, 1]


def test_groups_say_less_than_their_examples() -> None:
    """Ten examples that are wrong together are one piece of evidence."""
    wrong = np.repeat(bits(0, 4, n=40), 10, axis=1)
    groups = np.repeat(np.arange(40), 10)
    assert chance_as_good(wrong, 0, groups)[1] > 100 * chance_as_good(wrong, 0)[1]


PAIR = 1.644854 + 0.841621  # one test at 5%, found in four of five


def test_two_trials_have_one_test() -> None:
    """(1.645 + 0.842)·√(discordant share / n), and the examples that would separate the two."""
    found = resolution(bits(4, 9), 0, np.array([0, 1]))
    assert found is not None
    assert found.difference == pytest.approx(PAIR * np.sqrt(0.05 / 100))
    assert found.examples == int(np.ceil(PAIR**2 * 0.05 / 0.05**2))


def test_a_hundred_trials_need_a_larger_difference_which_is_found_in_four_of_five_dev_sets() -> None:
    """Each of 99 is tested at 0.05/99: 3.28 + 0.84 standard errors, with trials drawn from errors that far apart."""
    n, discordant, rng = 2000, 0.1, np.random.default_rng(0)
    difference = 4.1293 * np.sqrt(discordant / n)
    detected = []
    for _ in range(300):
        draw = rng.random(n)
        best, other = draw < (discordant - difference) / 2, draw > 1 - (discordant + difference) / 2
        losses = np.stack([best, other, *[best] * 98])
        detected.append(1 not in tied_with_best(losses, 0))
        shown = resolution(losses, 0, np.array([0, 1]))
        assert shown is not None
        assert shown.difference == pytest.approx(4.1293 * np.sqrt((best | other).mean() / n), rel=1e-3)
    assert 0.72 < np.mean(detected) < 0.88


def test_no_number_of_examples_separates_equals() -> None:
    """The runner-up has as many wrong as the best, though not the same ones."""
    tied = np.stack([np.arange(100) < 5, np.arange(100) >= 95])
    found = resolution(tied, 0, np.array([0, 1]))
    assert found is not None
    assert found.examples is None
    assert found.difference > 0


def test_one_trial_resolves_nothing() -> None:
    """There is no second one to be told from."""
    assert resolution(bits(4), 0, np.array([0])) is None


def test_the_simplest_tied_is_the_simplest_within_one_standard_error() -> None:
    """A small network nearly as good is preferred; a smaller one far behind is not."""
    wrong = np.stack([np.arange(100) < 5, np.arange(100) >= 94, np.arange(100) < 60])
    assert simplest_tied(wrong, 0, np.array([5000, 700, 50]), np.zeros((3, 0))) == 1


def test_of_equally_small_networks_the_most_regularized() -> None:
    """More λ and less keep_prob win where the errors are within one standard error."""
    regularization = np.array([[0.01, -1.0], [1.0, -0.7], [10.0, -0.5]])  # λ and −keep_prob
    wrong = np.stack([np.arange(100) < 5, np.arange(100) >= 94, np.arange(100) < 60])
    assert simplest_tied(wrong, 0, np.array([10, 10, 10]), regularization) == 1


def test_a_lone_trial_is_the_simplest_tied() -> None:
    """There is nothing else to choose."""
    assert simplest_tied(bits(5), 0, np.array([10]), np.zeros((1, 0))) == 0


def test_without_dev_examples_the_best_stays_the_choice() -> None:
    """Nothing says that the smaller network is as good."""
    assert simplest_tied(np.zeros((2, 0), dtype=bool), 0, np.array([20, 10]), np.zeros((2, 0))) == 0


def test_weighted_examples_count_by_their_weight() -> None:
    """Ten rare examples of weight 5 and ninety others: what is wrong among the rare ones tells trials apart."""
    weights = BALANCED_ERROR.weighted(np.ones(100), np.repeat([1, 0], [10, 90]))
    misses_rare, misses_common = np.arange(100) < 9, np.arange(100) >= 91
    both = np.stack([misses_common, misses_rare])
    assert list(tied_with_best(both, 0)) == [0, 1]
    assert list(tied_with_best(both * weights, 0)) == [0]
    assert simplest_tied(both, 0, np.array([2, 1]), np.zeros((2, 0))) == 1
    assert simplest_tied(both * weights, 0, np.array([2, 1]), np.zeros((2, 0))) == 0
    found = resolution(both * weights, 0, np.array([0, 1]))
    assert found is not None
    assert found.difference == pytest.approx(PAIR * ((9 * 5**2 + 9 * (5 / 9) ** 2) / 100 / 100) ** 0.5)
