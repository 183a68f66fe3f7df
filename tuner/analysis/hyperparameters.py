"""A hyperparameter on the scale it was sampled on, from 0 to 1, as the columns of a regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scales import SCALES, Scale

Floats = NDArray[np.float64]
Idle = Callable[[Mapping[str, Any]], Collection[str]]
"""The hyperparameters that do nothing where these choices are made: beta under gradient descent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedHyperparameter:
    """A searched hyperparameter: ``kind`` of range and its ``bounds`` (low, high), or the choices.

    The kinds are those of a study definition: uniform, log_uniform, one_minus_log_uniform, power_of_two, choice.
    ``ordered``: the choices stand in an order that means something, such as networks by size.  ``most``: the largest
    value that a wider range may have.
    """

    name: str
    kind: str
    bounds: Sequence[Any]
    ordered: bool = False
    most: float = math.inf

    @property
    def scale(self) -> Scale:
        """What owns everything that depends on the kind."""
        return SCALES[self.kind]

    @property
    def levels(self) -> int | None:
        """How many values it has; None for a continuous one."""
        return self.scale.levels(self.bounds)

    @property
    def categorical(self) -> bool:
        """Whether its values have no order."""
        return not (self.scale.is_numeric or self.ordered)

    def offers(self, value: Any) -> bool:
        """Whether a value has a place on this hyperparameter: any number, or one of the choices."""
        return self.scale.is_numeric or value in self.bounds

    def to_unit(self, values: Sequence[Any]) -> Floats:
        """Values as positions from 0 to 1 on the sampled scale; the number of the choice where they are categorical."""
        if self.categorical:
            return np.array([list(self.bounds).index(value) for value in values], dtype=np.float64)
        return np.array(self.scale.positions(self.bounds, values), dtype=np.float64)

    def from_unit(self, position: float) -> Any:
        """Inverse of :meth:`to_unit` for one position."""
        return self.bounds[round(position)] if self.categorical else self.scale.value_at(self.bounds, position)

    def spread(self, u: Floats) -> Floats:
        """Positions over the whole range from uniform numbers ``u`` in [0, 1)."""
        if self.levels is None:
            return u
        places = np.floor(u * self.levels)
        return places if self.categorical else places / max(self.levels - 1, 1)

    def quarter(self, u: Floats, *, upper: bool) -> Floats:
        """Positions in the upper or the lower quarter of an ordered range: at least its last or first level."""
        if self.levels is None:
            return 0.75 + 0.25 * u if upper else 0.25 * u
        places = np.arange(self.levels) / max(self.levels - 1, 1)
        inside = places[places >= 0.75] if upper else places[places <= 0.25]
        positions: Floats = inside[np.floor(u * len(inside)).astype(int)]
        return positions


def settle(
    hyperparameters: Sequence[SearchedHyperparameter], positions: Floats, idle: Idle
) -> tuple[Floats, NDArray[np.bool_]]:
    """Positions (n, hyperparameters) with idle ones in the middle of their range, as if never drawn, and which act."""
    choices = [place for place, one in enumerate(hyperparameters) if not one.scale.is_numeric]
    acts = np.ones(positions.shape, dtype=bool)
    for chosen in set(map(tuple, positions[:, choices].tolist())):
        named = [hyperparameters[place] for place in choices]
        names = idle({one.name: one.from_unit(position) for one, position in zip(named, chosen, strict=True)})
        rows = (positions[:, choices] == chosen).all(axis=1)
        acts[rows] = [one.name not in names for one in hyperparameters]
    middle = [one.spread(np.array([0.5]))[0] for one in hyperparameters]
    return np.where(acts, positions, middle), acts


def columns(hyperparameters: Sequence[SearchedHyperparameter], positions: Floats) -> Floats:
    """Positions (n, hyperparameters) as columns of a regression: one an ordered hyperparameter, one a choice otherwise.

    Choices are 0 or 1/√2, so that two of them are 1 apart, as the ends of a range are.
    """
    blocks = [
        (position[:, None] == np.arange(len(hyperparameter.bounds))) / math.sqrt(2)
        if hyperparameter.categorical
        else position[:, None]
        for hyperparameter, position in zip(hyperparameters, positions.T, strict=True)
    ]
    matrix: Floats = np.hstack(blocks)
    return matrix
