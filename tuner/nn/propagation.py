"""Forward and backward passes of K networks of one architecture, side by side along a leading axis.

A pass binds its calls to buffers once: a step is a fixed list of calls that allocate nothing.  Examples are rows, but
columns in the output layer (see ``losses``).  Inputs and activations have a last column of ones, so that a layer is one
matrix whose last row is the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tuner.nn.activations import ACTIVATIONS
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array
from tuner.nn.calls import Call, run
from tuner.nn.flags import FlagRows
from tuner.nn.losses import SUMMED_BY_PRODUCT
from tuner.nn.memory import aligned, row_length
from tuner.nn.normalization import LayerNormalization, Normalized
from tuner.nn.periodic import PeriodicPass
from tuner.nn.products import Forward, WeightGradient, backward_calls, product_call

FirstInputs: TypeAlias = Array | Sequence[FlagRows]
"""An array with a leading axis of networks, or rows with flags by their places for each network."""


class ForwardPass:
    """Logits of K networks for a fixed number of rows; θ is (K, n_parameters)."""

    def __init__(self, architecture: Architecture, theta: Array, rows: int) -> None:
        K = len(theta)
        self._architecture = architecture
        *hidden, output = architecture.matrices(theta)
        widths = architecture.hidden
        self._full = [aligned((K, rows, row_length(width)), theta.dtype) for width in widths]
        self._ones: list[Call] = [
            partial(full[..., width].fill, 1) for full, width in zip(self._full, widths, strict=True)
        ]
        run(self._ones)
        self.activations = [full[..., :width] for full, width in zip(self._full, widths, strict=True)]
        self._extended = [full[..., : width + 1] for full, width in zip(self._full, widths, strict=True)]
        self.logits = aligned((K, architecture.n_outputs, rows), theta.dtype)
        products = [Forward(matrix, z) for matrix, z in zip(hidden, self.activations, strict=True)]
        self._first = products[0] if products else None
        self._first_matrix = [*hidden, output][0]
        self._later = [product.calls(a) for product, a in zip(products[1:], self._extended, strict=False)]
        self._activation = ACTIVATIONS[architecture.activation]
        self._adds = [
            [partial(np.add, full, before, full)] if adds else []
            for adds, full, before in zip(architecture.adds_input, self._full, [None, *self._full], strict=False)
        ]
        self._output = output.swapaxes(1, 2)
        spec = architecture.periodic
        self.periodic = None if spec is None else PeriodicPass(spec, architecture.n_features, theta, rows)

    def calls(self, inputs: FirstInputs) -> list[Call]:
        """Return the calls that fill the logits from inputs (K or, shared by all networks, 1, rows, n_features + 1)."""
        if not isinstance(inputs, np.ndarray):
            inputs = [*inputs] * (len(self.logits) // len(inputs))
        elif self._first is not None:
            inputs = np.broadcast_to(inputs, (len(self.logits), *inputs.shape[1:]))
        made, inputs = self._periodic_inputs(inputs)
        return [*made, *self._layers(inputs, self._values)]

    def _periodic_inputs(self, inputs: FirstInputs) -> tuple[list[Call], FirstInputs]:
        """Return the calls that make periodic inputs of X, and what the first layer takes."""
        return ([], inputs) if self.periodic is None else self.periodic.bind(inputs)

    @cached_property
    def _values(self) -> list[list[Call]]:
        """The calls of every layer's activation, for a forward pass only."""
        return [self._activation.value(full) for full in self._full]

    def _layers(self, inputs: FirstInputs, activate: Sequence[list[Call]]) -> list[Call]:
        """Return the calls of all layers from the input on, each with its activation."""
        products = [] if self._first is None else [self._first_product(inputs), *self._later]
        calls: list[Call] = []
        for product, activated, adds, ones in zip(products, activate, self._adds, self._ones, strict=True):
            calls += [*product, *activated, *adds]
            if adds or not self._activation.keeps_one:
                calls.append(ones)
        if self._first is None and not isinstance(inputs, np.ndarray):
            return self._first_product(inputs)
        last: Any = [inputs, *self._extended][-1]
        return [*calls, product_call(self._output, last.swapaxes(1, 2), self.logits)]

    def _first_product(self, inputs: FirstInputs) -> list[Call]:
        """Return the calls of the layer that takes the inputs, the output layer if it is the only one."""
        if isinstance(inputs, np.ndarray):
            assert self._first is not None
            return self._first.calls(inputs)
        z = [*self.activations, self.logits.swapaxes(1, 2)][0]
        return _of_each(inputs, self._first_matrix, z, FlagRows.forward_calls)


def _of_each(
    inputs: Sequence[FlagRows], a: Array, b: Array, calls: Callable[[FlagRows, Array, Array], list[Call]]
) -> list[Call]:
    """Return the calls of every network, one after the other; arrays have a leading axis of K."""
    return [call for rows, *arrays in zip(inputs, a, b, strict=True) for call in calls(rows, *arrays)]


class Batch(NamedTuple):
    """The calls of a mini-batch.

    ``forward`` fills the masked activations and the logits; ``backward``, run after it, writes the gradient of
    Σ weight · loss and overwrites the logits.
    """

    forward: list[Call]
    backward: list[Call]


class TrainingPass(ForwardPass):
    """Gradients of K networks for mini-batches of a fixed number of rows; they are written to ``gradient``.

    ``even``: all examples of a network have the same weight, set by ``weigh``.  ``normalized``: hidden layers are
    normalized over the mini-batch.
    """

    def __init__(
        self,
        architecture: Architecture,
        theta: Array,
        gradient: Array,
        rows: int,
        *,
        even: bool = False,
        normalized: Normalized | None = None,
    ) -> None:
        super().__init__(architecture, theta, rows)
        *hidden, output = architecture.matrices(theta)
        *gradients, self._output_gradient = architecture.matrices(gradient)
        self._gradient = gradient
        K, k = len(theta), architecture.n_outputs
        summed = even and k * k * rows <= SUMMED_BY_PRODUCT
        self._inverse = aligned((K, k, k), theta.dtype) if summed else None
        self._delta = architecture.functions.delta(self.logits, self._inverse)
        # Deltas have rows as long as the activations', padded with 0: NumPy needs no loop over whole buffers.
        self._deltas = [aligned(full.shape, full.dtype) for full in self._full]
        deltas = [full[..., :width] for full, width in zip(self._deltas, architecture.hidden, strict=True)]
        self._slopes = [aligned(full.shape, full.dtype) for full in self._full]
        self.slopes = [full[..., :width] for full, width in zip(self._slopes, architecture.hidden, strict=True)]
        self._first_gradient = [*gradients, self._output_gradient][0]
        self._first_delta = [*deltas, self.logits.swapaxes(1, 2)][0]
        weights = [WeightGradient(delta, g) for delta, g in zip(deltas, gradients, strict=True)]
        self._first_weights = weights[0] if weights else None
        self._later_weights = [product.calls(a) for product, a in zip(weights[1:], self._extended, strict=False)]
        self._errors = self.logits.swapaxes(1, 2)
        above = [*deltas[1:], self._errors]
        matrices = [*hidden[1:], output]
        self._normalizations = self._normalize(deltas, hidden, gradients, normalized) if normalized else []
        self._back = [backward_calls(d, W[:, :-1], e) for d, W, e in zip(above, matrices, deltas, strict=False)]
        adds = zip(self._deltas, architecture.adds_input, strict=True)
        self._passed = [aligned(delta.shape, delta.dtype) if is_added else None for delta, is_added in adds]

    def _normalize(
        self, deltas: list[Array], hidden: list[Array], gradients: list[Array], normalized: Normalized
    ) -> list[LayerNormalization]:
        """Return the normalization of each hidden layer."""
        layers = zip(self.activations, deltas, hidden, gradients, normalized.of_layers(self._architecture), strict=True)
        return [LayerNormalization(z, delta, W[:, -1], g[:, -1], own) for z, delta, W, g, own in layers]

    def weigh(self, weights: Sequence[float]) -> None:
        """Set the weight (K,) of each network's examples, if they share one."""
        if self._inverse is not None:
            most = np.finfo(self._inverse.dtype).max  # a weight may be 0; avoids 0 · ∞
            self._inverse[...] = [[[min(1 / weight, most) if weight else most]] for weight in weights]

    def batch(self, inputs: FirstInputs, targets: Array, weight: Array, masks: Sequence[Array | None]) -> Batch:
        """Bind the pass to a mini-batch (K, rows, n_features + 1) in a buffer, or the rows of each network.

        ``targets`` and ``weight`` are those of ``losses.Output.delta``.  A mask (K, rows, row_length(width)) holds 0 or
        1/keep_prob for each hidden unit, then a 1; None without dropout.
        """
        made, inputs = self._periodic_inputs(inputs)
        buffers = zip(self._full, self._slopes, self._deltas, masks, strict=True)
        bound = [self._activation.bind(*buffer) for buffer in buffers]
        if self._normalizations:
            bound = [
                ([*of.forward, *up], [*down, *of.backward])
                for (up, down), of in zip(bound, self._normalizations, strict=True)
            ]
        weights = [] if self._first_weights is None else [self._first_weight_calls(inputs), *self._later_weights]
        backward: list[Call] = [*self._delta(targets, weight)]
        if self._first_weights is None and not isinstance(inputs, np.ndarray):
            backward += self._first_weight_calls(inputs)
        else:
            last: Any = [inputs, *self._extended][-1]
            backward.append(product_call(last.swapaxes(1, 2), self._errors, self._output_gradient))
        layers = list(zip(self._back, self._through([down for _, down in bound]), weights, strict=True))
        for back, through, weight_gradient in reversed(layers):
            backward += [*back, *through, *weight_gradient]
        for normalization in self._normalizations:
            backward += normalization.finish
        backward += self._periodic_gradient
        return Batch([*made, *self._layers(inputs, [activate for activate, _ in bound])], backward)

    @cached_property
    def _periodic_gradient(self) -> list[Call]:
        """The calls of the gradient of what makes periodic inputs, the same for every mini-batch."""
        if self.periodic is None:
            return []
        return self.periodic.backward(self._first_delta, self._first_matrix, self._gradient)

    def _through(self, down: Sequence[list[Call]]) -> list[list[Call]]:
        """Return the calls that turn the gradient of each layer's activations into that of z.

        A layer that adds its input passes the gradient on to it, too.
        """
        calls: list[list[Call]] = []
        for delta, own, above, through in zip(self._deltas, self._passed, [*self._passed, None][1:], down, strict=True):
            added: list[Call] = [] if above is None else [partial(np.add, delta, above, delta)]
            kept: list[Call] = [] if own is None else [partial(np.copyto, own, delta)]
            calls.append([*added, *kept, *through])
        return calls

    def _first_weight_calls(self, inputs: FirstInputs) -> list[Call]:
        """Return the calls of the gradient of the layer that takes the inputs."""
        if isinstance(inputs, np.ndarray):
            assert self._first_weights is not None
            return self._first_weights.calls(inputs)
        return _of_each(inputs, self._first_delta, self._first_gradient, FlagRows.gradient_calls)
