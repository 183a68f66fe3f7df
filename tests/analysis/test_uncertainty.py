"""The parts of a dev error's uncertainty, where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.analysis import spread_beyond_folds, spread_beyond_rows, spread_by_seed, spread_by_split

SAME, APART = 0.0, 0.05


@pytest.mark.parametrize("spread", [SAME, APART])
def test_models_judged_on_the_same_rows_differ_by_what_rows_do_not_explain(spread: float) -> None:
    """2,000 sets of five models on 400 shared rows, whose true errors are 20% give or take the spread."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(2000):
        true = np.clip(0.2 + spread * rng.standard_normal((5, 1)), 0, 1)
        hard = rng.random(400)
        own = np.where(rng.random((5, 400)) < 0.5, hard, rng.random((5, 400)))
        found.append(spread_beyond_rows(own < true))
    mean_square = np.mean(np.square(found))
    assert np.sqrt(mean_square) == pytest.approx(spread, abs=0.015)


@pytest.mark.parametrize("spread", [SAME, APART])
def test_models_judged_on_folds_differ_by_what_folds_do_not_explain(spread: float) -> None:
    """The same, each model on 400 rows of its own."""
    rng = np.random.default_rng(2)
    true = np.clip(0.2 + spread * rng.standard_normal((2000, 5)), 0, 1)
    errors = rng.binomial(400, true) / 400
    found = [spread_beyond_folds(each, np.full(5, 400)) for each in errors]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(spread, abs=0.015)


@pytest.mark.parametrize("spread", [SAME, 0.2])
def test_of_numbers_the_rows_explain_what_their_squares_spread(spread: float) -> None:
    """Models of five folds whose mean squared errors are 1 give or take the spread, each on 400 rows."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(500):
        squares = np.square(rng.standard_normal((5, 400))) * (1 + spread * rng.standard_normal((5, 1)))
        found.append(spread_beyond_folds(squares.mean(axis=1), np.full(5, 400), squares.var(axis=1, ddof=1)))
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(spread, abs=0.06)  # type: ignore[arg-type]


def test_one_model_shows_no_spread() -> None:
    """Nor do models judged on a single row."""
    assert spread_beyond_rows(np.zeros((1, 10))) is None
    assert spread_beyond_rows(np.zeros((3, 1))) is None
    assert spread_beyond_folds(np.zeros(1), np.array([10])) is None


def test_equal_models_have_no_spread() -> None:
    """A hand-worked case: means 0.2 and 0.4 of five rows, all of one variance; the rows explain all of it."""
    losses = np.array([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0]])
    assert spread_beyond_rows(losses) == 0.0
    apart = np.array([[0.0] * 5, [1.0] * 5])
    assert spread_beyond_rows(apart) == pytest.approx(np.sqrt(0.5))


def test_luck_of_seed_and_of_split_are_told_apart() -> None:
    """A hand-worked case: three trials 2 pp higher with another seed give or take 1 pp, 3 pp lower in another split."""
    errors, again, elsewhere = [0.10, 0.12, 0.14], [0.11, 0.14, 0.17], [0.08, 0.11, 0.14]
    seed = spread_by_seed(errors, again)
    assert seed == pytest.approx(0.01 / np.sqrt(2))  # the differences are 1, 2 and 3 pp: of one, twice the variance
    assert spread_by_split(again, elsewhere, seed) == pytest.approx(np.sqrt(0.03**2 / 2 - 0.01**2 / 2))
    assert spread_by_split(again, again, seed) == 0.0
    assert spread_by_seed([0.1], [0.2]) is None
