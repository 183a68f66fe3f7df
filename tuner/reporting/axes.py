"""Axes of the searched hyperparameters, each on the scale it is sampled on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuner.formatting import shorten, value
from tuner.reporting.svg import TICK_LETTER, AxisScale
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

    def ticks_on(self, x: AxisScale) -> tuple[list[float], list[str]]:
        """Return pixels and labels of about three ticks along a scale from 0 to 1; of a choice all, cut to fit."""
        places, labels = zip(*self.ticks(3), strict=True)
        if not self.searched.scale.is_numeric:
            room = abs(float(x(1)) - float(x(0))) / len(labels)
            labels = tuple(shorten(label, max(int((room - 8) / TICK_LETTER), 2)) for label in labels)
        return [float(x(place)) for place in places], list(labels)


def hyperparameter_axes(definition: StudyDefinition) -> list[HyperparameterAxis]:
    """Return the axes of the searched hyperparameters with more than one value, in their order."""
    searched = definition.searched_space.searched
    return [HyperparameterAxis(name, entry) for name, entry in searched.items() if len(set(map(str, entry.bounds))) > 1]
