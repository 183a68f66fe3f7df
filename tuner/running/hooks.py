"""Who is told of a search while it runs: the log, and a caller's own functions."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from tuner.outcomes import StopReason, TrialState
from tuner.printable import visible
from tuner.running.search import SearchProgress
from tuner.running.showing import ended_text
from tuner.storage import EndedTrial

LOGGER = logging.getLogger("tuner")
LOGGER.addHandler(logging.NullHandler())  # a program that sets up no logging sees none

OnTrial = Callable[[EndedTrial], object]


@dataclass
class Hooks:
    """Called with the progress of a search: logs each trial that ended, then passes it on.

    ``on_best``: called with each complete trial that is better than all before it.
    """

    on_trial: OnTrial | None = None
    on_best: OnTrial | None = None
    _best: float | None = None

    @property
    def are_needed(self) -> bool:
        """Whether anything listens."""
        return self.on_trial is not None or self.on_best is not None or LOGGER.isEnabledFor(logging.INFO)

    def __call__(self, report: SearchProgress) -> None:
        """Pass on what ended since the last call."""
        if self._best is None:  # the search begins
            self._best = report.progress.best.value if report.progress.best else math.inf
            return
        for trial in report.ended:
            failed = trial.state == TrialState.FAILED
            text = visible(ended_text(trial, report.metric, report.progress.unit))
            LOGGER.log(logging.WARNING if failed else logging.INFO, "%s", text)
            if self.on_trial is not None:
                self.on_trial(trial)
            if trial.state != TrialState.COMPLETE or trial.stop_reason == StopReason.DIVERGED or trial.value is None:
                continue
            if trial.value < self._best:
                self._best = trial.value
                if self.on_best is not None:
                    self.on_best(trial)
