"""``tuner train``: repeat the chosen trial bit for bit, or train one network on more rows, and make a model of it."""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tuner.analysis import ErrorEstimate, Spread, seeds_error
from tuner.commands import command_text
from tuner.data import Dataset, Encoding, Table, fit_on_all
from tuner.dev_layout import DevLayout
from tuner.errors import UsageError
from tuner.formatting import duration, join
from tuner.metrics import effective_rows
from tuner.modeling.evaluating import USUALLY_BETTER, estimate_error
from tuner.modeling.metadata import ErrorMetadata, new_metadata
from tuner.modeling.model import Model, Repetition
from tuner.nn import Hyperparameters, Stopping, TrainedNetwork, output_for, train
from tuner.outcomes import StopReason, TrialState
from tuner.storage import NetworkRecord, StudyRecord, TrialRecord
from tuner.study import StudyDefinition, parse_definition
from tuner.trainers import OwnNetwork, TrialRequest
from tuner.trial import (
    TrialResult,
    TrialSettings,
    class_weights,
    data_of_trial,
    dev_layout,
    losses_of,
    network_seeds,
    rows_of_error,
    trial_seed,
    weighted_examples,
    wrong_rows,
)
from tuner.units import SHARE, Unit

LOGGER = logging.getLogger("tuner.modeling")
LONG = 5.0  # seconds after which a person asks what is going on

TRAIN_DEV, ALL = "train+dev", "all"
OUT_OF_FOLD = "the networks of the folds, each on rows it did not see"


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """Which trial to train (None: the best), over how many seeds, on which rows, and which networks to keep.

    By default all networks of the trial are kept, one per fold or seed; with ``ensemble`` those of all ``seeds``.
    ``single``: one network, with folds fitted on all rows outside the test set, as by ``on`` = "train+dev".
    ``corrected``: the best trial's dev error (selection-corrected), which a model of that trial carries beside the
    measured one.
    """

    trial: int | None = None
    seeds: int = 1
    on: str = "train"
    single: bool = False
    ensemble: bool = False
    corrected: ErrorEstimate | None = None


def fit_model(record: StudyRecord, dataset: Dataset, settings: TrialSettings, request: FitRequest) -> Model:
    """Train the model of a trial; ``settings`` are what all trials of the study have in common.  Raises UsageError."""
    fit = _Fit(record, dataset, settings, request, chosen_trial(record, request.trial))
    say_training([fit.trial], request.seeds)
    with threadpool_limits(limits=1):
        return fit.run()


def say_training(trials: Sequence[TrialRecord], times: int = 1) -> None:
    """Log which trials are trained again, so many times, if that takes a while."""
    seconds = times * sum(trial.seconds or 0.0 for trial in trials)
    if seconds >= LONG:
        numbers = join([f"{trial.number}" for trial in trials])
        which = f"trial {numbers} again, which" if len(trials) == 1 else f"trials {numbers} again, which together"
        with_seeds = f", with {times} seeds" if times > 1 else ""
        LOGGER.info("training %s took %s in the search%s", which, duration(seconds / times), with_seeds)


def chosen_trial(record: StudyRecord, number: int | None) -> TrialRecord:
    """The trial of this number, or the best.  Raises UsageError where it left no network."""
    if number is None:
        if record.best is None:
            search = command_text("search", *record.words)
            raise UsageError(f"study {record.name!r} has no complete trial. Run: {search}")
        return record.best
    trial = next((trial for trial in record.trials if trial.number == number), None)
    if trial is None:
        raise UsageError(f"study {record.name!r} has no trial {number}; it has 0 to {len(record.trials) - 1}")
    if not trial.has_result or not trial.networks:
        raise UsageError(f"trial {number} is {trial.state}; expected a complete or pruned trial")
    if trial.has_diverged or any(network.best_epoch == 0 for network in trial.networks):
        raise UsageError(f"trial {number} diverged and has no usable network; choose another trial")
    return trial


def trains_on_all(request: FitRequest, layout: DevLayout) -> bool:
    """Whether one network is to be trained on dev rows, too.  Raises UsageError for options that exclude each other."""
    on_all = request.on in (TRAIN_DEV, ALL)
    if request.single and request.ensemble:
        raise UsageError("--single (one network) and --ensemble (several) are mutually exclusive")
    if layout.has_folds and on_all and request.ensemble:
        raise UsageError(
            f"--ensemble (networks of the folds) and --on {request.on} (one network on all rows) are mutually exclusive"
        )
    return on_all or (layout.has_folds and request.single)


@dataclass
class _Fit:
    """One call of :func:`fit_model`, step by step."""

    record: StudyRecord
    dataset: Dataset
    settings: TrialSettings
    request: FitRequest
    trial: TrialRecord
    results: list[TrialResult] = field(default_factory=list)
    repetition: Repetition | None = None

    def __post_init__(self) -> None:
        self.definition: StudyDefinition = parse_definition(self.record.definition, f"study {self.record.name!r}")
        self.dataset = data_of_trial(self.dataset, self.trial.params)
        self.layout = dev_layout(self.dataset, self.settings.seeds)
        self.is_final = trains_on_all(self.request, self.layout)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """Those of the trial."""
        return self.definition.searched_space.hyperparameters(self.trial.params)

    @property
    def seed(self) -> int:
        """The seed of the trial."""
        assert self.trial.seed is not None
        return self.trial.seed

    def run(self) -> Model:
        """Repeat the trial where it is needed, and make the model."""
        self.repetition = None if self.is_final and self.request.seeds == 1 else self._repeat()
        model = self._final() if self.is_final else self._kept()
        model.repetition = self.repetition
        return model

    # The repeated trial.

    def _repeat(self) -> Repetition:
        seeds = self.request.seeds
        if self.layout.has_folds:
            numbers = [self.seed, *(trial_seed(self.seed, number) for number in range(1, seeds))]
            self.results = [self._run(seed, 1) for seed in numbers]
        else:
            self.results = [self._run(self.seed, max(seeds, self.settings.seeds))]
        wrong = self._dev_wrong(self.results)
        errors = [float(self.dataset.unit.error(row.mean())) for row in wrong]
        return Repetition(
            train_errors=[self._train_estimate(group).value for group in self._groups(self.results)],
            dev_errors=errors,
            differences=differences(self.trial.networks, self.results[0], self.dataset),
            spread=seeds_error(np.array(errors), self._dev_estimate(wrong)),
        )

    def _run(self, seed: int, n_networks: int) -> TrialResult:
        return repeated(self.record, self.dataset, replace(self.settings, seeds=n_networks), self.trial, seed)

    def _groups(self, results: Sequence[TrialResult]) -> list[Sequence[TrainedNetwork]]:
        """The networks of each seed."""
        return [
            group
            for result in results
            for group in dev_layout(self.dataset, len(result.networks)).groups(result.networks)
        ]

    def _dev_wrong(self, results: Sequence[TrialResult]) -> NDArray[Any]:
        """(seeds, n_dev) which rows are wrong, times their weights, if they have any."""
        wrong = np.array([np.concatenate([network.dev_wrong for network in group]) for group in self._groups(results)])
        return wrong if self.dataset.dev_weights is None else wrong * self.dataset.dev_weights

    def _dev_estimate(self, wrong: NDArray[Any]) -> ErrorEstimate:
        """The mean over seeds, from what :meth:`_dev_wrong` returns."""
        return dev_estimate(self.dataset, wrong)

    def _kept(self) -> Model:
        """Keep the trial's networks; with ``ensemble`` those of all seeds, with ``single`` the first."""
        results = self.results if self.request.ensemble else self.results[:1]
        networks = [network for result in results for network in result.networks]
        if not self.request.ensemble:
            networks = networks[: 1 if self.request.single else self.layout.n_networks]
        encodings = [Encoding.from_json(each) for each in self.dataset.encodings]
        several = len(networks) > 1
        model = self._model(
            networks,
            encodings,
            kind="ensemble" if several else "trial",
            rows="folds" if self.layout.has_folds else "train",
            n_rows=self.dataset.sizes["train"],
            errors={},
        )
        errors = self._errors_of_folds(results) if self.layout.has_folds else self._errors_of(model)
        errors |= self._corrected_error()
        return Model(model.metadata.model_copy(update={"errors": errors}), [network.theta for network in networks])

    def _errors_of(self, model: Model) -> dict[str, ErrorMetadata]:
        """Measure the errors on the rows of the dataset."""
        part, whose = self.dataset.parts[0], "this model"
        tables = {"train": part.train, "dev": part.dev, "train_dev": self.dataset.train_dev}
        estimates = {}
        for name, table in tables.items():
            if table is not None and len(table):
                predictions = model.classify_encoded([table.inputs])
                predicted = as_trained(model, predictions.classes)
                wrong = losses_of(table, self.dataset.unit, predicted, predictions.probabilities)
                groups = self.dataset.dev_groups if name == "dev" else None
                estimates[name] = (table_error(table, wrong, groups, self.dataset.unit), whose)
        return stored_errors(estimates)

    def _errors_of_folds(self, results: Sequence[TrialResult]) -> dict[str, ErrorMetadata]:
        """Measure each network by itself: every row outside the test set trained some network of the ensemble."""
        train = self._train_estimate(results[0].networks)
        dev = self._dev_estimate(self._dev_wrong(results))
        return stored_errors(
            {
                "train": (train, "the networks of the folds, each on its training examples"),
                "dev": (dev, f"{OUT_OF_FOLD}; {USUALLY_BETTER}"),
            }
        )

    def _train_estimate(self, networks: Sequence[TrainedNetwork]) -> ErrorEstimate:
        trains = [part.train for part in self.dataset.parts]
        wrong = [rows_of_error(train, network.train_error) for network, train in zip(networks, trains, strict=True)]
        return train_estimate(
            self.dataset,
            dev_layout(self.dataset, 1),
            wrong,
            [len(train) for train in trains],
            self._spread,
            share_of_rows(self.record, self.trial),
        )

    @cached_property
    def _spread(self) -> Spread | None:
        return dev_spread(self.record, self.trial)

    # One network on all rows outside the test set.

    def _final(self) -> Model:
        """Train on all rows outside the test set (or all), for the median number of updates at the trial's best epochs.

        No dev set shows whether such a network trained badly by chance.  So as many are trained as the trial has
        networks, for the same number of updates, and the one with the lowest train cost is kept; with ``ensemble`` one
        per seed, and all.
        """
        rows = ALL if self.request.on == ALL else TRAIN_DEV
        whole, _, encoding = fit_on_all(self.dataset, "all" if rows == ALL else "outside_test")
        updates = max(round(statistics.median(network.updates for network in self.trial.networks)), 1)
        before = self.dataset.n_train
        hyperparameters, epochs = stretched(
            self.hyperparameters, self.settings.stopping.max_epochs, before, len(whole), updates
        )
        run = train(
            weighted_examples(
                whole,
                class_weights(self.settings.class_weight, whole.y, self.dataset.class_names),
                self.dataset.unit,
            ),
            None,
            n_classes=self.dataset.n_classes,
            hyperparameters=hyperparameters,
            seeds=network_seeds(self.seed, self.request.seeds if self.request.ensemble else self.layout.n_networks),
            stopping=Stopping(max_epochs=epochs, patience=None, max_updates=updates),
            output=output_for(self.settings.output, is_numeric=not self.dataset.unit.is_share),
            periodic=encoding.periodic,
            penalty_per=self.settings.penalty_per,
            rates=self.settings.rates,
            exact_zeros=self.settings.exact_zeros,
            augment=self.definition.augment(self.trial.params),
        )
        networks = [network for network in run.networks if network.stop_reason != StopReason.DIVERGED]
        if not networks or (self.request.ensemble and len(networks) < len(run.networks)):
            raise UsageError(
                f"training diverged with the hyperparameters of trial {self.trial.number} on all {len(whole):,} rows; "
                "choose another trial"
            )
        if not self.request.ensemble:
            networks = [min(networks, key=lambda network: network.train_cost)]
        return self._model(
            networks,
            [encoding],
            kind="ensemble" if len(networks) > 1 else "final",
            rows=rows,
            n_rows=len(whole),
            errors=self._errors_of_trial() | self._corrected_error() | self._own_train_error(rows, networks, whole),
        )

    def _errors_of_trial(self) -> dict[str, ErrorMetadata]:
        """Take the recorded errors: a network trained on the dev rows has no dev error of its own."""
        networks, layout, whose = self.trial.networks, self.record.dev_layout(self.trial), self._trial_and_networks()
        if self.record.metric.counts_wrong or not self.dataset.unit.is_share:
            wrong = np.mean(layout.sets([network.dev_losses for network in networks]), axis=0)
            record = self.record
            dev = estimate_error(wrong, record.dev_groups, record.dev_weights, record.dev_strata, record.unit)
        else:  # which rows are wrong is not stored, so nothing shows that rows of a group differ
            groups, weights = self.record.dev_groups, self.record.dev_weights
            n_wrong = sum(network.dev_wrong for network in networks) / layout.networks_per_row
            sizes = [math.inf if groups is None else len(np.unique(groups)), alike_rows(weights) or math.inf]
            dev = ErrorEstimate.measured(
                n_wrong, layout.n_dev, None if math.isinf(min(sizes)) else min(sizes), most=self.dataset.unit.most
            )
        wrong_train = [network.train_wrong for network in networks]
        rows = [network.n_train for network in networks]
        share = share_of_rows(self.record, self.trial)
        train = train_estimate(self.dataset, layout, wrong_train, rows, self._spread, share)
        return stored_errors({"train": (train, whose), "dev": (dev, whose)})

    def _corrected_error(self) -> dict[str, ErrorMetadata]:
        """Take the report's for the best trial: the measured dev error is the lowest of many, and too low.

        It is the mean over the trial's networks.
        """
        if self.request.corrected is None or self.trial is not self.record.best:
            return {}
        whose = self._trial_and_networks()
        if not self.is_final and not self.request.single and self.layout.n_networks > 1:
            each = OUT_OF_FOLD if self.layout.has_folds else "the networks of the seeds, on average"
            whose = f"{each} ({USUALLY_BETTER})"
        return stored_errors(
            {"dev_corrected": (self.request.corrected, f"{whose}, allowing for the choice of trial and epoch")}
        )

    def _trial_and_networks(self) -> str:
        n, what = self.layout.n_networks, "folds" if self.layout.has_folds else "seeds"
        return f"trial {self.trial.number}" + (f" ({n} {what})" if n > 1 else "")

    def _own_train_error(self, rows: str, networks: Sequence[TrainedNetwork], whole: Table) -> dict[str, ErrorMetadata]:
        wrong = sum(network.train_error for network in networks) / len(networks) * len(whole)
        if self._spread is not None:
            train = ErrorEstimate.of_squares(wrong, len(whole), self.dataset.unit, self._spread)
        else:
            share = share_of_rows(self.record, self.trial)
            alike = alike_rows(whole.error_weights) if share is None else share * len(whole)
            train = ErrorEstimate.measured(wrong, len(whole), alike, most=self.dataset.unit.most)
        return stored_errors({rows: (train, "this model, on its training examples")})

    def _model(
        self,
        networks: Sequence[TrainedNetwork],
        encodings: Sequence[Encoding],
        *,
        kind: Any,
        rows: Any,
        n_rows: int,
        errors: dict[str, ErrorMetadata],
    ) -> Model:
        metadata = new_metadata(
            self.record,
            self.dataset,
            self.trial,
            kind=kind,
            rows=rows,
            n_rows=n_rows,
            updates=[network.updates for network in networks],
            repeated=None if self.repetition is None else self.repetition.is_exact,
            architecture=networks[0].architecture,
            encodings=list(encodings),
            errors=errors,
        )
        return Model(metadata, [network.theta for network in networks])


def repeated(
    record: StudyRecord, dataset: Dataset, settings: TrialSettings, trial: TrialRecord, seed: int
) -> TrialResult:
    """Train a trial's hyperparameters with a seed; with its own seed, the trial again."""
    pruned_at = trial.epochs if trial.state == TrialState.PRUNED and seed == trial.seed else None
    return OwnNetwork(parse_definition(record.definition, f"study {record.name!r}")).train(
        TrialRequest(
            dataset=dataset,
            values=trial.params,
            settings=settings,
            seed=seed,
            dev_folds=record.dev_fold,
            prune=None if pruned_at is None else lambda rungs, _: max(rungs) >= pruned_at,
        )
    )


def differences(stored: Sequence[NetworkRecord], now: TrialResult, dataset: Dataset) -> list[str]:
    """Say what of a trial's record was not repeated bit for bit, network by network."""
    sentences = []
    layout = dev_layout(dataset, len(now.networks))
    parts, weights = layout.each(dataset.parts), layout.split_weights(dataset.dev_weights)
    for k, (before, network, losses) in enumerate(zip(stored, now.networks, now.dev_losses, strict=False)):
        which = f"network {k}: " if len(stored) > 1 else ""
        pairs = {
            "best epoch": (before.best_epoch, network.best_epoch),
            "train errors": (before.train_wrong, rows_of_error(parts[k].train, network.train_error)),
            "dev errors": (before.dev_wrong, wrong_rows(network.dev_wrong, weights[k])),
            "train cost": (before.train_cost, network.train_cost),
            "dev cost": (before.dev_cost, network.dev_cost),
        }
        unlike = [f"{what} {new!r}, recorded {old!r}" for what, (old, new) in pairs.items() if old != new]
        if not unlike and not np.array_equal(before.dev_losses, losses.astype(before.dev_losses.dtype)):
            unlike = ["errors on other dev rows than recorded"]
        sentences += [which + difference for difference in unlike]
    return sentences


def stretched(
    hyperparameters: Hyperparameters, max_epochs: int, before: int, now: int, updates: int
) -> tuple[Hyperparameters, int]:
    """A learning-rate schedule for an epoch of ``now`` rows that falls, update for update, as with ``before`` rows.

    Returns the hyperparameters and max_epochs; a larger epoch has more updates, so its schedule has fewer epochs.
    """
    size = hyperparameters.batch_size
    per_epoch = [1 if size == "full" else -(-rows // min(int(size), rows)) for rows in (before, now)]
    ratio = per_epoch[0] / per_epoch[1]
    least = -(-updates // per_epoch[1])
    if hyperparameters.schedule == "constant" and not hyperparameters.warmup_epochs:
        return hyperparameters, least
    rate = hyperparameters.decay_rate
    return (
        replace(
            hyperparameters,
            decay_rate=rate if hyperparameters.schedule == "step" else rate / ratio,
            decay_epochs=max(round(hyperparameters.decay_epochs * ratio), 1),
            decay_start=round(hyperparameters.decay_start * ratio),
            warmup_epochs=round(hyperparameters.warmup_epochs * ratio),
        ),
        max(round(max_epochs * ratio), least),
    )


def as_trained(model: Model, predicted: NDArray[Any]) -> NDArray[Any]:
    """Class indices as they are, numbers standardized."""
    unit = model.metadata.unit
    return predicted if unit.is_share else np.asarray(unit.standardized(predicted))


def dev_spread(record: StudyRecord, trial: TrialRecord) -> Spread | None:
    """How much a trial's squared errors of the dev rows differ, as those of training rows may; None of classes."""
    if record.unit.is_share:
        return None
    losses = record.dev_layout(trial).row_losses([one.dev_losses for one in trial.networks])
    return Spread.of(losses, record.dev_groups, record.dev_weights)


def train_estimate(
    dataset: Dataset,
    layout: DevLayout,
    wrong: Sequence[float],
    sizes: Sequence[int],
    spread: Spread | None = None,
    share: float | None = None,
) -> ErrorEstimate:
    """The train error of a trial's networks, from the wrong rows of each and its training rows.

    ``spread``: of numbers, how much their squared errors differ.  ``share``: see :func:`share_of_rows`.
    """
    total, n = layout.train_loss(wrong, sizes)
    if spread is not None:
        return ErrorEstimate.of_squares(total, n, dataset.unit, spread)
    train = dataset.parts[0].train
    weights = train.error_weights
    if share is None and weights is not None:
        share = effective_rows(weights) / len(train)
    return ErrorEstimate.measured(total, n, None if share is None else share * n, most=dataset.unit.most)


def share_of_rows(record: StudyRecord, trial: TrialRecord) -> float | None:
    """How many rows, wrong or right, tell as much as a row of other losses, as on the dev rows; None without these."""
    if record.unit.loss is None:
        return None
    losses = record.dev_layout(trial).row_losses([network.dev_losses for network in trial.networks])
    dev = estimate_error(losses, record.dev_groups, record.dev_weights, record.dev_strata, record.unit)
    return None if dev.n_effective is None else dev.n_effective / len(losses)


def dev_estimate(dataset: Dataset, losses: Any) -> ErrorEstimate:
    """The mean over seeds, from which dev rows are wrong, times their weights, (seeds, n_dev)."""
    mean = np.mean(losses, axis=0)
    return estimate_error(mean, dataset.dev_groups, dataset.dev_weights, dataset.dev_strata, dataset.unit)


def table_error(
    table: Table, wrong: NDArray[Any], groups: NDArray[np.integer] | None, unit: Unit = SHARE
) -> ErrorEstimate:
    """The error on a table, from which of its rows are wrong (n,), or from their squared errors."""
    weights = table.error_weights
    return estimate_error(wrong if weights is None else wrong * weights, groups, weights, table.strata, unit)


def alike_rows(weights: NDArray[np.floating] | None) -> float | None:
    """How many rows of one weight these are worth; None without weights."""
    return None if weights is None else effective_rows(weights)


def stored_errors(estimates: dict[str, tuple[ErrorEstimate, str]]) -> dict[str, ErrorMetadata]:
    """The estimates, each with whose error it is, as a model holds them; those without rows are left out."""
    stored = {name: ErrorMetadata.measured(*pair) for name, pair in estimates.items()}
    return {name: metadata for name, metadata in stored.items() if metadata is not None}
