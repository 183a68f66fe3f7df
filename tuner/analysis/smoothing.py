"""The exponentially weighted average that smooths learning curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuner.errors import ArgumentError


def exponentially_weighted_average(values: ArrayLike, beta: float = 0.9) -> NDArray[np.float64]:
    """v_t = β v_{t−1} + (1−β) x_t with v_0 = 0, returned as v_t / (1 − β^t); shape (n,) as given.

    About the mean of the last 1/(1−β) values. The division is the bias correction: without it the first values are
    pulled to 0. β = 0 returns the values themselves.  (source: lectures)
    """
    if not 0 <= beta < 1:
        raise ArgumentError(f"beta must be in [0, 1), got {beta}")
    x = np.asarray(values, dtype=np.float64)
    averaged = np.empty_like(x)
    v = 0.0
    for t, value in enumerate(x):
        v = beta * v + (1 - beta) * value
        averaged[t] = v / (1 - beta ** (t + 1))
    return averaged
