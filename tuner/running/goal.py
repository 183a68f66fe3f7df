"""End a study early: the target is reached, or no more progress."""

from __future__ import annotations

import math
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from tuner.study import StudyDefinition


class Goal:
    """``target_error`` and ``stop_after_no_progress`` of [search]; reads each finished trial once."""

    def __init__(self, definition: StudyDefinition) -> None:
        self._target = definition.search.target_error
        self._patience = definition.search.stop_after_no_progress
        self._read = 0
        self._best = math.inf
        self._since = 0

    @property
    def is_set(self) -> bool:
        """Whether the definition sets a goal."""
        return self._target is not None or self._patience is not None

    def reached(self, finished: Sequence[FrozenTrial]) -> str | None:
        """Why the study ends early, given its finished trials in the order they finished; None if it goes on."""
        for trial in finished[self._read :]:
            value = trial.value if trial.state is TrialState.COMPLETE else None
            if value is not None and value < self._best:
                self._best, self._since = value, 0
            else:
                self._since += 1
        self._read = len(finished)
        if self._target is not None and self._best <= self._target:
            return f"the best value {self._best:.4g} reached target_error = {self._target:g}"
        if self._patience is not None and self._since >= self._patience:
            return f"no improvement in {self._since} trials (stop_after_no_progress = {self._patience})"
        return None
