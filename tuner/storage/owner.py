"""Who holds a claim: enough about a process to tell, on the same machine, whether it is still there."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: its host, that host's boot, its name space of process numbers, its number and its start."""

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    @classmethod
    def this_process(cls) -> Owner:
        """The calling process (after a fork: the child)."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _namespace(), pid, _started(pid) or "unknown")

    def to_json(self) -> str:
        """As the claim's column holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Owner:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))

    def is_gone(self) -> bool:
        """True only if it certainly is: it ran here, and no process with this number and start is left.

        A process of another machine, or of another container on this one, may live although its number is not seen.
        """
        if (self.boot, self.namespace) != (_boot(), _namespace()):
            return False
        if self.boot == "unknown" or self.started == "unknown":
            return False
        return _started(self.pid) != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


@lru_cache(maxsize=1)
def _namespace() -> str:
    try:
        return os.readlink(PROC / "self/ns/pid")
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """The kernel's start time of a process (clock ticks since boot); None where there is none, or only its corpse."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
