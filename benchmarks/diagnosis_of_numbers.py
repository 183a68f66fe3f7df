"""How far the diagnosis of an RMSE can be trusted: made regression problems, trained networks, and the truth beside it.

    python -m benchmarks.diagnosis_of_numbers [--problems 60] [--draws 12] [--seed N]

As benchmarks.diagnosis: a problem's trials are trained once, and judged on so many fresh dev sets of 50 to 800 rows.
The noise of a problem is normal, of Student's t with 3 degrees of freedom, or normal with 2% outliers ten times as far
off; or rows have weights from 1 to 10, and noise that depends on them.  The truth is the mean squared difference of the
chosen network and the noiseless target on 20,000 fresh rows, plus the variance of the noise.  Ends with 1 if a goal is
missed.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.diagnosis import FOLDS
from benchmarks.goals import Goal, rate_goal
from tuner.analysis import Competition, ErrorEstimate, NetworkRun, Spread, corrected_dev_error, diagnose
from tuner.metrics import relative
from tuner.nn import EpochMetrics, Examples, Hyperparameters, Stopping, train
from tuner.units import Unit

TRUTH, TRIALS, EPOCHS, PATIENCE, BATCH = 20_000, 20, 25, 8, 32
Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Floats]

OUTLIERS = 1 + 0.02 * 99
NOISES: dict[str, Noise] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "Student's t, 3": lambda rng, n: rng.standard_t(3, n) / np.sqrt(3),
    "2% outliers": lambda rng, n: rng.standard_normal(n) * np.where(rng.random(n) < 0.02, 10, 1) / np.sqrt(OUTLIERS),
    "weights": lambda rng, n: rng.standard_normal(n),
}
"""Noise of variance 1."""


@dataclass(frozen=True)
class Problem:
    """Where rows come from: y = a sum of waves along random directions, and noise of some standard deviation."""

    kind: str
    n_train: int
    n_dev: int
    directions: Floats
    noise: float

    @classmethod
    def drawn(cls, number: int, rng: np.random.Generator) -> Problem:
        """The kinds of noise in turn."""
        d = int(rng.integers(3, 12))
        n_dev = int(np.exp(rng.uniform(np.log(50), np.log(800))))
        directions = rng.standard_normal((d, int(rng.integers(1, 6)))) / np.sqrt(d)
        noise = float(np.exp(rng.uniform(np.log(0.1), np.log(1.5))))
        return cls(list(NOISES)[number % len(NOISES)], int(rng.integers(100, 1000)), n_dev, directions, noise)

    def inputs(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """X (n, d), the noiseless target (n,) and the weights (n,)."""
        X = rng.standard_normal((n, len(self.directions)))
        weights = np.exp(rng.uniform(0, np.log(10), n)) if self.kind == "weights" else np.ones(n)
        return X, np.sin(2 * X @ self.directions).sum(axis=1) + X[:, 0], weights

    def deviations(self, weights: Floats) -> Floats:
        """The standard deviation of the noise of rows: of heavy ones it is larger."""
        return self.noise * (np.sqrt(weights / 4) if self.kind == "weights" else np.ones(len(weights)))

    def rows(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """X (n, d), y (n,) and weights (n,)."""
        X, y, weights = self.inputs(n, rng)
        return X, y + self.deviations(weights) * NOISES[self.kind](rng, n), weights


@dataclass(frozen=True)
class Trained:
    """Squared errors of all trials and epochs on rows of a pool, (trials, epochs, rows), in multiples of scale²."""

    problem: Problem
    unit: Unit
    train: NDArray[Any]
    dev: NDArray[Any]
    truth: NDArray[Any]
    weights: dict[str, Floats]


def trained(problem: Problem, draws: int, rng: np.random.Generator) -> Trained:
    """Train the trials to the last epoch."""
    X, y, w_train = problem.rows(problem.n_train, rng)
    unit = Unit(float(y.std()), float(y.mean()))
    X_dev, y_dev, w_dev = problem.rows(draws * problem.n_dev, rng)
    X_truth, noiseless, w_truth = problem.inputs(TRUTH, rng)
    pool_y = unit.standardized(np.concatenate([y, y_dev, noiseless]))
    squares = np.zeros((TRIALS, EPOCHS, len(pool_y)), np.float32)

    def keep(metrics: EpochMetrics) -> None:
        for trial, measured in enumerate(metrics.on_dev):
            squares[trial, metrics.epoch - 1] = measured.wrong

    hyperparameters = [
        Hyperparameters(
            hidden=(16,),
            lambda_=problem.n_train * 10 ** rng.uniform(-6, -2),
            keep_prob=rng.uniform(0.7, 1.0),
            alpha=float(np.exp(rng.uniform(np.log(0.01), np.log(0.5)))),
            beta=1 - 10 ** rng.uniform(-1.5, -0.7),
            batch_size=BATCH,
        )
        for _ in range(TRIALS)
    ]
    run = train(
        Examples(X, unit.standardized(y), weights=w_train),
        Examples(np.concatenate([X, X_dev, X_truth]), pool_y),
        n_classes=1,
        output="linear",
        hyperparameters=hyperparameters,
        seeds=[int(seed) for seed in rng.integers(2**31, size=TRIALS)],
        stopping=Stopping(max_epochs=EPOCHS, patience=None, min_updates=0),
        on_epoch=keep,
    )
    for trial, network in enumerate(run.networks):  # a network that diverged keeps its last, finite state
        squares[trial, network.epochs :] = squares[trial, max(network.epochs - 1, 0)]
    ends = np.cumsum([problem.n_train, len(y_dev)])
    of_train, dev, truth = np.split(squares, ends, axis=2)
    return Trained(problem, unit, of_train, dev, truth, {"train": w_train, "dev": w_dev, "truth": w_truth})


def early_stopping(losses: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Follow (trials, epochs) mean losses by the patience rule: epochs run, and the best one (from 0)."""
    run, best = np.full(len(losses), losses.shape[1]), np.zeros(len(losses), dtype=np.int64)
    for trial, curve in enumerate(losses):
        least = 0
        for epoch in range(1, len(curve)):
            if epoch - 1 - least >= PATIENCE:
                run[trial] = epoch
                break
            least = epoch if curve[epoch] < curve[least] else least
        best[trial] = least
    return run, best


def judge_problem(number: int, *, seed: int, draws: int) -> list[dict[str, Any]]:
    """One made problem: a row a draw of the dev set, with every claim of the report and its truth."""
    rng = np.random.default_rng([seed, number])
    problem = Problem.drawn(number, rng)
    pool = trained(problem, draws, rng)
    weighted = problem.kind == "weights"
    w_truth = pool.weights["truth"]
    noise = float(np.sqrt(np.average(problem.deviations(w_truth) ** 2, weights=w_truth)))
    truths = np.average(pool.truth, axis=2, weights=w_truth) + (noise / (pool.unit.scale or 1.0)) ** 2
    rows, line, baseline = [], None, noise if rng.random() < 0.5 else None
    for draw in range(draws):
        part = slice(draw * problem.n_dev, (draw + 1) * problem.n_dev)
        dev, weights = pool.dev[:, :, part], relative(pool.weights["dev"][part])
        ran, epochs = early_stopping((dev * weights).mean(axis=2))
        fold = rng.permutation(np.arange(problem.n_dev) % FOLDS)
        trials = np.arange(TRIALS)
        at_best = dev[trials, epochs] * weights
        best = int(at_best.mean(axis=1).argmin())
        spread = Spread.of(at_best[best], None, weights if weighted else None)
        competition = Competition(
            trials=[
                [NetworkRun(fold_losses=np.array([np.bincount(fold, each * weights, FOLDS) for each in curves[:n]]))]
                for curves, n in zip(dev, ran, strict=True)
            ],
            fold_sizes=np.bincount(fold, weights, FOLDS),
            losses=at_best,
            row_weights=weights if weighted else None,
            patience=PATIENCE,
            most=np.inf,
        )
        means = corrected_dev_error(competition, best, rng=rng)
        low_from = None if means.low_from is None else float(pool.unit.error(means.low_from))
        of_dev = ErrorEstimate.of_squares(float(at_best[best].sum()), problem.n_dev, pool.unit, spread)
        corrected = replace(means, value=float(pool.unit.error(means.value)), low_from=low_from, spread=spread)
        own = pool.train[best, epochs[best]] * relative(pool.weights["train"])
        of_train = ErrorEstimate.of_squares(float(own.sum()), problem.n_train, pool.unit, spread)
        truth = float(pool.unit.error(truths[best, epochs[best]]))
        variance = truth - of_train.value
        if line is None:  # laid 0 to 4 widths of the first draw's interval from its true variance
            gap = diagnose(train=of_train, dev=of_dev, dev_corrected=corrected, unit=pool.unit).variance
            line = max(variance + rng.uniform(-4, 4) * (gap.high - gap.low), 0.0)
        found = diagnose(
            train=of_train, dev=of_dev, dev_corrected=corrected, baseline=baseline, material_gap=line, unit=pool.unit
        )
        error = of_dev.spread.deviation * truth / 2 / np.sqrt(problem.n_dev)  # type: ignore[union-attr]
        bias = of_train.value - (baseline or 0.0)
        rows.append(
            {
                "problem": number,
                "kind": problem.kind,
                "n_dev": problem.n_dev,
                "raw_bias": (of_dev.value - truth) / error,
                "corrected_bias": (corrected.value - truth) / error,
                "covered": corrected.low <= truth <= corrected.high,
                "uncorrected covered": of_dev.low <= truth <= of_dev.high,
                "variance covered": found.variance.low <= variance <= found.variance.high,
                "variance wrong": found.variance.level == ("low" if variance > line else "high"),
                "bias wrong": found.avoidable_bias.level == ("low" if bias > line else "high"),
                "undecided": found.variance.level == "undecided",
            }
        )
    return rows


def goals_of(rows: pd.DataFrame, what: str) -> list[Goal]:
    """Every figure beside its goal."""
    means = rows.groupby("problem").corrected_bias.mean()
    errors = (each.std() / np.sqrt(len(each)) for each in (rows.corrected_bias, means) if len(each) > 1)
    bias = Goal(
        name=f"{what}: corrected dev RMSE, bias in standard errors",
        value=float(rows.corrected_bias.mean()),
        low=-0.1,
        high=0.3,
        error=float(max(errors, default=0.0)),  # draws of one problem are not independent
    )
    return [
        rate_goal(f"{what}: dev RMSE covered", rows.covered, rows.problem, low=0.93),
        rate_goal(f"{what}: variance covered", rows["variance covered"], rows.problem, low=0.93),
        bias,
        Goal(name=f"{what}: raw dev RMSE, bias in standard errors", value=float(rows.raw_bias.mean())),
        rate_goal(f"{what}: level of variance wrong", rows["variance wrong"], rows.problem, high=0.04),
        rate_goal(f"{what}: level of avoidable bias wrong", rows["bias wrong"], rows.problem, high=0.04),
        Goal(name=f"{what}: variance undecided", value=float(rows.undecided.mean())),
    ]


def main() -> int:
    """Measure, print every figure beside its goal, and say whether all were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = pd.DataFrame(
        [row for number in range(given.problems) for row in judge_problem(number, seed=given.seed, draws=given.draws)]
    )
    goals = [goal for kind, some in rows.groupby("kind", sort=False) for goal in goals_of(some, str(kind))]
    goals += goals_of(rows[rows.n_dev >= 200], "200 dev rows or more") + goals_of(rows, "all")
    print(f"{given.problems} problems x {given.draws} draws, seed {given.seed}", *goals, sep="\n")
    return 0 if all(goal.kept() for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
