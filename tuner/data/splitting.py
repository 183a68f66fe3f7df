"""Which row serves where: stratified, seeded by ``[data] seed`` alone, the test rows drawn before anything else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

DEFAULT_SHARE = 0.2
DEFAULT_MOST = 10_000  # of a million rows 1 % is enough to tell errors apart (lectures: 98/1/1)


def default_size(n: int) -> float:
    """Return what a part takes that the definition does not size: min(20 %, 10 000), as a fraction or a count."""
    return DEFAULT_SHARE if n * DEFAULT_SHARE <= DEFAULT_MOST else DEFAULT_MOST


def share_of(size: float, n: int) -> float:
    """Return a size as a fraction of n rows: below 1 it is one already."""
    return size if size < 1 else size / n


def generator(seed: int, stream: int) -> np.random.Generator:
    """One stream for each draw, so that changing one part's size never moves another part's draw."""
    return np.random.default_rng(np.random.SeedSequence([seed, stream]))


def draw_stratified(rng: np.random.Generator, y: Ints, size: int) -> NDArray[np.bool_]:
    """Draw ``size`` rows, each class by its share (largest remainders), and leave at least one row of each class.

    Returns a mask (n,).
    """
    counts = np.bincount(y)
    quota = counts * (size / len(y))
    most = np.maximum(counts - 1, 0)
    take = np.minimum(np.floor(quota).astype(np.int64), most)
    order = np.argsort(-(quota - np.floor(quota)), kind="stable")
    while (missing := size - int(take.sum())) > 0:
        room = order[take[order] < most[order]]
        if not len(room):
            break
        take[room[:missing]] += 1
    chosen = np.zeros(len(y), dtype=bool)
    for label, number in enumerate(take):
        members = np.flatnonzero(y == label)
        chosen[rng.permutation(members)[:number]] = True
    return chosen


def deal_folds(rng: np.random.Generator, y: Ints, folds: int) -> Ints:
    """Deal the rows of each class round to the folds: sizes differ by one at most, in all and in each class.  (n,)"""
    dealt = np.concatenate([rng.permutation(np.flatnonzero(y == label)) for label in range(int(y.max()) + 1)])
    fold = np.empty(len(y), dtype=np.int64)
    fold[dealt] = np.arange(len(y)) % folds
    return fold


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of each part; with folds, ``train`` and ``dev`` hold one array for each fold."""

    train: tuple[Ints, ...]
    dev: tuple[Ints, ...]
    test: Ints


def draw_split(y: Ints, *, dev: float | None, test: float | None, folds: int | None, seed: int) -> Split:
    """Split one table's rows at random, class by class; sizes are fractions, counts or None for the default."""
    n = len(y)
    test_share = share_of(default_size(n) if test is None else test, n)
    dev_share = share_of(default_size(n) if dev is None else dev, n)
    n_test = n - math.floor(n * (1 - test_share) + 0.5)
    in_test = draw_stratified(generator(seed, 0), y, n_test) if n_test else np.zeros(n, dtype=bool)
    rest = np.flatnonzero(~in_test)
    rng = generator(seed, 1)
    if folds is not None:
        fold = deal_folds(rng, y[rest], folds)
        return Split(
            tuple(rest[fold != k] for k in range(folds)),
            tuple(rest[fold == k] for k in range(folds)),
            np.flatnonzero(in_test),
        )
    n_dev = len(rest) - math.floor(n * (1 - test_share - dev_share) + 0.5)
    in_dev = draw_stratified(rng, y[rest], n_dev)
    return Split((rest[~in_dev],), (rest[in_dev],), np.flatnonzero(in_test))
