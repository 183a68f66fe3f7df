"""Optimizers on the flat θ: each is a pure recipe of in-place operations, for K networks at once.

θ, the gradient g and every slot are (K, n); the coefficients are (K, 1), so that each network has its own α, β.
``scratch`` is a (K, n) array that may be written over; g may be written over too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array

EPSILON = 1e-8
"""Keeps rmsprop and adam from dividing by 0; added outside the square root, as in Adam's Algorithm 1."""


class Rates(NamedTuple):
    """The coefficients of one step, each (K, 1): α of this epoch, β, β₂, and the step's number t from 1."""

    alpha: Array
    beta: Array
    beta2: Array
    step: int


class Optimizer(NamedTuple):
    """``update(theta, slots, g, rates, scratch)`` in place; ``slots`` begin at 0; ``knobs`` are those it uses."""

    n_slots: int
    update: Callable[[Array, list[Array], Array, Rates, Array], None]
    knobs: frozenset[str]


def _gradient_descent(theta: Array, slots: list[Array], g: Array, rates: Rates, scratch: Array) -> None:
    """θ := θ − α g"""
    np.multiply(g, rates.alpha, out=scratch)
    np.subtract(theta, scratch, out=theta)


def _momentum(theta: Array, slots: list[Array], g: Array, rates: Rates, scratch: Array) -> None:
    """θ := θ − α v, where v := β v + (1−β) g.

    The lectures' form; libraries that leave 1−β out call α (1−β) the learning rate.
    """
    (v,) = slots
    np.multiply(v, rates.beta, out=v)
    np.multiply(g, 1 - rates.beta, out=scratch)
    np.add(v, scratch, out=v)
    np.multiply(v, rates.alpha, out=scratch)
    np.subtract(theta, scratch, out=theta)


def _rmsprop(theta: Array, slots: list[Array], g: Array, rates: Rates, scratch: Array) -> None:
    """θ := θ − α g / (√s + ε), where s := β₂ s + (1−β₂) g²."""
    (s,) = slots
    np.multiply(s, rates.beta2, out=s)
    np.multiply(g, g, out=scratch)
    np.multiply(scratch, 1 - rates.beta2, out=scratch)
    np.add(s, scratch, out=s)
    np.sqrt(s, out=scratch)
    np.add(scratch, EPSILON, out=scratch)
    np.divide(g, scratch, out=scratch)
    np.multiply(scratch, rates.alpha, out=scratch)
    np.subtract(theta, scratch, out=theta)


def _adam(theta: Array, slots: list[Array], g: Array, rates: Rates, scratch: Array) -> None:
    """θ := θ − α v̂ / (√ŝ + ε): v as in momentum, s as in rmsprop, both bias-corrected.  (Kingma & Ba 2015)"""
    v, s = slots
    np.multiply(s, rates.beta2, out=s)
    np.multiply(g, g, out=scratch)
    np.multiply(scratch, 1 - rates.beta2, out=scratch)
    np.add(s, scratch, out=s)
    np.multiply(v, rates.beta, out=v)
    np.multiply(g, 1 - rates.beta, out=g)
    np.add(v, g, out=v)
    np.divide(s, 1 - rates.beta2**rates.step, out=scratch)
    np.sqrt(scratch, out=scratch)
    np.add(scratch, EPSILON, out=scratch)
    np.divide(v, scratch, out=scratch)
    np.multiply(scratch, rates.alpha / (1 - rates.beta**rates.step), out=scratch)
    np.subtract(theta, scratch, out=theta)


OPTIMIZERS: dict[str, Optimizer] = {
    "gradient_descent": Optimizer(0, _gradient_descent, frozenset()),
    "momentum": Optimizer(1, _momentum, frozenset({"beta"})),
    "rmsprop": Optimizer(1, _rmsprop, frozenset({"beta2"})),
    "adam": Optimizer(2, _adam, frozenset({"beta", "beta2"})),
}
