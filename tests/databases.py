"""Databases for tests: new SQLite files, and new databases on a real PostgreSQL server where one can be installed."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

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
