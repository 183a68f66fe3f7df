"""Microseconds per mini-batch step: this trainer, scikit-learn, PyTorch, and the floor that matrix products set.

    python -m benchmarks.trainer [--rounds 7] [--seconds 0.15] [--beside FOLDER]

With --beside only this trainer and that of another checkout are timed, each in a process of its own, in turns.

One BLAS thread, one process, one run. Every contender trains whole epochs over the same data, shuffled, with momentum
and L2 (weight decay), and its time is divided by the steps; evaluation is measured by itself. The floor is the matrix
products of a step as NumPy does them, and nothing else.

Times are the process's CPU time, and contenders take turns, so that whatever else the machine does meets all of them
alike. Shown is each one's fastest round; ratios are medians over the rounds. scikit-learn has no dropout: beside
keep_prob 0.8 stands its time without, and no goal applies to that. PyTorch is skipped where it is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tuner.nn import Architecture, Examples, Hyperparameters, Stopping
from tuner.nn.cohort import Cohort
from tuner.nn.evaluation import Evaluator
from tuner.nn.lane import Lane
from tuner.nn.memory import UFUNC_BUFFER, aligned
from tuner.nn.plan import Plan
from tuner.nn.training import curve_sample

Epochs = Callable[[int], None]
"""Trains so many epochs."""


@dataclass(frozen=True)
class Shape:
    """Layer widths and the rows of a mini-batch."""

    widths: tuple[int, ...]
    batch_size: int

    @property
    def wide(self) -> bool:
        """Whether the products outweigh everything else."""
        return self.widths[0] > 64

    @property
    def steps(self) -> int:
        """Mini-batches in an epoch of the data used here."""
        return 8192 // self.batch_size

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.widths))} batch {self.batch_size}"


SHAPES = [
    Shape((64, 64, 32, 10), 64),
    Shape((64, 64, 32, 10), 512),
    Shape((64, 20, 10), 64),
    Shape((784, 256, 128, 10), 128),
    Shape((784, 256, 128, 10), 1024),
    Shape((784, 512, 512, 256, 10), 256),
]
SIDE_BY_SIDE = [Shape((64, 20, 10), 64), Shape((64, 64, 32, 10), 64)]
NETWORKS = [1, 2, 4, 8, 16, 32]

ALPHA, BETA, WEIGHT_DECAY = 0.01, 0.9, 1e-4


def examples_of(shape: Shape, n: int) -> Examples:
    """Random examples; what they are does not matter to the time."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, shape.widths[0]), dtype=np.float32)
    return Examples(X, rng.integers(0, shape.widths[-1], n))


def settings_of(shape: Shape, keep_prob: float, n: int) -> Hyperparameters:
    """The hyperparameters that mean what the peers' do: α (1−β) is their learning rate, λ/m their weight decay."""
    return Hyperparameters(
        hidden=shape.widths[1:-1],
        keep_prob=keep_prob,
        batch_size=shape.batch_size,
        alpha=ALPHA / (1 - BETA),
        beta=BETA,
        lambda_=WEIGHT_DECAY * n,
    )


def this_trainer(shape: Shape, keep_prob: float, data: Examples, *, networks: int = 1) -> Epochs:
    """The steps of ``tuner.nn.train``: shuffling, gathering, masks, both passes and the update."""
    settings = settings_of(shape, keep_prob, len(data))
    architecture = Architecture(shape.widths[0], shape.widths[1:-1], shape.widths[-1])
    plan = Plan(
        architecture=architecture,
        trains=[data.prepared("train", n_classes=shape.widths[-1], dtype=np.float32)] * networks,
        devs=None,
        hyperparameters=[settings] * networks,
        stopping=Stopping(),
        penalty_per="train_set",
        dtype=np.float32,
        augment=None,
        order=None,
    )
    lanes = [Lane(number, plan, number, None) for number in range(networks)]
    cohort = Cohort(plan, lanes, np.array([lane.best_theta for lane in lanes]))

    def epochs(count: int) -> None:
        with np.errstate(all="ignore"):
            np.setbufsize(UFUNC_BUFFER)
            for _ in range(count):
                cohort.train_epoch(0, lambda: False)

    return epochs


def scikit_learn(shape: Shape, data: Examples) -> Epochs:
    """``MLPClassifier(solver="sgd")``, without early stopping."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    def epochs(count: int) -> None:
        model = MLPClassifier(
            hidden_layer_sizes=shape.widths[1:-1],
            solver="sgd",
            alpha=WEIGHT_DECAY,
            batch_size=shape.batch_size,
            learning_rate_init=ALPHA,
            momentum=BETA,
            nesterovs_momentum=False,
            max_iter=count,
            n_iter_no_change=count + 1,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(data.X, data.y)

    return epochs


def pytorch(shape: Shape, keep_prob: float, data: Examples) -> Epochs:
    """The plain loop: linear layers, ReLU, dropout, cross-entropy, SGD with momentum and weight decay."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers: list[Any] = []
    for n_in, n_out in pairwise(shape.widths):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        layers += [torch.nn.Dropout(1 - keep_prob)] if keep_prob < 1 else []
    network = torch.nn.Sequential(*layers[: -1 if keep_prob == 1 else -2])
    optimizer = torch.optim.SGD(network.parameters(), lr=ALPHA, momentum=BETA, weight_decay=WEIGHT_DECAY)
    loss = torch.nn.CrossEntropyLoss()
    X, y = torch.from_numpy(data.X), torch.from_numpy(data.y)

    def epochs(count: int) -> None:
        for _ in range(count):
            order = torch.randperm(len(y))
            for start in range(0, len(y), shape.batch_size):
                chosen = order[start : start + shape.batch_size]
                optimizer.zero_grad()
                loss(network(X[chosen]), y[chosen]).backward()
                optimizer.step()

    return epochs


def floor(shape: Shape) -> Epochs:
    """The products of every step: forward, ∂J/∂W, and back through all layers but the first."""
    rng = np.random.default_rng(0)

    def filled(rows: int, columns: int) -> Any:
        array = aligned((rows, columns), np.float32)
        array[...] = rng.standard_normal(array.shape)
        return array

    pairs, rows = list(pairwise(shape.widths)), shape.batch_size
    inputs, outputs = [filled(rows, n_in) for n_in, _ in pairs], [filled(rows, n_out) for _, n_out in pairs]
    weights, gradients = [filled(*pair) for pair in pairs], [filled(*pair) for pair in pairs]
    deltas, backs = [filled(rows, n_out) for _, n_out in pairs], [filled(rows, n_in) for n_in, _ in pairs]
    products = [(inputs[k], weights[k], outputs[k]) for k in range(len(pairs))]
    for k in reversed(range(len(pairs))):
        products.append((inputs[k].T, deltas[k], gradients[k]))
        if k:
            products.append((deltas[k], weights[k].T, backs[k]))

    def epochs(count: int) -> None:
        for _ in range(count * shape.steps):
            for a, b, out in products:
                np.matmul(a, b, out)

    return epochs


def take_turns(contenders: dict[str, Epochs], *, rounds: int, seconds: float, steps: int) -> dict[str, list[float]]:
    """Microseconds a step of each contender in each round."""
    counts = {}
    for name, epochs in contenders.items():
        epochs(2)  # warm up
        began = time.process_time()
        epochs(2)
        counts[name] = max(1, math.ceil(2 * seconds / (time.process_time() - began)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, epochs in contenders.items():
            began = time.process_time()
            epochs(counts[name])
            times[name].append(1e6 * (time.process_time() - began) / (counts[name] * steps))
    return times


def ratio(times: dict[str, list[float]], above: str, below: str) -> float:
    """The median over rounds of one contender's time divided by another's."""
    return statistics.median(a / b for a, b in zip(times[above], times[below], strict=True))


@dataclass(frozen=True)
class Measured:
    """A shape with a keep_prob: its time over the floor, and the peers' times over its own."""

    shape: Shape
    keep_prob: float
    of_floor: float
    peers: dict[str, float]


def steps_table(rounds: int, seconds: float, with_torch: bool) -> list[Measured]:
    """Print the first table."""
    print(
        "| network | keep_prob | floor | this trainer | scikit-learn | PyTorch | of the floor | × sklearn | × PyTorch |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    measured = []
    for shape in SHAPES:
        data = examples_of(shape, shape.steps * shape.batch_size)
        for keep_prob in (1.0, 0.8):
            contenders = {
                "floor": floor(shape),
                "tuner": this_trainer(shape, keep_prob, data),
                "sklearn": scikit_learn(shape, data),
            }
            if with_torch:
                contenders["torch"] = pytorch(shape, keep_prob, data)
            times = take_turns(contenders, rounds=rounds, seconds=seconds, steps=shape.steps)
            peers: dict[str, float] = {
                name: ratio(times, name, "tuner") for name in ("sklearn", "torch") if name in times
            }
            measured.append(Measured(shape, keep_prob, ratio(times, "tuner", "floor"), peers))
            names = ("floor", "tuner", "sklearn", "torch")
            best = [f"{min(times[name]):.0f}" if name in times else "–" for name in names]
            ratios = [f"{peers[name]:.2f}" if name in peers else "–" for name in names[2:]]
            shown = " | ".join([*best, f"{measured[-1].of_floor:.2f}", *ratios])
            print(f"| {shape} | {keep_prob:g} | {shown} |", flush=True)
    return measured


def goals(measured: list[Measured]) -> None:
    """Print each goal with what was reached."""

    def ratios(name: str, *, wide: bool) -> list[float]:
        """A peer's, where it does the same work: scikit-learn has no dropout."""
        return [
            one.peers[name]
            for one in measured
            if one.shape.wide == wide and name in one.peers and (name == "torch" or one.keep_prob == 1)
        ]

    def floors(keep_prob: float) -> list[float]:
        return [one.of_floor for one in measured if one.shape.wide and one.keep_prob == keep_prob]

    lines = [
        ("wide shapes: times the floor, most", max(floors(1.0)), 1.2, False),
        ("wide shapes: times the floor with dropout, most", max(floors(0.8)), 1.35, False),
    ]
    for name, least in (("sklearn", 3.5), ("torch", 5.0)):
        if ratios(name, wide=False):
            wide = ratios(name, wide=True)
            lines.append((f"small shapes: times faster than {name}, least", min(ratios(name, wide=False)), least, True))
            lines.append((f"wide shapes: times faster than {name}, least", min(wide), 1.0, True))
            lines.append((f"wide shapes: times faster than {name}, mean", statistics.geometric_mean(wide), 1.35, True))
    print()
    for text, reached, goal, at_least in lines:
        kept = reached >= goal if at_least else reached <= goal
        print(f"- {text}: {reached:.2f} (goal {goal:g}, {'reached' if kept else 'not reached'})")


def side_by_side_table(rounds: int, seconds: float) -> None:
    """Print microseconds a step and network for K networks at once."""
    print(f"\n| network, microseconds a step and network at K = | {' | '.join(map(str, NETWORKS))} |")
    print("|---" * (len(NETWORKS) + 1) + "|")
    for shape in SIDE_BY_SIDE:
        data = examples_of(shape, shape.steps * shape.batch_size)
        for keep_prob in (1.0, 0.8):
            contenders = {str(K): this_trainer(shape, keep_prob, data, networks=K) for K in NETWORKS}
            times = take_turns(contenders, rounds=rounds, seconds=seconds, steps=shape.steps)
            shown = " | ".join(f"{min(times[str(K)]) / K:.1f}" for K in NETWORKS)
            print(f"| {shape}, keep_prob {keep_prob:g} | {shown} |", flush=True)


def evaluation_table(rounds: int) -> None:
    """Print the share of an epoch that measuring train and dev error takes, as ``train`` does it after each."""
    print("\n| network | train examples | dev examples | epoch, ms | of it evaluation |")
    print("|---|---|---|---|---|")
    worst = 0.0
    for shape, n, n_dev in (
        (SHAPES[0], 1078, 360),
        (SHAPES[2], 1078, 360),
        (SHAPES[0], 8192, 2048),
        (SHAPES[3], 8192, 1638),
        (SHAPES[5], 8192, 1638),
    ):
        data = examples_of(shape, n)
        sets = [
            one.prepared("benchmark", n_classes=shape.widths[-1], dtype=np.float32)
            for one in (data, examples_of(shape, n_dev))
        ]
        architecture = Architecture(shape.widths[0], shape.widths[1:-1], shape.widths[-1])
        theta = architecture.initial(np.random.default_rng(0), "he")[None].astype(np.float32)
        evaluations = [Evaluator(architecture, theta, one) for one in (curve_sample(sets[0]), sets[1])]

        def evaluate(epochs: int, evaluations: list[Evaluator] = evaluations) -> None:
            for _ in range(epochs):
                for evaluation in evaluations:
                    evaluation.measure()

        contenders = {"steps": this_trainer(shape, 1.0, data), "evaluation": evaluate}
        times = take_turns(contenders, rounds=rounds, seconds=0.15, steps=1)
        shares = [e / (s + e) for s, e in zip(times["steps"], times["evaluation"], strict=True)]
        epoch = min(s + e for s, e in zip(times["steps"], times["evaluation"], strict=True))
        worst = max(worst, statistics.median(shares))
        print(f"| {shape} | {n} | {n_dev} | {epoch / 1e3:.2f} | {100 * statistics.median(shares):.0f}% |", flush=True)
    print(f"\n- evaluation, most: {100 * worst:.0f}% (goal 15, {'reached' if worst <= 0.15 else 'not reached'})")


CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from benchmarks.trainer import SHAPES, examples_of, this_trainer, threadpool_limits
with threadpool_limits(1):
    for line in sys.stdin:
        place, keep_prob, count = line.split()
        shape = SHAPES[int(place)]
        if count == "0":
            epochs = this_trainer(shape, float(keep_prob), examples_of(shape, shape.steps * shape.batch_size))
            epochs(2)
        began = time.process_time()
        epochs(max(1, int(count)))
        print(time.process_time() - began, flush=True)
"""
"""Times epochs of a checkout's trainer: a line is the place of a shape, a keep_prob and a number, 0 to begin with."""


def beside_table(folder: Path, rounds: int, seconds: float) -> None:
    """Print the time of a step of this trainer beside that of another checkout, and the median of their ratios."""
    folders = {"there": folder.resolve(), "here": Path(__file__).resolve().parents[1]}
    children = {
        name: subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=path
        )
        for name, path in folders.items()
    }

    def asked(name: str, place: int, keep_prob: float, count: int) -> float:
        child = children[name]
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{place} {keep_prob} {count}\n")
        child.stdin.flush()
        return float(child.stdout.readline())

    print(f"| network | keep_prob | {' | '.join(folders)} | ratio |\n|---|---|---|---|---|")
    for place, shape in enumerate(SHAPES):
        for keep_prob in (1.0, 0.8):
            count = math.ceil(seconds / max(asked(name, place, keep_prob, 0) for name in folders))
            times: dict[str, list[float]] = {name: [] for name in folders}
            for turn in range(rounds):
                for name in [*folders][:: 1 if turn % 2 else -1]:
                    spent = asked(name, place, keep_prob, count)
                    times[name].append(1e6 * spent / (count * shape.steps))
            shown = " | ".join(f"{min(each):.0f}" for each in times.values())
            print(f"| {shape} | {keep_prob:g} | {shown} | {ratio(times, 'here', 'there'):.3f} |", flush=True)
    for child in children.values():
        child.communicate()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="how often the contenders take turns")
    parser.add_argument("--seconds", type=float, default=0.15, help="how long each turn lasts")
    parser.add_argument("--beside", type=Path, help="a checkout of another commit")
    arguments = parser.parse_args()
    if arguments.beside is not None:
        beside_table(arguments.beside, arguments.rounds, arguments.seconds)
        return
    with_torch = importlib.util.find_spec("torch") is not None
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"BLAS {blas['name']} {blas['version']}, one thread\n")
    if not with_torch:
        print("PyTorch is not installed, its column is left out: pip install torch==2.13.0\n")
    with threadpool_limits(1):
        goals(steps_table(arguments.rounds, arguments.seconds, with_torch))
        side_by_side_table(arguments.rounds, arguments.seconds)
        evaluation_table(arguments.rounds)


if __name__ == "__main__":
    main()
