"""Segments: slices of one or two columns on which the error is higher than elsewhere.

All slices are compared with all rows at once: their largest excess, in standard errors, is that of chance if losses
that are dealt to the rows anew reach it in more than 4% of the deals (a permutation test of the largest
statistic; Westfall & Young 1993).  So at most 5% of the searches name a segment where losses have nothing to do with
the columns.  Where rows come in groups, the losses of a group are dealt together.  Weights stay with their rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.04  # so that it is 5% at most where groups have unlike sizes, too
DEALS = 199
"""Rearrangements of the losses: (LEVEL · (DEALS + 1)) of them may reach what is named."""
FEWEST, FEWEST_SHARE, LARGEST_SHARE = 20, 0.01, 0.75
"""Rows of a slice: at least so many and such a share of all, at most such a share."""
ALIKE = 8  # groups of about the same size
MOST_SEGMENTS = 5
MOST_WORK = 3e8
"""Slices² times rows with a loss, up to which pairs of slices are compared, too."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Segment:
    """A slice, or where two overlap: their places; ``rows`` (n,): which are in it.

    ``excess``: by how many standard errors its (weighted) mean loss is above that of all rows; ``needed``: what the
    largest excess of all slices is in 4% of searches by chance alone.
    """

    slices: tuple[int, ...]
    rows: NDArray[np.bool_]
    excess: float
    needed: float


def find_segments(
    losses: NDArray[np.floating],
    members: NDArray[np.bool_],
    columns: NDArray[np.integer],
    groups: NDArray[np.integer] | None = None,
    weights: NDArray[np.floating] | None = None,
    *,
    rng: np.random.Generator,
) -> list[Segment]:
    """Find slices with a higher loss than other rows, the clearest first; a later one is clear without those before it.

    ``losses`` (n,); ``members`` (k, n): the rows of k slices of single columns; ``columns`` (k,): which column each is
    of; ``groups`` (n,): rows of one group stay together; ``weights`` (n,): what each row counts for.
    """
    values = np.asarray(losses, dtype=np.float64)
    if not len(members) or not np.ptp(values):
        return []
    of_rows = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    slices = _Slices(members, columns, of_rows, int(np.count_nonzero(values)))
    left = np.ones(len(values), dtype=bool)
    clear: list[Segment] = []
    while len(clear) < MOST_SEGMENTS and left.any() and np.ptp(values[left]) > 0:
        measure = slices.measuring(values, left)
        excess, needed = measure(values), _needed(measure, values, left, groups, rng)
        place = np.unravel_index(int(excess.argmax()), excess.shape)
        if not excess[place] > needed:
            break
        chosen = tuple(dict.fromkeys(map(int, place)))
        rows = np.logical_and.reduce(members[list(chosen)])
        clear.append(Segment(chosen, rows, float(excess[place]), needed))
        left = left & ~rows
    return clear


def _needed(
    measure: Callable[[Floats], Floats],
    values: Floats,
    left: NDArray[np.bool_],
    groups: NDArray[np.integer] | None,
    rng: np.random.Generator,
) -> float:
    """Return what the largest excess is in 4% of the deals of the rows that are left.

    Anew after each segment: of fewer errors, few rows have a large excess more often.
    """
    codes = None if groups is None else np.unique(groups[left], return_inverse=True)[1]
    largest, full = [], np.zeros(len(values))
    for dealt in _dealt(values[left], codes, rng):
        full[left] = dealt
        largest.append(float(measure(full).max()))
    return float(np.sort(largest)[math.ceil((1 - LEVEL) * (DEALS + 1)) - 1])


def _dealt(losses: Floats, groups: NDArray[np.integer] | None, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield the losses of other rows for each row.

    Those of a group stay together: they are dealt to a group of about the same size, what is too much to the next.
    """
    if groups is None:
        yield from (rng.permutation(losses) for _ in range(DEALS))
        return
    sizes = np.bincount(groups)
    by_size = np.argsort(sizes, kind="stable")
    to = _in_order(by_size, groups, np.arange(len(groups)))
    for _ in range(DEALS):
        stretches = [rng.permutation(by_size[start : start + ALIKE]) for start in range(0, len(by_size), ALIKE)]
        dealt = np.empty_like(losses)
        dealt[to] = losses[_in_order(np.concatenate(stretches), groups, rng.permutation(len(groups)))]
        yield dealt


def _in_order(order: NDArray[np.integer], groups: NDArray[np.integer], within: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the rows sorted by their groups in some order, and then by ``within``."""
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return np.lexsort((within, rank[groups]))


class _Slices:
    """Slices of one column, on the diagonal of every table, and where two columns' overlap, above it."""

    def __init__(
        self, members: NDArray[np.bool_], columns: NDArray[np.integer], weights: Floats, n_losses: int
    ) -> None:
        self._weights = weights
        self._members = members.astype(np.float32)
        self._are_pairs = len(members) ** 2 * n_losses <= MOST_WORK
        one = np.eye(len(members), dtype=bool)
        apart = np.triu(columns[:, None] != columns[None, :])
        self._compared = apart | one if self._are_pairs else np.ones(len(members), dtype=bool)
        self._fewest = max(FEWEST, FEWEST_SHARE * members.shape[1])

    def measuring(self, losses: Floats, left: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
        """Return what gives the excess of each slice, in standard errors, from losses (n,) of the rows that are left.

        It is Σ w·(loss − weighted mean) over the rows of the slice, whose variance under dealing follows from the
        weights alone.  −inf for a slice of too few or too many rows.
        """
        n, counts, weights = int(left.sum()), self._sums(left.astype(np.float64)), self._weights * left
        valid = self._compared & (counts >= self._fewest) & (counts <= LARGEST_SHARE * n)
        share, squares = self._sums(weights) / weights.sum(), self._sums(weights**2)
        spread = squares * (1 - 2 * share) + share**2 * float((weights**2).sum())
        valid &= spread > 0
        error = np.sqrt(losses[left].var() * spread * n / max(n - 1, 1), where=valid, out=np.ones_like(spread))

        def measure(values: Floats) -> Floats:
            values = values * weights
            return np.where(valid, (self._sums(values) - share * values.sum()) / error, -np.inf)

        return measure

    def _sums(self, values: Floats) -> Floats:
        """Return the sum of values (n,) over the rows of each slice."""
        places = np.flatnonzero(values)
        members, of = self._members[:, places], values[places].astype(np.float32)
        sums = (members * of) @ members.T if self._are_pairs else members @ of
        return np.asarray(sums, dtype=np.float64)
