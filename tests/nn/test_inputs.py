"""Flags of categories kept as places: the network is the one of the whole array."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.nn.helpers import trained
from tests.nn.test_side_by_side import same
from tests.test_inputs import pairs
from tuner.inputs import Inputs
from tuner.nn import Examples, Hyperparameters, Network, classify_each
from tuner.nn.calls import run
from tuner.nn.flags import WIDE, FlagRows
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
    """Few flags are written out: bit for bit the same, on sets of their own or on one, with all that is measured."""
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
    """They are those of the cost, of flags that are written out and of those that choose rows of W."""
    for some, n_features in ((examples(30)[0], 10), (wide(40, 0)[0], WIDE)):
        for hidden in ((9, 6), ()):
            one = replace(BASE, hidden=hidden)
            check = check_gradients(some, n_classes=3, hyperparameters=one, seed=0, entries=20)
            assert check.passed
            assert (check.n_parameters > 3 * WIDE) == (n_features == WIDE)


def wide(n: int, seed: int, columns: int = 3) -> tuple[Examples, Examples]:
    """The same with WIDE inputs: two numbers, the other columns flags; some rows have none of a column."""
    rng = np.random.default_rng(seed)
    ends = np.linspace(1, WIDE - 1, columns + 1).astype(int)
    flags = np.column_stack([rng.integers(*of_column, n) for of_column in pairwise(ends)]).astype(np.uint16)
    flags[rng.random(flags.shape) < 0.1] = WIDE
    some = Inputs(rng.normal(size=(n, 2)).astype(np.float32), np.array([0, WIDE - 1]), flags, WIDE)
    y = (some.array() @ np.random.default_rng(9).normal(size=(WIDE, 3))).argmax(axis=1)
    weights = rng.random(n)
    return Examples(some, y, weights), Examples(some.array(), y, weights)


@pytest.mark.parametrize("changed", [{"keep_prob": 0.7, "optimizer": "adam", "alpha": 0.01}, {"hidden": ()}])
def test_rows_of_weights(changed: dict[str, Any]) -> None:
    """Of many categories rows of W are added: up to rounding as written out, and of each network bit for bit as alone.

    The columns of the two networks' inputs are not the same, as in folds.
    """
    one = replace(BASE, **changed)
    data, dev = [wide(601, 0), wide(650, 1, columns=2)], [wide(530, 2), wide(40, 3, columns=2)]
    others: dict[str, Any] = {"dtype": np.float64, "epochs": 3}
    added, written = (
        trained(one, seeds=(1, 2), data=[pair[kind] for pair in data], dev=[pair[kind] for pair in dev], **others)
        for kind in (0, 1)
    )
    for a, b in zip(added.networks, written.networks, strict=True):
        assert np.allclose(a.theta, b.theta, rtol=0, atol=1e-9)
        assert np.allclose(a.curve["dev_cost"], b.curve["dev_cost"], rtol=1e-9)
        assert not np.array_equal(a.theta, b.theta)
    alone = [
        trained(one, seeds=(seed,), data=of_train[0], dev=of_dev[0], **others).networks[0]
        for seed, of_train, of_dev in zip((1, 2), data, dev, strict=True)
    ]
    assert all(same(a, b) for a, b in zip(added.networks, alone, strict=True))


@settings(max_examples=30, deadline=None)
@given(pair=pairs(), n_out=st.integers(1, 3))
def test_products_of_places(pair: tuple[Inputs, np.ndarray], n_out: int) -> None:
    """Both products of any inputs are those of the whole array, also of a part of the rows."""
    some, X = pair
    assume(some.has_flags)
    rng, n = np.random.default_rng(0), len(X)
    rows = FlagRows.empty(some, n + 1, np.float64)
    rows.fill(some, np.arange(n))
    part = rows.part(slice(n // 2, n))
    extended = np.column_stack([X, np.ones(n)])[n // 2 :]
    W, d = rng.normal(size=(extended.shape[1], n_out)), rng.normal(size=(len(extended), n_out))
    z, g = np.full(d.shape, np.nan), np.full(W.shape, np.nan)
    run([*part.forward_calls(W, z), *part.gradient_calls(d, g)])
    assert np.allclose(z, extended @ W)
    assert np.allclose(g, extended.T @ d)
