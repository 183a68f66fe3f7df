"""Periodic inputs: what a network learns of single numbers, before its first layer.  (Gorishniy et al. 2022)

A number x becomes waves sin(ω x + φ), with frequencies and phases of its column, and these become the inputs
relu(waves U + b): a small network per column, trained with the rest.  The first layer takes them beside the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np

from tuner.arguments import integer
from tuner.errors import ArgumentError
from tuner.inputs import adjacent
from tuner.nn.arrays import Array, Ints
from tuner.nn.calls import Call
from tuner.nn.flags import FlagRows
from tuner.nn.memory import aligned
from tuner.nn.products import backward_calls

WAVES, UNITS = 48, 16
"""Per column.  Twice as many waves are no better; with 8 units errors rise by 1 or 2%."""
LOWEST_FREQUENCY = 0.03
"""Cycles per unit of x: a tenth of a cycle from the middle to the end of a number of normal quantiles."""
HIGHEST_FREQUENCY = 10.0
MOST_FREQUENCY = 1000.0
"""Above it, the angles of float32 are a hundredth off."""
FULL_FREQUENCY = 0.1
"""Up to about this frequency waves begin with equal weights, above with weights that fall as 1/frequency."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """Which columns of X become periodic inputs, and how many waves and units each has."""

    columns: tuple[int, ...]
    waves: int = WAVES
    units: int = UNITS

    @classmethod
    def of(cls, columns: Sequence[int]) -> Self | None:
        """Return the spec of these columns; None without any."""
        return cls(tuple(columns)) if columns else None

    def __post_init__(self) -> None:
        for column in self.columns:
            integer("periodic: columns", column, low=0)
        if not self.columns or list(self.columns) != sorted(set(self.columns)):
            raise ArgumentError(f"periodic: expected rising columns, got {list(self.columns)[:10]}")
        integer("periodic: waves", self.waves, low=1)
        integer("periodic: units", self.units, low=1)

    @property
    def n_inputs(self) -> int:
        """Inputs of the first layer that they become."""
        return len(self.columns) * self.units

    @property
    def shapes(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """The shapes of V, ω and φ of each wave, and of U with b as the last row, of each column."""
        d = len(self.columns)
        return (d, 2, self.waves), (d, self.waves + 1, self.units)

    @property
    def slices(self) -> tuple[slice, slice]:
        """The places of V and U in θ, at its start."""
        V, U = map(math.prod, self.shapes)
        return slice(0, V), slice(V, V + U)

    @property
    def n_parameters(self) -> int:
        """Entries of θ."""
        return sum(map(math.prod, self.shapes))

    def views(self, theta: Array) -> tuple[Array, Array]:
        """Return V and U as views of θ; leading axes are kept."""
        V, U = (
            theta[..., part].reshape(*theta.shape[:-1], *shape)
            for part, shape in zip(self.slices, self.shapes, strict=True)
        )
        return V, U

    def draw(self, rng: np.random.Generator, theta: Array, highest_frequency: float) -> None:
        """Draw the first V and U of a network, θ (n_parameters,).

        Frequencies are log-uniform, so that slow and fast changes are seen alike; the weights of fast ones are small,
        so that the network begins smooth.
        """
        V, U = self.views(theta)
        lowest = min(LOWEST_FREQUENCY, highest_frequency)
        frequencies = np.exp(rng.uniform(math.log(lowest), math.log(highest_frequency), size=V[:, 0].shape))
        V[:, 0] = 2 * np.pi * frequencies
        V[:, 1] = rng.uniform(-np.pi, np.pi, size=V[:, 1].shape)
        sizes = 1 / (1 + frequencies / FULL_FREQUENCY)
        sizes /= np.linalg.norm(sizes, axis=1, keepdims=True)
        U[:, :-1] = rng.standard_normal(U[:, :-1].shape) * sizes[:, :, None]
        U[:, -1] = 0


class PeriodicPass:
    """The periodic inputs of K networks, for a fixed number of rows.  θ is (K, n_parameters).

    ``units`` (K, rows, d · units) is what the last bound inputs became.
    """

    def __init__(self, spec: Periodic, n_features: int, theta: Array, rows: int) -> None:
        K, dtype, d = len(theta), theta.dtype, len(spec.columns)
        self._spec, self._n_features, self._shape = spec, n_features, (K, rows, d, spec.units)
        self._V, self._U = spec.views(theta)
        self._x = aligned((K, d, rows, 2), dtype)
        self._angles = aligned((K, d, rows, spec.waves), dtype)
        self._waves = aligned((K, d, rows, spec.waves + 1), dtype)
        self._x[..., 1] = self._waves[..., -1] = 1
        self._buffer: Array | None = None
        self.units: Array

    def bind(self, inputs: Array | Sequence[FlagRows]) -> tuple[list[Call], Array | list[FlagRows]]:
        """Return the calls that make the first layer's inputs of X, as the layer takes them, and these inputs."""
        if isinstance(inputs, np.ndarray):
            n, columns = self._n_features, np.array(self._spec.columns)
            buffer = self._room(n)
            return [partial(np.copyto, buffer[..., :n], inputs[..., :n]), *self._forward(buffer, columns)], buffer
        places = inputs[0].places[:-1]
        n = len(places)
        buffer = self._room(n)
        copies = [partial(np.copyto, to[:, :n], of.numbers[:, :n]) for to, of in zip(buffer, inputs, strict=True)]
        units = self._n_features + np.arange(self._spec.n_inputs + 1)  # and the ones
        extended = [
            replace(of, numbers=to, places=np.append(places, units)) for to, of in zip(buffer, inputs, strict=True)
        ]
        return [*copies, *self._forward(buffer, np.searchsorted(places, self._spec.columns))], extended

    def _room(self, numbers: int) -> Array:
        """Return the room for so many numbers of each row, its units, and a one."""
        if self._buffer is None:
            K, rows, *_ = self._shape
            self._buffer = aligned((K, rows, numbers + self._spec.n_inputs + 1), self._x.dtype)
            self._buffer[..., -1] = 1
        return self._buffer

    def _forward(self, buffer: Array, columns: Ints) -> list[Call]:
        """Return the calls that make the units of these columns of a buffer."""
        taken: list[Call] = [
            partial(np.copyto, self._x[:, part, :, 0].swapaxes(1, 2), buffer[..., of]) for part, of in adjacent(columns)
        ]
        self.units = units = buffer[..., -1 - self._spec.n_inputs : -1]
        return [
            *taken,
            partial(np.matmul, self._x, self._V, self._angles),
            partial(np.sin, self._angles, self._waves[..., :-1]),
            partial(np.matmul, self._waves, self._U, self._of_columns(units)),
            partial(np.maximum, units, 0, out=units),
        ]

    def backward(self, delta: Array, W: Array, gradient: Array) -> list[Call]:
        """Return the calls that write the gradient of V and U; they overwrite the angles.

        ``delta`` (K, rows, n_out): that of the first layer, whose weights W (K, n_inputs + 1, n_out) has.
        """
        (K, rows, d, units), dtype = self._shape, delta.dtype
        of_units, slopes = (aligned((K, rows, d * units), dtype) for _ in range(2))
        of_angles, split = aligned(self._angles.shape, dtype), self._of_columns(of_units)
        of_V, of_U = self._spec.views(gradient)
        return [
            *backward_calls(delta, W[:, self._n_features : -1], of_units),
            partial(np.sign, self.units, slopes),
            partial(np.multiply, of_units, slopes, of_units),
            partial(np.matmul, self._waves.swapaxes(2, 3), split, of_U),
            partial(np.matmul, split, self._U[:, :, :-1].swapaxes(2, 3), of_angles),
            partial(np.cos, self._angles, self._angles),
            partial(np.multiply, of_angles, self._angles, of_angles),
            partial(np.matmul, self._x.swapaxes(2, 3), of_angles, of_V),
        ]

    def _of_columns(self, units: Array) -> Array:
        """Return a view (K, d, rows, units) of (K, rows, d · units)."""
        return units.reshape(self._shape).swapaxes(1, 2)
