"""The state of one of the networks that train side by side."""

from __future__ import annotations

import math

import numpy as np

from tuner.metrics import WORST_LOSS, Measured
from tuner.nn.arrays import Array
from tuner.nn.diagnostics import LayerReport
from tuner.nn.examples import Prepared
from tuner.nn.plan import Plan
from tuner.nn.schedules import rate_factor
from tuner.nn.stopping import EarlyStopping
from tuner.nn.streams import Seed, streams
from tuner.outcomes import StopReason

CURVE = ("train_cost", "train_error", "dev_cost", "dev_error", "seconds")

WORST_COST = WORST_LOSS


class Lane:
    """One network: its data, random streams, best epoch and curve."""

    def __init__(self, number: int, plan: Plan, seed: Seed, initial: Array | None) -> None:
        self.number = number
        self.plan = plan
        self.hyperparameters = plan.hyperparameters[number]
        self.train = plan.trains[number]
        self.dev = None if plan.devs is None else plan.devs[number]
        self.dev_weights = None if self.dev is None else self.dev.relative_error_weights
        self.streams = streams(seed)
        if initial is None:
            hp = self.hyperparameters
            initial = plan.architecture.initial(self.streams["initialization"], hp.initializer, hp.highest_frequency)
        self.best_theta = initial.astype(plan.dtype)
        self.stopping = EarlyStopping(plan.stopping)
        self.curve: dict[str, list[float]] = {name: [] for name in CURVE}
        self.monitored = self.monitored_cost = math.nan
        self.on_dev = self.best_on_dev = worst_measured(self.dev)
        self.updates = 0
        self.stop_reason: StopReason | None = None
        self.diverged_layer: int | None = None
        self.reports: list[LayerReport] = []

    @property
    def running(self) -> bool:
        """Whether the network is in training."""
        return self.stop_reason is None

    def alpha(self, epoch: int) -> float:
        """Return the learning rate of an epoch, from 0."""
        hp = self.hyperparameters
        return hp.alpha * rate_factor(
            hp.schedule,
            epoch,
            decay_rate=hp.decay_rate,
            decay_epochs=hp.decay_epochs,
            decay_start=hp.decay_start,
            warmup_epochs=hp.warmup_epochs,
            max_epochs=self.plan.stopping.max_epochs,
        )

    def record(self, train: Measured, dev: Measured | None) -> None:
        """Record the finite costs of an epoch."""
        if dev is None or self.dev is None:
            self._append(train.cost, train.error, math.nan, math.nan)
        else:
            self._append(train.cost, train.error, dev.cost, dev.error)
            self.on_dev = dev
            monitor = self.plan.stopping.metric
            self.monitored = monitor.of(dev, self.dev.y, self.dev_weights)
            self.monitored_cost = dev.cost

    def judge(self, epoch: int, theta: Array, updates: int) -> None:
        """Is a recorded epoch (from 1) the best, is it the last?  ``updates``: those that ``min_updates`` asks for."""
        if self.dev is None:
            self.stopping.latest(epoch=epoch, updates=self.updates)
            self.best_theta = theta.copy()
        else:
            if self.stopping.better(self.monitored, epoch=epoch, updates=self.updates, cost=self.monitored_cost):
                self.best_theta, self.best_on_dev = theta.copy(), self.on_dev
            if self.stopping.exhausted(epoch=epoch, updates=updates):
                self.stop_reason = StopReason.PATIENCE
        most = self.plan.stopping.max_updates
        if most is not None and self.updates >= most:
            self.stop_reason = self.stop_reason or StopReason.MAX_UPDATES

    def diverge(self, layer: int) -> None:
        """Record an epoch whose costs were not finite."""
        self.stop_reason = StopReason.DIVERGED
        self.diverged_layer = layer
        self.on_dev = worst_measured(self.dev)
        self._append(WORST_COST, worst_measured(self.train).error, self.on_dev.cost, self.on_dev.error)
        if self.dev is not None:
            monitor = self.plan.stopping.metric
            self.monitored = monitor.worst_loss(is_numeric=self.plan.architecture.is_numeric)

    def _append(self, train_cost: float, train_error: float, dev_cost: float, dev_error: float) -> None:
        for name, value in zip(CURVE, (train_cost, train_error, dev_cost, dev_error), strict=False):
            self.curve[name].append(value)


def worst_measured(examples: Prepared | None) -> Measured:
    """Return the measurement of a network without finite costs: every example wrong, or of the worst loss.

    NaN without examples.
    """
    if examples is None:
        return Measured(math.nan, math.nan, np.zeros(0, dtype=bool), np.zeros(0))
    losses = np.full(len(examples), WORST_COST)
    if examples.y.dtype.kind == "f":
        return Measured(WORST_COST, WORST_COST, losses, losses)
    if examples.counted_by.of_rows is not None:
        worst = examples.counted_by.worst
        return Measured(WORST_COST, worst, np.full(len(examples), worst), losses)
    return Measured(WORST_COST, 1.0, np.ones(len(examples), dtype=bool), losses)
