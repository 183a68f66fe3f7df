"""Forward and backward passes of K networks of one architecture, side by side along a leading axis."""

from __future__ import annotations

import numpy as np

from tuner.nn.activations import ACTIVATIONS
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array, Ints
from tuner.nn.losses import OUTPUTS


def logits_of(architecture: Architecture, theta: Array, X: Array) -> Array:
    """Logits (K, n, n_outputs) of θ (K, n_parameters) for X (n, n_features) or (K, n, n_features); keep_prob 1."""
    layers = architecture.views(theta)
    apply = ACTIVATIONS[architecture.activation].apply
    a = X
    for W, b in layers[:-1]:
        a = np.matmul(a, W)
        a += b[:, None, :]
        apply(a)
    W, b = layers[-1]
    return np.asarray(np.matmul(a, W) + b[:, None, :])


class Propagation:
    """One mini-batch forward and backward in buffers allocated once.

    θ and the gradient are (K, n_parameters); X is (K, rows, n_features), y and weights (K, rows); masks are one
    (K, rows, n_l) array a hidden layer, already divided by keep_prob, or None.
    """

    def __init__(self, architecture: Architecture, theta: Array, gradient: Array, rows: int) -> None:
        shape = (len(theta), rows)
        self.layers = architecture.views(theta)
        self.gradients = architecture.views(gradient)
        self.activation = ACTIVATIONS[architecture.activation]
        self.output = OUTPUTS[architecture.output]
        widths = architecture.widths[1:]
        self.outputs = [np.empty((*shape, width), theta.dtype) for width in widths]
        self.deltas = [np.empty((*shape, width), theta.dtype) for width in widths[:-1]]
        self.scratch = [np.empty((*shape, width), theta.dtype) for width in widths[:-1]]

    def forward(self, X: Array, masks: list[Array | None]) -> Array:
        """Logits, after which ``outputs`` holds every layer's activations (masked)."""
        a = X
        last = len(self.layers) - 1
        for number, ((W, b), out) in enumerate(zip(self.layers, self.outputs, strict=True)):
            np.matmul(a, W, out=out)
            out += b[:, None, :]
            if number < last:
                self.activation.apply(out)
                mask = masks[number]
                if mask is not None:
                    out *= mask
            a = out
        return a

    def backward(self, X: Array, y: Ints, weights: Array | None, masks: list[Array | None]) -> None:
        """Write the gradient of the mean loss; the logits become their own gradient."""
        d = self.outputs[-1]
        self.output.delta(d, y)
        if weights is not None:
            d *= weights[..., None]
        d *= 1.0 / d.shape[1]
        for number in reversed(range(len(self.layers))):
            a = self.outputs[number - 1] if number else X
            gW, gb = self.gradients[number]
            np.matmul(a.swapaxes(1, 2), d, out=gW)
            np.add.reduce(d, axis=1, out=gb)
            if number:
                d = self._through(number - 1, d, masks[number - 1])

    def _through(self, number: int, d: Array, mask: Array | None) -> Array:
        """∂J/∂z of a hidden layer from ∂J/∂z of the one after it."""
        delta = self.deltas[number]
        np.matmul(d, self.layers[number + 1][0].swapaxes(1, 2), out=delta)
        a = self.outputs[number]
        if mask is not None:
            delta *= mask
            np.divide(a, mask, out=a, where=mask > 0)
        self.activation.backward(delta, a, self.scratch[number])
        return delta
