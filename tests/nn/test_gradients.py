"""The gradient used in training, compared with differences of the cost."""

from __future__ import annotations

import numpy as np
import pytest

from tests.nn.helpers import blobs, numbers
from tuner.errors import ArgumentError
from tuner.nn import ACTIVATIONS, OUTPUTS, Examples, Hyperparameters, output_named
from tuner.nn.gradient_check import check_gradients

PENALTIES = {"none": {}, "l2": {"lambda_": 0.7}, "l1": {"l1": 0.3}, "both": {"lambda_": 0.7, "l1": 0.3}}
DEPTHS = [("none", (7,)), ("l2", (7, 5)), ("l1", (7, 5, 4)), ("both", (7, 5, 5))]
EVERY = [("relu", "both", ()), *((name, *depth) for name in ACTIVATIONS for depth in DEPTHS)]


@pytest.mark.parametrize(("activation", "penalty", "hidden"), EVERY)
@pytest.mark.parametrize("output", [*OUTPUTS, "quantiles(0.1, 0.5, 0.8)"])
def test_gradients_are_exact(activation: str, output: str, penalty: str, hidden: tuple[int, ...]) -> None:
    """The difference is below 1e-7 at initialization and after training, with any weights, penalty and depth.

    The last of two layers of the same width is a residual one.
    """
    is_numeric = output_named(output).is_numeric
    n_classes = 1 if is_numeric else 2 if output == "sigmoid" else 3
    data = numbers(40) if is_numeric else blobs(40, n_classes=n_classes)
    if output == "poisson":
        data = Examples(data.X, np.round(np.exp(data.y)))
    weights = np.random.default_rng(5).uniform(0, 2, len(data))
    result = check_gradients(
        Examples(data.X, data.y, weights),
        n_classes=n_classes,
        hyperparameters=Hyperparameters(
            hidden=hidden,
            activation=activation,
            residual=True,
            batch_size=16,
            initializer="xavier",
            **PENALTIES[penalty],
        ),
        seed=len(hidden),
        output=output,
        entries=10_000,
    )
    assert [point.updates > 0 for point in result.points] == [False, True]
    for point in result.points:
        assert sum(part.checked + part.skipped for part in point.parts) == result.n_parameters
        assert sum(part.skipped for part in point.parts) < 0.05 * result.n_parameters
        assert point.relative_difference < 1e-7, point
    assert result.passed


@pytest.mark.parametrize("output", ["linear", "huber", "absolute"])
def test_gradients_of_several_numbers_are_exact(output: str) -> None:
    """The loss is the mean over the targets, whose gradients are in one network."""
    data = numbers(40)
    result = check_gradients(
        Examples(data.X, np.stack([data.y, data.y**2 - 1], axis=1), np.random.default_rng(5).uniform(0, 2, 40)),
        n_classes=2,
        hyperparameters=Hyperparameters(hidden=(7,), activation="tanh", batch_size=16, lambda_=0.3),
        seed=1,
        output=output,
        entries=10_000,
    )
    assert result.n_parameters == 7 * 7 + 8 * 2
    assert result.relative_difference < 1e-7


@pytest.mark.parametrize("rows", [64, *(pytest.param(rows, marks=pytest.mark.slow) for rows in (128, 512))])
def test_gradients_of_cut_products_are_exact(rows: int) -> None:
    """Layers whose products are cut into blocks have the right gradient, too."""
    data = blobs(rows, n_features=96, n_classes=4)
    result = check_gradients(
        data,
        n_classes=4,
        hyperparameters=Hyperparameters(hidden=(192, 160), lambda_=0.1),
        seed=0,
        entries=20,
        examples_used=rows,
    )
    assert result.n_examples == rows
    assert result.relative_difference < 1e-7


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "linear"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "silu"])
def test_gradients_of_normalized_layers_are_exact(activation: str, output: str) -> None:
    """With batch normalization W, b and γ have the right gradient.

    So they have with smooth targets, weights of rows and, for one activation in three, a residual layer.
    """
    n_classes = 1 if output == "linear" else 2 if output == "sigmoid" else 3
    data = numbers(40) if output == "linear" else blobs(40, n_classes=n_classes)
    settings = Hyperparameters(
        hidden=(5, 5) if activation == "relu" else (7, 5),
        activation=activation,
        residual=True,
        normalization="batch",
        label_smoothing=0.0 if output == "linear" else 0.2,
        lambda_=0.7,
        clip_norm=1.0,
        weight_average=0.9,
        batch_size=16,
    )
    weighted = Examples(data.X, data.y, np.random.default_rng(5).uniform(0, 2, len(data)))
    result = check_gradients(
        weighted, n_classes=n_classes, hyperparameters=settings, seed=0, output=output, entries=10_000
    )
    parts = result.points[1].parts
    assert [f"{part.name}{part.layer}" for part in parts] == ["W1", "b1", "γ1", "W2", "b2", "γ2", "W3", "b3"]
    assert sum(part.checked + part.skipped for part in parts) == result.n_parameters
    assert result.relative_difference < 1e-7


def test_keep_prob_is_forced_to_1_and_said() -> None:
    """A network with dropout is checked without it, and the result records it."""
    dropped = check_gradients(
        blobs(30), n_classes=3, hyperparameters=Hyperparameters(hidden=(5,), keep_prob=0.5), seed=0
    )
    plain = check_gradients(blobs(30), n_classes=3, hyperparameters=Hyperparameters(hidden=(5,)), seed=0)
    assert dropped.keep_prob_forced
    assert not plain.keep_prob_forced
    assert dropped.points == plain.points


def test_a_large_network_is_sampled_by_layer() -> None:
    """At most ``entries`` entries of each W and b are compared; the worst are listed."""
    result = check_gradients(
        blobs(30), n_classes=3, hyperparameters=Hyperparameters(hidden=(20, 10)), seed=0, entries=15
    )
    parts = result.points[0].parts
    assert [(part.layer, part.name) for part in parts] == [(n, name) for n in (1, 2, 3) for name in "Wb"]
    assert all(part.checked + part.skipped == min(15, part.size) for part in parts)
    worst = parts[0].worst[0]
    assert len(worst.index) == 2
    assert worst.analytic == pytest.approx(worst.numeric, rel=1e-4, abs=1e-8)


def test_the_check_repeats_with_its_seed() -> None:
    """The same seed compares the same entries of the same network."""
    first, second = (
        check_gradients(blobs(30), n_classes=3, hyperparameters=Hyperparameters(hidden=(30,)), seed=7, entries=9)
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("epsilon", [0.0, -1e-5, float("nan"), 1.0])
def test_epsilon_has_bounds(epsilon: float) -> None:
    """A step of 0 or a large one is refused."""
    with pytest.raises(ArgumentError, match=r"epsilon: expected a number > 0 and ≤ 0\.01, got"):
        check_gradients(blobs(30), n_classes=3, hyperparameters=Hyperparameters(), seed=0, epsilon=epsilon)
