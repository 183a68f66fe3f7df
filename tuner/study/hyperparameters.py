"""Every hyperparameter that a definition can fix or search.

To add one, add an entry to ``HYPERPARAMETERS`` and, if the network needs it, a field to ``tuner.nn.Hyperparameters``.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tuner.data import AUGMENTATIONS, FORMS, STANDARDIZE
from tuner.formatting import bounded
from tuner.nn import (
    ACTIVATIONS,
    INITIALIZERS,
    MOST_FREQUENCY,
    NORMALIZATIONS,
    OPTIMIZERS,
    SCHEDULES,
    Hyperparameters,
)
from tuner.scales import SCALES, is_power_of_two
from tuner.study.known_names import suggest

MOST_LAYERS = 1000
"""Hidden layers of a network: far more than one can train, far fewer than it takes minutes to lay out."""

Check = Callable[[Any], str | None]
"""Returns what was expected of a value, or None if the value is valid."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(
    *, low: float = -math.inf, above: float = -math.inf, high: float = math.inf, below: float = math.inf
) -> Check:
    expected = bounded("a number", low=low, above=above, high=high, below=below)
    return lambda value: None if _is_number(value) and low <= value <= high and above < value < below else expected


def _one_of(table: Collection[str]) -> Check:
    return lambda value: (
        None if isinstance(value, str) and value in table else f"one of {', '.join(table)}{suggest(value, table)}"
    )


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _batch_size(value: Any) -> str | None:
    if value == "full" or (_is_integer(value) and is_power_of_two(value)):
        return None
    return 'a power of two (1, 2, 4, …, 64, 128, …) or "full"'


def _keep_prob(value: Any) -> str | None:
    shares = value if isinstance(value, list | tuple) else [value]
    if shares and all(_is_number(share) and 0 < share <= 1 for share in shares):
        return None
    return f"{bounded('a number', above=0, high=1)}, or a list of one per layer"


def _hidden(value: Any) -> str | None:
    try:
        parse_hidden(value)
    except (ValueError, TypeError, AttributeError):
        return 'widths of the hidden layers, like "64-32", or "none"'
    return None


def parse_hidden(text: str) -> tuple[int, ...]:
    """Parse ``"64-32"`` as (64, 32); ``"none"`` is no hidden layer: logistic or softmax regression."""
    if text == "none":
        return ()
    widths = tuple(int(part) for part in text.split("-", MOST_LAYERS))
    if min(widths) < 1:
        raise ValueError(f"expected at least one unit per hidden layer, got {text!r}")
    return widths


def format_hidden(hidden: Collection[int]) -> str:
    """The inverse of :func:`parse_hidden`."""
    return "-".join(map(str, hidden)) or "none"


def _as_is(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class HyperparameterSpec:
    """One hyperparameter: its valid values, its ranges, and what it is.

    ``field``: its name in :class:`tuner.nn.Hyperparameters` (None: one of the data, ``otherwise`` if a definition does
    not set it).  ``kinds``: the ranges it can be searched over.  ``higher_is_simpler``: whether a larger value
    regularizes more (None: neither).  ``options``: the names it can be, if it is a name.  ``most``: no range is widened
    beyond it.
    """

    field: str | None
    check: Check
    kinds: tuple[str, ...]
    help: str
    always_shown: bool = False
    parse: Callable[[Any], Any] = _as_is
    higher_is_simpler: bool | None = None
    options: tuple[str, ...] = ()
    otherwise: Any = 0.0
    most: float = math.inf

    @property
    def default(self) -> Any:
        """The value if a definition does not set it."""
        return getattr(Hyperparameters(), self.field) if self.field else self.otherwise


_SCALES = ("log_uniform", "uniform", "choice")
_SHARES = ("uniform", "log_uniform", "choice")
_MEMORIES = ("one_minus_log_uniform", "uniform", "choice")


def _count(least: int) -> Check:
    def check(value: Any) -> str | None:
        return None if _is_integer(value) and value >= least else bounded("an integer", low=least)

    return check


def _named(field: str, table: Collection[str], text: str, always_shown: bool = False) -> HyperparameterSpec:
    return HyperparameterSpec(field, _one_of(table), ("choice",), text, always_shown, options=tuple(table))


HYPERPARAMETERS: dict[str, HyperparameterSpec] = {
    "lambda": HyperparameterSpec(
        "lambda_",
        _number(low=0),
        _SCALES,
        "L2 penalty, λ/(2m) Σ w²; with adamw each step takes α λ/m of every weight",
        True,
        higher_is_simpler=True,
    ),
    "keep_prob": HyperparameterSpec(
        "keep_prob",
        _keep_prob,
        _SHARES,
        "dropout: share of units that are kept; one number, one per layer, or those of some layers, like keep_prob.1",
        True,
        higher_is_simpler=False,
    ),
    "alpha": HyperparameterSpec("alpha", _number(above=0), _SCALES, "learning rate", True),
    "beta": HyperparameterSpec("beta", _number(low=0, below=1), _MEMORIES, "momentum (Adam's β₁)", True),
    "batch_size": HyperparameterSpec(
        "batch_size", _batch_size, ("power_of_two", "choice"), 'mini-batch size, a power of two or "full"', True
    ),
    "initializer": _named("initializer", INITIALIZERS, "how the weights are initialized", True),
    "hidden": HyperparameterSpec(
        "hidden", _hidden, ("choice",), 'widths of the hidden layers, like "64-32"', parse=parse_hidden
    ),
    "activation": _named("activation", ACTIVATIONS, "activation of the hidden layers"),
    "l1": HyperparameterSpec(
        "l1",
        _number(low=0),
        _SCALES,
        "L1 penalty, λ₁/(2m) Σ |w|, which makes weights exactly 0",
        higher_is_simpler=True,
    ),
    "optimizer": _named("optimizer", OPTIMIZERS, "optimizer"),
    "beta2": HyperparameterSpec(
        "beta2",
        _number(low=0, below=1),
        _MEMORIES,
        "decay rate of the squared gradient's average (RMSprop, Adam, AdamW)",
    ),
    "schedule": _named("schedule", SCHEDULES, "learning-rate schedule"),
    "decay_rate": HyperparameterSpec(
        "decay_rate", _number(low=0), _SCALES, "how fast the schedule lowers the learning rate"
    ),
    "decay_epochs": HyperparameterSpec(
        "decay_epochs", _count(1), ("choice", "power_of_two"), "epochs per step of the schedule"
    ),
    "decay_start": HyperparameterSpec(
        "decay_start",
        _count(0),
        ("choice",),
        "epochs with alpha itself before the schedule begins; 1 as in the notebooks of the lectures",
    ),
    "warmup_epochs": HyperparameterSpec(
        "warmup_epochs", _count(0), ("choice",), "epochs at the start in which the learning rate rises to alpha"
    ),
    "label_smoothing": HyperparameterSpec(
        "label_smoothing",
        _number(low=0, below=1),
        _SHARES,
        "share of each target that is spread evenly over all classes, in the cost of training",
        most=0.9,
    ),
    "clip_norm": HyperparameterSpec(
        "clip_norm", _number(low=0), _SCALES, "largest norm of the cost's gradient, without the penalty; 0: any"
    ),
    "weight_average": HyperparameterSpec(
        "weight_average",
        _number(low=0, below=1),
        _MEMORIES,
        "decay rate of the average of the weights over the updates, evaluated and kept in their place; 0: none",
    ),
    "normalization": _named(
        "normalization", NORMALIZATIONS, "normalization of each hidden layer before its activation, over a mini-batch"
    ),
    "residual": HyperparameterSpec(
        "residual",
        _flag,
        ("choice",),
        "true: a hidden layer as wide as the one before adds that one's activations to its own (residual blocks)",
    ),
    "numeric": HyperparameterSpec(
        None,
        _one_of(FORMS),
        ("choice",),
        "form in which numbers are inputs, for all columns without one of their own in [data.columns]",
        options=FORMS,
        otherwise=STANDARDIZE,
    ),
    "highest_frequency": HyperparameterSpec(
        "highest_frequency",
        _number(above=0, high=MOST_FREQUENCY),
        _SCALES,
        'of the waves of numbers in the form "periodic", at the start, in cycles per standard deviation',
        most=MOST_FREQUENCY,
    ),
    **{
        name: HyperparameterSpec(
            None,
            _number(low=0, high=augmentation.most),
            _SHARES,
            f"augmentation: {augmentation.unit}",
            most=augmentation.most,
        )
        for name, augmentation in AUGMENTATIONS.items()
    },
}
"""In the order in which trials show them."""


KEEP_PROB_OF_A_LAYER = HyperparameterSpec(
    "keep_prob",
    _number(above=0, high=1),
    _SHARES,
    "keep_prob of one hidden layer, from 1; the others have keep_prob",
    higher_is_simpler=False,
)
"""``keep_prob.1``, ``keep_prob.2``, …: names beside those of ``HYPERPARAMETERS``."""
_LAYER = re.compile(r"keep_prob\.([1-9]\d{0,3})")


def layer_of(name: str) -> int | None:
    """Return the hidden layer, from 1, whose ``keep_prob.LAYER`` a name is; None for other names."""
    match = _LAYER.fullmatch(name)
    return int(match[1]) if match else None


@lru_cache(maxsize=1000)
def spec_of(name: str) -> HyperparameterSpec:
    """Return what tuner knows of a hyperparameter; ``FREE`` for a name of a custom trainer."""
    return HYPERPARAMETERS.get(name) or (FREE if layer_of(name) is None else KEEP_PROB_OF_A_LAYER)


def in_order(names: Iterable[str]) -> list[str]:
    """Return hyperparameter names in display order: tuner's own first, then the others as given."""
    return list(_in_order(tuple(names)))


@lru_cache(maxsize=1000)
def _in_order(names: tuple[str, ...]) -> list[str]:
    """The order of a study's names, which is asked for with every trial."""
    place = {name: number for number, name in enumerate(HYPERPARAMETERS)}
    return sorted(
        dict.fromkeys(names), key=lambda name: (place.get(name.partition(".")[0], len(place)), layer_of(name) or 0)
    )


def _plain(value: Any) -> str | None:
    if isinstance(value, str | bool) or _is_number(value):
        return None
    if isinstance(value, list | tuple) and all(_is_number(one) for one in value):
        return None
    return "a finite number, a text, a list of numbers, true or false"


FREE = HyperparameterSpec(None, _plain, tuple(SCALES), "a hyperparameter of the custom trainer")
"""Any name that is not in ``HYPERPARAMETERS``, in a study with a custom trainer."""
