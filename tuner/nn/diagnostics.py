"""Vanishing and exploding gradients: norms of each layer, copies of units, and the first layer that overflowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.calls import run
from tuner.nn.examples import Prepared
from tuner.nn.propagation import TrainingPass

DEAD_SLOPE = 1e-6
"""A unit is dead if the slope of its activation is below this for every example: its weights cannot change."""

ALIKE = 1e-3
"""Units are alike if their weights differ by no more than this share of them: rounding alone never parts them."""


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer after one epoch, over a sample of the training set, keep_prob 1 and no penalty.

    ``layer`` counts from 1, the last is the output.  ``gradient_norm`` is the Frobenius norm of ∂J/∂W,
    ``activation_norm`` the root mean square of the layer's activations (of the logits, for the output), so that layers
    of different width compare, and ``dead`` the fraction of its units that are dead (0 for the output).
    ``weight_norm`` is the Frobenius norm of W, ``zeros`` the number of its weights that are exactly 0, and ``alike``
    is 1 if all hidden units are copies of each other, with the same weights, else 0.  These three are NaN where an
    earlier version did not record them.
    """

    epoch: int
    layer: int
    gradient_norm: float
    activation_norm: float
    dead: float
    weight_norm: float = math.nan
    zeros: float = math.nan
    alike: float = math.nan


class LayerProbe:
    """Describes the layers of one network on fixed examples while θ (n_parameters,) changes."""

    def __init__(self, architecture: Architecture, theta: Array, examples: Prepared) -> None:
        n = len(examples)
        self._architecture = architecture
        self._layers = architecture.views(theta)
        self._gradient = np.zeros((1, len(theta)), dtype=theta.dtype)
        self._pass = TrainingPass(architecture, theta[None], self._gradient, n)
        targets = np.empty((1, architecture.n_outputs, n), dtype=theta.dtype)
        architecture.functions.targets(examples.y, targets[0])
        weight = np.full((1, 1, n), 1 / n, dtype=theta.dtype)
        masks = [None] * len(architecture.hidden)
        self._batch = self._pass.batch(examples.extended()[None], targets * weight, weight, masks)

    def describe(self, epoch: int) -> list[LayerReport]:
        """Describe every layer after ``epoch``, from the input on."""
        run(self._batch.forward)
        activations = [a[0] for a in self._pass.activations]
        slopes = [slope[0] for slope in self._pass.slopes]  # relu's of 1 is NaN: all bits are set
        dead = [float((np.abs(slope) < DEAD_SLOPE).all(axis=0).mean()) for slope in slopes]
        norms = [float(np.sqrt(np.square(a, dtype=np.float64).mean())) for a in [*activations, self._pass.logits]]
        run(self._batch.backward)
        views = self._architecture.views(self._gradient[0])
        gradients = [float(np.linalg.norm(W.astype(np.float64))) for W, _ in views]
        weights = [float(np.linalg.norm(W.astype(np.float64))) for W, _ in self._layers]
        zeros = [float(W.size - np.count_nonzero(W)) for W, _ in self._layers]
        alike = [_alike(W, b) for W, b in self._layers[:-1]]
        rows = zip(gradients, norms, [*dead, 0.0], weights, zeros, [*alike, 0.0], strict=True)
        return [LayerReport(epoch, layer, *row) for layer, row in enumerate(rows, start=1)]


def _alike(W: Array, b: Array) -> float:
    """Return 1 if all units of a layer have the weights and the bias of the first one, up to rounding, else 0."""
    units = np.vstack([W, b[None]])
    apart = np.linalg.norm(units[:, 1:2] - units[:, :1])
    if units.shape[1] < 2 or apart > ALIKE * np.linalg.norm(units[:, 0]):  # as in nearly every network
        return 0.0
    return float(np.linalg.norm(units - units[:, :1], axis=0).max() <= ALIKE * np.linalg.norm(units[:, 0]))


def first_overflow(architecture: Architecture, activations: Sequence[Array], gradient: Array, theta: Array) -> int:
    """Return the layer, from 1, where a step first produced NaN or infinity.

    The layers are searched in the order of the step: activations from the input on, gradients from the output back,
    then the weights (θ and its gradient of one network, (n_parameters,)).  The gradient of the output shows what its
    activations were.
    """
    layers = range(1, architecture.n_layers + 1)
    gradients, weights = architecture.views(gradient), architecture.views(theta)
    forward = [layer for layer, a in enumerate(activations, start=1) if not np.isfinite(a).all()]
    backward = [layer for layer in reversed(layers) if not _finite(gradients[layer - 1])]
    updated = [layer for layer in layers if not _finite(weights[layer - 1])]
    return next(iter([*forward, *backward, *updated, architecture.n_layers]))


def _finite(parameters: tuple[Array, Array]) -> bool:
    return all(bool(np.isfinite(one).all()) for one in parameters)
