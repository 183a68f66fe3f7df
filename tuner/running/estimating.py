"""What a search would take, from one epoch trained in the middle of its space."""

from __future__ import annotations

import resource
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

from threadpoolctl import threadpool_limits

from tuner.data import Dataset
from tuner.running.worker import trial_settings
from tuner.study import StudyDefinition
from tuner.trial import draw_dev_folds, run_trial

BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes on macOS, KiB elsewhere


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of one epoch and of whole searches by one worker; bytes of the data and of the process at its peak.

    ``seconds_at_most``: every trial runs all its epochs.  ``seconds_at_least``: every trial stops as soon as patience
    allows.
    """

    n_networks: int
    n_parameters: int
    updates_per_epoch: int
    epoch_seconds: float
    seconds_at_least: float
    seconds_at_most: float
    data_bytes: int
    peak_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """As ``tuner check --json`` prints it."""
        return asdict(self)


def estimate_search(definition: StudyDefinition, dataset: Dataset) -> Estimate:
    """Train one epoch and multiply; what is drawn (batch size, layers) makes real trials faster or slower."""
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
        data_bytes=sum(table.X.nbytes + table.y.nbytes for part in dataset.parts for table in (part.train, part.dev)),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT,
    )
