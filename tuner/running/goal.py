"""End a study early: the target is reached, or no more progress."""

from __future__ import annotations

from tuner.storage import History
from tuner.study import StudyDefinition


class Goal:
    """``target_error`` and ``stop_after_no_progress`` of [search]."""

    def __init__(self, definition: StudyDefinition) -> None:
        self._target = definition.search.target_error
        self._patience = definition.search.stop_after_no_progress

    @property
    def is_set(self) -> bool:
        """Whether the definition sets a goal."""
        return self._target is not None or self._patience is not None

    def reached(self, history: History) -> str | None:
        """Why the study ends early, given its history; None if it goes on."""
        if self._target is not None and history.lowest <= self._target:
            return f"the best value {history.lowest:.4g} reached target_error = {self._target:g}"
        if self._patience is not None and history.since_lowest >= self._patience:
            return f"no improvement in {history.since_lowest} trials (stop_after_no_progress = {self._patience})"
        return None
