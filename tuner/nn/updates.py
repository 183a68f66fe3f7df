"""One optimizer step with its penalty, over the flat θ in blocks that stay in the cache."""

from __future__ import annotations

import numpy as np

from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.calls import Call
from tuner.nn.memory import aligned
from tuner.nn.optimizers import Optimizer, Rates
from tuner.nn.penalties import Penalty, decay_calls, shrink

BLOCK = 32768
"""Entries per block: θ, gradient, slots and scratch of a block fit in a core's level-2 cache."""


class Update:
    """An optimizer and a penalty, bound to θ, gradient and slots, each (K, n_parameters).

    ``step``: the calls that add the penalty's gradient and step, overwriting the gradient.  ``penalize``: the calls
    that only add the penalty's gradient.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        architecture: Architecture,
        theta: Array,
        gradient: Array,
        slots: list[Array],
        rates: Rates,
        penalty: Penalty,
    ) -> None:
        K, size = theta.shape
        width = size if K * size <= 2 * BLOCK else max(1024, BLOCK // K)
        shape = (K, min(width, size))
        scratch = aligned(shape, theta.dtype)
        clipped = None if penalty.threshold is None else aligned(shape, theta.dtype)
        self.rates, self.penalty = rates, penalty
        self.step: list[Call] = []
        self.penalize: list[Call] = []
        for start in range(0, size, width):
            stop = min(start + width, size)
            part, within = np.s_[:, start:stop], np.s_[:, : stop - start]
            ends = [(max(b.start, start), min(b.stop, stop)) for _, b in architecture.slices()]
            biases = [np.s_[:, low - start : high - start] for low, high in ends if low < high]
            weights, g, temporary, own = theta[part], gradient[part], scratch[within], [slot[part] for slot in slots]
            in_scratch = [scratch[bias] for bias in biases]
            self.penalize += penalty.calls(weights, g, temporary, in_scratch)
            self.step += penalty.in_step.calls(weights, g, temporary, in_scratch)
            if penalty.decay is not None:
                self.step += decay_calls(weights, penalty.decay, temporary, in_scratch)
            self.step += optimizer.update(weights, own, g, temporary, rates)
            if clipped is not None and penalty.threshold is not None:
                self.step += optimizer.divide(penalty.threshold, own, temporary, rates)
                self.step += shrink(weights, temporary, clipped[within], [clipped[bias] for bias in biases])
