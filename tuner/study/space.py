"""What is searched: the ranges of a definition, their Optuna distributions, and the hyperparameters they turn into."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.data import AUGMENTATIONS
from tuner.nn import Hyperparameters, idle_hyperparameters
from tuner.study.hyperparameters import HYPERPARAMETERS
from tuner.study.ranges import Range

Value = Any
"""A hyperparameter's value as people write it: a number, ``"full"``, ``"he"``, ``"64-32"``."""


_DISTRIBUTIONS: dict[str, Callable[..., BaseDistribution]] = {
    "float": FloatDistribution,
    "log_float": lambda low, high: FloatDistribution(low, high, log=True),
    "int": IntDistribution,
    "categorical": lambda *choices: CategoricalDistribution(choices),
}
"""Kind of :class:`tuner.scales.Distribution` -> Optuna's distribution, from its values."""

_MIDDLES: dict[str, Callable[..., Any]] = {
    "float": lambda low, high: (low + high) / 2,
    "log_float": lambda low, high: math.sqrt(low * high),
    "int": lambda low, high: (low + high) // 2,
    "categorical": lambda *choices: choices[0],
}


def optuna_name(name: str, searched: Range) -> str:
    """The parameter's name in Optuna's tables: the scale it is sampled on is part of the name."""
    return searched.scale.prefix + name


def distribution_of(searched: Range) -> BaseDistribution:
    """The Optuna distribution of a range, on the scale it is sampled on."""
    drawn = searched.scale.distribution(searched.bounds)
    return _DISTRIBUTIONS[drawn.kind](*drawn.values)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of hyperparameters as trials show them: tuner's in their order, then the others as they come."""
    given = list(names)
    return [name for name in HYPERPARAMETERS if name in given] + [name for name in given if name not in HYPERPARAMETERS]


class Space:
    """The fixed values and the ranges of a definition, and the way from one to the other.

    ``fixed`` maps a hyperparameter to its value, ``searched`` a hyperparameter to its :class:`Range`; together they
    hold every hyperparameter the definition has something to say about, and (with ``defaults``) those of the six that
    are always shown.  Names that are no hyperparameters are the hyperparameters of a trainer of the study's own, which
    has no defaults of ours.
    """

    def __init__(self, entries: Mapping[str, Value | Range], *, defaults: bool = True) -> None:
        self.fixed: dict[str, Value] = {}
        self.searched: dict[str, Range] = {}
        if defaults:
            entries = {name: spec.default for name, spec in HYPERPARAMETERS.items() if spec.always_shown} | dict(
                entries
            )
        for name in in_order(entries):
            entry = entries[name]
            if isinstance(entry, Range):
                self.searched[name] = entry
            else:
                self.fixed[name] = entry

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's name and distribution of every searched hyperparameter, in a fixed order (the space is static)."""
        return {optuna_name(name, r): distribution_of(r) for name, r in sorted(self.searched.items())}

    def values(self, sampled: Mapping[str, Any]) -> dict[str, Value]:
        """Every hyperparameter with its value as people read it, from what Optuna sampled; in their order."""
        found = dict(self.fixed)
        for name, searched in self.searched.items():
            found[name] = searched.scale.from_sampled(sampled[optuna_name(name, searched)])
        return {name: found[name] for name in in_order(found)}

    def sampled(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """Optuna's parameters for the searched hyperparameters among ``values``; the rest is left to the sampler."""
        return {
            optuna_name(name, searched): searched.scale.to_sampled(values[name])
            for name, searched in self.searched.items()
            if name in values
        }

    def middle(self) -> dict[str, Value]:
        """The point in the middle of every range, on the scale it is sampled on; the first of every choice."""
        drawn = {optuna_name(name, r): r.scale.distribution(r.bounds) for name, r in self.searched.items()}
        return self.values({name: _MIDDLES[of.kind](*of.values) for name, of in drawn.items()})

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a point (every hyperparameter with its value) lies in this space, fixed values included."""
        for name, fixed in self.fixed.items():
            if name in values and values[name] != fixed:
                return False
        return all(name in values and self.searched[name].contains(values[name]) for name in self.searched)

    def hyperparameters(self, values: Mapping[str, Value]) -> Hyperparameters:
        """The network's own settings for a point of the space (augmentation strengths are the data's)."""
        found = {
            spec.field: spec.parse(values[name])
            for name, spec in HYPERPARAMETERS.items()
            if spec.field and name in values
        }
        return Hyperparameters(**found)

    def augmentation(self, values: Mapping[str, Value]) -> dict[str, float]:
        """The strengths of the data augmentation at a point of the space."""
        return {name: float(values[name]) for name in AUGMENTATIONS if name in values}

    def idle(self, choices: Mapping[str, Value]) -> list[str]:
        """The searched hyperparameters that do nothing where these choices are made: beta under gradient descent.

        Only a choice makes others idle. The space is static, so they are sampled all the same; nothing should be
        concluded from them.
        """
        made = {
            name: of for name, of in {**self.fixed, **choices}.items() if HYPERPARAMETERS[name].kinds == ("choice",)
        }
        fields = idle_hyperparameters(self.hyperparameters(made))
        return [name for name in self.searched if HYPERPARAMETERS[name].field in fields]
