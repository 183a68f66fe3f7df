"""One optimizer step with its penalty, over the flat θ in blocks that stay in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.calls import Call
from tuner.nn.memory import aligned
from tuner.nn.optimizers import Optimizer, Rates
from tuner.nn.penalties import Penalty, decay_calls, shrink

BLOCK = 32768
"""Entries per block: θ, gradient, slots and scratch of a block fit in a core's level-2 cache."""


class Averaging(NamedTuple):
    """average := (1 − rate) · average + rate · θ, with rates that are set before each step, () or (K, 1).

    With β and a rate of (1 − β) / (1 − βᵗ) in step t, from 1, it is the bias-corrected average of all θ so far.
    """

    average: Array
    rate: Array
    rest: Array

    def set(self, rate: Array | float) -> None:
        """Set the rate of a step."""
        self.rate[...] = rate
        np.subtract(1, self.rate, self.rest)

    def calls(self, theta: Array, average: Array, scratch: Array) -> list[Call]:
        """Return the calls for a part of θ and of the average."""
        return [
            partial(np.multiply, average, self.rest, average),
            partial(np.multiply, theta, self.rate, scratch),
            partial(np.add, average, scratch, average),
        ]


class Clipping:
    """g := g · min(1, limit / ‖g‖) for each network, g (K, n): the direction stays.  ``limits``: (K,)"""

    def __init__(self, gradient: Array) -> None:
        K = len(gradient)
        self._limit, self._norm = (np.ones((K, 1, 1), dtype=gradient.dtype) for _ in range(2))
        limit, norm, row = self._limit, self._norm, gradient[:, None]
        self.calls: list[Call] = [
            partial(np.matmul, row, gradient[:, :, None], norm),
            partial(np.sqrt, norm, norm),
            partial(np.maximum, norm, limit, out=norm),
            partial(np.divide, limit, norm, norm),
            partial(np.multiply, row, norm, row),
        ]

    def set(self, limits: Sequence[float]) -> None:
        """Set the largest norm of each network's gradient, 0 for any."""
        most = np.finfo(self._limit.dtype).max
        self._limit[:, 0, 0] = [limit or most for limit in limits]


def scaled_calls(theta: Array, step: Array, update: list[Call], factors: Array) -> list[Call]:
    """Return the calls of an ``update`` of ``step``, from 0, that is then multiplied by ``factors`` and added to θ."""
    return [
        partial(step.fill, 0),
        *update,
        partial(np.multiply, step, factors, step),
        partial(np.add, theta, step, theta),
    ]


class Update:
    """An optimizer and a penalty, bound to θ, gradient and slots, each (K, n_trained).

    ``step``: the calls that clip the gradient, add the penalty's, step, and average, overwriting the gradient.
    ``penalize``: the calls that only add the penalty's gradient.  ``factors``: of the step of each entry of θ,
    (1, n_trained).
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
        clipping: Clipping | None = None,
        averaging: Averaging | None = None,
        factors: Array | None = None,
    ) -> None:
        K, size = theta.shape
        width = size if K * size <= 2 * BLOCK else max(1024, BLOCK // K)
        shape = (K, min(width, size))
        scratch = aligned(shape, theta.dtype)
        clipped = None if penalty.threshold is None else aligned(shape, theta.dtype)
        steps = None if factors is None else aligned(shape, theta.dtype)
        self.rates, self.penalty, self.clipping, self.averaging = rates, penalty, clipping, averaging
        self.step: list[Call] = [] if clipping is None else [*clipping.calls]
        self.penalize: list[Call] = []
        for start in range(0, size, width):
            stop = min(start + width, size)
            part, within = np.s_[:, start:stop], np.s_[:, : stop - start]
            unpenalized = [*architecture.unpenalized, slice(architecture.n_parameters, size)]
            ends = [(max(place.start, start), min(place.stop, stop)) for place in unpenalized]
            spared = [np.s_[:, low - start : high - start] for low, high in ends if low < high]
            weights, g, temporary, own = theta[part], gradient[part], scratch[within], [slot[part] for slot in slots]
            in_scratch = [scratch[place] for place in spared]
            scaled = [] if factors is None else [partial(np.multiply, temporary, factors[:, start:stop], temporary)]
            self.penalize += penalty.calls(weights, g, temporary, in_scratch)
            self.step += penalty.in_step.calls(weights, g, temporary, in_scratch)
            if penalty.decay is not None:
                self.step += decay_calls(weights, penalty.decay, temporary, in_scratch, scaled)
            if steps is None or factors is None:
                self.step += optimizer.update(weights, own, g, temporary, rates)
            else:
                update = optimizer.update(steps[within], own, g, temporary, rates)
                self.step += scaled_calls(weights, steps[within], update, factors[:, start:stop])
            if clipped is not None and penalty.threshold is not None:
                self.step += optimizer.divide(penalty.threshold, own, temporary, rates)
                self.step += scaled
                self.step += shrink(weights, temporary, clipped[within], [clipped[place] for place in spared])
            if averaging is not None:
                self.step += averaging.calls(weights, averaging.average[part], temporary)
