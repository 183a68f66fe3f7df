"""Inverted dropout: each unit is kept with probability keep_prob and divided by it, which keeps its mean.

(Srivastava et al. 2014; the lectures' "inverted" form.)  In training only, and never on the output.
"""

from __future__ import annotations

import numpy as np

from tuner.nn.arrays import Array

LEVELS = 1 << 16


def draw_mask(rng: np.random.Generator, keep_prob: float, out: Array) -> None:
    """Fill ``out`` with 1/keep_prob where a unit is kept and 0 where it is dropped.

    Each unit takes 16 random bits, a quarter of a generator's word: keep_prob is rounded to a multiple of 2⁻¹⁶, and
    masks cost half as much as with 32-bit draws.
    """
    threshold = np.uint16(min(max(round(keep_prob * LEVELS), 1), LEVELS - 1))
    words = np.asarray(rng.bit_generator.random_raw(-(-out.size // 4)))
    np.less(words.view(np.uint16)[: out.size].reshape(out.shape), threshold, out)
    np.multiply(out, out.dtype.type(1 / keep_prob), out)
