"""One optimizer step with its penalty, over the flat θ in blocks that stay in the cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array
from tuner.nn.memory import aligned
from tuner.nn.optimizers import Optimizer, Rates
from tuner.nn.penalties import Penalty

BLOCK = 32768
"""Entries that are updated at a time: θ, gradient, slots and scratch of a block fit a core's level-2 cache."""


class _Block(NamedTuple):
    theta: Array
    slots: list[Array]
    gradient: Array
    scratch: Array
    weights: tuple[Array, Array, Array]


class Update:
    """An optimizer bound to θ, gradient and slots, each (K, n_parameters), of which the first n_weights are weights."""

    def __init__(self, optimizer: Optimizer, theta: Array, gradient: Array, slots: list[Array], n_weights: int) -> None:
        K, size = theta.shape
        self._update = optimizer.update
        width = size if K * size <= 2 * BLOCK else max(1024, BLOCK // K)
        scratch = aligned((K, min(width, size)), theta.dtype)
        self._blocks = []
        for start in range(0, size, width):
            part = np.s_[:, start : min(start + width, size)]
            columns = scratch[:, : theta[part].shape[1]]
            w = np.s_[:, : max(0, min(n_weights - start, columns.shape[1]))]
            weights = (theta[part][w], gradient[part][w], columns[w])
            self._blocks.append(_Block(theta[part], [slot[part] for slot in slots], gradient[part], columns, weights))

    def __call__(self, rates: Rates, penalty: Penalty) -> None:
        """Add the penalty's gradient and step; the gradient is written over."""
        for block in self._blocks:
            penalty.add(*block.weights)
            self._update(block.theta, block.slots, block.gradient, block.scratch, rates)

    def penalise(self, penalty: Penalty) -> None:
        """Add the penalty's gradient alone."""
        for block in self._blocks:
            penalty.add(*block.weights)
