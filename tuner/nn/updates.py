"""One optimizer step with its penalty, over the flat θ in blocks that stay in the cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tuner.nn.architecture import Architecture
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
    biases: list[Array]


class Update:
    """An optimizer bound to θ, gradient and slots, each (K, n_parameters)."""

    def __init__(
        self,
        optimizer: Optimizer,
        architecture: Architecture,
        theta: Array,
        gradient: Array,
        slots: list[Array],
    ) -> None:
        K, size = theta.shape
        self._update = optimizer.update
        width = size if K * size <= 2 * BLOCK else max(1024, BLOCK // K)
        scratch = aligned((K, min(width, size)), theta.dtype)
        self._blocks = []
        for start in range(0, size, width):
            stop = min(start + width, size)
            within = scratch[:, : stop - start]
            ends = [(max(b.start, start), min(b.stop, stop)) for _, b in architecture.slices()]
            biases = [within[:, low - start : high - start] for low, high in ends if low < high]
            part = np.s_[:, start:stop]
            self._blocks.append(_Block(theta[part], [slot[part] for slot in slots], gradient[part], within, biases))

    def __call__(self, rates: Rates, penalty: Penalty) -> None:
        """Add the penalty's gradient and step; the gradient is written over."""
        for theta, slots, gradient, scratch, biases in self._blocks:
            penalty.add(theta, gradient, scratch, biases)
            self._update(theta, slots, gradient, scratch, rates)

    def penalise(self, penalty: Penalty) -> None:
        """Add the penalty's gradient alone."""
        for theta, _, gradient, scratch, biases in self._blocks:
            penalty.add(theta, gradient, scratch, biases)
