"""Keep a claim alive while its trial trains."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tuner.errors import StorageError
from tuner.storage import HEARTBEAT_SECONDS


class Heartbeat:
    """A thread that calls ``renew()``; ``lost`` is set once another worker has taken the claim over."""

    def __init__(self, renew: Callable[[], bool], seconds: float = HEARTBEAT_SECONDS) -> None:
        self._renew = renew
        self._seconds = seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self.lost = False

    def _beat(self) -> None:
        while not self._done.wait(self._seconds):
            try:
                self.lost = not self._renew()
            except StorageError:
                continue  # the expiry is four beats away: the next one may get through
            if self.lost:
                return

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=self._seconds)  # a beat may hang in a busy database; it cannot do harm any more
