"""``[diagnosis] cost``: what mistakes cost, by true and predicted class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tuner.arguments import shown
from tuner.errors import UsageError
from tuner.formatting import some_of

KEY = "diagnosis.cost"
ARROW = "->"


def cost_matrix(costs: Mapping[str, float], class_names: Sequence[str]) -> np.ndarray:
    """Return the costs (n_classes, n_classes) of pairs like "yes->no", true class first; other mistakes cost 1.

    A right prediction costs 0.  Raises UsageError for a pair that is not of two classes.
    """
    matrix = 1.0 - np.eye(len(class_names))
    places = {name: place for place, name in enumerate(class_names)}
    for pair, cost in costs.items():
        true, predicted = _pair(pair, places)
        matrix[places[true], places[predicted]] = cost
    if len(class_names) and not matrix.any():
        raise UsageError(f"{KEY}: expected at least one cost > 0")
    return matrix


def _pair(pair: str, class_names: Mapping[str, int]) -> tuple[str, str]:
    """Split "yes->no" into two classes, whose names may contain the arrow, too."""
    ends = [at for at in range(len(pair)) if pair.startswith(ARROW, at)]
    possible = [(pair[:at].strip(), pair[at + len(ARROW) :].strip()) for at in ends]
    for true, predicted in possible:
        if true in class_names and predicted in class_names and true != predicted:
            return true, predicted
    expected = 'expected two classes like "true->predicted"'
    if not possible or possible[0][0] == possible[0][1]:
        raise UsageError(f"{KEY}: {expected}, got {shown(pair)}; the classes are {some_of([*class_names])}")
    unknown = next(name for name in possible[0] if name not in class_names)
    raise UsageError(f"{KEY}: {shown(pair)}: no class {shown(unknown)}; the classes are {some_of([*class_names])}")
