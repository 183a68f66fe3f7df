"""A made surface of train error and gap over six hyperparameters, two without effect, searched by the real sampler.

    python -m benchmarks.hyperparameter_surface [--searches 24] [--seed 3] [--shared 0.8]

``benchmarks.diagnosis`` uses it with dev errors that are independent from trial to trial. With ``--shared`` all trials
are measured on the same dev rows, whose difficulties make networks' errors correlated (on the probit scale).
"""

from __future__ import annotations

import argparse
import math
import warnings
from typing import Any

import numpy as np
import optuna
import pandas as pd
from scipy.stats import norm, qmc

from benchmarks.goals import Goal, rate_goal
from tuner.analysis import HyperparameterEffect, SearchedHyperparameter, hyperparameter_effects
from tuner.study.ranges import Range
from tuner.study.space import Space, distribution_of, optuna_name
from tuner.study.strategies import SAMPLERS, Draw, explores

SPACE = {
    "lambda": Range.model_validate({"log_uniform": (1e-3, 10.0)}),
    "keep_prob": Range.model_validate({"uniform": (0.5, 1.0)}),
    "alpha": Range.model_validate({"log_uniform": (1e-2, 1.0)}),
    "beta": Range.model_validate({"one_minus_log_uniform": (0.8, 0.99)}),
    "batch_size": Range.model_validate({"power_of_two": (16, 128)}),
    "initializer": Range.model_validate({"choice": ["he", "xavier", "lecun"]}),
}
NULL = ("beta", "initializer")
HYPERPARAMETERS = [
    SearchedHyperparameter(name=name, kind=given.kind, bounds=tuple(given.bounds)) for name, given in SPACE.items()
]
TRIALS, EXPLORE, N_TRAIN, N_DEV = 100, 0.25, 1000, 500
TRAIN_SPREAD, GAP_SPREAD = 0.10, 0.15  # of the logarithms, from training to training
POINTS = 2048


def surface(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean train error and gap at positions ``u`` (n, 6) of the hyperparameters' ranges.

    λ and dropout raise the train error, slow (low α, large batches) and wild learning rates too; λ closes the gap, the
    more so the faster the network learns.
    """
    lambda_, keep, alpha, _, batch, _ = u.T
    slow = np.clip(0.45 - alpha + 0.15 * batch, 0, None)
    wild = np.clip(alpha - 0.8, 0, None)
    train = 0.01 + 0.12 * lambda_**2 * (0.5 + 0.5 * alpha) + 0.05 * (1 - keep) ** 1.5 + 0.5 * slow**2 + 2 * wild**2
    gap = 0.01 + 0.07 * (1 - lambda_) * np.exp(-3 * slow) * (0.5 + 0.5 * keep) + 0.015 * batch
    return train * np.exp(TRAIN_SPREAD**2 / 2), gap * np.exp(GAP_SPREAD**2 / 2)


def positions(params: list[dict[str, Any]]) -> np.ndarray:
    """(n, 6) positions of trials in the hyperparameters' ranges."""
    return np.column_stack(
        [hyperparameter.to_unit([trial[hyperparameter.name] for trial in params]) for hyperparameter in HYPERPARAMETERS]
    )


def search(seed: int, shared: float) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray, np.ndarray]:
    """Search the surface as a study would: (params, train error, gap, exploring) of every trial."""
    rng = np.random.default_rng(seed)
    hard = np.random.default_rng(seed + 7).standard_normal(N_DEV)
    study = optuna.create_study()
    names = {optuna_name(name, given): name for name, given in SPACE.items()}
    distributions = {optuna_name(name, given): distribution_of(given) for name, given in SPACE.items()}
    params, train, dev, exploring = [], [], [], []
    for number in range(TRIALS):
        exploring.append(explores(number, EXPLORE))
        study.sampler = SAMPLERS["random" if exploring[-1] else "tpe"](
            Draw(number, int(rng.integers(2**31)), 0, Space(SPACE))
        )
        trial = study.ask(distributions)
        params.append({names[key]: SPACE[names[key]].scale.from_sampled(value) for key, value in trial.params.items()})
        mean_train, mean_gap = (float(error[0]) for error in surface(positions(params[-1:])))
        rate = mean_train * np.exp(rng.normal(-(TRAIN_SPREAD**2) / 2, TRAIN_SPREAD))
        behind = mean_gap * np.exp(rng.normal(-(GAP_SPREAD**2) / 2, GAP_SPREAD))
        train.append(rng.binomial(N_TRAIN, min(rate, 1)) / N_TRAIN)
        dev.append(_wrong(rng, min(rate + behind, 1), hard, shared) / N_DEV)
        study.tell(trial, dev[-1])
    return params, np.array(train), np.array(dev) - np.array(train), np.array(exploring)


def _wrong(rng: np.random.Generator, rate: float, hard: np.ndarray, shared: float) -> int:
    """How many dev rows a network has wrong, each with the chance ``rate``."""
    if not shared:
        return int(rng.binomial(N_DEV, rate))
    row = math.sqrt(shared) * hard + math.sqrt(1 - shared) * rng.standard_normal(N_DEV)
    return int((row < norm.ppf(min(rate, 1 - 1e-9))).sum())


def true_effects(effect: HyperparameterEffect, around: np.ndarray | None) -> tuple[float, float]:
    """Effect on train error and gap, averaged over the space, or with all others as in ``around`` (6,)."""
    place = [hyperparameter.name for hyperparameter in HYPERPARAMETERS].index(effect.hyperparameter)
    hyperparameter = HYPERPARAMETERS[place]
    u = qmc.Sobol(len(HYPERPARAMETERS), rng=0).random(POINTS)
    points = np.column_stack([each.spread(column) for each, column in zip(HYPERPARAMETERS, u.T, strict=True)])
    if around is not None:
        points[:] = around
    if hyperparameter.categorical:
        return 0.0, 0.0  # the only choice of the surface is one that does nothing
    ends = []
    for upper in (True, False):
        points[:, place] = hyperparameter.quarter(u[:, place], upper=upper)
        ends.append([float(error.mean()) for error in surface(points)])
    return ends[0][0] - ends[1][0], ends[0][1] - ends[1][1]


def judge_hyperparameters(number: int, *, seed: int, shared: float = 0.0) -> list[dict[str, Any]]:
    """One search: a row an effect, with its truth."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        params, train, gap, exploring = search(seed * 1000 + number, shared)
    best = int((train + gap).argmin())
    effects = hyperparameter_effects(
        HYPERPARAMETERS, params, train, gap, exploring, best, rng=np.random.default_rng(number)
    )
    assert effects is not None
    rows = []
    for effect in effects.effects:
        for where, around in (("space", None), ("near_best", positions(params)[best])):
            for target, truth in zip(("train", "gap"), true_effects(effect, around), strict=True):
                claim = getattr(effect, target if around is None else f"{target}_near_best")
                rows.append(
                    {
                        "search": number,
                        "where": where,
                        "hyperparameter": effect.hyperparameter,
                        "target": target,
                        "covered": claim.low <= truth <= claim.high,
                        "decided": claim.decided,
                        "sign_right": claim.value * truth > 0,
                    }
                )
    return rows


def hyperparameter_goals(rows: pd.DataFrame) -> list[Goal]:
    """Coverage on average and for each hyperparameter, signs, and how often one that does nothing is called."""
    goals = []
    for where, some in rows.groupby("where", sort=False):
        goals.append(rate_goal(f"hyperparameters ({where}) covered on average", some.covered, some.search, low=0.90))
        for (hyperparameter, target), claims in some.groupby(["hyperparameter", "target"], sort=False):
            goals.append(rate_goal(f"  {hyperparameter} on {target} covered", claims.covered, claims.search, low=0.80))
        real = some[~some.hyperparameter.isin(NULL) & some.decided]
        goals.append(
            rate_goal(f"hyperparameters ({where}) signs right where decided", real.sign_right, real.search, low=0.98)
        )
        for (hyperparameter, target), claims in some[some.hyperparameter.isin(NULL)].groupby(
            ["hyperparameter", "target"], sort=False
        ):
            called = claims.groupby("search").decided.any()
            goals.append(rate_goal(f"  {hyperparameter} on {target} called", called, called.index, high=0.10))
    return goals


def main() -> None:
    """Print how often the true effect lies in its interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=24)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--shared", type=float, default=0.8)
    arguments = parser.parse_args()
    rows = pd.DataFrame(
        row
        for number in range(arguments.searches)
        for row in judge_hyperparameters(number, seed=arguments.seed, shared=arguments.shared)
    )
    print(rows.groupby(["where", "target"])["covered"].mean().round(3).to_string())
    print(*hyperparameter_goals(rows), sep="\n")


if __name__ == "__main__":
    main()
