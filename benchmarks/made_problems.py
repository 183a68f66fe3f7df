"""Made classification problems whose truth is known, and really trained networks on them.

A class is a mixture of round Gaussians and its labels may be flipped, so that the best possible rule and its error are
known; fresh examples cost nothing, so that any network's true error can be counted on as many as one likes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tuner.nn import EpochMetrics, Examples, Hyperparameters, Stopping, train


@dataclass(frozen=True)
class Mixture:
    """``means``: (n_classes, components, n_features) of unit Gaussians; ``noise``: share of labels flipped."""

    means: np.ndarray
    noise: float = 0.0

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.means)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw ``n`` examples: X (n, n_features) float32 and y (n,) int64."""
        classes, components, d = self.means.shape
        y = rng.integers(classes, size=n)
        X = self.means[y, rng.integers(components, size=n)] + rng.standard_normal((n, d))
        flipped = rng.random(n) < self.noise
        y = np.where(flipped, (y + rng.integers(1, classes, size=n)) % classes, y)
        return X.astype(np.float32), y

    def bayes_error(self, rng: np.random.Generator, n: int = 50_000) -> float:
        """Error of the best possible rule, the class of the highest density, counted on ``n`` examples."""
        X, y = self.sample(n, rng)
        log_density = [
            np.logaddexp.reduce([X @ m - m @ m / 2 for m in components.astype(np.float32)], axis=0)
            for components in self.means
        ]
        return float(np.mean(np.argmax(log_density, axis=0) != y))


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One made problem: where examples come from, how many there are, and the trials of a search."""

    kind: str
    train_source: Mixture
    dev_source: Mixture
    n_train: int
    n_dev: int
    hidden: tuple[int, ...]
    trials: int
    max_epochs: int
    patience: int = 8
    batch_size: int = 32
    alpha: tuple[float, float] = (0.03, 1.0)

    @property
    def shifted(self) -> bool:
        """Whether dev and test examples come from elsewhere than the training examples."""
        return self.dev_source is not self.train_source

    @property
    def first_stop(self) -> int:
        """First epoch after which patience may end training (100 updates)."""
        return int(np.ceil(100 / np.ceil(self.n_train / self.batch_size)))

    def hyperparameters(self, rng: np.random.Generator) -> list[Hyperparameters]:
        """Draw the trials at random on the scales a study uses."""
        low, high = np.log(self.alpha)
        return [
            Hyperparameters(
                hidden=self.hidden,
                lambda_=self.n_train * 10 ** rng.uniform(-6, -2),
                keep_prob=rng.uniform(0.6, 1.0),
                alpha=float(np.exp(rng.uniform(low, high))),
                beta=1 - 10 ** rng.uniform(-1.5, -0.7),
                batch_size=self.batch_size,
                initializer=str(rng.choice(["he", "xavier", "lecun"])),
            )
            for _ in range(self.trials)
        ]


def mixture(
    rng: np.random.Generator, *, classes: int, components: int, d: int, distance: float, noise: float = 0.0
) -> Mixture:
    """Means in random directions, neighbors about ``distance`` standard deviations apart."""
    directions = rng.standard_normal((classes, components, d))
    return Mixture(directions / np.linalg.norm(directions, axis=2, keepdims=True) * distance / np.sqrt(2), noise)


def gaussian(rng: np.random.Generator, n_dev: int) -> Problem:
    """Round classes and a network that suits them."""
    source = mixture(
        rng, classes=int(rng.integers(2, 5)), components=1, d=int(rng.integers(4, 16)), distance=rng.uniform(2, 4.5)
    )
    return Problem(
        kind="gaussian", train_source=source, dev_source=source, n_train=int(rng.integers(300, 1500)), n_dev=n_dev,
        hidden=(16,), trials=30, max_epochs=25,
    )  # fmt: skip


def too_small_a_network(rng: np.random.Generator, n_dev: int) -> Problem:
    """Classes in several pieces, and two hidden units to tell them apart."""
    source = mixture(
        rng, classes=int(rng.integers(2, 4)), components=4, d=int(rng.integers(4, 10)), distance=rng.uniform(4, 8)
    )
    return Problem(
        kind="too_small_a_network", train_source=source, dev_source=source, n_train=int(rng.integers(500, 1500)),
        n_dev=n_dev, hidden=(2,), trials=30, max_epochs=25,
    )  # fmt: skip


def too_few_examples(rng: np.random.Generator, n_dev: int) -> Problem:
    """More inputs and weights than so few examples can settle."""
    source = mixture(
        rng, classes=int(rng.integers(2, 4)), components=int(rng.integers(1, 4)), d=int(rng.integers(20, 40)),
        distance=rng.uniform(2.5, 6),
    )  # fmt: skip
    return Problem(
        kind="too_few_examples", train_source=source, dev_source=source, n_train=int(rng.integers(60, 250)),
        n_dev=n_dev, hidden=(24,), trials=30, max_epochs=30,
    )  # fmt: skip


def label_noise(rng: np.random.Generator, n_dev: int) -> Problem:
    """Some labels are wrong, on every side."""
    source = mixture(
        rng, classes=int(rng.integers(2, 4)), components=2, d=int(rng.integers(4, 16)), distance=rng.uniform(4, 8),
        noise=rng.uniform(0.05, 0.25),
    )  # fmt: skip
    return Problem(
        kind="label_noise", train_source=source, dev_source=source, n_train=int(rng.integers(300, 1200)), n_dev=n_dev,
        hidden=(16,), trials=30, max_epochs=25,
    )  # fmt: skip


def shifted_dev(rng: np.random.Generator, n_dev: int) -> Problem:
    """Dev and test examples come from elsewhere, so a train-dev set is needed to see it."""
    base = gaussian(rng, n_dev)
    shift = rng.standard_normal(base.train_source.means.shape)
    moved = base.train_source.means + rng.uniform(0.1, 1.0) * shift / np.sqrt(shift.shape[2])
    return replace(base, kind="shifted_dev", dev_source=Mixture(moved))


def searched_to_death(rng: np.random.Generator, n_dev: int) -> Problem:
    """A dev set of a hundred or so that two hundred trials were chosen on."""
    make = (gaussian, too_few_examples, label_noise)[rng.integers(3)]
    base = make(rng, n_dev=int(np.clip(n_dev, 50, 150)))
    return replace(base, kind="searched_to_death", trials=200, n_train=min(base.n_train, 500))


PROBLEMS = {
    make.__name__: make
    for make in (gaussian, too_small_a_network, too_few_examples, label_noise, shifted_dev, searched_to_death)
}


def make_problem(number: int, rng: np.random.Generator) -> Problem:
    """The kinds in turn; dev sets from 50 to 800 examples."""
    make = list(PROBLEMS.values())[number % len(PROBLEMS)]
    problem = make(rng, int(np.exp(rng.uniform(np.log(50), np.log(800)))))
    # Half of the searches are narrow, so that all trials are about as good, half reach learning rates that are too low.
    return replace(problem, alpha=(float(rng.choice([0.003, 0.03])), 1.0))


def train_networks(
    problem: Problem, X: np.ndarray, y: np.ndarray, pool_X: np.ndarray, pool_y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Train every trial to the last epoch: (trials, epochs, rows of the pool / 8) packed bits, 1 where wrong."""
    packed = np.empty((problem.trials, problem.max_epochs, (len(pool_y) + 7) // 8), dtype=np.uint8)

    def keep(metrics: EpochMetrics) -> None:
        for trial, measured in enumerate(metrics.on_dev):
            packed[trial, metrics.epoch - 1] = np.packbits(measured.wrong)

    run = train(
        Examples(X, y),
        Examples(pool_X, pool_y),
        n_classes=problem.train_source.n_classes,
        hyperparameters=problem.hyperparameters(rng),
        seeds=[int(seed) for seed in rng.integers(2**31, size=problem.trials)],
        stopping=Stopping(max_epochs=problem.max_epochs, patience=None, min_updates=0),
        on_epoch=keep,
    )
    for trial, network in enumerate(run.networks):  # a network that diverged keeps its last, finite state
        packed[trial, network.epochs :] = packed[trial, max(network.epochs - 1, 0)]
    return packed


def early_stopping(problem: Problem, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow (trials, epochs) wrong dev examples by the patience rule: epochs run, and the best one (from 0)."""
    trials, epochs = wrong.shape
    least, best = wrong[:, 0].copy(), np.zeros(trials, dtype=int)
    run, training = np.full(trials, epochs), np.ones(trials, dtype=bool)
    for epoch in range(1, epochs):
        ended = training & (epoch - 1 - best >= problem.patience) & (epoch >= problem.first_stop)
        run[ended] = epoch
        training &= ~ended
        better = training & (wrong[:, epoch] < least)
        least[better] = wrong[better, epoch]
        best[better] = epoch
    return run, best
