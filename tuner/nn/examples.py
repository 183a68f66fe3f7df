"""A set of labeled examples and its checks before training."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tuner.errors import ArgumentError
from tuner.inputs import Inputs
from tuner.nn.arrays import Array, Ints
from tuner.nn.calls import Call, run
from tuner.nn.memory import aligned


@dataclass(frozen=True)
class Examples:
    """X (n, n_features) of floats, y (n,) of class numbers from 0, and optional weights (n,) ≥ 0.

    Weights are relative: the cost is Σ w·loss / Σ w.  Errors always count examples, whatever their weights.
    """

    X: Array | Inputs
    y: Ints = field(repr=False)
    weights: Array | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.y)

    def prepared(self, name: str, *, n_classes: int, dtype: type[np.floating]) -> Prepared:
        """Check the examples and convert them for a network.

        ``name`` is the set's name in errors.
        """
        X, y = self.X, np.asarray(self.y)
        if not (isinstance(X, Inputs) and X.has_flags):
            X = X.array() if isinstance(X, Inputs) else np.asarray(X)
        if len(X.shape) != 2 or y.ndim != 1 or len(X) != len(y):
            raise ArgumentError(
                f"{name}: expected X of shape (n, n_features) and y of shape (n,), got {X.shape} and {y.shape}"
            )
        if not len(y):
            raise ArgumentError(f"{name}: expected at least 1 example, got 0")
        _finite(name, "X", X.numbers if isinstance(X, Inputs) else X)
        if not np.issubdtype(y.dtype, np.integer):
            raise ArgumentError(f"{name}: expected integers in y, got {y.dtype}")
        if y.min() < 0 or y.max() >= n_classes:
            label = y.min() if y.min() < 0 else y.max()
            raise ArgumentError(f"{name}: expected classes 0 to {n_classes - 1} in y, got {label}")
        inputs = X if isinstance(X, Inputs) else with_ones(X, dtype)
        return Prepared(inputs, y.astype(np.int64, copy=False), self._relative_weights(name, dtype), dtype)

    def _relative_weights(self, name: str, dtype: type[np.floating]) -> Array | None:
        """Return the weights as multiples of their mean."""
        if self.weights is None:
            return None
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (len(self.y),):
            raise ArgumentError(f"{name}: expected weights of shape ({len(self.y)},), got {weights.shape}")
        _finite(name, "weights", weights)
        if weights.min() < 0 or not weights.sum() > 0:
            raise ArgumentError(f"{name}: expected weights ≥ 0, not all 0, got {weights.min():g}")
        return np.asarray(weights / weights.mean(), dtype=dtype)


@dataclass(frozen=True)
class Prepared:
    """Checked examples: X with a last column of ones, which the biases multiply.

    Adding a bias and summing its gradient are thus part of the matrix products.  ``inputs`` is that array
    (n, n_features + 1), or X with the flags of categories as their places, which are written out for a block of rows at
    a time.  ``weights`` are multiples of their mean.
    """

    inputs: Array | Inputs
    y: Ints
    weights: Array | None
    dtype: type[np.floating[Any]]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_features(self) -> int:
        """Number of columns of X."""
        return self.inputs.n_features if isinstance(self.inputs, Inputs) else int(self.inputs.shape[1]) - 1

    def rows(self, chosen: Ints) -> Prepared:
        """Return some of the examples."""
        weights = None if self.weights is None else self.weights[chosen]
        inputs = self.inputs.rows(chosen) if isinstance(self.inputs, Inputs) else self.inputs[chosen]
        return Prepared(inputs, self.y[chosen], weights, self.dtype)

    def gather(self, chosen: Ints, out: Array) -> None:
        """Write some of the examples into ``out`` (rows, n_features + 1)."""
        if isinstance(self.inputs, Inputs):
            self.inputs.write(chosen, out)
        else:
            # With mode "clip" np.take needs no buffer; no index is out of bounds.
            np.take(self.inputs, chosen, axis=0, out=out, mode="clip")

    def block(self, start: int, stop: int, buffers: dict[int, Array]) -> tuple[list[Call], Array]:
        """Return the array (rows, n_features + 1) of the examples start to stop, and the calls that must first fill it.

        ``buffers``: by their number of rows, of blocks that are used one after the other.
        """
        if not isinstance(self.inputs, Inputs):
            return [], self.inputs[start:stop]
        shape = (stop - start, self.n_features + 1)
        out = buffers.setdefault(stop - start, aligned(shape, self.dtype))
        return [partial(self.gather, np.arange(start, stop), out)], out

    def extended(self) -> Array:
        """Return the array (n, n_features + 1) of all examples."""
        fill, array = self.block(0, len(self), {})
        run(fill)
        return array


def with_ones(X: Array, dtype: Any) -> Array:
    """Return X with a last column of ones, C-contiguous: the array that X is a part of, if it is such an array."""
    n, n_features = X.shape
    whole = X.base
    if isinstance(whole, np.ndarray) and (whole.dtype, whole.shape) == (dtype, (n, n_features + 1)):
        begins_alike = whole.ctypes.data == X.ctypes.data and whole.strides == X.strides
        if begins_alike and whole.flags.c_contiguous and (whole[:, -1] == 1).all():
            return whole
    extended = np.empty((X.shape[0], X.shape[1] + 1), dtype=dtype)
    extended[:, :-1] = X
    extended[:, -1] = 1
    return extended


def _finite(name: str, what: str, values: Array) -> None:
    """Refuse NaN and infinity, with the first place."""
    if not values.size or (np.isfinite(values.min()) and np.isfinite(values.max())):  # NaN is the least and the largest
        return
    finite = np.isfinite(values)
    place = tuple(int(index) for index in np.argwhere(~finite)[0])
    raise ArgumentError(
        f"{name}: expected finite {what}, got {values[place]} at {place if len(place) > 1 else place[0]}"
    )
