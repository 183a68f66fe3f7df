"""``tuner learning-curve``: measured, kept, gone on with after a kill, and told by the report."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import DEADLINE, Run
from tests.running.conftest import wait_for

SLOW = {"max_epochs = 6": "max_epochs = 600", "patience = 2": "patience = 600"}
"""Changes that make a size of the curve last a second or two."""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def curve(workplace: Path) -> Iterator[Start]:
    """Start ``tuner learning-curve ARGUMENTS`` as a process; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def tuner(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tuner", "learning-curve", *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield tuner
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def rows(sizes: bool = False) -> list[tuple[object, ...]]:
    """What the database holds of the curve, also while it is written to."""
    query = "SELECT DISTINCT n_train FROM tuner_learning" if sizes else "SELECT * FROM tuner_learning"
    with closing(sqlite3.connect("studies/tuner.db", timeout=30)) as connection:
        return connection.execute(f"{query} ORDER BY n_train").fetchall()


def test_the_curve_is_measured_kept_and_reported(small_study: Path, here: Run) -> None:
    """Five sizes up to the whole training set; the report has the sentence, the figure, the table and the numbers."""
    here("search", "small")
    result = here("learning-curve", "small", "--json", "--seeds", "3")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert [point["n_train"] for point in found["points"]][-1] == 90
    assert {point["seeds"] for point in found["points"]} == {3}
    assert found["twice"]["n_train"] == 180
    assert 0 <= found["twice"]["low"] <= found["twice"]["value"] <= found["twice"]["high"] <= 1
    assert found["sentence"].startswith("Twice the data would lower dev error from ")
    assert found["today_estimate"]["n_train"] == 90
    assert [point["left_out"] > 0 for point in found["points"]] == [True] * (len(found["points"]) - 1) + [False]
    summary = json.loads(here("report", "small", "--json").stdout)
    assert {"study": "small", **summary["learning_curve"]} == found
    page = Path("reports/small/report.html").read_text(encoding="utf-8")
    assert 'id="learning"' in page
    assert "Would more data help?" in page
    assert "## Would more data help?" in Path("reports/small/report.md").read_text(encoding="utf-8")
    before = rows()
    again = here("learning-curve", "small", "--seeds", "3")
    assert found["sentence"] in again.stdout
    assert "trainings   error on rows left out" in again.stdout
    assert rows() == before


@pytest.mark.slow
def test_a_killed_curve_goes_on_where_it_was(small_study: Path, here: Run, curve: Start) -> None:
    """``kill -9`` in the middle: finished sizes are kept as they were, and the same command does the rest."""
    here("search", "small")
    text = small_study.read_text(encoding="utf-8")
    for old, new in SLOW.items():
        text = text.replace(old, new)
    small_study.write_text(text, encoding="utf-8")
    here("search", "small", "--allow-changed", "--trials", "1")
    process = curve("small")
    wait_for(lambda: len(rows(sizes=True)) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait(DEADLINE)
    kept = rows()
    assert 2 <= len(rows(sizes=True)) < 5
    result = here("learning-curve", "small")
    assert result.returncode == 0, result.stderr
    assert len(rows(sizes=True)) == 5
    assert rows()[: len(kept)] == kept


def test_ctrl_c_keeps_what_is_finished(small_study: Path, here: Run, curve: Start) -> None:
    """One line says so, with the status of the signal."""
    text = small_study.read_text(encoding="utf-8")
    for old, new in SLOW.items():
        text = text.replace(old, new)
    small_study.write_text(text.replace("trials = 4", "trials = 1"), encoding="utf-8")
    here("search", "small")
    process = curve("small", "--seeds", "8")
    wait_for(lambda: len(rows(sizes=True)) >= 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE) == 130
    assert process.stderr is not None
    assert "finished sizes are kept. Continue with the same command" in process.stderr.read()


def test_what_cannot_be_measured_is_one_line(small_study: Path, here: Run) -> None:
    """No such study, not searched, too few seeds or sizes; nothing is made."""
    impossible = {
        ("nothing",): "no study 'nothing'",
        ("small",): "was never searched",
        ("small", "--seeds", "1"): "--seeds",
        ("small", "--sizes", "0"): "--sizes",
    }
    for arguments, said in impossible.items():
        result = here("learning-curve", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
    assert not Path("studies/tuner.db").exists()
