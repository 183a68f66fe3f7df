"""``tuner doctor``: its checks, and when they fail."""

import json
import shutil
import sqlite3
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from tests.conftest import Run
from tuner.storage import check_database, health, sqlite_url
from tuner.workspace import machine


def found(database: Path) -> dict[str, tuple[bool, str]]:
    """The checks of a database file, by their names."""
    return {check.name: (check.passed, check.detail) for check in check_database(sqlite_url(database))}


def test_a_sound_machine_is_told_so_and_nothing_is_created(workplace: Path, here: Run) -> None:
    """Versions, BLAS, cores, file system, database, disk, cache and a timed step; exit status 0."""
    result = here("doctor", "--json")
    assert result.returncode == 0, result.stdout
    told = json.loads(result.stdout)
    assert told["passed"]
    names = [check["name"] for check in told["checks"]]
    assert names == ["versions", "BLAS", "cores", "file system", "database", "disk", "cache", "training step"]
    assert list(workplace.iterdir()) == []


def test_a_searched_database_is_read_written_and_in_wal_mode(small_study: Path, here: Run) -> None:
    """What a search made passes, and is counted."""
    here("search", "small", "--trials", 1)
    result = here("doctor")
    assert result.returncode == 0, result.stdout
    assert "can be read and written; 1 study" in result.stdout
    assert "WAL mode" in result.stdout
    with closing(sqlite3.connect(small_study.parent / "tuner.db")) as connection, connection:
        connection.execute("UPDATE tuner_counts SET pruned = 7")
    with open(small_study.parent / "tuner.db-wal", "wb") as log:
        log.truncate(health.MOST_LOG + 1)  # as after a reader of many hours
    check = health._check_log(small_study.parent / "tuner.db")
    assert (check.passed, "1,000 MB beside the database: a program has long been" in check.detail) == (False, True)
    Path(log.name).unlink()
    passed, text = found(small_study.parent / "tuner.db")["counts"]
    assert not passed
    assert "study 1, table tuner_counts: pruned is 7, not 0" in text


def test_what_is_no_database_is_wrong(workplace: Path, here: Run) -> None:
    """Exit status 1, and the last line names what is wrong."""
    (workplace / "studies").mkdir()
    (workplace / "studies" / "tuner.db").write_text("no database", encoding="utf-8")
    result = here("doctor")
    assert result.returncode == 1
    assert "FAILED  database" in result.stdout
    assert result.stdout.splitlines()[-1] == "failed: database"


@pytest.mark.parametrize("place", [20_000, 100_000])
def test_a_damaged_database_is_wrong(small_study: Path, here: Run, place: int) -> None:
    """Every page is checked, and the message says what to do."""
    here("search", "small", "--quiet")
    with (small_study.parent / "tuner.db").open("r+b") as file:
        file.seek(place)
        file.write(bytes(range(256)) * 240)
    result = here("doctor")
    assert result.returncode == 1
    assert "FAILED  database" in result.stdout
    assert "is damaged" in result.stdout
    assert "tuner restore" in result.stdout


def test_a_database_that_lost_its_mode_is_wrong(tmp_path: Path) -> None:
    """A reader would hold up every writer."""
    with closing(sqlite3.connect(tmp_path / "tuner.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    check = health._check_mode(tmp_path / "tuner.db")
    assert not check.passed
    assert "not in WAL mode" in check.detail


def test_a_network_file_system_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the --storage line that works."""
    mount = namedtuple("mount", "device mountpoint fstype opts")
    mounts = [mount("server:/x", str(tmp_path.resolve()), "nfs4", "rw")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    passed, text = found(tmp_path / "tuner.db")["file system"]
    assert not passed
    assert "postgresql://" in text


def test_a_full_disk_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 200 MB a search would soon stop."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 10**6))
    passed, text = found(tmp_path / "tuner.db")["disk"]
    assert not passed
    assert "Free some space" in text


def test_a_server_that_does_not_answer_is_wrong() -> None:
    """With the driver's own reason, and no password."""
    pytest.importorskip("psycopg")
    (check,) = check_database(sa.make_url("postgresql+psycopg://me:secret@127.0.0.1:1/none"))
    assert not check.passed
    assert "secret" not in check.detail


def test_a_missing_library_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, with what to do."""
    monkeypatch.setattr(machine, "LIBRARIES", ("numpy", "no-such-library"))
    check = machine._check_versions()
    assert not check.passed
    assert "missing: no-such-library" in check.detail


def test_a_slow_step_and_a_blas_that_cannot_be_held_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both say what to check."""
    monkeypatch.setattr(machine, "SLOW_STEP", 0.0)
    assert "is the machine busy?" in machine._check_step().detail
    monkeypatch.setattr(machine, "threadpool_info", list)
    assert "OMP_NUM_THREADS=1" in machine._check_blas().detail
