"""The shape of a network, and where its weights and biases are in the flat parameter vector θ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tuner.arguments import integer, one_of
from tuner.errors import ArgumentError
from tuner.nn.activations import ACTIVATIONS
from tuner.nn.arrays import Array
from tuner.nn.initializers import INITIALIZERS
from tuner.nn.losses import Output, output_named
from tuner.nn.periodic import HIGHEST_FREQUENCY, Periodic


def residual_layers(hidden: Sequence[int]) -> list[bool]:
    """Return which hidden layers can add the activations before them: those that follow one of the same width."""
    return [layer > 0 and hidden[layer - 1] == width for layer, width in enumerate(hidden)]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Layer widths, activation and output of a fully connected network.

    Without hidden layers it is softmax, logistic or linear regression.  The output "softmax" has one unit per class;
    "sigmoid" has a single unit, the probability of class 1, and needs exactly two classes.  "linear" (trained by
    squared error), "huber" and "absolute" (by the losses of these names) have one unit per number to predict;
    ``n_classes`` is how many these are.  "poisson" has a single unit, the logarithm of a count, and quantiles (see
    ``quantile_output``) one each; ``n_classes`` is 1.  ``residual``: a hidden layer as wide as the one before it adds
    that one's activations to its own.  (He et al. 2016)  ``periodic``: of which columns it makes periodic inputs.
    """

    n_features: int
    hidden: tuple[int, ...]
    n_classes: int
    activation: str = "relu"
    output: str = "softmax"
    residual: bool = False
    periodic: Periodic | None = None

    def __post_init__(self) -> None:
        integer("n_features", self.n_features, low=1)
        one_of("activation", self.activation, ACTIVATIONS)
        output_named(self.output)
        if not self.is_numeric:
            integer("n_classes", self.n_classes, low=2)
        elif not self.functions.takes_several and self.n_classes != 1:
            raise ArgumentError(f'n_classes: expected 1 with output "{self.output}", got {self.n_classes}')
        else:
            integer("n_classes", self.n_classes, low=1)
        for width in self.hidden:
            integer("hidden", width, low=1)
        if self.output == "sigmoid" and self.n_classes != 2:
            raise ArgumentError(f'output: "sigmoid" is for 2 classes, got {self.n_classes}; use "softmax"')
        if self.periodic is not None and self.periodic.columns[-1] >= self.n_features:
            last = self.periodic.columns[-1]
            raise ArgumentError(f"periodic: expected columns below {self.n_features}, got {last}")

    @property
    def is_numeric(self) -> bool:
        """Whether the network predicts a number, not a class."""
        return self.functions.is_numeric

    @property
    def functions(self) -> Output:
        """The functions of the output layer."""
        return output_named(self.output)

    @property
    def n_outputs(self) -> int:
        """Units of the output layer."""
        return 1 if self.output == "sigmoid" else len(self.functions.quantiles) or self.n_classes

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of every layer, the inputs of the first one before and the output last."""
        return (self.n_features + self.n_periodic, *self.hidden, self.n_outputs)

    @property
    def n_before_layers(self) -> int:
        """Entries of θ before those of the layers, which make periodic inputs."""
        return 0 if self.periodic is None else self.periodic.n_parameters

    @property
    def n_periodic(self) -> int:
        """Periodic inputs of the first layer, behind the columns of X."""
        return 0 if self.periodic is None else self.periodic.n_inputs

    @property
    def answers(self) -> tuple[int, str]:
        """What networks that answer together have in common: classes and output."""
        return self.n_classes, self.output

    @property
    def n_layers(self) -> int:
        """Layers with weights: the hidden ones and the output."""
        return len(self.hidden) + 1

    @property
    def adds_input(self) -> list[bool]:
        """Whether each hidden layer adds the activations of the hidden layer before it."""
        return residual_layers(self.hidden) if self.residual else [False] * len(self.hidden)

    @property
    def n_parameters(self) -> int:
        """Number of entries of θ."""
        return self.n_before_layers + sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.widths))

    def least_bytes(self, *, networks: int, rows: int, evaluated: int, slots: int) -> int:
        """Return the bytes that training takes at the least: θ, gradient, best θ, the optimizer's slots, activations.

        ``networks`` train side by side on mini-batches of ``rows`` examples, in float32, and are evaluated on blocks of
        ``evaluated``.
        """
        forward, backward = self.n_features + sum(self.hidden) + self.n_outputs, sum(self.hidden)
        if self.periodic is not None:
            waves = len(self.periodic.columns) * self.periodic.waves
            forward += self.n_features + self.n_periodic + 2 * waves
            backward += 2 * self.n_periodic + waves
        activations = rows * (forward + backward) + evaluated * forward
        return 4 * networks * ((3 + slots) * self.n_parameters + activations)

    def slices(self) -> list[tuple[slice, slice]]:
        """Return the place of each layer's W and b in θ: W1, b1, W2, b2, …, each W row by row as (n_in, n_out).

        What makes periodic inputs is before them.
        """
        slices, start = [], self.n_before_layers
        for n_in, n_out in pairwise(self.widths):
            middle = start + n_in * n_out
            slices.append((slice(start, middle), slice(middle, middle + n_out)))
            start = middle + n_out
        return slices

    @property
    def unpenalized(self) -> list[slice]:
        """The parts of θ that no penalty acts on: what makes periodic inputs, and biases."""
        return [slice(0, self.n_before_layers), *(b for _, b in self.slices())]

    def matrices(self, theta: Array) -> list[Array]:
        """Return each layer as a view (n_in + 1, n_out) of θ: W, with b as the last row.

        Inputs need a last column of ones.  θ is (n_parameters,); a leading axis of K networks is kept.
        """
        if theta.shape[-1] != self.n_parameters:
            raise ArgumentError(f"theta: expected {self.n_parameters} entries for {self.widths}, got {theta.shape[-1]}")
        return [
            theta[..., w.start : b.stop].reshape(*theta.shape[:-1], n_in + 1, n_out)
            for (w, b), (n_in, n_out) in zip(self.slices(), pairwise(self.widths), strict=True)
        ]

    def views(self, theta: Array) -> list[tuple[Array, Array]]:
        """Return (W, b) of each layer as views of θ: W (n_in, n_out) and b (n_out,), after any leading axis of θ."""
        return [(matrix[..., :-1, :], matrix[..., -1, :]) for matrix in self.matrices(theta)]

    def initial(
        self, rng: np.random.Generator, initializer: str, highest_frequency: float = HIGHEST_FREQUENCY
    ) -> Array:
        """Return an initial θ in float64: weights drawn layer by layer from the input on, biases 0.

        ``highest_frequency``: of periodic inputs, in cycles per unit of X.
        """
        one_of("initializer", initializer, INITIALIZERS)
        theta = np.zeros(self.n_parameters)
        if self.periodic is not None:
            self.periodic.draw(rng, theta, highest_frequency)
        for W, _ in self.views(theta):
            W[...] = INITIALIZERS[initializer](rng, *W.shape)
        return theta

    def flatten(self, parameters: Sequence[tuple[Array, Array]]) -> Array:
        """Return the θ of these (W, b) pairs, one per layer, of a network without periodic inputs."""
        if self.periodic is not None:
            raise ArgumentError("parameters: expected a network without periodic inputs")
        if len(parameters) != self.n_layers:
            raise ArgumentError(f"parameters: expected {self.n_layers} (W, b) pairs, got {len(parameters)}")
        theta = np.zeros(self.n_parameters)
        for layer, ((W, b), (given_W, given_b)) in enumerate(zip(self.views(theta), parameters, strict=True), start=1):
            for name, view, given in (("W", W, given_W), ("b", b, given_b)):
                if np.shape(given) != view.shape:
                    raise ArgumentError(f"{name}{layer}: expected shape {view.shape}, got {np.shape(given)}")
                view[...] = given
        return theta
