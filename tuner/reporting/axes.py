"""Axes of the searched hyperparameters, on the scale each is sampled on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tuner.reporting.sentences import value
from tuner.reporting.svg import Scale
from tuner.study import Range, StudyDefinition


@dataclass(frozen=True)
class KnobAxis:
    """One searched hyperparameter: where on its axis (0 to 1) a value lies, and what to write beside it."""

    name: str
    searched: Range

    def position(self, of: Any) -> float | None:
        """Place of a value between the lower end (0) and the upper (1); None for values that have none."""
        kind, bounds = self.searched.kind, self.searched.bounds
        if kind == "choice":
            return self._place(of)
        if isinstance(of, bool) or not isinstance(of, int | float):
            return None
        low, high = bounds
        forward = _FORWARD[kind]
        span = forward(high) - forward(low)
        return min(max((forward(of) - forward(low)) / span, 0.0), 1.0) if span else 0.5

    def _place(self, of: Any) -> float | None:
        choices = list(self.searched.bounds)
        if of not in choices:
            return None
        return (choices.index(of) + 0.5) / len(choices)

    def ticks(self, about: int = 4) -> list[tuple[float, str]]:
        """Places and labels along the axis; both ends are always there."""
        kind, bounds = self.searched.kind, self.searched.bounds
        if kind == "choice":
            found = list(bounds)
        elif kind == "power_of_two":
            low, high = (int(math.log2(bound)) for bound in bounds)
            found = [2**power for power in range(low, high + 1, max(1, math.ceil((high - low) / about)))]
        elif kind == "one_minus_log_uniform":
            low, high = bounds
            found = [low, *(v for v in (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999) if low < v < high), high]
        else:
            low, high = bounds
            scale = Scale(low, high, 0, 1, "log" if kind == "log_uniform" else "linear")
            found = [low, *scale.ticks(about), high]
        return self._apart(found, about)

    def _apart(self, values: list[Any], about: int) -> list[tuple[float, str]]:
        """The values far enough from each other to be read, the ends first."""
        placed = [(self.position(v), value(v)) for v in values]
        chosen: list[tuple[float, str]] = []
        for place, label in [placed[0], placed[-1], *placed[1:-1]] if self.searched.kind != "choice" else placed:
            room = 0.0 if self.searched.kind == "choice" else 0.6 / about
            if place is not None and all(abs(place - other) > room for other, _ in chosen):
                chosen.append((place, label))
        return sorted(chosen)


_FORWARD = {
    "uniform": float,
    "log_uniform": math.log10,
    "one_minus_log_uniform": lambda v: -math.log10(1 - v),
    "power_of_two": math.log2,
}


def knob_axes(definition: StudyDefinition) -> list[KnobAxis]:
    """The searched hyperparameters that can take more than one value, in the order of the knobs."""
    searched = definition.searched_space.searched
    return [KnobAxis(name, entry) for name, entry in searched.items() if len(set(map(str, entry.ends))) > 1]
