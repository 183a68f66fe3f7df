"""The straight way: a data file is opened once, a database is opened once, a definition is parsed once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEADLINE, small_table
from tuner.data import DataSettings, FileReader, load_dataset
from tuner.data.sources import opening
from tuner.errors import DataError

COUNTING = """
import collections, hashlib, json, sys, tomllib
counts = collections.Counter()
def count(event, arguments):
    if event == "open" and str(arguments[0]).endswith("my.csv"):
        counts["data file opened"] += 1
    elif event == "sqlite3.connect" and "tuner.db" in str(arguments[0]) and ".new" not in str(arguments[0]):
        counts["connections"] += 1
sys.addaudithook(count)
digest = hashlib.file_digest
def hashed(file, name):
    counts["data file hashed"] += 1
    return digest(file, name)
hashlib.file_digest = hashed
loads = tomllib.loads
def parse(text, **options):
    counts["definitions parsed"] += 1
    return loads(text, **options)
tomllib.loads = parse
import sqlalchemy as sa
@sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
def executed(connection, cursor, statement, *_):
    if "facts" in statement and statement.lstrip().startswith("SELECT") and "identity" in statement:
        counts["study read"] += 1
@sa.event.listens_for(sa.engine.Engine, "engine_connect")
def connected(connection):
    if not getattr(connection.engine, "counted", False):
        connection.engine.counted = True
        counts["engines"] += 1
from tuner.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(counts))
"""


SEARCH = ("search", "my.csv", "--target", "kind", "--trials", "1", "--quiet", "--references", "fast")


def counted(*arguments: str) -> dict[str, int]:
    """What ``tuner ARGUMENTS`` opens, reads and parses."""
    result = subprocess.run(
        [sys.executable, "-c", COUNTING, *arguments], capture_output=True, text=True, timeout=DEADLINE, env=os.environ
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, int] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("rows", [150, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_search_opens_the_data_file_once(workplace: Path, rows: int) -> None:
    """A first one, with folds (small data) and without; and one that goes on, though its data are prepared."""
    (workplace / "my.csv").write_text(small_table(rows), encoding="utf-8")
    once = {"data file opened": 1, "data file hashed": 1, "definitions parsed": 1}
    first = counted(*SEARCH)
    assert first == first | once
    again = counted(*SEARCH)
    assert again == again | once | {"engines": 1, "study read": 1}


def test_a_report_locates_and_reads_the_study_once(workplace: Path) -> None:
    """By its definition file, or by the name that only the database holds; its rows are read once."""
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    counted(*SEARCH)
    once = {"definitions parsed": 1, "engines": 1, "study read": 1}
    report = counted("report", "my")
    twice = {"data file opened": 2, "data file hashed": 2}  # is it the one that was searched, and its rows
    assert report == report | once | twice
    (workplace / "studies" / "my.toml").unlink()
    report = counted("report", "my")
    assert report == report | {"definitions parsed": 1, "engines": 1, "study read": 2}  # found by its name, then read


def test_a_file_replaced_while_it_is_read_keeps_its_own_fingerprint(tmp_path: Path) -> None:
    """What is hashed and what is parsed is one file, even if its name means another one in between."""
    path = tmp_path / "my.csv"
    path.write_text(small_table(), encoding="utf-8")
    settings = DataSettings(source="my.csv", target="kind")
    with FileReader(settings, tmp_path) as reader:
        before = reader.fingerprint()
        (tmp_path / "other.csv").write_text(small_table(90), encoding="utf-8")
        os.replace(tmp_path / "other.csv", path)
        assert len(reader.raws()["source"].frame) == 150
        assert reader.assemble().fingerprint == before
    assert load_dataset(settings, tmp_path, cache=False).fingerprint != before


def test_a_large_file_that_is_written_to_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is streamed, not held in memory; what was hashed is then not what is parsed."""
    monkeypatch.setattr(opening, "IN_MEMORY", 0)
    path = tmp_path / "my.csv"
    path.write_text(small_table(), encoding="utf-8")
    settings: Any = DataSettings(source="my.csv", target="kind")
    with FileReader(settings, tmp_path) as reader:
        reader.fingerprint()
        with path.open("a", encoding="utf-8") as file:
            file.write("1.0,2.0,a\n")
        with pytest.raises(DataError, match="changed while it was being read"):
            reader.raws()
