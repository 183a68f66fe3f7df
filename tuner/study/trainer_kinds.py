"""The kinds of trainers: which keys each accepts, and what is known of its models.

To add a kind, add a :class:`TrainerKind`, and a class in ``tuner.trainers`` that trains.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from tuner.formatting import shorten
from tuner.study.hyperparameters import HYPERPARAMETERS
from tuner.study.ranges import Range
from tuner.study.space import optuna_name

_TRAINER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

_FREE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_RECORDED = (
    *("number", "state", "stop_reason", "value", "train_error", "dev_error", "train_cost", "dev_cost"),
    *("avoidable_bias", "variance", "best_epoch", "epochs", "epoch", "seed", "seconds"),
)
"""Names of what every trial records; a hyperparameter cannot have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerKind:
    """The properties of a kind of trainer.

    ``knows_hyperparameters``: it uses tuner's hyperparameters and their defaults, and no other names.  ``ignored``: per
    section the keys without effect.  ``has_size``: its models are networks with known layers and parameters.
    ``has_cost``: their costs are recorded.  ``has_dev_folds``: the errors on each dev fold are recorded after every
    epoch, so that the selection correction allows for the choice of the epoch.  ``augments``: it augments images.
    ``can_train_again``: a trial's training can be run on other rows, or continued.
    """

    knows_hyperparameters: bool
    has_size: bool
    has_cost: bool
    has_dev_folds: bool
    augments: bool
    can_train_again: bool
    ignored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, Any]:
        """The default of each hyperparameter."""
        return {name: spec.default for name, spec in HYPERPARAMETERS.items()} if self.knows_hyperparameters else {}

    @property
    def chosen(self) -> str:
        """The choice that the selection correction allows for."""
        return "trial and epoch" if self.has_dev_folds else "trial"

    def known(self, space: Mapping[str, Any]) -> Collection[str]:
        """Return the possible names of a trial's hyperparameters."""
        return {**HYPERPARAMETERS, **space} if self.knows_hyperparameters else space

    def check_keys(self, section: str, given: BaseModel) -> None:
        """Raise ValueError for a key of a section that has no effect on this kind of trainer."""
        for key in self.ignored.get(section, ()):
            if key in given.model_fields_set:
                raise ValueError(
                    f"{section}.{key}: has no effect with a custom trainer, got {getattr(given, key)!r}; put what the "
                    "trainer needs in [space]"
                )


OWN_NETWORK = TrainerKind(
    knows_hyperparameters=True, has_size=True, has_cost=True, has_dev_folds=True, augments=True, can_train_again=True
)
"""tuner's own network."""

CUSTOM_TRAINER = TrainerKind(
    knows_hyperparameters=False,
    has_size=False,
    has_cost=False,
    has_dev_folds=False,
    augments=False,
    can_train_again=False,
    ignored={
        "data": ("target_transform",),
        "network": ("hidden", "activation", "output", "quantiles"),
        "training": ("patience", "min_updates", "min_improvement", "monitor", "penalty_per", "rates", "class_weight"),
    },
)
"""A function named by ``[network] trainer``."""


def kind_of(trainer: str | None) -> TrainerKind:
    """Return the kind of ``[network] trainer``."""
    return OWN_NETWORK if trainer is None else CUSTOM_TRAINER


def check_trainer(value: str) -> str:
    """Raise ValueError unless a text has the form package.module:function."""
    if not _TRAINER.fullmatch(value) or len(value) > 200:
        raise ValueError(f"expected package.module:function, got {shorten(repr(value))}")
    return value


def is_free_name(name: str) -> bool:
    """Whether a custom trainer's hyperparameter can have this name."""
    return bool(_FREE_NAME.fullmatch(name)) and name not in _RECORDED


def check_free_name(name: str) -> None:
    """Raise ValueError for an invalid name of a custom trainer's hyperparameter."""
    if not _FREE_NAME.fullmatch(name):
        raise ValueError(f"space.{name}: expected a name of letters, digits and '_', got {shorten(repr(name))}")
    if name in _RECORDED:
        raise ValueError(f"space.{name}: every trial records something under this name; choose another, like n_{name}")


def refuse_twins(space: Mapping[str, Any]) -> None:
    """Raise ValueError if two ranges have one name in Optuna's tables, like log2_n and n in powers of two."""
    seen: dict[str, str] = {}
    for name, entry in space.items():
        sampled = optuna_name(name, entry) if isinstance(entry, Range) else name
        if sampled in seen:
            raise ValueError(f"space.{name}: stored under the same name as {seen[sampled]!r}; choose another name")
        seen[sampled] = name
