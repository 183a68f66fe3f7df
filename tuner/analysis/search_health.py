"""How a search went: trials done, lost and repeated, and when it last improved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRIALS_PER_HYPERPARAMETER = 10
LEAST_TRIALS = 20
DIVERGED_SHARE = 0.1
DUPLICATE_SHARE = 0.2
PLATEAU = 0.5  # share of the budget without a better trial
LATE = 0.1  # of the trials: a best one among the last of them came late


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHealth:
    """Counts of a search's trials.

    ``trials`` are the complete ones that did not diverge; the ``budget`` counts the pruned and the diverged ones, too.
    ``searched``: searched hyperparameters. ``since_best``: trials that ended after the best one. ``diverged_above``: an
    α above which most trials diverged. ``duplicates``: trials that repeat an earlier one's hyperparameters.
    ``pruned_winners``: pruned trials that were already better than the best when they were stopped.
    """

    trials: int = 0
    pruned: int = 0
    diverged: int = 0
    budget: int = 0
    searched: int = 0
    since_best: int = 0
    diverged_above: float | None = None
    duplicates: int = 0
    pruned_winners: int = 0

    @property
    def done(self) -> int:
        """Trials that used the budget up, diverged ones included."""
        return self.trials + self.pruned + self.diverged

    @property
    def informative(self) -> int:
        """Trials done that did not diverge."""
        return self.trials + self.pruned

    @property
    def wanted(self) -> int:
        """Trials without which so many hyperparameters are hardly searched."""
        return max(LEAST_TRIALS, TRIALS_PER_HYPERPARAMETER * self.searched)

    @property
    def diverges_often(self) -> bool:
        """Whether a tenth or more of the trials that were not pruned diverged."""
        return self.diverged > 0 and self.diverged >= DIVERGED_SHARE * (self.trials + self.diverged)

    @property
    def repeats_often(self) -> bool:
        """Whether a fifth or more of the trials are duplicates."""
        return self.duplicates >= DUPLICATE_SHARE * max(self.trials, 1)

    @property
    def improved_late(self) -> bool:
        """Whether the best trial is among the last tenth."""
        return self.since_best < LATE * self.done

    @property
    def is_exhausted(self) -> bool:
        """Whether a finished search with enough trials did not improve in its second half."""
        enough = self.informative >= self.wanted and self.done >= self.budget
        return enough and self.since_best >= PLATEAU * self.done


def diverging_from(alphas: Sequence[float], diverged: NDArray[np.bool_]) -> float | None:
    """Learning rate above which most trials diverged: the cut that separates them best; None if none does.

    Of the trials above the cut at least half diverged, and more than twice the share below.
    """
    order = np.argsort(alphas)
    bad = np.asarray(diverged, dtype=np.float64)[order]
    n = len(bad)
    if n < 2 or not 0 < bad.sum() < n:
        return None
    above = np.cumsum(bad[::-1])[::-1][1:]  # diverged among those after each cut
    count = np.arange(n - 1, 0, -1)
    below = (bad.sum() - above) / np.arange(1, n)
    gain = above / count - below
    cut = int(gain.argmax())
    if above[cut] / count[cut] < 0.5 or above[cut] / count[cut] <= 2 * below[cut]:
        return None
    ordered = np.asarray(alphas, dtype=np.float64)[order]
    return float(np.sqrt(ordered[cut] * ordered[cut + 1]))


def count_duplicates(params: Sequence[Mapping[str, Any]]) -> int:
    """How many trials repeat the hyperparameters of an earlier one."""
    return len(params) - len({repr(sorted(trial.items())) for trial in params})
