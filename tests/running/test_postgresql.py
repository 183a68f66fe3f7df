"""The same on PostgreSQL: a real server, few connections, its clock, and its absence."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.databases import new_postgresql, server
from tests.running.conftest import LASTING, Edit, Rows, command, forked, opened, search, statuses, wait_for
from tuner.errors import SearchError, StorageError, UsageError
from tuner.running import SearchRequest, run_search
from tuner.storage import (
    CLAIM_SECONDS,
    URL,
    Budget,
    Owner,
    claim_trial,
    database,
    open_database,
    parse_url,
    read_study,
    sqlite_url,
)
from tuner.workspace import list_studies, open_to_read
from tuner.workspace.administration import merge
from tuner.workspace.locating import locate

OURS = "FROM pg_stat_activity WHERE application_name = 'tuner' AND datname = current_database()"
"""The connections that workers of a test's database hold."""


@pytest.fixture
def url() -> URL:
    """An empty database on a real server."""
    return new_postgresql()


def text(url: URL) -> str:
    """A URL as it is typed, its password included."""
    return url.render_as_string(hide_password=False)


def query(url: URL, statement: str) -> Rows:
    """What the server answers."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def finished(url: URL) -> list[int]:
    """The numbers of the complete and pruned trials, one entry per record."""
    statement = (
        "SELECT number FROM trials JOIN tuner_networks USING (trial_id) "
        "WHERE state IN ('COMPLETE', 'PRUNED') ORDER BY number"
    )
    return [row[0] for row in query(url, statement)]


def test_a_search_is_the_same_as_on_sqlite(edit: Edit, url: URL) -> None:
    """The database makes no difference to what is drawn, trained and pruned."""
    edit({"max_epochs = 6": "max_epochs = 20", "trials = 4": "trials = 16"})
    search(storage=text(url))
    search()
    here = open_database(sqlite_url(edit().parent / "tuner.db"), create=False)
    there = open_database(url, create=False)
    trials = read_study(here, "small").trials
    assert len(trials) == 16
    for one, other in zip(trials, read_study(there, "small").trials, strict=True):
        assert (one.number, one.state, one.params, one.value) == (
            other.number,
            other.state,
            other.params,
            other.value,
        )
    here.close()
    there.close()


def test_an_empty_server_is_where_nobody_searched_yet(workplace: Path, url: URL) -> None:
    """A shipped study is found by its name, the list of studies is empty, and a report says what to start with."""
    with locate("digits", text(url)) as located:
        pass
    assert located.name == "digits"
    assert list_studies(text(url))[1] == []
    with pytest.raises(UsageError, match=r"never searched: no database postgresql.*Start with: tuner search digits"):
        open_to_read("digits", text(url))
    assert query(url, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == [(0,)]


@pytest.mark.slow
def test_many_processes_start_at_once_on_a_new_server(edit: Edit, url: URL) -> None:
    """The tables are made once, the budget is exact, and no number is there twice."""
    edit({"trials = 4": "trials = 60"})
    assert statuses(forked(lambda: search(storage=text(url)), 16)) == [0] * 16
    assert finished(url) == list(range(60))
    assert query(url, "SELECT count(*) FROM studies") == [(1,)]


def test_a_worker_holds_one_connection(edit: Edit, url: URL) -> None:
    """Its work and its heartbeats take turns."""
    edit({**LASTING, "trials = 4": "trials = 5"})
    study = opened(storage=text(url))
    study.database.close()
    most = 0
    statement = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tuner' AND datname = current_database()"
    )
    processes = forked(lambda: search(storage=text(url)), 4)
    while any(process.is_alive() for process in processes):
        most = max(most, query(url, statement)[0][0])
        time.sleep(0.02)
    assert statuses(processes) == [0] * 4
    assert 1 <= most <= 4


@pytest.fixture
def crowded(url: URL) -> URL:
    """The database as a user sees it who may have three connections to it, with a password."""
    role = f"role_{url.database}"
    server().psql(f"CREATE ROLE {role} LOGIN PASSWORD 'se:cr@t' CONNECTION LIMIT 3;")
    server().psql(f"ALTER DATABASE {url.database} OWNER TO {role};")
    return url.set(username=role, password="se:cr@t")


def test_too_many_clients_are_waited_for(edit: Edit, crowded: URL) -> None:
    """Eight workers where three connections are allowed: each waits for its turn, and the study is completed."""
    edit({"trials = 4": "trials = 24"})
    search(storage=text(crowded), trials=1)
    assert statuses(forked(lambda: search(storage=text(crowded)), 8)) == [0] * 8
    assert finished(crowded) == list(range(24))


def test_a_password_is_never_shown(edit: Edit, crowded: URL) -> None:
    """Neither in headline, JSON, lists, refusals nor the command to go on with."""
    edit()
    storage = text(crowded)
    assert "se%3Acr%40t" in storage
    shown = [
        command("search", "small", "--storage", storage, "--json"),
        command("studies", "--storage", storage),
        command("trials", "gone", "--storage", storage),
        command("search", "small", "--storage", storage.replace("role_", "nobody_")),
        command("backup", "copy.db", "--storage", storage),
    ]
    assert [status for status, _, _ in shown] == [0, 0, 2, 2, 2]
    for _, output, errors in shown:
        assert "***" in output + errors
        for secret in ("se%3Acr%40t", "se:cr@t", "cr%40t", "cr@t"):
            assert secret not in output + errors


def test_claims_go_by_the_servers_clock(edit: Edit, url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose clock is a day ahead neither takes living trials over nor holds its own for a day."""
    edit()
    study = opened(storage=text(url))
    study_id, owner = study.stored.study_id, Owner("elsewhere", "boot", "name space", 1, "1")
    first, _ = claim_trial(study.database, study_id, Budget("a"), max_attempts=3, owner=owner)
    real = time.time
    monkeypatch.setattr(database.time, "time", lambda: real() + 86400)
    second, _ = claim_trial(study.database, study_id, Budget("a"), max_attempts=3, owner=owner)
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (0, 1)
    ahead = query(url, "SELECT max(expires) - extract(epoch FROM now()) FROM tuner_claims")[0][0]
    assert 0 < ahead <= CLAIM_SECONDS
    study.database.close()


def test_a_server_that_drops_its_connections_is_met_again(edit: Edit, url: URL) -> None:
    """A restart in the middle of a search costs patience, not trials."""
    edit({"trials = 4": "trials = 40"})
    study = opened(storage=text(url))
    results: list[int] = []

    def work() -> None:
        results.append(run_search(study, SearchRequest()).run.complete)

    thread = threading.Thread(target=work)
    thread.start()
    statement = f"SELECT count(pg_terminate_backend(pid)) {OURS}"
    for goal in (3, 9, 15):
        wait_for(lambda goal=goal: len(finished(url)) >= goal or not thread.is_alive())
        query(url, statement)
    thread.join()
    assert finished(url) == list(range(40))
    assert results


def test_a_file_is_merged_into_a_server(edit: Edit, url: URL) -> None:
    """From one machine's SQLite to the database of many; the search goes on there."""
    edit({"trials = 4": "trials = 6"})
    search(trials=4)
    _, merged = merge(str(edit({"trials = 4": "trials = 6"})), text(url))
    assert [(one.study, one.is_new, one.added) for one in merged] == [("small", True, 4)]
    search(storage=text(url))
    assert finished(url) == list(range(6))


def test_two_workers_of_one_search(edit: Edit, url: URL) -> None:
    """``--workers 2`` on a server; connections do not cross the fork."""
    edit()
    search(storage=text(url), total=12, workers=2)
    assert finished(url) == list(range(12))
    assert parse_url(text(url)) == url


def test_isolation_settings_do_not_matter(edit: Edit, url: URL) -> None:
    """With snapshots of whole transactions by default, every number is still there once."""
    edit({"trials = 4": "trials = 24"})
    server().psql(f"ALTER DATABASE {url.database} SET default_transaction_isolation = 'repeatable read';")
    opened(storage=text(url)).database.close()
    assert statuses(forked(lambda: search(storage=text(url)), 4)) == [0] * 4
    assert finished(url) == list(range(24))


def test_a_study_is_deleted_while_workers_run_it(edit: Edit, url: URL) -> None:
    """All of it, at once; its workers leave with one line, and nothing of it comes back."""
    edit({"trials = 4": "trials = 400"})
    opened(storage=text(url)).database.close()

    def work() -> None:
        with pytest.raises(SearchError, match="the study was deleted while it was searched"):
            search(storage=text(url))
        os._exit(7)

    processes = forked(work, 4)
    wait_for(lambda: len(finished(url)) > 8)
    status, _, errors = command("delete", "small", "--yes", "--storage", text(url))
    assert status == 0, errors
    assert statuses(processes) == [7] * 4
    for table in (
        "trials",
        "trial_params",
        "tuner_trials",
        "tuner_claims",
        "tuner_networks",
        "tuner_epochs",
        "studies",
    ):
        assert query(url, f"SELECT count(*) FROM {table}") == [(0,)]


def test_prepared_statements_are_off_on_request(edit: Edit, url: URL) -> None:
    """``?prepare_threshold=0``, for a pooler; anything but a number is refused."""
    edit()
    plain = text(url.update_query_dict({"prepare_threshold": "0"}))
    search(storage=plain)
    assert finished(url) == list(range(4))
    with pytest.raises(StorageError, match="prepare_threshold: expected an integer"):
        search(storage=text(url.update_query_dict({"prepare_threshold": "no"})))


@pytest.fixture
def pooled(url: URL) -> Iterator[str]:
    """The database behind a pgbouncer that gives its two connections to another client for every transaction."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("needs pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="tuner-pool-", dir="/tmp"))
    folder.chmod(0o777)
    settings = {
        "listen_addr": "",
        "unix_socket_dir": folder,
        "listen_port": 6432,
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": 2,
        "logfile": folder / "log",
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    target = f"{url.database} = host={url.query['host']} dbname={url.database} user=postgres"
    (folder / "ini").write_text("\n".join(["[databases]", target, "[pgbouncer]", *lines]), encoding="utf-8")
    user = Path(str(url.query["host"])).stat().st_uid if os.geteuid() == 0 else None  # it may not run as root
    process = subprocess.Popen([program, "-q", folder / "ini"], user=user)
    wait_for((folder / ".s.PGSQL.6432").exists)
    yield f"postgresql://postgres@/{url.database}?host={folder}&port=6432&prepare_threshold=0"
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


@pytest.mark.slow
def test_a_pooler_may_stand_between(edit: Edit, url: URL, pooled: str) -> None:
    """Four searches through two connections make the tables, and complete the budget exactly."""
    edit({"trials = 4": "trials = 24"})
    assert statuses(forked(lambda: search(storage=pooled), 4)) == [0] * 4
    assert finished(url) == list(range(24))
    assert command("studies", "--storage", pooled)[0] == 0
