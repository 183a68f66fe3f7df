"""What a definition may say where a trainer of its own takes the place of our network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from tuner.study.ranges import Range
from tuner.study.space import optuna_name

_TRAINER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

_FREE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_RECORDED = (
    *("number", "state", "stop_reason", "value", "train_error", "dev_error", "train_cost", "dev_cost"),
    *("avoidable_bias", "variance", "best_epoch", "epochs", "epoch", "seed", "seconds"),
)
"""What every trial records under these names; a hyperparameter needs another one."""

_UNSEEN = {
    "network": ("hidden", "activation", "output"),
    "training": ("patience", "min_updates", "min_improvement", "monitor", "penalty_per"),
}
"""Keys that only our own network obeys: beside a trainer they would have no effect."""


def check_trainer(value: str) -> str:
    """Raise ValueError unless a text names a function of a module."""
    if not _TRAINER.fullmatch(value) or len(value) > 200:
        raise ValueError(f"expected package.module:function, got {value!r}")
    return value


def check_free_name(name: str) -> None:
    """Raise ValueError for a name that a trainer's hyperparameter cannot have."""
    if not _FREE_NAME.fullmatch(name):
        raise ValueError(f"space.{name}: expected a name of letters, digits and '_', got {name!r}")
    if name in _RECORDED:
        raise ValueError(f"space.{name}: expected another name, like n_{name}, got one that every trial records itself")


def refuse_unseen(section: str, said: BaseModel) -> None:
    """Raise ValueError for the first key of a section that a trainer would never see."""
    for key in _UNSEEN[section]:
        if key in said.model_fields_set:
            raise ValueError(
                f"{section}.{key}: expected no such key beside network.trainer, which would not see it, got "
                f"{getattr(said, key)!r}; what the trainer should see belongs in [space]"
            )


def refuse_twins(space: Mapping[str, Any]) -> None:
    """Raise ValueError where two ranges would be one parameter in Optuna's tables, like log2_n and n in powers of
    two.
    """
    seen: dict[str, str] = {}
    for name, entry in space.items():
        sampled = optuna_name(name, entry.kind) if isinstance(entry, Range) else name
        if sampled in seen:
            raise ValueError(f"space.{name}: expected another name, got one that is sampled as {seen[sampled]!r} is")
        seen[sampled] = name
