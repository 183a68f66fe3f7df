"""Forward and backward passes of K networks of one architecture, side by side along a leading axis.

Everything is bound to its buffers when a pass is made: a step is a fixed list of calls that allocate nothing.  Examples
are rows, but the output layer holds them as columns (see ``losses``).  Inputs and activations have a last column of
ones, so that a layer is one matrix whose last row is its bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tuner.nn.activations import ACTIVATIONS
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.losses import OUTPUTS
from tuner.nn.memory import aligned, row_length
from tuner.nn.products import Backward, Forward, WeightGradient


class ForwardPass:
    """Logits of K networks for a fixed number of rows; θ is (K, n_parameters)."""

    def __init__(self, architecture: Architecture, theta: Array, rows: int) -> None:
        K = len(theta)
        *hidden, output = architecture.matrices(theta)
        widths = architecture.hidden
        self._full = [aligned((K, rows, row_length(width)), theta.dtype) for width in widths]
        self._ones = [full[..., width] for full, width in zip(self._full, widths, strict=True)]
        self.activations = [full[..., :width] for full, width in zip(self._full, widths, strict=True)]
        extended = [full[..., : width + 1] for full, width in zip(self._full, widths, strict=True)]
        self.logits = aligned((K, architecture.n_outputs, rows), theta.dtype)
        self._products = [Forward(matrix, z) for matrix, z in zip(hidden, self.activations, strict=True)]
        self._inputs = [product.view(a) for product, a in zip(self._products[1:], extended, strict=False)]
        self._last = extended[-1].swapaxes(1, 2) if hidden else None
        self._extended = extended
        self._output = output.swapaxes(1, 2)
        self._value = ACTIVATIONS[architecture.activation].value

    def see(self, inputs: Array) -> Array:
        """Inputs (1, rows, n_features + 1), the same for all networks, as ``evaluate`` takes them."""
        if not self._products:
            return inputs.swapaxes(1, 2)
        return self._products[0].view(np.broadcast_to(inputs, (len(self._full[0]), *inputs.shape[1:])))

    def evaluate(self, seen: Array) -> Array:
        """The logits (K, n_outputs, rows) of inputs, which the next call writes over."""
        for number, (product, full) in enumerate(zip(self._products, self._full, strict=True)):
            product(self._inputs[number - 1] if number else seen)
            self._value(full)
            self._ones[number].fill(1)
        np.matmul(self._output, seen if self._last is None else self._last, self.logits)
        return self.logits


class Batch(NamedTuple):
    """A mini-batch as a pass has to see it.

    ``forward``, ``gradient`` and ``columns`` are its inputs for the first layer's two products and, without hidden
    layers, for the output.  ``targets`` and ``weight`` are those of ``losses.Output.delta``.  A mask (K, rows,
    row_length(width)) holds 0 or 1/keep_prob for each hidden unit, and is None where nothing is dropped.
    """

    forward: Array
    gradient: Array
    columns: Array
    targets: Array
    weight: Array
    masks: Sequence[Array | None]


class TrainingPass(ForwardPass):
    """Gradients of K networks for mini-batches of a fixed number of rows; they are written to ``gradient``."""

    def __init__(self, architecture: Architecture, theta: Array, gradient: Array, rows: int) -> None:
        super().__init__(architecture, theta, rows)
        *hidden, output = architecture.matrices(theta)
        *gradients, self._output_gradient = architecture.matrices(gradient)
        self._delta = OUTPUTS[architecture.output].delta
        self._row = aligned((len(theta), 1, rows), theta.dtype)
        # Deltas have rows as long as the activations', with 0 at their ends: over whole buffers NumPy needs no loop.
        self._deltas = [aligned(full.shape, full.dtype) for full in self._full]
        deltas = [full[..., :width] for full, width in zip(self._deltas, architecture.hidden, strict=True)]
        slopes = [aligned(full.shape, full.dtype) for full in self._full]
        bind = ACTIVATIONS[architecture.activation].bind
        bound = [bind(*buffers) for buffers in zip(self._full, slopes, self._deltas, strict=True)]
        self._activate, self._through = [forward for forward, _ in bound], [backward for _, backward in bound]
        self._weights = [WeightGradient(delta, g) for delta, g in zip(deltas, gradients, strict=True)]
        self._gradient_inputs = [product.view(a) for product, a in zip(self._weights[1:], self._extended, strict=False)]
        self._errors = self.logits.swapaxes(1, 2)
        above = [*deltas[1:], self._errors]
        matrices = [*hidden[1:], output]
        self._back = [Backward(d, W[:, :-1], e) for d, W, e in zip(above, matrices, deltas, strict=False)]

    def batch(self, inputs: Array, targets: Array, weight: Array, masks: Sequence[Array | None]) -> Batch:
        """Views of a mini-batch (K, rows, n_features + 1), made once for the place in a buffer where it lies."""
        columns = inputs.swapaxes(1, 2)
        if not self._products:
            return Batch(inputs, inputs, columns, targets, weight, masks)
        return Batch(self._products[0].view(inputs), self._weights[0].view(inputs), columns, targets, weight, masks)

    def run(self, batch: Batch) -> None:
        """Write the gradient of Σ weight · loss."""
        self.forward(batch)
        self.backward(batch)

    def forward(self, batch: Batch) -> None:
        """Fill the activations, masked, and the logits."""
        for number, product in enumerate(self._products):
            product(self._inputs[number - 1] if number else batch.forward)
            self._activate[number]()
            mask = batch.masks[number]
            if mask is not None:
                np.multiply(self._full[number], mask, self._full[number])
            self._ones[number].fill(1)
        np.matmul(self._output, batch.columns if self._last is None else self._last, self.logits)

    def backward(self, batch: Batch) -> None:
        """Write the gradient, after ``forward``; the logits are written over."""
        self._delta(self.logits, batch.targets, batch.weight, self._row)
        np.matmul(batch.columns if self._last is None else self._last, self._errors, self._output_gradient)
        for number in reversed(range(len(self._products))):
            self._back[number]()
            mask = batch.masks[number]
            if mask is not None:
                np.multiply(self._deltas[number], mask, self._deltas[number])
            self._through[number]()
            self._weights[number](self._gradient_inputs[number - 1] if number else batch.gradient)
