"""Would more data help: what ``tuner learning-curve`` says from half of the examples, against the truth with all.

    python -m benchmarks.learning_curve [--problems 200] [--every] [--seed N] [--workers 2]

On every made problem the best of eight random hyperparameters is chosen on half of the training examples. Where its
variance is above two points, which is where the report advises the command, its learning curve is measured there as
the command does it, and the error predicted for twice as many is compared with the true one: networks trained on all
examples, counted on 20,000 fresh ones. ``--every`` counts problems without such a variance, too. Prints every figure
beside its goal, also apart for small and large dev sets, and how far off the same fit is without the training rows
that smaller networks left out; ends with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.goals import Goal, rate_goal
from benchmarks.made_problems import PROBLEMS, Problem
from tuner.analysis import fit_learning_curve, learning_points, wilson
from tuner.data import Dataset, DataSettings, Part, SplitSettings, dataset_from_arrays
from tuner.modeling.learning_curve import SEEDS, LearningCurveTask, random_subset, subset_sizes, train_size
from tuner.study import parse_definition
from tuner.study.hyperparameters import format_hidden
from tuner.trial import TrialSettings, draw_dev_folds, run_trial

KINDS = ("gaussian", "too_small_a_network", "too_few_examples", "label_noise")
EXAMPLES, DEV, TRUTH = (300, 4000), (200, 6000), 20_000
LARGE_DEV = 1000
CANDIDATES = 8
MATERIAL_GAP = 0.02
TRUE_SEEDS = 8
DEFINITION = 'name = "made"\n[data]\n[network]\nhidden = [1]\n'


@dataclass(frozen=True)
class Outcome:
    """One problem: today's error, the prediction for twice the data, the truth, and the dev set's own interval.

    ``dev_alone``: the prediction without the training rows that smaller networks left out.
    """

    number: int
    kind: str
    n_dev: int
    today: float
    value: float
    low: float
    high: float
    truth: float
    dev_width: float
    dev_alone: float

    @property
    def covered(self) -> bool:
        """Whether the truth lies within the predicted interval."""
        return self.low <= self.truth <= self.high


def judge(number: int, seed: int, every: bool = False) -> Outcome | None:
    """Choose on half, measure and predict there, and look the truth up with all.

    None where all networks with half of the examples diverged, or variance is no matter and not ``every`` counts.
    """
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    n_dev = _log_uniform(rng, *DEV)
    problem = replace(PROBLEMS[kind](rng, n_dev), n_train=_log_uniform(rng, *EXAMPLES), trials=CANDIDATES)
    whole = _dataset(problem, rng)
    train, dev = whole.parts[0].train, whole.parts[0].dev
    half = replace(whole, parts=(Part(random_subset(train, len(train) // 2, rng), dev),), test=None)
    task = _chosen(problem, half, rng)
    *smaller, largest = subset_sizes(half.n_train, half.n_classes)
    networks = train_size(task, largest, SEEDS) or []
    (point,) = learning_points(networks) or (None,)
    if point is None or point.train_error is None:
        return None
    if not every and point.each.mean() - point.train_error <= MATERIAL_GAP:
        return None
    for size in smaller:
        networks += train_size(task, size, SEEDS) or []
    points = learning_points(networks)
    curve = fit_learning_curve(points)
    alone = fit_learning_curve([replace(point, left_out=None, left_wrong=None) for point in points])
    low, high = wilson(curve.today * n_dev, n_dev)
    twice = curve.twice
    truth = _truth(task, whole)
    return Outcome(
        number, kind, n_dev, curve.today, twice.value, twice.low, twice.high, truth, high - low, alone.twice.value
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> int:
    return round(math.exp(rng.uniform(np.log(low), np.log(high))))


def _dataset(problem: Problem, rng: np.random.Generator) -> Dataset:
    X, y = problem.train_source.sample(problem.n_train + problem.n_dev + TRUTH, rng)
    split = SplitSettings(dev=problem.n_dev, test=TRUTH)
    return dataset_from_arrays(X, y, DataSettings(split=split, seed=int(rng.integers(2**31))))


def _chosen(problem: Problem, half: Dataset, rng: np.random.Generator) -> LearningCurveTask:
    """The best of some random hyperparameters, by their dev error with half of the examples."""
    definition = parse_definition(DEFINITION, "made")
    folds = draw_dev_folds(len(half.dev_rows), None, 0)
    scored = []
    for drawn in problem.hyperparameters(rng):
        params = {
            "lambda": drawn.lambda_, "keep_prob": drawn.keep_prob, "alpha": drawn.alpha, "beta": drawn.beta,
            "batch_size": problem.batch_size, "initializer": drawn.initializer,
            "hidden": format_hidden(problem.hidden), "activation": "relu",
        }  # fmt: skip
        task = LearningCurveTask(definition, half, folds, params, seed=int(rng.integers(2**63)))
        settings = TrialSettings(stopping=definition.training.stopping)
        scored.append((run_trial(half, task.hyperparameters, settings, seed=task.seed, dev_folds=folds).value, task))
    return min(scored, key=lambda one: one[0])[1]


def _truth(task: LearningCurveTask, whole: Dataset) -> float:
    """Mean true error of several trainings on all examples."""
    assert whole.test is not None
    settings = TrialSettings(stopping=task.definition.training.stopping, seeds=TRUE_SEEDS)
    outcome = run_trial(whole, task.hyperparameters, settings, seed=task.seed + 1, dev_folds=task.dev_folds)
    return float(np.mean([np.mean(network.predict(whole.test.X) != whole.test.y) for network in outcome.networks]))


def goals(outcomes: list[Outcome]) -> list[Goal]:
    """The figures beside their goals."""
    table = pd.DataFrame([vars(one) for one in outcomes])
    missed, unchanged, alone = (abs(table[name] - table["truth"]) for name in ("value", "today", "dev_alone"))
    width, covered = table["high"] - table["low"], [one.covered for one in outcomes]
    ratio = float(missed.mean() / unchanged.mean())
    return [
        rate_goal("coverage of the 95% interval at twice the data", covered, table.index, low=0.9),
        Goal(name="mean width, of the dev set's own", value=float(width.mean() / table["dev_width"].mean()), high=1.6),
        Goal(name="mean absolute error, of that of 'no change'", value=ratio, high=0.7),
        Goal(name="mean absolute error, in points", value=100 * float(missed.mean())),
        Goal(name="mean error of 'no change', in points", value=100 * float(unchanged.mean())),
        Goal(name="mean error of the fit to dev alone, in points", value=100 * float(alone.mean())),
    ]  # fmt: skip


def main() -> int:
    """Judge the problems, print every figure; the exit status says whether every goal was reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    outcomes: list[Outcome] = []
    began, looked_at = time.perf_counter(), 0
    judge_one = partial(judge, seed=arguments.seed, every=arguments.every)
    with ProcessPoolExecutor(arguments.workers) as pool:
        while len(outcomes) < arguments.problems:
            wanted = range(looked_at, looked_at + arguments.problems - len(outcomes))
            outcomes += [one for one in pool.map(judge_one, wanted) if one is not None]
            looked_at = wanted.stop
    reached = goals(outcomes)
    print(
        f"{len(outcomes)} of {looked_at} problems"
        + ("" if arguments.every else f" have a variance above {100 * MATERIAL_GAP:g} pp"),
        *reached,
        sep="\n",
    )
    for words, large in ((f"below {LARGE_DEV:,}", False), (f"from {LARGE_DEV:,}", True)):
        some = [one for one in outcomes if (one.n_dev >= LARGE_DEV) is large]
        if some:
            print(f"\ndev sets {words} examples ({len(some)})", *goals(some), sep="\n")
    print(f"\n{time.perf_counter() - began:.0f} s")
    return 0 if all(goal.kept() for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
