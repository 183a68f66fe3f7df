"""A trained network, with everything that its training said about it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tuner.errors import ArgumentError
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array, Bools, Ints
from tuner.nn.losses import OUTPUTS
from tuner.nn.propagation import logits_of

CHUNK = 1024
"""Rows that go through the network at once outside training: their activations stay in the cache."""


@dataclass(frozen=True)
class LayerReport:
    """One layer at the end of one epoch, on a sample of the training set: signs of vanishing and exploding.

    ``layer`` counts from 1; the norms are root mean squares over entries, so that layers of different width compare;
    ``dead`` is the fraction of hidden units whose derivative is 0 (ReLU) or below 1e-6 for every example of the sample.
    """

    epoch: int
    layer: int
    gradient: float
    activation: float
    dead: float


@dataclass(frozen=True)
class TrainedNetwork:
    """One network after training.

    θ is that of the best epoch, and so are ``train_*`` and ``dev_*``: keep_prob 1, no augmentation, costs without the
    penalty, the train error over every training example.  Without a dev set the last epoch is the best one, the dev
    values are NaN and ``dev_wrong`` is empty.  ``curve`` holds one value an epoch: train_cost and train_error (of an
    evenly spaced sample of the training set), dev_cost, dev_error, seconds.
    """

    architecture: Architecture
    theta: Array = field(repr=False)
    best_epoch: int
    epochs: int
    updates: int
    stop_reason: str
    diverged_layer: int | None
    curve: dict[str, Array] = field(repr=False)
    train_cost: float
    train_error: float
    dev_cost: float
    dev_error: float
    dev_wrong: Bools = field(repr=False)
    layers: list[LayerReport] = field(repr=False)

    def predict_proba(self, X: Array) -> Array:
        """Class probabilities (n, n_classes) for X (n, n_features)."""
        return OUTPUTS[self.architecture.output].probabilities(self._logits(X))

    def predict(self, X: Array) -> Ints:
        """The most probable class of each row, (n,)."""
        return OUTPUTS[self.architecture.output].classes(self._logits(X))

    def _logits(self, X: Array) -> Array:
        X = np.ascontiguousarray(X, dtype=self.theta.dtype)
        if X.ndim != 2 or X.shape[1] != self.architecture.n_features:
            raise ArgumentError(f"X must have shape (n, {self.architecture.n_features}), got {X.shape}")
        chunks = [X[start : start + CHUNK] for start in range(0, len(X), CHUNK)] or [X]
        return np.concatenate([logits_of(self.architecture, self.theta[None], chunk)[0] for chunk in chunks])
