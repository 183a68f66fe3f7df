"""Measure `tuner report` against its goals, on databases of made trials, each in a process of its own.

    python -m benchmarks.report [--trials 10000] [--epochs 50] [--dev 1000] [--seed 0]

Goals: 10,000 trials x 50 epochs in under 15 seconds and 1 GB; 100 trials in under 3 seconds, start-up included.  The
studies are those of ``benchmarks.growth``.  Prints the size of every file too.  Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.database import make_study
from benchmarks.growth import fill

GOALS = {"large": (15.0, 1000.0), "small": (3.0, None)}


def make_database(folder: Path, n_trials: int, epochs: int, n_dev: int, seed: int) -> None:
    """Make a study of made trials in ``folder/tuner.db``."""
    os.environ["TUNER_STORAGE"] = f"sqlite:///{folder / 'tuner.db'}"
    study = make_study(folder, "made", trials=n_trials, rows=5 * n_dev)
    fill(folder / "tuner.db", study, n_trials, epochs=epochs, seed=seed)
    study.database.close()


def measure(database: Path, folder: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak megabytes of `tuner report` in a process of its own."""
    command = [sys.executable, "-m", "tuner", "report", "made", "--storage", f"sqlite:///{database}", "--output", "out"]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"tuner report ended with {status}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure the large and the small study; the small one three times, of which the median counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--dev", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    missed = False
    for size, trials in (("large", given.trials), ("small", 100)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_database(folder, trials, given.epochs, given.dev, given.seed)
            rounds = sorted(measure(folder / "tuner.db", folder) for _ in range(1 if size == "large" else 3))
            wall, processor, megabytes = rounds[len(rounds) // 2]
            most_seconds, most_megabytes = GOALS[size]
            reached = wall < most_seconds and (most_megabytes is None or megabytes < most_megabytes)
            missed |= not reached
            limit = f"{most_seconds:.0f} s" + ("" if most_megabytes is None else f" and {most_megabytes:.0f} MB")
            print(
                f"{trials:>6,} trials x {given.epochs} epochs: {wall:5.2f} s ({processor:5.2f} s of processor), "
                f"{megabytes:5.0f} MB; goal {limit}: {'reached' if reached else 'MISSED'}"
            )
            for path in sorted((folder / "out" / "made").iterdir()):
                print(f"{'':8}{path.name:<14}{path.stat().st_size / 1024:9.0f} KiB")
    raise SystemExit(int(missed))


if __name__ == "__main__":
    main()
