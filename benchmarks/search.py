"""Measure a whole search by the wall clock: ``tuner search`` on digits beside the script a user would write today.

    pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
    python -m benchmarks.search                    # about eight minutes on two idle cores

The script is ``plain_search.py``: Optuna's defaults on SQLite, a PyTorch network on one CPU thread; both have the same
split, space, epochs, patience and pruner, start from nothing in a process of their own, and are held to one core. With
several seeds both take turns. Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.goals import Goal
from tuner.data import load_dataset
from tuner.workspace.locating import read_source

HERE = Path(__file__).parent
DIGITS = HERE.parent / "studies" / "digits.toml"


def write_definition(folder: Path, name: str, *, trials: int, seed: int, target: float | None = None) -> Path:
    """Write the digits study with one split instead of folds, so that a trial is one network on both sides."""
    source = (DIGITS.parent / "data" / "digits.csv.gz").resolve()
    text = DIGITS.read_text(encoding="utf-8").replace('name = "digits"', f'name = "{name}"')
    text = text.replace('"data/digits.csv.gz"', f'"{source}"').replace("folds = 5 ", "# folds = 5 ")
    head, _, search = text.partition("[search]")
    search = search.replace("trials = 100 ", f"trials = {trials} ").replace("seed = 0", f"seed = {seed}")
    if target is not None:
        search = f"\ntarget_error = {target}" + search
    path = folder / f"{name}.toml"
    path.write_text(f"{head}[search]{search}", encoding="utf-8")
    return path


def write_split(folder: Path) -> Path:
    """Write the very split that the study has, for the script."""
    definition = read_source(write_definition(folder, "split", trials=1, seed=0)).definition
    (part,) = load_dataset(definition.data, folder).parts
    path = folder / "split.npz"
    np.savez(path, X_train=part.train.X, y_train=part.train.y, X_dev=part.dev.X, y_dev=part.dev.y)
    return path


def environment(cache: Path) -> dict[str, str]:
    """One BLAS thread, a cache of its own, and compiled modules kept, as both sides' libraries are."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TUNER_CACHE": str(cache)}


def run(command: list[str], folder: Path, cores: set[int]) -> tuple[float, str]:
    """Seconds of a command from start to end on these cores, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder / "cache"),
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return seconds, done.stdout


def run_tuner(definition: Path, folder: Path, cores: set[int], workers: int = 1) -> tuple[float, dict[str, int]]:
    """Seconds of ``tuner search --json``, and the counts of its trials."""
    command = [sys.executable, "-m", "tuner", "search", str(definition), "--workers", str(workers), "--json"]
    seconds, printed = run(command, folder, cores)
    return seconds, json.loads(printed)["run"]


def against_the_script(folder: Path, trials: int, seeds: int) -> list[Goal]:
    """Compare trials a second, and the time until the script's best dev error is reached."""
    split, core = write_split(folder), {min(os.sched_getaffinity(0))}
    speeds, times = [], []
    for seed in range(seeds):
        script = [sys.executable, str(HERE / "plain_search.py"), str(split), f"plain-{seed}.db", str(trials), str(seed)]
        plain, printed = run(script, folder, core)
        lines = [tuple(map(float, line.split())) for line in printed.splitlines()]
        best = lines[-1][1]
        plain_best = next(when for when, value in lines if value == best)
        mine, counts = run_tuner(write_definition(folder, f"same-{seed}", trials=trials, seed=seed), folder, core)
        assert counts["complete"] + counts["pruned"] == trials
        goal = write_definition(folder, f"reach-{seed}", trials=40 * trials, seed=seed, target=best)
        reached, counts = run_tuner(goal, folder, core)
        print(
            f"  seed {seed}: {trials / plain:.1f} trials a second by the script, {trials / mine:.1f} by tuner; its "
            f"best dev error {best:.4f} after {plain_best:.1f} s, by tuner after {reached:.1f} s "
            f"({counts['complete'] + counts['pruned']} trials)",
            flush=True,
        )
        speeds.append(plain / mine)
        times.append(reached / plain_best)
    return [
        Goal(name="trials a second over the script's", value=statistics.median(speeds), low=15),
        Goal(name="time to the script's best dev error, of its time", value=statistics.median(times), high=1 / 8),
    ]


def two_workers(folder: Path, trials: int, rounds: int) -> list[Goal]:
    """Compare two workers on two cores with one on one, and with two searches that share nothing.

    Cores share caches, power and their neighbors' load: what two searches of half the trials each, in databases of
    their own, take at the same time is what this machine's second core is worth.
    """
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        return []
    ratios, ceilings = [], []
    for seed in range(rounds):
        one, _ = run_tuner(write_definition(folder, f"one-{seed}", trials=trials, seed=seed), folder, {cores[0]})
        two, _ = run_tuner(write_definition(folder, f"two-{seed}", trials=trials, seed=seed), folder, set(cores), 2)
        apart = _apart(folder, trials, seed, cores)
        print(f"  {trials} trials: one worker {one:.1f} s, two {two:.1f} s, two searches {apart:.1f} s", flush=True)
        ratios.append(one / two)
        ceilings.append(one / apart)
    return [
        Goal(name="two workers over one", value=statistics.median(ratios), low=1.8),
        Goal(name="two searches that share nothing, over one", value=statistics.median(ceilings)),
    ]


def _apart(folder: Path, trials: int, seed: int, cores: list[int]) -> float:
    """Seconds until two searches of half the trials each, one a core, have both ended."""

    def search(core: int) -> float:
        own = folder / f"apart-{seed}-{core}"
        own.mkdir()
        return run_tuner(write_definition(own, "half", trials=trials // 2, seed=seed + 100 * core), own, {core})[0]

    with ThreadPoolExecutor(2) as both:
        return max(both.map(search, cores))


def main() -> None:
    """Measure, and say which goals were missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100, help="trials of a search")
    parser.add_argument("--seeds", type=int, default=5, help="how often both sides take turns")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuner-benchmark-") as name:
        folder = Path(name)
        goals = against_the_script(folder, arguments.trials, arguments.seeds)
        goals += two_workers(folder, 10 * arguments.trials, min(arguments.seeds, 3))
    print(*goals, sep="\n")
    sys.exit(0 if all(goal.kept() for goal in goals) else 1)


if __name__ == "__main__":
    main()
