"""L2 and L1: what they cost, and what they add to the gradient.  Biases are not penalised.

λ/(2m) Σ w² + λ₁/(2m) Σ |w|, where m is the number of training examples, or of a mini-batch's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array


class Penalty(NamedTuple):
    """What is added to the gradient of every weight w: l2 · w + l1 · sign w; None where there is none.

    One number for all networks, or a (K, 1) column.
    """

    l2: Array | None
    l1: Array | None

    def add(self, weights: Array, gradient: Array, scratch: Array) -> None:
        """Add it to the gradient (K, n) of weights (K, n)."""
        if self.l2 is not None:
            np.multiply(weights, self.l2, scratch)
            np.add(gradient, scratch, gradient)
        if self.l1 is not None:
            np.sign(weights, scratch)
            np.multiply(scratch, self.l1, scratch)
            np.add(gradient, scratch, gradient)


def penalty_cost(weights: Array, *, lambda_: float, l1: float, m: int) -> float:
    """λ/(2m) Σ w² + λ₁/(2m) Σ |w|"""
    return (lambda_ * float(weights @ weights) + l1 * float(np.abs(weights).sum())) / (2 * m)
