"""Seconds from ``tuner search digits --workers K`` to its Kth running trial.

    python -m benchmarks.workers [--workers 2] [--rounds 5] [--against FOLDER]

``--against``: another checkout, measured in turn with this one.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

HERE = Path(__file__).parents[1]


def seconds_to_start(checkout: Path, workers: int) -> float:
    """One search in an empty folder, ended once so many trials run."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        search = subprocess.Popen(
            [sys.executable, "-m", "tuner", "search", "digits", "--workers", str(workers), "--quiet"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while search.poll() is None and running(Path(folder, "studies", "tuner.db")) < workers:
            time.sleep(0.01)
        seconds = time.monotonic() - began
        search.terminate()
        search.wait()
    return seconds


def running(database: Path) -> int:
    """The trials that have begun."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return int(opened.execute("SELECT count(*) FROM trials").fetchone()[0])
    return 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout")
    arguments = parser.parse_args()
    checkouts = [HERE, *([] if arguments.against is None else [arguments.against.absolute()])]
    rounds = [[seconds_to_start(one, arguments.workers) for one in checkouts] for _ in range(arguments.rounds)]
    for checkout, seconds in zip(checkouts, zip(*rounds, strict=True), strict=True):
        print(f"{checkout}: median {statistics.median(seconds):.2f} s of {', '.join(f'{s:.2f}' for s in seconds)}")
    if arguments.against is not None:
        print(f"ratio, median over the rounds: {statistics.median(here / there for here, there in rounds):.2f}")


if __name__ == "__main__":
    main()
