"""Findings about a stored study: arrays for the analysis, and its results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import (
    Baseline,
    ClassError,
    ClassWeightedError,
    Competition,
    Diagnosis,
    ErrorEstimate,
    Resolution,
    SeedsError,
    Spread,
    Uncertainty,
    class_errors,
    class_weighted_error,
    corrected_dev_error,
    diagnose,
    disputed_by,
    effective_weighted,
    epoch_corrected_errors,
    independent_examples,
    resolution,
    seeds_error,
    simplest_tied,
    spread_beyond_folds,
    spread_beyond_rows,
    tied_with_best,
    within_one_standard_error,
)
from tuner.dev_layout import DevLayout
from tuner.metrics import ERROR, Metric, effective_rows
from tuner.nn import Architecture, Periodic, output_for
from tuner.reporting.competition import (
    CORRECTING,
    all_dev_losses,
    by_weighted_losses,
    competition_of,
    corrected_classes,
    epochs_by_loss,
    fold_sizes,
    kept_trial,
    random_stream,
    runs_of,
)
from tuner.reporting.confirmation import ConfirmedTrials, find_confirmed
from tuner.reporting.frames import dev_error, train_error
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import HYPERPARAMETERS, StudyDefinition, in_order, spec_of
from tuner.units import SHARE, Unit


@dataclass(frozen=True)
class Findings:
    """Results of the analysis of a study's best trial and its competitors.

    ``judged``: complete trials that did not diverge, by number; ``inside``: those of them in the searched ranges.
    ``tied_with_best``: numbers of those statistically tied with the best, including the best. ``seeds``: the mean over
    several seeds. ``metric``: what the search minimizes. ``weighted``: the best trial's value, if the metric weights
    the classes and the errors do not, as in studies of 0.2 and before; ``weighted_corrected``: the same,
    selection-corrected. ``rows_wrong``: the share of the dev rows that the best trial has wrong, if the errors weight
    the classes. ``replayed``: the correction chooses epochs again, too.
    ``kept``: the trial that repeats the best of the study that this one began with, if this study's best is not better
    by a fair comparison. ``uncertainty``: where that of the best trial's error comes from.
    ``confirmed``: the best trials, trained again.
    """

    best: TrialRecord | None
    judged: tuple[TrialRecord, ...]
    diagnosis: Diagnosis
    inside: tuple[TrialRecord, ...] = ()
    metric: Metric = ERROR
    classes: tuple[ClassError, ...] = ()
    tied_with_best: tuple[int, ...] = ()
    simplest_tied: TrialRecord | None = None
    resolution: Resolution | None = None
    seeds: SeedsError | None = None
    weighted: ClassWeightedError | None = None
    weighted_corrected: ClassWeightedError | None = None
    rows_wrong: float | None = None
    replayed: bool = True
    kept: TrialRecord | None = None
    uncertainty: Uncertainty | None = None
    confirmed: ConfirmedTrials | None = None

    @property
    def ranked(self) -> list[TrialRecord]:
        """The judged trials, the best first."""
        return sorted(self.judged, key=lambda trial: trial.rank)


def find(record: StudyRecord, definition: StudyDefinition, baseline: Baseline, material_gap: float) -> Findings:
    """Analyze a study; without a judged trial only the reference models are known."""
    judged = tuple(trial for trial in record.judged if trial.networks)
    best = record.best
    if best is None:
        diagnosis = diagnose(
            train=None,
            dev=None,
            baseline=baseline,
            material_gap=material_gap,
            references=references(record),
            unit=record.unit,
        )
        return Findings(None, judged, diagnosis)
    place = judged.index(best)
    metric = record.metric
    losses = all_dev_losses(record, judged)
    weights = record.dev_weights
    classes = _class_errors(record, best, losses[place])
    weighted = metric.weighted(losses, record.dev_y, weights)
    members = tied_with_best(weighted, place, record.dev_groups)
    sizes = n_parameters(record, definition, [trial.params for trial in judged])
    strengths = _strengths(judged)
    has_complexity = bool(sizes.any() or strengths.size)
    competition = competition_of(record, definition, judged, losses)
    near = [best, *(judged[k] for k in within_one_standard_error(weighted, place) if judged[k] is not best)]
    diagnosis = _diagnosis(record, definition, best, competition, place, baseline, material_gap)
    weigh, confirmed = metric.class_weights, find_confirmed(record)
    of_metric = competition if weigh is None else by_weighted_losses(record, definition, competition, weighted)
    return Findings(
        best=best,
        judged=judged,
        inside=in_space(definition, judged),
        diagnosis=disputed_by(diagnosis, {"train": _errors(near, train_error), "dev": _errors(near, dev_error)}),
        metric=metric,
        classes=tuple(classes),
        tied_with_best=tuple(judged[k].number for k in members),
        simplest_tied=judged[simplest_tied(weighted, place, sizes, strengths)] if has_complexity else None,
        resolution=_resolution(record.unit, weighted, place, members),
        seeds=_seeds_error(record, definition, best, diagnosis) if metric.counts_wrong else None,
        weighted=None if weigh is None else class_weighted_error(classes, weigh),
        weighted_corrected=None
        if weigh is None
        else class_weighted_error(corrected_classes(record, definition, competition, of_metric), weigh),
        rows_wrong=None if record.dev_strata is None else float(np.mean(losses[place] / record.dev_weights)),
        replayed=of_metric.can_replay,
        kept=kept_trial(record, definition, judged, of_metric, best) if metric.counts_wrong else None,
        uncertainty=_uncertainty(record, best, diagnosis, losses[members], confirmed) if metric.counts_wrong else None,
        confirmed=confirmed,
    )


def _class_errors(record: StudyRecord, best: TrialRecord, losses: NDArray[Any]) -> list[ClassError]:
    """Return the metric of each class; ``losses``: (n_dev,) of the best trial.

    A metric that ranks rows has one of each of several classes against the rest, from kept probabilities.  None of
    numbers, of F1, which predictions have of each class, and where losses are not those of the errors.
    """
    metric, names, y, weights = record.counted_by, record.class_names, record.dev_y, record.dev_weights
    if not record.unit.is_share or not record.metric.counts_wrong:
        return []
    if not metric.is_linearized:
        most = None if record.unit.loss is None else record.unit.most
        return class_errors(y, losses, names, weights, most)
    kept = None if best.predictions is None else best.predictions.probabilities
    if metric.from_labels or len(names) == 2 or kept is None or kept.shape[1] != len(names):
        return []
    layout, rng = record.dev_layout(best), np.random.default_rng(0)
    of_networks = np.split(kept, np.cumsum(layout.sizes)[:-1])
    parts = list(zip(of_networks, layout.split(y), layout.split_weights(weights), strict=True))
    classes = []
    for label, name in enumerate(names):
        own = [metric.losses_against_rest(p, label, of, w) * (1.0 if w is None else w) for p, of, w in parts]
        of_rows, n = layout.row_losses(own), len(y)
        alike = float(min((y == label).sum(), (y != label).sum()))
        effective = independent_examples(of_rows, record.dev_groups, weights, rng=rng, most=1.0, alike=alike)
        classes.append(ClassError(name, ErrorEstimate.measured(float(of_rows.sum()), n, effective)))
    return classes


def in_space(definition: StudyDefinition, trials: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return the trials in the searched ranges; hand-picked ones, or ones of an earlier definition, may be outside."""
    searched = definition.searched_space.searched.items()
    ranges = [(name, entry.scale.contains, entry.bounds) for name, entry in searched]
    return tuple(
        trial
        for trial in trials
        if all(name in trial.params and contains(bounds, trial.params[name]) for name, contains, bounds in ranges)
    )


def _resolution(unit: Unit, losses: NDArray[Any], best: int, members: NDArray[np.intp]) -> Resolution | None:
    """Return what the dev set resolves, in the unit of the errors."""
    resolved = resolution(losses, best, members)
    if resolved is None or unit.is_share:
        return resolved
    mean = float(losses[best].mean())
    return replace(resolved, difference=unit.error(mean + resolved.difference) - unit.error(mean))


def _errors(trials: Sequence[TrialRecord], error: Callable[[TrialRecord], float | None]) -> NDArray[np.float64]:
    return np.array([error(trial) for trial in trials], dtype=np.float64)


def _diagnosis(
    record: StudyRecord,
    definition: StudyDefinition,
    best: TrialRecord,
    competition: Competition,
    place: int,
    baseline: Baseline,
    material_gap: float,
) -> Diagnosis:
    """Diagnose the error, selection-corrected if trials were chosen by the error."""
    if not record.unit.is_share:
        return _diagnosis_of_numbers(record, definition, best, competition, place, baseline, material_gap)
    layout, n_dev = record.dev_layout(best), len(record.dev_y)
    counts_wrong = record.metric.counts_wrong
    wrong = sum(one.dev_wrong for one in best.networks) / layout.networks_per_row
    rng = random_stream(definition, CORRECTING)
    effective = dev_examples(record, competition.losses[place] if counts_wrong else None, rng)
    corrected = None
    if competition.had_a_choice and counts_wrong:
        corrected = corrected_dev_error(competition, place, rng=rng, n_effective=effective)
    unit = record.unit
    dev = ErrorEstimate.measured(wrong, n_dev, effective, most=unit.most)
    share = None
    if unit.loss is not None:  # how much the losses of training rows differ is not stored, either
        share = None if effective is None else effective / n_dev
    elif record.dev_weights is not None:  # those of the training rows are like them, and which are wrong is not stored
        losses = competition.losses[place] if counts_wrong else None
        share = weighted_examples(record.dev_weights, losses, record.dev_strata) / n_dev
    train_dev = train_dev_estimate(best, share, unit)
    return diagnose(
        train=_train_estimate(best, layout, share, unit),
        dev=dev,
        dev_corrected=corrected,
        train_dev=train_dev,
        test=test_estimate(record, best),
        baseline=baseline,
        material_gap=material_gap,
        references=references(record),
        best_known=_best_known(dev if corrected is None else corrected, train_dev, references(record)),
        unit=unit,
    )


def _diagnosis_of_numbers(
    record: StudyRecord,
    definition: StudyDefinition,
    best: TrialRecord,
    competition: Competition,
    place: int,
    baseline: Baseline,
    material_gap: float,
) -> Diagnosis:
    """Diagnose the RMSE or MAE; how much losses differ is known of the dev rows, and taken to be alike elsewhere."""
    unit, layout = record.unit, record.dev_layout(best)
    by_error = record.metric.counts_wrong
    spread = dev_spread(record, competition.losses[place])

    def estimate(total: float, of: int) -> ErrorEstimate:
        return ErrorEstimate.of_squares(total, of, unit, spread)

    total, n = layout.train_loss([one.train_wrong for one in best.networks], [one.n_train for one in best.networks])
    dev = estimate(sum(one.dev_wrong for one in best.networks) / layout.networks_per_row, len(record.dev_y))
    corrected = None
    if competition.had_a_choice and by_error:
        means = corrected_dev_error(competition, place, rng=random_stream(definition, CORRECTING))
        low_from = None if means.low_from is None else float(unit.error(means.low_from))
        corrected = replace(means, value=float(unit.error(means.value)), low_from=low_from, spread=dev.spread)
    parts = [one.train_dev_wrong for one in best.networks if one.train_dev_wrong is not None]
    of_train_dev = best.networks[0].n_train_dev
    train_dev = estimate(sum(parts) / len(parts), of_train_dev) if parts and of_train_dev else None
    evaluated = [one for one in record.test_evaluations if one.trial_number == best.number]
    return diagnose(
        train=estimate(total, n),
        dev=dev,
        dev_corrected=corrected,
        train_dev=train_dev,
        test=estimate(evaluated[-1].wrong, evaluated[-1].n) if evaluated else None,
        baseline=baseline,
        material_gap=material_gap,
        references=references(record),
        best_known=_best_known(dev if corrected is None else corrected, train_dev, references(record)),
        unit=unit,
    )


def dev_spread(record: StudyRecord, losses: NDArray[Any]) -> Spread:
    """Return how much the squared errors of the dev rows differ, (n_dev,), times their weights, if they have any."""
    return Spread.of(losses, record.dev_groups, record.dev_weights)


def dev_examples(record: StudyRecord, losses: NDArray[Any] | None, rng: np.random.Generator) -> float | None:
    """Return how many independent dev rows of one weight there are; None if each row is one.

    ``losses``: (n_dev,) of the rows' errors; None where it is not known which are wrong: then each group counts once.
    """
    groups, weights = record.dev_groups, record.dev_weights
    if losses is not None:
        most = None if record.unit.loss is None else record.unit.most
        rarest = record.counted_by.rows_alike(record.dev_y)
        return independent_examples(losses, groups, weights, record.dev_strata, rng=rng, most=most, alike=rarest)
    alike = None if weights is None else effective_rows(weights)
    return alike if groups is None else min(len(np.unique(groups)), alike or math.inf)


def weighted_examples(weights: NDArray[Any], losses: NDArray[Any] | None, strata: NDArray[Any] | None) -> float:
    """Return how many rows of one weight the dev rows say as much as.

    ``losses`` as for :func:`dev_examples`, ``strata`` as for :func:`~tuner.analysis.independent_examples`.
    """
    return effective_rows(weights) if losses is None else effective_weighted(losses, weights, strata)


def _best_known(
    dev: ErrorEstimate, train_dev: ErrorEstimate | None, references: Mapping[str, float | None]
) -> ErrorEstimate:
    """Return the lowest error that some model is known to reach on rows like the training rows.

    With a train-dev set that is the network's error there, as the dev rows may be easier than the training rows;
    otherwise the lowest dev error of the network and the reference models, all of them on the same rows.
    """
    if train_dev is not None:
        return train_dev
    errors = [error for error in references.values() if error is not None]
    return min([dev, *(replace(dev, value=error, low_from=None) for error in errors)], key=lambda one: one.value)


def _train_estimate(trial: TrialRecord, layout: DevLayout, share: float | None, unit: Unit) -> ErrorEstimate:
    """Return the train error of a trial's networks; rows that several of them trained on count once.

    ``share``: the part of the rows that they are worth, having weights.
    """
    wrong = [network.train_wrong for network in trial.networks]
    total, n = layout.train_loss(wrong, [network.n_train for network in trial.networks])
    return ErrorEstimate.measured(total, n, None if share is None else share * n, most=unit.most)


def train_dev_estimate(trial: TrialRecord, share: float | None, unit: Unit = SHARE) -> ErrorEstimate | None:
    """Return the train-dev error, the mean over networks; None without a train-dev set."""
    counts = [network.train_dev_wrong for network in trial.networks if network.train_dev_wrong is not None]
    of = trial.networks[0].n_train_dev
    if not counts or not of:
        return None
    return ErrorEstimate.measured(sum(counts) / len(counts), of, None if share is None else share * of, most=unit.most)


def test_estimate(record: StudyRecord, best: TrialRecord) -> ErrorEstimate | None:
    """Return the last test-set evaluation of the best trial; None if there is none."""
    of_best = [one for one in record.test_evaluations if one.trial_number == best.number]
    if not of_best:
        return None
    last = of_best[-1]
    return ErrorEstimate.measured(last.wrong, last.n, last.n_effective, most=record.unit.most)


def references(record: StudyRecord) -> dict[str, float | None]:
    """Return the dev errors of the reference models; None for what is unknown."""
    if not record.unit.is_share:
        losses = record.unit.row_losses(record.unit.of_training, record.dev_y)
        alone = float(record.unit.error(np.average(losses, weights=record.dev_weights)))
        return {"mean": alone, **(record.facts.references or {})}
    counts = np.bincount(record.dev_y, weights=record.dev_weights, minlength=len(record.class_names))
    majority = float(1 - counts.max() / counts.sum()) if counts.sum() else None
    if record.unit.loss is not None:
        shares = np.tile(counts / counts.sum(), (len(record.dev_y), 1))
        losses = record.counted_by.losses_of(shares, record.dev_y, record.dev_weights)
        majority = float(np.average(losses, weights=record.dev_weights))
    return {"majority": majority, "logistic_regression": None, **(record.facts.references or {})}


def n_parameters(
    record: StudyRecord, definition: StudyDefinition, points: Sequence[Mapping[str, Any]]
) -> NDArray[np.int64]:
    """Return the numbers of parameters of networks with these hyperparameters; all 0 if the trainer's are unknown."""
    if not definition.trainer_kind.has_size:
        return np.zeros(len(points), dtype=np.int64)
    made = [(point.get("hidden"), point.get("numeric")) for point in points]
    sizes = {shape: network_shape(record, definition, *shape).n_parameters for shape in set(made)}
    return np.array([sizes[shape] for shape in made], dtype=np.int64)


def network_shape(
    record: StudyRecord, definition: StudyDefinition, hidden: str | None, form: str | None
) -> Architecture:
    """Return the shape of a network of tuner's own with these hidden layers ("64-32"; None: the definition's).

    ``form``: that of its numbers, if trials choose it.
    """
    widths = definition.network.hidden if hidden is None else HYPERPARAMETERS["hidden"].parse(hidden)
    facts, n_classes = record.facts, len(record.class_names) or record.unit.n_targets
    n_features = facts.form_features.get(form or "", facts.n_features or 1)
    n_periodic = min(facts.form_periodic.get(form or "", facts.form_periodic.get("", 0)), n_features)
    output = output_for(definition.network.output_name, is_numeric=not record.unit.is_share)
    periodic = Periodic.of(range(n_periodic))  # which columns they are of does not change the size
    return Architecture(n_features, tuple(widths), n_classes, output=output, periodic=periodic)


def _strengths(trials: Sequence[TrialRecord]) -> NDArray[np.float64]:
    """Return the regularizing hyperparameters that vary, (trials, hyperparameters); more is more regularized."""
    columns = []
    for name in in_order({name for trial in trials for name in trial.params}):
        spec, values = spec_of(name), [trial.params.get(name) for trial in trials]
        if spec.higher_is_simpler is not None and None not in values and len(set(map(str, values))) > 1:
            strength = np.array([_mean(value) for value in values if value is not None])
            columns.append(strength if spec.higher_is_simpler else -strength)
    return np.stack(columns, axis=1) if columns else np.zeros((len(trials), 0))


def _mean(value: float | Sequence[float]) -> float:
    return float(value) if isinstance(value, int | float) else float(np.mean(value))


def _uncertainty(
    record: StudyRecord,
    best: TrialRecord,
    diagnosis: Diagnosis,
    tied: NDArray[Any],
    confirmed: ConfirmedTrials | None,
) -> Uncertainty | None:
    """Return the parts of the best trial's uncertainty; ``tied``: (trials, n_dev) losses of those tied with it."""
    dev, corrected = diagnosis.errors["dev"], diagnosis.errors["dev_corrected"]
    if dev is None or corrected is None or not dev.n:
        return None
    layout = record.dev_layout(best)
    known = dev.n_effective if record.unit.loss is None else None  # of other losses it is not of rows
    n_effective = known or float(dev.n)
    weights = layout.split(np.ones(len(record.dev_y)) if record.dev_weights is None else record.dev_weights)
    losses = [network.dev_losses for network in best.networks]
    mean_losses = layout.row_losses(losses)
    spread = dev.spread
    if record.unit.loss is not None:
        spread = replace(dev_spread(record, mean_losses), power=1.0)
    groups = record.dev_groups  # the spread of losses shows the weights
    independent = None if groups is None else known or float(len(np.unique(groups)))
    if layout.has_folds:
        sizes = np.array(layout.sizes) * n_effective / dev.n
        errors = [each.sum() / of_rows.sum() for each, of_rows in zip(losses, weights, strict=True)]
        variances = None if spread is None else np.array([each.var(ddof=1) for each in losses])
        training = spread_beyond_folds(np.array(errors), sizes, variances)
    else:
        training = spread_beyond_rows(np.stack(layout.sets(losses)), independent)
    choice = spread_beyond_rows(tied, independent)
    seed, split = (None, None) if confirmed is None else (confirmed.seed, confirmed.split)
    if spread is None:
        rows = math.sqrt(corrected.value * (1 - corrected.value) / n_effective)
        return Uncertainty(rows=rows, training=training, choice=choice, seed=seed, split=split)
    rows = corrected.value * spread.power * spread.deviation / math.sqrt(dev.n)
    slope = dev.value * spread.power / (float(mean_losses.mean()) or 1.0)  # of the error along the mean loss
    training, choice = (None if part is None else part * slope for part in (training, choice))
    return Uncertainty(rows=rows, training=training, choice=choice, seed=seed, split=split)


def _seeds_error(
    record: StudyRecord, definition: StudyDefinition, best: TrialRecord, diagnosis: Diagnosis
) -> SeedsError | None:
    """Return the mean error over seeds, each one's allowing for the choice of its epoch where that can be replayed."""
    layout, dev = record.dev_layout(best), diagnosis.errors["dev"]
    if layout.has_folds or dev is None:
        return None
    losses = np.stack(layout.sets([network.dev_losses for network in best.networks])).mean(axis=1, dtype=np.float64)
    if epochs_by_loss(record, definition) and record.metric.class_weights is None:
        patience, rng = definition.training.patience, random_stream(definition, CORRECTING)
        losses = epoch_corrected_errors(
            runs_of(best, record, definition), fold_sizes(record), patience=patience, rng=rng
        )
    return seeds_error(np.asarray(record.unit.error(losses)), dev)
