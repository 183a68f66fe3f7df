"""Whole training runs from the lectures' notebooks, repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from tests.nn.helpers import FIGURES, prepared
from tuner.nn import Architecture, Examples, Hyperparameters, Stopping, TrainedNetwork, train
from tuner.nn.arrays import Array
from tuner.nn.cohort import Cohort
from tuner.nn.evaluation import Evaluator, Measured
from tuner.nn.lane import Lane
from tuner.nn.plan import Plan

RUNS = FIGURES["runs"]


def noisy(points: list[Array], noise: float, seed: int) -> Examples:
    """Two classes of points, shuffled and blurred by the legacy generator in the notebooks' order of draws."""
    X = np.concatenate(points)
    y = np.repeat([0, 1], len(points[0]))
    legacy = np.random.RandomState(seed)
    i = np.arange(len(X))
    legacy.shuffle(i)
    X, y = X[i], y[i]
    return Examples(X + legacy.normal(scale=noise, size=X.shape), y)


def circles(n: int, seed: int) -> Examples:
    """A circle of radius 1 around one of radius 0.8."""
    t = np.linspace(0, 2 * np.pi, n // 2, endpoint=False)
    ring = np.stack([np.cos(t), np.sin(t)], axis=1)
    return noisy([ring, 0.8 * ring], 0.05, seed)


def moons() -> Examples:
    """Two interlocking half circles."""
    t = np.linspace(0, np.pi, 150)
    upper = np.stack([np.cos(t), np.sin(t)], axis=1)
    return noisy([upper, np.stack([1 - np.cos(t), 1 - np.sin(t) - 0.5], axis=1)], 0.2, 3)


DATA = {"circles_train": circles(300, 1), "circles_test": circles(100, 2), "moons": moons()}


@pytest.mark.parametrize("name", list(DATA))
def test_data(name: str) -> None:
    """The data sets equal the notebooks' bit for bit, so any difference comes from the network."""
    columns = np.ascontiguousarray(DATA[name].X.T, dtype="<f8")
    expected = FIGURES["datasets"][name]
    np.testing.assert_allclose(columns[:, 0], expected["first"], rtol=1e-12)
    assert columns.sum() == pytest.approx(expected["sum"], abs=1e-9)
    assert hashlib.sha256(columns.tobytes()).hexdigest() == expected["sha256_le_f8_Corder"]


def drawn(layers: tuple[int, ...], scale: str) -> Array:
    """θ from the notebooks' draws: randn(n_out, n_in) of RandomState(3), biases 0."""
    legacy = np.random.RandomState(3)
    parameters = []
    for n_in, n_out in pairwise(layers):
        factor = {"zeros": 0.0, "x10": 10.0, "he": np.sqrt(2 / n_in)}[scale]
        parameters.append((legacy.randn(n_out, n_in).T * factor, np.zeros(n_out)))
    return Architecture(layers[0], layers[1:-1], 2, "relu", "sigmoid").flatten(parameters)


def full_batch(scale: str) -> tuple[TrainedNetwork, float]:
    """The 15 000 steps of the initialization notebook; the network at their end and the cost before the first."""
    theta = drawn((2, 10, 5, 1), scale)
    settings = Hyperparameters(hidden=(10, 5), batch_size="full", optimizer="gradient_descent", alpha=0.01)
    run = train(
        DATA["circles_train"],
        None,
        n_classes=2,
        hyperparameters=settings,
        seeds=[0],
        stopping=Stopping(max_epochs=15000),
        output="sigmoid",
        dtype=np.float64,
        initial=theta,
    )
    architecture = run.networks[0].architecture
    (first,) = Evaluator(architecture, theta[None], prepared(DATA["circles_train"], n_classes=2)).measure()
    return run.networks[0], first.cost


def accuracy(network: TrainedNetwork, examples: Examples) -> float:
    """Return the accuracy."""
    return float((network.predict(examples.X) == examples.y).mean())


@pytest.mark.parametrize(
    ("name", "scale"), [pytest.param("init_zeros", "zeros", marks=pytest.mark.slow), ("init_he", "he")]
)
def test_initialization_runs(name: str, scale: str) -> None:
    """Every printed cost and both accuracies of zeros and of He's initialization are repeated."""
    network, first = full_batch(scale)
    run = RUNS[name]
    costs = [first, *network.curve["train_cost"]]
    for step, expected in run["costs"].items():
        assert costs[int(step)] == pytest.approx(expected, abs=run["cost_tol"])
    assert accuracy(network, DATA["circles_train"]) == pytest.approx(run["train_acc"])
    assert accuracy(network, DATA["circles_test"]) == pytest.approx(run["test_acc"])


@pytest.mark.slow
def test_large_initialization_run() -> None:
    """Ten times too large weights: a finite first cost, costs near those of four stored runs, the same accuracies.

    The run is chaotic: the last bit of a matrix product, which depends on the processor, moves the third digit. A fifth
    run may lie outside the four by as much as they differ among themselves.
    """
    network, first = full_batch("x10")
    run = RUNS["init_random_x10"]
    assert np.isfinite(first)
    for step, band in run["costs"].items():
        if step != "0":
            low, high = band
            spread = high - low
            assert low - spread <= network.curve["train_cost"][int(step) - 1] <= high + spread
    assert accuracy(network, DATA["circles_train"]) == pytest.approx(run["train_acc"])
    assert accuracy(network, DATA["circles_test"]) == pytest.approx(run["test_acc"])


OPTIMIZERS = {
    "opt2017_gd": {"optimizer": "gradient_descent"},
    "opt2017_momentum": {"optimizer": "momentum"},
    "opt2021_gd": {"optimizer": "gradient_descent"},
    "opt2021_momentum": {"optimizer": "momentum"},
    "opt2021_adam": {"optimizer": "adam"},
    "opt2021_gd_sched": {
        "optimizer": "gradient_descent",
        "schedule": "step",
        "decay_epochs": 1000,
        "decay_rate": 1.0,
        "decay_start": 1,
    },
}
LONGEST_RUNS = ("opt2017_gd", "opt2017_momentum")


class Replay:
    """The epochs of the optimization notebooks, with the costs of mini-batches before their updates."""

    def __init__(self, name: str) -> None:
        settings = Hyperparameters(
            hidden=(5, 2), batch_size=64, alpha=RUNS[name]["lr"], beta=0.9, beta2=0.999, **OPTIMIZERS[name]
        )
        self._order = np.arange(300)
        plan = Plan(
            architecture=Architecture(2, (5, 2), 2, "relu", "sigmoid"),
            trains=[prepared(DATA["moons"], n_classes=2)],
            devs=None,
            hyperparameters=[settings],
            stopping=Stopping(max_epochs=RUNS[name]["epochs"]),
            penalty_per="train_set",
            dtype=np.float64,
            augment=None,
            order=lambda epoch: self._order,
        )
        lane = Lane(0, plan, 0, drawn((2, 5, 2, 1), "he"))
        self.cohort = Cohort(plan, [lane], lane.best_theta[None])

    def epoch(self, epoch: int, look: Callable[[], bool] | None = None) -> None:
        """One epoch, from 0.  The notebooks apply a schedule after an epoch: ``decay_start`` is 1."""
        self._order = np.random.RandomState(11 + epoch).permutation(300)
        self.cohort.train_epoch(epoch, look)

    def batch_costs(self, epoch: int) -> list[tuple[float, int]]:
        """One epoch: the cost of every mini-batch before its update, and its size."""
        costs: list[tuple[float, int]] = []

        def look() -> bool:
            chosen = self._order[64 * len(costs) : 64 * len(costs) + 64]
            batch = Examples(DATA["moons"].X[chosen], DATA["moons"].y[chosen])
            costs.append((self.measured(batch).cost, len(chosen)))
            return False

        self.epoch(epoch, look)
        return costs

    def measured(self, examples: Examples) -> Measured:
        """The network as it is, on these examples."""
        return Evaluator(self.cohort.plan.architecture, self.cohort.theta, prepared(examples, n_classes=2)).measure()[0]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in LONGEST_RUNS else name for name in OPTIMIZERS],
)
def test_optimizer_runs(name: str) -> None:
    """Every printed cost is repeated to 1e-6, and the final accuracy."""
    run, replay = RUNS[name], Replay(name)
    for epoch in range(run["epochs"]):
        if str(epoch) not in run["costs"]:
            replay.epoch(epoch)
            continue
        costs = replay.batch_costs(epoch)
        last_only = name.startswith("opt2017")
        found = costs[-1][0] if last_only else sum(cost * size for cost, size in costs) / 300
        assert found == pytest.approx(run["costs"][str(epoch)], abs=run["cost_tol"])
    assert 1 - replay.measured(DATA["moons"]).error == pytest.approx(run["train_acc"])
