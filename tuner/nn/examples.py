"""A set of labelled examples, and the checks it must pass before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tuner.errors import ArgumentError
from tuner.nn.arrays import Array, Ints


@dataclass(frozen=True)
class Examples:
    """X (n, n_features) of floats, y (n,) of class numbers from 0, and weights (n,) ≥ 0 if the examples have any.

    Weights are relative: the cost is Σ w·loss / Σ w.  Errors always count examples, whatever their weights.
    """

    X: Array
    y: Ints = field(repr=False)
    weights: Array | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.y)

    def checked(self, name: str, *, n_classes: int, dtype: type[np.floating]) -> Examples:
        """The same examples as contiguous arrays of this dtype; refuses what cannot be trained on.

        ``name`` says which set an error is about.
        """
        X, y = np.asarray(self.X), np.asarray(self.y)
        if X.ndim != 2 or y.ndim != 1 or len(X) != len(y):
            raise ArgumentError(f"{name}: X must be (n, n_features) and y (n,), got {X.shape} and {y.shape}")
        if not len(y):
            raise ArgumentError(f"{name} must have at least 1 example, got 0")
        X = np.ascontiguousarray(X, dtype=dtype)
        _finite(f"{name}: X", X)
        if not np.issubdtype(y.dtype, np.integer):
            raise ArgumentError(f"{name}: y must be integers, got {y.dtype}")
        if y.min() < 0 or y.max() >= n_classes:
            found = y.min() if y.min() < 0 else y.max()
            raise ArgumentError(f"{name}: y must be classes 0 to {n_classes - 1}, got {found}")
        return Examples(X, y.astype(np.int64, copy=False), self._checked_weights(name, dtype))

    def _checked_weights(self, name: str, dtype: type[np.floating]) -> Array | None:
        """Weights as multiples of their mean."""
        if self.weights is None:
            return None
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (len(self.y),):
            raise ArgumentError(f"{name}: weights must have shape ({len(self.y)},), got {weights.shape}")
        _finite(f"{name}: weights", weights)
        if weights.min() < 0 or not weights.sum() > 0:
            raise ArgumentError(f"{name}: weights must be at least 0 and not all 0, got {weights.min():g}")
        return np.asarray(weights / weights.mean(), dtype=dtype)


def _finite(name: str, values: Array) -> None:
    """Refuse NaN and infinity, naming the first place."""
    finite = np.isfinite(values)
    if finite.all():
        return
    place = tuple(int(index) for index in np.argwhere(~finite)[0])
    raise ArgumentError(f"{name} must be finite, got {values[place]} at {place if len(place) > 1 else place[0]}")
