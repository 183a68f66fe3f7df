"""Optimizers on the flat θ: each is a handful of operations in place, for K networks at once.

θ, the gradient g and every slot are (K, n); a rate is one number for all networks or a (K, 1) column of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array

EPSILON = 1e-8
"""Keeps rmsprop and adam from dividing by 0; added outside the square root, as in Adam's Algorithm 1."""


ONE = np.ones(())


class Rates(NamedTuple):
    """The coefficients of one step: α of this epoch, β and β₂.

    ``correction`` is 1 − βᵗ and ``correction2`` 1 − β₂ᵗ in step t from 1, for slots that began at 0.
    """

    alpha: Array
    beta: Array
    beta2: Array
    correction: Array = ONE
    correction2: Array = ONE


class Optimizer(NamedTuple):
    """An update in place.

    ``update(theta, slots, g, scratch, rates)``: the ``n_slots`` slots begin at 0, ``scratch`` may be written over, g
    may not.  The gradient arrives multiplied by ``scale(alpha, beta)``, which costs nothing where the loss is derived
    and saves passes here.  ``knobs`` are the hyperparameters, beside α, that it uses.  ``follows_alpha`` says that the
    slots are multiples of α, and have to be scaled when α changes; ``corrected`` that a step needs the corrections of
    its number.
    """

    n_slots: int
    scale: Callable[[float, float], float]
    update: Callable[[Array, list[Array], Array, Array, Rates], None]
    knobs: frozenset[str]
    follows_alpha: bool = False
    corrected: bool = False


def _gradient_descent(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> None:
    """θ := θ − α g; g arrives as α g."""
    np.subtract(theta, g, theta)


def _momentum(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> None:
    """θ := θ − α v, where v := β v + (1−β) g.

    The lectures' form; libraries that leave 1−β out call α (1−β) the learning rate.  g arrives as α (1−β) g, and the
    slot is α v.
    """
    (v,) = slots
    np.multiply(v, rates.beta, v)
    np.add(v, g, v)
    np.subtract(theta, v, theta)


def _rmsprop(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> None:
    """θ := θ − α g / (√s + ε), where s := β₂ s + (1−β₂) g²."""
    (s,) = slots
    np.multiply(g, g, scratch)
    _average(s, scratch, rates.beta2)
    np.sqrt(s, scratch)
    np.add(scratch, theta.dtype.type(EPSILON), scratch)
    np.divide(g, scratch, scratch)
    np.multiply(scratch, rates.alpha, scratch)
    np.subtract(theta, scratch, theta)


def _adam(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> None:
    """θ := θ − α v̂ / (√ŝ + ε): v as in momentum, s as in rmsprop, both bias-corrected.  (Kingma & Ba 2015)"""
    v, s = slots
    np.multiply(g, g, scratch)
    _average(s, scratch, rates.beta2)
    np.copyto(scratch, g)
    _average(v, scratch, rates.beta)
    np.divide(s, rates.correction2, scratch)
    np.sqrt(scratch, scratch)
    np.add(scratch, theta.dtype.type(EPSILON), scratch)
    np.divide(v, scratch, scratch)
    np.multiply(scratch, rates.alpha / rates.correction, scratch)
    np.subtract(theta, scratch, theta)


def _average(slot: Array, value: Array, beta: Array) -> None:
    """Move the slot to β slot + (1−β) value; the value is written over."""
    np.multiply(slot, beta, slot)
    np.multiply(value, 1 - beta, value)
    np.add(slot, value, slot)


OPTIMIZERS: dict[str, Optimizer] = {
    "gradient_descent": Optimizer(0, lambda alpha, beta: alpha, _gradient_descent, frozenset()),
    "momentum": Optimizer(
        1, lambda alpha, beta: alpha * (1 - beta), _momentum, frozenset({"beta"}), follows_alpha=True
    ),
    "rmsprop": Optimizer(1, lambda alpha, beta: 1.0, _rmsprop, frozenset({"beta2"})),
    "adam": Optimizer(2, lambda alpha, beta: 1.0, _adam, frozenset({"beta", "beta2"}), corrected=True),
}
