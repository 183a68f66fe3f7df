"""What picking the best trial, at its best epoch, does to a dev error, and what is left when it is allowed for.

The least of many errors counted on the same examples is lower than the error it stands for. So the choice is made
again on a part of the dev set and scored on the rest, where it did not look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.intervals import ErrorEstimate

Array = NDArray[np.float32]

SPLITS = 200
HELD_OUT = 0.25  # of the folds: 5 of 20 score what the other 15 choose
RESAMPLES = 200
CHUNK = 64  # networks whose epochs are followed at once: what fits a processor's cache
NEVER_BETTER = 1e6  # wrong examples of a fold after training ended; with float32 counts stay exact up to 1.6e7
CONTENDING = (
    5.0  # the difference of two trials in a resample has at most √(sum of their wrong) for a standard deviation
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRun:
    """How one network of a trial fared on the dev set, epoch by epoch.

    ``fold_wrong``: (epochs run, folds) wrong dev examples of each fold after each epoch. ``first_stop``: the first
    epoch (from 1) after which patience may end training: the one that reaches the minimum number of updates.
    """

    fold_wrong: NDArray[np.integer]
    first_stop: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Competition:
    """Everything that was looked at on one dev set before one network was chosen.

    ``trials``: the networks of every complete trial, one each, or K with folds or seeds. ``fold_sizes``: (folds,) dev
    examples in each fold. ``wrong``: (trials, n_dev) whether each dev example is wrong at the trial's best epoch (with
    seeds: the share of its networks that have it wrong). ``looks``: networks of a trial that judge one dev example: K
    with seeds, otherwise 1. ``patience``: epochs without a better error that end training, None: never. ``groups``:
    (n_dev,) numbers of examples that stay together.
    """

    trials: Sequence[Sequence[NetworkRun]]
    fold_sizes: NDArray[np.integer]
    wrong: NDArray[np.generic]
    patience: int | None = 10
    looks: int = 1
    groups: NDArray[np.integer] | None = None

    @property
    def n(self) -> int:
        """Dev examples."""
        return int(np.sum(self.fold_sizes))

    @property
    def had_a_choice(self) -> bool:
        """Whether more than one trial or epoch competed."""
        return len(self.trials) > 1 or any(len(run.fold_wrong) > 1 for trial in self.trials for run in trial)


def corrected_dev_error(
    competition: Competition, best: int, *, rng: np.random.Generator, n_effective: float | None = None
) -> ErrorEstimate:
    """Dev error of trial ``best`` (its place among the trials) after allowing for the choice of trial and epoch.

    Value: :func:`rechosen_error`. Lower end: the smaller of the Wilson ends at this value and at
    :func:`bootstrap_corrected_error`; upper end: Wilson at this value. Where the search minimised something else than
    the error, ``best`` does not have the least error, and both values are shifted by what it has more. Raw where
    nothing competed.
    """
    errors = np.asarray(competition.wrong, dtype=np.float64).mean(axis=1) if competition.n else np.zeros(1)
    raw = float(errors[best])
    if not competition.had_a_choice or not competition.n:
        return ErrorEstimate(value=raw, n=competition.n, n_effective=n_effective)
    more = raw - float(errors.min())
    rechosen = min(rechosen_error(competition, rng=rng) + more, 1.0)
    bootstrapped = min(bootstrap_corrected_error(competition.wrong, competition.groups, rng=rng) + more, 1.0)
    return ErrorEstimate(value=rechosen, n=competition.n, n_effective=n_effective, low_from=bootstrapped)


def rechosen_error(competition: Competition, *, rng: np.random.Generator, splits: int = SPLITS) -> float:
    """Error, on held-out folds, of what would have been chosen on the others, over random splits of the folds.

    On three quarters of the folds every network's epoch is chosen again (least wrong, first of equals, as far as
    patience would have let it run among the epochs that were run) and then the trial with the least wrong in all; it
    is scored on the other quarter. Returned is wrong over scored examples, both summed over the splits.
    """
    sizes = competition.fold_sizes.astype(np.float32)
    chosen_on = _split_folds(sizes, splits, rng)
    owner = np.repeat(np.arange(len(competition.trials)), [len(networks) for networks in competition.trials])
    runs = [run for networks in competition.trials for run in networks]
    wrong, epochs = _best_epochs(runs, chosen_on, competition.patience)
    of_trial = np.zeros((len(competition.trials), chosen_on.shape[1]), dtype=np.float32)
    np.add.at(of_trial, owner, wrong)
    scored_on = 1 - chosen_on
    held_wrong = 0.0
    for split, winner in enumerate(of_trial.argmin(axis=0)):
        for network in np.flatnonzero(owner == winner):
            held_wrong += float(runs[network].fold_wrong[epochs[network, split]] @ scored_on[:, split])
    return held_wrong / (competition.looks * float((sizes @ scored_on).sum()))


def epoch_corrected_errors(
    runs: Sequence[NetworkRun], fold_sizes: NDArray[np.integer], *, patience: int | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(K,) dev error of each network after allowing for the choice of its own epoch, and of nothing else."""
    wrong = np.zeros((1, int(fold_sizes.sum())))
    alone = [Competition(trials=[[run]], fold_sizes=fold_sizes, wrong=wrong, patience=patience) for run in runs]
    return np.array([rechosen_error(one, rng=rng) for one in alone])


def _split_folds(sizes: Array, splits: int, rng: np.random.Generator) -> Array:
    """(folds, splits) 1 where a fold chooses, 0 where it scores; empty folds are as if they were not there."""
    filled = np.flatnonzero(sizes)
    held = max(1, round(HELD_OUT * len(filled)))
    chosen_on = np.ones((len(sizes), splits), dtype=np.float32)
    for split in range(splits):
        chosen_on[rng.permutation(filled)[:held], split] = 0
    return chosen_on


def _best_epochs(runs: Sequence[NetworkRun], chosen_on: Array, patience: int | None) -> tuple[Array, NDArray[np.intp]]:
    """(networks, splits) least wrong on the choosing folds, and the epoch (from 0) it comes from."""
    splits = chosen_on.shape[1]
    wrong = np.empty((len(runs), splits), dtype=np.float32)
    epochs = np.empty((len(runs), splits), dtype=np.intp)
    # Networks of similar length are followed together, so that little of the padding is computed.
    order = np.argsort([len(run.fold_wrong) for run in runs], kind="stable")
    for start in range(0, len(order), CHUNK):
        some = order[start : start + CHUNK]
        wrong[some], epochs[some] = _follow([runs[i] for i in some], chosen_on, patience)
    return wrong, epochs


def _follow(runs: Sequence[NetworkRun], chosen_on: Array, patience: int | None) -> tuple[Array, NDArray[np.intp]]:
    """Early stopping, epoch by epoch, for some networks and all splits at once."""
    longest = max(len(run.fold_wrong) for run in runs)
    padded = np.full((len(runs), longest, len(chosen_on)), NEVER_BETTER, dtype=np.float32)
    for row, run in zip(padded, runs, strict=True):
        row[: len(run.fold_wrong)] = run.fold_wrong
    wrong = padded @ chosen_on
    first_stop = np.array([[run.first_stop] for run in runs])
    least = wrong[:, 0].copy()
    best = np.zeros(least.shape, dtype=np.int32)
    training = np.ones(least.shape, dtype=bool)
    for epoch in range(1, longest):
        if patience is not None:
            training &= (epoch - 1 - best < patience) | (epoch < first_stop)
        better = (wrong[:, epoch] < least) & training
        np.copyto(least, wrong[:, epoch], where=better)
        best[better] = epoch
    return least, best.astype(np.intp)


def bootstrap_corrected_error(
    wrong: NDArray[np.generic],
    groups: NDArray[np.integer] | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> float:
    """Choose the trial with the least wrong on a bootstrap sample of the dev set, score it on the examples left out.

    ``wrong``: (trials, n_dev) at each trial's best epoch. Resamples whole groups where ``groups`` are given. Wrong over
    left-out examples, both summed over the resamples. (BBC-CV: Tsamardinos, Greasidou & Borboudakis 2018)
    """
    bits = np.asarray(wrong)
    n = bits.shape[1]
    unit = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    bits = bits[_contenders(bits, np.bincount(unit))].astype(np.float32)
    times = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=resamples)[:, unit].T
    left_out = (times == 0).astype(np.float32)
    scored = left_out.sum(axis=0) > 0
    if not scored.any():
        return float(bits.mean(axis=1).min())
    winners = (bits @ times.astype(np.float32)).argmin(axis=0)
    held_wrong = np.einsum("ij,ji->i", bits[winners], left_out)
    return float(held_wrong[scored].sum() / left_out.sum())


def _contenders(bits: NDArray[np.generic], sizes: NDArray[np.integer]) -> NDArray[np.intp]:
    """Trials that a resample of groups of these sizes could choose, in their order."""
    wrong = bits.sum(axis=1, dtype=np.float64)
    least = wrong.min()
    alike = float((sizes**2).sum() / sizes.sum())
    return np.flatnonzero(wrong - least <= CONTENDING * np.sqrt(alike * (wrong + least + 1)))
