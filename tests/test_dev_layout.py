"""How a trial's networks share the dev rows."""

import numpy as np

from tuner.dev_layout import DevLayout

HOLDOUT, FOLDS, SEEDS = DevLayout.planned([6], 1), DevLayout.planned([3, 3], 1), DevLayout.planned([6], 2)


def test_each_layout_says_what_each_network_has() -> None:
    """One network has all six rows; of two folds each three; of two seeds each all six."""
    assert [layout.sizes for layout in (HOLDOUT, FOLDS, SEEDS)] == [(6,), (3, 3), (6, 6)]
    assert [layout.has_folds for layout in (HOLDOUT, FOLDS, SEEDS)] == [False, True, False]
    assert [layout.networks_per_row for layout in (HOLDOUT, FOLDS, SEEDS)] == [1, 1, 2]
    assert (FOLDS.each("ab"), SEEDS.each("a")) == (["a", "b"], ["a", "a"])
    rows = np.arange(6)
    assert [list(own) for own in FOLDS.split(rows)] == [[0, 1, 2], [3, 4, 5]]
    assert [list(own) for own in SEEDS.split(rows)] == [[0, 1, 2, 3, 4, 5]] * 2


def test_losses_of_folds_are_joined_and_those_of_seeds_averaged() -> None:
    """Every dev row ends up with one loss."""
    assert list(FOLDS.row_losses([np.array([1, 0, 0]), np.array([0, 0, 1])])) == [1, 0, 0, 0, 0, 1]
    assert list(SEEDS.row_losses([np.array([1, 1, 0, 0, 0, 0]), np.array([1, 0, 0, 0, 0, 0])])) == [1, 0.5, 0, 0, 0, 0]


def test_training_rows_of_folds_count_once() -> None:
    """Five folds train on every row four times; one network, or seeds, on every row."""
    assert DevLayout.planned([20] * 5, 1).train_loss([4, 8, 4, 8, 8], [80] * 5) == (8, 100)
    assert HOLDOUT.train_loss([3], [60]) == (3, 60)
    assert SEEDS.train_loss([3, 4], [60, 60]) == (3.5, 60)
