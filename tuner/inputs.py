"""The inputs of a network: numbers, and flags of categories, kept as the places of those that are set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

BYTES_AT_ONCE = 1 << 20
"""Bytes of X that are written at once: half of a level-2 cache."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """X (n, n_features), in which each column of categories has at most one flag per row that is 1.

    ``numbers`` (n, d): the columns of X at ``places`` (d,), in their order.  ``flags`` (n, c): for each column of
    categories the place of the flag that is 1; ``n_features`` where there is none.  Everything else is 0.
    """

    numbers: NDArray[Any]
    places: NDArray[np.int64]
    flags: NDArray[np.unsignedinteger[Any]]
    n_features: int

    @classmethod
    def of(cls, X: NDArray[Any]) -> Self:
        """Return an array (n, n_features) as inputs without flags; it is not copied."""
        n, n_features = X.shape
        return cls(X, np.arange(n_features), np.empty((n, 0), dtype=np.uint8), n_features)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of X."""
        return len(self), self.n_features

    @property
    def nbytes(self) -> int:
        """Bytes that the rows take."""
        return self.numbers.nbytes + self.flags.nbytes

    @property
    def has_flags(self) -> bool:
        """Whether there are columns of categories; without them ``numbers`` is X."""
        return bool(self.flags.shape[1])

    def array(self) -> NDArray[Any]:
        """Return X; it is made anew if there are flags."""
        if not self.has_flags:
            return self.numbers
        X = np.empty(self.shape, dtype=self.numbers.dtype)
        step = max(BYTES_AT_ONCE // (X.itemsize * (self.n_features + 1)), 1)
        extended = np.empty((min(step, len(self)), self.n_features + 1), dtype=X.dtype)
        for start in range(0, len(self), step):
            rows = np.arange(start, min(start + step, len(self)))
            self.write(rows, extended[: len(rows)])
            X[start : start + step] = extended[: len(rows), :-1]
        return X

    def rows(self, chosen: Any) -> Inputs:
        """Return some of the rows: their numbers, a mask or a slice."""
        return Inputs(self.numbers[chosen], self.places, self.flags[chosen], self.n_features)

    def write(self, chosen: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Write the rows of X with a last column of ones into ``out`` (rows, n_features + 1), C-contiguous."""
        numbers = self.numbers.take(chosen, axis=0)
        if not self.has_flags:
            out[:, :-1] = numbers
        else:
            out.fill(0)
            for part, of_X in adjacent(self.places):
                out[:, of_X] = numbers[:, part]
            starts = np.arange(0, out.size, out.shape[1])[:, None]
            out.reshape(-1)[self.flags.take(chosen, axis=0) + starts] = 1  # no flag: the last column, which is 1
        out[:, -1] = 1


def adjacent(places: NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Yield the runs of adjacent places, of rising ones: where a run is among them, and what it covers.

    NumPy copies a slice of columns several times faster than columns by their numbers.
    """
    ends = np.flatnonzero(np.diff(places) != 1) + 1
    for part in np.split(np.arange(len(places)), ends) if len(places) else ():
        first = int(places[part[0]])
        yield slice(int(part[0]), int(part[-1]) + 1), slice(first, first + len(part))


def joined_inputs(parts: list[Inputs]) -> Inputs:
    """Concatenate rows of one layout."""
    first = parts[0]
    numbers, flags = (np.concatenate([getattr(part, name) for part in parts]) for name in ("numbers", "flags"))
    return Inputs(numbers, first.places, flags, first.n_features)
