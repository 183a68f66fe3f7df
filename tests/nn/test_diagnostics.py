"""Vanishing and exploding gradients are visible layer by layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.nn.helpers import blobs, prepared, trained
from tuner.nn import ACTIVATIONS, Architecture, Hyperparameters
from tuner.nn.calls import run
from tuner.nn.diagnostics import LayerProbe, LayerReport, first_overflow

DEEP = Hyperparameters(hidden=(16,) * 6, activation="tanh", alpha=1e-3, batch_size=32)


def layers_of(hyperparameters: Hyperparameters) -> list[LayerReport]:
    """The layers after one epoch."""
    return trained(hyperparameters, epochs=1, report_epochs=[1]).networks[0].layers


def test_layers_are_reported_at_the_epochs_asked_for() -> None:
    """Each network has one report per layer and epoch, from the input on, also of its best epoch."""
    run = trained(DEEP, seeds=(0, 1), epochs=5, report_epochs=[1, 4])
    for network in run.networks:
        epochs = sorted({1, 4, network.best_epoch})
        assert [(one.epoch, one.layer) for one in network.layers] == [(e, n) for e in epochs for n in range(1, 8)]
    assert run.networks[0].layers != run.networks[1].layers
    assert not trained(DEEP, epochs=2).networks[0].layers


def test_small_weights_make_signals_and_gradients_vanish() -> None:
    """With a standard deviation of 0.01 activations shrink toward the output and gradients toward the input."""
    layers = layers_of(replace(DEEP, initializer="random_small"))
    assert layers[5].activation_norm < 1e-4 * layers[0].activation_norm
    assert layers[0].gradient_norm < 1e-2 * layers[-1].gradient_norm


def test_xavier_keeps_them_alive() -> None:
    """With Xavier's variance both stay within a factor of ten through seven layers."""
    layers = layers_of(replace(DEEP, initializer="xavier"))
    activations = [layer.activation_norm for layer in layers[:-1]]
    gradients = [layer.gradient_norm for layer in layers]
    assert max(activations) < 10 * min(activations)
    assert max(gradients) < 10 * min(gradients)


def test_large_weights_saturate() -> None:
    """With a standard deviation of 10 every tanh unit is saturated."""
    layers = layers_of(replace(DEEP, initializer="random_large"))
    assert min(layer.activation_norm for layer in layers[:-1]) > 0.9
    assert max(layer.activation_norm for layer in layers_of(replace(DEEP, initializer="xavier"))[:-1]) < 0.9


@pytest.mark.parametrize(("activation", "dead"), [("relu", 0.25), ("tanh", 0.25), ("sigmoid", 0.25), ("leaky_relu", 0)])
def test_dead_units_are_counted(activation: str, dead: float) -> None:
    """Two of eight ReLU units with biases far below 0 are dead; leaky units are not."""
    architecture = Architecture(6, (8,), 3, activation)
    theta = architecture.initial(np.random.default_rng(0), "he")
    architecture.views(theta)[0][1][:2] = -1e6
    first, output = LayerProbe(architecture, theta, prepared(blobs(50))).describe(3)
    assert first.dead == dead
    assert output.dead == 0
    assert (first.epoch, first.layer, output.layer) == (3, 1, 2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_units_that_begin_alike_stay_alike(activation: str) -> None:
    """After zeros all hidden units are copies, whatever the activation; after another initializer none is."""
    for initializer, alike in (("zeros", 1), ("he", 0)):
        shape = Hyperparameters(hidden=(16, 8), activation=activation, alpha=0.1, initializer=initializer)
        run = trained(shape, epochs=3, report_epochs=[3])
        assert [layer.alike for layer in run.networks[0].layers[-3:]] == [alike, alike, 0]


def test_weights_are_measured() -> None:
    """The Frobenius norm of W, and how many of its weights are 0; biases do not count, a single unit is no copy."""
    architecture = Architecture(2, (1,), 2, "relu")
    theta = architecture.flatten([(np.array([[3.0], [4.0]]), np.zeros(1)), (np.array([[0.0, 2.0]]), np.ones(2))])
    layers = LayerProbe(architecture, theta, prepared(blobs(20, n_features=2, n_classes=2))).describe(1)
    assert [(layer.weight_norm, layer.zeros, layer.alike) for layer in layers] == [(5, 0, 0), (2, 1, 0)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_norms_are_what_they_say(activation: str) -> None:
    """The root mean square of activations equals the one computed by hand."""
    architecture = Architecture(6, (8,), 3, activation)
    theta = architecture.initial(np.random.default_rng(0), "he")
    data = blobs(50)
    (W, b), (V, c) = architecture.views(theta)
    a = data.X @ W + b
    run(ACTIVATIONS[activation].value(a))
    layers = LayerProbe(architecture, theta, prepared(data)).describe(1)
    assert layers[0].activation_norm == pytest.approx(np.sqrt((a**2).mean()))
    assert layers[1].activation_norm == pytest.approx(np.sqrt(((a @ V + c) ** 2).mean()))
    z = a @ V + c
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(50), data.y] -= 1
    assert layers[1].gradient_norm == pytest.approx(np.linalg.norm(a.T @ p / 50))


@pytest.mark.parametrize(
    ("where", "layer"),
    [("activation 2", 2), ("gradient 3", 3), ("gradients 1 and 3", 3), ("theta 1", 1), ("logits", 3)],
)
def test_the_first_overflow_of_a_step(where: str, layer: int) -> None:
    """Activations are checked from the input on, then gradients from the output back, then the weights."""
    architecture = Architecture(4, (3, 3), 2)
    activations = [np.zeros((5, 3)), np.zeros((5, 3))]
    gradient, theta = np.zeros((2, architecture.n_parameters))
    gradients, weights = architecture.views(gradient), architecture.views(theta)
    if where == "activation 2":
        activations[1][0, 0] = np.inf
        gradients[0][0][:] = np.nan
    if where.startswith("gradient"):
        gradients[2][1][0] = np.nan
    if where == "gradients 1 and 3":
        gradients[0][0][0, 0] = np.inf
    if where == "theta 1":
        weights[0][0][0, 0] = np.inf
    assert first_overflow(architecture, activations, gradient, theta) == layer


def test_divergence_names_the_layer() -> None:
    """A huge learning rate makes a deep network diverge at a hidden layer, which is named."""
    network = trained(replace(DEEP, activation="relu", alpha=1e12)).networks[0]
    assert network.stop_reason == "diverged"
    assert network.diverged_layer is not None
    assert 1 <= network.diverged_layer <= 7
