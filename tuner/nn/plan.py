"""The arguments of ``train``, checked and completed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tuner.errors import ArgumentError
from tuner.nn.architecture import Architecture
from tuner.nn.arrays import Array, Ints
from tuner.nn.examples import Examples, Prepared
from tuner.nn.hyperparameters import Hyperparameters
from tuner.nn.optimizers import OPTIMIZERS, Optimizer
from tuner.nn.stopping import Stopping

PENALTY_PER = ("train_set", "mini_batch")

Augment = Callable[[np.random.Generator, Array], Array]
Order = Callable[[int], Ints]
Masks = Callable[[int, int, int], Array]


@dataclass(frozen=True)
class Plan:
    """The training of K networks; lists have one entry per network."""

    architecture: Architecture
    trains: list[Prepared]
    devs: list[Prepared] | None
    hyperparameters: list[Hyperparameters]
    stopping: Stopping
    penalty_per: str
    dtype: type[np.floating[Any]]
    augment: Augment | None
    order: Order | None
    exact_zeros: bool = True
    masks: Masks | None = None
    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of all networks."""
        return OPTIMIZERS[self.hyperparameters[0].optimizer]

    @property
    def averages(self) -> bool:
        """Whether an average of θ is evaluated in the place of θ, in any network."""
        return any(one.weight_average for one in self.hyperparameters)

    @property
    def normalizes(self) -> bool:
        """Whether hidden layers are normalized over the mini-batch, in all networks."""
        return self.hyperparameters[0].normalizes

    @property
    def n_slots(self) -> int:
        """Arrays like θ that training keeps: the optimizer's, then the average, then the statistics of mini-batches."""
        return self.optimizer.n_slots + self.averages + self.normalizes

    @property
    def n_trained(self) -> int:
        """Entries of θ in training: with normalization, the scales are behind W and b."""
        return self.architecture.n_parameters + sum(self.architecture.hidden) * self.normalizes

    def in_training(self, theta: Array) -> Array:
        """Return the θ (K, n_trained) that training begins with, from (K, n_parameters): scales are 1."""
        return np.pad(theta, ((0, 0), (0, self.n_trained - theta.shape[1])), constant_values=1)

    @property
    def is_wide(self) -> bool:
        """Whether the first layer takes the flags of categories by their places; augmentation needs the whole X."""
        return self.augment is None and all(examples.is_wide for examples in self.trains)

    def batch_rows(self, number: int) -> int:
        """Rows of a full mini-batch of a network."""
        size = self.hyperparameters[number].batch_size
        return len(self.trains[number]) if size == "full" else min(int(size), len(self.trains[number]))

    def updates_per_epoch(self, number: int) -> int:
        """Mini-batches in one epoch of a network."""
        return -(-len(self.trains[number]) // self.batch_rows(number))


def each(name: str, given: Any, kind: type, K: int) -> list[Any]:
    """Return one value per network, from one for all or a sequence of K."""
    if isinstance(given, kind):
        return [given] * K
    several = list(given)
    if len(several) != K:
        raise ArgumentError(f"{name}: expected one or {K} (one per seed), got {len(several)}")
    return several


def prepared_sets(
    name: str, sets: list[Examples], architecture: Architecture, dtype: type[np.floating[Any]]
) -> list[Prepared]:
    """Check and convert each set once, even if several networks share it."""
    done: dict[int, Prepared] = {}
    for key, examples in {id(examples): examples for examples in sets}.items():
        done[key] = examples.prepared(
            name, n_classes=architecture.n_classes, dtype=dtype, is_numeric=architecture.is_numeric
        )
        n_features = done[key].n_features
        if n_features != architecture.n_features:
            raise ArgumentError(f"{name}: expected X with {architecture.n_features} columns, got {n_features}")
    return [done[id(examples)] for examples in sets]


def check_agreement(settings: Sequence[Hyperparameters]) -> None:
    """Refuse networks that cannot share their arrays and calls."""
    for name in ("hidden", "activation", "optimizer", "batch_size", "normalization", "residual"):
        values = {getattr(one, name) for one in settings}
        if len(values) > 1:
            text = " and ".join(sorted(map(str, values)))
            raise ArgumentError(f"hyperparameters: expected the same {name} in every network, got {text}")


def check_updates(plan: Plan) -> None:
    """Refuse ``max_updates`` for networks with different numbers of updates per epoch."""
    updates = sorted({plan.updates_per_epoch(number) for number in range(len(plan.trains))})
    if plan.stopping.max_updates is not None and len(updates) > 1:
        raise ArgumentError(
            f"max_updates: expected as many updates per epoch in every network, got {updates[0]} to {updates[-1]}"
        )


def initial_thetas(initial: Array | Sequence[Array] | None, K: int, architecture: Architecture) -> list[Array | None]:
    """Return the given θ of each network; None without one."""
    if initial is None:
        return [None] * K
    theta = np.asarray(initial, dtype=np.float64)
    size = architecture.n_parameters
    if theta.shape not in {(size,), (K, size)}:
        raise ArgumentError(f"initial: expected shape ({size},) or ({K}, {size}), got {theta.shape}")
    if not np.isfinite(theta).all():
        raise ArgumentError(f"initial: expected finite numbers, got {theta[~np.isfinite(theta)][0]}")
    return list(np.broadcast_to(theta, (K, size)))


def checked_mask(mask: Array, rows: int, width: int) -> Array:
    """Check which units of a layer a mini-batch keeps: 0 or 1, or false or true, for each example and unit."""
    array = np.asarray(mask)
    if array.shape != (rows, width) or not np.isin(array, (0, 1)).all():
        raise ArgumentError(f"masks: expected 0 and 1 in shape ({rows}, {width}), got shape {array.shape}")
    return array


def checked_order(order: Ints, n: int) -> Ints:
    """Check an order of n examples: each exactly once."""
    array = np.asarray(order)
    if array.shape != (n,) or not np.array_equal(np.sort(array), np.arange(n)):
        raise ArgumentError(f"order: expected each of 0 to {n - 1} once, got shape {array.shape}")
    return array.astype(np.int64, copy=False)
