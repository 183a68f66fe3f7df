"""What a worker tells others, in a thread of its own: they may be slow or fail, and no trial waits for them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from tuner.errors import TunerError
from tuner.formatting import error_line, shorten
from tuner.printable import without_passwords
from tuner.trainers import print_output

CLOSE_SECONDS = 30.0
"""How long the end of a search waits until all is told."""
STOPPED_SECONDS = 2.0
"""The same after a signal."""

Item = TypeVar("Item")


class Outbox(Generic[Item]):
    """Sends items one after the other to ``name``.

    ``connect()`` returns what sends one; ``what`` names one that was not sent.  The first item starts the thread, which
    does not keep a process from ending.  ``give_up()`` ends what is still being sent when nobody waits any longer.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Callable[[Item], object]],
        what: Callable[[Item], str],
        give_up: Callable[[], object] | None = None,
    ) -> None:
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._name = name
        self._connect = connect
        self._what = what
        self._give_up = give_up
        self._thread: threading.Thread | None = None
        self._has_warned = False

    def put(self, item: Item) -> None:
        """Send an item, soon."""
        self._items.put(item)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"tuner-{self._name}", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Let the thread end once all is sent."""
        self._items.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for that, but no longer than so many seconds."""
        if self._thread is None:
            return
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._warn("it still has not answered, so that it may lack the last trials")
            if self._give_up is not None:
                self._give_up()

    def _work(self) -> None:
        send = None
        while (item := self._items.get()) is not None:
            try:
                send = send or self._connect()
                send(item)
            except BaseException as error:  # SystemExit, too: no library may end a search
                text = str(error) if isinstance(error, TunerError) else error_line(error)
                self._warn(f"{self._what(item)}: {without_passwords(text)}")

    def _warn(self, text: str) -> None:
        """Say once what failed."""
        if not self._has_warned:
            self._has_warned = True
            print_output(f"tuner: warning: {self._name}: {shorten(text, 300)}; no trial is lost")


def close(outboxes: Sequence[Outbox[Any]], seconds: float = CLOSE_SECONDS) -> None:
    """Wait until all is sent, but no longer than so many seconds."""
    end = time.monotonic() + seconds
    for outbox in outboxes:
        outbox.end()
    for outbox in outboxes:
        outbox.wait(max(0.0, end - time.monotonic()))
