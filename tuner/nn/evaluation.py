"""Cost and error of networks on a set of examples, with keep_prob 1 and without the penalty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.inputs import Inputs
from tuner.metrics import Measured, Metric, watched_losses
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.calls import run
from tuner.nn.examples import Prepared
from tuner.nn.flags import FlagRows
from tuner.nn.propagation import ForwardPass

EVALUATED_ROWS = 512
"""Rows per pass through the networks: their activations stay in the cache."""


class Evaluator:
    """Evaluates K networks on one set of examples while θ (K, n_parameters) changes.

    ``watched``: the metric that early stopping follows, whose losses are measured if they are not those of the errors.
    """

    def __init__(
        self, architecture: Architecture, theta: Array, examples: Prepared, watched: Metric | None = None
    ) -> None:
        self._watched = watched if watched is not None and watched.losses is watched_losses else None
        self._has_losses = examples.counted_by.of_rows is not None
        self._output = architecture.functions
        self._examples = examples
        self._K, n = len(theta), len(examples)
        sizes = {min(n, EVALUATED_ROWS), n % EVALUATED_ROWS} - {0}
        passes = {size: ForwardPass(architecture, theta, size) for size in sizes}
        self._chunks = []
        rooms: dict[int, Array | FlagRows] = {}
        for start in range(0, n, EVALUATED_ROWS):
            stop = min(start + EVALUATED_ROWS, n)
            forward = passes[stop - start]
            fill, inputs = examples.block(start, stop, rooms)
            labels = self._output.labels(examples.y[start:stop])
            self._chunks.append(([*fill, *forward.calls(inputs)], labels, forward.logits))
        self._error_weights = examples.relative_error_weights
        self._row_losses = examples.row_losses

    def measure(self) -> list[Measured]:
        """Measure every network with the present θ."""
        n, weights = len(self._examples), self._examples.weights
        parts, probabilities = [], []
        for calls, labels, logits in self._chunks:
            run(calls)
            if self._has_losses or self._watched is not None:
                probabilities.append(self._output.probabilities(logits))
            losses, wrong = self._output.assess(logits, labels)
            if self._row_losses is not None:
                wrong = self._row_losses(self._output.classes(logits), labels)
            parts.append((losses, wrong))
        losses, wrong = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        if weights is not None:
            losses = losses * (weights / (weights.mean() or 1))
        each: list[Array] = [*wrong]
        watched: list[Array | None] = [None] * self._K
        if probabilities:
            of_networks = np.concatenate(probabilities, axis=-1).swapaxes(1, 2)
            if self._has_losses:
                each = [self._losses(self._examples.counted_by, of_network) for of_network in of_networks]
            if self._watched is not None:
                watched = [self._losses(self._watched, of_network) for of_network in of_networks]
        # One network at a time, so that the number of networks does not change the bits of a sum.
        return [
            Measured(float(np.add.reduce(losses[k])) / n, self._wrong(each[k]) / n, each[k], losses[k], watched[k])
            for k in range(self._K)
        ]

    def _losses(self, metric: Metric, probabilities: Array) -> Array:
        return metric.losses_of(probabilities, self._examples.y, self._error_weights)

    def _wrong(self, wrong: Array) -> float:
        weights = self._error_weights
        if wrong.dtype != bool:
            return float(np.add.reduce(wrong if weights is None else wrong * weights))
        if weights is None:
            return int(np.count_nonzero(wrong))
        return min(float(np.add.reduce(wrong * weights)), len(wrong))  # the sum of all weights may be rounded up


def logits_of(architecture: Architecture, theta: Array, inputs: Sequence[Inputs], block: int | None = None) -> Array:
    """Return logits (K, n_outputs, n) of K networks, θ (K, n_parameters), bit for bit as of each alone.

    ``inputs``: those that all networks share, or K of them.  ``block``: every pass has so many rows, the
    last one filled up, so that BLAS takes the same way whatever n is.
    """
    n, step = len(inputs[0]), block or EVALUATED_ROWS
    logits = np.empty((len(theta), architecture.n_outputs, n), dtype=theta.dtype)
    sizes = {block} if block else {min(n, step), n % step} - {0}
    passes = {size: ForwardPass(architecture, theta, size) for size in sizes}
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        given = rows.stop - start
        size = block or given
        chunk = np.ones((len(inputs), size, architecture.n_features + 1), dtype=theta.dtype)
        for X, extended in zip(inputs, chunk, strict=True):
            X.write(np.arange(start, start + given), extended[:given])
        forward = passes[size]
        run(forward.calls(chunk))
        logits[..., rows] = forward.logits[..., :given]
    return logits
