"""Output layers: from logits to probabilities, classes, losses and the gradient of the loss.

Logits are (..., n_outputs, n): with examples along the last axis, sums and maxima over the classes go over whole rows,
which NumPy does ten times faster than along the short side.  Losses are cross-entropy computed from the logits, so that
a probability which rounds to 0 or 1 still has a finite loss.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from tuner.nn.activations import ACTIVATIONS
from tuner.nn.arrays import Array, Bools, Ints
from tuner.nn.calls import Call
from tuner.nn.memory import aligned
from tuner.nn.products import product_call

SUMMED_BY_PRODUCT = 1 << 16
"""Multiply-adds up to which a product sums over the classes faster than a reduction does."""


Delta: TypeAlias = Callable[[Array, Array], list[Call]]
"""From targets and weight to the calls that write the gradient."""


class Output(NamedTuple):
    """How an output layer is read; y (n,) are class numbers.

    ``classes(logits)`` are (..., n), ``probabilities(logits)`` (..., n_classes, n).
    ``assess(logits, labels)`` are the losses and which examples are wrong, (..., n); the logits are written over, and
    ``labels(y)`` are made once for examples that are assessed again and again.
    ``targets(y, out)`` writes what the probabilities should be to ``out`` (..., n_outputs, n), for y (..., n).
    ``delta(logits, inverse)(targets, weight)`` are the calls that turn logits into the gradient of Σ weight · loss, in
    place, where ``targets`` were multiplied by weight before.  ``inverse`` (..., n_outputs, n_outputs) holds 1 / weight
    everywhere, or is None where examples have weights of their own, or ``SUMMED_BY_PRODUCT`` is exceeded.
    """

    classes: Callable[[Array], Ints]
    probabilities: Callable[[Array], Array]
    labels: Callable[[Ints], Ints]
    assess: Callable[[Array, Ints], tuple[Array, Bools]]
    targets: Callable[[Ints, Array], object]
    delta: Callable[[Array, Array | None], Delta]


def _softmax_labels(y: Ints) -> Ints:
    """Where in the logits (n_outputs, n), taken as one row, each example's own lies."""
    return y * len(y) + np.arange(len(y))


def _softmax_assess(logits: Array, labels: Ints) -> tuple[Array, Bools]:
    """−log p_y = log Σ e^z − z_y, with the largest logit subtracted first, so that nothing overflows.

    An example is right if its logit is the largest; where several are, as in a network of zeros, the first one counts.
    """
    largest = np.maximum.reduce(logits, axis=-2, keepdims=True)
    alone = np.count_nonzero(logits == largest) == largest.size
    wrong = None if alone else _softmax_classes(logits) != labels // len(labels)
    np.subtract(logits, largest, out=logits)
    chosen = logits.reshape(*logits.shape[:-2], -1).take(labels, axis=-1)
    np.exp(logits, out=logits)
    losses = np.log(np.add.reduce(logits, axis=-2)) - chosen
    return losses, np.not_equal(chosen, 0) if wrong is None else wrong


def _softmax_classes(logits: Array) -> Ints:
    """The class of the largest logit, the first of equals."""
    return np.asarray(logits.argmax(axis=-2))


def _softmax_probabilities(logits: Array) -> Array:
    """e^z / Σ e^z"""
    e = np.exp(logits - logits.max(axis=-2, keepdims=True))
    return np.asarray(e / e.sum(axis=-2, keepdims=True))


def _softmax_targets(y: Ints, out: Array) -> None:
    """1 for the example's class, 0 for the others."""
    np.equal(y[..., None, :], np.arange(out.shape[-2])[:, None], out)


def _softmax_delta(logits: Array, inverse: Array | None) -> Delta:
    """∂/∂z = weight · (softmax(z) − onehot(y))

    With ``inverse`` a small product sums over the classes, divides by weight and repeats the result for every class:
    what three of NumPy's functions, two of which have to repeat a row, take twice as long for.
    """
    row = aligned((*logits.shape[:-2], 1, logits.shape[-1]), logits.dtype)
    classes = (-2, None, row, True)  # the axis, no dtype, where the result goes, keepdims: names would cost time
    powers: list[Call] = [
        partial(np.maximum.reduce, logits, *classes),
        partial(np.subtract, logits, row, logits),
        partial(np.exp, logits, logits),
    ]
    if inverse is not None:
        sums = aligned(logits.shape, logits.dtype)
        powers += [product_call(inverse, logits, sums), partial(np.divide, logits, sums, logits)]
        return lambda targets, weight: [*powers, partial(np.subtract, logits, targets, logits)]
    powers.append(partial(np.add.reduce, logits, *classes))
    return lambda targets, weight: [
        *powers,
        partial(np.divide, weight, row, row),
        partial(np.multiply, logits, row, logits),
        partial(np.subtract, logits, targets, logits),
    ]


def _sigmoid_labels(y: Ints) -> Ints:
    """The classes themselves."""
    return y


def _sigmoid_assess(logits: Array, y: Ints) -> tuple[Array, Bools]:
    """log(1 + e^z) − y z, as max(z, 0) − y z + log(1 + e^−|z|)"""
    z = logits[..., 0, :]
    losses = np.maximum(z, 0) - z * y.astype(z.dtype) + np.log1p(np.exp(-np.abs(z)))
    return losses, _sigmoid_classes(logits) != y


def _sigmoid_classes(logits: Array) -> Ints:
    """Class 1 where its probability is above ½."""
    return (logits[..., 0, :] > 0).astype(np.int64)


def _sigmoid_probabilities(logits: Array) -> Array:
    """(1 − p, p) with p = 1 / (1 + e^−z) = (1 + tanh(z/2)) / 2, which overflows for no z."""
    half = 0.5 * np.tanh(0.5 * logits)
    return np.concatenate([0.5 - half, 0.5 + half], axis=-2)


def _sigmoid_targets(y: Ints, out: Array) -> None:
    """1 for class 1"""
    out[..., 0, :] = y


def _sigmoid_delta(logits: Array, inverse: Array | None) -> Delta:
    """∂/∂z = weight · (sigmoid(z) − y)"""
    value = ACTIVATIONS["sigmoid"].value(logits)
    return lambda targets, weight: [
        *value,
        partial(np.multiply, logits, weight, logits),
        partial(np.subtract, logits, targets, logits),
    ]


OUTPUTS: dict[str, Output] = {
    "softmax": Output(
        _softmax_classes, _softmax_probabilities, _softmax_labels, _softmax_assess, _softmax_targets, _softmax_delta
    ),
    "sigmoid": Output(
        _sigmoid_classes, _sigmoid_probabilities, _sigmoid_labels, _sigmoid_assess, _sigmoid_targets, _sigmoid_delta
    ),
}
