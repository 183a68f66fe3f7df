"""Databases for tests: new SQLite files, and new databases on a real PostgreSQL server where one can be installed."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import uuid
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tuner.storage import URL, parse_url, sqlite_url

KINDS = ["sqlite", "postgresql"]


@lru_cache(maxsize=1)
def server() -> Any:
    """One PostgreSQL server for all tests of this process; it ends with the process."""
    pytest.importorskip("psycopg", reason="needs psycopg")
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pgserver", reason="needs pgserver, a PostgreSQL from PyPI")
        folder = tempfile.mkdtemp(prefix="tuner-pg-", dir="/tmp")
        found = pgserver.get_server(folder)

    def end() -> None:
        found.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return found


def new_postgresql() -> URL:
    """An empty database of its own on the server."""
    name = f"t{uuid.uuid4().hex[:12]}"
    server().psql(f"CREATE DATABASE {name};")
    return parse_url(server().get_uri(database=name))


def new_url(kind: str, folder: Path) -> URL:
    """Where a database of this kind can be made."""
    return sqlite_url(folder / "tuner.db") if kind == "sqlite" else new_postgresql()


class OwnServer:
    """A server of its own, to be stopped and restarted, with settings of its own."""

    def __init__(self, **settings: str) -> None:
        self._programs, self._user = _programs()
        self.folder = Path(tempfile.mkdtemp(prefix="tuner-own-", dir="/tmp"))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync", self.data)
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\nfsync = off\n")
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.control("start")

    @property
    def data(self) -> str:
        """Its folder of data."""
        return str(self.folder / "data")

    @property
    def url(self) -> URL:
        """Its database."""
        return parse_url(f"postgresql://postgres@/postgres?host={self.folder}")

    def control(self, *arguments: str) -> None:
        """What ``pg_ctl`` does: start, stop, restart."""
        self._run("pg_ctl", "-D", self.data, "-w", "-l", str(self.folder / "log"), *arguments)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """What the server answers."""
        engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            answer = connection.execute(sa.text(statement))
            return [tuple(row) for row in answer] if answer.returns_rows else []

    def end(self) -> None:
        """Stop it, and remove its data."""
        with suppress(subprocess.CalledProcessError):
            self.control("-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            user=self._user,
            cwd="/tmp",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _programs() -> tuple[Path, str | None]:
    """Where a server's programs are, and who may run them: the system's, if any, which speak many languages."""
    system = shutil.which("initdb")
    if system is not None:
        return Path(system).resolve().parent, "postgres" if os.geteuid() == 0 else None
    server()
    from pgserver._commands import POSTGRES_BIN_PATH

    return POSTGRES_BIN_PATH, "pgserver" if os.geteuid() == 0 else None
