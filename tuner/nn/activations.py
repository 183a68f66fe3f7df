"""Activations of the hidden layers, bound once to their buffers, so that a step allocates nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from tuner.nn.arrays import Array
from tuner.nn.calls import Call
from tuner.nn.memory import aligned

LEAK = 0.01
"""Slope of leaky_relu left of 0.  (Maas et al. 2013)"""
SELU = (1.0507009873554805, 1.6732632423543772)
"""λ and α of selu."""
GELU = (math.sqrt(2 / math.pi), 0.044715)
"""c and k of gelu."""
GELU_ENDS = 10.0
"""From here on the gate of gelu is 0 or 1 in float64, too; the cube of a larger number might overflow."""
MISH_END = 20.0
"""From here on the gate of mish is 1."""

Steps: TypeAlias = tuple[list[Call], list[Call]]
"""Forward and backward."""


class Activation(NamedTuple):
    """g and its derivative, both in place.

    ``value(z)`` returns the calls that turn z into a = g(z).  ``bind(z, slope, delta, mask)`` returns the calls of the
    forward and backward step on these buffers of one shape: forward turns z into g(z) and writes g'(z) to ``slope``,
    both multiplied by the dropout mask if there is one; backward multiplies ``delta`` by ``slope``.  ``keeps_one``:
    g(1) = 1, so that a column of ones need not be written again.  ``has_kink``: at 0.
    """

    value: Callable[[Array], list[Call]]
    bind: Callable[[Array, Array, Array, Array | None], Steps]
    keeps_one: bool = False
    has_kink: bool = False


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


def _selu(z: Array, slope: Array | None = None) -> list[Call]:
    """g(z) = λ z right of 0, else λ α (e^z − 1): means and variances tend to 0 and 1.  (Klambauer et al. 2017)"""
    left, positive = aligned(z.shape, z.dtype), np.zeros(z.shape, dtype=bool)
    zero, scale, depth = (np.array(x, dtype=z.dtype) for x in (0, SELU[0], SELU[0] * SELU[1]))
    slopes: list[Call] = []
    if slope is not None:
        slopes = [partial(np.copyto, slope, left), partial(np.copyto, slope, scale, where=positive)]
    return [
        partial(np.greater, z, zero, positive),
        partial(np.minimum, z, zero, out=left),
        partial(np.exp, left, left),
        partial(np.multiply, left, depth, left),
        *slopes,
        partial(np.subtract, left, depth, left),
        partial(np.multiply, z, scale, z),
        partial(np.maximum, z, zero, out=z),
        partial(np.add, z, left, z),
    ]


def _bind_selu(z: Array, slope: Array, delta: Array, mask: Array | None) -> Steps:
    """g'(z) = λ right of 0, else λ α e^z"""
    return [*_selu(z, slope), *_times(slope, mask), *_times(z, mask)], _times(delta, slope)


Gate: TypeAlias = Callable[[Array, Array, Array | None], list[Call]]
"""Takes z, G and D, returns the calls that write a gate G(z) and, unless D is None, its derivative."""


def _gated(gate: Gate) -> Activation:
    """g(z) = z G(z), whose slope is G + z G'."""

    def value(z: Array) -> list[Call]:
        G = aligned(z.shape, z.dtype)
        return [*gate(z, G, None), partial(np.multiply, z, G, z)]

    def bind(z: Array, slope: Array, delta: Array, mask: Array | None) -> Steps:
        G = aligned(z.shape, z.dtype)
        forward: list[Call] = [
            *gate(z, G, slope),
            partial(np.multiply, slope, z, slope),
            partial(np.add, slope, G, slope),
            partial(np.multiply, z, G, z),
        ]
        return [*forward, *_times(slope, mask), *_times(z, mask)], _times(delta, slope)

    return Activation(value, bind)


def _silu_gate(z: Array, G: Array, D: Array | None) -> list[Call]:
    """1 / (1 + e^−z)  (Ramachandran, Zoph & Le 2017)"""
    one = np.ones((), dtype=z.dtype)
    slopes = [] if D is None else [partial(np.subtract, one, G, D), partial(np.multiply, D, G, D)]
    return [partial(np.copyto, G, z), *_sigmoid(G), *slopes]


def _gelu_gate(z: Array, G: Array, D: Array | None) -> list[Call]:
    """(1 + tanh(c (z + k z³))) / 2, nearly the normal distribution's Φ(z).  (Hendrycks & Gimpel 2016)"""
    (c, k), u = GELU, aligned(z.shape, z.dtype)
    low, high, one, half, square, cube, linear = (
        np.array(x, dtype=z.dtype) for x in (-GELU_ENDS, GELU_ENDS, 1, 0.5, 3 * k * c, k * c, c)
    )
    slopes: list[Call] = []
    inner: list[Call] = []
    if D is not None:
        inner = [partial(np.multiply, G, square, D), partial(np.add, D, linear, D)]
        slopes = [
            partial(np.multiply, G, G, u),
            partial(np.subtract, one, u, u),
            partial(np.multiply, D, u, D),
            partial(np.multiply, D, half, D),
        ]
    return [
        partial(np.minimum, z, high, out=u),
        partial(np.maximum, u, low, out=u),
        partial(np.multiply, u, u, G),
        *inner,
        partial(np.multiply, G, cube, G),
        partial(np.add, G, linear, G),
        partial(np.multiply, G, u, G),
        partial(np.tanh, G, G),
        *slopes,
        partial(np.multiply, G, half, G),
        partial(np.add, G, half, G),
    ]


def _mish_gate(z: Array, G: Array, D: Array | None) -> list[Call]:
    """tanh(ln(1 + e^z)) = n / (n + 2), n = e^z (e^z + 2); its derivative: 4 e^z (e^z + 1) / (n + 2)².  (Misra 2019)"""
    n, above = aligned(z.shape, z.dtype), aligned(z.shape, z.dtype)
    end, one, two, four = (np.array(x, dtype=z.dtype) for x in (MISH_END, 1, 2, 4))
    slopes: list[Call] = []
    if D is not None:
        slopes = [
            partial(np.add, G, one, D),
            partial(np.multiply, D, G, D),
            partial(np.multiply, D, four, D),
            partial(np.divide, D, above, D),
            partial(np.divide, D, above, D),
        ]
    return [
        partial(np.minimum, z, end, out=G),
        partial(np.exp, G, G),
        partial(np.add, G, two, n),
        partial(np.multiply, n, G, n),
        partial(np.add, n, two, above),
        *slopes,
        partial(np.divide, n, above, G),
    ]


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(_relu, _bind_relu, keeps_one=True, has_kink=True),
    "leaky_relu": Activation(_leaky_relu, _bind_leaky_relu, keeps_one=True, has_kink=True),
    "tanh": Activation(_tanh, _bind_tanh),
    "sigmoid": Activation(_sigmoid, _bind_sigmoid),
    "selu": Activation(_selu, _bind_selu, has_kink=True),
    "silu": _gated(_silu_gate),
    "gelu": _gated(_gelu_gate),
    "mish": _gated(_mish_gate),
}
