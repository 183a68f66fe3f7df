"""Measure what grows with the trials of a study: claims, asks, lists, views and reports at 1,000 to 100,000 trials.

    python -m benchmarks.growth                               # about half an hour, 3 GB of disk
    python -m benchmarks.growth --trials 1000 10000           # smaller studies alone

The studies are made: valid rows in bulk, with hyperparameters that have effects, a tenth of the trials pruned, some
failed and diverged.  Claims and asks take turns with plain Optuna (SQLite in WAL mode) on a copy of the file.
Commands run in processes of their own, start-up included; all times are processor seconds.  Exit status 1 if a goal is
missed.
"""

from __future__ import annotations

import os

for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import TrialState

from benchmarks.database import Plain, make_study, task_of
from benchmarks.goals import Goal
from tuner.running import worker
from tuner.storage import Budget, Owner, claim_trial, counting, fail
from tuner.workspace import PreparedStudy

SIZES = (1000, 10_000, 100_000)
EPOCHS = 50
CHUNK = 1000  # trials written at once
ROUNDS = 20
ROWS = 5000  # of the made data, a fifth of them dev
COMMANDS = ("studies", "watch made", "trials made --limit 20", "trials made --csv", "report made")
RUN = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "tuner", *sys.argv[1:]], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""Runs a command from a small process: its memory counts for that of the command."""
MOST_ASK, MOST_REPORT, MOST_MEGABYTES = 60.0, 30.0, 700.0
"""Goals at 100,000 trials: milliseconds of an ask, seconds and memory of a report."""
MOST_NEIGHBOR = 1.2
MOST_GROWTH = 1.5
"""Of what should not grow with the trials, the largest size over the smallest."""
BEGAN = "2026-01-01 00:00:00.000000"
FAILED, DIVERGED, PRUNED = 0.01, 0.01, 0.1
INITIALIZERS = ("he", "xavier", "lecun")


def fill(file: Path, study: PreparedStudy, n: int, *, epochs: int = EPOCHS, seed: int = 0) -> None:
    """Give a study of ``benchmarks.database.make_study`` n trials that ended, written straight into the tables."""
    rng = np.random.default_rng(seed)
    folds = np.asarray(study.dev_folds)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        (first,) = connection.execute("SELECT coalesce(max(trial_id), 0) + 1 FROM trials").fetchone()
        hardness, finished = rng.beta(0.5, 4, len(folds)), 0
        for start in range(0, n, CHUNK):
            made = Chunk(study, first + start, start, finished, min(CHUNK, n - start), epochs)
            for table, rows in made.rows(rng, folds, hardness):
                places = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
                finished += len(rows) if table.startswith("trial_values") else 0
        connection.commit()
    study.database.write(lambda connection: counting.recount(connection, study.stored.study_id))


@dataclass
class Chunk:
    """Some trials of a made study."""

    study: PreparedStudy
    first_id: int
    first_number: int
    finished: int
    n: int
    epochs: int

    def rows(
        self, rng: np.random.Generator, folds: np.ndarray, hardness: np.ndarray
    ) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        """Everything that is stored of the trials: (table and columns, rows)."""
        n, study_id = self.n, self.study.stored.study_id
        space = self.study.definition.searched_space
        n_train, n_dev = self.study.stored.facts.sizes["train"], len(folds)
        ids = range(self.first_id, self.first_id + n)
        numbers = range(self.first_number, self.first_number + n)
        chance, u = rng.random(n), rng.random((n, 6))
        chance[[number < 10 for number in numbers]] = 1
        failed, diverged = chance < FAILED, (chance >= FAILED) & (chance < FAILED + DIVERGED)
        pruned = (chance >= FAILED + DIVERGED) & (chance < FAILED + DIVERGED + PRUNED)
        train = 0.01 * 2 ** (4 * u[:, 0] - 2) * (1 + rng.exponential(0.3, n))
        gap = 0.05 * 2 ** (2 - 4 * u[:, 0]) * (1 + rng.exponential(0.3, n))
        noisy = hardness + rng.normal(0, 0.1, (n, n_dev))
        wrong = np.clip(np.minimum(train + gap, 0.9) * n_dev, 1, n_dev - 1).astype(int)
        places = n_dev - wrong
        cut = np.array([np.partition(row, place)[place] for row, place in zip(noisy, places, strict=True)])
        bits = noisy >= cut[:, None]
        dev = bits.mean(axis=1)
        ran = np.where(pruned, max(1, self.epochs // 3), self.epochs).tolist()
        reasons = np.select([failed, diverged, pruned], ["failed", "diverged", "pruned"], "max_epochs").tolist()
        states = np.select([failed, pruned], ["FAIL", "PRUNED"], "COMPLETE").tolist()
        ended = np.flatnonzero(~failed).tolist()
        orders = (self.finished + np.cumsum(~failed)).tolist()
        sampled = np.column_stack(
            [
                10 ** (4 * u[:, 0] - 3),
                0.5 + 0.5 * u[:, 1],
                10 ** (2 * u[:, 2] - 2),
                0.01 * 20 ** u[:, 3],
                (4 + 4 * u[:, 4]).astype(int),
                (3 * u[:, 5]).astype(int),
            ]
        ).tolist()
        names = ("lambda", "keep_prob", "alpha", "one_minus_beta", "log2_batch_size", "initializer")
        points = [dict(zip(names, [*row[:4], int(row[4]), INITIALIZERS[int(row[5])]], strict=True)) for row in sampled]
        yield (
            "trials (trial_id, number, study_id, state, datetime_start, datetime_complete)",
            [(k, number, study_id, state, BEGAN, BEGAN) for k, number, state in zip(ids, numbers, states, strict=True)],
        )
        texts = {name: distribution_to_json(space.distributions[name]) for name in names}
        yield (
            "trial_params (trial_id, param_name, param_value, distribution_json)",
            [
                (k, name, value, texts[name])
                for k, row in zip(ids, sampled, strict=True)
                for name, value in zip(names, row, strict=True)
            ],
        )
        yield (
            "trial_values (trial_id, objective, value, value_type)",
            [(ids[k], 0, float(dev[k]), "FINITE") for k in ended],
        )
        rungs = sorted({round(self.epochs * share) for share in (1 / 3, 1 / 2, 3 / 4)})
        yield (
            "trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)",
            [(ids[k], step, float(dev[k] + 0.1 / step), "FINITE") for k in ended for step in rungs if step <= ran[k]],
        )
        yield (
            "tuner_trials (trial_id, study_id, seed, exploring, hyperparameters, finish_order, stop_reason, "
            "best_epoch, epochs, seconds)",
            [
                (
                    *(trial_id, study_id, number, number < 10 or number % 4 == 0, json.dumps(space.values(point))),
                    *((None, reason) if reason == "failed" else (order, reason)),
                    *((None, None, None) if reason == "failed" else (length, length, 0.02 * length)),
                )
                for trial_id, number, point, order, reason, length in zip(
                    ids, numbers, points, orders, reasons, ran, strict=True
                )
            ],
        )
        owner = Owner.this_process().to_json()
        yield (
            "tuner_claims (trial_id, study_id, call, owner, claimed, expires, attempts, reason)",
            [
                (k, study_id, "made", owner, 1.7e9, 1.7e9, 1, "made" if state == "FAIL" else None)
                for k, state in zip(ids, states, strict=True)
            ],
        )
        yield (
            "tuner_networks (trial_id, network, stop_reason, best_epoch, epochs, updates, n_train, train_wrong, "
            "train_cost, n_dev, dev_wrong, dev_cost, dev_bits)",
            [
                (
                    *(ids[k], 0, reasons[k], ran[k], ran[k], 40 * ran[k], n_train, int(train[k] * n_train)),
                    *(
                        2 * float(train[k]),
                        n_dev,
                        int(bits[k].sum()),
                        3 * float(dev[k]),
                        np.packbits(bits[k]).tobytes(),
                    ),
                )
                for k in ended
            ],
        )
        yield (
            "tuner_epochs (trial_id, network, epoch, train_cost, train_error, dev_cost, dev_error, seconds, "
            "dev_fold_wrong)",
            list(self._epochs(ids, ended, ran, train, dev, bits, folds, rng)),
        )

    def _epochs(
        self,
        ids: Sequence[int],
        ended: Sequence[int],
        ran: Sequence[int],
        train: np.ndarray,
        dev: np.ndarray,
        bits: np.ndarray,
        folds: np.ndarray,
        rng: np.random.Generator,
    ) -> Iterator[tuple[Any, ...]]:
        falling = 0.4 * np.exp(-np.arange(1, self.epochs + 1) / (self.epochs / 5))
        more = rng.poisson(falling[None, :, None] * np.bincount(folds, minlength=20), (40, self.epochs, 20))
        for k in ended:
            curves = np.column_stack(
                [2 * (train[k] + falling), train[k] + falling, 3 * (dev[k] + falling), dev[k] + falling]
            )
            wrong = more[k % 40] + np.bincount(folds, weights=bits[k], minlength=20).astype(int)
            packed, size = wrong.astype("<u2").tobytes(), 40
            for epoch, row in enumerate(curves[: ran[k]].tolist()):
                yield (ids[k], 0, epoch + 1, *row, 0.02, packed[size * epoch : size * (epoch + 1)])


def asks(folder: Path, study: PreparedStudy) -> tuple[float, float, float]:
    """Median processor milliseconds of a claim, of an ask (claim and draw), and of an ask of plain Optuna."""
    copy = folder / "plain.db"
    with closing(sqlite3.connect(folder / "tuner.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    plain = Plain(copy, optuna.samplers.TPESampler(seed=0), "made")
    ours, owner = worker.Worker(study.database, task_of(study), lambda: False), Owner.this_process()
    distributions = study.definition.searched_space.distributions
    times = []
    for _ in range(ROUNDS + 1):  # the first one reads the study
        began = time.process_time()
        claim, _ = claim_trial(study.database, study.stored.study_id, Budget("a"), max_attempts=3, owner=owner)
        assert claim is not None
        claimed = time.process_time()
        ours._draw(claim)
        drawn = time.process_time()
        asked = plain.study.ask(distributions)
        times.append((claimed - began, drawn - began, time.process_time() - drawn))
        fail(study.database, claim, "benchmark")
        plain.study.tell(asked, state=TrialState.FAIL)
    copy.unlink()
    claims, own, other = (1000 * statistics.median(column) for column in zip(*times[1:], strict=True))
    return claims, own, other


def neighbor(folder: Path) -> float:
    """Processor milliseconds of a trial of a tiny study beside the other, without its training."""
    study = make_study(folder, "tiny", trials=10**6)
    ours, times = worker.Worker(study.database, task_of(study), lambda: False), []
    for _ in range(3 * ROUNDS):
        began = time.process_time()
        ours.step()
        times.append(time.process_time() - began)
    study.database.close()
    return 1000 * statistics.median(times[ROUNDS:])


def command(folder: Path, words: str) -> tuple[float, float]:
    """Processor seconds and peak megabytes of a command in a process of its own."""
    arguments = [*words.split(), "--storage", f"sqlite:///{folder / 'tuner.db'}"]
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    seconds, kilobytes = map(float, ran.stdout.split())
    return seconds, kilobytes / 1024


def measure(n: int) -> dict[str, float]:
    """Measure everything in a study of n trials."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TUNER_STORAGE"] = f"sqlite:///{folder / 'tuner.db'}"
        study = make_study(folder, "made", trials=10**6, rows=ROWS)
        fill(folder / "tuner.db", study, n)
        found = dict(zip(("claim", "ask", "plain ask"), asks(folder, study), strict=True))
        print(f"{n:>7,} trials: " + ", ".join(f"{name} {value:.1f} ms" for name, value in found.items()), flush=True)
        study.database.close()
        found["a trial beside it"] = neighbor(folder)
        print(f"{'':16}a trial of a tiny study beside it {found['a trial beside it']:.1f} ms", flush=True)
        for words in COMMANDS:
            seconds, megabytes = command(folder, words)
            found |= {words: seconds, f"{words}, MB": megabytes}
            print(f"{'':16}tuner {words}: {seconds:.1f} s, {megabytes:.0f} MB", flush=True)
        return found


def main() -> None:
    """Measure every size, and compare with the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=SIZES)
    given = parser.parse_args()
    found = [measure(n) for n in sorted(given.trials)]
    least, most = found[0], found[-1]
    goals = [
        Goal(name=f"{name}: largest over smallest study", value=most[name] / least[name], high=MOST_GROWTH)
        for name in ("claim", "studies", "watch made")
    ]
    beside = most["a trial beside it"] / least["a trial beside it"]
    goals += [
        Goal(name="a trial of a tiny study beside it: largest over smallest", value=beside, high=MOST_NEIGHBOR),
        Goal(name="an ask over plain Optuna's", value=most["ask"] / most["plain ask"], high=0.5),
    ]
    goals += [
        Goal(name="an ask, milliseconds", value=most["ask"], high=MOST_ASK),
        Goal(name="a report, seconds", value=most["report made"], high=MOST_REPORT),
        Goal(name="a report, MB", value=most["report made, MB"], high=MOST_MEGABYTES),
    ]
    print(*goals, sep="\n")
    raise SystemExit(int(not all(goal.kept() for goal in goals)))


if __name__ == "__main__":
    main()
