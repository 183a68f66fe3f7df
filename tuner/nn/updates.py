"""One optimizer step with its penalty, over the flat θ in blocks that stay in the cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array
from tuner.nn.memory import aligned
from tuner.nn.optimizers import Optimizer, Rates

BLOCK = 32768
"""Entries that are updated at a time: θ, gradient, slots and scratch of a block fit a core's level-2 cache."""


class Penalty(NamedTuple):
    """What is added to the gradient of every weight w: l2 · w + l1 · sign w; None where there is none."""

    l2: Array | None
    l1: Array | None


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
            _penalise(*block.weights, penalty)
            self._update(block.theta, block.slots, block.gradient, block.scratch, rates)

    def penalise(self, penalty: Penalty) -> None:
        """Add the penalty's gradient alone."""
        for block in self._blocks:
            _penalise(*block.weights, penalty)


def _penalise(theta: Array, gradient: Array, scratch: Array, penalty: Penalty) -> None:
    """Add l2 · θ + l1 · sign θ to the gradient."""
    if penalty.l2 is not None:
        np.multiply(theta, penalty.l2, scratch)
        np.add(gradient, scratch, gradient)
    if penalty.l1 is not None:
        np.sign(theta, scratch)
        np.multiply(scratch, penalty.l1, scratch)
        np.add(gradient, scratch, gradient)
