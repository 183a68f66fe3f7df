"""Which of a study's trials is the best: the owner of their order, in Python and in SQL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tuner.storage import optuna_internals, tables


class Rank(NamedTuple):
    """A trial's place, the lowest of which is the best: value, then cost on dev (``tie_break``), then number."""

    value: float
    tie_break: float
    number: int


RANK = (optuna_internals.values.c.value, tables.trials.c.tie_break, optuna_internals.trials.c.number)
"""The columns of ``Rank``."""


class Costed(Protocol):
    """A network with its cost on its dev rows."""

    @property
    def dev_cost(self) -> float:
        """Mean loss on its dev rows."""

    @property
    def n_dev(self) -> int:
        """Its dev rows."""


def tie_break(networks: Sequence[Costed]) -> float:
    """Return the cost on dev of a trial's networks together; 0 where it is not known, as of a custom trainer's."""
    rows = sum(network.n_dev for network in networks)
    cost = math.fsum(network.dev_cost * network.n_dev for network in networks) / rows if rows else 0.0
    return cost if math.isfinite(cost) else 0.0
