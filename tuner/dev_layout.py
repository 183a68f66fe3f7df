"""How a trial's networks share the dev rows: one has all (holdout), each has a fold, or each has all (seeds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
N_DEV_FOLDS = 20
"""Random folds of the dev set, over each of which a network's losses are summed after every epoch."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DevLayout:
    """``sizes``: dev rows of each network; ``n_dev``: dev rows of the study."""

    sizes: tuple[int, ...]
    n_dev: int

    @classmethod
    def planned(cls, parts: Sequence[int], seeds: int) -> DevLayout:
        """The layout of a data set whose parts have so many dev rows: a network a part, of a single one ``seeds``."""
        return cls(tuple(parts) if len(parts) > 1 else (*parts,) * seeds, sum(parts))

    @property
    def n_networks(self) -> int:
        """How many networks a trial has."""
        return len(self.sizes)

    @property
    def covers_once(self) -> bool:
        """Whether the networks' dev rows together are the dev set (one network, or folds), not each one's (seeds)."""
        return sum(self.sizes) == self.n_dev

    @property
    def has_folds(self) -> bool:
        """Whether each network has dev rows of its own."""
        return self.n_networks > 1 and self.covers_once

    @property
    def looks(self) -> int:
        """How many networks judge one dev row."""
        return 1 if self.covers_once else self.n_networks

    def each(self, parts: Sequence[T]) -> list[T]:
        """What each network has, of what each part has."""
        return [parts[network % len(parts)] for network in range(self.n_networks)]

    def split(self, rows: Array) -> list[Array]:
        """Each network's own of the values of all dev rows, (n_dev,)."""
        if not self.covers_once:
            return [rows] * self.n_networks
        return np.split(rows, np.cumsum(self.sizes)[:-1])

    def groups(self, networks: Sequence[T]) -> list[Sequence[T]]:
        """The networks in groups that cover all dev rows together: one group of folds, or with seeds each by itself."""
        return [networks] if self.has_folds else [[network] for network in networks]

    def sets(self, losses: Sequence[Array]) -> list[Array]:
        """The networks' losses as sets that cover all dev rows, (n_dev,) each: one, or with seeds one a network."""
        return [np.concatenate(group) if len(group) > 1 else group[0] for group in self.groups(losses)]

    def row_losses(self, losses: Sequence[Array]) -> Array:
        """A trial's loss of each dev row, (n_dev,): with seeds the mean over its networks."""
        sets = self.sets(losses)
        return sets[0] if len(sets) == 1 else np.asarray(np.mean(sets, axis=0, dtype=np.float32))

    def train_loss(self, sums: Sequence[float], sizes: Sequence[int]) -> tuple[float, int]:
        """Sum of the training rows' losses and number of rows, from each network's.

        With K folds every row is trained on K − 1 times, and counts once; with seeds the mean over the networks.
        """
        often = self.n_networks - 1 if self.has_folds else self.n_networks
        return sum(sums) / often, round(sum(sizes) / often)
