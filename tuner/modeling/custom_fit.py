"""``tuner train`` for a custom trainer: call it again as in the trial, or on more rows, and keep what it saves."""

from __future__ import annotations

import shutil
import statistics
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from tuner.analysis import ErrorEstimate, seeds_error
from tuner.data import Dataset, Encoding, Part, fit_on_all
from tuner.errors import UsageError
from tuner.modeling.custom_model import CustomModel
from tuner.modeling.fitting import (
    ALL,
    OUT_OF_FOLD,
    TRAIN_DEV,
    FitRequest,
    alike_rows,
    dev_estimate,
    dev_spread,
    fit_model,
    share_of_rows,
    stored_errors,
    train_estimate,
    trains_on_all,
)
from tuner.modeling.metadata import ErrorMetadata, new_metadata
from tuner.modeling.model import Model, Repetition
from tuner.outcomes import TrialState
from tuner.storage import NetworkRecord, Outcome, StudyRecord, TrialRecord
from tuner.trainers import CustomTrainer, Trainer, TrialError, TrialRequest
from tuner.trial import TrialSettings, dev_layout, trial_seed


def fit_trial(
    record: StudyRecord, dataset: Dataset, settings: TrialSettings, trainer: Trainer, request: FitRequest
) -> Model:
    """Train the model of a trial as its trainer does: the study's own network, or a custom one.  Raises UsageError."""
    if isinstance(trainer, CustomTrainer):
        return fit_custom_model(record, dataset, settings, request, trainer)
    return fit_model(record, dataset, settings, request)


def fit_custom_model(
    record: StudyRecord, dataset: Dataset, settings: TrialSettings, request: FitRequest, trainer: CustomTrainer
) -> CustomModel:
    """Repeat a trial, or train on more rows, and keep the networks.  Raises UsageError where they cannot be kept."""
    trial = _chosen(record, request.trial)
    folder = Path(mkdtemp(prefix="tuner-"))
    try:
        model = _CustomFit(record, dataset, settings, request, trainer, trial, folder).run()
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, TrialError):
            raise UsageError(str(error)) from error
        raise
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)  # it lasts as long as the model
    return model


def _chosen(record: StudyRecord, number: int | None) -> TrialRecord:
    trial = record.best if number is None else next((t for t in record.trials if t.number == number), None)
    if trial is None or trial.state != TrialState.COMPLETE:
        which = "no complete trial" if number is None else f"no complete trial {number}"
        raise UsageError(f"study {record.name!r} has {which}")
    return trial


@dataclass
class _CustomFit:
    """One call of :func:`fit_custom_model`; the networks to keep are saved in ``folder`` as 0, 1, 2, …"""

    record: StudyRecord
    dataset: Dataset
    settings: TrialSettings
    request: FitRequest
    trainer: CustomTrainer
    trial: TrialRecord
    folder: Path

    def run(self) -> CustomModel:
        """Repeat the trial where it is needed, and make the model."""
        layout = dev_layout(self.dataset, self.settings.seeds)
        is_final = trains_on_all(self.request, layout)
        outcomes = [] if is_final and self.request.seeds == 1 else self._repeat()
        groups = [group for outcome in outcomes for group in self._groups(outcome)]
        wrong = [np.concatenate([network.dev_losses for network in group]) for group in groups]
        repetition = None
        if groups:
            errors = [float(self.dataset.unit.error(losses.mean())) for losses in wrong]
            repetition = Repetition(
                train_errors=[self._train_error(group).value for group in groups],
                dev_errors=errors,
                differences=_differences(self.trial, outcomes[0]),
                spread=seeds_error(np.array(errors), self._dev_error(wrong)),
            )
        model = self._final(repetition) if is_final else self._kept(outcomes, repetition)
        model.repetition = repetition
        return model

    def _run(self, dataset: Dataset, seed: int, n_networks: int, folder: Path, epochs: int | None = None) -> Outcome:
        stopping = self.settings.stopping
        stopping = stopping if epochs is None else replace(stopping, max_epochs=epochs)
        request = TrialRequest(
            dataset=dataset,
            values=self.trial.params,
            settings=replace(self.settings, rungs=(), seeds=n_networks, stopping=stopping),
            seed=seed,
            dev_folds=self.record.dev_fold,
            number=self.trial.number,
        )
        folder.mkdir(exist_ok=True)
        outcome = self.trainer.run(request, folder)
        assert isinstance(outcome, Outcome)  # nothing stops it
        return outcome

    def _repeat(self) -> list[Outcome]:
        """The trial's networks again, then those of the other seeds, each call's in a folder of its own."""
        seeds, own = self.request.seeds, self.trial.seed or 0
        if len(self.dataset.parts) == 1:
            return [self._run(self.dataset, own, max(seeds, self.settings.seeds), self._saved(0))]
        numbers = [own, *(trial_seed(own, number) for number in range(1, seeds))]
        return [self._run(self.dataset, number, 1, self._saved(place)) for place, number in enumerate(numbers)]

    def _saved(self, place: int) -> Path:
        return self.folder / f"seed-{place}"

    def _groups(self, outcome: Outcome) -> list[Sequence[NetworkRecord]]:
        """The networks of each seed."""
        return dev_layout(self.dataset, len(outcome.networks)).groups(outcome.networks)

    def _train_error(self, group: Sequence[NetworkRecord]) -> ErrorEstimate:
        layout = dev_layout(self.dataset, len(group))
        wrong, sizes = [n.train_wrong for n in group], [n.n_train for n in group]
        spread, share = dev_spread(self.record, self.trial), share_of_rows(self.record, self.trial)
        return train_estimate(self.dataset, layout, wrong, sizes, spread, share)

    def _dev_error(self, losses: Sequence[np.ndarray]) -> ErrorEstimate:
        """The mean over seeds; ``losses``: for each (n_dev,) which rows are wrong, times their weights."""
        return dev_estimate(self.dataset, losses)

    def _kept(self, outcomes: Sequence[Outcome], repetition: Repetition | None) -> CustomModel:
        """Keep the trial's networks; with ``ensemble`` those of all seeds, with ``single`` the first."""
        has_folds = len(self.dataset.parts) > 1
        outcomes = outcomes if self.request.ensemble else outcomes[:1]
        of_trial = 1 if self.request.single else dev_layout(self.dataset, self.settings.seeds).n_networks
        kept = [[*outcome.networks][: None if self.request.ensemble else of_trial] for outcome in outcomes]
        for place, networks in enumerate(kept):
            for k in range(len(networks)):
                (self._saved(place) / str(k)).rename(self.folder / str(place * len(kept[0]) + k))
            shutil.rmtree(self._saved(place))
        networks = [network for group in kept for network in group]
        seeds = kept if has_folds else [[network] for network in networks]
        losses = [np.concatenate([network.dev_losses for network in group]) for group in seeds]
        whose = OUT_OF_FOLD if has_folds else "the networks of the seeds, on average"
        whose = "this model" if len(networks) == 1 else whose
        train = self._train_error(seeds[0] if has_folds else networks)
        estimates = {"train": (train, whose), "dev": (self._dev_error(losses), whose)}
        encodings = [Encoding.from_json(each) for each in self.dataset.encodings] * len(outcomes)
        return self._model(
            repetition,
            kind="ensemble" if len(networks) > 1 else "trial",
            rows="folds" if has_folds else "train",
            n_rows=self.dataset.sizes["train"],
            updates=[0] * len(networks),
            encodings=encodings,
            errors=stored_errors(estimates) | self._corrected(whose),
        )

    def _final(self, repetition: Repetition | None) -> CustomModel:
        """Train on all rows outside the test set (or all), which are the dev rows of this call, too.

        Where the trainer reported epochs, it may take as many as have the updates of the trial's best epoch.
        """
        rows = ALL if self.request.on == ALL else TRAIN_DEV
        whole, _, encoding = fit_on_all(self.dataset, "all" if rows == ALL else "outside_test")
        one = replace(self.dataset, parts=(Part(whole, whole),), train_dev=None, dev_groups=None)
        n_networks = self.request.seeds if self.request.ensemble else 1
        outcome = self._run(one, self.trial.seed or 0, n_networks, self.folder, self._epochs(len(whole)))
        whose = f"trial {self.trial.number}"
        groups = dev_layout(self.dataset, len(self.trial.networks)).groups(self.trial.networks)
        losses = [np.concatenate([network.dev_losses for network in group]) for group in groups]
        train = self._train_error(self.trial.networks)
        estimates = {"train": (train, whose), "dev": (self._dev_error(losses), whose)}
        wrong = float(np.mean([network.train_wrong for network in outcome.networks]))
        spread, share = dev_spread(self.record, self.trial), share_of_rows(self.record, self.trial)
        if spread is not None:
            own = ErrorEstimate.of_squares(wrong, len(whole), self.dataset.unit, spread)
        else:
            alike = alike_rows(whole.error_weights) if share is None else share * len(whole)
            own = ErrorEstimate.measured(wrong, len(whole), alike, most=self.dataset.unit.most)
        estimates[rows] = (own, "this model, on its training examples")
        return self._model(
            repetition,
            kind="ensemble" if n_networks > 1 else "final",
            rows=rows,
            n_rows=len(whole),
            updates=[0] * n_networks,
            encodings=[encoding],
            errors=stored_errors(estimates) | self._corrected(whose),
        )

    def _epochs(self, n_rows: int) -> int | None:
        """The most epochs on so many rows; None, those of the study, where the trainer reports none."""
        if not any(network.epochs for network in self.trial.networks):
            return None
        best = [network.best_epoch for network in self.trial.networks]
        if not all(best):
            raise UsageError(
                f"trial {self.trial.number}: no reported epoch has the dev error of the returned labels, which "
                "leaves unknown for how many epochs to train on all rows. Leave out --on and --single"
            )
        return max(round(statistics.median(best) * self.dataset.n_train / n_rows), 1)

    def _corrected(self, whose: str) -> dict[str, ErrorMetadata]:
        if self.request.corrected is None or self.trial is not self.record.best:
            return {}
        of = f"{whose}, allowing for the choice of trial"
        return stored_errors({"dev_corrected": (self.request.corrected, of)})

    def _model(self, repetition: Repetition | None, **values: Any) -> CustomModel:
        repeated = None if repetition is None else repetition.is_exact
        metadata = new_metadata(self.record, self.dataset, self.trial, repeated=repeated, architecture=None, **values)
        return CustomModel(metadata, self.trainer, self.folder)


def _differences(trial: TrialRecord, outcome: Outcome) -> list[str]:
    """Say what of a trial's record was not repeated."""
    sentences = []
    for k, (before, now) in enumerate(zip(trial.networks, outcome.networks, strict=False)):
        which = f"network {k}: " if len(trial.networks) > 1 else ""
        pairs = {"train errors": (before.train_wrong, now.train_wrong), "dev errors": (before.dev_wrong, now.dev_wrong)}
        unlike = [f"{what} {new}, recorded {old}" for what, (old, new) in pairs.items() if old != new]
        if not unlike and not np.array_equal(before.dev_losses, now.dev_losses.astype(before.dev_losses.dtype)):
            unlike = ["errors on other dev rows than recorded"]
        sentences += [which + difference for difference in unlike]
    return sentences
