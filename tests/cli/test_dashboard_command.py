"""``tuner dashboard``: optuna-dashboard lists our studies and trials, in a real browser where there is one."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import DEADLINE, SMALL_STUDY, Run, small_table
from tests.reporting.browser import CHROMIUM, Tab, chromium
from tests.running.conftest import command

pytest.importorskip("optuna_dashboard")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard of a database with one searched study is served."""
    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "small.csv").write_text(small_table(), encoding="utf-8")
    (folder / "small.toml").write_text(SMALL_STUDY, encoding="utf-8")
    tuner = [sys.executable, "-u", "-m", "tuner"]
    storage = ["--storage", f"sqlite:///{folder}/tuner.db"]
    assert command("search", folder / "small.toml", "--quiet", "--references", "none", *storage)[0] == 0
    process = subprocess.Popen(
        [*tuner, "dashboard", "--port", "0", "--no-open", *storage], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.search(r"http://\S+", first)
    assert found, first
    yield found[0].removesuffix("/dashboard")
    process.terminate()
    process.communicate(timeout=DEADLINE)


def fetched(url: str, method: str = "GET") -> str:
    """What the server answers."""
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=DEADLINE) as answer:
        text: str = answer.read().decode()
    return text


def text_with(tab: Tab, part: str) -> str:
    """The page's text, once it holds ``part``."""
    end = time.monotonic() + DEADLINE
    while part not in (shown := str(tab.run("document.body ? document.body.innerText : ''"))):
        assert time.monotonic() < end, shown
        time.sleep(0.2)
    return shown


def test_the_studies_and_trials_are_there(address: str) -> None:
    """By the dashboard's own interface: the study's name, and its four trials with their parameters."""
    (study,) = json.loads(fetched(f"{address}/api/studies"))["study_summaries"]
    assert study["study_name"] == "small"
    trials = json.loads(fetched(f"{address}/api/studies/{study['study_id']}"))["trials"]
    assert [trial["number"] for trial in trials] == [0, 1, 2, 3]
    assert {"alpha", "one_minus_beta", "log2_batch_size"} <= {param["name"] for param in trials[0]["params"]}


def test_nothing_can_be_changed(address: str) -> None:
    """A study deleted there would leave its records here without it."""
    with pytest.raises(urllib.error.HTTPError, match="405") as refused:
        fetched(f"{address}/api/studies/1", "DELETE")
    assert b"tuner delete" in refused.value.read()
    assert "small" in fetched(f"{address}/api/studies")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_lists_our_trials(address: str, tmp_path: Path) -> None:
    """The list of studies shows ours, and its table of trials all four."""
    with chromium(tmp_path / "profile") as tab:
        tab.call("Page.navigate", url=f"{address}/dashboard")
        text_with(tab, "small")
        tab.call("Page.navigate", url=f"{address}/dashboard/studies/1/trials")
        shown = text_with(tab, "Trial 3")
        for number in range(4):
            assert f"Trial {number}" in shown


def test_a_port_that_is_taken_is_refused(address: str, small_study: Path, here: Run) -> None:
    """In one line, with the option to change."""
    port = address.rpartition(":")[2]
    here("search", "small", "--trials", 1, "--quiet")
    result = here("dashboard", "--port", port, "--no-open")
    assert result.returncode == 2
    assert f"--port {port}" in result.stderr


def test_without_a_database_there_is_nothing_to_show(workplace: Path, here: Run) -> None:
    """One line, and no file is made."""
    result = here("dashboard", "--no-open", "--port", "0")
    assert result.returncode == 2
    assert "tuner search STUDY" in result.stderr
    assert list(workplace.iterdir()) == []
