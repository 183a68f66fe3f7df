"""Learning rates of parts of θ: factors of α for groups of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tuner.arguments import number, one_of
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.memory import aligned

BIASES, FIRST, SCALE = "biases", "first", "scale"
PARAMETER_GROUPS = {
    BIASES: "biases of all layers",
    FIRST: "weights of the first layer",
    SCALE: "scales of batch normalization",
}
"""Names of the groups, none of which share a parameter."""


def check_rates(rates: Mapping[str, float]) -> None:
    """Refuse unknown groups, and factors that are not above 0."""
    for name, factor in rates.items():
        one_of("rates", name, PARAMETER_GROUPS)
        number(f"rates: {name}", factor, above=0)


def rate_factors(
    architecture: Architecture, n_trained: int, rates: Mapping[str, float], dtype: type[np.floating[Any]]
) -> Array | None:
    """Return the factor of α of each entry of θ in training, (1, n_trained); None if all are 1."""
    if all(factor == 1 for factor in rates.values()):
        return None
    factors, places = aligned((1, n_trained), dtype), architecture.slices()
    factors[...] = 1
    factors[:, places[0][0]] = rates.get(FIRST, 1.0)
    for _, biases in places:
        factors[:, biases] = rates.get(BIASES, 1.0)
    factors[:, architecture.n_parameters :] = rates.get(SCALE, 1.0)
    return factors
