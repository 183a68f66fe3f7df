"""Would more data help: what ``tuner learning-curve`` says from half of the examples, against the truth with all.

    python -m benchmarks.learning_curve [--problems 200] [--every] [--seed N] [--workers 2] [--studies STUDY...]

On every made problem the best of eight random hyperparameters is chosen on half of the training examples. Where its
variance is above two points, which is where the report advises the command, its learning curve is measured there as
the command does it, and the error predicted for twice as many is compared with the true one: networks trained on all
examples, counted on 20,000 fresh ones; likewise the fall. ``--every`` counts problems without such a variance, too.
With ``--studies`` the examples are random rows of these studies' data, the rest of which is the truth. Prints every
figure beside its goal, also apart for small and large dev sets, and how far off the same fit is without the training
rows that smaller networks left out; ends with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.goals import Goal, rate_goal
from benchmarks.made_problems import PROBLEMS, Problem
from tuner.analysis import fit_learning_curve, learning_points, subset_sizes, wilson
from tuner.data import Dataset, DataSettings, Part, SplitSettings, dataset_from_arrays, random_subset
from tuner.modeling.learning_curve import SEEDS, LearningCurveTask, train_size
from tuner.study import parse_definition
from tuner.study.hyperparameters import format_hidden
from tuner.trainers import OwnNetwork
from tuner.trial import TrialSettings, draw_dev_folds, run_trial
from tuner.workspace import StudyRequest, load_study_data

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

    ``dev_alone``: the prediction without the training rows that smaller networks left out. ``fall``: the true one, from
    half of the examples to all, beside the ``gain`` that was predicted.
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
    fall: float
    gain: float
    gain_low: float
    gain_high: float
    not_learned: int

    @property
    def covered(self) -> bool:
        """Whether the truth lies within the predicted interval."""
        return self.low <= self.truth <= self.high


@dataclass(frozen=True)
class Rows:
    """The rows of a study's data, of which a problem's examples are drawn without replacement."""

    X: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, study: str) -> Rows:
        """Read all of a study's rows, encoded as its training rows say."""
        _, dataset = load_study_data(StudyRequest(study))
        tables = [dataset.parts[0].train, dataset.parts[0].dev, *([dataset.test] if dataset.test else [])]
        return cls(np.concatenate([table.X for table in tables]), np.concatenate([table.y for table in tables]))

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.y.max()) + 1

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw ``n`` rows."""
        rows = rng.permutation(len(self.y))[:n]
        return self.X[rows], self.y[rows]


def made(number: int, rng: np.random.Generator) -> Problem:
    """One of the made problems."""
    n_dev = _log_uniform(rng, *DEV)
    problem = PROBLEMS[KINDS[number % len(KINDS)]](rng, n_dev)
    return replace(problem, n_train=_log_uniform(rng, *EXAMPLES), trials=CANDIDATES)


def real(studies: Sequence[str], number: int, rng: np.random.Generator) -> Problem:
    """Rows of one of the studies: half of them at most for training, an eighth for dev."""
    study = studies[number % len(studies)]
    rows = Rows.of(study)
    n_train = _log_uniform(rng, EXAMPLES[0], min(EXAMPLES[1], len(rows.y) // 2))
    n_dev = _log_uniform(rng, DEV[0], min(DEV[1], max(len(rows.y) // 8, DEV[0])))
    return Problem(
        kind=Path(study).stem, n_train=n_train, n_dev=n_dev, hidden=(32,), trials=CANDIDATES, max_epochs=0,
        train_source=rows, dev_source=rows,  # type: ignore[arg-type]  # rows can be drawn of it, which is enough
    )  # fmt: skip


def judge(number: int, seed: int, make: Callable[[int, np.random.Generator], Problem], every: bool) -> Outcome | None:
    """Choose on half, measure and predict there, and look the truth up with all.

    None where all networks with half of the examples diverged, or variance is no matter and not ``every`` counts.
    """
    rng = np.random.default_rng([seed, number])
    problem = make(number, rng)
    n_dev = problem.n_dev
    whole = _dataset(problem, rng)
    train, dev = whole.parts[0].train, whole.parts[0].dev
    half = replace(whole, parts=(Part(random_subset(train, len(train) // 2, rng), dev),))
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
        number=number, kind=problem.kind, n_dev=n_dev, today=curve.today, value=twice.value, low=twice.low,
        high=twice.high, truth=truth, dev_width=high - low, dev_alone=alone.twice.value,
        fall=_truth(task, half) - truth, gain=curve.gain.value, gain_low=curve.gain.low, gain_high=curve.gain.high,
        not_learned=len(curve.not_learned),
    )  # fmt: skip


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> int:
    return round(math.exp(rng.uniform(np.log(low), np.log(high))))


def _dataset(problem: Problem, rng: np.random.Generator) -> Dataset:
    X, y = problem.train_source.sample(problem.n_train + problem.n_dev + TRUTH, rng)
    split = SplitSettings(dev=problem.n_dev, test=len(y) - problem.n_train - problem.n_dev)
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
        task = LearningCurveTask(definition, half, folds, params, int(rng.integers(2**63)), OwnNetwork(definition))
        settings = TrialSettings(stopping=definition.training.stopping)
        scored.append((run_trial(half, task.hyperparameters, settings, seed=task.seed, dev_folds=folds).value, task))
    return min(scored, key=lambda one: one[0])[1]


def _truth(task: LearningCurveTask, dataset: Dataset) -> float:
    """Mean true error of several trainings on all examples of a data set."""
    assert dataset.test is not None
    settings = TrialSettings(stopping=task.definition.training.stopping, seeds=TRUE_SEEDS)
    outcome = run_trial(dataset, task.hyperparameters, settings, seed=task.seed + 1, dev_folds=task.dev_folds)
    return float(np.mean([np.mean(network.predict(dataset.test.X) != dataset.test.y) for network in outcome.networks]))


def goals(outcomes: list[Outcome]) -> list[Goal]:
    """The figures beside their goals."""
    table = pd.DataFrame([vars(one) for one in outcomes])
    helps, flat = table["gain_low"] > MATERIAL_GAP, table["gain_high"] < MATERIAL_GAP
    wrong = (helps & (table["fall"] < MATERIAL_GAP)) | (flat & (table["fall"] > MATERIAL_GAP))
    fell = (table["gain_low"] <= table["fall"]) & (table["fall"] <= table["gain_high"])
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
        rate_goal("coverage of the 95% interval of the fall", fell, table.index, low=0.9),
        rate_goal("fall: wrong side of the threshold", wrong, table.index, high=0.05),
        Goal(name="fall: decided", value=float((helps | flat).mean())),
        Goal(name="true fall, in points", value=100 * float(table["fall"].mean())),
        Goal(name="predicted fall, in points", value=100 * float(table["gain"].mean())),
        Goal(name="mean width of its interval", value=100 * float((table["gain_high"] - table["gain_low"]).mean())),
    ]  # fmt: skip


def main() -> int:
    """Judge the problems, print every figure; the exit status says whether every goal was reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--studies", nargs="+", help="real data instead of made problems")
    arguments = parser.parse_args()
    make = partial(real, arguments.studies) if arguments.studies else made
    outcomes: list[Outcome] = []
    began, looked_at = time.perf_counter(), 0
    judge_one = partial(judge, seed=arguments.seed, make=make, every=arguments.every)
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
