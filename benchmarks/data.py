"""Measure tuner/data against its goals, as ratios to pandas in the same run where a ratio is meant.

    python -m benchmarks.data --adult adult-train.csv adult-test.csv --mnist FOLDER

Goals: adult loaded, encoded and split in at most 1.5 times pandas.read_csv plus one second; MNIST in at most two
seconds; each further worker process at most 100 MB of proportional memory (PSS) on MNIST.  Exit status 1 if one is
missed.  Works in a cache folder of its own, which it removes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tuner.data import DataSettings, load_dataset

ROUNDS = 5
WORKERS = 4


def seconds(call: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Return a call's median time; ``before`` is called before each round and not timed."""
    times = []
    for _ in range(ROUNDS):
        before()
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def report(what: str, value: float, goal: float, unit: str) -> bool:
    """Print one line and return whether the goal was reached."""
    reached = value <= goal
    print(f"{what:<52} {value:8.2f} {unit:<2}  goal {goal:6.2f}  {'reached' if reached else 'MISSED'}", flush=True)
    return reached


def empty_cache() -> None:
    """Remove every prepared array."""
    shutil.rmtree(os.environ["TUNER_CACHE"], ignore_errors=True)


def adult(train: Path, test: Path) -> bool:
    """Load adult's two files, against pandas reading them."""
    import pandas as pd  # here, so that the workers of ``memory``, which import this file, do without it

    settings = DataSettings(source=str(train), test=str(test), header=False, target=14)
    alone = seconds(lambda: [pd.read_csv(path, header=None) for path in (train, test)])
    whole = seconds(lambda: load_dataset(settings, Path.cwd()), empty_cache)
    mapped = seconds(lambda: load_dataset(settings, Path.cwd()))
    print(f"pandas.read_csv alone on adult {alone:.3f} s; adult from the cache {mapped:.3f} s")
    return report("adult: load, encode, split, write the cache", whole, 1.5 * alone + 1, "s")


def mnist_settings(folder: Path) -> DataSettings:
    """Return MNIST with 5,000 dev rows and the official test files."""
    source, test = folder / "train-images-idx3-ubyte.gz", folder / "t10k-images-idx3-ubyte.gz"
    return DataSettings(source=str(source), test=str(test), split={"dev": 5000})


def mnist(folder: Path) -> bool:
    """Load MNIST from its gzipped IDX files."""
    settings = mnist_settings(folder)
    whole = seconds(lambda: load_dataset(settings, Path.cwd()), empty_cache)
    mapped = seconds(lambda: load_dataset(settings, Path.cwd()))
    print(f"MNIST from the cache {mapped:.3f} s")
    return report("MNIST: load, encode, split, write the cache", whole, 2, "s")


def worker(folder: Path, pipe: Connection) -> None:
    """Load MNIST as a worker process does, read all of it, and report this process's memory when asked."""
    dataset = load_dataset(mnist_settings(folder), Path.cwd())
    part = dataset.parts[0]
    assert dataset.test is not None
    pipe.send([float(table.X.sum()) for table in (part.train, part.dev, dataset.test)])
    while pipe.recv():
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        pipe.send(next(int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:")))


def memory(folder: Path) -> bool:
    """Start workers one by one and measure what each adds to the sum of all workers' proportional memory."""
    context = multiprocessing.get_context("spawn")
    workers, pipes, totals = [], [], []
    for _ in range(WORKERS):
        ours, theirs = context.Pipe()
        workers.append(context.Process(target=worker, args=(folder, theirs)))
        workers[-1].start()
        pipes.append(ours)
        ours.recv()
        for pipe in pipes:
            pipe.send(True)
        totals.append(sum(pipe.recv() for pipe in pipes))
    for pipe, process in zip(pipes, workers, strict=True):
        pipe.send(False)
        process.join()
    print(f"PSS of 1 to {WORKERS} MNIST workers together: {', '.join(f'{total:.0f}' for total in totals)} MB")
    return report("MNIST: each further worker process (PSS)", float(np.diff(totals).max()), 100, "MB")


def main() -> int:
    """Run what there are files for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adult", nargs=2, type=Path, metavar=("TRAIN", "TEST"), help="adult's CSV files")
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="folder of MNIST's four gzipped IDX files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TUNER_CACHE"] = cache
        reached = []
        if options.adult:
            reached.append(adult(*(path.resolve() for path in options.adult)))
        if options.mnist:
            reached += [mnist(options.mnist.resolve()), memory(options.mnist.resolve())]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
