"""Output layers: from logits to probabilities and classes, or to numbers, to losses and the gradient of the loss.

Logits are (..., n_outputs, n): with the examples on the last axis, NumPy sums over the classes ten times faster than
along a short last axis.  The loss of a class is cross-entropy computed from the logits, so a probability that rounds to
0 or 1 still has a finite loss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from tuner.errors import ArgumentError
from tuner.nn.activations import ACTIVATIONS
from tuner.nn.arrays import Array, Bools, Ints
from tuner.nn.calls import Call
from tuner.nn.memory import aligned
from tuner.nn.products import product_call

SUMMED_BY_PRODUCT = 1 << 16
"""Multiply-adds up to which a product sums over the classes faster than a reduction."""


Delta: TypeAlias = Callable[[Array, Array], list[Call]]
"""Takes targets and weight, returns the calls that write the gradient."""


class Output(NamedTuple):
    """The functions of an output layer; y (n,) are class numbers, or numbers to predict if it ``is_numeric``.

    ``classes(logits)`` returns (..., n), ``probabilities(logits)`` (..., n_classes, n): of numbers, both are the
    predicted ones; of ``quantiles``, the median and all of them in rising order.  An output that ``takes_several``
    predicts several numbers if it has several units: y and what ``classes`` returns are then (..., n, n_outputs), and a
    loss is the mean over them.
    ``assess(logits, labels)`` returns the losses and which examples are wrong (of numbers, the squared errors),
    (..., n), and overwrites the logits; ``labels(y)`` is computed once per set of examples.
    ``targets(y, out)`` writes the target probabilities to ``out`` (..., n_outputs, n), for y (..., n).
    ``delta(logits, inverse)(targets, weight)`` returns the calls that turn logits into the gradient of Σ weight · loss,
    in place; ``targets`` are already multiplied by weight.  ``inverse`` (..., n_outputs, n_outputs) holds 1 / weight
    everywhere; None if examples have different weights or the product exceeds ``SUMMED_BY_PRODUCT``.
    """

    classes: Callable[[Array], Array]
    probabilities: Callable[[Array], Array]
    labels: Callable[[Array], Array]
    assess: Callable[[Array, Array], tuple[Array, Array]]
    targets: Callable[[Array, Array], object]
    delta: Callable[[Array, Array | None], Delta]
    is_numeric: bool = False
    takes_several: bool = False
    quantiles: tuple[float, ...] = ()


def _softmax_labels(y: Ints) -> Ints:
    """Return the index of each example's own logit in the flattened logits (n_outputs, n)."""
    return y * len(y) + np.arange(len(y))


def _softmax_assess(logits: Array, labels: Ints) -> tuple[Array, Bools]:
    """−log p_y = log Σ e^z − z_y, after subtracting the largest logit, which prevents overflow.

    An example is right if its class has the largest logit; of equal logits, as in a network of zeros, the first counts.
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
    """Return the class of the largest logit, the first of equals."""
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

    With ``inverse`` one small product sums over the classes, divides by weight and repeats the result for every class:
    twice as fast as three NumPy functions, two of which broadcast a row.
    """
    row = aligned((*logits.shape[:-2], 1, logits.shape[-1]), logits.dtype)
    classes = (-2, None, row, True)  # axis, dtype, out, keepdims: keywords would cost time
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


def _unchanged(y: Array) -> Array:
    """Return classes or numbers as they are."""
    return y


def _sigmoid_assess(logits: Array, y: Ints) -> tuple[Array, Bools]:
    """log(1 + e^z) − y z, as max(z, 0) − y z + log(1 + e^−|z|)"""
    z = logits[..., 0, :]
    losses = np.maximum(z, 0) - z * y.astype(z.dtype) + np.log1p(np.exp(-np.abs(z)))
    return losses, _sigmoid_classes(logits) != y


def _sigmoid_classes(logits: Array) -> Ints:
    """Return class 1 where its probability is above ½."""
    return (logits[..., 0, :] > 0).astype(np.int64)


def _sigmoid_probabilities(logits: Array) -> Array:
    """(1 − p, p) with p = 1 / (1 + e^−z) = (1 + tanh(z/2)) / 2, which never overflows."""
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


def _numbers(loss: Callable[[Array], Array], slope: Callable[[Array, Array], list[Call]]) -> Output:
    """Return the output of one or several numbers, the logits themselves.

    ``loss(residuals)``: of z − y, each alone.  ``slope(product, weight)`` returns the calls that turn weight · (z − y)
    into weight times the loss's slope, in place.
    """

    def values(logits: Array) -> Array:
        return logits[..., 0, :] if logits.shape[-2] == 1 else logits.swapaxes(-2, -1)

    def assess(logits: Array, y: Array) -> tuple[Array, Array]:
        if logits.shape[-2] == 1:
            residuals = logits[..., 0, :] - y
            return loss(residuals), np.square(residuals)
        residuals = logits - y.swapaxes(-2, -1)
        return loss(residuals).mean(axis=-2), np.square(residuals).mean(axis=-2)

    def targets(y: Array, out: Array) -> None:
        if out.shape[-2] == 1:
            out[..., 0, :] = y
        else:
            out[...] = y.swapaxes(-2, -1)

    def delta(logits: Array, inverse: Array | None) -> Delta:
        share = logits.dtype.type(1 / logits.shape[-2])
        mean = [] if share == 1 else [partial(np.multiply, logits, share, logits)]
        return lambda targets, weight: [
            partial(np.multiply, logits, weight, logits),
            partial(np.subtract, logits, targets, logits),
            *slope(logits, weight),
            *mean,
        ]

    return Output(values, _unchanged, _unchanged, assess, targets, delta, is_numeric=True, takes_several=True)


def _half_squares(residuals: Array) -> Array:
    """r²/2, whose slope is r, as that of cross-entropy is p − y"""
    return np.asarray(0.5 * np.square(residuals))


def _huber(residuals: Array) -> Array:
    """r²/2 to |r| = 1, from there on |r| − ½  (Huber 1964)"""
    size = np.abs(residuals)
    return np.where(size <= 1, 0.5 * np.square(residuals), size - 0.5)


def _clipped(product: Array, weight: Array) -> list[Call]:
    """Weight times r, at most weight times ±1"""
    return [
        partial(np.minimum, product, weight, out=product),
        partial(np.negative, product, product),
        partial(np.minimum, product, weight, out=product),
        partial(np.negative, product, product),
    ]


def _signs(product: Array, weight: Array) -> list[Call]:
    """Weight times the sign of r, 0 at r = 0"""
    return [partial(np.sign, product, product), partial(np.multiply, product, weight, product)]


def _pinball(quantiles: tuple[float, ...]) -> Output:
    """Return the output of one number per quantile, whose loss is the mean of their pinball losses.

    q (y − z) where z is below y, else (1 − q) (z − y), which is least on average where a share q of y is below z
    (Koenker and Bassett 1978).  Predictions are sorted, so that they do not cross.
    """
    median, levels = quantiles.index(MEDIAN), np.array(quantiles)[:, None]
    shares = {dtype: (1 - 2 * levels).astype(dtype) for dtype in (np.float32, np.float64)}

    def values(logits: Array) -> Array:
        return np.asarray(np.sort(logits, axis=-2)[..., median, :])

    def every_value(logits: Array) -> Array:
        return np.sort(logits, axis=-2)

    def assess(logits: Array, y: Array) -> tuple[Array, Array]:
        residuals = logits - y
        of_levels = np.maximum(-levels * residuals, (1 - levels) * residuals).astype(logits.dtype, copy=False)
        return of_levels.mean(axis=-2), np.square(values(logits) - y)

    def targets(y: Array, out: Array) -> None:
        out[...] = y[..., None, :]

    def delta(logits: Array, inverse: Array | None) -> Delta:
        share, half = shares[logits.dtype.type], logits.dtype.type(0.5 / len(quantiles))
        return lambda targets, weight: [
            partial(np.multiply, logits, weight, logits),
            partial(np.subtract, logits, targets, logits),
            partial(np.sign, logits, logits),
            partial(np.add, logits, share, logits),
            partial(np.multiply, logits, weight, logits),
            partial(np.multiply, logits, half, logits),
        ]

    return Output(values, every_value, _unchanged, assess, targets, delta, is_numeric=True, quantiles=quantiles)


def _poisson_values(logits: Array) -> Array:
    """e^z, in multiples of the mean count"""
    return np.asarray(np.exp(np.minimum(logits[..., 0, :], LARGEST_LOGARITHM)))


def _poisson_rates(logits: Array) -> Array:
    """The same as (..., 1, n)."""
    return _poisson_values(logits)[..., None, :]


def _poisson_assess(logits: Array, y: Array) -> tuple[Array, Array]:
    """e^z − y z − (y − y log y), half the deviance, which is 0 at e^z = y"""
    z = logits[..., 0, :]
    least = y - y * np.log(np.where(y > 0, y, 1))
    return np.exp(z) - y * z - least, np.square(_poisson_values(logits) - y)


def _poisson_delta(logits: Array, inverse: Array | None) -> Delta:
    """∂/∂z = weight · (e^z − y)"""
    return lambda targets, weight: [
        partial(np.exp, logits, logits),
        partial(np.multiply, logits, weight, logits),
        partial(np.subtract, logits, targets, logits),
    ]


def output_for(name: str, *, is_numeric: bool) -> str:
    """Return the output of a network for numbers or classes: "linear" for numbers in place of one for classes."""
    return "linear" if is_numeric and not output_named(name).is_numeric else name


def quantile_output(quantiles: Sequence[float]) -> str:
    """Return the name of the output of these quantiles: "quantiles(0.1, 0.5, 0.9)"."""
    return f"quantiles({', '.join(map(repr, quantiles))})"


@cache
def output_named(name: str) -> Output:
    """Return an output by its name: one of ``OUTPUTS``, or that of quantiles.  Raises ArgumentError."""
    if name in OUTPUTS:
        return OUTPUTS[name]
    match = re.fullmatch(r"quantiles\((.{1,500})\)", name) if isinstance(name, str) else None
    try:
        levels = tuple(float(level) for level in match[1].split(", ")) if match else ()
    except ValueError:
        levels = ()
    rising = [0.0, *levels, 1.0]
    if len(levels) < 2 or MEDIAN not in levels or not all(low < high for low, high in pairwise(rising)):
        raise ArgumentError(
            f"output: expected one of {', '.join(OUTPUTS)}, or quantiles that rise, 0.5 among them, like "
            f"{quantile_output((0.1, 0.5, 0.9))}, got {name!r}"
        )
    return _pinball(levels)


MEDIAN = 0.5
LARGEST_LOGARITHM = 80.0  # whose exponential float32 has


OUTPUTS: dict[str, Output] = {
    "softmax": Output(
        _softmax_classes, _softmax_probabilities, _softmax_labels, _softmax_assess, _softmax_targets, _softmax_delta
    ),
    "sigmoid": Output(
        _sigmoid_classes, _sigmoid_probabilities, _unchanged, _sigmoid_assess, _sigmoid_targets, _sigmoid_delta
    ),
    "linear": _numbers(_half_squares, lambda product, weight: []),
    "huber": _numbers(_huber, _clipped),
    "absolute": _numbers(np.abs, _signs),
    "poisson": Output(
        _poisson_values,
        _poisson_rates,
        _unchanged,
        _poisson_assess,
        _sigmoid_targets,
        _poisson_delta,
        is_numeric=True,
    ),
}
