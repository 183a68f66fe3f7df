"""How a trial's networks share the dev rows: one network with all of them, one fold each, or all each (seeds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
N_DEV_FOLDS = 20
"""Random folds of the dev set; a network's losses are summed over each after every epoch."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DevLayout:
    """``sizes``: dev rows of each network; ``n_dev``: dev rows of the study."""

    sizes: tuple[int, ...]
    n_dev: int

    @classmethod
    def planned(cls, parts: Sequence[int], seeds: int) -> DevLayout:
        """Return the layout for parts of these sizes: one network per part, or ``seeds`` networks on a single part."""
        return cls(tuple(parts) if len(parts) > 1 else (*parts,) * seeds, sum(parts))

    @property
    def n_networks(self) -> int:
        """Number of networks of a trial."""
        return len(self.sizes)

    @property
    def covers_once(self) -> bool:
        """Whether each dev row belongs to one network (holdout or folds), not to all of them (seeds)."""
        return sum(self.sizes) == self.n_dev

    @property
    def has_folds(self) -> bool:
        """Whether each network has its own fold of the dev rows."""
        return self.n_networks > 1 and self.covers_once

    @property
    def networks_per_row(self) -> int:
        """Number of networks that are evaluated on each dev row."""
        return 1 if self.covers_once else self.n_networks

    def each(self, parts: Sequence[T]) -> list[T]:
        """Return each network's item, from one item per part."""
        return [parts[network % len(parts)] for network in range(self.n_networks)]

    def split(self, rows: Array) -> list[Array]:
        """Split the values of all dev rows, (n_dev,), by network."""
        if not self.covers_once:
            return [rows] * self.n_networks
        return np.split(rows, np.cumsum(self.sizes)[:-1])

    def split_weights(self, weights: Array | None) -> Sequence[Array | None]:
        """Split the weights of all dev rows, (n_dev,), by network; None for each if all rows are alike."""
        return [None] * self.n_networks if weights is None else self.split(weights)

    def dev_sizes(self, weights: Array | None) -> list[float]:
        """Return what each network's dev rows count for together; ``weights``: (n_dev,), None: 1 each."""
        return list(self.sizes) if weights is None else [float(rows.sum()) for rows in self.split(weights)]

    def groups(self, networks: Sequence[T]) -> list[Sequence[T]]:
        """Group networks so that each group covers all dev rows: one group of folds, or one network per group."""
        return [networks] if self.has_folds else [[network] for network in networks]

    def sets(self, losses: Sequence[Array]) -> list[Array]:
        """Return the networks' losses as sets that cover all dev rows, (n_dev,): one, or with seeds one per network."""
        return [np.concatenate(group) if len(group) > 1 else group[0] for group in self.groups(losses)]

    def row_losses(self, losses: Sequence[Array]) -> Array:
        """Return a trial's loss on each dev row, (n_dev,): with seeds the mean over its networks."""
        sets = self.sets(losses)
        return sets[0] if len(sets) == 1 else np.asarray(np.mean(sets, axis=0, dtype=np.float32))

    def train_loss(self, sums: Sequence[float], sizes: Sequence[int]) -> tuple[float, int]:
        """Return the sum of losses over the training rows and their number, from those of each network.

        With K folds each row is a training row K − 1 times but counts once; with seeds it is the mean over networks.
        """
        often = self.n_networks - 1 if self.has_folds else self.n_networks
        return sum(sums) / often, round(sum(sizes) / often)
