"""``tuner train --ensemble-of``: choose the trials whose average is best, train them again, and average them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tuner.analysis import (
    FOLD_ROWS,
    MOST_AVERAGED,
    Candidates,
    NetworkRun,
    epoch_corrected_errors,
    first_stop,
    pooled_epoch_corrected_errors,
    rechosen_average_error,
)
from tuner.commands import command_text
from tuner.data import Dataset, Encoding, Table
from tuner.dev_layout import N_DEV_FOLDS
from tuner.errors import UsageError
from tuner.metrics import ERROR, METRICS
from tuner.modeling.fitting import (
    as_trained,
    dev_estimate,
    repeated,
    say_training,
    stored_errors,
    table_error,
    train_estimate,
)
from tuner.modeling.metadata import ErrorMetadata, Member, new_metadata
from tuner.modeling.model import Model
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import parse_definition
from tuner.trial import TrialResult, TrialSettings, data_of_trial, dev_layout, losses_of, wrong_rows

STREAM = 10  # of the study's seed
MOST_BYTES = 1 << 30
"""Of the trials' predictions of all dev rows, beyond which no more than the ensemble's own are kept."""


@dataclass(frozen=True)
class TrainedTrial:
    """A trial that was trained again, and its predictions of rows it was not trained on.

    Probabilities (n_dev, n_classes), or standardized numbers (n_dev,).
    """

    trial: TrialRecord
    result: TrialResult
    predictions: NDArray[np.float32]


def fit_ensemble(record: StudyRecord, dataset: Dataset, settings: TrialSettings, size: int | None = None) -> Model:
    """Train the ensemble of ``size`` of the best trials, or of all if they are fewer; None: as many as make it better.

    They are chosen among twice as many, by the predictions of dev rows that the study keeps; where it keeps too few,
    all of these trials are trained again.  Raises UsageError below 2.
    """
    usable = [trial for trial in record.judged if trial.networks and all(one.best_epoch for one in trial.networks)]
    best = sorted(usable, key=lambda trial: trial.rank)
    if len(best) < 2:
        raise UsageError(
            f"study {record.name!r}: an ensemble needs at least 2 complete trials, got {len(best)}. Run: "
            f"{command_text('search', *record.words)}"
        )
    most = 2 * (size or MOST_AVERAGED)
    with threadpool_limits(limits=1):
        kept = [(trial, of) for trial in best[:most] if (of := record.predicted(trial)) is not None]
        again: dict[int, TrainedTrial] = {}
        if len(kept) <= (size or 2):
            fitting = MOST_BYTES // (4 * len(dataset.dev_rows) * dataset.n_classes)
            every = best[: max(most // 2, min(most, fitting))]
            say_training(every)
            trained = [_train_again(record, dataset, settings, one) for one in every]
            again = {one.trial.number: one for one in trained}
            kept = [(one.trial, one.predictions) for one in trained]
        candidates = Candidates(
            np.stack([of for _, of in kept]), record.dev_y, record.dev_fold, record.dev_weights, record.losses_of
        )
        chosen = [kept[place][0] for place in sorted(candidates.choose(size))]
        say_training([trial for trial in chosen if trial.number not in again])
        members = [again.get(trial.number) or _train_again(record, dataset, settings, trial) for trial in chosen]
        return _Ensemble(record, dataset, settings, members, candidates, size).model()


def _train_again(record: StudyRecord, dataset: Dataset, settings: TrialSettings, trial: TrialRecord) -> TrainedTrial:
    assert trial.seed is not None
    result = repeated(record, dataset, settings, trial, trial.seed)
    dataset = data_of_trial(dataset, trial.params)
    layout = dev_layout(dataset, settings.seeds)
    each = [
        network.predict_proba(part.dev.inputs) if record.unit.is_share else network.predict(part.dev.inputs)
        for network, part in zip(result.networks, layout.each(dataset.parts), strict=True)
    ]
    predictions: NDArray[np.float32] = np.concatenate(each) if layout.has_folds else np.stack(each).mean(axis=0)
    return TrainedTrial(trial, result, predictions)


class _Ensemble:
    """The chosen trials, trained again, and the model that they make; ``size``: how many were to be chosen."""

    def __init__(
        self,
        record: StudyRecord,
        dataset: Dataset,
        settings: TrialSettings,
        members: Sequence[TrainedTrial],
        candidates: Candidates,
        size: int | None,
    ) -> None:
        self.record, self.dataset, self.settings, self.members = record, dataset, settings, members
        self.candidates, self.size = candidates, size
        self.definition = parse_definition(record.definition, f"study {record.name!r}")
        each = [data_of_trial(dataset, member.trial.params) for member in self.members]
        self.datasets = each if len({id(one) for one in each}) > 1 else each[:1]
        self.folds = len(dataset.parts)

    def model(self) -> Model:
        """Return the model with its errors."""
        networks = [network for member in self.members for network in member.result.networks]
        metadata = new_metadata(
            self.record,
            self.dataset,
            self.members[0].trial,
            kind="ensemble",
            rows="folds" if self.folds > 1 else "train",
            n_rows=self.dataset.sizes["train"],
            updates=[network.updates for network in networks],
            repeated=None,
            architecture=networks[0].architecture,
            encodings=self._encodings(),
            errors={},
            members=[
                Member(
                    trial=member.trial.number,
                    params=dict(member.trial.params),
                    seed=member.trial.seed or 0,
                    architecture=member.result.networks[0].architecture,
                )
                for member in self.members
            ],
        )
        thetas = [network.theta for network in networks]
        errors = self._errors(Model(metadata, thetas))
        return Model(metadata.model_copy(update={"errors": errors}), thetas)

    def _encodings(self) -> list[Encoding]:
        """The encodings that all trials share, one per part; if their inputs differ, one per network."""
        encodings = [Encoding.from_json(each) for dataset in self.datasets for each in dataset.encodings]
        is_shared = len(self.datasets) == 1 or self.folds > 1
        return encodings if is_shared else [each for each in encodings for _ in range(self.settings.seeds)]

    def _errors(self, model: Model) -> dict[str, ErrorMetadata]:
        """Measure the errors; with folds each row by the networks that were, or were not, trained on it."""
        trains = [[dataset.parts[fold].train for dataset in self.datasets] for fold in range(self.folds)]
        unit, weights = self.dataset.unit, self.dataset.dev_weights
        mean = np.mean([member.predictions for member in self.members], axis=0)
        losses = self.record.losses_of(mean, self.dataset.dev_y, weights) * (1.0 if weights is None else weights)
        dev = dev_estimate(self.dataset, [losses])
        wrong = [
            wrong_rows(self._wrong(model, range(fold, len(model.networks), self.folds), of), of[0].error_weights)
            for fold, of in enumerate(trains)
        ]
        layout, sizes = dev_layout(self.dataset, 1), [len(of[0]) for of in trains]
        share = None if unit.loss is None or dev.n_effective is None else dev.n_effective / len(losses)
        train = train_estimate(self.dataset, layout, wrong, sizes, None if unit.is_share else dev.spread, share)
        of = "this ensemble"
        errors = {"train": (train, f"{of}, on its training examples")}
        if self.folds > 1:
            of += ", each row by the networks that were not trained on it"
        errors["dev"] = (dev, of)
        if ERROR.is_shown_by(self.record.metric) and len(self.candidates.predictions) > len(self.members):
            allowing = f"{of}, allowing for the choice of its trials and their epochs"
            independent = (dev.n_effective or len(losses)) / FOLD_ROWS if self.folds > 1 else dev.n_effective
            corrected = replace(dev, value=max(self._corrected_error(), dev.value), n_effective=independent)
            errors["dev_corrected"] = (corrected, allowing)
        if self.dataset.train_dev is not None:
            every = range(len(model.networks))
            tables = [dataset.train_dev for dataset in self.datasets if dataset.train_dev is not None]
            error = table_error(tables[0], self._wrong(model, every, tables), None, unit)
            errors["train_dev"] = (error, "this ensemble")
        return stored_errors(errors)

    def _corrected_error(self) -> float:
        """The error of the average on rows that did not choose its trials, and what the choice of epochs adds."""
        unit = self.dataset.unit
        rng = np.random.default_rng(np.random.SeedSequence(self.definition.search.seed, spawn_key=(STREAM,)))
        rechosen = rechosen_average_error(self.candidates, self.size, rng=rng)
        watched = METRICS[self.definition.training.monitor].on_rows_of(self.dataset.counted_by)
        if not watched.is_shown_by(self.record.metric):
            return float(unit.error(rechosen))
        added = float(np.mean([self._epochs_add(one.result, rng) for one in self.members]))
        return float(unit.error(min(rechosen + max(added, 0.0), unit.most)))

    def _epochs_add(self, result: TrialResult, rng: np.random.Generator) -> float:
        """What choosing the epochs on other rows than it is measured on adds to a trial's mean dev loss."""
        layout, weights = dev_layout(self.dataset, self.settings.seeds), self.dataset.dev_weights
        of_rows = zip(layout.split(self.record.dev_fold), layout.split_weights(weights), strict=True)
        sizes = np.array([np.bincount(fold, weights=each, minlength=N_DEV_FOLDS) for fold, each in of_rows])
        patience, least = self.settings.stopping.patience, self.settings.stopping.min_updates
        runs = [
            NetworkRun(fold_losses=losses, first_stop=first_stop(least, network.updates / network.best_epoch))
            for network, losses in zip(result.networks, result.dev_fold_losses, strict=True)
        ]
        if self.settings.stopping.pooled:
            corrected = pooled_epoch_corrected_errors(runs, sizes, patience=patience, rng=rng)
        else:
            alone = zip(runs, sizes, strict=True)
            each = [epoch_corrected_errors([run], size, patience=patience, rng=rng) for run, size in alone]
            corrected = np.concatenate(each)
        rows = sizes.sum(axis=1)
        measured = [
            losses[network.best_epoch - 1].sum() / n
            for network, losses, n in zip(result.networks, result.dev_fold_losses, rows, strict=True)
        ]
        return float(np.average(corrected - measured, weights=rows))

    def _wrong(self, model: Model, places: Sequence[int], tables: Sequence[Table]) -> NDArray[Any]:
        """Which rows some of the networks together have wrong, or their losses, (n,).

        ``tables``: these rows, as all networks or as each trial's are given them.
        """
        table, each = tables[0], 1 if len(tables) == 1 else len(places) // len(tables)
        predictions = model.average(places, [one.inputs for one in tables for _ in range(each)])
        return losses_of(table, self.dataset.unit, as_trained(model, predictions.classes), predictions.probabilities)
