"""A network, and what its training recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tuner.errors import ArgumentError
from tuner.inputs import Inputs
from tuner.metrics import Measured
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.diagnostics import LayerReport
from tuner.nn.evaluation import logits_of
from tuner.outcomes import StopReason


@dataclass(frozen=True)
class Network:
    """A network that predicts: its architecture, and θ (n_parameters,)."""

    architecture: Architecture
    theta: Array = field(repr=False)

    def classify(self, X: Array | Inputs) -> tuple[Array, Array]:
        """Return the most probable class of each row, (n,), and class probabilities (n, n_classes).

        Of a network for numbers: the predicted number of each row, (n,), and the same as (n, 1).
        """
        classes, probabilities = classify_each([self], [X])
        return classes[0], probabilities[0]

    def predict_proba(self, X: Array | Inputs) -> Array:
        """Return class probabilities (n, n_classes) for X (n, n_features)."""
        return self.classify(X)[1]

    def predict(self, X: Array | Inputs) -> Array:
        """Return the most probable class of each row, or the predicted number, (n,)."""
        return self.architecture.functions.classes(_logits([self], [X])[0])


def classify_each(
    networks: Sequence[Network], inputs: Sequence[Array | Inputs], block: int | None = None
) -> tuple[Array, Array]:
    """Return the classes (K, n) and probabilities (K, n, n_classes) of K networks, those of one architecture together.

    Of networks for numbers: the predicted numbers (K, n) and (K, n, 1).

    ``inputs``: X (n, n_features) that all networks share, or K of them.  ``block``: see :func:`logits_of`.
    """
    alike: dict[Architecture, list[int]] = {}
    for place, network in enumerate(networks):
        alike.setdefault(network.architecture, []).append(place)
    parts = []
    for architecture, places in alike.items():
        own = inputs if len(inputs) == 1 else [inputs[k] for k in places]
        output, logits = architecture.functions, _logits([networks[k] for k in places], own, block)
        parts.append((output.classes(logits), output.probabilities(logits).swapaxes(1, 2)))
    classes, probabilities = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(np.concatenate(list(alike.values())))
    return classes[order], np.ascontiguousarray(probabilities[order])


def _logits(networks: Sequence[Network], inputs: Sequence[Array | Inputs], block: int | None = None) -> Array:
    """(K, n_outputs, n)"""
    architecture, checked = networks[0].architecture, []
    for given in inputs:
        X = given if isinstance(given, Inputs) else np.asarray(given)
        if len(X.shape) != 2 or X.shape[1] != architecture.n_features:
            raise ArgumentError(f"X: expected shape (n, {architecture.n_features}), got {X.shape}")
        checked.append(X if isinstance(X, Inputs) else Inputs.of(X))
    return logits_of(architecture, np.stack([network.theta for network in networks]), checked, block)


@dataclass(frozen=True)
class TrainedNetwork(Network):
    """One network after training.

    θ, ``train_*`` and ``dev_*`` are those of the best epoch: keep_prob 1, no augmentation, costs without the penalty,
    the train error over every training example.  Without a dev set the last epoch is the best one, the dev values are
    NaN and ``dev_wrong`` is empty.  ``curve`` holds one value per epoch: train_cost and train_error (of an evenly
    spaced sample of the training set), dev_cost, dev_error, seconds.  ``train_wrong``: which training examples are
    classified wrongly, or the squared error of each, (n_train,).  ``updates`` counts those up to the best epoch.
    A network that diverged in the first epoch has ``best_epoch`` 0, its initial θ, cost 1e6 and error 1, or 1e6 if it
    predicts numbers.
    """

    best_epoch: int
    epochs: int
    updates: int
    stop_reason: StopReason
    diverged_layer: int | None
    curve: dict[str, Array] = field(repr=False)
    train_cost: float
    train_error: float
    train_wrong: Array = field(repr=False)
    on_dev: Measured = field(repr=False)
    layers: list[LayerReport] = field(repr=False)

    @property
    def dev_cost(self) -> float:
        """Mean cost on the dev set."""
        return self.on_dev.cost

    @property
    def dev_error(self) -> float:
        """Share of the dev set that is classified wrongly, or mean squared error."""
        return self.on_dev.error

    @property
    def dev_wrong(self) -> Array:
        """Which dev examples are classified wrongly, or the squared error of each, (n_dev,)."""
        return self.on_dev.wrong
