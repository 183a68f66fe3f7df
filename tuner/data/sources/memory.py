"""How much memory there is, and the refusal of what does not fit into it."""

from __future__ import annotations

import resource
from pathlib import Path

from tuner.errors import DataError

CGROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such limit here, or "max"
        return None


def _free_on_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _free_in_process() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:
        used = 0
    return max(limit - used, 0)


def available_memory() -> int | None:
    """Return the bytes this process may still use: machine, control group and process limit; None if unknown."""
    free = [_free_on_machine(), _free_in_process()]
    for limit, usage in CGROUP_LIMITS:
        most, used = _number(limit), _number(usage)
        if most is not None and used is not None:
            free.append(max(most - used, 0))
    return min((bytes_ for bytes_ in free if bytes_ is not None), default=None)


def show_bytes(size: float) -> str:
    """Write a size for people: 3.1 GB."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def refuse_if_too_large(where: str, need: float, what: str) -> None:
    """Refuse what needs more memory than there is, before it is loaded."""
    free = available_memory()
    if free is not None and need > free:
        raise DataError(
            f"{where}: {what} would need about {show_bytes(need)} of memory, but {show_bytes(free)} are free: "
            "keep fewer rows or columns"
        )
