"""What every worker of a search is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.data import Dataset
from tuner.reference_models import ALL
from tuner.storage import Budget, StudyFacts
from tuner.study import StudyDefinition
from tuner.trainers import Trainer


@dataclass(frozen=True)
class Task:
    """What a worker needs to run a study; ``deadline`` is a `time.monotonic` time.

    ``references``: which reference models to train, of `tuner.reference_models.CHOICES`.  ``track``: the trackers that
    its trials are logged in, of `tuner.study.TRACKERS`.  ``hooks``: who is told of which event.  ``threads``: those of
    one worker.  ``confirm``: how many of the best trials are trained again once the budget is complete.
    """

    study_id: int
    trainer: Trainer
    dataset: Dataset
    dev_folds: Any
    budget: Budget
    facts: StudyFacts
    deadline: float | None = None
    references: str = ALL
    track: tuple[str, ...] = ()
    hooks: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    confirm: int = 0

    @property
    def definition(self) -> StudyDefinition:
        """The study's definition, for which the trainer was permitted."""
        return self.trainer.definition
