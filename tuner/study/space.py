"""The search space: ranges of a definition, their Optuna distributions, and the resulting hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.data import AUGMENTATIONS, PERIODIC
from tuner.nn import Hyperparameters, idle_hyperparameters
from tuner.study.hyperparameters import HYPERPARAMETERS, in_order, layer_of, spec_of
from tuner.study.ranges import Range

Value = Any
"""A hyperparameter's value as written in a definition: a number, ``"full"``, ``"he"``, ``"64-32"``."""


_DISTRIBUTIONS: dict[str, Callable[..., BaseDistribution]] = {
    "float": FloatDistribution,
    "log_float": lambda low, high: FloatDistribution(low, high, log=True),
    "int": IntDistribution,
    "categorical": lambda *choices: CategoricalDistribution(choices),
}
"""Kind of :class:`tuner.scales.Distribution` -> Optuna's distribution, from its values."""


def _roots(low: float, high: float) -> float:
    """The geometric mean of two numbers whose product is no float."""
    return math.sqrt(low) * math.sqrt(high)


_MIDDLES: dict[str, Callable[..., Any]] = {
    "float": lambda low, high: low / 2 + high / 2 if math.isinf(low + high) else (low + high) / 2,
    "log_float": lambda low, high: math.sqrt(low * high) if 0 < low * high < math.inf else _roots(low, high),
    "int": lambda low, high: (low + high) // 2,
    "categorical": lambda *choices: choices[0],
}


def optuna_name(name: str, searched: Range) -> str:
    """Return the parameter's name in Optuna's tables, with the prefix of its scale."""
    return searched.scale.prefix + name


def distribution_of(searched: Range) -> BaseDistribution:
    """Return the Optuna distribution of a range, on its sampling scale."""
    drawn = searched.scale.distribution(searched.bounds)
    return _DISTRIBUTIONS[drawn.kind](*drawn.values)


class Space:
    """The fixed values and the ranges of a definition.

    ``fixed`` maps hyperparameters to values, ``searched`` maps them to :class:`Range`.  Together they hold every
    hyperparameter that the definition sets and, with ``defaults``, the six that are always shown.  Unknown names are
    hyperparameters of a custom trainer, without defaults.  ``has_periodic``: some numbers are periodic inputs in every
    trial.
    """

    def __init__(
        self, entries: Mapping[str, Value | Range], *, defaults: bool = True, has_periodic: bool = False
    ) -> None:
        self._has_periodic = has_periodic
        self.fixed: dict[str, Value] = {}
        self.searched: dict[str, Range] = {}
        self._idle: dict[tuple[tuple[str, Value], ...], list[str]] = {}
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
        """Optuna's name and distribution of every searched hyperparameter, in a fixed order."""
        return {optuna_name(name, r): distribution_of(r) for name, r in sorted(self.searched.items())}

    def values(self, sampled: Mapping[str, Any]) -> dict[str, Value]:
        """Return every hyperparameter's value, in display order, from what Optuna sampled."""
        values = dict(self.fixed)
        for name, searched in self.searched.items():
            values[name] = searched.scale.from_sampled(sampled[optuna_name(name, searched)])
        return {name: values[name] for name in in_order(values)}

    def sampled(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """Return Optuna's parameters of the searched hyperparameters among ``values``; the sampler draws the rest."""
        return {
            optuna_name(name, searched): searched.scale.to_sampled(values[name])
            for name, searched in self.searched.items()
            if name in values
        }

    def middle(self) -> dict[str, Value]:
        """Return the middle of every range on its sampling scale, and the first of every choice."""
        drawn = {optuna_name(name, r): r.scale.distribution(r.bounds) for name, r in self.searched.items()}
        return self.values({name: _MIDDLES[of.kind](*of.values) for name, of in drawn.items()})

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a point (every hyperparameter with its value) is in this space, with the same fixed values."""
        for name, fixed in self.fixed.items():
            if name in values and values[name] != fixed:
                return False
        return all(name in values and self.searched[name].contains(values[name]) for name in self.searched)

    def hyperparameters(self, values: Mapping[str, Value]) -> Hyperparameters:
        """Return the network's settings at a point of the space, without augmentation strengths."""
        settings = {
            spec.field: spec.parse(values[name])
            for name, spec in HYPERPARAMETERS.items()
            if spec.field and name in values
        }
        of_layers = {layer: values[name] for name in values if (layer := layer_of(name))}
        if of_layers:
            rest = settings.get("keep_prob", 1.0)
            layers = range(1, len(settings["hidden"]) + 1)
            settings["keep_prob"] = tuple(of_layers.get(layer, rest) for layer in layers)
        return Hyperparameters(**settings)

    def augmentation(self, values: Mapping[str, Value]) -> dict[str, float]:
        """Return the strengths of the data augmentation at a point of the space."""
        return {name: float(values[name]) for name in AUGMENTATIONS if name in values}

    def idle(self, choices: Mapping[str, Value]) -> list[str]:
        """Return the searched hyperparameters without effect under these choices: beta with gradient descent.

        Only a choice makes others idle. The space is static, so they are sampled anyway; analyses should ignore them.
        """
        every = {**self.fixed, **choices}.items()
        made = tuple((name, of) for name, of in every if spec_of(name).kinds == ("choice",))
        if made not in self._idle:
            network = self.hyperparameters(dict(made))
            fields = idle_hyperparameters(network)
            if not self._has_periodic and dict(made).get("numeric") != PERIODIC:
                fields |= {"highest_frequency"}
            self._idle[made] = [
                name
                for name in self.searched
                if spec_of(name).field in fields or (layer_of(name) or 0) > len(network.hidden)
            ]
        return self._idle[made]
