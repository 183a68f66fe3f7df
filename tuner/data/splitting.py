"""Which row serves where: stratified, seeded by ``[data] seed`` alone, the test rows drawn before anything else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.settings import SplitSettings
from tuner.errors import DataError

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

DEFAULT_SHARE = 0.2
DEFAULT_MOST = 10_000  # of a million rows 1% is enough to tell errors apart (lectures: 98/1/1)
TEST_STREAM, DEV_STREAM, TRAIN_DEV_STREAM = 0, 1, 2

# What a split column may say, in small letters.
PART_WORDS = {
    "train": ("train", "training"),
    "dev": ("dev", "development", "val", "valid", "validation"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be drawn from one table of n rows.

    ``y`` (n,) class indices; ``groups`` (n,) codes that stay together; ``moments`` (n,) by which the latest rows are
    dev and test.  ``own_dev``/``own_test``: these come from files of their own and are not drawn.
    """

    y: Ints
    sizes: SplitSettings
    seed: int
    folds: int | None = None
    groups: Ints | None = None
    moments: NDArray[np.float64] | None = None
    own_dev: int | None = None
    own_test: int | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Sorted row numbers of each part; with folds, ``train`` and ``dev`` hold one array for each fold."""

    train: tuple[Ints, ...]
    dev: tuple[Ints, ...]
    test: Ints
    train_dev: Ints


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return a stream of its own for each draw, so that one part's size never moves another part's draw."""
    return np.random.default_rng(np.random.SeedSequence([seed, stream]))


# --- sizes ------------------------------------------------------------------------------------------------------------


def share_of(size: float | None, n: int) -> float:
    """Return a part's share of n rows; None is the default, min(20%, 10 000)."""
    if size is None:
        size = DEFAULT_SHARE if n * DEFAULT_SHARE <= DEFAULT_MOST else DEFAULT_MOST
    return size if size < 1 else size / n


def whole(number: float) -> int:
    """Round half up (Python rounds half to even, which would give 12.5 and 13.5 rows the one size)."""
    return int(np.floor(number + 0.5))


def sizes_of(n: int, dev: float | None, test: float | None) -> tuple[int, int]:
    """Return the numbers of dev and test rows: the borders of train and dev are rounded, so that all rows are used."""
    dev_share, test_share = share_of(dev, n), share_of(test, n)
    before_test = whole(n * (1 - test_share))
    before_dev = whole(n * (1 - test_share - dev_share))
    if before_dev < 1:
        raise DataError(
            f"[data] split: dev {whole(n * dev_share):,} and test {whole(n * test_share):,} rows "
            f"of {n:,} leave none to train on"
        )
    if before_test == before_dev:
        raise DataError(f"[data] split: dev, {dev_share:g} of {n:,} rows, is an empty set; expected one row or more")
    if test and before_test == n:
        raise DataError(f"[data] split: test, {test:g} of {n:,} rows, is an empty set; expected one row or more (or 0)")
    return before_test - before_dev, n - before_test


# --- draws ------------------------------------------------------------------------------------------------------------


def draw_stratified(rng: np.random.Generator, y: Ints, size: int) -> Mask:
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
    for label in np.flatnonzero(take):
        chosen[rng.permutation(np.flatnonzero(y == label))[: take[label]]] = True
    return chosen


def deal_folds(rng: np.random.Generator, y: Ints, folds: int) -> Ints:
    """Deal the rows of each class round to the folds: sizes differ by one at most, in all and in each class.  (n,)"""
    dealt = np.concatenate([rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)])
    fold = np.empty(len(y), dtype=np.int64)
    fold[dealt] = np.arange(len(y)) % folds
    return fold


def deal_groups(rng: np.random.Generator, y: Ints, groups: Ints, shares: list[float]) -> Ints:
    """Deal whole groups to parts of these shares, keeping classes level: largest first, each where it is missed most.

    Returns the part of each row (n,).  A part's need is its missing fraction of each class, so that a rare class
    weighs as much as a frequent one.
    """
    _, member = np.unique(groups, return_inverse=True)
    n_groups, n_classes = int(member.max()) + 1, int(y.max()) + 1
    counts = np.bincount(member * n_classes + y, minlength=n_groups * n_classes).reshape(n_groups, n_classes)
    totals = counts.sum(axis=0)
    wanted = np.outer(shares, totals) + 1e-9
    shuffled = rng.permutation(n_groups)
    held = np.zeros((len(shares), n_classes))
    part = np.zeros(n_groups, dtype=np.int64)
    for group in shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]:
        share = counts[group] / np.maximum(totals, 1)
        need = ((wanted - held) / wanted) @ share
        # a part that would overflow takes the group only if every part would
        over = (held + counts[group]).sum(axis=1) > wanted.sum(axis=1) + 0.5 * counts[group].sum()
        need = np.where(over & ~over.all(), -np.inf, need)
        part[group] = int(np.argmax(need))
        held[part[group]] += counts[group]
    return part[member]


def latest(moments: NDArray[np.float64], rows: Ints, size: int) -> Mask:
    """Mark the ``size`` latest of the given rows; equal moments keep the file's order."""
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[np.argsort(moments[rows], kind="stable")[len(rows) - size :]] = True
    return chosen


def _draw(request: Request, stream: int, rows: Ints, size: int) -> Mask:
    """Mark about ``size`` of the given rows by the request's own way: groups, time or class by class."""
    if not size:
        return np.zeros(len(rows), dtype=bool)
    if request.moments is not None and stream != TRAIN_DEV_STREAM:
        return latest(request.moments, rows, size)
    rng = generator(request.seed, stream)
    if request.groups is not None:
        share = size / len(rows)
        drawn: Mask = deal_groups(rng, request.y[rows], request.groups[rows], [1 - share, share]) == 1
        return drawn
    return draw_stratified(rng, request.y[rows], size)


# --- the split --------------------------------------------------------------------------------------------------------


def draw_split(request: Request) -> Split:
    """Draw test, then dev or folds from the rest; the test rows depend on test's size and the seed alone."""
    n = len(request.y)
    if request.own_dev is not None:
        return _split_with_own_dev(request)
    test = 0 if request.own_test is not None else request.sizes.test
    dev = request.sizes.dev if request.folds is None else 1  # folds need no size, but a row each
    n_dev, n_test = sizes_of(n, dev, test)
    every = np.arange(n)
    in_test = _draw(request, TEST_STREAM, every, n_test)
    rest = every[~in_test]
    if request.folds is not None:
        return _folds(request, rest, every[in_test])
    in_dev = _draw(request, DEV_STREAM, rest, n_dev)
    return checked(Split((rest[~in_dev],), (rest[in_dev],), every[in_test], every[:0]), wants_test=n_test > 0)


def _folds(request: Request, rest: Ints, test: Ints) -> Split:
    folds = request.folds or 0
    rng = generator(request.seed, DEV_STREAM)
    if request.groups is None:
        fold = deal_folds(rng, request.y[rest], folds)
    else:
        fold = deal_groups(rng, request.y[rest], request.groups[rest], [1 / folds] * folds)
    if len(np.unique(fold)) < folds:
        what = "rows" if request.groups is None else "groups"
        raise DataError(f"[data] folds = {folds}: there are too few {what} outside the test set to fill them")
    return Split(
        tuple(rest[fold != k] for k in range(folds)), tuple(rest[fold == k] for k in range(folds)), test, rest[:0]
    )


def _split_with_own_dev(request: Request) -> Split:
    """Keep all rows for training but a train-dev set: as many as there are dev rows, at most the default share."""
    n = len(request.y)
    if request.sizes.train_dev is None:
        size = min(whole(n * share_of(None, n)), request.own_dev or 0)
    else:
        size = whole(n * share_of(request.sizes.train_dev, n))
    if size >= n:
        raise DataError(f"[data] split: train_dev {size:,} rows of {n:,} leave none to train on")
    every = np.arange(n)
    carved = _draw(request, TRAIN_DEV_STREAM, every, size)
    return Split((every[~carved],), (), every[:0], every[carved])


def read_split(words: tuple[str, ...], codes: Ints, where: str, request: Request) -> Split:
    """Follow a column that names each row's part (train, dev, test and their usual synonyms)."""
    part_of = {word: part for part, synonyms in PART_WORDS.items() for word in synonyms}
    parts = []
    for word in words:
        if word.lower() not in part_of:
            raise DataError(f"{where}: {word!r} names no part, expected train, dev or test in each row")
        parts.append(part_of[word.lower()])
    part = np.array(parts, dtype=object)[codes]
    train, dev, test = (np.flatnonzero(part == name) for name in ("train", "dev", "test"))
    if request.folds is None:
        return checked(Split((train,), (dev,), test, train[:0]), wants_test=False)
    if len(dev):
        raise DataError(f"{where}: names {len(dev)} dev rows, expected train and test alone since [data] folds is set")
    return _folds(request, train, test)


def checked(split: Split, *, wants_test: bool) -> Split:
    """Refuse a split with an empty part."""
    for name, rows in (("training", split.train[0]), ("dev", split.dev[0])):
        if not len(rows):
            raise DataError(f"[data] split: the {name} set is empty, expected one row or more")
    if wants_test and not len(split.test):
        raise DataError("[data] split: the test set is empty, expected one row or more (test = 0 does without one)")
    return split
