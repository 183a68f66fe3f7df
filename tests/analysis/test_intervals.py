"""Wilson and Newcombe intervals, compared with published figures and their definitions."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tuner.analysis import Z95, ErrorEstimate, Spread, difference_interval, exponentially_weighted_average, wilson
from tuner.errors import ArgumentError


@pytest.mark.parametrize(
    ("wrong", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_matches_newcombe_1998_table_1(wrong: int, n: int, low: float, high: float) -> None:
    """The score interval without continuity correction of Newcombe's four examples (Stat. Med. 17, 857-872)."""
    assert wilson(wrong, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 7, 360, 30_000])
def test_wilson_is_exactly_zero_without_errors(n: int) -> None:
    """No errors: the lower end is 0.0 itself, not a rounding residue; all errors: the upper end is 1.0 itself."""
    assert wilson(0, n)[0] == 0.0
    assert wilson(n, n)[1] == 1.0


def test_wilson_of_nothing_is_everything() -> None:
    """No example says nothing about the error."""
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
    ],
)
def test_difference_matches_newcombe_1998_method_10(a: int, m: int, b: int, n: int, low: float, high: float) -> None:
    """Newcombe's own table II (Stat. Med. 17, 873-890), method 10."""
    found = difference_interval(ErrorEstimate.measured(a, m), ErrorEstimate.measured(b, n))
    assert found == pytest.approx((low, high), abs=5e-5)


def test_an_exact_error_has_no_width() -> None:
    """A known baseline adds nothing to the width of a gap."""
    train = ErrorEstimate.measured(15, 148)
    low, high = difference_interval(train, ErrorEstimate.exact(0.0))
    assert (low, high) == pytest.approx(train.interval())


def test_fewer_effective_examples_widen_the_interval() -> None:
    """Examples that come in groups count for less than their number."""
    plain, grouped = ErrorEstimate.measured(40, 400), ErrorEstimate.measured(40, 400, n_effective=100.0)
    assert grouped.interval() == pytest.approx(wilson(10, 100))
    assert grouped.high > plain.high


def test_the_lower_end_takes_the_smaller_of_two_values() -> None:
    """A corrected error may carry a second value; the upper end does not move."""
    both = ErrorEstimate(value=0.10, n=400, low_from=0.08)
    assert both.low == wilson(32, 400)[0]
    assert both.high == wilson(40, 400)[1]


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan])
def test_an_error_outside_its_bounds_is_refused(value: float) -> None:
    """The message names the value."""
    with pytest.raises(ArgumentError, match=str(value)):
        ErrorEstimate.exact(value)


def test_more_wrong_than_counted_is_refused() -> None:
    """Counts that cannot be are named."""
    with pytest.raises(ArgumentError, match="wrong=5, of=4"):
        ErrorEstimate.measured(5, 4)


def test_a_heavy_tail_reaches_farther_than_its_sample() -> None:
    """Up to a skewness of 3 the upper end is the sample's; beyond, that of one more row as far off as the farthest."""
    plain = Spread.of(np.arange(1.0, 101.0))
    assert plain.beyond is None
    squares = np.append(np.ones(99), 50.0)
    heavy, more = Spread.of(squares), Spread.of(np.append(squares, 50.0))
    low, high = heavy.factors(100, Z95)
    alone = replace(heavy, beyond=None).factors(100, Z95)
    assert low == alone[0]
    mean, with_it = squares.mean(), np.append(squares, 50.0).mean()
    of_more = replace(more, beyond=None).factors(101, Z95)[1] * math.sqrt(with_it / mean)
    assert high == pytest.approx(max(of_more, alone[1]))
    ends = [heavy.factors(100, z)[1] for z in (-1.0, 0.0, 0.5, 1.0, Z95, 3.0)]
    assert ends == sorted(ends)


def test_groups_and_weights_of_a_heavy_tail_count_once() -> None:
    """Twice the same rows in groups of two are one row each; equal weights change nothing."""
    squares = np.random.default_rng(0).standard_t(3, 300) ** 2
    heavy = Spread.of(squares).factors(300, Z95)
    twice = Spread.of(np.repeat(squares, 2), np.repeat(np.arange(300), 2))
    assert twice.factors(600, Z95) == pytest.approx(heavy)
    assert Spread.of(squares, None, np.ones(300)).factors(300, Z95) == pytest.approx(heavy)


def test_average_of_the_lectures() -> None:
    """β = 0.98: v_2 = 0.0196 θ_1 + 0.02 θ_2, divided by 1 − 0.98² = 0.0396."""
    averaged = exponentially_weighted_average([40.0, 49.0], beta=0.98)
    assert averaged == pytest.approx([40.0, (0.0196 * 40 + 0.02 * 49) / 0.0396])


def test_average_of_a_constant_is_the_constant() -> None:
    """The bias correction takes away the start at zero."""
    assert exponentially_weighted_average(np.full(30, 0.3)) == pytest.approx(np.full(30, 0.3))


def test_average_with_beta_zero_is_the_curve() -> None:
    """β = 0 forgets everything but the last value."""
    assert exponentially_weighted_average([0.5, 0.1, 0.9], beta=0.0).tolist() == [0.5, 0.1, 0.9]


def test_beta_of_one_is_refused() -> None:
    """β = 1 never learns a value."""
    with pytest.raises(ArgumentError, match=r"beta must be in \[0, 1\), got 1"):
        exponentially_weighted_average([1.0], beta=1)
