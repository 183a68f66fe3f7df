"""A hyperparameter on the scale it was sampled on, from 0 to 1, as the columns of a regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.errors import ArgumentError

Floats = NDArray[np.float64]

SCALES: dict[str, Callable[[float], float]] = {
    "uniform": float,
    "log_uniform": math.log,
    "one_minus_log_uniform": lambda value: -math.log(1 - value),
    "power_of_two": math.log2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A searched hyperparameter: ``kind`` of range and its ``bounds`` (low, high), or the choices.

    The kinds are those of a study definition: uniform, log_uniform, one_minus_log_uniform, power_of_two, choice.
    ``ordered``: the choices stand in an order that means something, such as networks by size.
    """

    name: str
    kind: str
    bounds: Sequence[Any]
    ordered: bool = False

    def __post_init__(self) -> None:
        if self.kind not in SCALES and self.kind != "choice":
            raise ArgumentError(
                f"kind must be one of {', '.join([*SCALES, 'choice'])}, got {self.kind!r} ({self.name})"
            )

    @property
    def levels(self) -> int | None:
        """How many values it has; None for a continuous one."""
        if self.kind == "choice":
            return len(self.bounds)
        if self.kind == "power_of_two":
            return round(math.log2(self.bounds[1] / self.bounds[0])) + 1
        return None

    @property
    def categorical(self) -> bool:
        """Whether its values have no order."""
        return self.kind == "choice" and not self.ordered

    def offers(self, value: Any) -> bool:
        """Whether a value has a place on this knob: any number, or one of the choices."""
        return self.kind != "choice" or value in self.bounds

    def to_unit(self, values: Sequence[Any]) -> Floats:
        """Values as positions from 0 to 1 on the sampled scale; the number of the choice for a categorical knob."""
        if self.kind == "choice":
            places = np.array([list(self.bounds).index(value) for value in values], dtype=np.float64)
            return places if self.categorical else places / max(len(self.bounds) - 1, 1)
        scale = SCALES[self.kind]
        low, high = scale(self.bounds[0]), scale(self.bounds[1])
        scaled = np.array([scale(value) for value in values], dtype=np.float64)
        return (scaled - low) / ((high - low) or 1.0)

    def from_unit(self, position: float) -> Any:
        """Inverse of :meth:`to_unit` for one position."""
        if self.kind == "choice":
            return self.bounds[round(position if self.categorical else position * (len(self.bounds) - 1))]
        low, high = (SCALES[self.kind](bound) for bound in self.bounds)
        scaled = low + position * (high - low)
        if self.kind == "log_uniform":
            return math.exp(scaled)
        if self.kind == "one_minus_log_uniform":
            return 1 - math.exp(-scaled)
        return 2 ** round(scaled) if self.kind == "power_of_two" else scaled

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
        found: Floats = inside[np.floor(u * len(inside)).astype(int)]
        return found


def columns(knobs: Sequence[Knob], positions: Floats) -> Floats:
    """Positions (n, knobs) as columns of a regression: one an ordered knob, one a choice otherwise.

    Choices are 0 or 1/√2, so that two of them are 1 apart, as the ends of a range are.
    """
    blocks = [
        (position[:, None] == np.arange(len(knob.bounds))) / math.sqrt(2) if knob.categorical else position[:, None]
        for knob, position in zip(knobs, positions.T, strict=True)
    ]
    found: Floats = np.hstack(blocks)
    return found
