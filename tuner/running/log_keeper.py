"""What a worker does for SQLite's log: shorten it now and then, and say once that a reader holds it up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tuner.storage import MOST_LOG, Database
from tuner.trainers import print_output

SECONDS = 60.0  # between two looks


@dataclass
class LogKeeper:
    """Looks after the log of one database."""

    database: Database
    _next: float = 0.0
    _has_warned: bool = False

    def look(self) -> None:
        """Shorten a long log, once a minute."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SECONDS
        size = self.database.shorten_log()
        if size > MOST_LOG and not self._has_warned:
            self._has_warned = True
            print_output(f"tuner: warning: {self.database.long_log(size)}")
