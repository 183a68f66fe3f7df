"""K networks side by side: each is bit for bit the network it would be alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.nn.helpers import blobs, trained
from tuner.errors import ArgumentError
from tuner.nn import (
    ACTIVATIONS,
    OPTIMIZERS,
    OUTPUTS,
    Architecture,
    Examples,
    Hyperparameters,
    Network,
    Stopping,
    TrainedNetwork,
    classify_each,
)

BASE = Hyperparameters(hidden=(12, 7), batch_size=32, alpha=0.3, lambda_=0.1)


def same(a: TrainedNetwork, b: TrainedNetwork) -> bool:
    """Whether two networks have the same bits, from their weights to their curves."""
    values = [(a.theta, b.theta), (a.dev_wrong, b.dev_wrong)]
    values += [(a.curve[name], b.curve[name]) for name in a.curve if name != "seconds"]
    numbers = ("best_epoch", "epochs", "updates", "stop_reason", "train_cost", "train_error", "dev_cost", "dev_error")
    return all(np.array_equal(x, y) for x, y in values) and all(getattr(a, n) == getattr(b, n) for n in numbers)


def alone(settings: list[Hyperparameters], seeds: tuple[int, ...], **others: Any) -> list[TrainedNetwork]:
    """Each network trained by itself."""
    found = []
    for k, (one, seed) in enumerate(zip(settings, seeds, strict=True)):
        own = {name: value[k] if isinstance(value, list) else value for name, value in others.items()}
        found += trained(one, seeds=(seed,), **own).networks
    return found


@pytest.mark.parametrize("keep_prob", [1.0, 0.7])
@pytest.mark.parametrize(
    ("activation", "optimizer"),
    [*((name, "momentum") for name in ACTIVATIONS), *(("relu", name) for name in OPTIMIZERS)],
)
def test_seeds(activation: str, optimizer: str, keep_prob: float) -> None:
    """Several seeds of one setting, on shared examples."""
    alpha = 0.01 if optimizer.startswith(("adam", "rms")) else 0.3
    one = replace(BASE, activation=activation, optimizer=optimizer, keep_prob=keep_prob, alpha=alpha)
    seeds = (3, 4, 5)
    together = trained(one, seeds=seeds).networks
    assert all(same(a, b) for a, b in zip(together, alone([one] * 3, seeds), strict=True))
    assert not np.array_equal(together[0].theta, together[1].theta)


def test_normalized_clipped_and_averaged_networks() -> None:
    """Clipping, averages and smooth targets may differ from network to network, also with folds of different sizes."""
    base = replace(BASE, hidden=(12, 12), residual=True, normalization="batch", keep_prob=0.8)
    settings = [
        base,
        replace(base, clip_norm=0.3, label_smoothing=0.1),
        replace(base, weight_average=0.9),
        replace(base, weight_average=0.5, clip_norm=5.0, alpha=0.05),
    ]
    trains = [blobs(130 - k // 2, seed=k) for k in range(4)]  # the last mini-batch has 2 rows or 1
    seeds = (1, 2, 3, 4)
    rates = {"biases": 0.1, "first": 2.0, "scale": 6.0}
    together = trained(settings, seeds=seeds, data=trains, rates=rates).networks
    each = alone(settings, seeds, data=trains, rates=rates)
    assert all(same(a, b) for a, b in zip(together, each, strict=True))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_hyperparameters_of_their_own(optimizer: str) -> None:
    """λ, L1, α, β, β₂, keep_prob, initializer and schedule may differ from network to network."""
    base = replace(BASE, optimizer=optimizer, alpha=0.02)
    settings = [
        base,
        replace(base, lambda_=3.0, l1=0.5, beta=0.5, schedule="inverse_time", decay_rate=0.5),
        replace(base, keep_prob=(0.8, 1.0), alpha=0.05, beta2=0.9, initializer="xavier_uniform"),
        replace(base, keep_prob=0.5, schedule="cosine", warmup_epochs=2),
    ]
    seeds = (1, 1, 2, 3)
    together = trained(settings, seeds=seeds).networks
    assert all(same(a, b) for a, b in zip(together, alone(settings, seeds), strict=True))


@pytest.mark.parametrize("batch_size", [1, 16, 64, 256, "full"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_folds_of_different_sizes(optimizer: str, batch_size: Any) -> None:
    """Each network has its own number of rows, and so of mini-batches."""
    one = replace(BASE, batch_size=batch_size, optimizer=optimizer, alpha=0.02, keep_prob=0.8)
    whole = blobs(130)
    folds = [np.arange(len(whole)) % 4 == k for k in range(4)]
    folds[0][1] = True  # sizes 34, 33, 32, 32
    trains = [Examples(whole.X[~fold], whole.y[~fold]) for fold in folds]
    devs = [Examples(whole.X[fold], whole.y[fold]) for fold in folds]
    assert len({len(fold) for fold in trains}) == 3
    seeds, settings = (1, 2, 3, 4), [one] * 4
    others = {"data": trains, "dev": devs, "epochs": 3}
    together = trained(settings, seeds=seeds, **others).networks
    assert all(same(a, b) for a, b in zip(together, alone(settings, seeds, **others), strict=True))


def test_networks_that_stop_early_leave_the_others_alone() -> None:
    """A network that diverges or runs out of patience does not change the rest."""
    settings = [BASE, replace(BASE, alpha=1e30), replace(BASE, alpha=1e-6), replace(BASE, keep_prob=0.6)]
    seeds = (0, 1, 2, 3)
    stopping = Stopping(max_epochs=12, patience=3, min_updates=0)
    together = trained(settings, seeds=seeds, stopping=stopping).networks
    assert {network.stop_reason for network in together} >= {"diverged", "patience"}
    assert len({network.epochs for network in together}) > 1
    assert all(same(a, b) for a, b in zip(together, alone(settings, seeds, stopping=stopping), strict=True))


FOLDS = {"data": [blobs(100, seed=k) for k in range(3)], "dev": [blobs(20 + k, seed=9 + k) for k in range(3)]}
POOLED = Stopping(max_epochs=40, patience=4, min_updates=0, pooled=True)


@pytest.mark.parametrize("monitor", ["error", "cost"])
def test_networks_of_folds_share_the_epoch_that_is_best_on_all_their_dev_rows(monitor: str) -> None:
    """Trained to the end, the first least value over all dev rows and four epochs more are what patience leaves."""
    seeds, sizes = (3, 4, 5), [20, 21, 22]
    ended = trained(BASE, seeds=seeds, epochs=40, **FOLDS).networks
    curve = np.average([network.curve[f"dev_{monitor}"] for network in ended], axis=0, weights=sizes)
    best = next(e for e in range(40) if min(curve[: e + 5]) == curve[e])
    pooled = trained(BASE, seeds=seeds, stopping=replace(POOLED, monitor=monitor), **FOLDS).networks
    assert {(n.best_epoch, n.epochs, n.stop_reason) for n in pooled} == {(best + 1, best + 5, "patience")}
    for network, to_the_end, dev in zip(pooled, ended, FOLDS["dev"], strict=True):
        assert network.dev_error == to_the_end.curve["dev_error"][best]
        np.testing.assert_array_equal(network.predict(dev.X) != dev.y, network.dev_wrong)
    own = trained(BASE, seeds=seeds, stopping=replace(POOLED, pooled=False), **FOLDS).networks
    assert len({network.best_epoch for network in own}) > 1


def test_networks_that_share_the_epoch_wait_for_the_one_with_the_fewest_updates() -> None:
    """Two folds of one and two mini-batches an epoch: both stop when the first has made six updates."""
    stopping = replace(POOLED, patience=1, min_updates=6)
    data = [blobs(64), blobs(65)]
    one = replace(BASE, alpha=1e-9, batch_size=64)
    networks = trained(one, seeds=(0, 1), data=data, dev=FOLDS["dev"][:2], stopping=stopping).networks
    assert [network.epochs for network in networks] == [6, 6]


def test_one_that_diverges_ends_all_that_share_the_epoch() -> None:
    """The trial has no result, so the others need not go on."""
    settings = [BASE, replace(BASE, alpha=1e30), BASE]
    networks = trained(settings, seeds=(3, 4, 5), stopping=POOLED, **FOLDS).networks
    assert [network.stop_reason for network in networks] == ["stopped", "diverged", "stopped"]
    assert [network.epochs for network in networks] == [1, 1, 1]


@pytest.mark.parametrize(("hidden", "batch_size"), [((128, 64), 256), ((256, 128), 512)])
def test_weights_augmentation_and_wide_layers(hidden: tuple[int, ...], batch_size: int) -> None:
    """Example weights, an augmentation that draws, and layers whose products are cut into blocks."""
    data, dev = blobs(600, n_features=40), blobs(100, n_features=40, seed=1)
    data = Examples(data.X, data.y, np.random.default_rng(2).uniform(0, 3, len(data)))
    one = Hyperparameters(hidden=hidden, batch_size=batch_size, keep_prob=0.9)

    def noise(rng: np.random.Generator, X: Any) -> Any:
        return X + 0.1 * rng.standard_normal(X.shape)

    others: dict[str, Any] = {"data": data, "dev": dev, "augment": noise, "epochs": 3}
    seeds = (0, 1)
    together = trained(one, seeds=seeds, **others).networks
    assert all(same(a, b) for a, b in zip(together, alone([one] * 2, seeds, **others), strict=True))


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_two_classes_without_hidden_layers(output: str) -> None:
    """Logistic regression, in both of its forms, side by side."""
    one = Hyperparameters(batch_size=16)
    others: dict[str, Any] = {
        "data": blobs(90, n_classes=2),
        "dev": blobs(40, n_classes=2, seed=1),
        "output": output,
        "n_classes": 2,
        "dtype": np.float64,
    }
    seeds = (0, 1, 2)
    together = trained(one, seeds=seeds, **others).networks
    assert all(same(a, b) for a, b in zip(together, alone([one] * 3, seeds, **others), strict=True))


@pytest.mark.parametrize(
    "change", [{"hidden": (5,)}, {"activation": "tanh"}, {"optimizer": "adam"}, {"batch_size": 64}], ids=str
)
def test_what_must_agree(change: dict[str, Any]) -> None:
    """Networks of another shape, batch size or optimizer cannot train side by side; the error names the field."""
    with pytest.raises(ArgumentError, match=f"expected the same {next(iter(change))} in every network"):
        trained([BASE, replace(BASE, **change)], seeds=(0, 1))


@pytest.mark.parametrize("n_inputs", [1, 3])
@pytest.mark.parametrize("hidden", [(), (12,), (64, 32)], ids=str)
@pytest.mark.parametrize("output", OUTPUTS)
def test_predicting(output: str, hidden: tuple[int, ...], n_inputs: int) -> None:
    """On rows that all share or on rows of their own, in several chunks."""
    rng = np.random.default_rng(0)
    n_classes = 1 if OUTPUTS[output].is_numeric else 2
    shape = Architecture(n_features=5, hidden=hidden, n_classes=n_classes, activation="relu", output=output)
    networks = [Network(shape, rng.normal(size=shape.n_parameters).astype(np.float32)) for _ in range(3)]
    inputs = [rng.normal(size=(1100, 5)).astype(np.float32) for _ in range(n_inputs)]
    classes, probabilities = classify_each(networks, inputs)
    for k, network in enumerate(networks):
        X = inputs[k % n_inputs]
        assert np.array_equal(classes[k], network.predict(X))
        assert np.array_equal(probabilities[k], network.predict_proba(X))
