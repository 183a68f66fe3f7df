"""``--executor dask``: workers on a real Dask cluster of processes, with PostgreSQL between them."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import new_postgresql
from tests.running.conftest import ENDLESS, LASTING, Edit, Start, opened, search, wait_for
from tests.running.test_postgresql import finished, query, text
from tuner.errors import SearchError, UsageError
from tuner.running import SearchRequest, check_executor, cluster, run_search
from tuner.storage import URL

pytest.importorskip("distributed", reason="needs distributed")

AddWorker = Callable[[str], "subprocess.Popen[bytes]"]


def dask(*arguments: str) -> subprocess.Popen[bytes]:
    """A process of Dask's own command line."""
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Stop processes for good."""
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler without workers."""
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    process = dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    yield json.loads(wait_for(lambda: file.exists() and file.read_text(encoding="utf-8")))["address"]
    end([process])


@pytest.fixture
def add_worker(scheduler: str) -> Iterator[AddWorker]:
    """Start a Dask worker that seems to be another machine's, if its host is another one; it ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def add(host: str) -> subprocess.Popen[bytes]:
        options = ["--host", host, "--nthreads", "1", "--no-nanny", "--death-timeout", "60"]
        started.append(dask("worker", scheduler, *options))
        return started[-1]

    yield add
    end(started)
    client = cluster.connect(scheduler)
    wait_for(lambda: not client.nthreads())
    client.close()


@pytest.fixture
def url() -> URL:
    """An empty database on a real server."""
    return new_postgresql()


def wait_for_workers(scheduler: str, n: int) -> None:
    """Until so many Dask workers are there."""
    client = cluster.connect(scheduler)
    wait_for(lambda: len(client.nthreads()) == n)
    client.close()


def training(url: URL, n: int) -> bool:
    """Whether so many trials are drawn and running."""
    statement = "SELECT count(*) FROM trials JOIN tuner_trials USING (trial_id) WHERE state = 'RUNNING'"
    return bool(query(url, statement)[0][0] >= n)


def test_all_dask_workers_share_the_budget(
    edit: Edit, url: URL, scheduler: str, add_worker: AddWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly the budget, on three workers of two machines; the data travel once to each machine."""
    edit({**LASTING, "trials = 4": "trials = 9"})
    for host in ("127.0.0.1", "127.0.0.1", "127.0.0.2"):
        add_worker(host)
    wait_for_workers(scheduler, 3)
    sent: list[str] = []
    whole = cluster.connect

    def watched(address: str) -> Any:
        client = whole(address)
        scatter = client.scatter

        def count(data: Any, workers: list[str], **options: Any) -> Any:
            sent.extend(workers)
            return scatter(data, workers=workers, **options)

        client.scatter = count
        return client

    monkeypatch.setattr(cluster, "connect", watched)
    result = search(storage=text(url), scheduler=scheduler)
    assert (result.run.complete + result.run.pruned, finished(url)) == (9, list(range(9)))
    assert sorted(worker.split(":")[1] for worker in sent) == ["//127.0.0.1", "//127.0.0.2"]
    assert len(query(url, "SELECT DISTINCT owner FROM tuner_claims")) == 3


@pytest.mark.slow
def test_a_lost_dask_worker_loses_nothing(edit: Edit, url: URL, scheduler: str, add_worker: AddWorker) -> None:
    """Killed in the middle of a trial: the trial is taken over by the other worker, a new one joins in."""
    edit({**LASTING, "trials = 4": "trials = 6"})
    workers = {process.pid: process for process in (add_worker("127.0.0.1"), add_worker("127.0.0.2"))}
    wait_for_workers(scheduler, 2)
    study = opened(storage=text(url))
    study.database.close()

    def kill_one() -> None:
        wait_for(lambda: training(url, 2))
        (owner, *_) = query(url, "SELECT owner FROM tuner_claims WHERE token IS NOT NULL")[0]
        os.kill(json.loads(owner)["pid"], signal.SIGKILL)
        add_worker("127.0.0.3")

    thread = threading.Thread(target=kill_one)
    thread.start()
    search(storage=text(url), scheduler=scheduler)
    thread.join()
    assert sum(process.poll() is not None for process in workers.values()) == 1
    assert finished(url) == list(range(6))
    assert query(url, "SELECT count(*) FROM tuner_claims WHERE attempts = 2") == [(1,)]


def test_a_search_that_ends_puts_the_trials_back(edit: Edit, url: URL, scheduler: str, add_worker: AddWorker) -> None:
    """By its timeout, or killed: nobody goes on for a search that is gone."""
    edit(ENDLESS)
    add_worker("127.0.0.1")
    wait_for_workers(scheduler, 1)
    client = cluster.connect(scheduler)
    client.run(importlib.import_module, "tuner.running.cluster")  # else a busy machine imports it until the time is up
    client.close()
    result = search(storage=text(url), scheduler=scheduler, timeout=8)
    assert (result.timed_out, result.run.failed) == (True, 0)
    wait_for(lambda: query(url, "SELECT number, state FROM trials") == [(0, "WAITING")])


@pytest.mark.slow
def test_a_killed_search_leaves_no_worker_busy(
    edit: Edit, url: URL, scheduler: str, add_worker: AddWorker, start: Start
) -> None:
    """SIGKILL of the process that asked: the Dask worker notices, and puts its trial back."""
    edit(ENDLESS)
    add_worker("127.0.0.1")
    wait_for_workers(scheduler, 1)
    opened(storage=text(url)).database.close()
    process = start("search", "small", "--executor", "dask", "--scheduler", scheduler, "--storage", text(url))
    wait_for(lambda: training(url, 1))
    process.kill()
    wait_for(lambda: query(url, "SELECT number, state FROM trials") == [(0, "WAITING")])


def test_an_error_of_a_worker_is_raised_here(edit: Edit, url: URL, scheduler: str, add_worker: AddWorker) -> None:
    """Three failures in a row stop the search with their cause."""
    edit({**ENDLESS, "trials = 4": "trials = 4\ntrial_timeout = 0.2"})
    add_worker("127.0.0.1")
    wait_for_workers(scheduler, 1)
    with pytest.raises(SearchError, match=r"3 trials in a row failed.*wall limit"):
        search(storage=text(url), scheduler=scheduler)


@pytest.mark.parametrize(
    ("executor", "address", "storage", "parts"),
    [
        ("dask", "tcp://127.0.0.1:1", None, ["SQLite works on one machine only", "--storage postgresql://"]),
        ("dask", None, "postgresql://host/name", ["--scheduler ADDRESS"]),
        ("dask", "tcp://127.0.0.1:1", "postgresql://host/name", ["tcp://127.0.0.1:1", "no Dask scheduler answers"]),
        ("processes", "tcp://127.0.0.1:1", None, ["--executor dask"]),
        ("slurm", None, None, ["slurm", "processes or dask"]),
    ],
)
def test_what_cannot_work_is_refused_first(
    edit: Edit,
    monkeypatch: pytest.MonkeyPatch,
    executor: str,
    address: str | None,
    storage: str | None,
    parts: list[str],
) -> None:
    """One line with the reason, before a database is made."""
    file = edit()
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(UsageError) as refused:
        check_executor(executor, address, storage)
    for part in parts:
        assert part in str(refused.value)
    assert not file.exists()
    assert not Path("studies/tuner.db").exists()


@pytest.mark.slow
def test_a_trainer_of_ones_own_runs_on_dask(
    edit: Edit, url: URL, scheduler: str, add_worker: AddWorker, workplace: Path
) -> None:
    """A Dask worker imports it by its name, beside the definition too; where it cannot, no trial fails of it."""
    module = workplace / "studies" / "dask_trainer.py"
    edit({"hidden = [4]": 'trainer = "dask_trainer:fit"', "patience = 2\nmin_updates = 10\n": ""})
    module.write_text("def fit(params, data, seed, report):\n    return data.train.y, data.dev.y\n", encoding="utf-8")
    add_worker("127.0.0.1")
    wait_for_workers(scheduler, 1)
    study = opened(storage=text(url), allow_trainers=())
    module.rename(workplace / "away.py")
    with pytest.raises(UsageError, match="no module 'dask_trainer' is installed"):
        run_search(study, SearchRequest(scheduler=scheduler))
    assert query(url, "SELECT count(*) FROM trials") == [(0,)]
    (workplace / "away.py").rename(module)
    study = opened(storage=text(url), allow_trainers=())
    assert run_search(study, SearchRequest(scheduler=scheduler)).run.complete == 4
