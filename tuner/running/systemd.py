"""What a service tells systemd, where it was started by it: that it is ready, lives, and what it does."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from tuner.formatting import one_line, shorten

LONGEST_STATUS = 200


def notify(*assignments: str) -> None:
    """Send assignments like "READY=1" to systemd; nothing happens where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto("\n".join(assignments).encode(), address.replace("@", "\0", 1))


def notify_status(text: str) -> None:
    """Set the line that ``systemctl status`` shows."""
    notify(f"STATUS={shorten(one_line(text), LONGEST_STATUS)}")


class Watchdog:
    """Tells systemd's watchdog, if the unit has one, that this process works, as long as ``is_alive()``."""

    def __init__(self, is_alive: Callable[[], bool]) -> None:
        self._is_alive = is_alive
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True, name="watchdog")

    def _tell(self) -> None:
        seconds = float(os.environ["WATCHDOG_USEC"]) / 1e6
        while not self._done.wait(seconds / 3):
            if self._is_alive():
                notify("WATCHDOG=1")

    def __enter__(self) -> Watchdog:
        if os.environ.get("WATCHDOG_USEC", "").isdigit() and os.environ.get("WATCHDOG_PID") in (None, str(os.getpid())):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
