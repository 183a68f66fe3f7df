"""Segments with a higher error: planted ones are found, chance is not, groups stay together."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.analysis import find_segments


def made(rng: np.random.Generator, n: int = 600, columns: int = 4, levels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Slices of columns that have nothing to do with anything: members (k, n) and the column of each."""
    codes = rng.integers(0, levels, (columns, n))
    members = np.array([column == level for column in codes for level in range(levels)])
    return members, np.repeat(np.arange(columns), levels)


@pytest.mark.parametrize("places", [(2,), (2, 5)])
def test_a_planted_segment_is_found_as_it_is(places: tuple[int, ...]) -> None:
    """Of one column or two, and nothing else with it: the errors of its rows explain the rest."""
    rng = np.random.default_rng(0)
    members, columns = made(rng, n=2000)
    bad = np.logical_and.reduce(members[list(places)])
    (found,) = find_segments(rng.random(2000) < np.where(bad, 0.5, 0.1), members, columns, rng=rng)
    assert found.slices == places
    assert (found.rows == bad).all()
    assert found.excess > found.needed > 2


def test_chance_is_rarely_named() -> None:
    """In at most 5% of searches, up to what 40 of them show: 6 with a probability of 99%."""
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        members, columns = made(rng, n=300, columns=3, levels=3)
        hits += bool(find_segments(rng.random(300) < 0.15, members, columns, rng=rng))
    assert hits <= 6


def test_groups_are_not_many_rows() -> None:
    """Some groups are always wrong: a slice that has whole groups shows it by chance, which rows alone would not."""
    hits = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(40), 6)
        members, columns = made(rng, n=40, columns=2)
        losses = (rng.random(40) < 0.2)[groups]
        hits.append([bool(find_segments(losses, members[:, groups], columns, of, rng=rng)) for of in (None, groups)])
    by_row, by_group = np.mean(hits, axis=0)
    assert by_row > 0.3
    assert by_group <= 0.2


def test_slices_of_few_or_most_rows_are_not_compared() -> None:
    """However wrong they are; without slices, or with equal losses, there is nothing to find."""
    rng = np.random.default_rng(0)
    members = np.zeros((2, 400), dtype=bool)
    members[0, :15] = members[1, 80:] = True
    assert find_segments(members[0], members, np.arange(2), rng=rng) == []
    assert find_segments(members[1], members, np.arange(2), rng=rng) == []
    assert find_segments(members[0], members[:0], np.arange(0), rng=rng) == []
    assert find_segments(np.ones(400), members, np.arange(2), rng=rng) == []


def test_the_rest_is_searched_by_its_own_chance() -> None:
    """What a second segment needs is that of the rows that are left, whose fewer errors vary more in small slices."""
    rng = np.random.default_rng(1)
    members, columns = made(rng, n=1500)
    bad = [members[2], members[5] & ~members[2]]
    losses = rng.random(1500) < np.select(bad, [0.8, 0.2], 0.02)
    first, second, *_ = find_segments(losses, members, columns, rng=rng)
    assert (first.slices, second.slices) == ((2,), (5,))
    assert second.needed > first.needed


def test_weights_count_as_rows() -> None:
    """Heavy rows are no segment by their weight alone; what is wrong among few heavy rows is one, and not without."""
    rng = np.random.default_rng(2)
    n = 800
    members, columns = made(rng, n, columns=2)
    weights = np.where(members[1], 6.0, 1.0)
    assert find_segments(rng.random(n) < 0.2, members, columns, None, weights, rng=rng) == []
    heavy = members[1] & (rng.random(n) < 0.3)
    losses, weights = rng.random(n) < np.where(heavy, 0.5, 0.2), np.where(heavy, 8.0, 1.0)
    assert find_segments(losses, members, columns, None, weights, rng=rng)[0].slices == (1,)
    assert find_segments(losses, members, columns, rng=rng) == []
