"""Measure `tuner report` against its goals, on databases of made trials, each in a process of its own.

    python -m benchmarks.report [--trials 10000] [--epochs 50] [--dev 1000] [--seed 0]

Goals: 10,000 trials x 50 epochs in under 15 seconds and 1 GB; 100 trials in under 3 seconds, start-up included.  The
same studies with hyperparameters' effects, an early end by patience and a tenth of the trials pruned.  Prints the size
of every file too.  Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import distribution_to_json
from optuna.trial import TrialState

from tuner.storage import (
    CURVE_COLUMNS,
    NewStudy,
    StudyFacts,
    ensure_study,
    open_database,
    optuna_internals,
    sqlite_url,
    tables,
)
from tuner.study import StudyDefinition, parse_definition
from tuner.trial import draw_dev_folds

N_TRAIN = 3000
CHUNK = 200  # trials written at once
GOALS = {"large": (15.0, 1000.0), "small": (3.0, None)}

DEFINITION = """
name = "{name}"
[data]
source = "made.csv"
target = "label"
[training]
max_epochs = {epochs}
[space]
lambda = {{ log_uniform = [1e-3, 10.0] }}
keep_prob = {{ uniform = [0.5, 1.0] }}
alpha = {{ log_uniform = [1e-2, 1.0] }}
beta = {{ one_minus_log_uniform = [0.8, 0.99] }}
batch_size = {{ power_of_two = [16, 128] }}
initializer = {{ choice = ["he", "xavier", "lecun"] }}
[search]
trials = {trials}
"""


def make_database(path: Path, n_trials: int, epochs: int, n_dev: int, seed: int) -> None:
    """Write a study of made trials straight into the tables."""
    rng = np.random.default_rng(seed)
    text = DEFINITION.format(name="made", epochs=epochs, trials=n_trials)
    definition = parse_definition(text, "made.toml")
    folds = draw_dev_folds(n_dev, None, 0)
    database = open_database(sqlite_url(path), create=True)
    study, _ = ensure_study(
        database,
        NewStudy(
            name="made",
            definition=text,
            identity={},
            fingerprint="0f" * 32,
            data_path="made.csv",
            dev_rows=np.arange(n_dev),
            dev_classes=rng.integers(0, 10, n_dev),
            dev_groups=None,
            dev_folds=folds,
            test_rows=np.arange(n_dev),
            budget=n_trials,
            facts=StudyFacts(
                class_names=[str(k) for k in range(10)],
                sizes={"train": N_TRAIN, "dev": n_dev, "train_dev": 0, "test": n_dev},
                n_features=20,
            ),
        ),
    )
    hardness = rng.beta(0.5, 4, n_dev)
    for start in range(0, n_trials, CHUNK):
        rows: dict[Any, list[dict[str, Any]]] = {}
        for number in range(start, min(start + CHUNK, n_trials)):
            for table, row in trial_rows(study.study_id, number, epochs, definition, folds, hardness, rng):
                rows.setdefault(table, []).append(row)

        def insert(connection: Any, rows: dict[Any, list[dict[str, Any]]] = rows) -> None:
            for table, table_rows in rows.items():
                connection.execute(table.insert(), table_rows)

        database.write(insert)
    database.close()


def trial_rows(
    study_id: int,
    number: int,
    epochs: int,
    definition: StudyDefinition,
    folds: np.ndarray,
    hardness: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Everything that is stored of one trial, as (table, row)."""
    trial_id = number + 1
    space = definition.searched_space
    u = rng.random(6)
    sampled = {
        "lambda": 10 ** (4 * u[0] - 3),
        "keep_prob": 0.5 + 0.5 * u[1],
        "alpha": 10 ** (2 * u[2] - 2),
        "one_minus_beta": 0.01 * 20 ** u[3],
        "log2_batch_size": int(4 + 4 * u[4]),
        "initializer": ["he", "xavier", "lecun"][int(3 * u[5])],
    }
    pruned = number >= 10 and rng.random() < 0.1
    ran = max(1, epochs // 3) if pruned else epochs
    train = 0.01 * 2 ** (4 * u[0] - 2) * (1 + rng.exponential(0.3))
    dev = min(train + 0.05 * 2 ** (2 - 4 * u[0]) * (1 + rng.exponential(0.3)), 0.9)
    noisy = hardness + rng.normal(0, 0.1, len(hardness))
    bits = noisy > np.quantile(noisy, 1 - dev)
    falling = 0.4 * np.exp(-np.arange(1, ran + 1) / (epochs / 5))
    fold_wrong = np.bincount(folds, weights=bits, minlength=20) + rng.poisson(
        falling[:, None] * np.bincount(folds, minlength=20)
    )
    state = TrialState.PRUNED if pruned else TrialState.COMPLETE
    reason = "pruned" if pruned else "max_epochs"
    yield optuna_internals.trials, {"trial_id": trial_id, "study_id": study_id, "number": number, "state": state}
    yield (
        optuna_internals.values,
        {"trial_id": trial_id, "objective": 0, "value": float(bits.mean()), "value_type": optuna_internals.FINITE},
    )
    for name, distribution in space.distributions.items():
        yield (
            optuna_internals.params,
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": distribution.to_internal_repr(sampled[name]),
                "distribution_json": distribution_to_json(distribution),
            },
        )
    yield (
        tables.trials,
        {
            "trial_id": trial_id,
            "study_id": study_id,
            "seed": number,
            "exploring": number < 10 or number % 4 == 0,
            "hyperparameters": json.dumps(space.values(sampled)),
            "finish_order": trial_id,
            "stop_reason": reason,
            "best_epoch": ran,
            "epochs": ran,
            "seconds": 0.02 * ran,
        },
    )
    yield (
        tables.networks,
        {
            "trial_id": trial_id,
            "network": 0,
            "stop_reason": reason,
            "best_epoch": ran,
            "epochs": ran,
            "updates": 40 * ran,
            "n_train": N_TRAIN,
            "train_wrong": int(train * N_TRAIN),
            "train_cost": 2 * train,
            "n_train_dev": None,
            "train_dev_wrong": None,
            "n_dev": len(bits),
            "dev_wrong": int(bits.sum()),
            "dev_cost": 3 * dev,
            "dev_bits": np.packbits(bits).tobytes(),
        },
    )
    curves = np.column_stack(
        [2 * (train + falling), train + falling, 3 * (dev + falling), dev + falling, 0.02 + 0 * falling]
    )
    for epoch, values in enumerate(curves.tolist(), start=1):
        yield (
            tables.epochs,
            {
                "trial_id": trial_id,
                "network": 0,
                "epoch": epoch,
                **dict(zip(CURVE_COLUMNS, values, strict=True)),
                "dev_fold_wrong": fold_wrong[epoch - 1].astype("<u2").tobytes(),
            },
        )


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
            make_database(folder / "made.db", trials, given.epochs, given.dev, given.seed)
            rounds = sorted(measure(folder / "made.db", folder) for _ in range(1 if size == "large" else 3))
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
