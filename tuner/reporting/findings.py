"""From a stored study to the numbers of its report: arrays for the analysis room, and what it finds in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import (
    BalancedError,
    Baseline,
    ClassError,
    Competition,
    Diagnosis,
    ErrorEstimate,
    NetworkRun,
    Resolution,
    SeedsError,
    balanced_error,
    balancing_weights,
    class_errors,
    corrected_dev_error,
    diagnose,
    effective_examples,
    folds_train_error,
    not_distinguishable,
    resolution,
    seeds_error,
    sober_choice,
)
from tuner.nn import Architecture
from tuner.storage import NetworkRecord, StudyRecord, TrialRecord
from tuner.study import KNOBS, StudyDefinition

STREAM = 7  # of the study's seed: the correction's random splits, apart from the search's own draws


@dataclass(frozen=True)
class Findings:
    """What the analysis says about a study's best trial and about the trials it was picked from.

    ``judged``: complete trials that did not diverge, by number. ``not_distinguishable``: numbers of those that the dev
    set cannot tell from the best, itself included. ``seeds``: with several seeds, the mean over them. ``balanced``: the
    best trial's balanced error where the search chose by that, by which trials are then held against it, too.
    """

    best: TrialRecord | None
    judged: tuple[TrialRecord, ...]
    diagnosis: Diagnosis
    classes: tuple[ClassError, ...] = ()
    not_distinguishable: tuple[int, ...] = ()
    sober: TrialRecord | None = None
    resolution: Resolution | None = None
    seeds: SeedsError | None = None
    balanced: BalancedError | None = None


def find(record: StudyRecord, definition: StudyDefinition, baseline: Baseline, material_gap: float) -> Findings:
    """Analyse a study; without a judged trial only the reference lines are known."""
    judged = tuple(trial for trial in record.trials if trial.is_judged and trial.networks)
    best = min(judged, key=lambda trial: (trial.value, trial.number), default=None)
    if best is None:
        diagnosis = diagnose(train=None, dev=None, baseline=baseline, material_gap=material_gap)
        return Findings(None, judged, replace(diagnosis, references=references(record)))
    place = judged.index(best)
    wrong = np.stack([dev_wrong(trial, len(record.dev_y)) for trial in judged])
    classes = class_errors(record.dev_y, wrong[place], record.class_names)
    is_balanced = definition.search.metric == "balanced_error"
    losses = wrong * balancing_weights(record.dev_y) if is_balanced else wrong
    members = not_distinguishable(losses, place, record.dev_groups)
    sizes = n_parameters(record, definition, [trial.params.get("hidden") for trial in judged])
    strengths = _strengths(judged)
    can_be_sober = bool(sizes.any() or strengths.size)
    return Findings(
        best=best,
        judged=judged,
        diagnosis=_diagnosis(record, definition, judged, place, wrong, baseline, material_gap),
        classes=tuple(classes),
        not_distinguishable=tuple(judged[k].number for k in members),
        sober=judged[sober_choice(losses, place, sizes, strengths)] if can_be_sober else None,
        resolution=resolution(losses, place, members),
        seeds=_seeds_error(best, len(record.dev_y)),
        balanced=balanced_error(classes) if is_balanced else None,
    )


def _diagnosis(
    record: StudyRecord,
    definition: StudyDefinition,
    judged: Sequence[TrialRecord],
    place: int,
    wrong: NDArray[np.generic],
    baseline: Baseline,
    material_gap: float,
) -> Diagnosis:
    best = judged[place]
    n_dev = len(record.dev_y)
    rng = np.random.default_rng(np.random.SeedSequence(definition.search.seed, spawn_key=(STREAM,)))
    effective = None if record.dev_groups is None else effective_examples(wrong[place], record.dev_groups, rng=rng)
    competition = Competition(
        trials=[_runs(trial, record, definition) for trial in judged],
        fold_sizes=np.bincount(record.dev_fold, minlength=20),
        wrong=wrong,
        patience=definition.training.patience,
        looks=1 if covers_once(best, n_dev) else len(best.networks),
        groups=record.dev_groups,
    )
    corrected = corrected_dev_error(competition, place, rng=rng, n_effective=effective)
    diagnosis = diagnose(
        train=train_estimate(best, n_dev),
        dev=ErrorEstimate.counted(float(wrong[place].sum()), n_dev, effective),
        dev_corrected=corrected if competition.had_a_choice else None,
        train_dev=train_dev_estimate(best),
        test=test_estimate(record, best),
        baseline=baseline,
        material_gap=material_gap,
    )
    return replace(diagnosis, references=references(record))


def covers_once(trial: TrialRecord, n_dev: int) -> bool:
    """Whether the networks' dev sets together are the dev set (one network, or folds), not one each (seeds)."""
    return sum(network.n_dev for network in trial.networks) == n_dev


def dev_wrong(trial: TrialRecord, n_dev: int) -> NDArray[np.generic]:
    """(n_dev,) which dev examples a trial has wrong; with several seeds the share of its networks that have."""
    bits = [network.dev_bits for network in trial.networks]
    if len(bits) == 1 or covers_once(trial, n_dev):
        return np.concatenate(bits)
    return np.asarray(np.mean(bits, axis=0, dtype=np.float32))


def _runs(trial: TrialRecord, record: StudyRecord, definition: StudyDefinition) -> list[NetworkRun]:
    """A trial's networks, epoch by epoch, and the first epoch after which patience could end each.

    Where the dev folds of each epoch are not recorded, what was returned counts as one epoch, which nobody chose.
    """
    if not definition.trainer_kind.has_dev_folds:
        ends = np.cumsum([network.n_dev for network in trial.networks])
        once = covers_once(trial, len(record.dev_y))
        folds = np.split(record.dev_fold, ends[:-1]) if once else [record.dev_fold] * len(ends)
        return [
            NetworkRun(fold_wrong=np.bincount(fold[network.dev_bits], minlength=20)[None])
            for network, fold in zip(trial.networks, folds, strict=True)
        ]
    return [_run(network, definition) for network in trial.networks]


def _run(network: NetworkRecord, definition: StudyDefinition) -> NetworkRun:
    updates = network.updates / network.best_epoch if network.best_epoch else 1.0
    first = math.ceil(definition.training.min_updates / max(updates, 1.0))
    return NetworkRun(fold_wrong=network.dev_fold_wrong, first_stop=max(first, 1))


def train_estimate(trial: TrialRecord, n_dev: int) -> ErrorEstimate:
    """Train error of a trial's networks; rows that several of them trained on count once."""
    wrong = [network.train_wrong for network in trial.networks]
    of = [network.n_train for network in trial.networks]
    if covers_once(trial, n_dev):
        return folds_train_error(wrong, of)
    return ErrorEstimate.counted(sum(wrong) / len(wrong), of[0])


def train_dev_estimate(trial: TrialRecord) -> ErrorEstimate | None:
    """Train-dev error, the mean over networks; None without a train-dev set."""
    counts = [network.train_dev_wrong for network in trial.networks if network.train_dev_wrong is not None]
    of = trial.networks[0].n_train_dev
    return ErrorEstimate.counted(sum(counts) / len(counts), of) if counts and of else None


def test_estimate(record: StudyRecord, best: TrialRecord) -> ErrorEstimate | None:
    """The last look at the test set with the best trial's network; None as long as it is sealed."""
    looks = [look for look in record.test_looks if look["trial_number"] == best.number]
    return ErrorEstimate.counted(*(looks[-1][key] for key in ("wrong", "n", "n_effective"))) if looks else None


def references(record: StudyRecord) -> dict[str, float | None]:
    """Dev errors of what a tuned network has to beat, as the study's facts have them; some lines may be unknown."""
    counts = np.bincount(record.dev_y)
    commonest = float(1 - counts.max() / counts.sum()) if counts.sum() else None
    return {"majority": commonest, "logistic_regression": None, **record.facts.get("references", {})}


def n_parameters(record: StudyRecord, definition: StudyDefinition, hidden: Sequence[str | None]) -> NDArray[np.int64]:
    """Entries of θ of networks with these hidden layers ("64-32"; None: those of the definition).

    All 0 where the size of the trainer's models is unknown.
    """
    if not definition.trainer_kind.has_size:
        return np.zeros(len(hidden), dtype=np.int64)
    found: dict[str | None, int] = {}
    for layers in set(hidden):
        widths = definition.network.hidden if layers is None else KNOBS["hidden"].parse(layers)
        shape = Architecture(
            record.facts.get("n_features", 1), tuple(widths), len(record.class_names), output=definition.network.output
        )
        found[layers] = shape.n_parameters
    return np.array([found[layers] for layers in hidden], dtype=np.int64)


def _strengths(trials: Sequence[TrialRecord]) -> NDArray[np.float64]:
    """(trials, knobs) of the regularising knobs that vary; more is more regularised."""
    columns = []
    for name, knob in KNOBS.items():
        values = [trial.params.get(name) for trial in trials]
        if knob.higher_is_simpler is not None and None not in values and len(set(map(str, values))) > 1:
            strength = np.array([float(np.mean(value)) for value in values if value is not None])
            columns.append(strength if knob.higher_is_simpler else -strength)
    return np.stack(columns, axis=1) if columns else np.zeros((len(trials), 0))


def _seeds_error(best: TrialRecord, n_dev: int) -> SeedsError | None:
    if covers_once(best, n_dev):
        return None
    return seeds_error(np.stack([network.dev_bits for network in best.networks]))
