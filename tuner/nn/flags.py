"""The first layer on categories: rows of W are added, and added to, without the flags being written out.

A product with a row of flags is the sum of the rows of W that they choose, so its cost follows the number of columns of
categories, not that of their categories.  Networks are multiplied one by one, each as it would be alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.inputs import Inputs
from tuner.nn.arrays import Array, Ints
from tuner.nn.calls import Call
from tuner.nn.memory import aligned

WIDE, CATEGORIES = 256, 16
"""Inputs, and categories per column, from which adding rows of W is faster than a product with all flags.

On 278 inputs of 12 columns with 20 categories each, 256 rows and 100 units it took 0.6 of the time, on 530 inputs 0.3;
below, calls cost more than products."""


def is_wide(inputs: Inputs) -> bool:
    """Whether the first layer of these inputs is computed from the places of their flags; it depends on shapes only."""
    columns = inputs.flags.shape[1]
    return inputs.has_flags and inputs.n_features >= max(WIDE, CATEGORIES * columns + len(inputs.places))


@dataclass(frozen=True)
class FlagRows:
    """Rows of inputs as the first layer takes them: numbers with a last column of ones, and flags by their places.

    ``places``: the rows of W for the columns of ``numbers``.  ``flags`` (rows, c): the row of W of each column of
    categories; ``is_set`` (rows, c) is 0 for those without a flag.
    """

    numbers: Array
    places: Ints
    flags: NDArray[np.int32]
    is_set: Array

    @classmethod
    def empty(cls, like: Inputs, rows: int, dtype: Any) -> FlagRows:
        """Return room for so many rows of the inputs."""
        columns, places = like.flags.shape[1], np.append(like.places, like.n_features)
        numbers = aligned((rows, len(places)), dtype)
        numbers[:, -1] = 1
        return cls(numbers, places, np.zeros((rows, columns), dtype=np.int32), aligned((rows, columns), dtype))

    def fill(self, inputs: Inputs, chosen: Ints) -> None:
        """Take the first rows from these of the inputs."""
        n = len(chosen)
        self.numbers[:n, :-1] = inputs.numbers.take(chosen, axis=0)
        self.flags[:n] = inputs.flags.take(chosen, axis=0)
        np.less(self.flags[:n], inputs.n_features, self.is_set[:n])

    def part(self, rows: slice) -> FlagRows:
        """Return a range of the rows, which is filled with them."""
        return FlagRows(self.numbers[rows], self.places, self.flags[rows], self.is_set[rows])

    def forward_calls(self, W: Array, z: Array) -> list[Call]:
        """Return the calls z := x @ W for a network: W (n_features + 1, n_out), z (rows, n_out), C- or F-contiguous."""
        few = np.empty((len(self.places), W.shape[1]), dtype=W.dtype)
        product = (few.T, self.numbers.T, z.T) if z.T.flags.c_contiguous else (self.numbers, few, z)
        return [
            partial(np.take, W, self.places, 0, few, "clip"),
            partial(np.matmul, *product),
            partial(_add_rows, self._matrix(), W, z),
        ]

    def gradient_calls(self, d: Array, g: Array) -> list[Call]:
        """Return the calls g := xᵀ @ d for a network: d (rows, n_out), g (n_features + 1, n_out)."""
        few = np.empty((len(self.places), g.shape[1]), dtype=g.dtype)
        return [
            partial(_put_sums, self._matrix(transposed=True), d, g),
            partial(np.matmul, self.numbers.T, d, few),
            partial(g.__setitem__, self.places, few),
        ]

    def _matrix(self, *, transposed: bool = False) -> Any:
        """Return the flags as a sparse matrix (rows, n_features + 1), or its transpose, that changes with them."""
        from scipy.sparse import csr_array

        rows, columns = self.flags.shape
        ends = np.arange(0, self.flags.size + 1, columns, dtype=np.int32)
        data, places = self.is_set.reshape(-1), self.flags.reshape(-1)
        matrix: Any = csr_array((data, places, ends), shape=(rows, int(self.places[-1]) + 1))
        matrix = matrix.T if transposed else matrix
        matrix.data, matrix.indices = data, places  # SciPy may have copied them
        return matrix


def _add_rows(flags: Any, W: Array, z: Array) -> None:
    np.add(z, flags @ W, z)


def _put_sums(flags: Any, d: Array, g: Array) -> None:
    g[...] = flags @ d
