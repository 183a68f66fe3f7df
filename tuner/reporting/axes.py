"""Axes of the searched hyperparameters, each on the scale it is sampled on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuner.formatting import value
from tuner.study import Range, StudyDefinition


@dataclass(frozen=True)
class HyperparameterAxis:
    """The axis of one searched hyperparameter: positions (0 to 1) and labels."""

    name: str
    searched: Range

    def position(self, of: Any) -> float | None:
        """Return the position of a value from the lower end (0) to the upper (1); None if it has none."""
        return self.searched.scale.axis_position(self.searched.bounds, of)

    def ticks(self, about: int = 4) -> list[tuple[float, str]]:
        """Return positions and labels along the axis, including both ends."""
        ticks = self.searched.scale.spaced_ticks(self.searched.bounds, about)
        return [(place, value(of)) for place, of in ticks]


def hyperparameter_axes(definition: StudyDefinition) -> list[HyperparameterAxis]:
    """Return the axes of the searched hyperparameters with more than one value, in their order."""
    searched = definition.searched_space.searched
    return [HyperparameterAxis(name, entry) for name, entry in searched.items() if len(set(map(str, entry.bounds))) > 1]
