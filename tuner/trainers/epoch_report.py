"""What a custom trainer calls after an epoch."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tuner.trainers.interrupting import TrialEnded
from tuner.trainers.trainer import ShouldStop, TrialError
from tuner.trial import Prune, TrialSettings


@dataclass
class EpochReport:
    """What a trainer calls after an epoch: ``report(epoch, train_error, dev_error)``, errors between 0 and 1.

    Epochs count from 1.  Raises within the trainer where the trial is to end: it is pruned, or the search stops.
    ``max_epochs`` is what [training] allows.
    """

    _name: str
    _settings: TrialSettings
    _prune: Prune | None
    should_stop: ShouldStop
    pruned: bool = False
    stopped: bool = False
    best_dev_error: float = 1.0
    rung_values: dict[int, float] = field(default_factory=dict)
    curve: list[tuple[float, float, float]] = field(default_factory=list)
    busy: threading.Lock = field(default_factory=threading.Lock)
    _last: float = field(default_factory=time.perf_counter)

    @property
    def max_epochs(self) -> int:
        """The epochs that [training] allows at the most."""
        return int(self._settings.stopping.max_epochs)

    def __call__(self, epoch: int, train_error: float, dev_error: float) -> None:
        """Note an epoch's errors; raise where the trial is to end."""
        with self.busy:
            self._note(epoch, train_error, dev_error)
        if self.pruned or self.stopped:
            raise TrialEnded

    def _note(self, epoch: int, train_error: float, dev_error: float) -> None:
        now = time.perf_counter()
        if epoch != len(self.curve) + 1:
            raise TrialError(
                f"trainer {self._name} reported epoch {epoch!r}, expected {len(self.curve) + 1}: epochs count from 1, "
                "one after the other"
            )
        errors = [self._checked(name, error) for name, error in (("train", train_error), ("dev", dev_error))]
        self.curve.append((errors[0], errors[1], now - self._last))
        self._last = now
        self.best_dev_error = min(self.best_dev_error, errors[1])
        self.stopped = self.should_stop()
        if epoch in self._settings.rungs and not self.stopped:
            self.rung_values[epoch] = self.best_dev_error
            self.pruned = self._prune is not None and self._prune(dict(self.rung_values), ())

    def _checked(self, name: str, error: Any) -> float:
        try:
            value = float(error)
        except (TypeError, ValueError):
            value = math.nan
        if not 0 <= value <= 1:
            raise TrialError(
                f"trainer {self._name} reported a {name} error of {error!r} in epoch {len(self.curve) + 1}, expected "
                "the share that is wrong, between 0 and 1"
            )
        return value
