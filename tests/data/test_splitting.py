"""Splits: sizes, strata, groups, time, columns, folds, and what the seed moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, Write, people
from tuner.data import DataSettings, can_split_again, dataset_from_frame, with_another_split
from tuner.data.settings import SplitSettings
from tuner.data.splitting import Request, deal_groups, draw_split, sizes_of
from tuner.errors import DataError


def request(y: np.ndarray, **options: object) -> Request:
    """Return a request with default sizes and seed 0."""
    return Request(**{"y": y, "sizes": SplitSettings(), "seed": 0, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "sizes"), [(1797, (360, 359)), (100, (20, 20)), (50_000, (10_000, 10_000)), (1_000_000, (10_000, 10_000))]
)
def test_default_sizes(n: int, sizes: tuple[int, int]) -> None:
    """Dev and test are min(20%, 10 000) of the rows each: 60/20/20 on small data, 98/1/1 on a million."""
    assert sizes_of(n, None, None) == sizes


@pytest.mark.parametrize(("dev", "test", "sizes"), [(0.1, 0.3, (10, 30)), (7, 11, (7, 11)), (0.25, 0, (25, 0))])
def test_sizes_are_fractions_or_counts(dev: float, test: float, sizes: tuple[int, int]) -> None:
    """A size below 1 is a fraction, one from 1 on a count, and a test set may be left out."""
    assert sizes_of(100, dev, test) == sizes


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=5),
    seed=st.integers(0, 2**32),
    folds=st.sampled_from([None, 2, 3]),
)
def test_parts_cover_every_row_once(counts: list[int], seed: int, folds: int | None) -> None:
    """No row is lost and none serves twice, whatever the classes' sizes."""
    y = np.repeat(np.arange(len(counts)), counts)
    if len(y) < 10:
        y = np.tile(y, 5)
    split = draw_split(request(y, seed=seed, folds=folds))
    for train, dev in zip(split.train, split.dev, strict=True):
        assert np.array_equal(np.sort(np.concatenate([train, dev, split.test])), np.arange(len(y)))
    if folds:
        assert np.array_equal(np.sort(np.concatenate([*split.dev, split.test])), np.arange(len(y)))


def test_strata() -> None:
    """Each class has its share of each part, to one row."""
    y = np.repeat([0, 1, 2], [700, 250, 50])
    split = draw_split(request(y))
    for part, share in ((split.train[0], 0.6), (split.dev[0], 0.2), (split.test, 0.2)):
        assert np.abs(np.bincount(y[part], minlength=3) - share * np.array([700, 250, 50])).max() <= 1


def test_strata_of_folds() -> None:
    """Folds differ by one row at most, in all and in each class."""
    y = np.repeat([0, 1, 2], [333, 140, 27])
    split = draw_split(request(y, folds=7))
    counts = np.array([np.bincount(y[dev], minlength=3) for dev in split.dev])
    assert np.ptp(counts.sum(axis=1)) <= 1
    assert np.ptp(counts, axis=0).max() <= 1


def test_every_class_keeps_a_training_row() -> None:
    """A class of two rows is never all dev and test."""
    y = np.array([0] * 50 + [1] * 2)
    for seed in range(20):
        assert 1 in y[draw_split(request(y, seed=seed)).train[0]]


def test_test_rows_are_the_same_with_folds_and_other_dev_sizes() -> None:
    """The test set depends on its own size and the split's seed alone."""
    y = np.arange(500) % 3
    test = draw_split(request(y)).test
    assert np.array_equal(draw_split(request(y, folds=5)).test, test)
    assert np.array_equal(draw_split(request(y, sizes=SplitSettings(dev=0.35))).test, test)
    assert not np.array_equal(draw_split(request(y, seed=1)).test, test)


def test_groups_stay_together() -> None:
    """No group stands on two sides of a border, with and without folds."""
    rng = np.random.default_rng(0)
    frame = people(600).assign(family=rng.integers(0, 60, 600))
    for folds in (None, 4):
        dataset = dataset_from_frame(frame, "rich", DataSettings(group="family", folds=folds), cache=False)
        family = frame["family"].to_numpy()
        test = set(family[dataset.test_rows])
        for part in dataset.parts:
            train, dev = set(family[part.train.rows]), set(family[part.dev.rows])
            assert not train & dev
            assert not test & (train | dev)
        assert dataset.dev_groups is not None
        pairs = set(zip(dataset.dev_groups.tolist(), family[dataset.dev_rows].tolist(), strict=True))
        assert len(pairs) == len({group for group, _ in pairs}) == len({name for _, name in pairs})
        assert "family" not in dataset.feature_names


def test_groups_are_dealt_by_size_and_class() -> None:
    """Parts of groups come near their shares, in all and in each class."""
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 100, 2000)
    y = (rng.random(2000) < 0.1).astype(np.int64)
    part = deal_groups(np.random.default_rng(0), y, groups, [0.6, 0.2, 0.2])
    for place, share in enumerate([0.6, 0.2, 0.2]):
        assert np.mean(part == place) == pytest.approx(share, abs=0.02)
        assert np.mean(y[part == place]) == pytest.approx(np.mean(y), abs=0.02)


def test_time_puts_the_latest_rows_last() -> None:
    """No training row is younger than a dev row, no dev row younger than a test row."""
    days = np.random.default_rng(0).permutation(300)
    frame = people(300).assign(day=[f"{2000 + day // 12}-{day % 12 + 1:02d}-01" for day in days])
    dataset = dataset_from_frame(frame, "rich", DataSettings(time="day"), cache=False)
    part = dataset.parts[0]
    assert days[part.train.rows].max() < days[part.dev.rows].min()
    assert days[part.dev.rows].max() < days[dataset.test_rows].min()
    assert not any(name.startswith("day") for name in dataset.feature_names)


def test_a_column_names_the_parts(write: Write, load: Load) -> None:
    """A split column is followed, synonyms and all, and is not an input."""
    words = np.resize(["train", "Train", "training", "valid", "test"], 200)
    write("p.csv", people().assign(part=words))
    dataset = load("p.csv", split_column="part")
    assert np.array_equal(dataset.parts[0].dev.rows, np.flatnonzero(words == "valid"))
    assert np.array_equal(dataset.test_rows, np.flatnonzero(words == "test"))
    assert not any(name.startswith("part") for name in dataset.feature_names)


def test_a_column_that_names_no_part(write: Write, load: Load) -> None:
    """Another word in a split column is refused by its value."""
    write("p.csv", people().assign(part=np.resize(["train", "dev", "later"], 200)))
    with pytest.raises(DataError, match="expected train, dev or test in each row, got 'later'"):
        load("p.csv", split_column="part")


def test_a_split_column_and_folds(write: Write, load: Load) -> None:
    """The column keeps the test rows apart, folds make dev sets of the rest; a dev set of its own contradicts them."""
    words = np.resize(["train", "train", "train", "test"], 200)
    write("p.csv", people().assign(part=words))
    dataset = load("p.csv", split_column="part", folds=3)
    assert np.array_equal(dataset.test_rows, np.flatnonzero(words == "test"))
    assert sorted(dataset.dev_rows) == np.flatnonzero(words == "train").tolist()
    write("p.csv", people().assign(part=np.resize(["train", "dev", "test"], 200)))
    with pytest.raises(DataError, match=r"expected only train and test with \[data\] folds, got 67 dev rows"):
        load("p.csv", split_column="part", folds=3)


@pytest.mark.parametrize(("words", "missing"), [(["train", "test"], "dev"), (["dev", "test"], "training")])
def test_a_split_column_without_a_part(write: Write, load: Load, words: list[str], missing: str) -> None:
    """Rows to learn from and rows to choose by have to be there."""
    write("p.csv", people().assign(part=np.resize(words, 200)))
    with pytest.raises(DataError, match=f"the {missing} set is empty; expected at least one row"):
        load("p.csv", split_column="part")


def test_a_train_dev_set_leaves_rows_to_train_on(write: Write, load: Load) -> None:
    """As many rows as there are cannot be carved from them."""
    for name, n, seed in (("a.csv", 100, 0), ("b.csv", 60, 1), ("c.csv", 80, 2)):
        write(name, people(n, seed))
    with pytest.raises(DataError, match="no training rows, since train_dev has 100 of 100 rows"):
        load("a.csv", dev="b.csv", test="c.csv", split={"train_dev": 100})


def test_own_files_and_a_train_dev_set(write: Write, load: Load) -> None:
    """Dev and test files serve whole, and a train-dev set as large as dev is carved from train."""
    for name, n, seed in (("a.csv", 500, 0), ("b.csv", 60, 1), ("c.csv", 80, 2)):
        write(name, people(n, seed))
    dataset = load("a.csv", dev="b.csv", test="c.csv")
    assert dataset.sizes == {"train": 440, "dev": 60, "train_dev": 60, "test": 80}
    assert dataset.train_dev is not None
    assert not set(dataset.train_dev.rows) & set(dataset.parts[0].train.rows)
    assert load("a.csv", dev="b.csv", split={"train_dev": 0}).train_dev is None


def test_a_test_file_alone_leaves_dev_to_be_drawn(write: Write, load: Load) -> None:
    """With a test file only, dev is drawn from train: one distribution, no train-dev set."""
    write("a.csv", people(500))
    write("c.csv", people(80, 2))
    assert load("a.csv", test="c.csv").sizes == {"train": 400, "dev": 100, "train_dev": 0, "test": 80}
    assert load("a.csv", test="c.csv", folds=5).sizes == {"train": 500, "dev": 500, "train_dev": 0, "test": 80}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"dev": 0.001}, r"the dev set is empty \(0.001 of 200 rows\)"),
        ({"test": 0.001}, r"the test set is empty \(0.001 of 200 rows\)"),
        ({"dev": 150, "test": 60}, "no training rows, since dev has 150 and test 60 of 200 rows"),
    ],
)
def test_empty_parts_are_refused(write: Write, load: Load, split: dict[str, float], message: str) -> None:
    """A part without rows is refused with the numbers that make it so."""
    write("p.csv", people())
    with pytest.raises(DataError, match=message):
        load("p.csv", split=split)


def test_more_folds_than_groups(write: Write, load: Load) -> None:
    """Folds that cannot all have a group are refused."""
    write("p.csv", people().assign(family=np.arange(200) % 3))
    with pytest.raises(DataError, match="too few groups"):
        load("p.csv", group="family", folds=5)


def test_training_rows_of_one_class(write: Write, load: Load) -> None:
    """A split by time that leaves one class to learn from is refused."""
    write("p.csv", people().sort_values("rich").assign(when=np.arange(200)))
    with pytest.raises(DataError, match="training rows are of class 'no'"):
        load("p.csv", time="when", split={"dev": 0.4, "test": 0.3})


@pytest.mark.parametrize("more", [{}, {"folds": 4}, {"group": "g"}])
def test_another_split_moves_dev_rows_and_leaves_the_test_set(more: dict[str, Any]) -> None:
    """Of the same sizes, with encodings of its own; the same seed gives the same split."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.standard_normal(200), "g": np.arange(200) // 4, "y": np.tile(["a", "b"], 100)})
    data = dataset_from_frame(frame, "y", DataSettings(**more), cache=False)
    assert can_split_again(data)
    other, same = with_another_split(data, 7), with_another_split(data, 7)
    assert np.array_equal(other.dev_rows, same.dev_rows)
    assert not np.array_equal(other.dev_rows, data.dev_rows)
    assert len(other.parts) == len(data.parts)
    for part in other.parts:
        rows = np.concatenate([part.train.rows, part.dev.rows])
        assert set(rows) | set(data.test_rows) == set(range(200))
        assert len(rows) + len(data.test_rows) == 200
        assert part.train.X.mean() == pytest.approx(0, abs=1e-6)
        if "group" in more:
            assert not set(frame["g"][part.train.rows]) & set(frame["g"][part.dev.rows])


@pytest.mark.parametrize("fixed", [{"time": "x"}, {"split_column": "part"}])
def test_a_split_that_was_not_drawn_is_not_drawn_again(fixed: dict[str, Any]) -> None:
    """Later rows, or rows that a column assigns."""
    part = np.tile(["train", "train", "dev", "train"], 5)
    frame = pd.DataFrame({"x": np.arange(20.0), "z": np.arange(20.0) ** 2, "part": part, "y": np.tile(["a", "b"], 10)})
    assert not can_split_again(dataset_from_frame(frame, "y", DataSettings(**fixed), cache=False))
