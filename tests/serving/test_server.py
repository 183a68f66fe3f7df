"""``tuner serve`` as a process, asked as browsers, scripts and Prometheus ask."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import DEADLINE, SMALL_STUDY, small_table
from tests.reporting.browser import CHROMIUM, chromium
from tests.running.conftest import command

pytest.importorskip("fastapi")
from prometheus_client.parser import text_string_to_metric_families

from tuner.errors import StorageError
from tuner.serving.reading import Reader
from tuner.serving.server import TOKEN_VARIABLE, Server, serve_beside
from tuner.storage import open_database, parse_url, set_aside, sqlite_url

HOSTILE = 'plain "Optuna"\\\n</script><b>'
TOKEN = "a-token-of-the-tests"


class Served(NamedTuple):
    """A server, and the folder that it runs in."""

    url: str
    folder: Path
    process: subprocess.Popen[str]


def test_a_database_of_an_earlier_version_is_not_changed(tmp_path: Path) -> None:
    """A server only reads: it says how to upgrade the database, and leaves every byte."""
    file = tmp_path / "tuner.db"
    open_database(sqlite_url(file), create=True).close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE tuner_version SET schema_version = 11")
    before = file.read_bytes()
    with pytest.raises(StorageError, match=r"of an earlier version.*Upgrade it with: tuner studies --storage"):
        Reader(sqlite_url(file)).studies()
    assert (file.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (before, ["tuner.db"])


def serve(folder: Path) -> Served:
    """Start a server of ``studies/tuner.db`` in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tuner", "serve", "--port", "0"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.search(r"http://\S+/", first)
    assert found, first + process.stdout.read()
    return Served(found[0], folder, process)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of one searched study of four trials, set aside for a bad reason, and one of plain Optuna."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "studies").mkdir()
    (folder / "studies/small.csv").write_text(small_table(), encoding="utf-8")
    (folder / "studies/small.toml").write_text(SMALL_STUDY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TUNER_CACHE", str(folder / ".cache"))
        patch.delenv("TUNER_STORAGE", raising=False)
        assert command("search", "small", "--quiet", "--references", "none")[0] == 0
        with closing(sqlite3.connect("studies/tuner.db")) as connection, connection:
            connection.executemany("INSERT INTO studies (study_name) VALUES (?)", [["plain"], [HOSTILE]])
        with open_database(parse_url("sqlite:///studies/tuner.db"), create=False) as database:
            set_aside(database, 1, HOSTILE)
        server = serve(folder)
    yield server
    server.process.terminate()
    output, _ = server.process.communicate(timeout=DEADLINE)
    assert (server.process.returncode, output) == (143, "")


class Answer(NamedTuple):
    """A status, headers (lower case) and a text."""

    status: int
    headers: dict[str, str]
    text: str


def ask(url: str, **headers: str) -> Answer:
    """What the server answers, whatever its status."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=DEADLINE) as found:
            return Answer(found.status, {k.lower(): v for k, v in found.headers.items()}, found.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode())


def asked_json(url: str) -> Any:
    """The JSON that the server answers."""
    found = ask(url)
    assert found.status == 200, found
    return json.loads(found.text)


def test_json_has_studies_progress_and_trials(served: Served) -> None:
    """As the commands print them."""
    studies = asked_json(f"{served.url}api/studies")
    assert [(line["name"], line["complete"] + line["pruned"]) for line in studies["studies"]] == [
        ("small", 4),
        ("plain", 0),
    ]
    state = asked_json(f"{served.url}api/studies/small")
    assert (state["finished"], state["budget"], state["workers"], state["is_running"]) == (4, 4, [], False)
    assert state["best"]["params"].keys() >= {"alpha", "lambda"}
    whole = asked_json(f"{served.url}api/studies/small/trials")
    printed = json.loads(
        command("trials", "small", "--json", "--storage", f"sqlite:///{served.folder}/studies/tuner.db")[1]
    )
    assert whole["trials"] == printed["trials"]
    assert whole["next"] is None


def test_trials_are_paged(served: Served) -> None:
    """Each page names the next one, and together they are all trials."""
    numbers: list[int] = []
    above: int | None = -1
    while above is not None:
        page = asked_json(f"{served.url}api/studies/small/trials?limit=3&above={above}")
        numbers += [trial["number"] for trial in page["trials"]]
        above = page["next"]
    assert numbers == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("api/studies/none", 404),
        ("studies/none", 404),
        ("studies/..%2f..%2fetc%2fpasswd", 404),
        ("studies/small.csv", 404),
        ("studies/small.toml", 404),
        ("studies/%00", 404),
        ("api/studies/%1b%5b2J%0aFORGED/trials", 404),
        ("api/studies/%ff", 404),
        ("studies/%3Cscript%3E", 404),
        ("nothing", 404),
        ("api/studies/small/trials?limit=0", 422),
        ("api/studies/small/trials?above=x", 422),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(served: Served, path: str, status: int) -> None:
    """Whatever a name looks like, and without a control character or a page in the answer."""
    found = ask(served.url + path)
    text = json.loads(found.text)["detail"] if path.startswith("api/") else found.text
    assert (found.status, text.strip().isprintable()) == (status, True)
    assert "html" not in found.headers["content-type"]


def test_metrics_are_those_of_the_studies(served: Served) -> None:
    """Prometheus reads them."""
    found = ask(f"{served.url}metrics")
    assert found.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(found.text)
        for sample in family.samples
    }
    assert samples["tuner_budget", "small"] == 4
    assert samples["tuner_trials", "failed", "small"] == 0
    assert samples["tuner_trials", "plain", "unrecorded"] == 0
    assert samples["tuner_held", "set_aside", "small"] == 1
    assert ("tuner_held", "set_aside", "plain") not in samples
    assert 0 < samples["tuner_best_value", "error", "small"] < 1
    assert samples["tuner_database_seconds",] > 0


def test_a_page_says_where_its_rows_are(served: Served) -> None:
    """The server reads no data: the command that does is named."""
    page = ask(f"{served.url}studies/small").text
    assert re.search(r"Not shown: the server reads no data files\. tuner report small.* writes a page", page)


def test_pages_load_nothing_from_elsewhere(served: Served) -> None:
    """The list links to the study and shows a bad reason as text; the list of endpoints has every one of them."""
    index, endpoints = ask(served.url), ask(f"{served.url}api")
    assert 'href="studies/small"' in index.text
    assert ": plain &#34;Optuna" in index.text
    assert "<b>" not in index.text
    for path in asked_json(f"{served.url}openapi.json")["paths"]:
        assert f"GET {path}<" in endpoints.text
    for page in (index, endpoints, ask(f"{served.url}studies/small")):
        assert not re.search(r"<link|@import| src=|url\(", page.text)
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in page.headers["content-security-policy"]


def test_an_unchanged_report_is_not_sent_again(served: Served) -> None:
    """The browser's copy is as good, until a study file says something else."""
    first = ask(f"{served.url}studies/small")
    assert "<h1>small" in first.text
    again = ask(f"{served.url}studies/small", **{"If-None-Match": first.headers["etag"]})
    assert (again.status, again.text) == (304, "")


def test_another_name_and_another_method_are_refused(served: Served) -> None:
    """By the process that listens, too."""
    host = served.url.removeprefix("http://").rstrip("/")
    for method, name, status in (("GET", "evil.example", 403), ("DELETE", host, 405), ("HEAD", host, 200)):
        with closing(HTTPConnection(host, timeout=DEADLINE)) as connection:
            connection.request(method, "/api/studies", headers={"Host": name})
            answer = connection.getresponse()
            assert answer.status == status
            assert (answer.read() == b"") is (method == "HEAD")
            assert answer.headers["server"] is None


def test_an_outage_is_one_line_and_passes(served: Served) -> None:
    """503 while the database is locked, or gone; then as before."""
    with closing(sqlite3.connect(served.folder / "studies/tuner.db", isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN IMMEDIATE")
        holder.execute("UPDATE tuner_studies SET budget = budget")
        holder.execute("COMMIT")
        for path in ("healthz", "api/studies/small"):  # each waits a second
            found = ask(served.url + path)
            assert (found.status, found.headers["retry-after"]) == (503, "5"), path
            assert found.text.count("\n") <= 1
            assert "locked" in found.text
    assert ask(f"{served.url}healthz").text == "ok\n"
    moved = served.folder / "away"
    (served.folder / "studies").rename(moved)
    assert ask(f"{served.url}healthz").status == 503
    assert asked_json(f"{served.url}api/studies")["studies"] == []
    moved.rename(served.folder / "studies")
    assert ask(f"{served.url}healthz").status == 200


def test_with_a_token_nothing_is_shown_without_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where others reach the server; and the token is never written down."""
    monkeypatch.chdir(served.folder)
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    log: list[str] = []
    server = Server(None, "0.0.0.0", 0, log.append)
    thread = threading.Thread(target=server.serve)
    thread.start()
    url = server.url.replace("0.0.0.0", "127.0.0.1")
    try:
        assert ask(url).status == 401
        assert ask(f"{url}metrics", Authorization="Bearer wrong").status == 401
        assert ask(f"{url}healthz?token={TOKEN}").status == 401
        assert ask(f"{url}healthz", Authorization=f"Bearer {TOKEN}").text == "ok\n"
    finally:
        server.end()
        thread.join()
    assert (log, *capfd.readouterr()) == ([], "", "")


def test_workers_and_searches_answer_while_they_run(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON, metrics and health, without pages; the line that names the port comes first."""
    monkeypatch.chdir(served.folder)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    log: list[str] = []
    with serve_beside(None, "0", log.append, "--metrics-port"):
        (url,) = re.findall(r"http://127.0.0.1:\d+/", log[0])[:1]
        assert 'tuner_budget{study="small"} 4.0' in ask(f"{url}metrics").text
        assert ask(f"{url}healthz").text == "ok\n"
        assert asked_json(f"{url}api/studies/small")["finished"] == 4
        assert ask(f"{url}studies/small").status == 404
    for words in (("worker",), ("search", "small", "--log-format", "json")):
        status, _, errors = command(*words, "--metrics-port", "0")
        assert status == 0
        assert "metrics at http://127.0.0.1:" in errors
    for port in ("x", "", "99999", "1" * 5000, "localhost:"):
        status, _, errors = command("worker", "--metrics-port", port)
        assert (status, errors.count("\n")) == (2, 1)
        assert "--metrics-port: expected PORT or HOST:PORT" in errors


def test_addresses_that_cannot_be_served_are_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line that says what to do; the token is not in it."""
    monkeypatch.chdir(served.folder)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    port = served.url.rstrip("/").rpartition(":")[2]
    for options, token, message in (
        (("--host", "0.0.0.0"), None, f"set {TOKEN_VARIABLE} to a secret token"),
        (("--host", "0.0.0.0"), "short", "at least 16"),
        (("--port", port), None, f"--port {port}: Address already in use"),
        (("--host", "no.such.host.invalid"), TOKEN, "--host no.such.host.invalid"),
        (("--storage", "sqlite:///missing.db"), None, "missing.db"),
        (("--storage", "sqlite:///studies/small.csv"), None, "small.csv"),
    ):
        if token is not None:
            monkeypatch.setenv(TOKEN_VARIABLE, token)
        status, _, errors = command("serve", *options)
        assert (status, errors.count("\n")) == (2, 1)
        assert message in errors
        assert token is None or token not in errors
        monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


@pytest.mark.slow  # a report is made again only after a pause of ten times what it took
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_report_follows_the_search_and_keeps_the_place(
    served: Served, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A trial more is shown without a touch; the open section, the filter, the scale and the place are kept."""
    folder = tmp_path / "here"
    shutil.copytree(served.folder, folder)
    server = serve(folder)
    request.addfinalizer(lambda: (server.process.kill(), server.process.communicate()))
    with chromium(tmp_path / "profile") as tab:

        def until(expression: str) -> None:
            end = time.monotonic() + DEADLINE
            while not tab.run(expression):
                assert time.monotonic() < end, tab.run("document.body.innerText.slice(0, 300)")
                time.sleep(0.1)

        tab.call("Page.navigate", url=f"{server.url}studies/small")
        until("(document.querySelector('.live') || {}).innerText?.includes('4 of 4')")
        tab.run(
            "document.querySelector('footer details').open = true;"
            "document.querySelector('#trials input').value = 'complete';"
            "document.querySelector('#trials input').dispatchEvent(new Event('input'));"
            "[...document.querySelectorAll('#trials th button')].find((b) => b.textContent === 'alpha').click();"
            "[...document.querySelectorAll('.switch button')].pop()?.click();"
            "document.querySelector('#trials h2').scrollIntoView(); window.first = true"
        )
        place = "Math.round(document.querySelector('#trials h2').getBoundingClientRect().top) + 0"
        before = tab.run(place)
        subprocess.run(
            [sys.executable, "-m", "tuner", "search", "small", "--trials", "1", "--quiet"],
            cwd=folder,
            check=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        until("!window.first && document.querySelector('.live')?.innerText.includes('5 of 5')")
        assert tab.run("document.querySelector('footer details').open")
        assert tab.run("document.querySelector('#trials input').value") == "complete"
        assert tab.run("document.querySelector('th[aria-sort=ascending]').textContent") == "alpha"
        assert tab.run("[...document.querySelectorAll('.switch button')].pop()?.ariaPressed ?? 'true'") == "true"
        assert abs(tab.run(place) - before) <= 2
        assert tab.errors == []
