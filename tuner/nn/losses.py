"""Output layers: from logits to probabilities, classes, losses and the gradient of the loss.

Logits are (..., n, n_outputs) and classes (..., n).  Losses are cross-entropy computed from the logits, so that a
probability which rounds to 0 or 1 still has a finite loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array, Ints


class Output(NamedTuple):
    """``losses(logits, y)`` (..., n); ``delta(logits, y)`` turns logits into ∂loss/∂logits in place;
    ``probabilities(logits)`` (..., n, n_classes); ``classes(logits)`` (..., n).
    """

    losses: Callable[[Array, Ints], Array]
    delta: Callable[[Array, Ints], None]
    probabilities: Callable[[Array], Array]
    classes: Callable[[Array], Ints]


def _softmax(logits: Array) -> None:
    """e^z / Σ e^z in place; the largest logit is subtracted first, so nothing overflows."""
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)


def _softmax_losses(logits: Array, y: Ints) -> Array:
    """Log Σ e^z − z_y"""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    chosen = np.take_along_axis(shifted, y[..., None], axis=-1)[..., 0]
    return np.asarray(np.log(np.exp(shifted).sum(axis=-1)) - chosen)


def _softmax_delta(logits: Array, y: Ints) -> None:
    """softmax(z) − onehot(y)"""
    _softmax(logits)
    index = y[..., None]
    np.put_along_axis(logits, index, np.take_along_axis(logits, index, axis=-1) - 1, axis=-1)


def _softmax_probabilities(logits: Array) -> Array:
    """softmax(z)"""
    found = logits.copy()
    _softmax(found)
    return found


def _softmax_classes(logits: Array) -> Ints:
    """The class of the largest logit, the first of equals."""
    return np.asarray(logits.argmax(axis=-1))


def _sigmoid(z: Array) -> Array:
    """(1 + tanh(z/2)) / 2, which overflows for no z."""
    return np.asarray((np.tanh(z * 0.5) + 1) * 0.5)


def _sigmoid_losses(logits: Array, y: Ints) -> Array:
    """log(1 + e^−z) + (1 − y) z, as max(z, 0) − y z + log(1 + e^−|z|)"""
    z = logits[..., 0]
    return np.asarray(np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))).astype(z.dtype, copy=False)


def _sigmoid_delta(logits: Array, y: Ints) -> None:
    """sigmoid(z) − y"""
    logits[..., 0] = _sigmoid(logits[..., 0]) - y


def _sigmoid_probabilities(logits: Array) -> Array:
    """(1 − p, p)"""
    p = _sigmoid(logits)
    return np.concatenate([1 - p, p], axis=-1)


def _sigmoid_classes(logits: Array) -> Ints:
    """Class 1 where p > ½."""
    return (logits[..., 0] > 0).astype(np.int64)


OUTPUTS: dict[str, Output] = {
    "softmax": Output(_softmax_losses, _softmax_delta, _softmax_probabilities, _softmax_classes),
    "sigmoid": Output(_sigmoid_losses, _sigmoid_delta, _sigmoid_probabilities, _sigmoid_classes),
}
