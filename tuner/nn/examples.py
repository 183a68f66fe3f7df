"""A set of labeled examples and its checks before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tuner.errors import ArgumentError
from tuner.inputs import Inputs
from tuner.metrics import ERROR, Metric, relative
from tuner.nn.arrays import Array, Ints
from tuner.nn.calls import Call
from tuner.nn.flags import FlagRows, is_wide
from tuner.nn.memory import aligned

RowLosses = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Examples:
    """X (n, n_features) of floats, y (n,) of class numbers from 0 or of floats, and optional weights (n,) ≥ 0.

    y (n, n_targets) are several numbers of each row.

    Numbers to predict train best if they have mean 0 and standard deviation 1.

    ``weights`` are relative: the cost is Σ w·loss / Σ w.  Errors count examples alike, unless ``error_weights``,
    relative too, say what each counts for: the two differ where classes have weights in the cost.

    ``row_losses(predicted, y)`` returns what the error of predicted numbers is the mean of, (…, n); by default their
    squared errors.  ``counted_by``: the metric whose losses of rows the errors of classes are means of, if these are
    not just wrong or right.
    """

    X: Array | Inputs
    y: Array = field(repr=False)
    weights: Array | None = field(default=None, repr=False)
    error_weights: Array | None = field(default=None, repr=False)
    row_losses: RowLosses | None = field(default=None, repr=False)
    counted_by: Metric = ERROR

    def __len__(self) -> int:
        return len(self.y)

    def prepared(self, name: str, *, n_classes: int, dtype: type[np.floating], is_numeric: bool = False) -> Prepared:
        """Check the examples and convert them for a network; ``is_numeric``: it predicts numbers.

        ``name`` is the set's name in errors.
        """
        X, y = self.X, np.asarray(self.y)
        if not (isinstance(X, Inputs) and X.has_flags):
            X = X.array() if isinstance(X, Inputs) else np.asarray(X)
        of_row = (n_classes,) if is_numeric and n_classes > 1 else ()
        if len(X.shape) != 2 or not y.ndim or y.shape[1:] != of_row or len(X) != len(y):
            expected = f"(n, {n_classes})" if of_row else "(n,)"
            raise ArgumentError(
                f"{name}: expected X of shape (n, n_features) and y of shape {expected}, got {X.shape} and {y.shape}"
            )
        if not len(y):
            raise ArgumentError(f"{name}: expected at least 1 example, got 0")
        _finite(name, "X", X.numbers if isinstance(X, Inputs) else X)
        y = _checked_numbers(name, y).astype(dtype, copy=False) if is_numeric else _checked_classes(name, y, n_classes)
        inputs = X if isinstance(X, Inputs) else with_ones(X, dtype)
        in_cost, in_errors = (self._checked_weights(name, key) for key in ("weights", "error_weights"))
        of_rows = None if in_cost is None else relative(in_cost).astype(dtype)
        return Prepared(inputs, y, of_rows, dtype, in_errors, self.row_losses, self.counted_by)

    def _checked_weights(self, name: str, key: str) -> Array | None:
        given = getattr(self, key)
        if given is None:
            return None
        weights = np.asarray(given, dtype=np.float64)
        if weights.shape != (len(self.y),):
            raise ArgumentError(f"{name}: expected {key} of shape ({len(self.y)},), got {weights.shape}")
        _finite(name, key, weights)
        if weights.min() < 0 or not weights.sum() > 0:
            raise ArgumentError(f"{name}: expected {key} ≥ 0, not all 0, got {weights.min():g}")
        return weights


@dataclass(frozen=True)
class Prepared:
    """Checked examples: X with a last column of ones, which the biases multiply.

    Adding a bias and summing its gradient are thus part of the matrix products.  ``inputs`` is that array
    (n, n_features + 1), or X with the flags of categories as their places, which are written out for a block of rows at
    a time.  ``weights`` are multiples of their mean; ``error_weights``, ``row_losses`` and ``counted_by`` as given.
    """

    inputs: Array | Inputs
    y: Array
    weights: Array | None
    dtype: type[np.floating[Any]]
    error_weights: Array | None = None
    row_losses: RowLosses | None = None
    counted_by: Metric = ERROR

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_features(self) -> int:
        """Number of columns of X."""
        return self.inputs.n_features if isinstance(self.inputs, Inputs) else int(self.inputs.shape[1]) - 1

    def rows(self, chosen: Ints) -> Prepared:
        """Return some of the examples."""
        weights, in_errors = (None if each is None else each[chosen] for each in (self.weights, self.error_weights))
        inputs = self.inputs.rows(chosen) if isinstance(self.inputs, Inputs) else self.inputs[chosen]
        return Prepared(inputs, self.y[chosen], weights, self.dtype, in_errors, self.row_losses, self.counted_by)

    @property
    def relative_error_weights(self) -> Array | None:
        """The weights in the error as multiples of their mean; None if all are alike."""
        return None if self.error_weights is None else relative(self.error_weights)

    @property
    def is_wide(self) -> bool:
        """Whether the first layer is to take flags by their places."""
        return isinstance(self.inputs, Inputs) and is_wide(self.inputs)

    def room(self, rows: int) -> Array | FlagRows:
        """Return room for so many examples, as the first layer takes them."""
        if isinstance(self.inputs, Inputs) and is_wide(self.inputs):
            return FlagRows.empty(self.inputs, rows, self.dtype)
        return aligned((rows, self.n_features + 1), self.dtype)

    def gather(self, chosen: Ints, out: Array | FlagRows) -> None:
        """Write some of the examples into ``out``: (rows, n_features + 1), or the first rows for flags."""
        if isinstance(out, FlagRows):
            assert isinstance(self.inputs, Inputs)  # or it were no room for them
            out.fill(self.inputs, chosen)
        elif isinstance(self.inputs, Inputs):
            self.inputs.write(chosen, out)
        else:
            # With mode "clip" np.take needs no buffer; no index is out of bounds.
            np.take(self.inputs, chosen, axis=0, out=out, mode="clip")

    def block(
        self, start: int, stop: int, rooms: dict[int, Array | FlagRows]
    ) -> tuple[list[Call], Array | list[FlagRows]]:
        """Return the examples start to stop for a forward pass of any networks, and the calls that must first run.

        ``rooms``: by their number of rows, of blocks that are used one after the other.
        """
        if not isinstance(self.inputs, Inputs):
            return [], self.inputs[None, start:stop]
        if stop - start not in rooms:
            rooms[stop - start] = self.room(stop - start)
        out = rooms[stop - start]
        return [partial(self.gather, np.arange(start, stop), out)], [out] if isinstance(out, FlagRows) else out[None]

    def extended(self) -> Array:
        """Return the array (n, n_features + 1) of all examples."""
        if not isinstance(self.inputs, Inputs):
            return self.inputs
        array = aligned((len(self), self.n_features + 1), self.dtype)
        self.inputs.write(np.arange(len(self)), array)
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


def _checked_classes(name: str, y: Array, n_classes: int) -> Array:
    if not np.issubdtype(y.dtype, np.integer):
        raise ArgumentError(f"{name}: expected integers in y, got {y.dtype}")
    if y.min() < 0 or y.max() >= n_classes:
        label = y.min() if y.min() < 0 else y.max()
        raise ArgumentError(f"{name}: expected classes 0 to {n_classes - 1} in y, got {label}")
    return y.astype(np.int64, copy=False)


def _checked_numbers(name: str, y: Array) -> Array:
    if y.dtype.kind not in "fiu":
        raise ArgumentError(f"{name}: expected numbers in y, got {y.dtype}")
    _finite(name, "y", y)
    return y


def _finite(name: str, what: str, values: Array) -> None:
    """Refuse NaN and infinity, with the first place."""
    if not values.size or (np.isfinite(values.min()) and np.isfinite(values.max())):  # NaN is the least and the largest
        return
    finite = np.isfinite(values)
    place = tuple(int(index) for index in np.argwhere(~finite)[0])
    raise ArgumentError(
        f"{name}: expected finite {what}, got {values[place]} at {place if len(place) > 1 else place[0]}"
    )
