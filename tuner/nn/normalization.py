"""Batch normalization: of each hidden layer's z over a mini-batch, before its activation.  (Ioffe & Szegedy 2015)

ẑ = (z − mean) / √(variance + ε), and the activation gets γ ẑ + b.  A network in training has the scales γ behind its θ;
it is evaluated, kept and exported as a plain network, with running means and variances folded into W and b.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.calls import Call
from tuner.nn.memory import aligned

NORMALIZATIONS = ("none", "batch")
EPSILON = 1e-5
MEMORY = 0.9
"""Decay rate of the running means and variances per full mini-batch; smaller ones weigh less."""


def scale_slices(architecture: Architecture, start: int | None = None) -> list[slice]:
    """Return the place of each hidden layer's γ in the θ of a network in training, behind W and b of all layers.

    Or the place in an array of all hidden units that starts at ``start``.
    """
    ends = (architecture.n_parameters if start is None else start) + np.cumsum([0, *architecture.hidden])
    return [slice(int(start), int(stop)) for start, stop in pairwise(ends)]


class Statistics(NamedTuple):
    """Running sums of the means and variances of mini-batches, and of their weights, (K, units) each."""

    means: Array
    variances: Array
    weights: Array

    @classmethod
    def of(cls, slot: Array, architecture: Architecture) -> Statistics:
        """Return the views of a slot as long as θ in training, three entries for each hidden unit at the least."""
        units = sum(architecture.hidden)
        return cls(*(slot[:, start : start + units] for start in (0, units, 2 * units)))


class Normalized(NamedTuple):
    """What one hidden layer or, in a pass, all of them are normalized with, (K, units) each.

    ``scales`` and ``gradient``: γ and its gradient.  ``share``: of a full mini-batch, how much the pass has.
    """

    scales: Array
    gradient: Array
    running: Statistics
    share: float

    def of_layers(self, architecture: Architecture) -> Iterator[Normalized]:
        """Yield those of each hidden layer."""
        for part in scale_slices(architecture, start=0):
            running = Statistics(*(one[:, part] for one in self.running))
            yield Normalized(self.scales[:, part], self.gradient[:, part], running, self.share)


class LayerNormalization:
    """One hidden layer of K networks, on mini-batches of a fixed number of rows.

    z and delta are (K, rows, width); ``shift``, b, and its gradient (K, width).
    """

    def __init__(self, z: Array, delta: Array, shift: Array, shift_gradient: Array, of: Normalized) -> None:
        (K, rows, width), dtype = z.shape, z.dtype
        self._z, self._delta, self._shift, self._shift_gradient = z, delta, shift[:, None], shift_gradient[:, None]
        self._scale, self._scale_gradient = of.scales[:, None], of.gradient[:, None]
        self._running = Statistics(*(one[:, None] for one in of.running))
        self._normal, self._scratch = aligned((K, rows, width), dtype), aligned((K, rows, width), dtype)
        self._row, self._inverse, self._factor = (aligned((K, 1, width), dtype) for _ in range(3))
        self._sum, self._mean = (np.full((1, rows), value, dtype=dtype) for value in (1, 1 / rows))
        self._share_of_row = np.array(1 / rows, dtype=dtype)
        rest = (1 - MEMORY) * of.share if rows > 1 else 0.0
        numbers = (1 - rest, rest, rest * rows / max(rows - 1, 1), EPSILON)
        self._kept, self._rest, self._unbiased, self._epsilon = (np.array(number, dtype=dtype) for number in numbers)

    @property
    def forward(self) -> list[Call]:
        """The calls that turn z = xW + b into γ ẑ + b, and add the mini-batch to the running statistics."""
        z, row, inverse = self._z, self._row, self._inverse
        return [
            partial(np.matmul, self._mean, z, row),
            partial(np.subtract, z, row, z),
            partial(np.subtract, row, self._shift, row),  # the mean of xW
            *self._remember(self._running.means, row, self._rest),
            partial(np.multiply, self._running.weights, self._kept, self._running.weights),
            partial(np.add, self._running.weights, self._rest, self._running.weights),
            partial(np.multiply, z, z, self._scratch),
            partial(np.matmul, self._mean, self._scratch, row),
            partial(np.add, row, self._epsilon, inverse),
            partial(np.sqrt, inverse, inverse),
            partial(np.reciprocal, inverse, inverse),
            *self._remember(self._running.variances, row, self._unbiased),
            partial(np.multiply, z, inverse, self._normal),
            partial(np.multiply, self._normal, self._scale, z),
            partial(np.add, z, self._shift, z),
        ]

    def _remember(self, running: Array, row: Array, rest: Array) -> list[Call]:
        """Return the calls that add a row (K, 1, width) to a running sum; they overwrite the row."""
        return [
            partial(np.multiply, running, self._kept, running),
            partial(np.multiply, row, rest, row),
            partial(np.add, running, row, running),
        ]

    @property
    def backward(self) -> list[Call]:
        """The calls that turn the gradient of γ ẑ + b into that of z, and write those of γ and, to a row, of b."""
        delta, normal, scratch, factor = self._delta, self._normal, self._scratch, self._factor
        return [
            partial(np.matmul, self._sum, delta, self._row),
            partial(np.multiply, delta, normal, scratch),
            partial(np.matmul, self._sum, scratch, self._scale_gradient),
            partial(np.multiply, self._scale_gradient, self._share_of_row, factor),
            partial(np.multiply, normal, factor, scratch),
            partial(np.subtract, delta, scratch, delta),
            partial(np.multiply, self._row, self._share_of_row, factor),
            partial(np.subtract, delta, factor, delta),
            partial(np.multiply, self._scale, self._inverse, factor),
            partial(np.multiply, delta, factor, delta),
        ]

    @property
    def finish(self) -> list[Call]:
        """The call that writes the gradient of b, after that of W, whose product has overwritten it."""
        return [partial(np.copyto, self._shift_gradient, self._row)]


def fold(architecture: Architecture, theta: Array, statistics: Statistics, out: Array) -> None:
    """Write the plain θ (K, n_parameters) that does the same as θ with γ behind it and these statistics."""
    means, variances, weights = statistics
    out[...] = theta[:, : architecture.n_parameters]
    factors = theta[:, architecture.n_parameters :] / np.sqrt(variances / weights + theta.dtype.type(EPSILON))
    means = means / weights * factors
    for (W, b), units in zip(architecture.views(out), scale_slices(architecture, start=0), strict=False):
        W *= factors[:, None, units]
        b -= means[:, units]
