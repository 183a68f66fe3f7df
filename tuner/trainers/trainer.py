"""The protocol of a trainer: it runs a trial and returns what is recorded of it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from tuner.data import Dataset
from tuner.printable import visible
from tuner.storage import Outcome
from tuner.study import StudyDefinition
from tuner.trainer_child.messages import TrialEnded
from tuner.trial import OnEpochErrors, Prune, TrialSettings

ALWAYS_FREE = 1 << 26
"""Bytes that are taken without asking for the free memory, which takes longer than a small network's first epochs."""
BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes on macOS, KiB elsewhere
ShouldStop = Callable[[], bool]


def never() -> bool:
    """Do not stop."""
    return False


def print_output(line: str) -> None:
    """Show a line on stderr: what a custom trainer printed, or a warning."""
    print(visible(line), file=sys.stderr, flush=True)


class TrialError(TrialEnded):
    """A trial failed, for the reason given in one line; the search goes on with the next one."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A trial that was stopped before its end; ``checkpoint`` continues it, None begins it anew."""

    checkpoint: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """One trial to run: hyperparameters as people read them, ``settings`` common to all trials, and the trial's seed.

    ``dev_folds`` (n_dev,): the fold of each dev example in which the selection correction counts it.
    ``prune`` is asked at every rung and may end the trial; ``should_stop()`` is asked often and interrupts
    it.  ``checkpoint``: what an interrupted attempt at this trial left.  ``number``: the trial's, to name what a custom
    trainer prints.  ``on_epoch(epoch, train_error, dev_error)`` is called after every epoch: with the means over the
    networks, or of a custom trainer with the errors of its first one.
    """

    dataset: Dataset
    values: Mapping[str, Any]
    settings: TrialSettings
    seed: int
    dev_folds: np.ndarray
    prune: Prune | None = None
    should_stop: ShouldStop = never
    checkpoint: bytes | None = None
    number: int | None = None
    on_epoch: OnEpochErrors | None = None

    def print_output(self, line: str) -> None:
        """Show a line that the trainer printed."""
        print_output(line if self.number is None else f"trial {self.number}: {line}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Seconds of one epoch and of whole searches by one worker; bytes of the data and of the process at its peak.

    ``seconds_at_most``: every trial runs all its epochs.  ``seconds_at_least``: every trial stops as soon as it may.
    Parameters, updates and the seconds of an epoch are None where they are unknown.  ``ran``: a sentence on what was
    tried.
    """

    n_networks: int
    n_parameters: int | None
    updates_per_epoch: int | None
    epoch_seconds: float | None
    seconds_at_least: float
    seconds_at_most: float
    data_bytes: int
    peak_bytes: int
    ran: str

    def to_dict(self) -> dict[str, Any]:
        """As ``tuner check --json`` prints it."""
        numbers = asdict(self)
        del numbers["ran"]
        return numbers


class Trainer(Protocol):
    """Trains the models of one study.  It must be picklable, and is shared by all trials."""

    @property
    def definition(self) -> StudyDefinition:
        """The study's definition; its ``trainer_kind`` says what a report may say of the models."""

    def prepare(self) -> None:
        """Import what a trial needs.  Raises UsageError where no trial could run."""

    def run(self, request: TrialRequest) -> Outcome | Interrupted:
        """Train the trial's networks.

        A trial that is pruned or diverges has an Outcome, too.  Raises TrialError, or any Exception, where it fails.
        """

    def estimate(self, dataset: Dataset) -> Estimate:
        """Try the trainer in the middle of the space, and multiply.  Raises UsageError where it fails."""


def memory_used(dataset: Dataset) -> dict[str, int]:
    """Bytes of the data, and of this process at its peak, as :class:`Estimate` names them."""
    every = {id(each): each for each in (dataset, *dataset.forms.values())}.values()
    tables = [table for each in every for part in each.parts for table in (part.train, part.dev)]
    return {
        "data_bytes": sum(table.inputs.nbytes + table.y.nbytes for table in tables),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT,
    }
