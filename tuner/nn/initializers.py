"""Initial weights.  All but zeros and the two fixed scales are cases of variance scaling; biases start at 0.

Every initializer draws in float64 and returns W (n_in, n_out), so that float32 and float64 networks of one seed start
at the same point up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from tuner.nn.arrays import Array

Initializer: TypeAlias = Callable[[np.random.Generator, int, int], Array]


def zeros(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """All weights 0: hidden units stay copies of each other, as the lectures show."""
    return np.zeros((n_in, n_out))


def random_small(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Normal with standard deviation 0.01 at any width: signals vanish with depth."""
    return rng.standard_normal((n_in, n_out)) * 0.01


def random_large(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Normal with standard deviation 10 at any width: units saturate and signals explode."""
    return rng.standard_normal((n_in, n_out)) * 10.0


def xavier(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Normal with Var(w) = 2 / (n_in + n_out).  (Glorot & Bengio 2010, eq. 12)"""
    return rng.standard_normal((n_in, n_out)) * math.sqrt(2.0 / (n_in + n_out))


def lecun(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Normal with Var(w) = 1 / n_in.  (LeCun et al. 1998, sec. 4.6)"""
    return rng.standard_normal((n_in, n_out)) * math.sqrt(1.0 / n_in)


def he(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Normal with Var(w) = 2 / n_in, which keeps the variance through ReLU.  (He et al. 2015, eq. 10)"""
    return rng.standard_normal((n_in, n_out)) * math.sqrt(2.0 / n_in)


def xavier_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Uniform in ±√(6 / (n_in + n_out)), which has Xavier's variance.  (Glorot & Bengio 2010, eq. 16)"""
    return _uniform(rng, n_in, n_out, variance=2.0 / (n_in + n_out))


def lecun_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Uniform in ±√(3 / n_in), which has LeCun's variance 1 / n_in."""
    return _uniform(rng, n_in, n_out, variance=1.0 / n_in)


def he_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """Uniform in ±√(6 / n_in), which has He's variance 2 / n_in."""
    return _uniform(rng, n_in, n_out, variance=2.0 / n_in)


def _uniform(rng: np.random.Generator, n_in: int, n_out: int, *, variance: float) -> Array:
    """Uniform in ±√(3 variance): the variance of a uniform distribution on ±a is a² / 3."""
    bound = math.sqrt(3.0 * variance)
    return rng.uniform(-bound, bound, (n_in, n_out))


INITIALIZERS: dict[str, Initializer] = {
    "zeros": zeros,
    "random_small": random_small,
    "random_large": random_large,
    "xavier": xavier,
    "lecun": lecun,
    "he": he,
    "xavier_uniform": xavier_uniform,
    "lecun_uniform": lecun_uniform,
    "he_uniform": he_uniform,
}
