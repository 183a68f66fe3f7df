"""When training ends, and which epoch was the best."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.arguments import integer, number, one_of
from tuner.metrics import METRICS, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """When training ends: at ``max_epochs``, or early.

    An epoch is better if it lowers the monitored dev value by more than ``min_improvement``.  Training stops after
    ``patience`` epochs in a row that are not better and at least ``min_updates`` updates (an epoch may have very few);
    ``patience=None`` disables early stopping.  ``max_updates`` ends it after that many updates, even within an epoch.
    ``monitor`` is the metric of the dev set to follow, or its name; with ``pooled``, that of the dev sets of all
    networks together, which then stop together and share the best epoch.  With ``ties_by_cost`` an epoch with the
    lowest value so far is the best one if its dev cost is lower, too, but patience goes on from the first of them.
    """

    max_epochs: int = 100
    patience: int | None = 10
    min_updates: int = 500
    min_improvement: float = 0.0
    monitor: str | Metric = "error"
    max_updates: int | None = None
    pooled: bool = False
    ties_by_cost: bool = False

    def __post_init__(self) -> None:
        integer("max_epochs", self.max_epochs, low=1)
        if self.max_updates is not None:
            integer("max_updates", self.max_updates, low=1)
        if self.patience is not None:
            integer("patience", self.patience, low=1)
        integer("min_updates", self.min_updates, low=0)
        number("min_improvement", self.min_improvement, low=0)
        if not isinstance(self.monitor, Metric):
            one_of("monitor", self.monitor, METRICS)

    @property
    def metric(self) -> Metric:
        """The metric to follow."""
        return self.monitor if isinstance(self.monitor, Metric) else METRICS[self.monitor]


class EarlyStopping:
    """Follows one network's monitored value from epoch to epoch."""

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self.best_value = self.best_cost = math.inf
        self.best_epoch = 0
        self.best_updates = 0
        self.better_epoch = 0
        """The last epoch with a lower value than all before, from which patience counts."""

    def better(self, value: float, *, epoch: int, updates: int, cost: float = math.inf) -> bool:
        """Whether this epoch (from 1) is the best so far; if so, record it.  ``cost``: the cost on dev."""
        if not self.best_epoch or value < self.best_value - self._stopping.min_improvement:
            self.better_epoch = epoch
        elif not (self._stopping.ties_by_cost and value == self.best_value and cost < self.best_cost):
            return False
        self.best_value, self.best_cost, self.best_epoch, self.best_updates = value, cost, epoch, updates
        return True

    def latest(self, *, epoch: int, updates: int) -> None:
        """Record the epoch as the best one, as there is no dev set to choose by."""
        self.best_epoch, self.best_updates = epoch, updates

    def exhausted(self, *, epoch: int, updates: int) -> bool:
        """Whether patience has run out after this epoch."""
        patience = self._stopping.patience
        return patience is not None and epoch - self.better_epoch >= patience and updates >= self._stopping.min_updates
