"""Axes of the searched hyperparameters, on the scale each is sampled on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuner.formatting import value
from tuner.study import Range, StudyDefinition


@dataclass(frozen=True)
class HyperparameterAxis:
    """One searched hyperparameter: where on its axis (0 to 1) a value lies, and what to write beside it."""

    name: str
    searched: Range

    def position(self, of: Any) -> float | None:
        """Place of a value between the lower end (0) and the upper (1); None for values that have none."""
        return self.searched.scale.axis_position(self.searched.bounds, of)

    def ticks(self, about: int = 4) -> list[tuple[float, str]]:
        """Places and labels along the axis; both ends are always there."""
        found = self.searched.scale.spaced_ticks(self.searched.bounds, about)
        return [(place, value(of)) for place, of in found]


def hyperparameter_axes(definition: StudyDefinition) -> list[HyperparameterAxis]:
    """The searched hyperparameters that can take more than one value, in their order."""
    searched = definition.searched_space.searched
    return [HyperparameterAxis(name, entry) for name, entry in searched.items() if len(set(map(str, entry.bounds))) > 1]
