"""Activations of the hidden layers.  Both functions of an activation work in place, since a step allocates nothing.

The derivative is taken from the activation's *output* a = g(z), so that z need not be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array

LEAK = 0.01
"""Slope of leaky_relu left of 0.  (Maas et al. 2013)"""


class Activation(NamedTuple):
    """g and its derivative, both in place.

    ``apply(z)`` turns z into a = g(z).  ``backward(d, a, scratch)`` turns d = ∂J/∂a into ∂J/∂z; ``scratch`` is a float
    array of a's shape that may be written over.
    """

    apply: Callable[[Array], None]
    backward: Callable[[Array, Array, Array], None]


def _relu(z: Array) -> None:
    """g(z) = max(z, 0)"""
    np.maximum(z, 0, out=z)


def _relu_backward(d: Array, a: Array, scratch: Array) -> None:
    """g'(z) = 1 where a > 0, else 0 (also at z = 0)"""
    np.greater(a, 0, out=scratch)
    np.multiply(d, scratch, out=d)


def _leaky_relu(z: Array) -> None:
    """g(z) = max(z, 0.01 z)"""
    np.maximum(z, z * LEAK, out=z)


def _leaky_relu_backward(d: Array, a: Array, scratch: Array) -> None:
    """g'(z) = 1 where a > 0, else 0.01"""
    np.greater(a, 0, out=scratch)
    np.maximum(scratch, LEAK, out=scratch)
    np.multiply(d, scratch, out=d)


def _tanh(z: Array) -> None:
    """g(z) = tanh(z)"""
    np.tanh(z, out=z)


def _tanh_backward(d: Array, a: Array, scratch: Array) -> None:
    """g'(z) = 1 − a²"""
    np.multiply(a, a, out=scratch)
    np.subtract(1, scratch, out=scratch)
    np.multiply(d, scratch, out=d)


def sigmoid(z: Array) -> None:
    """g(z) = 1 / (1 + e^−z), as (1 + tanh(z/2)) / 2, which overflows for no z."""
    np.multiply(z, 0.5, out=z)
    np.tanh(z, out=z)
    np.add(z, 1, out=z)
    np.multiply(z, 0.5, out=z)


def _sigmoid_backward(d: Array, a: Array, scratch: Array) -> None:
    """g'(z) = a (1 − a)"""
    np.subtract(1, a, out=scratch)
    np.multiply(scratch, a, out=scratch)
    np.multiply(d, scratch, out=d)


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(_relu, _relu_backward),
    "leaky_relu": Activation(_leaky_relu, _leaky_relu_backward),
    "tanh": Activation(_tanh, _tanh_backward),
    "sigmoid": Activation(sigmoid, _sigmoid_backward),
}
