"""Optimizers on the flat θ: a few operations in place, for K networks at once.

θ, the gradient g and every slot are (K, n); a rate is one number for all networks or a (K, 1) column.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array
from tuner.nn.calls import Call

EPSILON = 1e-8
"""Prevents division by 0 in rmsprop and adam; added outside the square root, as in Adam's Algorithm 1."""


class Rates(NamedTuple):
    """The coefficients of a step, () or (K, 1) each: arrays that calls are bound to and that are overwritten.

    α, β, β₂, 1 − β and 1 − β₂ are set per epoch.  In step t, from 1, ``correction`` is 1 − βᵗ, ``correction2`` 1 − β₂ᵗ
    and ``corrected_alpha`` α / ``correction``; slots start at 0.
    """

    alpha: Array
    beta: Array
    beta_rest: Array
    beta2: Array
    beta2_rest: Array
    correction: Array
    correction2: Array
    corrected_alpha: Array

    def set(self, alpha: Array | float, beta: Array | float, beta2: Array | float) -> None:
        """Set the coefficients of an epoch."""
        self.alpha[...], self.beta[...], self.beta2[...] = alpha, beta, beta2
        np.subtract(1, self.beta, self.beta_rest)
        np.subtract(1, self.beta2, self.beta2_rest)

    def correct(self, correction: Array | float, correction2: Array | float) -> None:
        """Set the corrections of a step."""
        self.correction[...], self.correction2[...] = correction, correction2
        np.divide(self.alpha, self.correction, self.corrected_alpha)


class Optimizer(NamedTuple):
    """An update in place.

    ``update(theta, slots, g, scratch, rates)`` returns its calls: the ``n_slots`` slots start at 0, ``scratch`` may be
    overwritten, g may not.  The gradient is already multiplied by ``scale(alpha, beta)``, which is free where the loss
    is derived and saves passes here.  ``hyperparameters``: those it uses besides α.  ``follows_alpha``: the slots are
    multiples of α and must be rescaled when α changes.  ``corrected``: each step needs its bias corrections.
    ``divisor(slots, scratch, rates)`` returns calls that leave in ``scratch`` what it divides the step of each entry
    by; None if by nothing.  ``decoupled``: the L2 penalty is no part of g; weights shrink by α λ/m of themselves before
    the update.
    """

    n_slots: int
    scale: Callable[[float, float], float]
    update: Callable[[Array, list[Array], Array, Array, Rates], list[Call]]
    hyperparameters: frozenset[str]
    follows_alpha: bool = False
    corrected: bool = False
    divisor: Callable[[list[Array], Array, Rates], list[Call]] | None = None
    decoupled: bool = False

    def divide(self, step: Array, slots: list[Array], scratch: Array, rates: Rates) -> list[Call]:
        """Return the calls that, after an update, leave in ``scratch`` another step, divided as the update's.

        So both balance where the cost has its minimum.  (Yun, Lozano & Yang 2021)
        """
        if self.divisor is None:
            return [partial(np.copyto, scratch, step)]
        return [*self.divisor(slots, scratch, rates), partial(np.divide, step, scratch, scratch)]


def _gradient_descent(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> list[Call]:
    """θ := θ − α g; g arrives as α g."""
    return [partial(np.subtract, theta, g, theta)]


def _momentum(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> list[Call]:
    """θ := θ − α v, where v := β v + (1−β) g.

    The lectures' form; libraries that omit 1−β call α (1−β) the learning rate.  g arrives as α (1−β) g, and the slot
    is α v.
    """
    (v,) = slots
    return [partial(np.multiply, v, rates.beta, v), partial(np.add, v, g, v), partial(np.subtract, theta, v, theta)]


def _nesterov(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> list[Call]:
    """θ := θ − α (β v + (1−β) g), v as in momentum: the gradient's weight in the next step.  (Nesterov 1983)"""
    (v,) = slots
    return [
        partial(np.multiply, v, rates.beta, v),
        partial(np.add, v, g, v),
        partial(np.multiply, v, rates.beta, scratch),
        partial(np.add, scratch, g, scratch),
        partial(np.subtract, theta, scratch, theta),
    ]


def _rmsprop(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> list[Call]:
    """θ := θ − α g / (√s + ε), where s := β₂ s + (1−β₂) g²."""
    (s,) = slots
    return [
        partial(np.multiply, g, g, scratch),
        *_average(s, scratch, rates.beta2, rates.beta2_rest),
        *_rmsprop_divisor(slots, scratch, rates),
        *_step(theta, g, scratch, rates.alpha),
    ]


def _rmsprop_divisor(slots: list[Array], scratch: Array, rates: Rates) -> list[Call]:
    """√s + ε"""
    return [partial(np.sqrt, slots[0], scratch), _add_epsilon(scratch)]


def _adam(theta: Array, slots: list[Array], g: Array, scratch: Array, rates: Rates) -> list[Call]:
    """θ := θ − α v̂ / (√ŝ + ε): v as in momentum, s as in rmsprop, both bias-corrected.  (Kingma & Ba 2015)"""
    v, s = slots
    return [
        partial(np.multiply, g, g, scratch),
        *_average(s, scratch, rates.beta2, rates.beta2_rest),
        partial(np.copyto, scratch, g),
        *_average(v, scratch, rates.beta, rates.beta_rest),
        *_adam_divisor(slots, scratch, rates),
        *_step(theta, v, scratch, rates.corrected_alpha),
    ]


def _adam_divisor(slots: list[Array], scratch: Array, rates: Rates) -> list[Call]:
    """√ŝ + ε"""
    corrected = partial(np.divide, slots[1], rates.correction2, scratch)
    return [corrected, partial(np.sqrt, scratch, scratch), _add_epsilon(scratch)]


def _average(slot: Array, value: Array, beta: Array, rest: Array) -> list[Call]:
    """Set slot := β slot + (1−β) value; overwrites value."""
    return [
        partial(np.multiply, slot, beta, slot),
        partial(np.multiply, value, rest, value),
        partial(np.add, slot, value, slot),
    ]


def _add_epsilon(root: Array) -> Call:
    return partial(np.add, root, np.array(EPSILON, dtype=root.dtype), root)


def _step(theta: Array, direction: Array, divisor: Array, alpha: Array) -> list[Call]:
    """θ := θ − α direction / divisor; overwrites the divisor."""
    return [
        partial(np.divide, direction, divisor, divisor),
        partial(np.multiply, divisor, alpha, divisor),
        partial(np.subtract, theta, divisor, theta),
    ]


ADAM = Optimizer(2, lambda alpha, beta: 1.0, _adam, frozenset({"beta", "beta2"}), corrected=True, divisor=_adam_divisor)

OPTIMIZERS: dict[str, Optimizer] = {
    "gradient_descent": Optimizer(0, lambda alpha, beta: alpha, _gradient_descent, frozenset()),
    "momentum": Optimizer(
        1, lambda alpha, beta: alpha * (1 - beta), _momentum, frozenset({"beta"}), follows_alpha=True
    ),
    "nesterov": Optimizer(
        1, lambda alpha, beta: alpha * (1 - beta), _nesterov, frozenset({"beta"}), follows_alpha=True
    ),
    "rmsprop": Optimizer(1, lambda alpha, beta: 1.0, _rmsprop, frozenset({"beta2"}), divisor=_rmsprop_divisor),
    "adam": ADAM,
    "adamw": ADAM._replace(decoupled=True),  # (Loshchilov & Hutter 2019)
}
