"""The samplers and pruners a definition can name; one table each."""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler


def _tpe(seed: int) -> BaseSampler:
    """Multivariate tree-structured Parzen estimator; running trials count as bad, so that workers spread out."""
    return optuna.samplers.TPESampler(seed=seed)


def _random(seed: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {"tpe": _tpe, "random": _random}
"""Name -> sampler made afresh for one trial from that trial's own seed."""


def _median(max_epochs: int) -> BasePruner:
    """Worse than the median of the complete trials at a rung that ten of them have passed."""
    return optuna.pruners.MedianPruner(n_startup_trials=10, n_warmup_steps=0, n_min_trials=10)


def _hyperband(max_epochs: int) -> BasePruner:
    """Successive halving in several brackets, from the first rung to the last."""
    return optuna.pruners.HyperbandPruner(
        min_resource=[*rungs(max_epochs), max_epochs][0], max_resource=max_epochs, reduction_factor=2
    )


def _none(max_epochs: int) -> BasePruner:
    return optuna.pruners.NopPruner()


PRUNERS: dict[str, Callable[[int], BasePruner]] = {"median": _median, "hyperband": _hyperband, "none": _none}
"""Name -> pruner for trials of at most so many epochs."""


def rungs(max_epochs: int) -> tuple[int, ...]:
    """The epochs after which a trial is compared with others: a third, a half and three quarters of the way."""
    return tuple(sorted({max(1, round(max_epochs * share)) for share in (1 / 3, 1 / 2, 3 / 4)} - {max_epochs}))


def explores(number: int, share: float) -> bool:
    """Whether trial ``number`` is drawn at random and never pruned.

    The first ten are (the sampler knows nothing yet), then as many as keep the share: of the first n trials,
    max(min(n, 10), ⌊n·share⌋) explore. It depends on the number alone, so that a relaunch draws the same.
    """

    def explored(n: int) -> int:
        return max(min(n, 10 if share > 0 else 0), int(n * share + 1e-9))

    return explored(number + 1) > explored(number)
