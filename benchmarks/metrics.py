"""Coverage of the intervals of the metrics of probabilities, and their correction for picking the best of many models.

    python -m benchmarks.metrics

Made problems: class scores of 2 or 3 classes with noise, and 20 models whose weights of the scores are a little off.
Each search picks the model with the lowest metric on the dev rows; the truth is a model's metric on 20,000 other rows.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import Competition, ErrorEstimate, NetworkRun, independent_examples
from tuner.analysis.selection import rechosen_error
from tuner.dev_layout import N_DEV_FOLDS
from tuner.metrics import METRICS

MODELS, POOL = 20, 20_000
Array = NDArray[np.float64]


class MadeProblem(NamedTuple):
    """``shares``: of the classes; ``apart``: how far the scores of the own class lie above; ``n``: dev rows."""

    name: str
    shares: tuple[float, ...]
    apart: float
    n: int


PROBLEMS = (
    MadeProblem("even", (0.5, 0.5), 1.0, 400),
    MadeProblem("rare", (0.95, 0.05), 2.0, 800),
    MadeProblem("0.5%", (0.995, 0.005), 3.0, 4000),
    MadeProblem("three classes", (0.6, 0.3, 0.1), 1.5, 500),
)


def draw(problem: MadeProblem, n: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    """Return the scores (n, n_classes) of rows, and their classes (n,)."""
    y = rng.choice(len(problem.shares), n, p=problem.shares)
    return rng.normal(size=(n, len(problem.shares))) + problem.apart * np.eye(len(problem.shares))[y], y


def probabilities(scores: Array, shares: tuple[float, ...], weights: Array) -> Array:
    """Return what a model predicts that weights the scores of the classes so."""
    logits = scores @ weights + np.log(shares)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def search(problem: MadeProblem, name: str, rng: np.random.Generator) -> tuple[bool, float, float]:
    """Return whether the first model's interval holds the truth, and by how much the corrected metric of the picked
    model and the measured one of the first model are above it.
    """
    n_classes = len(problem.shares)
    costs = 1.0 - np.eye(n_classes)
    costs[-1, 0] = 10.0
    metric = METRICS[name].of_study(np.array(problem.shares) * 1e6, costs)
    assert metric.loss is not None
    (scores, y), (pool, pool_y) = draw(problem, problem.n, rng), draw(problem, POOL, rng)
    size = (MODELS, n_classes, n_classes)
    models = problem.apart * np.eye(n_classes) + 0.4 * rng.normal(size=size)
    losses = np.stack([metric.losses_of(probabilities(scores, problem.shares, model), y) for model in models])
    folds = rng.permutation(np.arange(problem.n) % N_DEV_FOLDS)
    sums = [np.bincount(folds, weights=of, minlength=N_DEV_FOLDS)[None] for of in losses]
    competition = Competition(
        trials=[[NetworkRun(fold_losses=one)] for one in sums],
        fold_sizes=np.bincount(folds, minlength=N_DEV_FOLDS),
        losses=losses,
        most=metric.loss.most,
    )
    rarest = metric.rows_alike(y)
    effective = independent_examples(losses[0], None, None, rng=rng, most=metric.loss.most, alike=rarest)
    first = ErrorEstimate.measured(float(losses[0].sum()), problem.n, effective, most=metric.loss.most)
    best = int(losses.mean(axis=1).argmin())
    truth, of_best = (
        float(metric.losses_of(probabilities(pool, problem.shares, models[k]), pool_y).mean()) for k in (0, best)
    )
    corrected = rechosen_error(competition, rng=rng, splits=100)
    return first.low <= truth <= first.high, corrected - of_best, first.value - truth


def main() -> None:
    """Print the coverage, and the bias of the correction, of every metric on every problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--searches", type=int, default=100)
    searches = parser.parse_args().searches
    names = [name for name, metric in METRICS.items() if metric.of_rows is not None]
    for problem in PROBLEMS:
        for name in names:
            rng = np.random.default_rng(0)
            covered, above, chance = zip(*(search(problem, name, rng) for _ in range(searches)), strict=True)
            bias = np.mean(above) / np.std(chance)
            print(f"| {problem.name} | {name} | {np.mean(covered):.0%} | {bias:+.2f} |", flush=True)


if __name__ == "__main__":
    main()
