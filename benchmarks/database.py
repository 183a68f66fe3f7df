"""Measure what the shared database costs, as ratios to plain Optuna in the same run.

    python -m benchmarks.database                  # about five minutes on two idle cores
    python -m benchmarks.database --only trial     # one of: trial, ask, throughput, start

Plain Optuna is RDBStorage on SQLite in WAL mode with synchronous NORMAL and a long busy timeout: faster, and safer
with many processes, than its defaults.  Networks are not trained here: a trial is what it costs beside its training.
Both sides take turns, so that whatever else the machine does meets both.  Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os

for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.trial import TrialState

from benchmarks.goals import Goal
from tuner.outcomes import StopReason
from tuner.running import reference_job, worker
from tuner.storage import Budget, Database, Owner, claim_trial, fail
from tuner.trainers import OwnNetwork, TrialRequest
from tuner.trial import TrialResult
from tuner.workspace import PreparedStudy, StudyRequest, open_study

EPOCHS, REPORTS, ATTRIBUTES = 50, 30, 5
LARGE = 10_000
DEFINITION = """\
name = "{name}"
[data]
source = "made.csv"
target = "kind"
[network]
hidden = [4]
[training]
max_epochs = 50
patience = 50
[space]
lambda = {{ log_uniform = [1e-3, 10.0] }}
keep_prob = {{ uniform = [0.5, 1.0] }}
alpha = {{ log_uniform = [1e-2, 1.0] }}
beta = {{ one_minus_log_uniform = [0.8, 0.99] }}
batch_size = {{ power_of_two = [16, 128] }}
initializer = {{ choice = ["he", "xavier", "lecun"] }}
[search]
trials = {trials}
sampler = "{sampler}"
explore = 0.0
pruner = "{pruner}"
"""

optuna.logging.set_verbosity(optuna.logging.WARNING)
reference_job.reference_errors = lambda *_: {}  # reference models are no cost of a trial


def make_study(
    folder: Path, name: str, *, sampler: str = "tpe", pruner: str = "median", trials: int, rows: int = 1800
) -> PreparedStudy:
    """Make a study of so many rows, a fifth of them dev, in ``folder/tuner.db``."""
    table = folder / "made.csv"
    if not table.exists():
        rng = np.random.default_rng(0)
        y = np.arange(rows) % 3
        X = rng.normal(size=(rows, 8)) + y[:, None]
        lines = [",".join(f"{value:.3f}" for value in row) + f",class {k}" for row, k in zip(X, y, strict=True)]
        table.write_text("\n".join([",".join([*"abcdefgh", "kind"]), *lines]) + "\n", encoding="utf-8")
    path = folder / f"{name}.toml"
    text = DEFINITION.format(name=name, trials=trials, sampler=sampler, pruner=pruner)
    path.write_text(text, encoding="utf-8")
    return open_study(StudyRequest(str(path)))


class Untrained(OwnNetwork):
    """Trains one trial, and gives its result to all others at once, with a random error at each rung."""

    def train(self, request: TrialRequest) -> TrialResult:
        """Return in no time what a trial of fifty epochs returns, pruned where it is asked for."""
        trained = TRAINED.get("result")
        if trained is None:
            trained = TRAINED["result"] = super().train(replace(request, prune=never_prune))
        rng = np.random.default_rng(request.seed)
        value = float(rng.uniform(0.02, 0.5))
        passed: dict[int, float] = {}
        for rung in request.settings.rungs:
            passed[rung] = value + float(rng.uniform(0, 0.1))
            if request.prune is not None and request.prune(passed, [passed[rung]]):
                return replace(trained, value=value, stop_reason=StopReason.PRUNED, rung_values=passed)
        return replace(trained, value=value, rung_values=passed)


TRAINED: dict[str, TrialResult] = {}  # one result for all: what is measured does not depend on it


def never_prune(*_: Any) -> bool:
    """Let the one real trial reach its end."""
    return False


def task_of(study: PreparedStudy) -> worker.Task:
    """What a worker of ours needs, with trials that cost no training."""
    stored = study.stored
    return worker.Task(
        stored.study_id,
        Untrained(study.definition),
        study.dataset,
        study.dev_folds,
        Budget("benchmark"),
        facts=stored.facts,
    )


class Plain:
    """A study of plain Optuna on a SQLite file in WAL mode."""

    def __init__(self, file: Path, sampler: optuna.samplers.BaseSampler, name: str = "plain") -> None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        options = {"connect_args": {"timeout": 60}}
        self.storage = optuna.storages.RDBStorage(f"sqlite:///{file}", engine_kwargs=options)
        sa.event.listen(self.storage.engine, "connect", lambda c, _: c.execute("PRAGMA synchronous=NORMAL"))
        self.storage.engine.dispose()
        self.study = optuna.create_study(storage=self.storage, study_name=name, sampler=sampler, load_if_exists=True)

    def trial(self, rng: np.random.Generator, reports: int = REPORTS) -> None:
        """Run a trial of six parameters, reports and five attributes."""
        trial = self.study.ask()
        trial.suggest_float("lambda", 1e-3, 10, log=True)
        trial.suggest_float("keep_prob", 0.5, 1)
        trial.suggest_float("alpha", 1e-2, 1, log=True)
        trial.suggest_float("one_minus_beta", 0.01, 0.2, log=True)
        trial.suggest_int("log2_batch_size", 4, 7)
        trial.suggest_categorical("initializer", ["he", "xavier", "lecun"])
        value = float(rng.uniform(0.02, 0.5))
        for step in range(reports):
            trial.report(value + 1 / (step + 1), step)
        for k in range(ATTRIBUTES):
            trial.set_user_attr(f"attribute {k}", value)
        self.study.tell(trial, value)


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def cost_of_a_trial(folder: Path, rounds: int) -> list[Goal]:
    """Compare everything that a trial costs beyond its training, with the random sampler and with TPE."""
    goals = []
    for sampler, pruner, made in (
        ("random", "none", optuna.samplers.RandomSampler(seed=0)),
        ("tpe", "median", optuna.samplers.TPESampler(seed=0)),
    ):
        study = make_study(folder, f"cost-{sampler}", sampler=sampler, pruner=pruner, trials=10**6)
        ours = worker.Worker(study.database, task_of(study), lambda: False)
        plain, rng = Plain(folder / f"plain-{sampler}.db", made), np.random.default_rng(0)
        times = [(timed(ours.step), timed(partial(plain.trial, rng))) for _ in range(rounds)]
        mine, other = (statistics.mean(column) for column in zip(*times[10:], strict=True))
        print(f"  a trial with the {sampler} sampler: {1000 * mine:.1f} ms, plain Optuna {1000 * other:.1f} ms")
        goals.append(Goal(name=f"cost of a trial, {sampler}, over plain Optuna's", value=mine / other, high=0.5))
        study.database.close()
    return goals


def draw_point(distributions: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Draw parameters for a made trial."""
    point = {}
    for name, d in distributions.items():
        if isinstance(d, optuna.distributions.CategoricalDistribution):
            point[name] = d.choices[rng.integers(len(d.choices))]
        elif isinstance(d, optuna.distributions.IntDistribution):
            point[name] = int(rng.integers(d.low, d.high + 1))
        else:
            point[name] = float(np.exp(rng.uniform(np.log(d.low), np.log(d.high))))
    return point


def ask_in_a_large_study(folder: Path, rounds: int) -> list[Goal]:
    """Compare an ask (claim, draw, parameters stored) in a study of 10,000 trials, once both know the study."""
    from benchmarks.growth import fill  # which makes its studies here

    study = make_study(folder, "large", trials=10**6)
    fill(folder / "tuner.db", study, LARGE, epochs=1)
    copy = folder / "large-copy.db"
    with closing(sqlite3.connect(folder / "tuner.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    distributions = study.definition.searched_space.distributions
    plain = Plain(copy, optuna.samplers.TPESampler(seed=0), "large")
    ours = worker.Worker(study.database, task_of(study), lambda: False)
    owner = Owner.this_process()

    def ask_ours() -> None:
        claim, _ = claim_trial(study.database, study.stored.study_id, Budget("a"), max_attempts=3, owner=owner)
        assert claim is not None
        ours._draw(claim)
        claims.append(claim)

    claims: list[Any] = []
    asked: list[Any] = []
    times = []
    print(f"  first ask: {timed(ask_ours):.2f} s, ", end="")
    print(f"plain Optuna {timed(lambda: asked.append(plain.study.ask(distributions))):.2f} s")
    for _ in range(rounds):
        fail(study.database, claims.pop(), "benchmark")
        plain.study.tell(asked.pop(), state=TrialState.FAIL)
        times.append((timed(ask_ours), timed(lambda: asked.append(plain.study.ask(distributions)))))
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"  an ask at {LARGE:,} trials: {1000 * mine:.1f} ms, plain Optuna {1000 * other:.1f} ms")
    study.database.close()
    return [Goal(name=f"an ask at {LARGE:,} trials over plain Optuna's", value=mine / other, high=0.5)]


def in_processes(n: int, work: Callable[[], object]) -> float:
    """Seconds that n forked processes need for ``work``, all beginning at once."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(n + 1)

    def run() -> None:
        barrier.wait()
        work()

    processes = [context.Process(target=run) for _ in range(n)]
    for process in processes:
        process.start()
    barrier.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
    failed = [process.exitcode for process in processes if process.exitcode != 0]
    if failed:
        print(f"  {len(failed)} of {n} processes failed")
    return time.perf_counter() - began


def throughput(folder: Path, trials: int) -> list[Goal]:
    """Trials a second with 1, 8 and 64 workers on one file, without training; plain Optuna with three reports."""
    goals = []
    for n in (1, 8, 64):
        study = make_study(folder, f"many-{n}", sampler="random", pruner="none", trials=trials)
        study.database.close()
        task, url = task_of(study), study.database.url

        def ours(task: worker.Task = task, url: Any = url) -> None:
            worker.Worker(Database(url), task, lambda: False).work()

        mine = trials / in_processes(n, ours)
        file = folder / f"plain-many-{n}.db"
        Plain(file, optuna.samplers.RandomSampler()).storage.engine.dispose()

        def plain(file: Path = file, share: int = max(1, trials // n)) -> None:
            one, rng = Plain(file, optuna.samplers.RandomSampler()), np.random.default_rng()
            for _ in range(share):
                one.trial(rng, reports=3)

        other = n * max(1, trials // n) / in_processes(n, plain)
        print(f"  {n} workers: {mine:.0f} trials a second, plain Optuna {other:.0f}")
        goals.append(Goal(name=f"trials a second, {n} workers, over plain Optuna's", value=mine / other, low=1.0))
    return goals


START_PLAIN = """\
import sys, optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(storage="sqlite:///" + sys.argv[1])
study.ask().suggest_float("alpha", 0, 1)
"""


def start(folder: Path, rounds: int) -> list[Goal]:
    """Compare the time from starting a command to its first trial, on a new database, with plain Optuna's."""
    place = folder / "start"
    (place / "studies").mkdir(parents=True)
    make_study(place / "studies", "start", trials=1).database.close()
    times = []
    for k in range(rounds):
        for old in (place / "studies").glob("tuner.db*"):
            old.unlink()
        began = time.time()
        subprocess.run(
            [sys.executable, "-m", "tuner", "search", "start", "--quiet"], cwd=place, check=True, capture_output=True
        )
        with closing(sqlite3.connect(place / "studies" / "tuner.db")) as connection:
            (claimed,) = connection.execute("SELECT claimed FROM tuner_claims").fetchone()
        plain = timed(partial(subprocess.run, [sys.executable, "-c", START_PLAIN, place / f"plain-{k}.db"], check=True))
        times.append((claimed - began, plain))
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"  from start to the first trial: {mine:.2f} s, plain Optuna {other:.2f} s")
    return [Goal(name="start to first trial over plain Optuna's", value=mine / other)]


def main() -> None:
    """Run the parts asked for, and say which goals were missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("trial", "ask", "throughput", "start"))
    parser.add_argument("--trials", type=int, default=200, help="trials of each measurement")
    arguments = parser.parse_args()
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory(prefix="tuner-benchmark-") as name:
        os.environ["TUNER_CACHE"] = str(Path(name) / "cache")
        parts: dict[str, Callable[[Path], list[Goal]]] = {
            "trial": lambda folder: cost_of_a_trial(folder, arguments.trials),
            "ask": lambda folder: ask_in_a_large_study(folder, 15),
            "throughput": lambda folder: throughput(folder, arguments.trials),
            "start": lambda folder: start(folder, 3),
        }
        for part, measure in parts.items():
            if arguments.only in (None, part):
                folder = Path(name) / part
                folder.mkdir()
                goals += measure(folder)
    print(*goals, sep="\n")
    sys.exit(0 if all(goal.kept() for goal in goals) else 1)


if __name__ == "__main__":
    main()
