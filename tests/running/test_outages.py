"""A database that goes away for a while: every worker lives, and the budget is exact; real servers, real processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import DEADLINE
from tests.databases import OwnServer
from tests.running.conftest import (
    ENDLESS,
    Edit,
    Start,
    command,
    forked,
    is_training,
    opened,
    search,
    statuses,
    wait_for,
)

WORKERS = 16
FINISHED = (
    "SELECT number FROM trials JOIN tuner_networks USING (trial_id) "
    "WHERE state IN ('COMPLETE', 'PRUNED') ORDER BY number"
)
BACKENDS = "FROM pg_stat_activity WHERE application_name = 'tuner'"


@pytest.fixture
def own() -> Iterator[Callable[..., OwnServer]]:
    """Make a server with settings of its own."""
    made: list[OwnServer] = []

    def make(**settings: str) -> OwnServer:
        made.append(OwnServer(**settings))
        return made[-1]

    yield make
    for server in made:
        server.end()


def address(server: OwnServer) -> str:
    """Its URL as it is typed."""
    return server.url.render_as_string(hide_password=False)


def count(server: OwnServer) -> int:
    """Finished trials."""
    return len(server.query(FINISHED))


def kill_a_backend(server: OwnServer) -> None:
    """``kill -9`` of one process of the server: it ends all others, and recovers."""
    (pid,) = server.query(f"SELECT pid {BACKENDS} LIMIT 1")[0]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: answers(server))


def restart(mode: str) -> Callable[[OwnServer], None]:
    """Restart it while everyone works."""

    def disturb(server: OwnServer) -> None:
        server.control("-m", mode, "restart")

    return disturb


def stay_away(server: OwnServer) -> None:
    """Stop it for longer than a moment."""
    server.control("-m", "fast", "stop")
    time.sleep(4)
    server.control("start")


def end_connections(server: OwnServer) -> None:
    """An administrator ends the connections of all."""
    server.query(f"SELECT count(pg_terminate_backend(pid)) {BACKENDS}")


def set_to(setting: str) -> Callable[[OwnServer], None]:
    """Change a setting for all connections to come, and end those there are."""

    def disturb(server: OwnServer) -> None:
        server.query(f"ALTER DATABASE postgres SET {setting}")
        end_connections(server)

    return disturb


def answers(server: OwnServer, question: str = "SELECT 1") -> bool:
    """Whether it can be asked, and says 1."""
    try:
        return server.query(question) == [(1,)]
    except sa.exc.SQLAlchemyError:
        return False


GERMAN = {"lc_messages": "de_DE.UTF-8"}
KINDS = {
    "a killed backend": ({}, kill_a_backend),
    "a fast restart": ({}, restart("fast")),
    "an immediate restart": ({}, restart("immediate")),
    "an absence": ({}, stay_away),
    "a German restart": (GERMAN, restart("fast")),
    "a German killed backend": (GERMAN, kill_a_backend),
    "ended connections": ({}, end_connections),
    "statement_timeout": ({}, set_to("statement_timeout = '60ms'")),
    "lock_timeout": ({}, set_to("lock_timeout = '5ms'")),
    "serializable": ({}, set_to("default_transaction_isolation = 'serializable'")),
    "repeatable read": ({}, set_to("default_transaction_isolation = 'repeatable read'")),
}


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("kind", KINDS)
def test_all_workers_live(kind: str, edit: Edit, own: Callable[..., OwnServer]) -> None:
    """Sixteen searches meet the same outage twice; all end with status 0, and the budget is exact."""
    settings, disturb = KINDS[kind]
    if settings == GERMAN and "de_DE.utf8" not in subprocess.check_output(["locale", "-a"], text=True):
        pytest.skip("needs the locale de_DE.UTF-8")
    edit({"trials = 4": "trials = 60"})
    server = own(max_connections="40", **settings)
    opened(storage=address(server)).database.close()
    processes = forked(lambda: search(storage=address(server)), WORKERS)
    for goal in (8, 30):
        wait_for(lambda goal=goal: count(server) >= goal or not all(process.is_alive() for process in processes))
        disturb(server)
    assert statuses(processes, 2 * DEADLINE) == [0] * WORKERS
    assert [number for (number,) in server.query(FINISHED)] == list(range(60))


@pytest.fixture
def locked(edit: Edit) -> Iterator[Path]:
    """A SQLite database that another program holds a lock on."""
    file = edit()
    opened().database.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        yield file


def test_a_locked_database_is_waited_for_and_is_status_1(locked: Path) -> None:
    """Another start may succeed: exit status 1, and the wait that was asked for; wrong input stays 2."""
    began = time.monotonic()
    status, _, errors = command("search", "small", "--wait-for-database", "1s")
    assert (status, errors.count("\n")) == (1, 1), errors
    assert "start the same command again" in errors
    assert time.monotonic() - began >= 1
    assert command("search", "small", "--wait-for-database", "soon")[0] == 2


@pytest.mark.slow
def test_a_database_that_comes_back_is_opened(edit: Edit, own: Callable[..., OwnServer]) -> None:
    """A worker, a search and a submission that start while the server is away wait for it, and say so."""
    edit()
    server = own()
    server.control("-m", "fast", "stop")
    storage = address(server)
    gone = command("submit", "small", "--storage", storage, "--wait-for-database", "0s")
    assert (gone[0], "is not available" in gone[2]) == (1, True)
    (process,) = forked(lambda: search(storage=storage))
    time.sleep(1)
    server.control("start")
    assert statuses([process]) == [0]
    assert count(server) == 4
    refused = command("submit", "small", "--storage", storage.replace("/postgres?", "/nowhere?"))
    assert refused[0] == 2, refused  # what another start does not cure


def test_a_signal_is_heard_while_the_database_is_locked(edit: Edit, start: Start) -> None:
    """The search ends soon, with the status of the signal: the trial is re-queued by the next one."""
    file = edit(ENDLESS)
    process = start("search", "small", "--references", "none")
    wait_for(lambda: is_training(file))
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 143, errors
    assert "stopped by SIGTERM while the database was away" in errors


def test_a_signal_is_heard_while_a_search_opens(locked: Path, start: Start) -> None:
    """It says that it waits, and a database that cannot be opened keeps no process from ending."""
    process = start("search", "small")
    assert process.stderr is not None
    assert "waiting up to 5 min 0 s for the database" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 143


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["away", "frozen", "locked"])
def test_a_signal_is_heard_while_the_server_does_not_answer(
    edit: Edit, start: Start, own: Callable[..., OwnServer], fault: str
) -> None:
    """Stopped, frozen in the middle of its work, or with the study's row locked: exit status 143 soon after."""
    edit(ENDLESS)
    server = own()
    process = start("search", "small", "--references", "none", "--storage", address(server), TUNER_CLAIM_SECONDS="4")
    wait_for(lambda: answers(server, "SELECT count(*) FROM tuner_trials"))
    if fault == "away":
        server.control("-m", "immediate", "stop")
        time.sleep(3)
    elif fault == "frozen":
        for (pid,) in server.query(f"SELECT pid {BACKENDS}"):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
    began = time.monotonic()
    engine = sa.create_engine(server.url, poolclass=sa.pool.NullPool)
    with engine.connect() if fault == "locked" else nullcontext() as connection:
        if connection is not None:
            connection.execute(sa.text("SELECT * FROM tuner_claims FOR UPDATE"))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 143, errors
    assert time.monotonic() - began < 60  # not the minutes that a search waits for its database
