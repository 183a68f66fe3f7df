"""What a custom trainer calls after an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from tuner.trainer_child.messages import EpochErrors, TrialEnded


class TrainerError(TrialEnded):
    """A trainer did something wrong, as the one-line message says."""


class EpochReport:
    """What a trainer calls after an epoch: ``report(epoch, train_error, dev_error)``, errors between 0 and 1.

    Epochs count from 1.  Raises within the trainer where the trial is to end.  ``max_epochs`` is what [training]
    allows.  For regression errors are root mean squared errors, in standard deviations as y is.
    """

    def __init__(
        self, trainer: str, max_epochs: int, goes_on: Callable[[EpochErrors], bool], *, is_regression: bool = False
    ) -> None:
        self.max_epochs = max_epochs
        self.has_ended = False
        self._trainer = trainer
        self._most = math.inf if is_regression else 1.0
        self._goes_on = goes_on
        self._epochs = 0
        self._last = time.perf_counter()

    def __call__(self, epoch: int, train_error: float, dev_error: float) -> None:
        """Note an epoch's errors; raise where the trial is to end."""
        now = time.perf_counter()
        if epoch != self._epochs + 1:
            raise TrainerError(
                f"trainer {self._trainer} reported epoch {epoch!r}, expected {self._epochs + 1}: epochs count from 1, "
                "one after the other"
            )
        errors = EpochErrors(self._checked("train", train_error), self._checked("dev", dev_error), now - self._last)
        self._epochs += 1
        self.has_ended = self.has_ended or not self._goes_on(errors)
        self._last = time.perf_counter()
        if self.has_ended:
            raise TrialEnded

    def _checked(self, name: str, error: Any) -> float:
        try:
            value = float(error)
        except (TypeError, ValueError):
            value = math.nan
        if not 0 <= value <= self._most or math.isinf(value):
            share = "the share that is wrong, between 0 and 1"
            expected = share if self._most == 1 else "a root mean squared error, a number ≥ 0"
            raise TrainerError(
                f"trainer {self._trainer} reported a {name} error of {error!r} in epoch {self._epochs + 1}, expected "
                f"{expected}"
            )
        return value
