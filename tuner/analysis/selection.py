"""What picking the best trial, at its best epoch, does to a dev error, and what is left when it is allowed for.

The least of many errors counted on the same examples is lower than the error it stands for. So the choice is made
again on a part of the dev set and scored on the rest, where it did not look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.comparison import in_blocks
from tuner.analysis.intervals import ErrorEstimate

Array = NDArray[np.float32]

SPLITS, FEWER_SPLITS = 1000, 200  # 200 leave a chance of 0.11 standard errors of the error, 1,000 of 0.05
MANY_NETWORKS = 1000  # beyond them fewer splits, so that it takes no longer than a second
HELD_OUT = 0.25  # of the folds: 5 of 20 score what the other 15 choose
RESAMPLES = 200
FOLD_ROWS = 1.25  # dev examples in folds that are worth one independent example: their networks share training rows
TRIALS_AT_ONCE = 5000  # whose networks are followed before the best so far are kept: bounds the memory
CHUNK = 64  # networks whose epochs are followed at once: what fits a processor's cache
NEVER_BETTER = 1e30  # a fold's losses after training ended; the sum of 20 is a float32
CONTENDING = (
    5.0  # the difference of two trials in a resample has at most √(sum of their losses²) for a standard deviation
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRun:
    """How one network of a trial fared on the dev set, epoch by epoch.

    ``fold_losses``: (epochs run, folds) sums of the dev examples' losses over each fold after each epoch.
    ``first_stop``: the first epoch (from 1) after which patience may end training: the one that reaches the minimum
    number of updates.
    """

    fold_losses: NDArray[Any]
    first_stop: int = 1

    @classmethod
    def pooled(cls, runs: Sequence[NetworkRun]) -> NetworkRun:
        """Return the networks of the folds, which ran equally long, as one with all their dev examples."""
        fold_losses = np.sum([run.fold_losses for run in runs], axis=0)
        return cls(fold_losses=fold_losses, first_stop=max(run.first_stop for run in runs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Competition:
    """Everything that was looked at on one dev set before one network was chosen.

    ``trials``: the networks of every complete trial, one each, or K with folds or seeds. ``fold_sizes``: (folds,) dev
    examples in each fold, or the sums of their weights. ``row_weights``: (n_dev,) of the examples, mean 1, which the
    losses are multiplied by; None: alike. ``losses``: (trials, n_dev) loss of each dev example at the trial's best
    epoch (with seeds: the mean over its networks). ``looks``: networks of a trial that judge one dev example: K with
    seeds, otherwise 1. ``folds``: whether each dev example was judged by a network trained on other folds.
    ``patience``: epochs without a better error that end training, None: never. ``groups``: (n_dev,) numbers of examples
    that stay together. ``weights``: (n_dev,) of the losses where trials were chosen, mean 1; None: alike.
    ``epochs_by_loss``: whether epochs were chosen by these losses, not by the cost, for example. ``most``: that a mean
    loss can be.
    """

    trials: Sequence[Sequence[NetworkRun]]
    fold_sizes: NDArray[Any]
    losses: NDArray[Any]
    row_weights: NDArray[np.floating] | None = None
    patience: int | None = 10
    looks: int = 1
    folds: bool = False
    groups: NDArray[np.integer] | None = None
    weights: NDArray[np.floating] | None = None
    epochs_by_loss: bool = True
    most: float = 1.0

    @property
    def can_replay(self) -> bool:
        """Whether the folds' losses show what would have been chosen on a part of the dev set."""
        return self.epochs_by_loss and self.weights is None

    @property
    def chosen_by(self) -> NDArray[Any]:
        """(trials, n_dev) losses whose mean trials were chosen by."""
        return self.losses if self.weights is None else self.losses * self.weights

    @property
    def n(self) -> int:
        """Dev examples."""
        return round(float(np.sum(self.fold_sizes)))

    @property
    def has_own_epochs(self) -> bool:
        """Whether each fold's network chose its own epoch, on the examples of its fold alone."""
        return self.folds and any(len(trial) > 1 and len(run.fold_losses) > 1 for trial in self.trials for run in trial)

    @property
    def had_a_choice(self) -> bool:
        """Whether more than one trial or epoch competed."""
        return len(self.trials) > 1 or any(len(run.fold_losses) > 1 for trial in self.trials for run in trial)


def first_stop(min_updates: int, updates: float) -> int:
    """Return the first epoch (from 1) after which patience may end training, with ``updates`` in an epoch."""
    return max(math.ceil(min_updates / max(updates, 1.0)), 1)


def corrected_dev_error(
    competition: Competition, best: int, *, rng: np.random.Generator, n_effective: float | None = None
) -> ErrorEstimate:
    """Dev error of trial ``best`` (its place among the trials) after allowing for the choice of trial and epoch.

    Value: :func:`rechosen_error`; with folds it is the mean error of the K networks. Lower end: the smaller of the
    Wilson ends at this value and at :func:`bootstrap_corrected_error`, at this value alone where each fold chose its
    own epoch, which the bootstrap does not see; upper end: Wilson at this value. Where ``best`` does not have the least
    error, both values are shifted by what it has more. Where the choice cannot be replayed on the folds, the value is
    the mean of :func:`held_out_losses`, which does not see the choice of the epochs. Raw where nothing competed.
    """
    errors = np.asarray(competition.losses).mean(axis=1, dtype=np.float64) if competition.n else np.zeros(1)
    raw, most = float(errors[best]), competition.most
    if not competition.had_a_choice or not competition.n:
        return ErrorEstimate(value=raw, n=competition.n, n_effective=n_effective, most=most)
    more = raw - float(errors[competition.chosen_by.mean(axis=1).argmin()])
    if competition.folds:
        n_effective = (competition.n if n_effective is None else n_effective) / FOLD_ROWS
    if not competition.can_replay:
        value = float(np.clip(held_out_losses(competition, rng=rng).mean() + more, 0.0, competition.most))
        return ErrorEstimate(value=value, n=competition.n, n_effective=n_effective, most=most)
    rechosen = min(rechosen_error(competition, rng=rng) + more, competition.most)
    if competition.has_own_epochs:
        return ErrorEstimate(value=rechosen, n=competition.n, n_effective=n_effective, most=most)
    bootstrapped = bootstrap_corrected_error(
        competition.losses, competition.groups, row_weights=competition.row_weights, rng=rng
    )
    bootstrapped = min(bootstrapped + more, competition.most)
    return ErrorEstimate(value=rechosen, n=competition.n, n_effective=n_effective, low_from=bootstrapped, most=most)


def chosen_error(competition: Competition, *, rng: np.random.Generator) -> float:
    """Loss, on rows where it did not look, of what is chosen among the trials: of their weighted rows, if they are."""
    if competition.can_replay:
        return rechosen_error(competition, rng=rng)
    losses = held_out_losses(competition, rng=rng)
    return float((losses if competition.weights is None else losses * competition.weights).mean())


def rechosen_error(competition: Competition, *, rng: np.random.Generator, splits: int | None = None) -> float:
    """Error, on held-out folds, of what would have been chosen on the others, over random splits of the folds.

    On three quarters of the folds every network's epoch is chosen again (least loss, first of equals, as far as
    patience would have let it run among the epochs that were run) and then the trial with the least loss in all; it
    is scored on the other quarter. Returned is the loss over scored examples, both summed over the splits: 1,000, or
    200 with more than 1,000 networks.
    """
    sizes = competition.fold_sizes.astype(np.float32)
    networks = sum(map(len, competition.trials))
    chosen_on = _split_folds(sizes, splits or (SPLITS if networks <= MANY_NETWORKS else FEWER_SPLITS), rng)
    scored_on = 1 - chosen_on
    held_loss = 0.0
    for split, chosen in enumerate(_chosen_networks(competition, chosen_on)):
        for run, epoch in chosen:
            held_loss += float(run.fold_losses[epoch] @ scored_on[:, split])
    return held_loss / (competition.looks * float((sizes @ scored_on).sum()))


def _chosen_networks(competition: Competition, chosen_on: Array) -> list[list[tuple[NetworkRun, int]]]:
    """The networks of the trial that each split chooses, each with its epoch (from 0)."""
    chosen: list[list[tuple[NetworkRun, int]]] = [[] for _ in chosen_on.T]
    lowest = np.full(len(chosen), np.inf, dtype=np.float32)
    for start in range(0, len(competition.trials), TRIALS_AT_ONCE):
        trials = competition.trials[start : start + TRIALS_AT_ONCE]
        owner = np.repeat(np.arange(len(trials)), list(map(len, trials)))
        runs = [run for networks in trials for run in networks]
        least, epochs = _best_epochs(runs, chosen_on, competition.patience)
        of_trial = np.zeros((len(trials), len(chosen)), dtype=np.float32)
        np.add.at(of_trial, owner, least)
        winners, losses = of_trial.argmin(axis=0), of_trial.min(axis=0)
        for split in np.flatnonzero(losses < lowest):
            networks = np.flatnonzero(owner == winners[split])
            chosen[split] = [(runs[network], int(epochs[network, split])) for network in networks]
        lowest = np.minimum(lowest, losses)
    return chosen


def epoch_corrected_errors(
    runs: Sequence[NetworkRun], fold_sizes: NDArray[Any], *, patience: int | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(K,) dev error of each network after allowing for the choice of its own epoch, and of nothing else."""
    if all(len(run.fold_losses) == 1 for run in runs):
        return np.array([run.fold_losses.sum() / fold_sizes.sum() for run in runs])
    losses = np.zeros((1, round(float(fold_sizes.sum()))))
    alone = [Competition(trials=[[run]], fold_sizes=fold_sizes, losses=losses, patience=patience) for run in runs]
    return np.array([rechosen_error(one, rng=rng) for one in alone])


def pooled_epoch_corrected_errors(
    runs: Sequence[NetworkRun], fold_sizes: NDArray[Any], *, patience: int | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(K,) dev error of each network of the folds after allowing for the choice of the one epoch that they share.

    ``fold_sizes``: (K, folds) dev examples of each network in each fold.
    """
    sizes = fold_sizes.astype(np.float32)
    chosen_on = _split_folds(sizes.sum(axis=0), SPLITS, rng)
    _, (epochs,) = _best_epochs([NetworkRun.pooled(runs)], chosen_on, patience)
    scored_on = 1 - chosen_on
    losses = [float(np.einsum("sf,fs->", run.fold_losses[epochs], scored_on)) for run in runs]
    errors: NDArray[np.float64] = np.array(losses) / (sizes @ scored_on).sum(axis=1, dtype=np.float64)
    return errors


def _split_folds(sizes: Array, splits: int, rng: np.random.Generator) -> Array:
    """(folds, splits) 1 where a fold chooses, 0 where it scores; empty folds are as if they were not there."""
    filled = np.flatnonzero(sizes)
    held = max(1, round(HELD_OUT * len(filled)))
    chosen_on = np.ones((len(sizes), splits), dtype=np.float32)
    for split in range(splits):
        chosen_on[rng.permutation(filled)[:held], split] = 0
    return chosen_on


def _best_epochs(runs: Sequence[NetworkRun], chosen_on: Array, patience: int | None) -> tuple[Array, NDArray[np.int32]]:
    """(networks, splits) least loss on the choosing folds, and the epoch (from 0) it comes from."""
    splits = chosen_on.shape[1]
    least = np.empty((len(runs), splits), dtype=np.float32)
    epochs = np.empty((len(runs), splits), dtype=np.int32)
    # Networks of similar length are followed together, so that little of the padding is computed.
    order = np.argsort([len(run.fold_losses) for run in runs], kind="stable")
    for start in range(0, len(order), CHUNK):
        some = order[start : start + CHUNK]
        least[some], epochs[some] = _follow([runs[i] for i in some], chosen_on, patience)
    return least, epochs


def _follow(runs: Sequence[NetworkRun], chosen_on: Array, patience: int | None) -> tuple[Array, NDArray[np.int32]]:
    """Early stopping, epoch by epoch, for some networks and all splits at once."""
    longest = max(len(run.fold_losses) for run in runs)
    padded = np.full((len(runs), longest, len(chosen_on)), NEVER_BETTER, dtype=np.float32)
    for row, run in zip(padded, runs, strict=True):
        row[: len(run.fold_losses)] = run.fold_losses
    losses = padded @ chosen_on
    first_stop = np.array([[run.first_stop] for run in runs])
    least = losses[:, 0].copy()
    best = np.zeros(least.shape, dtype=np.int32)
    training = np.ones(least.shape, dtype=bool)
    for epoch in range(1, longest):
        if patience is not None:
            training &= (epoch - 1 - best < patience) | (epoch < first_stop)
        better = (losses[:, epoch] < least) & training
        np.copyto(least, losses[:, epoch], where=better)
        best[better] = epoch
    return least, best


def bootstrap_corrected_error(
    losses: NDArray[Any],
    groups: NDArray[np.integer] | None = None,
    *,
    row_weights: NDArray[np.floating] | None = None,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> float:
    """Choose the trial with the least loss on a bootstrap sample of the dev set, score it on the examples left out.

    ``losses``: (trials, n_dev) at each trial's best epoch, times the ``row_weights`` (n_dev,), if there are any.
    Resamples whole groups where ``groups`` are given. Loss over left-out examples, both summed over the resamples.
    (BBC-CV: Tsamardinos, Greasidou & Borboudakis 2018)
    """
    rows = np.asarray(losses)
    winners, left_out = _choose_on_resamples(rows, groups, rng, resamples)
    scored = left_out.sum(axis=0) > 0
    if not scored.any():
        return float(rows.mean(axis=1).min())
    held_loss = np.einsum("ij,ji->i", rows[winners].astype(np.float32), left_out)
    of = left_out.sum() if row_weights is None else row_weights @ left_out.sum(axis=1)
    return float(held_loss[scored].sum() / of)


def held_out_losses(
    competition: Competition, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """(n_dev,) mean loss of each example under the trials that are chosen on the bootstrap samples that leave it out.

    Trials are chosen by their weighted losses. An example that no sample leaves out keeps the best trial's loss.
    """
    losses = np.asarray(competition.losses)
    winners, left_out = _choose_on_resamples(competition.chosen_by, competition.groups, rng, resamples)
    often = left_out.sum(axis=1)
    held = np.einsum("ij,ji->j", losses[winners].astype(np.float32), left_out)
    best = losses[competition.chosen_by.mean(axis=1).argmin()]
    mean: NDArray[np.float64] = np.where(often > 0, held / np.maximum(often, 1), best).astype(np.float64)
    return mean


def _choose_on_resamples(
    losses: NDArray[Any], groups: NDArray[np.integer] | None, rng: np.random.Generator, resamples: int
) -> tuple[NDArray[np.intp], Array]:
    """(resamples,) the trial with the least loss on each bootstrap sample; (n_dev, resamples) 1 where it leaves out."""
    unit = np.arange(losses.shape[1]) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    contenders = _contenders(losses, np.bincount(unit))
    times = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=resamples)[:, unit].T
    drawn = times.astype(np.float32)
    winners = np.concatenate([block @ drawn for block in in_blocks(losses[contenders])]).argmin(axis=0)
    return contenders[winners], (times == 0).astype(np.float32)


def _contenders(losses: NDArray[Any], sizes: NDArray[np.integer]) -> NDArray[np.intp]:
    """Trials that a resample of groups of these sizes could choose, in their order."""
    total = losses.sum(axis=1, dtype=np.float64)
    squares = np.concatenate([np.square(block).sum(axis=1) for block in in_blocks(losses, np.float64)])
    best = total.argmin()
    alike = float((sizes**2).sum() / sizes.sum())
    return np.flatnonzero(total - total[best] <= CONTENDING * np.sqrt(alike * (squares + squares[best] + 1)))
