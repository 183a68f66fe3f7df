"""Small studies that are searched in this process or another, and what their databases hold."""

from __future__ import annotations

import fcntl
import io
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEADLINE, SMALL_STUDY, small_table
from tuner.cli import main
from tuner.running import SearchRequest, SearchResult, run_search
from tuner.storage import Owner, claim_job, finish_job
from tuner.workspace import PreparedStudy, StudyRequest, open_study

Rows = list[tuple[Any, ...]]
Edit = Callable[..., Path]
Start = Callable[..., "subprocess.Popen[str]"]

LASTING = {"max_epochs = 6": "max_epochs = 1500", "patience = 2": "patience = 1500", "trials = 4": "trials = 2"}
"""Changes that make a trial of the small study last a second or two."""
ENDLESS = {"max_epochs = 6": "max_epochs = 10_000_000", "patience = 2": "patience = 10_000_000"}
"""Changes that make it last for hours."""


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No other test with this fixture runs beside it: two crowds of processes make leases expire on a small machine."""
    folder = tmp_path_factory.getbasetemp()
    with (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder).joinpath("alone").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def edit(workplace: Path) -> Edit:
    """Write ``studies/small.toml`` (and its data) with parts of the text replaced; a missing part is an error."""

    def write(changes: dict[str, str] | None = None) -> Path:
        text = SMALL_STUDY
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        folder = workplace / "studies"
        folder.mkdir(exist_ok=True)
        if not (folder / "small.csv").exists():
            (folder / "small.csv").write_text(small_table(), encoding="utf-8")
        (folder / "small.toml").write_text(text, encoding="utf-8")
        return folder / "tuner.db"

    return write


@pytest.fixture
def start(workplace: Path) -> Iterator[Start]:
    """Start ``tuner ARGUMENTS`` and go on; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def tuner(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuner", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        started.append(process)
        return process

    yield tuner
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def search(study: str = "small", storage: str | None = None, **request: Any) -> SearchResult:
    """A search in this process, which trains no reference models."""
    return run_search(opened(study, storage), SearchRequest(**request))


def command(*arguments: object) -> tuple[int, str, str]:
    """``tuner ARGUMENTS`` in this process: its exit status, and what it wrote on stdout and stderr."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0), output.getvalue(), errors.getvalue()


def with_reference_models(study: PreparedStudy) -> PreparedStudy:
    """The study, its job done where it is new: a search of it trains no reference models."""
    claim, _ = claim_job(study.database, study.stored.study_id, max_attempts=99, owner=Owner.this_process())
    if claim is not None:
        finish_job(study.database, claim, {"majority": 0.6})
    return study


def opened(study: str = "small", storage: str | None = None, **request: Any) -> PreparedStudy:
    """A study ready to be searched, its reference models done."""
    return with_reference_models(open_study(StudyRequest(study, storage=storage, **request)))


def rows(database: Path, query: str) -> Rows:
    """What a query finds."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(query).fetchall()


def states(database: Path) -> Rows:
    """Number and state of every trial."""
    return rows(database, "SELECT number, state FROM trials ORDER BY number")


def finished(database: Path) -> list[int]:
    """The numbers of the complete and pruned trials, one entry per record."""
    query = (
        "SELECT number FROM trials JOIN tuner_networks USING (trial_id) "
        "WHERE state IN ('COMPLETE', 'PRUNED') AND network = 0 ORDER BY number"
    )
    return [number for (number,) in rows(database, query)]


def fingerprint(database: Path) -> Rows:
    """Every trial bit for bit: number, state, parameters, seed, value, errors, costs, epochs, curves; and counts."""
    trials = rows(
        database,
        "SELECT number, state, seed, exploring, hyperparameters, finish_order, t.stop_reason, t.best_epoch, t.epochs, "
        "value, n.train_wrong, hex(n.train_cost), n.dev_wrong, hex(n.dev_cost), hex(n.dev_bits) FROM trials "
        "JOIN tuner_trials t USING (trial_id) LEFT JOIN trial_values USING (trial_id) "
        "LEFT JOIN tuner_networks n USING (trial_id) ORDER BY number",
    )
    params = rows(
        database,
        "SELECT number, param_name, param_value FROM trials JOIN trial_params USING (trial_id) ORDER BY 1, 2",
    )
    epochs = rows(
        database,
        "SELECT number, epoch, train_cost, train_error, dev_cost, dev_error, hex(dev_fold_wrong) FROM trials "
        "JOIN tuner_epochs USING (trial_id) ORDER BY 1, 2",
    )
    rungs = rows(
        database,
        "SELECT number, step, intermediate_value FROM trials JOIN trial_intermediate_values USING (trial_id) "
        "ORDER BY 1, 2",
    )
    best = "SELECT pruned, diverged, number FROM tuner_counts LEFT JOIN trials ON trial_id = best_trial_id"
    return [*trials, *params, *epochs, *rungs, *rows(database, best)]


def wait_for(condition: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """Wait until a condition holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def is_training(database: Path, n: int = 1) -> bool:
    """Whether so many trials are drawn and running."""
    query = "SELECT count(*) FROM trials JOIN tuner_trials USING (trial_id) WHERE state = 'RUNNING'"
    try:
        return database.exists() and rows(database, query)[0][0] >= n
    except sqlite3.OperationalError:  # being made
        return False


def forked(work: Callable[[], object], n: int = 1) -> list[BaseProcess]:
    """Start so many processes of this one, everything imported, that do ``work``; an error is exit status 1."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, daemon=True) for _ in range(n)]
    for process in processes:
        process.start()
    return processes


def statuses(processes: list[BaseProcess], seconds: float = DEADLINE) -> list[int | None]:
    """The exit statuses of processes, once all have ended."""
    for process in processes:
        process.join(seconds)
    return [process.exitcode for process in processes]
