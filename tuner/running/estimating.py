"""What a search would take, from one epoch trained in the middle of its space."""

from __future__ import annotations

import resource
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

from threadpoolctl import threadpool_limits

from tuner.data import Dataset
from tuner.errors import UsageError
from tuner.running.custom_trainer import TrialError, run_custom_trial
from tuner.study import StudyDefinition
from tuner.trainers import Trainer
from tuner.trial import dev_layout, draw_dev_folds, run_trial, trial_settings

BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes on macOS, KiB elsewhere


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of one epoch and of whole searches by one worker; bytes of the data and of the process at its peak.

    ``seconds_at_most``: every trial runs all its epochs.  ``seconds_at_least``: every trial stops as soon as patience
    allows.  Of a trainer of the user's own parameters and updates are unknown, and so are the seconds of an epoch where
    it reports none to speak of: the seconds of a search are then those of its whole calls.
    """

    n_networks: int
    n_parameters: int | None
    updates_per_epoch: int | None
    epoch_seconds: float | None
    seconds_at_least: float
    seconds_at_most: float
    data_bytes: int
    peak_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """As ``tuner check --json`` prints it."""
        return asdict(self)


def estimate_search(definition: StudyDefinition, dataset: Dataset, trainer: Trainer | None = None) -> Estimate:
    """Train one epoch and multiply; what is drawn (batch size, layers) makes real trials faster or slower.

    Raises UsageError where the user's own trainer fails.
    """
    if trainer is not None:
        return _estimate_custom(definition, dataset, trainer)
    space = definition.searched_space
    values = space.middle()
    settings = trial_settings(definition)
    one_epoch = replace(settings, stopping=replace(settings.stopping, max_epochs=1), rungs=())
    with threadpool_limits(limits=1):
        result = run_trial(
            dataset,
            space.hyperparameters(values),
            one_epoch,
            seed=definition.search.seed,
            dev_folds=draw_dev_folds(len(dataset.dev_rows), dataset.dev_groups, definition.data.seed),
        )
    batch = values["batch_size"]
    n_train = len(dataset.parts[0].train)
    updates = 1 if batch == "full" else -(-n_train // int(batch))
    stopping = settings.stopping
    fewest = max(stopping.patience or 0, -(-stopping.min_updates // updates))
    trials = definition.search.trials
    return Estimate(
        n_networks=len(result.networks),
        n_parameters=result.networks[0].architecture.n_parameters,
        updates_per_epoch=updates,
        epoch_seconds=result.seconds,
        seconds_at_least=trials * result.seconds * min(fewest, stopping.max_epochs),
        seconds_at_most=trials * result.seconds * stopping.max_epochs,
        **_memory(dataset),
    )


def _memory(dataset: Dataset) -> dict[str, int]:
    tables = [table for part in dataset.parts for table in (part.train, part.dev)]
    return {
        "data_bytes": sum(table.X.nbytes + table.y.nbytes for table in tables),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT,
    }


def _estimate_custom(definition: StudyDefinition, dataset: Dataset, trainer: Trainer) -> Estimate:
    """Call the trainer in the middle of the space, and end it after the second epoch that it reports."""
    settings = trial_settings(definition)
    epochs = settings.stopping.max_epochs
    try:
        with threadpool_limits(limits=1):
            outcome = run_custom_trial(
                trainer,
                dataset,
                definition.searched_space.middle(),
                replace(settings, rungs=(min(2, epochs),)),
                seed=definition.search.seed,
                prune=lambda _: True,
            )
    except TrialError as error:
        raise UsageError(str(error)) from error
    assert outcome is not None  # nobody tells it to stop
    n_networks = dev_layout(dataset, settings.seeds).n_networks
    epoch_seconds, least, most = None, outcome.seconds, outcome.seconds
    if outcome.pruned:  # what comes before the first epoch is done once, however many follow
        seconds = outcome.networks[0].curve["seconds"].tolist()
        first, epoch_seconds = seconds[0], seconds[-1]
        least, most = least * n_networks, (first + epoch_seconds * (epochs - 1)) * n_networks
    trials = definition.search.trials
    return Estimate(
        n_networks=n_networks,
        n_parameters=None,
        updates_per_epoch=None,
        epoch_seconds=epoch_seconds,
        seconds_at_least=trials * least,
        seconds_at_most=trials * max(least, most),
        **_memory(dataset),
    )
