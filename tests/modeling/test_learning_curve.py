"""Trainings on growing subsets: which sizes, which rows, how long, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuner.data import Dataset, DataSettings, SplitSettings, dataset_from_arrays
from tuner.modeling.learning_curve import Course, class_shares, random_subset, subset_sizes, train_size
from tuner.study import parse_definition
from tuner.trial import draw_dev_folds

DEFINITION = """
name = "made"
[data]
[network]
hidden = [4]
[training]
max_epochs = {epochs}
patience = 3
min_updates = 20
[space]
lambda = 0.1
alpha = 0.3
batch_size = 16
"""
PARAMS = {
    "lambda": 0.1,
    "keep_prob": 1.0,
    "alpha": 0.3,
    "beta": 0.9,
    "batch_size": 16,
    "initializer": "he",
    "hidden": "4",
}


def dataset(n: int = 200, folds: int | None = None) -> Dataset:
    """Three classes that overlap a little, one of them rare."""
    rng = np.random.default_rng(0)
    y = np.where(np.arange(n) % 10 == 0, 2, np.arange(n) % 2)
    X = rng.normal(size=(n, 3)) + np.eye(3)[y] * 3
    split = {} if folds else {"split": SplitSettings(dev=0.25, test=0.0)}
    return dataset_from_arrays(X, y, DataSettings(folds=folds, **split))


def course(data: Dataset, epochs: int = 8) -> Course:
    """The definition's one point on these data."""
    folds = draw_dev_folds(len(data.dev_rows), None, 0)
    return Course(parse_definition(DEFINITION.format(epochs=epochs), "made"), data, folds, PARAMS, seed=5)


@pytest.mark.parametrize(
    ("n_train", "n_classes", "expected"),
    [
        (1150, 10, [72, 144, 288, 575, 1150]),
        (50_000, 10, [3125, 6250, 12_500, 25_000, 50_000]),
        (100, 2, [20, 30, 45, 67, 100]),
        (300, 20, [100, 132, 173, 228, 300]),
        (30, 2, [20, 30]),
        (15, 2, [15]),
    ],
)
def test_sizes_grow_in_equal_ratios_to_the_whole_set(n_train: int, n_classes: int, expected: list[int]) -> None:
    """From a sixteenth, but with some examples of each class; of few examples there are fewer sizes."""
    assert subset_sizes(n_train, n_classes) == expected


def test_one_size_is_the_whole_set() -> None:
    """Whatever is left out, today's error is measured."""
    assert subset_sizes(1000, 2, count=1) == [1000]
    assert subset_sizes(1000, 2, count=2) == [63, 1000]


@pytest.mark.parametrize(
    ("counts", "n", "expected"),
    [([60, 30, 10], 10, [6, 3, 1]), ([98, 1, 1], 10, [8, 1, 1]), ([5, 5, 5], 7, [3, 2, 2]), ([4, 0, 4], 8, [4, 0, 4])],
)
def test_classes_have_their_share(counts: list[int], n: int, expected: list[int]) -> None:
    """Largest remainders; a rare class keeps one row, an empty one none."""
    assert class_shares(np.array(counts), n).tolist() == expected


@pytest.mark.parametrize("folds", [None, 4])
def test_every_repeat_is_a_training_of_its_own(folds: int | None) -> None:
    """Three repeats, with folds a network a fold in each, each on other rows; a repeat covers the dev set."""
    data = dataset(folds=folds)
    found = train_size(course(data), 40, seeds=3)
    parts = len(data.parts)
    assert [(n.repeat, n.part) for n in found] == [(r, p) for r in range(3) for p in range(parts)]
    for repeat in range(3):
        assert sum(len(n.wrong) for n in found if n.repeat == repeat) == len(data.dev_rows)
    assert len({n.wrong.tobytes() + bytes([n.train_wrong]) for n in found}) > parts
    assert all(0 <= n.train_wrong <= 40 and 0 <= n.error <= 1 for n in found)


def test_the_largest_subset_is_the_whole_training_set() -> None:
    """All rows, and smaller ones are rows of it, each once."""
    table = dataset().parts[0].train
    assert np.array_equal(random_subset(table, len(table), np.random.default_rng(0)).rows, table.rows)
    some = random_subset(table, 40, np.random.default_rng(0))
    assert len(set(some.rows.tolist())) == 40
    assert set(some.rows.tolist()) < set(table.rows.tolist())
    assert np.array_equal(table.y[np.searchsorted(table.rows, some.rows)], some.y)


def test_the_same_course_gives_the_same_bits() -> None:
    """A curve is repeated from the trial's seed alone; another trial's is another one."""
    one, again = (train_size(course(dataset()), 40, 2) for _ in range(2))
    other = train_size(replace(course(dataset()), seed=6), 40, 2)
    assert [n.wrong.tobytes() for n in one] == [n.wrong.tobytes() for n in again]
    assert [n.error for n in one] == [n.error for n in again]
    assert [n.wrong.tobytes() for n in one] != [n.wrong.tobytes() for n in other]


def test_fewer_examples_have_more_epochs() -> None:
    """150 rows are 10 updates an epoch, 80 are 5, 20 are 2: as many updates, up to four times the epochs."""
    data = dataset()
    assert data.n_train == 150
    stopping = [course(data).stopping(n) for n in (150, 80, 20)]
    assert [(s.max_epochs, s.patience, s.min_updates) for s in stopping] == [(8, 3, 20), (16, 6, 20), (32, 12, 20)]


def test_what_is_interrupted_is_not_kept() -> None:
    """Half a size would look like a whole one."""
    assert train_size(course(dataset()), 40, 2, should_stop=lambda: True) is None
