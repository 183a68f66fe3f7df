"""Forward and backward passes of K networks of one architecture, side by side along a leading axis.

Everything is bound to its buffers when a pass is made: a step is a fixed list of calls that allocate nothing.  Examples
are rows, but the output layer holds them as columns (see ``losses``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tuner.nn.activations import ACTIVATIONS
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.losses import OUTPUTS
from tuner.nn.memory import UFUNC_BUFFER, aligned
from tuner.nn.products import Backward, Forward, WeightGradient


class Bias:
    """z += b for z (K, rows, n) and b (K, n).

    Rows of 64 are too short a loop for NumPy, so that several are taken at once: b is repeated to a tile of at least
    UFUNC_BUFFER entries, and z is seen as rows of that length.
    """

    def __init__(self, b: Array, z: Array) -> None:
        K, rows, n = z.shape
        repeats = 1
        while repeats * n < UFUNC_BUFFER and rows % (2 * repeats) == 0 and rows >= 16 * repeats:
            repeats *= 2
        self._b = b[:, None, :]
        self._tile = aligned((K, repeats, n), z.dtype) if repeats > 1 else None
        self._row = self._b if self._tile is None else self._tile.reshape(K, 1, repeats * n)
        self._z = z.reshape(K, rows // repeats, repeats * n)

    def __call__(self) -> None:
        """Add."""
        if self._tile is not None:
            np.copyto(self._tile, self._b)
        np.add(self._z, self._row, self._z)


class ForwardPass:
    """Logits of K networks for a fixed number of rows; θ is (K, n_parameters)."""

    def __init__(self, architecture: Architecture, theta: Array, rows: int) -> None:
        K = len(theta)
        *hidden, (W, b) = architecture.views(theta)
        self.activations = [aligned((K, rows, W.shape[2]), theta.dtype) for W, _ in hidden]
        self.logits = aligned((K, architecture.n_outputs, rows), theta.dtype)
        self._products = [Forward(W, z) for (W, _), z in zip(hidden, self.activations, strict=True)]
        self._biases = [Bias(b, z) for (_, b), z in zip(hidden, self.activations, strict=True)]
        following = zip(self._products[1:], self.activations, strict=False)
        self._inputs = [product.view(a) for product, a in following]
        self._W_output, self._b_output = W.swapaxes(1, 2), b[:, :, None]
        self._value = ACTIVATIONS[architecture.activation].value

    def evaluate(self, X: Array) -> Array:
        """The logits (K, n_outputs, rows) of X, (K, rows, n_features) or (1, rows, n_features) for all."""
        x = X
        for number, (product, add_bias, z) in enumerate(
            zip(self._products, self._biases, self.activations, strict=True)
        ):
            product(self._inputs[number - 1] if number else product.view(np.broadcast_to(X, (len(z), *X.shape[1:]))))
            add_bias()
            self._value(z)
            x = z
        self._output(x.swapaxes(1, 2))
        return self.logits

    def _output(self, x_columns: Array) -> None:
        np.matmul(self._W_output, x_columns, self.logits)
        np.add(self.logits, self._b_output, self.logits)


class Batch(NamedTuple):
    """A mini-batch as a pass has to see it.

    ``targets`` and ``weight`` are those of ``losses.Output.delta``; a mask holds 0 or 1/keep_prob for each hidden unit,
    or is None where nothing is dropped.
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
        K = len(theta)
        *hidden, (W, _) = architecture.views(theta)
        *gradients, (self._gW_output, self._gb_output) = architecture.views(gradient)
        self._delta = OUTPUTS[architecture.output].delta
        self._row = aligned((K, 1, rows), theta.dtype)
        self._deltas = [aligned(a.shape, a.dtype) for a in self.activations]
        bind = ACTIVATIONS[architecture.activation].bind
        slopes = [aligned(a.shape, a.dtype) for a in self.activations]
        self._bound = [bind(z, s, d) for z, s, d in zip(self.activations, slopes, self._deltas, strict=True)]
        self._weight_products = [WeightGradient(d, gW) for d, (gW, _) in zip(self._deltas, gradients, strict=True)]
        self._gb = [gb[:, None, :] for _, gb in gradients]
        self._ones = np.ones((1, rows), dtype=theta.dtype)
        self._back = [
            Backward(self._deltas[number], hidden[number][0], self._deltas[number - 1])
            for number in range(1, len(hidden))
        ]
        following = zip(self._weight_products[1:], self.activations, strict=False)
        self._gradient_inputs = [product.view(a) for product, a in following]
        if hidden:
            self._columns = self.activations[-1].swapaxes(1, 2)
            self._back_output = Backward(self.logits.swapaxes(1, 2), W, self._deltas[-1])

    def batch(self, X: Array, targets: Array, weight: Array, masks: Sequence[Array | None]) -> Batch:
        """Views of a mini-batch X (K, rows, n_features), made once for the place in a buffer where it lies."""
        if not self.activations:
            return Batch(X, X, X.swapaxes(1, 2), targets, weight, masks)
        columns = X.swapaxes(1, 2)
        return Batch(self._products[0].view(X), self._weight_products[0].view(X), columns, targets, weight, masks)

    def run(self, batch: Batch) -> None:
        """Write the gradient of Σ weight · loss."""
        self.forward(batch)
        self.backward(batch)

    def forward(self, batch: Batch) -> None:
        """Fill the activations, masked, and the logits."""
        for number, product in enumerate(self._products):
            product(self._inputs[number - 1] if number else batch.forward)
            self._biases[number]()
            self._bound[number][0]()
            mask = batch.masks[number]
            if mask is not None:
                np.multiply(self.activations[number], mask, self.activations[number])
        self._output(self._columns if self._products else batch.columns)

    def backward(self, batch: Batch) -> None:
        """Write the gradient, after ``forward``; the logits are written over."""
        d = self.logits
        self._delta(d, batch.targets, batch.weight, self._row)
        rows = d.swapaxes(1, 2)
        np.matmul(self._columns if self._products else batch.columns, rows, self._gW_output)
        np.add.reduce(d, axis=2, out=self._gb_output)
        if self._products:
            self._back_output()
        for number in reversed(range(len(self._products))):
            delta, mask = self._deltas[number], batch.masks[number]
            if mask is not None:
                np.multiply(delta, mask, delta)
            self._bound[number][1]()
            if number:
                self._back[number - 1]()
            self._weight_products[number](self._gradient_inputs[number - 1] if number else batch.gradient)
            np.matmul(self._ones, delta, self._gb[number])
