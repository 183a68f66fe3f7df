"""What a worker of a database does, for its log: a line for people, fields for programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner.formatting import rough_duration
from tuner.outcomes import TrialState
from tuner.running.confirmation_job import EndedTraining
from tuner.running.showing import ended_text
from tuner.storage import EndedTrial, StoredStudy
from tuner.study import metric_text


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the process ``pid``.

    ``kind``: started, study, trial, trained_again, set_aside, waiting, left or died.
    """

    kind: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    pid: int = field(default_factory=os.getpid)

    @property
    def is_end_of_trial(self) -> bool:
        """Whether a trial ended, and was not re-queued."""
        return self.kind == "trial" and self.fields["state"] not in (TrialState.WAITING, TrialState.RUNNING)

    def __str__(self) -> str:
        return self.text


OnEvent = Callable[[Event], object]


def trial_event(study: StoredStudy, trial: EndedTrial, metric: str) -> Event:
    """A trial that ended or was re-queued, which its reason explains."""
    text = f"{study.name}: {ended_text(trial, metric, study.facts.unit)}"
    return Event("trial", text, {"study": study.name, **asdict(trial)})


def training_event(study: StoredStudy, training: EndedTraining, metric: str) -> Event:
    """One of the best trials that was trained again."""
    result = training.reason or f"value {metric_text(metric, training.value, study.facts.unit)}"
    text = f"{study.name}: trial {training.number} trained again, {result}, {rough_duration(training.seconds)}"
    return Event("trained_again", text, {"study": study.name, **asdict(training)})
