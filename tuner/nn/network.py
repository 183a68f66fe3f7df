"""A network, and what its training recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tuner.errors import ArgumentError
from tuner.metrics import Measured
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array, Bools, Ints
from tuner.nn.diagnostics import LayerReport
from tuner.nn.evaluation import logits_of
from tuner.nn.losses import OUTPUTS
from tuner.outcomes import StopReason


@dataclass(frozen=True)
class Network:
    """A network that predicts: its architecture, and θ (n_parameters,)."""

    architecture: Architecture
    theta: Array = field(repr=False)

    def classify(self, X: Array) -> tuple[Ints, Array]:
        """Return the most probable class of each row, (n,), and class probabilities (n, n_classes)."""
        output, logits = OUTPUTS[self.architecture.output], self._logits(X)
        return output.classes(logits), np.ascontiguousarray(output.probabilities(logits).T)

    def predict_proba(self, X: Array) -> Array:
        """Return class probabilities (n, n_classes) for X (n, n_features)."""
        return np.ascontiguousarray(OUTPUTS[self.architecture.output].probabilities(self._logits(X)).T)

    def predict(self, X: Array) -> Ints:
        """Return the most probable class of each row, (n,)."""
        return OUTPUTS[self.architecture.output].classes(self._logits(X))

    def _logits(self, X: Array) -> Array:
        """(n_outputs, n)"""
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != self.architecture.n_features:
            raise ArgumentError(f"X: expected shape (n, {self.architecture.n_features}), got {X.shape}")
        return logits_of(self.architecture, self.theta, X)


@dataclass(frozen=True)
class TrainedNetwork(Network):
    """One network after training.

    θ, ``train_*`` and ``dev_*`` are those of the best epoch: keep_prob 1, no augmentation, costs without the penalty,
    the train error over every training example.  Without a dev set the last epoch is the best one, the dev values are
    NaN and ``dev_wrong`` is empty.  ``curve`` holds one value per epoch: train_cost and train_error (of an evenly
    spaced sample of the training set), dev_cost, dev_error, seconds.  ``updates`` counts those up to the best epoch.
    A network that diverged in the first epoch has ``best_epoch`` 0, its initial θ, error 1 and cost 1e6.
    """

    best_epoch: int
    epochs: int
    updates: int
    stop_reason: StopReason
    diverged_layer: int | None
    curve: dict[str, Array] = field(repr=False)
    train_cost: float
    train_error: float
    on_dev: Measured = field(repr=False)
    layers: list[LayerReport] = field(repr=False)

    @property
    def dev_cost(self) -> float:
        """Mean cost on the dev set."""
        return self.on_dev.cost

    @property
    def dev_error(self) -> float:
        """Share of the dev set that is classified wrongly."""
        return self.on_dev.error

    @property
    def dev_wrong(self) -> Bools:
        """Which dev examples are classified wrongly, (n_dev,)."""
        return self.on_dev.wrong
