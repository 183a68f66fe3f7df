"""Interrupted training continues to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.nn.helpers import trained
from tests.nn.test_side_by_side import same
from tuner.errors import ArgumentError
from tuner.nn import ACTIVATIONS, OPTIMIZERS, SCHEDULES, Hyperparameters, Stopping

BASE = Hyperparameters(hidden=(12, 7), batch_size=32, alpha=0.05, keep_prob=0.8, lambda_=0.1)


def after(calls: int) -> Callable[[], bool]:
    """Return a should_stop that is true at the given call."""
    asked = [0]

    def should_stop() -> bool:
        asked[0] += 1
        return asked[0] >= calls

    return should_stop


MORE = {"normalization": "batch", "weight_average": 0.9, "clip_norm": 1.0, "hidden": (7, 7), "residual": True}
TABLES: dict[str, Iterable[str]] = {"optimizer": OPTIMIZERS, "activation": ACTIVATIONS, "schedule": SCHEDULES}
EVERY = [{field: name} for field, table in TABLES.items() for name in table]


@pytest.mark.parametrize(("settings", "calls"), [*((one, 10) for one in EVERY), *((MORE, n) for n in (1, 10, 22))])
def test_resumed_training_ends_with_the_same_bits(settings: dict[str, Any], calls: int, tmp_path: Path) -> None:
    """Every line of the tables, and all other parts of a step, stopped in the first, second or fourth epoch.

    The checkpoint is saved to a file in between.
    """
    one = replace(BASE, **({"schedule": "exponential", "decay_rate": 0.2} | settings))
    rates = {"biases": 0.1, "first": 2.0, "scale": 6.0} if "residual" in settings else None
    several, seeds = [one, replace(one, beta=0.5, keep_prob=1.0)], (1, 2)
    run = partial(trained, several, seeds=seeds, epochs=6, report_epochs=(1, 3, 5), rates=rates)
    whole, first = run(), run(should_stop=after(calls))
    assert whole.checkpoint is None
    assert first.checkpoint is not None
    assert {network.stop_reason for network in first.networks} == {"interrupted"}
    assert {network.epochs for network in first.networks} == {(calls - 1) // 7}
    np.savez(tmp_path / "checkpoint.npz", **first.checkpoint)
    with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as kept:
        second = run(resume=dict(kept))
    assert all(same(a, b) and a.layers == b.layers for a, b in zip(second.networks, whole.networks, strict=True))


def test_networks_that_had_stopped_stay_stopped() -> None:
    """A checkpoint keeps networks that have diverged or run out of patience."""
    settings = [BASE, replace(BASE, alpha=1e30), replace(BASE, alpha=1e-9)]
    stopping = Stopping(max_epochs=9, patience=2, min_updates=0, ties_by_cost=True)
    whole = trained(settings, seeds=(0, 1, 2), stopping=stopping)
    first = trained(settings, seeds=(0, 1, 2), stopping=stopping, should_stop=after(7 * 4 + 2))
    second = trained(settings, seeds=(0, 1, 2), stopping=stopping, resume=first.checkpoint)
    assert [network.stop_reason for network in first.networks][1:] == ["diverged", "patience"]
    assert second.networks[1].diverged_layer == whole.networks[1].diverged_layer is not None
    assert all(same(a, b) for a, b in zip(second.networks, whole.networks, strict=True))


def test_should_stop_is_asked_every_mini_batch() -> None:
    """should_stop is called seven times in each of three epochs."""
    asked: list[int] = []
    trained(BASE, epochs=3, should_stop=lambda: bool(asked.append(1)))
    assert len(asked) == 21


def test_an_interrupted_network_is_its_best_so_far() -> None:
    """The networks of an interrupted run can be used."""
    network = trained(BASE, epochs=9, should_stop=after(30)).networks[0]
    shorter = trained(BASE, epochs=4).networks[0]
    assert network.epochs == 4
    assert np.array_equal(network.theta, shorter.theta)


def test_a_checkpoint_of_other_networks_is_refused() -> None:
    """Resuming with another shape or number of networks names both."""
    checkpoint = trained(BASE, should_stop=after(10)).checkpoint
    with pytest.raises(ArgumentError, match="checkpoint of 1 networks of 115 parameters, got 1 networks of 199"):
        trained(replace(BASE, hidden=(10, 3), keep_prob=1.0), resume=checkpoint)
    with pytest.raises(ArgumentError, match="got something else"):
        trained(BASE, resume={})
