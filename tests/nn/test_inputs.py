"""Flags of categories kept as places: the network is the one of the whole array, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.nn.helpers import trained
from tests.nn.test_side_by_side import same
from tuner.inputs import Inputs
from tuner.nn import Examples, Hyperparameters, Network, classify_each
from tuner.nn.gradient_check import check_gradients

BASE = Hyperparameters(hidden=(9, 6), batch_size=32, alpha=0.3, lambda_=0.1)


def mixed(n: int, seed: int = 0) -> Inputs:
    """Three numbers before, between and behind the flags of two columns; some rows have no flag."""
    rng = np.random.default_rng(seed)
    flags = np.column_stack([rng.choice([1, 2, 3, 10], n), rng.choice([5, 6, 7, 8, 10], n)]).astype(np.uint8)
    return Inputs(rng.normal(size=(n, 3)).astype(np.float32), np.array([0, 4, 9]), flags, 10)


def examples(n: int, seed: int = 0, *, weighted: bool = False) -> tuple[Examples, Examples]:
    """The same examples with places of flags and as an array."""
    some, rng = mixed(n, seed), np.random.default_rng(seed)
    y = (some.array() @ np.random.default_rng(9).normal(size=(10, 3))).argmax(axis=1)
    weights = rng.random(n) if weighted else None
    return Examples(some, y, weights), Examples(some.array(), y, weights)


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        ({"keep_prob": 0.7}, {}),
        ({"batch_size": "full"}, {"dtype": np.float64}),
        ({"hidden": ()}, {"augment": lambda rng, X: X + rng.normal(size=X.shape).astype(X.dtype)}),
    ],
)
def test_training(changed: dict[str, Any], others: dict[str, Any]) -> None:
    """Side by side on sets of their own or on one, in blocks with a remainder, with all that is measured of them."""
    one, seeds = replace(BASE, **changed), (1, 2)
    sets = [examples(n, n, weighted=True) for n in (601, 650)], [examples(n, n) for n in (530, 40)]
    for shared in (False, True):
        runs = []
        for kind in (0, 1):
            data, dev = ([pair[kind] for pair in each] for each in sets)
            given = {"data": data[0], "dev": dev[0]} if shared else {"data": data, "dev": dev}
            runs.append(trained(one, seeds=seeds, report_epochs=[2], epochs=3, **given, **others).networks)
        for a, b in zip(*runs, strict=True):
            assert same(a, b)
            assert a.layers == b.layers


def test_predictions() -> None:
    """Several networks, each with inputs of its own, in blocks and whole."""
    rng, inputs = np.random.default_rng(0), [mixed(100, 1), mixed(100, 2)]
    shape = trained(BASE, data=examples(100)[0], dev=examples(100)[0], epochs=1).networks[0].architecture
    networks = [Network(shape, rng.normal(size=shape.n_parameters).astype(np.float32)) for _ in inputs]
    for block in (None, 64):
        found = classify_each(networks, inputs, block)
        expected = classify_each(networks, [one.array() for one in inputs], block)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_gradients() -> None:
    """They are those of the cost."""
    assert check_gradients(examples(30)[0], n_classes=3, hyperparameters=BASE, seed=0).passed
