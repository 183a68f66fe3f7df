"""L2 and L1 penalties: cost, gradient, and the step that makes weights exactly 0.

Biases are not penalized, nor is what makes periodic inputs.

λ/(2m) Σ w² + λ₁/(2m) Σ |w|, where m is the number of examples of the training set or of the mini-batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from tuner.nn.arrays import Array
from tuner.nn.calls import Call


class Penalty(NamedTuple):
    """Coefficients of the gradient l2 · w + l1 · sign w that is added for every weight w; None without the penalty.

    One number for all networks, (), or a (K, 1) column: arrays that calls are bound to and that are overwritten.
    ``threshold``: α λ₁/(2m) if L1 is a step of its own after the optimizer's (``shrink``), not part of its gradient.
    ``decay``: α λ/m if L2 is a step of its own before it (``decay_calls``).
    """

    l2: Array | None
    l1: Array | None
    threshold: Array | None
    decay: Array | None = None

    @property
    def in_step(self) -> Penalty:
        """The part that the optimizer gets in its gradient."""
        return Penalty(
            None if self.decay is not None else self.l2, None if self.threshold is not None else self.l1, None
        )

    def calls(self, theta: Array, gradient: Array, scratch: Array, spared: Sequence[Array]) -> list[Call]:
        """Return the calls that add it to the gradient (K, n) of θ (K, n).

        ``spared``: the parts of ``scratch`` without a penalty.
        """
        add_but_for_spared = [*(partial(part.fill, 0) for part in spared), partial(np.add, gradient, scratch, gradient)]
        calls: list[Call] = []
        if self.l2 is not None:
            calls += [partial(np.multiply, theta, self.l2, scratch), *add_but_for_spared]
        if self.l1 is not None:
            calls += [partial(np.sign, theta, scratch), partial(np.multiply, scratch, self.l1, scratch)]
            calls += add_but_for_spared
        return calls


def decay_calls(
    theta: Array, decay: Array, scratch: Array, spared: Sequence[Array], scaled: Sequence[Call] = ()
) -> list[Call]:
    """Return the calls of a decoupled L2 penalty: w := w − decay · w; ``spared``: parts of ``scratch`` without one.

    ``scaled``: calls that scale what ``scratch`` takes from w.
    """
    return [
        partial(np.multiply, theta, decay, scratch),
        *(partial(part.fill, 0) for part in spared),
        *scaled,
        partial(np.subtract, theta, scratch, theta),
    ]


def shrink(theta: Array, threshold: Array, clipped: Array, spared: Sequence[Array]) -> list[Call]:
    """Return the calls of L1's own step: w := sign(w) max(|w| − t, 0), exactly 0 where |w| ≤ t.

    It minimizes t |w| + (w − w₀)²/2 (the proximal step; Parikh & Boyd 2014, sec. 6.5.2).  t (K, n) is overwritten, as
    is ``clipped`` (K, n); ``spared``: its parts without a penalty.
    """
    return [
        partial(np.minimum, theta, threshold, out=clipped),
        partial(np.negative, threshold, threshold),
        partial(np.maximum, clipped, threshold, out=clipped),
        *(partial(part.fill, 0) for part in spared),
        partial(np.subtract, theta, clipped, theta),
    ]


def penalty_cost(weights: Array, *, lambda_: float, l1: float, m: int) -> float:
    """λ/(2m) Σ w² + λ₁/(2m) Σ |w|"""
    return (lambda_ * float(weights @ weights) + l1 * float(np.abs(weights).sum())) / (2 * m)
