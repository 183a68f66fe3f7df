"""Simulate many workers on one PostgreSQL server: real claims, draws and records; trials are replaced by sleeps.

    python -m benchmarks.simulation                              # about two minutes
    python -m benchmarks.simulation --workers 1000 --mean 60 30  # seconds of a trial on average

Workers are threads of a few processes, each with its own connection, as a worker has.  A trial sleeps as long as one of
the recorded search ``reports/digits`` took, scaled to the mean; a heartbeat comes every 15 seconds.  The server is one
of its own, without fsync off: what is committed is on the disk.  A draw is a random one: to draw with TPE costs the
worker's machine, not the server.
"""

from __future__ import annotations

import os

for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import argparse
import csv
import json
import multiprocessing
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from benchmarks.database import draw_point, make_study
from tests.databases import OwnServer
from tuner.outcomes import StopReason
from tuner.storage import (
    CURVE_COLUMNS,
    PATIENTLY,
    Budget,
    Database,
    NetworkRecord,
    Outcome,
    Owner,
    SampledTrial,
    claim_trial,
    pack_losses,
    parse_url,
    renew,
    write_outcome,
    write_sampled,
)
from tuner.storage.address import library_url
from tuner.workspace import PreparedStudy

RECORDED = Path(__file__).parents[1] / "reports" / "digits" / "trials.csv"
EPOCHS, HEARTBEAT, SETTLE, COMMITS = 50, 15.0, 3.0, 30
PROCESSES, WORKERS_OF_A_MACHINE = 2, 8


def recorded_lengths() -> np.ndarray:
    """Seconds of the trials of a real search over their mean."""
    with RECORDED.open(encoding="utf-8") as file:
        seconds = np.array([float(row["seconds"]) for row in csv.DictReader(file) if row["seconds"]])
    return np.asarray(seconds / seconds.mean())


def outcome_of(study: PreparedStudy, rng: np.random.Generator) -> Outcome:
    """What a trial of fifty epochs records."""
    n_dev = len(study.dev_folds)
    wrong = rng.random(n_dev) < rng.uniform(0.05, 0.5)
    network = NetworkRecord(
        stop_reason=StopReason.MAX_EPOCHS,
        best_epoch=EPOCHS,
        epochs=EPOCHS,
        updates=40 * EPOCHS,
        n_train=4 * n_dev,
        train_wrong=n_dev // 5,
        train_cost=0.2,
        n_dev=n_dev,
        dev_wrong=int(wrong.sum()),
        dev_cost=0.3,
        dev_bits=pack_losses(wrong),
        curve={name: np.full(EPOCHS, 0.1) for name in CURVE_COLUMNS},
        dev_fold_losses=np.zeros((EPOCHS, 20), np.uint16),
    )
    return Outcome(float(wrong.mean()), StopReason.MAX_EPOCHS, {}, [network], 1.0)


@dataclass
class Times:
    """Milliseconds that the calls of some workers took, and how many trials they ended."""

    claims: list[float] = field(default_factory=list)
    records: list[float] = field(default_factory=list)


@dataclass
class Simulated:
    """One worker that sleeps instead of training."""

    study: PreparedStudy
    url: Any
    lengths: np.ndarray
    measuring: Any
    stop: Any
    times: Times
    seed: int

    def work(self) -> None:
        """Claim, sleep and record until it is stopped."""
        rng = np.random.default_rng(self.seed)
        space, study_id = self.study.definition.searched_space, self.study.stored.study_id
        machine = f"machine {self.seed // WORKERS_OF_A_MACHINE}"
        outcome, owner = outcome_of(self.study, rng), replace(Owner.this_process(), host=machine, boot=machine)
        with Database(self.url, PATIENTLY) as database:
            self.stop.wait(rng.uniform(0, float(self.lengths.mean())))
            while not self.stop.is_set():
                began = time.perf_counter()
                claim, _ = claim_trial(database, study_id, Budget("made"), max_attempts=3, owner=owner)
                self._note(self.times.claims, began)
                if claim is None:
                    continue
                sampled = draw_point(space.distributions, rng)
                drawn = SampledTrial(sampled, space.values(sampled), claim.number, exploring=False)
                write_sampled(database, claim, study_id, drawn, space.distributions)
                self._sleep(database, claim, float(rng.choice(self.lengths)))
                began = time.perf_counter()
                write_outcome(database, claim, study_id, outcome)
                self._note(self.times.records, began)

    def _sleep(self, database: Database, claim: Any, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and not self.stop.wait(min(left, HEARTBEAT)):
            if left > HEARTBEAT:
                renew(database, claim)

    def _note(self, times: list[float], began: float) -> None:
        if self.measuring.is_set():
            times.append(1000 * (time.perf_counter() - began))


def run_workers(
    study: PreparedStudy, url: Any, n: int, mean: float, measuring: Any, stop: Any, answers: Any, seed: int
) -> None:
    """Run some workers as threads of this process; answer with their times and the processor time."""
    threading.stack_size(512 * 1024)
    lengths, times = mean * recorded_lengths(), Times()
    workers = [Simulated(study, url, lengths, measuring, stop, times, seed + k) for k in range(n)]
    threads = [threading.Thread(target=worker.work, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    measuring.wait()
    began = time.process_time()
    stop.wait()
    used = time.process_time() - began
    answers.put((times.claims, times.records, used))


def server_seconds(folder: Path) -> float:
    """Processor seconds of a server and its backends, those that ended included."""
    main = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = int(status.parent.name), status.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if pid == main or int(rest[1]) == main:
            ticks += int(rest[11]) + int(rest[12]) + (int(rest[13]) + int(rest[14]) if pid == main else 0)
    return ticks / os.sysconf("SC_CLK_TCK")


def milliseconds_of_a_commit(server: OwnServer) -> float:
    """Median time of a transaction of one row, alone on the server."""
    engine = sa.create_engine(library_url(server.url))
    times = []
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TABLE filler (x integer)"))
        connection.commit()
        for _ in range(COMMITS):
            began = time.perf_counter()
            connection.execute(sa.text("INSERT INTO filler VALUES (1)"))
            connection.commit()
            times.append(1000 * (time.perf_counter() - began))
    engine.dispose()
    return statistics.median(times)


def measure(server: OwnServer, study: PreparedStudy, url: Any, n: int, mean: float, seconds: float) -> None:
    """Let n workers run, and print what the server did meanwhile."""
    context = multiprocessing.get_context("fork")
    measuring, stop, answers = context.Event(), context.Event(), context.Queue()
    shares = [n // PROCESSES + (k < n % PROCESSES) for k in range(PROCESSES)]
    processes = [
        context.Process(target=run_workers, args=(study, url, share, mean, measuring, stop, answers, 10_000 * k))
        for k, share in enumerate(shares)
        if share
    ]
    for process in processes:
        process.start()
    time.sleep(max(1.5 * mean, SETTLE))  # until all have begun, and many have ended a trial
    before, began = server_seconds(server.folder), time.perf_counter()
    measuring.set()
    time.sleep(seconds)
    used, took = server_seconds(server.folder) - before, time.perf_counter() - began
    stop.set()
    found = [answers.get() for _ in processes]
    for process in processes:
        process.kill()
        process.join()
    claims, records = ([one for each in found for one in each[k]] for k in (0, 1))
    if not claims or not records:
        raise SystemExit(f"{n} workers, trials of {mean:g} s: nothing ended in {seconds:g} s")
    row = {
        "workers": n,
        "mean": mean,
        "offered": round(n / mean, 1),
        "claims": round(len(claims) / took, 1),
        "claim_median": round(statistics.median(claims), 1),
        "claim_95": round(float(np.quantile(claims, 0.95)), 1),
        "claim_fastest": round(min(claims), 1),
        "record_median": round(statistics.median(records), 1),
        "record_fastest": round(min(records), 1),
        "server_cores": round(used / took, 2),
        "server_ms": round(1000 * used / len(claims), 2),
        "client_cores": round(sum(each[2] for each in found) / took, 2),
    }
    print(json.dumps(row), flush=True)


def main() -> None:
    """Measure every number of workers and every length of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--mean", type=float, nargs="+", default=[60.0, 20.0, 10.0])
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--synchronous-commit", choices=("on", "off"), default="on", help="the server's setting")
    given = parser.parse_args()
    server = OwnServer(
        max_connections=str(max(given.workers) + 50),
        shared_buffers="512MB",
        fsync="on",
        synchronous_commit=given.synchronous_commit,
    )
    try:
        print(
            f"synchronous_commit {given.synchronous_commit}: a commit takes {milliseconds_of_a_commit(server):.1f} ms"
        )
        url = parse_url(server.url.render_as_string(hide_password=False))
        os.environ["TUNER_STORAGE"] = url.render_as_string(hide_password=False)
        for n in given.workers:
            for mean in given.mean:
                with tempfile.TemporaryDirectory() as name:
                    study = make_study(Path(name), f"w{n}-{mean:g}", trials=10**6, rows=5000)
                    study.database.close()
                    measure(server, study, url, n, mean, given.seconds)
    finally:
        server.end()


if __name__ == "__main__":
    main()
