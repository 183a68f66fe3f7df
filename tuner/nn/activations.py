"""Activations of the hidden layers, bound once to their buffers, so that a step allocates nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from tuner.nn.arrays import Array
from tuner.nn.calls import Call
from tuner.nn.memory import aligned

LEAK = 0.01
"""Slope of leaky_relu left of 0.  (Maas et al. 2013)"""

Steps: TypeAlias = tuple[list[Call], list[Call]]
"""Forward and backward."""


class Activation(NamedTuple):
    """g and its derivative, both in place.

    ``value(z)`` returns the calls that turn z into a = g(z); ``slope(a)`` is g'(z), computed from a.  ``bind(z, slope,
    delta, mask)`` returns the calls of the forward and backward step on these buffers of one shape: forward turns z
    into g(z) and writes g'(z) to ``slope``, both multiplied by the dropout mask if there is one; backward multiplies
    ``delta`` by ``slope``.  ``keeps_one``: g(1) = 1, so that a column of ones need not be written again.
    """

    value: Callable[[Array], list[Call]]
    slope: Callable[[Array], Array]
    bind: Callable[[Array, Array, Array, Array | None], Steps]
    keeps_one: bool = False


def _relu(z: Array) -> list[Call]:
    """g(z) = max(z, 0), with an array of zeros: four times faster in NumPy than with a number."""
    return [partial(np.maximum, z, aligned(z.shape, z.dtype), out=z)]


def _bind_relu(z: Array, slope: Array, delta: Array, mask: Array | None) -> Steps:
    """g'(z) = 1 where z > 0, else 0, as bits.

    Read as an integer, z keeps its sign.  The sign bit of −z, shifted over all bits, is all ones exactly where z > 0,
    and a bitwise "and" with it gives both the activation and its gradient.  Integer operations are faster in NumPy than
    comparing, converting and multiplying.  (The slope at 0 must be 0: a unit with only dead inputs is exactly there.)
    A NaN with its sign bit set becomes 0 here, but not in ``value``, which evaluates an epoch.
    """
    whole = np.dtype(f"i{z.itemsize}")
    bits, positive, change = z.view(whole), slope.view(whole), delta.view(whole)
    width = np.array(8 * z.itemsize - 1, dtype=whole)
    forward: list[Call] = [partial(np.negative, bits, positive), partial(np.right_shift, positive, width, positive)]
    if mask is None:
        forward.append(partial(np.bitwise_and, bits, positive, bits))
        return forward, [partial(np.bitwise_and, change, positive, change)]
    forward += [partial(np.bitwise_and, positive, mask.view(whole), positive), partial(np.multiply, z, slope, z)]
    return forward, _times(delta, slope)


def _leaky_relu(z: Array) -> list[Call]:
    """g(z) = max(z, 0.01 z)"""
    leaked = aligned(z.shape, z.dtype)
    return [partial(np.multiply, z, np.array(LEAK, dtype=z.dtype), leaked), partial(np.maximum, z, leaked, out=z)]


def _bind_leaky_relu(z: Array, slope: Array, delta: Array, mask: Array | None) -> Steps:
    """g'(z) = 1 where z > 0, else 0.01"""
    leak, rise = (np.array(value, dtype=z.dtype) for value in (LEAK, 1 - LEAK))
    zero = np.zeros((), dtype=z.dtype)
    forward: list[Call] = [
        partial(np.greater, z, zero, slope),
        partial(np.multiply, slope, rise, slope),
        partial(np.add, slope, leak, slope),
        *_times(slope, mask),
        partial(np.multiply, z, slope, z),
    ]
    return forward, _times(delta, slope)


def _tanh(z: Array) -> list[Call]:
    """g(z) = tanh(z)"""
    return [partial(np.tanh, z, z)]


def _bind_tanh(z: Array, slope: Array, delta: Array, mask: Array | None) -> Steps:
    """g'(z) = 1 − a², where a = tanh(z)"""
    one = np.ones((), dtype=z.dtype)
    forward: list[Call] = [
        *_tanh(z),
        partial(np.multiply, z, z, slope),
        partial(np.subtract, one, slope, slope),
        *_times(slope, mask),
        *_times(z, mask),
    ]
    return forward, _times(delta, slope)


def _sigmoid(z: Array) -> list[Call]:
    """g(z) = 1 / (1 + e^−z), as (1 + tanh(z/2)) / 2, which never overflows."""
    half = np.array(0.5, dtype=z.dtype)
    halve = partial(np.multiply, z, half, z)
    return [halve, partial(np.tanh, z, z), halve, partial(np.add, z, half, z)]


def _bind_sigmoid(z: Array, slope: Array, delta: Array, mask: Array | None) -> Steps:
    """g'(z) = a (1 − a), where a = sigmoid(z)"""
    one = np.ones((), dtype=z.dtype)
    forward: list[Call] = [
        *_sigmoid(z),
        partial(np.subtract, one, z, slope),
        partial(np.multiply, slope, z, slope),
        *_times(slope, mask),
        *_times(z, mask),
    ]
    return forward, _times(delta, slope)


def _times(a: Array, b: Array | None) -> list[Call]:
    """Multiply a by b, if there is one."""
    return [] if b is None else [partial(np.multiply, a, b, a)]


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(_relu, lambda a: np.asarray(a > 0, dtype=a.dtype), _bind_relu, keeps_one=True),
    "leaky_relu": Activation(
        _leaky_relu, lambda a: np.where(a > 0, a.dtype.type(1), a.dtype.type(LEAK)), _bind_leaky_relu, keeps_one=True
    ),
    "tanh": Activation(_tanh, lambda a: 1 - a * a, _bind_tanh),
    "sigmoid": Activation(_sigmoid, lambda a: a * (1 - a), _bind_sigmoid),
}
