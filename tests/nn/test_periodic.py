"""Periodic inputs: what a network learns of single numbers before its first layer."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.nn.helpers import blobs, numbers, prepared, trained
from tests.nn.test_inputs import mixed, wide
from tests.nn.test_side_by_side import same
from tuner.errors import ArgumentError
from tuner.nn import Architecture, Examples, Hyperparameters, Network, Periodic, Stopping, train
from tuner.nn.cohort import Cohort
from tuner.nn.gradient_check import check_gradients
from tuner.nn.lane import Lane
from tuner.nn.plan import Plan

BASE = Hyperparameters(hidden=(9, 6), batch_size=16, alpha=0.05, lambda_=0.3, l1=0.1, highest_frequency=2.0)


@pytest.mark.parametrize(
    "changed", [{}, {"hidden": ()}, {"normalization": "batch"}, {"hidden": (7, 7), "residual": True}]
)
def test_gradients_are_exact(changed: dict[str, Any]) -> None:
    """Of columns of an array, beside flags that are written out, and beside flags that choose rows of W."""
    one = replace(BASE, **changed)
    of_mixed, (of_wide, _) = Examples(mixed(40), np.arange(40) % 3), wide(40, 0)
    for data, columns in ((blobs(40), (0, 2, 3)), (of_mixed, (0, 9)), (of_wide, (255,))):
        check = check_gradients(data, n_classes=3, hyperparameters=one, seed=0, periodic=columns, entries=300)
        parts = check.points[-1].parts
        assert [(part.layer, part.name) for part in parts[:3]] == [(0, "V"), (0, "U"), (1, "W")]
        assert sum(part.size for part in parts) == check.n_parameters
        assert sum(part.skipped for part in parts) < 0.05 * sum(part.checked for part in parts)
        assert check.relative_difference < 1e-7


def test_what_a_network_makes_of_a_number() -> None:
    """relu(sin(ω x + φ) U + b) by hand, beside the number itself, for the first layer."""
    shape = Architecture(2, (), 1, output="linear", periodic=Periodic((1,), waves=2, units=3))
    V = np.array([[2.0, 5.0], [0.1, -0.4]])
    U = np.array([[1.0, -1.0, 0.5], [0.2, 0.3, -0.9], [0.05, 0.0, -0.2]])
    W, b = np.array([[0.7], [-0.3], [1.5], [2.5], [-3.5]]), [0.25]
    network = Network(shape, np.concatenate([V.ravel(), U.ravel(), W.ravel(), b]))
    X = np.array([[0.5, -1.2], [0.0, 0.3], [3.0, 0.9]])
    waves = np.sin(np.outer(X[:, 1], V[0]) + V[1])
    units = np.maximum(waves @ U[:2] + U[2], 0)
    assert np.allclose(network.predict(X), X @ W[:2, 0] + units @ W[2:, 0] + b)


def test_networks_are_those_that_each_is_alone() -> None:
    """Seeds and folds of different sizes, with dropout, an average and Adam, bit for bit; resumed, too."""
    one = replace(BASE, keep_prob=0.8, optimizer="adam", alpha=0.01, weight_average=0.9)
    data, dev = [blobs(90), blobs(77, seed=3)], [blobs(40, seed=4), blobs(31, seed=5)]
    both = trained(one, seeds=(1, 2), data=data, dev=dev, periodic=(1, 4))
    for k, network in enumerate(both.networks):
        [alone] = trained(one, seeds=(k + 1,), data=data[k], dev=dev[k], periodic=(1, 4)).networks
        assert same(network, alone)
    calls = iter(range(9))
    stopped = trained(one, seeds=(1, 2), data=data, dev=dev, periodic=(1, 4), should_stop=lambda: next(calls, 9) == 8)
    resumed = trained(one, seeds=(1, 2), data=data, dev=dev, periodic=(1, 4), resume=stopped.checkpoint)
    assert all(same(a, b) for a, b in zip(both.networks, resumed.networks, strict=True))


def test_flags_may_choose_rows_of_weights() -> None:
    """Up to rounding as written out."""
    of_flags, written = wide(601, 0)
    one = replace(BASE, optimizer="adam", alpha=0.01)
    networks = [
        trained(one, data=data, dev=data, periodic=(0, 255), dtype=np.float64, epochs=3).networks[0]
        for data in (of_flags, written)
    ]
    assert np.allclose(networks[0].theta, networks[1].theta, rtol=0, atol=1e-9)
    assert np.allclose(networks[0].predict_proba(of_flags.X), networks[0].predict_proba(written.X))


def test_a_wave_is_learned() -> None:
    """Of one number, with an error that the same network without periodic inputs is far from."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(800, 2))
    data = Examples(X, np.sin(25 * X[:, 0]) + 0.1 * rng.normal(size=800))
    one = Hyperparameters(hidden=(32,), optimizer="adam", alpha=0.01, batch_size=32)
    errors = []
    for periodic in ((0,), ()):
        run = train(
            Examples(X[:600], data.y[:600]),
            Examples(X[600:], data.y[600:]),
            n_classes=1,
            output="linear",
            hyperparameters=one,
            seeds=[0],
            stopping=Stopping(max_epochs=40),
            periodic=periodic,
        )
        errors.append(run.networks[0].dev_error)
    assert errors[0] < 0.05 < 0.3 < errors[1]


def test_waves_begin_log_uniform_up_to_the_highest_frequency() -> None:
    """In cycles per unit, from 0.03; the weights of fast waves are small.  A lower highest frequency is that of all."""
    spec = Periodic((0, 1), waves=400, units=5)
    shape = Architecture(3, (4,), 2, periodic=spec)
    for highest in (30.0, 0.01):
        V, U = spec.views(shape.initial(np.random.default_rng(0), "he", highest))
        cycles = V[:, 0] / (2 * np.pi)
        lowest = min(0.03, highest)
        assert lowest * (1 - 1e-9) <= cycles.min() <= cycles.max() <= highest * (1 + 1e-9)
        assert np.log(cycles).mean() == pytest.approx(np.log(lowest * highest) / 2, abs=0.2)
        assert np.abs(V[:, 1]).max() <= np.pi
        sizes = np.linalg.norm(U[:, :-1], axis=2)
        if highest > 1:
            assert sizes[cycles <= 0.1].mean() > 3 * sizes[cycles > 1].mean()
        assert not U[:, -1].any()


def test_no_penalty_acts_on_what_makes_them() -> None:
    """Not on V or U, as on no bias; on W it does."""
    gradients = []
    for lambda_ in (0.0, 50.0):
        one = Hyperparameters(hidden=(5,), lambda_=lambda_, batch_size=16)
        shape = Architecture(6, (5,), 3, periodic=Periodic((2,)))
        plan = Plan(shape, [prepared(blobs(32))], None, [one], Stopping(), "train_set", np.float64, None, None)
        lane = Lane(0, plan, 0, None)
        gradients.append(Cohort(plan, [lane], lane.best_theta[None]).first_gradient()[0].copy())
    differs = gradients[0] != gradients[1]
    before, (W, b) = slice(0, shape.n_before_layers), shape.slices()[0]
    assert not differs[before].any()
    assert not differs[b].any()
    assert differs[W].all()


def test_a_network_that_diverges_is_a_result() -> None:
    """Whatever its waves come to."""
    one = Hyperparameters(hidden=(5,), alpha=1e20, batch_size=16)
    [network] = trained(one, data=numbers(40), dev=numbers(30), n_classes=1, output="linear", periodic=(0,)).networks
    assert network.diverged_layer is not None
    assert network.dev_error == 1e6


def test_mini_batches_share_their_arrays() -> None:
    """Memory does not rise with the number of mini-batches, whose rows alone are kept."""
    peaks = []
    for n in (320, 3200):
        data = blobs(n)
        tracemalloc.start()
        trained(replace(BASE, batch_size=128), data=data, dev=blobs(32), periodic=(0, 1, 2), epochs=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1.5e6


def test_the_least_memory_is_known_before() -> None:
    """Training takes as much, and not twice as much."""
    one, columns = Hyperparameters(hidden=(16,), batch_size=256), tuple(range(20))
    shape = Architecture(20, (16,), 3, periodic=Periodic(columns))
    least = shape.least_bytes(networks=2, rows=256, evaluated=512, slots=one.n_slots)
    data, dev = blobs(1024, n_features=20), blobs(512, n_features=20)
    tracemalloc.start()
    trained(one, seeds=(0, 1), data=data, dev=dev, periodic=columns, epochs=1)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert least < taken < 2 * least


@pytest.mark.parametrize(
    ("columns", "message"),
    [((2, 1), "rising columns"), ((1, 1), "rising columns"), ((-1,), "≥ 0"), ((6,), "columns below 6, got 6")],
)
def test_columns_are_some_of_the_inputs(columns: tuple[int, ...], message: str) -> None:
    """Each once, in their order."""
    with pytest.raises(ArgumentError, match=message):
        trained(BASE, periodic=columns)


def test_frequencies_have_an_end() -> None:
    """Above it float32 cannot tell the angles apart."""
    with pytest.raises(ArgumentError, match="highest_frequency: expected"):
        Hyperparameters(highest_frequency=2000.0)
    with pytest.raises(ArgumentError, match="without periodic inputs"):
        Architecture(2, (), 2, periodic=Periodic((0,))).flatten([])
