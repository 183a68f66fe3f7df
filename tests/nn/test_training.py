"""train(): reproducible, stops early, returns the best weights and their true errors."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.nn.helpers import blobs, numbers, trained
from tuner.errors import ArgumentError
from tuner.nn import (
    ACTIVATIONS,
    INITIALIZERS,
    OPTIMIZERS,
    SCHEDULES,
    Architecture,
    EpochMetrics,
    Examples,
    Hyperparameters,
    Stopping,
    TrainedNetwork,
    train,
)
from tuner.nn.arrays import Array
from tuner.nn.cohort import Cohort
from tuner.nn.lane import WORST_COST, Lane
from tuner.nn.plan import Plan

BASE = Hyperparameters(hidden=(12, 7), batch_size=32, alpha=0.3)


def test_the_same_seed_gives_the_same_bits() -> None:
    """The same call gives the same θ, another seed another θ."""
    one = replace(BASE, keep_prob=0.8)
    first, second, other = (trained(one, seeds=(seed,)).networks[0] for seed in (1, 1, 2))
    assert np.array_equal(first.theta, second.theta)
    assert not np.array_equal(first.theta, other.theta)


def test_a_seed_sequence_is_not_used_up() -> None:
    """The same SeedSequence given twice trains the same network; an int is the SeedSequence of that int."""
    root = np.random.SeedSequence(5)
    child = root.spawn(1)[0]
    runs = [trained(BASE, seeds=(seed,)).networks[0].theta for seed in (root, root, 5, child)]  # type: ignore[arg-type]
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])
    assert not np.array_equal(runs[0], runs[3])


def test_streams_are_separate() -> None:
    """Dropout and an augmentation that draws change neither the initial weights nor the order of examples."""
    seen: dict[str, list[Array]] = {"plain": [], "noisy": []}

    def watch(name: str) -> Any:
        def augment(rng: np.random.Generator, X: Array) -> Array:
            seen[name].append(X.copy())
            if name == "noisy":
                rng.random(17)
            return X

        return augment

    trained(BASE, augment=watch("plain"), epochs=2)
    trained(replace(BASE, keep_prob=0.5), augment=watch("noisy"), epochs=2)
    assert len(seen["plain"]) == 2 * math.ceil(200 / BASE.batch_size)
    assert all(np.array_equal(a, b) for a, b in zip(seen["plain"], seen["noisy"], strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype(dtype: Any) -> None:
    """θ has the requested dtype; both dtypes start and stay close together."""
    network = trained(BASE, dtype=dtype, epochs=2).networks[0]
    other = trained(BASE, dtype=np.float64, epochs=2).networks[0]
    assert network.theta.dtype == dtype
    np.testing.assert_allclose(network.theta, other.theta, atol=1e-4)


@pytest.mark.parametrize("table", ["optimizer", "activation", "schedule"])
def test_every_strategy_learns(table: str) -> None:
    """Every entry of every table reaches a train error near 0 on easy blobs."""
    names = {"optimizer": OPTIMIZERS, "activation": ACTIVATIONS, "schedule": SCHEDULES}[table]
    for name in names:
        alpha = 0.01 if name in ("rmsprop", "adam") else 0.5
        one = replace(BASE, alpha=alpha, initializer="xavier", decay_rate=0.01, **{table: name})
        network = trained(one, data=blobs(spread=0.3), dev=blobs(60, seed=1, spread=0.3), epochs=25).networks[0]
        assert network.train_error < 0.05, name


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_every_initializer_begins_finite(initializer: str) -> None:
    """With the loss computed from logits, even weights ten times too large have a finite cost after an epoch."""
    one = replace(BASE, initializer=initializer, alpha=1e-3)
    network = trained(one, epochs=1).networks[0]
    assert network.stop_reason == "max_epochs"
    assert np.isfinite(network.train_cost)


def test_train_numbers_are_exact() -> None:
    """Train error and cost are those of every training example at the best weights, not of the curve's sample."""
    data = blobs(3000)
    network = trained(replace(BASE, keep_prob=0.6), data=data).networks[0]
    proba = network.predict_proba(data.X)
    assert network.train_error == (network.predict(data.X) != data.y).mean()
    assert network.train_cost == pytest.approx(-np.log(proba[np.arange(3000), data.y]).mean(), rel=1e-5)


def test_dev_numbers_are_of_the_best_epoch() -> None:
    """Dev error, cost and wrong examples are those of the returned weights."""
    dev = blobs(60, seed=1)
    network = trained(BASE, dev=dev, epochs=20).networks[0]
    assert np.array_equal(network.dev_wrong, network.predict(dev.X) != dev.y)
    assert network.dev_error == network.dev_wrong.mean() == network.curve["dev_error"].min()
    assert network.best_epoch == 1 + int(network.curve["dev_error"].argmin())
    assert network.dev_cost == network.curve["dev_cost"][network.best_epoch - 1]
    assert network.updates == network.best_epoch * 7


def test_the_curve_has_one_value_an_epoch() -> None:
    """The curve has costs, errors and seconds of every epoch."""
    network = trained(BASE, epochs=6).networks[0]
    assert network.epochs == 6
    assert {name: values.shape for name, values in network.curve.items()} == dict.fromkeys(
        ("train_cost", "train_error", "dev_cost", "dev_error", "seconds"), (6,)
    )
    assert (network.curve["seconds"] > 0).all()


def test_without_a_dev_set_the_last_weights_come_back() -> None:
    """Without a dev set there is no early stopping and no dev error."""
    network = train(
        blobs(), None, n_classes=3, hyperparameters=BASE, seeds=[0], stopping=Stopping(max_epochs=4, patience=1)
    ).networks[0]
    assert network.epochs == network.best_epoch == 4
    assert np.isnan(network.dev_error)
    assert network.dev_wrong.shape == (0,)
    assert network.stop_reason == "max_epochs"
    assert network.train_error < 0.3


def test_patience_waits_for_enough_updates() -> None:
    """Training does not stop before min_updates, even if patience has run out."""
    hopeless = replace(BASE, alpha=1e-9)
    early = trained(hopeless, stopping=Stopping(max_epochs=50, patience=2, min_updates=0)).networks[0]
    later = trained(hopeless, stopping=Stopping(max_epochs=50, patience=2, min_updates=70)).networks[0]
    assert (early.epochs, early.best_epoch, early.stop_reason) == (3, 1, "patience")
    assert (later.epochs, later.best_epoch, later.stop_reason) == (10, 1, "patience")


def test_min_improvement() -> None:
    """An epoch that improves by min_improvement or less is not better."""
    slow = replace(BASE, alpha=1e-4)
    stopping = Stopping(max_epochs=30, patience=2, min_updates=0, monitor="cost")
    assert trained(slow, stopping=stopping).networks[0].epochs == 30
    assert trained(slow, stopping=replace(stopping, min_improvement=0.5)).networks[0].epochs == 3


def test_of_equal_epochs_the_one_with_the_lowest_cost_is_kept() -> None:
    """Patience goes on from the first of them, and without the setting that one is kept."""
    data, dev = blobs(spread=0.1), blobs(40, seed=1, spread=0.1)
    runs = [
        trained(
            BASE, data=data, dev=dev, stopping=Stopping(max_epochs=99, patience=4, min_updates=0, ties_by_cost=ties)
        )
        for ties in (False, True)
    ]
    first, kept = (run.networks[0] for run in runs)
    assert first.epochs == kept.epochs == first.best_epoch + 4
    costs = np.where(kept.curve["dev_error"] == kept.curve["dev_error"].min(), kept.curve["dev_cost"], np.inf)
    assert kept.best_epoch == costs.argmin() + 1 > first.best_epoch


@pytest.mark.parametrize("monitor", ["error", "cost", "balanced_error"])
def test_monitor(monitor: str) -> None:
    """The best epoch is that of the monitored metric, which on_epoch receives."""
    data = blobs(200, seed=1)
    rare = (data.y != 2) | (np.cumsum(data.y == 2) <= 4)
    dev = Examples(data.X[rare], data.y[rare])
    told: list[EpochMetrics] = []
    network = trained(
        BASE, dev=dev, stopping=Stopping(max_epochs=15, patience=None, monitor=monitor), on_epoch=told.append
    ).networks[0]
    values = [metrics.monitored[0] for metrics in told]
    assert network.best_epoch == 1 + int(np.argmin(values))
    wrong = told[3].on_dev[0].wrong
    by_class = np.mean([wrong[dev.y == c].mean() for c in np.unique(dev.y)])
    expected = {"error": wrong.mean(), "cost": told[3].dev_cost[0], "balanced_error": by_class}[monitor]
    assert values[3] == pytest.approx(expected)


def test_on_epoch_is_told_every_epoch() -> None:
    """on_epoch receives epochs from 1, one array entry per network, and which networks are running."""
    told: list[EpochMetrics] = []
    settings = [BASE, replace(BASE, alpha=1e30)]
    run = trained(settings, seeds=(0, 1), epochs=4, on_epoch=told.append)
    assert [metrics.epoch for metrics in told] == [1, 2, 3, 4]
    assert [list(metrics.running) for metrics in told] == [[True, False]] * 4
    for metrics in told:
        assert metrics.train_cost.shape == metrics.dev_error.shape == (2,)
        assert [len(measured.wrong) for measured in metrics.on_dev] == [60, 60]
        assert metrics.dev_error[0] == metrics.on_dev[0].wrong.mean()
    assert [metrics.dev_error[0] for metrics in told] == list(run.networks[0].curve["dev_error"])


def test_on_epoch_can_end_training() -> None:
    """If on_epoch returns True, every network stops."""
    run = trained(BASE, seeds=(0, 1), epochs=9, on_epoch=lambda metrics: metrics.epoch == 3)
    assert [(network.epochs, network.stop_reason) for network in run.networks] == [(3, "stopped")] * 2
    assert run.checkpoint is None


def test_divergence_is_a_result() -> None:
    """A network that diverges in the first epoch has error 1, a finite cost and the layer's number."""
    network = trained(replace(BASE, alpha=1e30)).networks[0]
    assert network.stop_reason == "diverged"
    assert network.diverged_layer in {1, 2, 3}
    assert (network.best_epoch, network.epochs) == (0, 1)
    assert network.train_error == network.dev_error == 1.0
    assert network.train_cost == network.dev_cost == WORST_COST
    assert network.dev_wrong.all()
    assert np.isfinite(network.theta).all()


def test_divergence_later_keeps_the_best_epoch() -> None:
    """The best epoch before divergence is kept."""
    one = replace(BASE, optimizer="gradient_descent", alpha=0.3, schedule="constant")
    good = trained(one, epochs=3).networks[0]

    def poison(rng: np.random.Generator, X: Array) -> Array:
        calls.append(1)
        return X if len(calls) <= 21 else X * 1e30

    calls: list[int] = []
    network = trained(one, epochs=9, augment=poison).networks[0]
    assert network.stop_reason == "diverged"
    assert network.best_epoch == good.best_epoch
    assert np.array_equal(network.theta, good.theta)
    assert network.curve["dev_error"][-1] == 1.0


def test_example_weights() -> None:
    """Weight 2 equals repeating the example, and only ratios of weights matter."""
    data = blobs(64)
    doubled = Examples(np.concatenate([data.X, data.X[:32]]), np.concatenate([data.y, data.y[:32]]))
    one = replace(BASE, batch_size="full", lambda_=0.0)
    twice = trained(one, data=doubled, dtype=np.float64).networks[0]
    for factor in (1.0, 7.0):
        weights = factor * np.r_[np.full(32, 2.0), np.ones(32)]
        weighted = trained(one, data=Examples(data.X, data.y, weights), dtype=np.float64).networks[0]
        np.testing.assert_allclose(weighted.theta, twice.theta, atol=1e-10)
        assert weighted.train_cost == pytest.approx(twice.train_cost)


def test_penalty_per_mini_batch() -> None:
    """λ per mini-batch of 32 of 192 examples is six times λ per training set."""
    data = blobs(192)
    one = replace(BASE, lambda_=0.5, l1=0.2)
    batch = trained(one, data=data, penalty_per="mini_batch").networks[0]
    train_set = trained(replace(one, lambda_=3.0, l1=1.2), data=data).networks[0]
    np.testing.assert_allclose(batch.theta, train_set.theta, atol=1e-5)


def test_l2_without_momentum_is_weight_decay() -> None:
    """Besides the step of the loss, one step shrinks every weight by 1 − αλ/m, but no bias."""
    one = Hyperparameters(hidden=(5,), optimizer="gradient_descent", batch_size="full", alpha=0.1)
    others: dict[str, Any] = {"epochs": 1, "dtype": np.float64}
    start = Architecture(6, (5,), 3).initial(np.random.default_rng(0), "he")
    plain, decayed = (
        trained(replace(one, lambda_=lambda_), initial=start, **others).networks[0] for lambda_ in (0.0, 8.0)
    )
    views = (plain.architecture.views(theta) for theta in (start, plain.theta, decayed.theta))
    for (W0, _), (W1, b1), (W2, b2) in zip(*views, strict=True):
        np.testing.assert_allclose(W2, W1 - 0.1 * 8.0 / 200 * W0, atol=1e-12)
        np.testing.assert_array_equal(b2, b1)


def test_adamw_shrinks_weights_apart_from_its_gradient() -> None:
    """One step is the step of adam without a penalty, and every weight, but no bias, loses αλ/m of itself."""
    one = Hyperparameters(hidden=(5,), batch_size="full", alpha=0.1)
    start = Architecture(6, (5,), 3).initial(np.random.default_rng(0), "he")
    others: dict[str, Any] = {"epochs": 1, "dtype": np.float64, "initial": start}
    plain = trained(replace(one, optimizer="adam"), **others).networks[0]
    decayed = trained(replace(one, optimizer="adamw", lambda_=8.0), **others).networks[0]
    views = (plain.architecture.views(theta) for theta in (start, plain.theta, decayed.theta))
    for (W0, _), (W1, b1), (W2, b2) in zip(*views, strict=True):
        np.testing.assert_allclose(W2, W1 - 0.1 * 8.0 / 200 * W0, atol=1e-12)
        np.testing.assert_array_equal(b2, b1)


def last(hyperparameters: Hyperparameters, epochs: int, data: Examples | None = None, **others: Any) -> TrainedNetwork:
    """The network after these epochs, in float64, without a dev set."""
    return train(
        data or blobs(40),
        None,
        n_classes=3,
        hyperparameters=hyperparameters,
        seeds=[0],
        stopping=Stopping(max_epochs=epochs, patience=None),
        dtype=np.float64,
        **others,
    ).networks[0]


STEP = Hyperparameters(hidden=(5,), optimizer="gradient_descent", batch_size="full", alpha=0.1)


def test_weights_are_averaged() -> None:
    """After t updates the network is Σ (1−β) β^(t−i) θᵢ / (1 − βᵗ), and training goes on from θ itself."""
    averaged = last(replace(STEP, weight_average=0.8), 3).theta
    expected = sum(0.2 * 0.8 ** (3 - t) * last(STEP, t).theta for t in (1, 2, 3)) / (1 - 0.8**3)
    np.testing.assert_allclose(averaged, expected, atol=1e-12)


def test_gradients_are_clipped() -> None:
    """A step of gradient descent is at most α times the largest norm long, in the direction of the gradient."""
    start = Architecture(6, (5,), 3).initial(np.random.default_rng(0), "he")
    plain, clipped, loose = (
        last(replace(STEP, clip_norm=limit), 1, initial=start).theta - start for limit in (0.0, 0.01, 100.0)
    )
    np.testing.assert_allclose(clipped, plain * 0.001 / np.linalg.norm(plain), atol=1e-12)
    np.testing.assert_array_equal(loose, plain)


def test_smooth_targets_pull_to_every_class() -> None:
    """A step is (1 − s) times that of the targets plus s times the mean step of each class as everyone's target."""
    rows, one = blobs(40), replace(STEP, hidden=(), initializer="zeros")
    each = [last(one, 1, replace(rows, y=np.full_like(rows.y, k))).theta for k in range(3)]
    expected = 0.7 * last(one, 1).theta + 0.3 * np.mean(each, axis=0)
    np.testing.assert_allclose(last(replace(one, label_smoothing=0.3), 1).theta, expected, atol=1e-12)


def test_normalization_is_folded_into_the_weights() -> None:
    """After one full mini-batch the plain network normalizes with the mean and unbiased variance of its rows."""
    start, rows = Architecture(6, (5,), 3).initial(np.random.default_rng(0), "he"), blobs(40)
    network = last(replace(STEP, normalization="batch", alpha=1e-12), 1, initial=start)
    (W, _), (V, c) = network.architecture.views(start)
    z = rows.X.astype(np.float64) @ W
    a = np.maximum((z - z.mean(axis=0)) / np.sqrt(z.var(axis=0, ddof=1) + 1e-5), 0)
    p = np.exp(a @ V + c)
    np.testing.assert_allclose(network.predict_proba(rows.X), p / p.sum(axis=1, keepdims=True), atol=1e-5)
    with pytest.raises(ArgumentError, match='normalization: expected "none" with batch_size 1'):
        replace(STEP, normalization="batch", batch_size=1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rates_multiply_the_steps_of_their_groups(optimizer: str) -> None:
    """A step of θ, its decay and its penalties are a factor times as large, whatever the optimizer; others stay."""
    settings = Hyperparameters(
        hidden=(5, 5), optimizer=optimizer, normalization="batch", alpha=0.001, lambda_=0.3, l1=0.01, batch_size="full"
    )
    rows, shape, rates = blobs(40), Architecture(6, (5, 5), 3), {"biases": 0.1, "first": 2.0, "scale": 6.0}
    steps = []
    for given in ({}, dict.fromkeys(rates, 1.0), rates):
        prepared = [rows.prepared("train", n_classes=3, dtype=np.float64)]
        plan = Plan(shape, prepared, None, [settings], Stopping(), "train_set", np.float64, None, None, rates=given)
        lane = Lane(0, plan, 0, None)
        cohort = Cohort(plan, [lane], plan.in_training(lane.best_theta[None]))
        before = cohort.theta.copy()
        cohort.train_epoch(0)
        steps.append((cohort.theta - before)[0])
    factors = np.ones(plan.n_trained)
    (W1, b1), (_, b2), (_, b3) = shape.slices()
    factors[W1], factors[shape.n_parameters :] = 2, 6
    factors[b1] = factors[b2] = factors[b3] = 0.1
    assert np.array_equal(steps[0], steps[1])
    np.testing.assert_allclose(steps[2], factors * steps[0], atol=1e-14)


@pytest.mark.parametrize(("rates", "message"), [({"last": 2.0}, "'last'"), ({"first": 0.0}, "first: expected")])
def test_rates_are_of_known_groups_and_above_0(rates: dict[str, float], message: str) -> None:
    """Other names and numbers are refused."""
    with pytest.raises(ArgumentError, match=message):
        trained(STEP, rates=rates)


@pytest.mark.parametrize("width", [9, 130])  # the rows of wide layers are padded
def test_a_residual_layer_adds_the_layer_before(width: int) -> None:
    """A layer as wide as the one before adds its activations; another one does not."""
    settings = replace(STEP, hidden=(width, width, 5), residual=True, activation="tanh")
    network, X = last(settings, 3), blobs(40).X
    (W1, b1), (W2, b2), (W3, b3), (W4, b4) = network.architecture.views(network.theta)
    a = np.tanh(X @ W1 + b1)
    a = a + np.tanh(a @ W2 + b2)
    logits = np.tanh(a @ W3 + b3) @ W4 + b4
    p = np.exp(logits)
    np.testing.assert_allclose(network.predict_proba(X), p / p.sum(axis=1, keepdims=True), atol=1e-6)


def test_l1_is_a_soft_threshold_after_the_step() -> None:
    """One step of gradient descent by hand: w := sign(w) max(|w| − αλ₁/(2m), 0) afterwards, and biases as without."""
    base = replace(BASE, optimizer="gradient_descent", alpha=0.1, batch_size="full")
    plain, sparse = (trained(replace(base, l1=l1), epochs=1, dtype=np.float64).networks[0] for l1 in (0.0, 200.0))
    threshold = 0.1 * 200.0 / (2 * 200)
    views = (plain.architecture.views(theta) for theta in (plain.theta, sparse.theta))
    for (W, b), (sparse_W, sparse_b) in zip(*views, strict=True):
        np.testing.assert_allclose(sparse_W, np.sign(W) * np.maximum(np.abs(W) - threshold, 0), atol=1e-15)
        np.testing.assert_array_equal(sparse_b, b)


@pytest.mark.parametrize(
    ("optimizer", "alpha", "decay_rate"),
    [("gradient_descent", 0.5, 0), ("momentum", 0.5, 0), ("rmsprop", 0.05, 0.05), ("adam", 0.02, 0)],
)
def test_l1_finds_the_minimum_with_exact_zeros(optimizer: str, alpha: float, decay_rate: float) -> None:
    """The cost's gradient is −λ₁/(2m) sign w where w is not 0, and not larger than λ₁/(2m) where it is."""
    data = blobs(200, n_features=12, spread=2.0)
    schedule = {"schedule": "inverse_time", "decay_rate": decay_rate}
    settings = Hyperparameters(l1=12.0, optimizer=optimizer, alpha=alpha, batch_size="full", **schedule)
    run = train(
        data,
        None,
        n_classes=3,
        hyperparameters=settings,
        seeds=[0],
        stopping=Stopping(max_epochs=1000, patience=None),
        dtype=np.float64,
    )
    ((W, b),) = run.networks[0].architecture.views(run.networks[0].theta)
    z = data.X @ W + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(200), data.y] -= 1
    gradient, zero, bound = data.X.T @ p / 200, W == 0, 12.0 / 400
    assert 0.1 < zero.mean() < 0.9
    assert np.abs(gradient[zero]).max() <= bound * 1.02
    np.testing.assert_allclose(gradient[~zero], -bound * np.sign(W[~zero]), atol=0.02 * bound)


def test_l1_in_the_gradient_makes_weights_small() -> None:
    """As in versions to 0.2: more weights come near 0, none reaches it."""
    plain, small = (trained(replace(BASE, l1=l1), epochs=40, exact_zeros=False).networks[0] for l1 in (0.0, 20.0))
    assert (np.abs(small.theta) < 0.02).mean() > 2 * (np.abs(plain.theta) < 0.02).mean()
    assert np.count_nonzero(small.theta) == small.theta.size


def test_a_batch_larger_than_the_data_is_the_whole_of_it() -> None:
    """Batch size 512 on 200 examples makes one update per epoch."""
    network = trained(replace(BASE, batch_size=512), epochs=3).networks[0]
    assert network.updates == network.best_epoch


def test_mean_over_the_last_smaller_mini_batch() -> None:
    """The last mini-batch of an epoch is averaged over its own rows."""
    data = blobs(40)
    one = Hyperparameters(optimizer="gradient_descent", batch_size=32, alpha=1.0)
    order = np.arange(40)
    whole = replace(one, batch_size="full")
    theta = start = Architecture(6, (), 3).initial(np.random.default_rng(0), "he")
    for rows in (order[:32], order[32:]):
        part = Examples(data.X[rows], data.y[rows])
        theta = trained(whole, data=part, epochs=1, dtype=np.float64, initial=theta).networks[0].theta
    run = trained(one, data=data, epochs=1, dtype=np.float64, order=lambda epoch: order, initial=start)
    np.testing.assert_allclose(run.networks[0].theta, theta, atol=1e-12)


def test_initial_parameters_may_be_given() -> None:
    """The initial θ is one for all networks, or one per network."""
    architecture = trained(BASE, epochs=1).networks[0].architecture
    thetas = np.stack([architecture.initial(np.random.default_rng(seed), "he") for seed in (1, 2)])
    shared = trained(BASE, seeds=(0, 0), initial=thetas[0]).networks
    own = trained(BASE, seeds=(0, 0), initial=thetas).networks
    assert np.array_equal(shared[0].theta, shared[1].theta)
    assert np.array_equal(shared[0].theta, own[0].theta)
    assert not np.array_equal(own[0].theta, own[1].theta)


def test_predictions() -> None:
    """Probabilities are (n, n_classes), sum to 1, and the class is the most probable one; float64 input will do."""
    network = trained(BASE).networks[0]
    X = blobs(700, seed=3).X.astype(np.float64)
    proba = network.predict_proba(X)
    assert proba.shape == (700, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(proba.argmax(axis=1), network.predict(X))
    assert network.predict(X[:0]).shape == (0,)


def test_a_number_of_updates_may_end_training_within_an_epoch() -> None:
    """Three mini-batches of 32 are an epoch of the first 96 examples; ten updates are one epoch of seven and three."""
    data = blobs(200)
    hp = replace(BASE, lambda_=0.0)

    def network(n: int, **stopping: Any) -> Any:
        how = Stopping(max_epochs=10, patience=None, **stopping)
        part = Examples(data.X[:n], data.y[:n])
        run = train(part, None, n_classes=3, hyperparameters=hp, seeds=[0], stopping=how, order=lambda _: np.arange(n))
        return run.networks[0]

    cut = network(200, max_updates=3)
    assert (cut.updates, cut.epochs, cut.stop_reason) == (3, 1, "max_updates")
    whole = network(96, max_updates=3)
    np.testing.assert_array_equal(cut.theta, whole.theta)
    more = network(200, max_updates=10)
    assert (more.updates, more.epochs) == (10, 2)
    assert network(200, max_updates=70).stop_reason == "max_updates"
    assert network(200).updates == 70


def test_updates_must_agree_side_by_side() -> None:
    """max_updates is refused for networks with different numbers of updates per epoch."""
    with pytest.raises(ArgumentError, match="got 2 to 7"):
        trained(BASE, data=[blobs(200), blobs(64)], seeds=(0, 1), stopping=Stopping(max_updates=3))


@pytest.mark.parametrize("output", ["linear", "huber", "absolute"])
def test_numbers_are_learned(output: str) -> None:
    """A network for numbers learns a product that no sum fits; its error is their mean squared error."""
    data, dev = numbers(), numbers(100, seed=1)
    (network,) = trained(BASE, data=data, dev=dev, n_classes=1, output=output, epochs=40).networks
    squares = np.square(network.predict(dev.X) - dev.y)
    assert network.dev_error == pytest.approx(squares.mean(), rel=1e-4)
    np.testing.assert_allclose(network.dev_wrong, squares, rtol=1e-2, atol=1e-5)
    assert network.dev_error < 0.5 * np.var(dev.y)
    assert network.classify(dev.X)[1].shape == (100, 1)


def test_numbers_that_diverge_are_a_result() -> None:
    """A network for numbers that diverges has the worst error and cost, and finite ones."""
    (network,) = trained(
        replace(BASE, alpha=1e30), data=numbers(), dev=numbers(60), n_classes=1, output="linear"
    ).networks
    assert network.stop_reason == "diverged"
    assert (network.dev_error, network.train_error, network.curve["train_error"][-1]) == (WORST_COST,) * 3
