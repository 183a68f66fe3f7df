"""Measure ``tuner predict`` on a million rows against pandas reading and writing the same file, in one run.

    python -m benchmarks.predict                # 1,000,000 rows of 6 numbers and 8 categories, 3 rounds

Goals: under 500 MB, and no slower than twice ``read_csv`` and ``to_csv`` of pandas.  Both are processes of their own,
start-up included, taken in turns; the figures are medians.  Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import tuner
from benchmarks.goals import Goal

PANDAS = "import sys, pandas; pandas.read_csv(sys.argv[1]).to_csv(sys.argv[2], index=False)"
WORDS = ["Private", "Self-emp-not-inc", "Local-gov", "State-gov", "Without-pay", "Never-worked", "Federal-gov", "?"]


def rows(n: int, seed: int) -> pd.DataFrame:
    """A table shaped like adult: six integers, eight columns of words, some of them missing, two classes."""
    rng = np.random.default_rng(seed)
    numbers = {f"number_{k}": rng.integers(0, 10 ** (k % 5 + 2), n) for k in range(6)}
    words = {f"word_{k}": rng.choice(WORDS, n) for k in range(8)}
    y = (numbers["number_0"] / 100 + (words["word_0"] == "Private") + rng.normal(0, 0.3, n)) > 1
    return pd.DataFrame({**numbers, **words, "income": np.where(y, ">50K", "<=50K")})


def write_rows(path: Path, n: int) -> None:
    """So many rows as CSV, written in pieces."""
    for seed, start in enumerate(range(0, n, 100_000), start=1):
        rows(min(100_000, n - start), seed).to_csv(path, index=False, mode="a", header=not start)


def measured(*command: str) -> tuple[float, float, float]:
    """Seconds on the clock, seconds of the processor and peak megabytes of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with status {process.returncode}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def main() -> int:
    """Train a model, write the rows, and take turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["TUNER_CACHE"] = str(Path(folder) / "cache")
        model = tuner.search(rows(5000, 0), target="income", trials=1, name="predict").train()
        model.save("model.tuner")
        write_rows(Path("rows.csv"), options.rows)
        print(f"{options.rows:,} rows, {Path('rows.csv').stat().st_size / 1e6:.0f} MB, {model.metadata.described()}")
        ours = [sys.executable, "-m", "tuner", "predict", "model.tuner", "rows.csv", "--probabilities"]
        taken = []
        for _ in range(options.rounds):
            taken.append(
                (measured(*ours, "--output", "out.csv"), measured(sys.executable, "-c", PANDAS, "rows.csv", "copy.csv"))
            )
            print("  tuner {:.1f} s ({:.1f} s of processor), {:.0f} MB".format(*taken[-1][0]), end="; ")
            print("pandas {:.1f} s ({:.1f} s of processor), {:.0f} MB".format(*taken[-1][1]), flush=True)
    goals = [
        Goal(
            name="predict over pandas' read_csv and to_csv, seconds",
            value=statistics.median(a[0] / b[0] for a, b in taken),
            high=2,
        ),
        Goal(name="the same, seconds of processor", value=statistics.median(a[1] / b[1] for a, b in taken), high=2),
        Goal(name="predict, peak memory in MB", value=max(a[2] for a, _ in taken), high=500),
    ]
    for goal in goals:
        print(goal)
    return 0 if all(goal.kept() for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
