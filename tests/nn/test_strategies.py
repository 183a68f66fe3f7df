"""Each initializer, schedule, activation and optimizer follows its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss, mean_poisson_deviance

from tuner.errors import ArgumentError
from tuner.nn import (
    ACTIVATIONS,
    INITIALIZERS,
    OPTIMIZERS,
    OUTPUTS,
    SCHEDULES,
    Examples,
    Hyperparameters,
    Stopping,
    idle_hyperparameters,
    output_named,
    train,
)
from tuner.nn.arrays import Array, Bools, Ints
from tuner.nn.calls import run
from tuner.nn.optimizers import Rates
from tuner.nn.schedules import rate_factor

N_IN, N_OUT = 300, 200
VARIANCES = {
    "zeros": 0.0,
    "random_small": 1e-4,
    "random_large": 100.0,
    "xavier": 2 / (N_IN + N_OUT),
    "xavier_uniform": 2 / (N_IN + N_OUT),
    "lecun": 1 / N_IN,
    "lecun_uniform": 1 / N_IN,
    "he": 2 / N_IN,
    "he_uniform": 2 / N_IN,
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_variance_of_initial_weights(name: str) -> None:
    """Each initializer has the variance of its paper and the mean 0; uniform ones stay within √(3 Var)."""
    W = INITIALIZERS[name](np.random.default_rng(0), N_IN, N_OUT)
    assert W.shape == (N_IN, N_OUT)
    assert W.var() == pytest.approx(VARIANCES[name], rel=0.03)
    assert abs(W.mean()) <= 4 * math.sqrt(VARIANCES[name] / W.size)
    if name.endswith("uniform"):
        assert np.abs(W).max() <= math.sqrt(3 * VARIANCES[name])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_derivatives(name: str) -> None:
    """The slope of a forward step is the difference quotient, and its activation the one of an evaluation."""
    activation = ACTIVATIONS[name]
    z = np.array([-3.0, -0.7, -1e-3, 1e-3, 0.4, 2.5])
    ends = [z + 1e-6, z - 1e-6]
    for end in ends:
        run(activation.value(end))
    expected = (ends[0] - ends[1]) / 2e-6
    a, slope, delta = z.copy(), np.zeros(6), np.ones(6)
    forward, backward = activation.bind(a, slope, delta, None)
    run([*forward, *backward])
    np.testing.assert_allclose(delta, expected, atol=1e-8)
    value = z.copy()
    run(activation.value(value))
    np.testing.assert_array_equal(a, value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_is_flat_at_0(dtype: type) -> None:
    """At z = 0 the slope is 0, because a unit with only dead inputs is exactly there."""
    z = np.array([0.0, -1.0, 1.0], dtype=dtype)
    delta = np.ones_like(z)
    forward, backward = ACTIVATIONS["relu"].bind(z, np.zeros_like(z), delta, None)
    run([*forward, *backward])
    assert list(delta) == [0, 0, 1]
    assert list(z) == [0, 0, 1]


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"selu"}))
def test_activations_take_any_number(name: str) -> None:
    """Large numbers of both signs neither overflow nor become NaN."""
    z = np.array([-3e38, -100, 100, 3e38], dtype=np.float32)
    with np.errstate(over="raise", invalid="raise"):
        run(ACTIVATIONS[name].value(z))
    assert np.isfinite(z).all()


def assess(name: str, logits: Array, y: Ints) -> tuple[Array, Bools]:
    """Return losses and wrong examples, leaving the logits unchanged."""
    return OUTPUTS[name].assess(logits.copy(), OUTPUTS[name].labels(y))


@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
def test_losses_are_stable_cross_entropy(name: str) -> None:
    """The loss is −log of the class's probability, and finite even if that rounds to 0."""
    units = 1 if name == "sigmoid" else 3
    logits = np.random.default_rng(0).standard_normal((units, 50)) * 3
    y = np.random.default_rng(1).integers(0, 2, 50)
    p = OUTPUTS[name].probabilities(logits)
    np.testing.assert_allclose(p.sum(axis=0), 1)
    np.testing.assert_array_equal(OUTPUTS[name].classes(logits), p.argmax(axis=0))
    losses, wrong = assess(name, logits, y)
    np.testing.assert_allclose(losses, -np.log(p[y, np.arange(50)]), atol=1e-12)
    np.testing.assert_array_equal(wrong, p.argmax(axis=0) != y)
    extreme = np.zeros((units, 2))
    extreme[0] = [1e4, -1e4]
    losses, _ = assess(name, extreme, np.array([0, 1] if name == "sigmoid" else [1, 0]))
    np.testing.assert_allclose(losses, 1e4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "losses", "slopes"),
    [
        ("linear", [2.0, 0.125, 0.0, 4.5], [-2.0, 0.5, 0.0, 3.0]),
        ("huber", [1.5, 0.125, 0.0, 2.5], [-1.0, 0.5, 0.0, 1.0]),
        ("absolute", [2.0, 0.5, 0.0, 3.0], [-1.0, 1.0, 0.0, 1.0]),
    ],
)
def test_losses_of_numbers(name: str, losses: list[float], slopes: list[float]) -> None:
    """The loss of a residual, its slope times an example's weight, and the squared error have their definitions."""
    output, y, weight = OUTPUTS[name], np.array([3.0, 1.0, -1.0, 2.0]), np.array([[2.0, 1.0, 3.0, 0.5]])
    logits = np.array([[1.0, 1.5, -1.0, 5.0]])
    assert list(output.classes(logits)) == [1.0, 1.5, -1.0, 5.0]
    found, squares = assess(name, logits, y)
    assert list(found) == losses
    assert list(squares) == [4.0, 0.25, 0.0, 9.0]
    targets = np.empty_like(logits)
    output.targets(y, targets)
    run(output.delta(logits, None)(targets * weight, weight))
    assert list(logits[0]) == list(weight[0] * slopes)


def test_quantiles_do_not_cross() -> None:
    """The prediction is the middle one of the sorted outputs, and the loss is scikit-learn's pinball loss."""
    output, y = output_named("quantiles(0.1, 0.5, 0.9)"), np.array([3.0, 0.0])
    logits = np.array([[5.0, 1.0], [2.0, 1.0], [1.0, 4.0]])
    assert output.probabilities(logits).tolist() == [[1.0, 1.0], [2.0, 1.0], [5.0, 4.0]]
    assert output.classes(logits).tolist() == [2.0, 1.0]
    losses, squares = output.assess(logits, y)
    assert losses.mean() == pytest.approx(
        np.mean([mean_pinball_loss(y, z, alpha=q) for q, z in zip((0.1, 0.5, 0.9), logits, strict=True)])
    )
    assert squares.tolist() == [1.0, 1.0]
    for wrong in (
        "quantiles(0.9, 0.5)",
        "quantiles(0.1, 0.9)",
        "quantiles(0.5)",
        "quantiles(0, 0.5)",
        "quantiles(a)",
        "x",
    ):
        with pytest.raises(ArgumentError, match="output: expected one of softmax"):
            output_named(wrong)


def test_the_poisson_loss_is_half_the_deviance() -> None:
    """Of rates e^z, as scikit-learn has it; a rate beyond float32 is limited."""
    output, y, z = OUTPUTS["poisson"], np.array([0.0, 2.0, 5.0]), np.array([[-1.0, 0.5, 1.7]])
    losses, _ = output.assess(z.copy(), y)
    assert 2 * losses.mean() == pytest.approx(mean_poisson_deviance(y, np.exp(z[0])))
    assert np.isfinite(output.classes(np.array([[1e6]], dtype=np.float32))).all()


def test_equal_logits_count_as_the_first_class() -> None:
    """A network of zeros is right about class 0 and wrong about all others, as its predictions are."""
    logits, y = np.zeros((3, 4)), np.array([0, 1, 2, 0])
    assert list(assess("softmax", logits, y)[1]) == [False, True, True, False]
    assert list(OUTPUTS["softmax"].classes(logits)) == [0, 0, 0, 0]
    assert list(assess("sigmoid", logits[:1], y[[0, 1, 0, 1]])[1]) == [False, True, False, True]


def factors(name: str, **hyperparameters: float) -> list[float]:
    """The factors of α in the first eight epochs of a hundred."""
    settings = {
        "decay_rate": 0.5,
        "decay_epochs": 3,
        "decay_start": 0,
        "warmup_epochs": 0,
        "max_epochs": 100,
    } | hyperparameters
    return [rate_factor(name, epoch, **settings) for epoch in range(8)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", [1] * 8),
        ("inverse_time", [1 / (1 + 0.5 * e) for e in range(8)]),
        ("step", [1, 1, 1, 1 / 1.5, 1 / 1.5, 1 / 1.5, 1 / 2, 1 / 2]),
        ("exponential", [math.exp(-0.5 * e) for e in range(8)]),
        ("cosine", [(1 + math.cos(math.pi * e / 100)) / 2 for e in range(8)]),
        ("one_cycle", [0.04 + 0.96 * (1 - math.cos(math.pi * (e + 0.5) / 30)) / 2 for e in range(8)]),
        ("coslog4", [(1 - math.cos(2 * math.pi * math.log2(1 + 0.15 * (e + 0.5)))) / 2 for e in range(8)]),
        ("flat_cosine", [1] * 8),
    ],
)
def test_schedules(name: str, expected: list[float]) -> None:
    """Each schedule follows its formula."""
    assert factors(name) == pytest.approx(expected)


def test_schedules_that_end_at_0() -> None:
    """In 8 epochs one_cycle is highest in the third, flat_cosine falls from the fifth on, coslog4 has four waves."""
    assert factors("one_cycle", max_epochs=8)[2] == max(factors("one_cycle", max_epochs=8))
    flat = [(1 + math.cos(math.pi * way)) / 2 for way in (1 / 8, 3 / 8, 5 / 8, 7 / 8)]
    assert factors("flat_cosine", max_epochs=8) == pytest.approx([1, 1, 1, 1, *flat])
    waves = [rate_factor("coslog4", epoch, **LONG) for epoch in range(1500)]  # type: ignore[arg-type]
    tops = [e for e in range(1, 1499) if waves[e - 1] < waves[e] > waves[e + 1]]
    assert tops == pytest.approx([100 * (2 ** (half / 2) - 1) for half in (1, 3, 5, 7)], abs=1)


LONG = {"decay_rate": 0.0, "decay_epochs": 1, "decay_start": 0, "warmup_epochs": 0, "max_epochs": 1500}


@pytest.mark.parametrize("name", [name for name, of in SCHEDULES.items() if "decay_start" in of.hyperparameters])
def test_a_schedule_may_begin_later(name: str) -> None:
    """With ``decay_start`` 3 the first three epochs have α itself, and the schedule of the others begins there."""
    assert factors(name, decay_start=3) == pytest.approx([1, 1, 1, *factors(name, max_epochs=97)[:5]])


@pytest.mark.parametrize("name", SCHEDULES)
def test_learning_rates_stay_positive(name: str) -> None:
    """α never decays to 0, because momentum keeps multiples of it."""
    assert min(factors(name, max_epochs=8, decay_rate=1e6)) > 0


@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_is_linear(name: str) -> None:
    """Three epochs of warm-up have ¼, ½ and ¾ of the schedule's α, the fourth all of it."""
    ratios = np.array(factors(name, warmup_epochs=3)) / np.array(factors(name))
    np.testing.assert_allclose(ratios, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_go_downhill(name: str) -> None:
    """Each finds the minimum of ½ Σ c x² from any start, for two networks with different rates."""
    optimizer = OPTIMIZERS[name]
    c = np.array([[1.0, 3.0], [0.5, 2.0]])
    theta, alphas, betas = np.array([[2.0, -1.0], [-3.0, 1.5]]), [0.05, 0.03], [0.9, 0.8]
    slots = [np.zeros_like(theta) for _ in range(optimizer.n_slots)]
    scale = np.array([[optimizer.scale(a, b)] for a, b in zip(alphas, betas, strict=True)])
    rates = Rates(*(np.ones((2, 1)) for _ in Rates._fields))
    rates.set(np.array(alphas)[:, None], np.array(betas)[:, None], np.array(0.99))
    g = np.zeros_like(theta)
    calls = optimizer.update(theta, slots, g, np.zeros_like(theta), rates)
    for step in range(1, 801):
        rates.correct(1 - np.array(betas)[:, None] ** step, np.array(1 - 0.99**step))
        g[...] = c * theta * scale
        run(calls)
    assert np.abs(theta).max() < 0.06


def test_nesterov_looks_one_step_ahead() -> None:
    """Two steps by hand, α = 1 and β = ½: v is ½ and 3/4 of the gradient 1, θ falls by β v + (1−β) g."""
    theta, g, v = np.zeros((1, 1)), np.array([[0.5]]), np.zeros((1, 1))
    rates = Rates(*(np.ones(()) for _ in Rates._fields))
    rates.set(1.0, 0.5, 0.0)
    calls = OPTIMIZERS["nesterov"].update(theta, [v], g, np.zeros((1, 1)), rates)
    run(calls)
    assert (v[0, 0], theta[0, 0]) == (0.5, -0.75)
    run(calls)
    assert (v[0, 0], theta[0, 0]) == (0.75, -0.75 - 0.875)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_weights_that_only_shrink_end_at_0(optimizer: str) -> None:
    """Of inputs that are always 0, with a penalty: not below float32's normal numbers, where arithmetic is slow."""
    X = np.random.default_rng(0).standard_normal((256, 6)) * (np.arange(6) < 3)
    settings = Hyperparameters(
        hidden=(16,), optimizer=optimizer, alpha=0.01, lambda_=1.0, batch_size=16, weight_average=0.9
    )
    stopping = Stopping(max_epochs=200, patience=None)
    examples = Examples(X.astype(np.float32), (X[:, 0] > 0).astype(np.int64))
    trained = train(examples, None, n_classes=2, hyperparameters=settings, seeds=[0], stopping=stopping)
    theta = np.abs(trained.networks[0].theta)
    assert np.count_nonzero(theta == 0) > 40
    assert theta[theta > 0].min() > 1e-15


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"beta2", "decay_rate", "decay_epochs", "decay_start"}),
        ({"optimizer": "gradient_descent"}, {"beta", "beta2", "decay_rate", "decay_epochs", "decay_start"}),
        ({"hidden": (4, 6), "optimizer": "adam", "schedule": "step"}, {"residual"}),
        ({"optimizer": "rmsprop", "schedule": "exponential"}, {"beta", "decay_epochs"}),
        ({"optimizer": "adam", "schedule": "step"}, set()),
        (
            {"optimizer": "adam", "schedule": "step", "hidden": ()},
            {"activation", "keep_prob", "normalization", "residual"},
        ),
    ],
)
def test_idle_hyperparameters(settings: dict[str, object], expected: set[str]) -> None:
    """Hyperparameters are idle by optimizer, by schedule, or by hidden layers."""
    given = Hyperparameters(**({"hidden": (4, 4)} | settings))  # type: ignore[arg-type]
    assert idle_hyperparameters(given) == expected
