"""The expected lowest error of k trials, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLES = 500
MANY = 1000  # trials beyond which only some k are computed
AT_ONCE = 50  # samples whose errors are in memory
PARTS = 8  # of the k, whose minima are sought at a time
REACH = 40  # the minimum of k is beyond the first n · REACH / k with a chance of e^-REACH


@dataclass(frozen=True, slots=True)
class ExpectedBest:
    """The expected lowest error of k trials and its 95% interval, for some k from 1 to n, each (len(k),)."""

    k: NDArray[np.integer]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def expected_best(errors: NDArray[np.floating], *, rng: np.random.Generator) -> ExpectedBest:
    """Return the expected minimum of k draws with replacement from the errors (n,), and its interval.

    k = 1 … n; with many errors fewer, evenly spread over the logarithm, the half of them included. The interval is that
    of the bootstrap over trials. (Dodge et al. 2019, Show Your Work)
    """
    errors = np.asarray(errors, float)
    n = len(errors)
    k = np.arange(1, n + 1)
    if n > MANY:
        k = np.unique(np.append(np.geomspace(1, n, MANY // 10).round().astype(int), n // 2))
    above = (np.arange(n, -1, -1) / n)[None, :] ** k[:, None]  # P(minimum is the i-th or later)
    weights = above[:, :-1] - above[:, 1:]  # (k, i)
    rank, ascending = errors.argsort().argsort(), np.sort(errors)
    parts = [
        (weights[some], min(n, -(-n * REACH // int(k[some[0]]))))
        for some in np.array_split(np.arange(len(k)), PARTS)
        if len(some)
    ]
    lowest = []
    for _ in range(0, SAMPLES, AT_ONCE):
        drawn = [np.bincount(rank[rng.integers(0, n, n)], minlength=n) for _ in range(AT_ONCE)]
        sample = np.stack([np.repeat(ascending, times) for times in drawn])  # in ascending order
        lowest.append(np.hstack([sample[:, :ends] @ some[:, :ends].T for some, ends in parts]))
    low, high = np.quantile(np.concatenate(lowest), (0.025, 0.975), axis=0)
    return ExpectedBest(k, weights @ ascending, low, high)
