"""Trials compared with the best on the same dev examples: which are statistically tied, and which is simplest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.intervals import Z_POWER

LEVEL = 0.05
"""Of all tests of one best trial together; each has ``LEVEL / (N - 1)``."""


BLOCK = 4_000_000
"""Losses that are converted at once: a large study's fit into memory as bits alone."""


def in_blocks(rows: NDArray[Any], dtype: type[np.floating[Any]] = np.float32) -> Iterator[NDArray[Any]]:
    """Some (trials, n_dev) rows after the other, as floating-point numbers."""
    step = max(1, BLOCK // max(rows.shape[1], 1))
    for start in range(0, len(rows), step):
        yield rows[start : start + step].astype(dtype)


def _apart(rows: NDArray[Any], of_best: NDArray[Any]) -> NDArray[Any]:
    """The mean squared difference of each row from the best trial's."""
    return np.asarray(np.square(rows - of_best).mean(axis=-1))


@dataclass(frozen=True, slots=True)
class Resolution:
    """The differences that this dev set can show.

    ``difference``: the smallest difference of two trials' errors that a test would find with a power of 80%.
    ``examples``: dev examples with which it would find that of the best and the second-best trial; None if they have
    the same error.
    """

    difference: float
    examples: int | None


def chance_as_good(losses: NDArray[Any], best: int, groups: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
    """Return the one-sided p of each trial compared with ``best``: the probability of its errors if it were as good.

    ``losses``: (trials, n_dev) at each trial's best epoch. All 0 or 1: exact McNemar, P(Bin(b + c, ½) ≥ b)
    with b examples that only the best has right and c that only the other has right. Other losses (means over several
    networks, weighted ones), or examples in ``groups``: the paired normal test on the (groups') differences instead.
    """
    from scipy.special import betainc, ndtr

    rows = np.asarray(losses)
    if groups is None and (rows.dtype == bool or bool(np.isin(rows, (0, 1)).all())):
        of_best = rows[best].astype(np.float32)
        both, each = (
            np.concatenate(parts)
            for parts in zip(*((bits @ of_best, bits.sum(axis=1)) for bits in in_blocks(rows)), strict=True)
        )
        b, c = (each - both).astype(np.float64), (of_best.sum() - both).astype(np.float64)
        # P(Bin(n, ½) ≥ b) is the incomplete beta function I_½(b, n − b + 1), and 1 at b = 0.
        return np.where(b > 0, betainc(np.maximum(b, 1), c + 1, 0.5), 1.0)
    more = rows.astype(np.float64) - rows[best]
    if groups is not None:
        unit = np.unique(groups, return_inverse=True)[1]
        summed = np.zeros((len(more), int(unit.max()) + 1))
        np.add.at(summed.T, unit, more.T)
        more = summed
    spread = more.std(axis=1) * math.sqrt(more.shape[1])
    z = np.divide(more.sum(axis=1), spread, out=np.zeros(len(more)), where=spread > 0)
    return np.asarray(ndtr(-z), dtype=np.float64)


def tied_with_best(losses: NDArray[Any], best: int, groups: NDArray[np.integer] | None = None) -> NDArray[np.intp]:
    """Return the trials that are statistically tied with ``best``, including it: p above LEVEL/(N − 1), in their order.

    They include the truly best trial with 95% confidence; any one of them may be several pp worse.
    """
    kept = chance_as_good(losses, best, groups) > _level_of_one(len(losses))
    kept[best] = True
    return np.flatnonzero(kept)


def _level_of_one(n_trials: int) -> float:
    """Return the level at which each of the other trials is tested (Bonferroni)."""
    return LEVEL / max(n_trials - 1, 1)


def resolution(losses: NDArray[Any], best: int, members: NDArray[np.intp]) -> Resolution | None:
    """Return what the dev set resolves among the ``members`` tied with ``best``; None with one trial.

    (z + 0.84)·√(discordant share / n) with z of the test that :func:`tied_with_best` makes (3.27 with 100 trials) and
    0.84 for a power of 80%, where the share on which two trials differ is the members' median (that of the
    second-best trial if there is no other member). Weighted examples count with the square of their weight, as in the
    variance of the difference.
    """
    rows = np.asarray(losses)
    n = rows.shape[1]
    if len(rows) < 2 or n == 0:
        return None
    of_best = rows[best].astype(np.float32)
    errors = np.concatenate([block.mean(axis=1) for block in in_blocks(rows)])
    errors[best] = np.inf
    runner_up = int(errors.argmin())
    others = members[members != best]
    compared = rows[others if len(others) else [runner_up]]
    discordant = float(np.median(np.concatenate([_apart(block, of_best) for block in in_blocks(compared)])))
    of_next = rows[runner_up].astype(np.float32)
    behind = float(of_next.mean() - of_best.mean())
    apart = float(_apart(of_next, of_best))
    detectable = NormalDist().inv_cdf(1 - _level_of_one(len(rows))) + Z_POWER
    examples = None if behind <= 0 else max(n, math.ceil(detectable**2 * apart / behind**2))
    return Resolution(detectable * math.sqrt(discordant / n), examples)


def within_one_standard_error(losses: NDArray[Any], best: int) -> NDArray[np.intp]:
    """Return the trials whose error is at most one paired standard error above that of ``best``, itself included."""
    rows = np.asarray(losses)
    if rows.shape[1] == 0:
        return np.array([best])
    differences = (block - rows[best] for block in in_blocks(rows, np.float64))
    within = np.concatenate([more.mean(axis=1) <= more.std(axis=1) / math.sqrt(rows.shape[1]) for more in differences])
    within[best] = True
    return np.flatnonzero(within)


def simplest_tied(
    losses: NDArray[Any], best: int, n_parameters: NDArray[np.integer], regularization: NDArray[np.floating]
) -> int:
    """Return the index of the simplest and most regularized trial within one paired standard error of ``best``.

    Fewest parameters first; of these the one above most others in ``regularization`` (trials, hyperparameters), where
    more means more regularized (λ, −keep_prob, …); then the lowest error, then the first.
    """
    near = within_one_standard_error(losses, best)
    if len(near) == 1:
        return best
    behind = np.asarray(losses).mean(axis=1, dtype=np.float64)
    near = near[n_parameters[near] == n_parameters[near].min()]
    strength = np.zeros(len(near))
    if regularization.shape[1]:
        weaker = [np.searchsorted(np.sort(column), column) for column in regularization[near].T]
        strength = np.mean(weaker, axis=0)
    return int(near[np.lexsort((near, behind[near], -strength))[0]])
