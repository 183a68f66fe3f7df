"""What ``train`` was asked, checked and completed, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Plan:
    """One training of K networks; lists have one entry a network."""

    architecture: Architecture
    trains: list[Prepared]
    devs: list[Prepared] | None
    hyperparameters: list[Hyperparameters]
    stopping: Stopping
    penalty_per: str
    dtype: type[np.floating[Any]]
    augment: Augment | None
    order: Order | None

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of all networks."""
        return OPTIMIZERS[self.hyperparameters[0].optimizer]

    def batch_rows(self, number: int) -> int:
        """Rows of a full mini-batch of a network."""
        size = self.hyperparameters[number].batch_size
        return len(self.trains[number]) if size == "full" else min(int(size), len(self.trains[number]))

    def updates_an_epoch(self, number: int) -> int:
        """Mini-batches in one pass over a network's training examples."""
        return -(-len(self.trains[number]) // self.batch_rows(number))


def each(name: str, given: Any, kind: type, K: int) -> list[Any]:
    """One for each of K networks, from one for all or a sequence."""
    if isinstance(given, kind):
        return [given] * K
    several = list(given)
    if len(several) != K:
        raise ArgumentError(f"{name} must be one or {K} (one per seed), got {len(several)}")
    return several


def prepared_sets(
    name: str, sets: list[Examples], architecture: Architecture, dtype: type[np.floating[Any]]
) -> list[Prepared]:
    """Every set checked and converted once, however many networks share it."""
    done: dict[int, Prepared] = {}
    for key, examples in {id(examples): examples for examples in sets}.items():
        done[key] = examples.prepared(name, n_classes=architecture.n_classes, dtype=dtype)
        found = done[key].n_features
        if found != architecture.n_features:
            raise ArgumentError(f"{name}: X must have {architecture.n_features} columns, got {found}")
    return [done[id(examples)] for examples in sets]


def check_agreement(settings: Sequence[Hyperparameters]) -> None:
    """Networks side by side share the shapes of their arrays and the code that runs over them."""
    for name in ("hidden", "activation", "optimizer", "batch_size"):
        values = {getattr(one, name) for one in settings}
        if len(values) > 1:
            found = " and ".join(sorted(map(str, values)))
            raise ArgumentError(f"networks side by side must agree in {name}, got {found}")


def check_updates(plan: Plan) -> None:
    """Networks side by side that end after so many updates must make the same number of them in an epoch."""
    found = sorted({plan.updates_an_epoch(number) for number in range(len(plan.trains))})
    if plan.stopping.max_updates is not None and len(found) > 1:
        raise ArgumentError(
            f"max_updates needs as many updates an epoch in every network, got {found[0]} to {found[-1]}"
        )


def initial_thetas(initial: Array | Sequence[Array] | None, K: int, architecture: Architecture) -> list[Array | None]:
    """The given θ of each network, if any."""
    if initial is None:
        return [None] * K
    theta = np.asarray(initial, dtype=np.float64)
    size = architecture.n_parameters
    if theta.shape not in {(size,), (K, size)}:
        raise ArgumentError(f"initial must have shape ({size},) or ({K}, {size}), got {theta.shape}")
    if not np.isfinite(theta).all():
        raise ArgumentError(f"initial must be finite, got {theta[~np.isfinite(theta)][0]}")
    return list(np.broadcast_to(theta, (K, size)))


def checked_order(order: Ints, n: int) -> Ints:
    """A given order of n examples, each exactly once."""
    found = np.asarray(order)
    if found.shape != (n,) or not np.array_equal(np.sort(found), np.arange(n)):
        raise ArgumentError(f"order must hold each of 0 to {n - 1} once, got shape {found.shape}")
    return found.astype(np.int64, copy=False)
