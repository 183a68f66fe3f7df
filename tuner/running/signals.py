"""Stop after SIGINT or SIGTERM, or once the parent process is gone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from types import FrameType

from tuner.errors import StoppedError


@dataclass
class StopSignal:
    """Whether to stop: after SIGINT or SIGTERM, once the parent process is gone, or if it is requested."""

    parent: BaseProcess | None = None
    number: int | None = None
    requested: bool = False

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.requested or self.number is not None or (self.parent is not None and not self.parent.is_alive())

    def stopped(self, error: Exception) -> StoppedError | None:
        """The error to end with where a signal came while the database could not be reached."""
        if self.number is None:
            return None
        name = signal.Signals(self.number).name
        return StoppedError(
            f"stopped by {name} while the database was away; the next worker re-queues the running trials ({error})",
            self.number,
        )

    @contextmanager
    def listening(self) -> Iterator[StopSignal]:
        """Catch the two signals while the block runs (in the main thread; elsewhere Python allows no handlers).

        A second signal has its usual effect, but not on a worker process: its parent sends one that may be the second.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def note(number: int, _: FrameType | None) -> None:
            self.number = number
            if self.parent is None:
                signal.signal(number, before[signal.Signals(number)])

        for number in before:
            signal.signal(number, note)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
