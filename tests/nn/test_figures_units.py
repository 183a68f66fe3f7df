"""Every value printed in the lectures' notebooks, from the functions used in training."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.nn.helpers import FIGURES, prepared
from tuner.errors import ArgumentError
from tuner.nn import Architecture, Examples, Hyperparameters, Stopping, train
from tuner.nn.activations import ACTIVATIONS
from tuner.nn.arrays import Array
from tuner.nn.calls import run
from tuner.nn.cohort import Cohort
from tuner.nn.examples import Prepared, with_ones
from tuner.nn.gradient_check import CostFunction, compare_gradients, gradient_verdict, relative_difference
from tuner.nn.initializers import INITIALIZERS
from tuner.nn.lane import Lane
from tuner.nn.losses import OUTPUTS
from tuner.nn.optimizers import OPTIMIZERS, Rates
from tuner.nn.penalties import penalty_cost
from tuner.nn.plan import Plan
from tuner.nn.products import backward_calls
from tuner.nn.propagation import ForwardPass, TrainingPass
from tuner.nn.schedules import rate_factor

UNIT = FIGURES["unit"]


def parameters_of(figure: dict[str, Any], *, prefix: str = "", layers: int = 3) -> list[tuple[Array, Array]]:
    """The figure's (W, b), turned from (n_out, n_in) to (n_in, n_out)."""
    return [
        (np.array(figure[f"{prefix}W{layer}"]).T, np.array(figure[f"{prefix}b{layer}"])[:, 0])
        for layer in range(1, layers + 1)
    ]


def network_of(figure: dict[str, Any]) -> tuple[Architecture, Array, Prepared]:
    """Architecture, θ and examples of a figure: ReLU, ReLU, sigmoid."""
    parameters = parameters_of(figure)
    n_features, *hidden = (W.shape[0] for W, _ in parameters)
    architecture = Architecture(n_features, tuple(hidden), 2, "relu", "sigmoid")
    examples = Examples(np.array(figure["X"]).T, np.array(figure["Y"])[0])
    return architecture, architecture.flatten(parameters), prepared(examples, n_classes=2)


def pass_of(figure: dict[str, Any], masks: list[Array | None]) -> tuple[TrainingPass, Array, list[Any]]:
    """A training pass over a figure's examples, run forward, with the gradient it will write."""
    architecture, theta, examples = network_of(figure)
    n = len(examples)
    gradient = np.zeros((1, theta.size))
    training = TrainingPass(architecture, theta[None], gradient, n)
    weight = np.full((1, 1, n), 1 / n)
    batch = training.batch(examples.inputs[None], examples.y[None, None] * weight, weight, masks)
    run(batch.forward)
    return training, gradient, [batch]


def gradient_of(figure: dict[str, Any], lambda_: float) -> Array:
    """The gradient (n_parameters,) of a figure's cost with an L2 penalty, as an optimizer gets it."""
    architecture, theta, examples = network_of(figure)
    settings = Hyperparameters(
        hidden=architecture.hidden, lambda_=lambda_, optimizer="gradient_descent", alpha=1.0, batch_size="full"
    )
    plan = Plan(architecture, [examples], None, [settings], Stopping(), "train_set", np.float64, None, None)
    return Cohort(plan, [Lane(0, plan, 0, None)], theta[None]).first_gradient()[0]


def test_l2_cost() -> None:
    """Cross-entropy from given probabilities plus λ/(2m) Σ w²."""
    figure = UNIT["L2_cost"]
    probabilities, y = np.array(figure["AL"]), np.array(figure["Y"])[0]
    losses, _ = OUTPUTS["sigmoid"].assess(np.log(probabilities / (1 - probabilities)), y)
    weights = np.concatenate([W.ravel() for W, _ in parameters_of(figure)])
    penalty = penalty_cost(weights, lambda_=figure["lambd"], l1=0.0, m=figure["m"])
    expected = figure["expected"]
    assert losses.mean() == pytest.approx(expected["cross_entropy_part"], abs=figure["tol"])
    assert penalty == pytest.approx(expected["l2_part"], abs=figure["tol"])
    assert losses.mean() + penalty == pytest.approx(expected["cost"], abs=figure["tol"])


def test_forward() -> None:
    """Probabilities of a network, and the first layer before its activation."""
    figure = UNIT["forward_plain"]
    architecture, theta, examples = network_of(figure)
    forward = ForwardPass(architecture, theta[None], len(examples))
    run(forward.calls(examples.inputs[None]))
    np.testing.assert_allclose(
        OUTPUTS["sigmoid"].probabilities(forward.logits[0])[1:], figure["expected"]["AL"], atol=1e-8
    )
    first = Architecture(3, (), 2)
    theta = first.flatten(parameters_of(figure)[:1])
    forward = ForwardPass(first, theta[None], len(examples))
    run(forward.calls(examples.inputs[None]))
    np.testing.assert_allclose(forward.logits[0], figure["expected"]["Z1"], atol=figure["tol"])


def test_l2_backward() -> None:
    """∂J/∂W of every layer with the penalty's share (λ/m) W."""
    figure = UNIT["L2_backward"]
    architecture = network_of(figure)[0]
    views = architecture.views(gradient_of(figure, figure["lambd"]))
    for layer, (dW, _) in enumerate(views, start=1):
        np.testing.assert_allclose(dW.T, figure["expected"][f"dW{layer}"], atol=figure["tol"])


def test_dropout_forward() -> None:
    """Probabilities under given masks, activations divided by keep_prob."""
    figure = UNIT["dropout_forward"]
    # A mask has a last column for the ones that biases multiply.
    masks: list[Array | None] = [
        with_ones(np.array(figure[name]).T / figure["keep_prob"], np.float64)[None] for name in ("D1", "D2")
    ]
    training, _, _ = pass_of(figure, masks)
    found = OUTPUTS["sigmoid"].probabilities(training.logits[0])[1:]
    np.testing.assert_allclose(found, figure["expected"]["AL"], atol=figure["tol"])


def test_training_with_given_masks() -> None:
    """The first step of gradient descent with the notebook's masks, against its formulas; other shapes are refused."""
    figure = UNIT["dropout_forward"]
    architecture, theta, examples = network_of(figure)
    data, keep_prob = Examples(examples.inputs[:, :-1], examples.y), figure["keep_prob"]
    settings = Hyperparameters(
        hidden=(2, 3), keep_prob=keep_prob, alpha=1.0, batch_size="full", optimizer="gradient_descent"
    )

    def step(given: Callable[[int, int, int], Array]) -> Array:
        run = train(
            data,
            None,
            n_classes=2,
            output="sigmoid",
            hyperparameters=settings,
            seeds=[0],
            initial=theta,
            masks=given,
            stopping=Stopping(max_epochs=1),
            dtype=np.float64,
        )
        return theta - run.networks[0].theta

    asked: list[tuple[int, int, int]] = []

    def masks(epoch: int, batch: int, layer: int) -> Array:
        asked.append((epoch, batch, layer))
        return np.array(figure[f"D{layer}"]).T

    (W1, b1), (W2, b2), (W3, b3) = parameters_of(figure)
    D1, D2 = (np.array(figure[name]).T / keep_prob for name in ("D1", "D2"))
    a1 = np.maximum(data.X @ W1 + b1, 0) * D1
    a2 = np.maximum(a1 @ W2 + b2, 0) * D2
    d3 = (1 / (1 + np.exp(-(a2 @ W3 + b3))) - data.y[:, None]) / len(data.y)
    d2 = d3 @ W3.T * D2 * (a2 > 0)
    d1 = d2 @ W2.T * D1 * (a1 > 0)
    expected = [(a.T @ d, d.sum(axis=0)) for a, d in ((data.X, d1), (a1, d2), (a2, d3))]
    np.testing.assert_allclose(step(masks), architecture.flatten(expected), atol=1e-14)
    assert asked == [(1, 1, 1), (1, 1, 2)]
    with pytest.raises(ArgumentError, match=r"masks: expected 0 and 1 in shape \(5, 2\), got shape \(2, 5\)"):
        step(lambda epoch, batch, layer: masks(epoch, batch, layer).T)


def test_dropout_backward() -> None:
    """∂J/∂a under given masks and given activations, through the products and slopes of the backward pass."""
    figure = UNIT["dropout_backward"]
    (_, (W2, _), (W3, _)) = parameters_of(figure)
    masks = [np.array(figure[name]).T[None] / figure["backward_keep_prob"] for name in ("D1", "D2")]
    activations = [np.array(figure["cache"][name], dtype=float).T[None] for name in ("A1", "A2")]
    d = (np.array(figure["cache"]["AL"]) - np.array(figure["Y"])).T[None]  # the notebook divides by m later
    for W, mask, a, name in ((W3, masks[1], activations[1], "dA2"), (W2, masks[0], activations[0], "dA1")):
        change = np.zeros_like(a)
        run(backward_calls(d, np.ascontiguousarray(W)[None], change))
        change *= mask
        np.testing.assert_allclose(change[0].T, figure["expected"][name], atol=figure["tol"])
        forward, backward = ACTIVATIONS["relu"].bind(a.copy(), np.empty_like(a), change, None)
        run([*forward, *backward])
        d = change


@pytest.mark.parametrize(("name", "optimizer"), [("gd_step", "gradient_descent"), ("momentum_step", "momentum")])
def test_optimizer_step(name: str, optimizer: str) -> None:
    """One step of gradient descent and of momentum, from given weights and gradients."""
    figure = UNIT[name]
    alpha, beta = figure["learning_rate"], figure.get("beta", 0.0)
    names = ("W1", "b1", "W2", "b2")
    theta, g = (np.concatenate([np.ravel(figure[prefix + name]) for name in names])[None] for prefix in ("", "d"))
    chosen = OPTIMIZERS[optimizer]
    slots = [np.zeros_like(theta) for _ in range(chosen.n_slots)]
    rates = Rates(*(np.ones(()) for _ in Rates._fields))
    rates.set(alpha, beta, 0.0)
    run(chosen.update(theta, slots, g * chosen.scale(alpha, beta), np.zeros_like(theta), rates))
    expected = np.concatenate([np.ravel(figure["expected"][name]) for name in names])
    np.testing.assert_allclose(theta[0], expected, atol=figure["tol"])
    for slot in slots:
        expected = np.concatenate([np.ravel(figure["expected"][f"v_d{name}"]) for name in names])
        np.testing.assert_allclose(slot[0] / alpha, expected, atol=figure["tol"])


def test_minibatches() -> None:
    """148 examples in a given order are cut into batches of 64, 64 and 20."""
    figure = UNIT["minibatches"]
    legacy = np.random.RandomState(1)
    X, y = legacy.randn(12288, 148).T, (legacy.randn(1, 148) < 0.5)[0].astype(np.int64)
    seen: list[Array] = []

    def remember(rng: np.random.Generator, batch: Array) -> Array:
        seen.append(batch.copy())
        return batch

    train(
        Examples(X, y),
        None,
        n_classes=2,
        hyperparameters=Hyperparameters(batch_size=64),
        seeds=[0],
        stopping=Stopping(max_epochs=1),
        dtype=np.float64,
        augment=remember,
        order=lambda epoch: np.random.RandomState(0).permutation(148),
    )
    assert [list(batch.T.shape) for batch in seen] == figure["expected"]["shapes"]
    np.testing.assert_allclose(seen[0][:3, 0], figure["expected"]["first_row_first3"], atol=figure["tol"])


class LegacyNormals:
    """The draws of ``RandomState.randn(n_out, n_in)``, handed out as (n_in, n_out)."""

    def __init__(self, seed: int) -> None:
        self._legacy = np.random.RandomState(seed)

    def standard_normal(self, shape: tuple[int, int]) -> Array:
        """Columns first, as the notebooks draw."""
        return self._legacy.randn(*shape[::-1]).T


@pytest.mark.parametrize(
    ("name", "initializer", "layers"),
    [("init_random_x10", "random_large", (3, 2, 1)), ("init_he", "he", (2, 4, 1))],
)
def test_initialization(name: str, initializer: str, layers: tuple[int, ...]) -> None:
    """Weights of the large random and of the He initialization from the notebooks' draws."""
    rng: Any = LegacyNormals(3)
    for layer, shape in enumerate(pairwise(layers), start=1):
        W = INITIALIZERS[initializer](rng, *shape)
        np.testing.assert_allclose(W.T, UNIT[name]["expected"][f"W{layer}"], atol=UNIT[name]["tol"])


class NotebookCost(CostFunction):
    """The cost as the notebook computes it, from rounded probabilities: it loses seven digits where they are near 1."""

    def __call__(self, theta: Array) -> float:
        """The cross-entropy of 1 / (1 + e^−z)."""
        super().__call__(theta)
        figure = UNIT["gradient_check"]
        p, y = 1 / (1 + np.exp(-self._forward.logits[0])), np.array(figure["Y"])
        return float((-np.log(p) * y - np.log(1 - p) * (1 - y)).mean())


def point_of(
    epsilon: float, *, planted: bool = False, cost_of: type[CostFunction] = CostFunction
) -> tuple[float, float]:
    """Return cost and relative difference of the notebook's gradient check, optionally with its planted bugs."""
    figure = UNIT["gradient_check"]
    architecture, theta, examples = network_of(figure)
    settings = Hyperparameters(hidden=architecture.hidden)
    analytic = gradient_of(figure, 0.0)
    if planted:
        (_, db1), (dW2, _), _ = architecture.views(analytic)
        dW2 *= 2
        db1 *= 4
    cost = cost_of(architecture, examples, settings, epsilon)
    chosen = [(np.arange(W.size), np.arange(b.size)) for W, b in architecture.views(theta)]
    point = compare_gradients(architecture, theta, analytic, cost, chosen, updates=0)
    assert sum(part.checked for part in point.parts) == 47
    return point.cost, point.relative_difference


def test_gradient_check_passes_a_correct_gradient() -> None:
    """The notebook's cost, and its score at ε = 1e-7 from its own rounded cost."""
    cost, difference = point_of(1e-7, cost_of=NotebookCost)
    assert cost == pytest.approx(UNIT["gradient_check"]["cost"], abs=1e-12)
    assert 1.0e-7 < difference < 1.4e-7


@pytest.mark.parametrize(
    ("epsilon", "name"), [(1e-5, "eps 1e-5, correct (own run)"), (1e-4, "eps 1e-4, correct (own run)")]
)
def test_gradient_check_is_sharper_with_a_cost_from_the_logits(epsilon: float, name: str) -> None:
    """With a stable cost the same network scores no worse than in the notebook."""
    cost, difference = point_of(epsilon)
    assert cost == pytest.approx(UNIT["gradient_check"]["cost"], abs=1e-12)
    assert difference < UNIT["gradient_check"]["expected"][name]


def test_gradient_check_finds_a_planted_bug() -> None:
    """dW2 · 2 and db1 · 4 score 0.285093."""
    difference = point_of(1e-7, planted=True)[1]
    assert difference == pytest.approx(0.285093156781, abs=1e-8)
    assert gradient_verdict(difference) == "wrong"


@pytest.mark.parametrize("x", [2.0, 3.0])
def test_gradient_check_in_one_dimension(x: float) -> None:
    """J(θ) = θ x at θ = 4."""
    numeric = ((4 + 1e-7) * x - (4 - 1e-7) * x) / 2e-7
    expected = UNIT["gradient_check"]["expected"][f"1d x={x:g} theta=4"]
    assert relative_difference(np.array([x]), np.array([numeric])) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("case", UNIT["lr_decay"]["cases"])
def test_learning_rate_decay(case: dict[str, float]) -> None:
    """α / (1 + rate · epoch), and the staircase of it."""
    factor = rate_factor(
        "step" if "interval" in case else "inverse_time",
        int(case["epoch"]),
        decay_rate=case["rate"],
        decay_epochs=int(case.get("interval", 1)),
        decay_start=0,
        warmup_epochs=0,
        max_epochs=1000,
    )
    assert case["lr0"] * factor == pytest.approx(case["expected"], abs=1e-15)
