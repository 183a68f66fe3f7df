"""L2 and L1: what they cost, and what they add to the gradient.  Biases are not penalised.

λ/(2m) Σ w² + λ₁/(2m) Σ |w|, where m is the number of training examples, or of a mini-batch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array


class Penalty(NamedTuple):
    """What is added to the gradient of every weight w: l2 · w + l1 · sign w; None where there is none.

    One number for all networks, or a (K, 1) column.
    """

    l2: Array | None
    l1: Array | None

    def add(self, theta: Array, gradient: Array, scratch: Array, biases: Sequence[Array]) -> None:
        """Add it to the gradient (K, n) of θ (K, n); ``biases`` are the places of ``scratch`` that belong to them."""
        if self.l2 is not None:
            np.multiply(theta, self.l2, scratch)
            _add_but_for(biases, gradient, scratch)
        if self.l1 is not None:
            np.sign(theta, scratch)
            np.multiply(scratch, self.l1, scratch)
            _add_but_for(biases, gradient, scratch)


def _add_but_for(biases: Sequence[Array], gradient: Array, scratch: Array) -> None:
    """Add scratch to the gradient, with 0 for the biases."""
    for bias in biases:
        bias.fill(0)
    np.add(gradient, scratch, gradient)


def penalty_cost(weights: Array, *, lambda_: float, l1: float, m: int) -> float:
    """λ/(2m) Σ w² + λ₁/(2m) Σ |w|"""
    return (lambda_ * float(weights @ weights) + l1 * float(np.abs(weights).sum())) / (2 * m)
