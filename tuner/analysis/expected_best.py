"""The expected lowest error of k trials, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLES = 500


@dataclass(frozen=True, slots=True)
class ExpectedBest:
    """The expected lowest error of 1, 2, … n trials and its 95% interval, each (n,)."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def expected_best(errors: NDArray[np.floating], *, rng: np.random.Generator) -> ExpectedBest:
    """Return the expected minimum of k draws with replacement from the errors (n,), k = 1 … n, and its interval.

    The interval is that of the bootstrap over trials. (Dodge et al. 2019, Show Your Work)
    """
    errors = np.asarray(errors, float)
    n = len(errors)
    above = (np.arange(n, -1, -1) / n)[None, :] ** np.arange(1, n + 1)[:, None]  # P(minimum is the i-th or later)
    weights = above[:, :-1] - above[:, 1:]  # (k, i)
    drawn = np.sort(errors[rng.integers(0, n, (SAMPLES, n))], axis=1)
    low, high = np.quantile(drawn @ weights.T, (0.025, 0.975), axis=0)
    return ExpectedBest(weights @ np.sort(errors), low, high)
