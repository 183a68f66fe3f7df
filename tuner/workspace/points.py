"""Points that a person or another program chose: whether a study can run them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.errors import UsageError
from tuner.study import StudyDefinition, nearest_key, spec_of


def check_point(definition: StudyDefinition, values: Mapping[str, Any]) -> None:
    """Raise UsageError for the first value that cannot be run in this study."""
    space = definition.searched_space
    known = definition.trainer_kind.known(definition.space)
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"unknown hyperparameter {name!r}{nearest_key(name, known)}")
        hyperparameter = spec_of(name)
        expected = hyperparameter.check(value)
        if expected:
            raise UsageError(f"{name}: expected {expected}, got {value!r}")
        if name in space.searched:
            searched = space.searched[name]
            if not searched.contains(value):
                raise UsageError(
                    f"{name} = {value} is outside the range of {definition.name}: {searched.kind} = "
                    f"{list(searched.bounds)}"
                )
        elif (fixed := space.fixed.get(name, definition.defaults.get(name, hyperparameter.default))) != value:
            raise UsageError(
                f"{name} is fixed at {fixed} in {definition.name}, got {value}. Add it to [space] to search it"
            )
