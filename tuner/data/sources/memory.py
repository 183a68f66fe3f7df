"""Available memory, and a check before loading."""

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


def available_memory() -> int:
    """Return the bytes available to this process: minimum of machine, control group and process limit."""
    import psutil

    free: list[int] = [psutil.virtual_memory().available]
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed != resource.RLIM_INFINITY:
        free.append(max(allowed - psutil.Process().memory_info().vms, 0))
    for limit, usage in CGROUP_LIMITS:
        most, used = _number(limit), _number(usage)
        if most is not None and used is not None:
            free.append(max(most - used, 0))
    return min(free)


def show_bytes(size: float) -> str:
    """Format a size: 3.1 GB."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def refuse_if_too_large(where: str, need: float, what: str) -> None:
    """Refuse data that needs more memory than is available."""
    free = available_memory()
    if need > free:
        raise DataError(
            f"{where}: {what} need about {show_bytes(need)} of memory, but only {show_bytes(free)} are free. Use fewer "
            "rows or columns"
        )
