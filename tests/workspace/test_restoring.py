"""``tuner restore``: a backup in the place of a damaged database, and nothing of the old one beside it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.running.conftest import Edit, command, finished, rows, search

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM trials").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def backed_up(edit: Edit, workplace: Path) -> Path:
    """A database with four trials, a copy of it, and a fifth trial, which is only in the log beside the file."""
    file = edit()
    search()
    assert command("backup", "copy.db")[0] == 0
    with closing(sqlite3.connect(file)) as reader:  # keeps the log from being written back
        reader.execute("SELECT count(*) FROM trials").fetchone()
        search(trials=1)
        log = file.with_name("tuner.db-wal").read_bytes()
        shm = file.with_name("tuner.db-shm").read_bytes()
    file.with_name("tuner.db-wal").write_bytes(log)
    file.with_name("tuner.db-shm").write_bytes(shm)
    return file


def test_a_backup_replaces_a_damaged_database(backed_up: Path) -> None:
    """Exactly what was copied is there, no log of the old file is left, and the damaged one is kept with its log."""
    with backed_up.open("r+b") as file:
        file.seek(8192)
        file.write(b"damage" * 4000)
    status, output, errors = command("restore", "copy.db")
    assert status == 0, errors
    assert "1 study" in output
    assert finished(backed_up) == [0, 1, 2, 3]
    assert rows(backed_up, "PRAGMA integrity_check") == [("ok",)]
    (kept,) = (path for path in backed_up.parent.glob("tuner.db.replaced-*") if path.suffix.count("-") == 2)
    assert str(kept) in output
    assert kept.with_name(f"{kept.name}-wal").stat().st_size > 0
    assert search(total=6).run.complete == 2


def test_a_lost_database_is_restored(backed_up: Path) -> None:
    """Where the file is gone, and only its log is left, that log is removed."""
    backed_up.unlink()
    status, output, errors = command("restore", "copy.db")
    assert (status, "kept" in output) == (0, False), errors
    assert finished(backed_up) == [0, 1, 2, 3]


def test_an_open_database_is_not_replaced(backed_up: Path) -> None:
    """A process that has it open, even if it does nothing now, would go on with the old file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(backed_up)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    status, _, errors = command("restore", "copy.db")
    process.communicate("")
    assert (status, "is open in another process" in errors) == (2, True)
    assert not list(backed_up.parent.glob("*.replaced-*"))
    assert command("restore", "copy.db")[0] == 0


@pytest.mark.parametrize(
    ("content", "refusal"),
    [(b"", "an empty file"), (b"rows\n", "not a SQLite database"), (None, "no such file"), (b"half", "is damaged")],
)
def test_a_bad_backup_changes_nothing(backed_up: Path, content: bytes | None, refusal: str) -> None:
    """One line that says what is wrong with it; the database stays as it was."""
    copy = Path("copy.db")
    whole = copy.read_bytes()
    before = backed_up.read_bytes()
    copy.unlink()
    if content is not None:
        copy.write_bytes(whole[: len(whole) // 8192 * 4096] if content == b"half" else content)
    status, _, errors = command("restore", "copy.db")
    assert (status, errors.count("\n")) == (2, 1)
    assert refusal in errors
    assert backed_up.read_bytes() == before
    assert not list(backed_up.parent.glob("*.replaced-*"))


def test_only_files_are_restored(backed_up: Path) -> None:
    """Neither a server nor the database itself."""
    for arguments in (("studies/tuner.db",), ("copy.db", "--storage", "postgresql://me@127.0.0.1:1/name")):
        status, _, errors = command("restore", *arguments)
        assert (status, errors.count("\n")) == (2, 1), errors
