"""Check this machine: versions, BLAS and its threads, memory, the database, one training step."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from tuner.data import cache_folder
from tuner.nn import Examples, Hyperparameters, Stopping, train
from tuner.storage import Check, check_database
from tuner.workspace.locating import storage_url

LIBRARIES = ("tuner-search", "numpy", "scipy", "pandas", "optuna", "sqlalchemy", "scikit-learn")
EXTRAS = ("pyarrow", "psycopg", "distributed", "optuna-dashboard", "onnx")
SLOW_STEP = 5e-3
"""Seconds: a step takes 0.1 ms on a machine of 2020; 50 times that means something is wrong."""
STEPS, ROUNDS = 50, 4


def check_machine(storage: str | None = None) -> list[Check]:
    """Run all checks, in the order shown; nothing is created."""
    return [
        _check_versions(),
        _check_blas(),
        _check_cores(),
        *check_database(storage_url(storage)),
        _check_cache(),
        _check_step(),
    ]


def _check_versions() -> Check:
    libraries, extras = _installed(LIBRARIES), _installed(EXTRAS)
    text = ", ".join([f"python {platform.python_version()}", *libraries.values()])
    text += f"; extras: {', '.join(extras.values())}" if extras else "; no extras"
    missing = [name for name in LIBRARIES if name not in libraries]
    if missing:
        return Check("versions", False, f"{text}; missing: {', '.join(missing)} (pip install tuner-search again)")
    return Check("versions", True, text)


def _installed(names: Sequence[str]) -> dict[str, str]:
    """Each library that is installed, with its version."""
    versions = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = f"{name} {version(name)}"
    return versions


def _check_blas() -> Check:
    libraries = [entry for entry in threadpool_info() if entry["user_api"] == "blas"]
    if not libraries:
        return Check("BLAS", False, "none whose threads can be limited. Set OMP_NUM_THREADS=1")
    texts = {f"{entry['internal_api']} {entry['version']} ({entry['num_threads']} threads here)" for entry in libraries}
    return Check("BLAS", True, f"{', '.join(sorted(texts))}; each worker uses one thread")


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_cores() -> Check:
    import psutil

    cores = usable_cores()
    memory = psutil.virtual_memory().total / 1e9
    return Check("cores", True, f"{cores} for this process (--workers {cores} uses all), {memory:.1f} GB of memory")


def _check_cache() -> Check:
    """Where data files' arrays are cached; without a cache each search reads its file again."""
    folder = cache_folder()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if os.access(nearest, os.W_OK):
        return Check("cache", True, str(folder))
    return Check("cache", True, f"none: {folder} cannot be written. Set TUNER_CACHE to another folder")


def _check_step() -> Check:
    """Time a step of a network of 64 inputs, 64 and 32 hidden units and 10 classes, 64 examples at a time.

    The fastest of a few rounds counts, so that a brief load does not matter.
    """
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((64 * STEPS, 64), dtype=np.float32), rng.integers(0, 10, 64 * STEPS)
    settings = Hyperparameters(hidden=(64, 32), batch_size=64)
    with threadpool_limits(limits=1):
        seconds = min(_seconds_per_step(Examples(X, y), settings) for _ in range(ROUNDS))
    text = f"{1e6 * seconds:,.0f} µs for 64 examples through 64-64-32-10"
    if seconds <= SLOW_STEP:
        return Check("training step", True, text)
    return Check("training step", False, f"{text}, expected less than {1e6 * SLOW_STEP:,.0f}: is the machine busy?")


def _seconds_per_step(data: Examples, settings: Hyperparameters) -> float:
    began = time.perf_counter()
    run = train(data, None, n_classes=10, hyperparameters=settings, seeds=[0], stopping=Stopping(max_epochs=1))
    return (time.perf_counter() - began) / run.networks[0].updates
