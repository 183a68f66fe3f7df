"""Split rows into train, dev and test: stratified, seeded by ``[data] seed`` only, the test rows first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.settings import SplitSettings
from tuner.errors import DataError
from tuner.formatting import quoted

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

DEFAULT_SHARE = 0.2
DEFAULT_MOST = 10_000  # 1% of a million rows is enough to compare errors (lectures: 98/1/1)
TEST_STREAM, DEV_STREAM, TRAIN_DEV_STREAM = 0, 1, 2

# The words of a split column, in lower case.
PART_WORDS = {
    "train": ("train", "training"),
    "dev": ("dev", "development", "val", "valid", "validation"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of a split of n rows.

    ``y`` (n,) class indices; ``groups`` (n,) codes that are not split; ``moments`` (n,) times, of which the latest are
    dev and test.  ``own_dev``/``own_test``: rows of separate files, which are not drawn.
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
    """Sorted row numbers of each part; with folds, ``train`` and ``dev`` have one array per fold."""

    train: tuple[Ints, ...]
    dev: tuple[Ints, ...]
    test: Ints
    train_dev: Ints


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return a separate stream for each draw, so that the size of one set does not change the draw of another."""
    return np.random.default_rng(np.random.SeedSequence([seed, stream]))


# --- sizes ------------------------------------------------------------------------------------------------------------


def share_of(size: float | None, n: int) -> float:
    """Return a set's share of n rows; None is the default, min(20%, 10,000)."""
    if size is None:
        size = DEFAULT_SHARE if n * DEFAULT_SHARE <= DEFAULT_MOST else DEFAULT_MOST
    return size if size < 1 else size / n


def whole(number: float) -> int:
    """Round half up (Python rounds half to even: 12.5 and 13.5 would differ by 2)."""
    return int(np.floor(number + 0.5))


def sizes_of(n: int, dev: float | None, test: float | None) -> tuple[int, int]:
    """Return the numbers of dev and test rows; the borders between sets are rounded, so that all rows are used."""
    dev_share, test_share = share_of(dev, n), share_of(test, n)
    before_test = whole(n * (1 - test_share))
    before_dev = whole(n * (1 - test_share - dev_share))
    if before_dev < 1:
        raise DataError(
            f"[data] split: no training rows, since dev has {whole(n * dev_share):,} and test "
            f"{whole(n * test_share):,} of {n:,} rows; expected smaller sets"
        )
    if before_test == before_dev:
        raise DataError(f"[data] split: the dev set is empty ({dev_share:g} of {n:,} rows); expected at least one row")
    if test and before_test == n:
        raise DataError(
            f"[data] split: the test set is empty ({test:g} of {n:,} rows); expected at least one row, or test = 0"
        )
    return before_test - before_dev, n - before_test


# --- draws ------------------------------------------------------------------------------------------------------------


def draw_stratified(rng: np.random.Generator, y: Ints, size: int) -> Mask:
    """Draw ``size`` rows, stratified by class (largest remainders), and leave at least one row of each class.

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
    """Deal the rows of each class to the folds in turn: total and class sizes differ by at most one.  (n,)"""
    dealt = np.concatenate([rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)])
    fold = np.empty(len(y), dtype=np.int64)
    fold[dealt] = np.arange(len(y)) % folds
    return fold


def deal_groups(rng: np.random.Generator, y: Ints, groups: Ints, shares: list[float]) -> Ints:
    """Deal whole groups to parts of these shares with balanced classes: largest first, each to the part in most need.

    Returns the part of each row (n,).  A part's need is its missing fraction of each class, so a rare class counts as
    much as a frequent one.
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
    """Mark the ``size`` latest of the given rows; rows of equal time keep the file's order."""
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[np.argsort(moments[rows], kind="stable")[len(rows) - size :]] = True
    return chosen


def _draw(request: Request, stream: int, rows: Ints, size: int) -> Mask:
    """Mark about ``size`` of the given rows by groups, by time or stratified by class."""
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
    """Draw test, then dev or folds from the rest; the test rows depend only on test's size and the seed."""
    n = len(request.y)
    if request.own_dev is not None:
        return _split_with_own_dev(request)
    test = 0 if request.own_test is not None else request.sizes.test
    dev = request.sizes.dev if request.folds is None else 1  # folds need at least a row
    n_dev, n_test = sizes_of(n, dev, test)
    every = np.arange(n)
    in_test = _draw(request, TEST_STREAM, every, n_test)
    rest = every[~in_test]
    if request.folds is not None:
        return _folds(request, rest, every[in_test])
    in_dev = _draw(request, DEV_STREAM, rest, n_dev)
    return checked(Split((rest[~in_dev],), (rest[in_dev],), every[in_test], every[:0]), wants_test=n_test > 0)


def draw_dev_again(request: Request, rest: Ints, n_dev: int) -> Split:
    """Draw dev, or folds, from the rows outside the test set; without folds so many dev rows as before."""
    nobody = rest[:0]
    if request.folds is not None:
        return _folds(request, rest, nobody)
    in_dev = _draw(request, DEV_STREAM, rest, n_dev)
    return checked(Split((rest[~in_dev],), (rest[in_dev],), nobody, nobody), wants_test=False)


def _folds(request: Request, rest: Ints, test: Ints) -> Split:
    folds = request.folds or 0
    rng = generator(request.seed, DEV_STREAM)
    if request.groups is None:
        fold = deal_folds(rng, request.y[rest], folds)
    else:
        fold = deal_groups(rng, request.y[rest], request.groups[rest], [1 / folds] * folds)
    if len(np.unique(fold)) < folds:
        what = "rows" if request.groups is None else "groups"
        raise DataError(f"[data] folds = {folds}: too few {what} outside the test set; expected fewer folds")
    return Split(
        tuple(rest[fold != k] for k in range(folds)), tuple(rest[fold == k] for k in range(folds)), test, rest[:0]
    )


def _split_with_own_dev(request: Request) -> Split:
    """Use all rows for training but a train-dev set, by default as large as dev, at most the default share."""
    n = len(request.y)
    if request.sizes.train_dev is None:
        size = min(whole(n * share_of(None, n)), request.own_dev or 0)
    else:
        size = whole(n * share_of(request.sizes.train_dev, n))
    if size >= n:
        raise DataError(
            f"[data] split: no training rows, since train_dev has {size:,} of {n:,} rows; expected a smaller set"
        )
    every = np.arange(n)
    carved = _draw(request, TRAIN_DEV_STREAM, every, size)
    return Split((every[~carved],), (), every[:0], every[carved])


def read_split(words: tuple[str, ...], codes: Ints, where: str, request: Request) -> Split:
    """Split by a column of sets (train, dev, test and usual synonyms)."""
    part_of = {word: part for part, synonyms in PART_WORDS.items() for word in synonyms}
    parts = []
    for word in words:
        if word.lower() not in part_of:
            raise DataError(f"{where}: expected train, dev or test in each row, got {quoted(word)}")
        parts.append(part_of[word.lower()])
    part = np.array(parts, dtype=object)[codes]
    train, dev, test = (np.flatnonzero(part == name) for name in ("train", "dev", "test"))
    if request.folds is None:
        return checked(Split((train,), (dev,), test, train[:0]), wants_test=False)
    if len(dev):
        raise DataError(f"{where}: expected only train and test with [data] folds, got {len(dev)} dev rows")
    return _folds(request, train, test)


def checked(split: Split, *, wants_test: bool) -> Split:
    """Refuse a split with an empty set."""
    for name, rows in (("training", split.train[0]), ("dev", split.dev[0])):
        if not len(rows):
            raise DataError(f"[data] split: the {name} set is empty; expected at least one row")
    if wants_test and not len(split.test):
        raise DataError("[data] split: the test set is empty; expected at least one row, or test = 0")
    return split
