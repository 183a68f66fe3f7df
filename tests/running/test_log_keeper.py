"""SQLite's log beside a reader that holds it up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tuner.running import log_keeper
from tuner.storage import Database, database, open_database, sqlite_url


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database with a log, each of which is long."""
    monkeypatch.setattr(database, "LONG_LOG", 0)
    found = open_database(sqlite_url(tmp_path / "tuner.db"), create=True)
    found.write(lambda connection: connection.exec_driver_sql("CREATE TABLE filler (x)"))
    yield found
    found.close()


def test_a_long_log_is_emptied(written: Database) -> None:
    """Nothing of it is needed once it is in the file."""
    assert written.shorten_log() == 0


def test_a_reader_holds_the_log_up_and_is_told_of_once(
    written: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As long as it reads what was there before; then the log is emptied."""
    monkeypatch.setattr(log_keeper, "MOST_LOG", 0)
    monkeypatch.setattr(log_keeper, "SECONDS", 0.0)
    keeper = log_keeper.LogKeeper(written)
    with closing(sqlite3.connect(tmp_path / "tuner.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM filler").fetchall()
        written.write(lambda connection: connection.exec_driver_sql("INSERT INTO filler VALUES (1)"))
        keeper.look()
        keeper.look()
        assert written.shorten_log() > 0
    assert written.shorten_log() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tuner: warning: 0 MB of log beside ")
    assert line.endswith("tuner.db, and end it")
