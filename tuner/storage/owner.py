"""Who holds a claim: enough about a process to tell, on the same machine, whether it is still there."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tuner.outcomes import STRICT
from tuner.storage.holds import LONGEST_NAME, user_name

UNKNOWN = "unknown"
TICKS = 100
"""A second's clock ticks: the unit in which Linux counts start times."""
SAME_START = 2 * TICKS
"""Start times that differ less are of one process: the clock may be set between two looks."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: its host, that host's boot, its name space of process numbers, its number, its start and its user."""

    __pydantic_config__ = STRICT
    host: str
    boot: str
    namespace: str
    pid: Annotated[int, Field(ge=0, lt=2**31)]
    started: Annotated[str, Field(pattern=r"^([0-9]{1,18}|unknown)$")]
    user: Annotated[str, Field(max_length=LONGEST_NAME)] = ""

    @classmethod
    def this_process(cls) -> Owner:
        """The calling process (after a fork: the child)."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _namespace(), pid, _started(pid) or UNKNOWN, user_name())

    def to_json(self) -> str:
        """As the claim's column holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Owner:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))

    @classmethod
    def here(cls) -> str:
        """The pattern of SQL's LIKE, with / before what means itself, of owners whose processes are seen from here."""
        place = json.dumps({"boot": _boot(), "namespace": _namespace()})[1:-1]
        for special in "/%_":
            place = place.replace(special, f"/{special}")
        return f"%{place}%"

    def is_gone(self) -> bool:
        """True only if it certainly is: it ran here, and no process with this number and start is left.

        A process of another machine, or of another container on this one, may live although its number is not seen.
        """
        if (self.boot, self.namespace) != (_boot(), _namespace()):
            return False
        if UNKNOWN in (self.boot, self.started):
            return False
        started = _started(self.pid)
        if started is None or started == UNKNOWN:
            return started is None
        return abs(int(started) - int(self.started)) > SAME_START

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@lru_cache(maxsize=1)
def _boot() -> str:
    """The kernel's name for this boot; elsewhere than on Linux its time."""
    import psutil

    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(round(psutil.boot_time()))


@lru_cache(maxsize=1)
def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks; None where there is none, or only its corpse; UNKNOWN where it is hidden.

    On Linux since boot, since the clock may be changed; elsewhere since 1970, as the system noted it then.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return None
            origin = psutil.boot_time() if psutil.LINUX else 0.0
            return str(round((process.create_time() - origin) * TICKS))
    except psutil.AccessDenied:
        return UNKNOWN
    except psutil.NoSuchProcess:
        return UNKNOWN if _is_hidden(pid) else None


def _is_hidden(pid: int) -> bool:
    """Whether there is a process of which nothing is shown, as with hidepid=2 in /proc of those of other users."""
    if os.name == "nt":  # where a signal of 0 is one, and nothing is hidden
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
