"""``tuner train`` for a custom trainer: call it again as in the trial, and keep what it saves."""

from __future__ import annotations

import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from tuner.data import Dataset, Encoding
from tuner.errors import UsageError
from tuner.modeling.custom_model import CustomModel
from tuner.modeling.evaluating import estimate_error
from tuner.modeling.fitting import OUT_OF_FOLD, FitRequest, stored_errors, train_estimate
from tuner.modeling.metadata import new_metadata
from tuner.modeling.model import Repetition
from tuner.outcomes import TrialState
from tuner.storage import Outcome, StudyRecord, TrialRecord
from tuner.trainers import CustomTrainer, TrialError, TrialRequest
from tuner.trial import TrialSettings, dev_layout


def fit_custom_model(
    record: StudyRecord, dataset: Dataset, settings: TrialSettings, request: FitRequest, trainer: CustomTrainer
) -> CustomModel:
    """Repeat a trial and keep its networks.  Raises UsageError where the trial or its models cannot be kept."""
    if request.seeds > 1 or request.single or request.ensemble or request.on != "train":
        raise UsageError("--seeds, --single, --ensemble and --on are not for a custom trainer: its trial is repeated")
    trial = _chosen(record, request.trial)
    folder = Path(mkdtemp(prefix="tuner-"))
    again = TrialRequest(
        dataset=dataset,
        values=trial.params,
        settings=replace(settings, rungs=()),
        seed=trial.seed or 0,
        dev_folds=record.dev_fold,
    )
    try:
        outcome = trainer.run(again, folder)
        assert isinstance(outcome, Outcome)  # nothing stops it
        model = _model(record, dataset, request, trial, outcome, trainer, folder)
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


def _model(
    record: StudyRecord,
    dataset: Dataset,
    request: FitRequest,
    trial: TrialRecord,
    outcome: Outcome,
    trainer: CustomTrainer,
    folder: Path,
) -> CustomModel:
    networks, layout = outcome.networks, dev_layout(dataset, len(outcome.networks))
    whose = OUT_OF_FOLD if layout.has_folds else "the networks of the seeds, on average"
    whose = "this model" if len(networks) == 1 else whose
    sizes = [network.n_train for network in networks]
    train = train_estimate(dataset, layout, [network.train_wrong for network in networks], sizes)
    dev_wrong = np.mean(layout.sets([n.dev_losses for n in networks]), axis=0)
    estimates = {
        "train": (train, whose),
        "dev": (estimate_error(dev_wrong, dataset.dev_groups, dataset.dev_weights), whose),
    }
    if request.corrected is not None and trial is record.best:
        estimates["dev_corrected"] = (request.corrected, f"{whose}, allowing for the choice of trial")
    differences = _differences(trial, outcome)
    metadata = new_metadata(
        record,
        dataset,
        trial,
        kind="ensemble" if len(networks) > 1 else "trial",
        rows="folds" if layout.has_folds else "train",
        n_rows=dataset.sizes["train"],
        updates=[0] * len(networks),
        repeated=not differences,
        architecture=None,
        encodings=[Encoding.from_json(each) for each in dataset.encodings],
        errors=stored_errors(estimates),
    )
    model = CustomModel(metadata, trainer, folder)
    model.repetition = Repetition(
        train_errors=[estimates["train"][0].value],
        dev_errors=[estimates["dev"][0].value],
        differences=differences,
        spread=None,
    )
    return model


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
