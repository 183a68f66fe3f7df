"""The samplers and pruners that a definition can name."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from tuner.errors import UsageError
from tuner.study.space import Space, optuna_name

GRID_POINTS = 10_000  # no search finishes a finer grid, and listing it is slow
PACKAGES = {"gp": "torch", "cmaes": "cmaes"}  # that a sampler needs besides Optuna
POPULATION = 20  # a usual budget has several generations


@dataclass(frozen=True, slots=True)
class Draw:
    """The arguments of a sampler for one trial; both seeds have 32 bits."""

    number: int
    seed: int
    study_seed: int
    space: Space


@contextmanager
def _experiments() -> Iterator[None]:
    """Suppress Optuna's warning that a class may change; its version is pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _tpe(draw: Draw) -> BaseSampler:
    """Multivariate tree-structured Parzen estimator; running trials count as bad, so that workers spread out."""
    return optuna.samplers.TPESampler(seed=draw.seed)


def _random(draw: Draw) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=draw.seed)


class _Sobol(optuna.samplers.QMCSampler):
    """The point of a scrambled Sobol sequence that has the trial's number; the study's seed scrambles it."""

    def __init__(self, draw: Draw) -> None:
        independent = optuna.samplers.RandomSampler(seed=draw.seed)
        with _experiments():
            super().__init__(scramble=True, seed=draw.study_seed, independent_sampler=independent)
        self._number = draw.number

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> int:
        """Return the trial's number; Optuna's count in the study's attributes races between workers."""
        return self._number


def _gp(draw: Draw) -> BaseSampler:
    """Gaussian process with expected improvement."""
    require_package("gp")
    with _experiments():
        return optuna.samplers.GPSampler(seed=draw.seed)


class _NumericCmaEs(optuna.samplers.CmaEsSampler):
    """CMA-ES over two or more numbers; choices, and a single number, are sampled at random."""

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample the numbers."""
        numbers = {name: d for name, d in search_space.items() if not isinstance(d, CategoricalDistribution)}
        return super().sample_relative(study, trial, numbers) if len(numbers) > 1 else {}


def _cmaes(draw: Draw) -> BaseSampler:
    require_package("cmaes")
    independent = optuna.samplers.RandomSampler(seed=draw.seed)
    return _NumericCmaEs(seed=draw.seed, independent_sampler=independent, warn_independent_sampling=False)


def _grid(draw: Draw) -> BaseSampler:
    """Every combination of the ticks of the ranges, in an order that the study's seed shuffles."""
    return optuna.samplers.GridSampler(grid_of(draw.space), seed=draw.study_seed)


def grid_of(space: Space) -> dict[str, list[Any]]:
    """Return Optuna's name of every searched hyperparameter and its levels: ticks of its scale, or every choice.

    With more than 10,000 combinations there are fewer ticks, but always both ends.
    """
    for about in (4, 3, 2, 1):
        grid = {
            optuna_name(name, r): [r.scale.to_sampled(value) for _, value in r.scale.spaced_ticks(r.bounds, about)]
            for name, r in space.searched.items()
        }
        if math.prod(map(len, grid.values())) <= GRID_POINTS:
            break
    return grid


def _nsgaii(draw: Draw) -> BaseSampler:
    """Genetic algorithm: the best trials of a generation are the parents of the next."""
    return optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=draw.seed)


def require_package(sampler: str) -> None:
    """Raise UsageError if the package that a sampler needs is not installed."""
    module = PACKAGES.get(sampler)
    if module is not None and importlib.util.find_spec(module) is None:
        raise UsageError(
            f"search.sampler: {sampler!r} needs the package {module}, which is not installed. Run: "
            f"pip install 'tuner-search[{sampler}]'"
        )


SAMPLERS: dict[str, Callable[[Draw], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "qmc": _Sobol,
    "gp": _gp,
    "cmaes": _cmaes,
    "grid": _grid,
    "nsgaii": _nsgaii,
}
"""Name -> sampler for one trial. What it draws depends only on its argument, the study's trials and their attributes.

``before_trial`` is called; ``after_trial`` is not, since Optuna uses it for constraints and to end ``Study.optimize``.
"""


def _median(max_epochs: int) -> BasePruner:
    """Prune below the median of the complete trials, at rungs that ten of them have passed."""
    return optuna.pruners.MedianPruner(n_startup_trials=10, n_warmup_steps=0, n_min_trials=10)


def _hyperband(max_epochs: int) -> BasePruner:
    """Prune by successive halving in several brackets, from the first rung to the last."""
    return optuna.pruners.HyperbandPruner(
        min_resource=[*rungs(max_epochs), max_epochs][0], max_resource=max_epochs, reduction_factor=2
    )


def _wilcoxon(max_epochs: int) -> BasePruner:
    """Prune if worse than the best trial over the folds by a one-sided signed-rank test (five folds: p ≥ 1/32)."""
    with _experiments():
        return optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=0)


def _none(max_epochs: int) -> BasePruner:
    return optuna.pruners.NopPruner()


PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "median": _median,
    "hyperband": _hyperband,
    "wilcoxon": _wilcoxon,
    "none": _none,
}
"""Name -> pruner for trials of at most this many epochs."""
FOLD_PRUNERS = {"wilcoxon": 4}
"""Pruners that compare a trial's folds with those of the best trial -> the minimum number of folds."""


def rungs(max_epochs: int) -> tuple[int, ...]:
    """Return the epochs after which a trial is compared with others: 1/3, 1/2 and 3/4 of ``max_epochs``."""
    return tuple(sorted({max(1, round(max_epochs * share)) for share in (1 / 3, 1 / 2, 3 / 4)} - {max_epochs}))


def explores(number: int, share: float) -> bool:
    """Whether trial ``number`` explores: its point does not depend on results, and it is never pruned.

    The first ten explore, then enough to keep the share: of the first n trials, max(min(n, 10), ⌊n·share⌋) explore.
    This depends only on the number, so a relaunch draws the same.
    """
    return n_exploring(number + 1, share) > n_exploring(number, share)


def n_exploring(n: int, share: float) -> int:
    """Return how many of the first n trials explore."""
    return max(min(n, 10 if share > 0 else 0), int(n * share + 1e-9))
