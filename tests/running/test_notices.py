"""``[notify]``: a real server and real commands are told of the best trial, the end and failures; no trial waits."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEADLINE
from tests.running.conftest import Edit, command, finished, opened, rows
from tuner.errors import SearchError
from tuner.outcomes import TrialState
from tuner.running import SearchRequest, notices, run_search
from tuner.running.notices import Notice, Notices
from tuner.running.outbox import close
from tuner.storage import Budget, EndedTrial, Owner, claim_trial, claims, read_standing
from tuner.study import parse_definition, without_notify

Notify = Callable[..., Path]
NOTICE = Notice("on_best", "small", "small: trial 3 is the best so far", budget=4, finished=1)


class Listener(HTTPServer):
    """Keeps what it is sent; answers with the next of ``statuses``, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.address = f"http://127.0.0.1:{self.server_port}/hook?secret=abcdef"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Location", self.server.address)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Do nothing."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A server on this machine."""
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def notify(edit: Edit) -> Notify:
    """Write ``studies/small.toml`` with these hooks; returns its database."""

    def write(**hooks: str) -> Path:
        lines = "".join(f"{event} = {json.dumps(hook)}\n" for event, hook in hooks.items())
        return edit({"trials = 4\n": f"trials = 4\n\n[notify]\n{lines}"})

    return write


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(notices, "PAUSES", (0.0, 0.0))


def python(code: str) -> str:
    """A command that runs this."""
    return f'"{sys.executable}" -c "{code}"'


def sent(hook: str, *given: Notice) -> None:
    """Send notices to a hook, and wait."""
    sender = Notices({"on_best": hook})
    for notice in given:
        sender.send(notice)
    close(sender.outboxes)


def test_a_search_tells_of_better_trials_and_of_its_end(notify: Notify, listener: Listener) -> None:
    """Each better trial as it is recorded, and the end once, with the best one."""
    database = notify(on_best=listener.address, on_done=listener.address, on_failure=listener.address)
    run_search(opened(), SearchRequest())
    values = rows(
        database, "SELECT number, value FROM trials JOIN trial_values USING (trial_id) WHERE state='COMPLETE'"
    )
    better = [number for k, (number, value) in enumerate(values) if all(value < other for _, other in values[:k])]
    events = [(body["event"], body["trial"]["number"]) for body in sorted(listener.bodies, key=lambda of: of["event"])]
    assert events == [*(("on_best", number) for number in better), ("on_done", better[-1])]
    done = next(body for body in listener.bodies if body["event"] == "on_done")
    assert (done["study"], done["finished"], done["budget"]) == ("small", 4, 4)
    assert done["text"].startswith(f"small: done, 4 of 4 trials; best: trial {better[-1]}, dev error ")
    assert done["trial"]["params"].keys() >= {"alpha", "lambda"}
    listener.bodies.clear()
    run_search(opened(), SearchRequest(trials=1))
    assert [body["event"] for body in listener.bodies if body["event"] == "on_done"] == ["on_done"]


def test_one_trial_is_the_last_and_one_the_best(edit: Edit) -> None:
    """By the database, so that of several workers one tells of the end."""
    edit()
    study = opened()
    run_search(study, SearchRequest())
    standings = [read_standing(study.database, 1, trial_id, Budget("x")) for trial_id in (1, 2, 3, 4)]
    study.database.close()
    assert [one.is_last for one in standings] == [False, False, False, True]
    assert [one.is_best for one in standings] == [trial_id == standings[0].best for trial_id in (1, 2, 3, 4)]
    assert all(one.is_complete for one in standings)


def test_a_trial_whose_workers_died_is_told_of(notify: Notify, listener: Listener) -> None:
    """By the worker that gives it up."""
    database = notify(on_failure=listener.address)
    study = opened()
    dead = Owner("elsewhere", "boot", "namespace", 1, "0")
    claim, _ = claim_trial(study.database, 1, Budget("x"), max_attempts=3, owner=dead)
    assert claim is not None
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE tuner_claims SET attempts = 3, expires = 0")
    connection.close()
    run_search(study, SearchRequest(trials=1))
    (failure,) = listener.bodies
    assert failure["text"].startswith("small: trial 0 failed: crashed: ")


def test_a_study_that_is_held_for_its_failures_is_told_of(
    notify: Notify, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, by the worker whose trial was the last of too many."""
    database = notify(on_failure=listener.address)
    monkeypatch.setattr(claims, "MOST_FAILURES", 1)
    study = opened()
    claim, _ = claim_trial(study.database, 1, Budget("x"), max_attempts=3, owner=Owner("e", "b", "n", 1, "0"))
    assert claim is not None
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE tuner_claims SET attempts = 3, expires = 0")
    connection.close()
    with pytest.raises(SearchError, match="set aside"):
        run_search(study, SearchRequest(trials=1))
    failure, held = listener.bodies
    assert failure["trial"]["number"] == 0
    assert held["text"].startswith("small: set aside: ")
    assert held["text"].endswith("to go on: tuner resume small")


def test_hooks_stay_out_of_the_database(notify: Notify, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it names one, nor does a file made of it; a definition there that names a command runs none."""
    database = notify(on_done=listener.address)
    run_search(opened(), SearchRequest())
    ((stored,),) = rows(database, "SELECT definition FROM tuner_studies")
    assert "notify" not in stored
    assert "secret" not in database.read_bytes().decode("latin-1")
    listener.bodies.clear()
    (database.parent / "small.toml").unlink()
    with sqlite3.connect(database) as connection:
        hostile = f'{stored}\n[notify]\non_best = "touch ran"\non_done = "{listener.address}"\n'
        connection.execute("UPDATE tuner_studies SET definition = ?, budget = 6", [hostile])
    connection.close()
    assert command("search", "small", "--trials", 1, "--quiet")[0] == 0
    assert command("worker")[0] == 0
    assert command("refine", "small", "--output", "next.toml")[0] == 0
    assert "notify" not in Path("next.toml").read_text("utf-8")
    assert listener.bodies == []
    assert not Path("ran").exists()
    assert len(finished(database)) == 6


def test_a_worker_tells_those_that_its_environment_names(
    edit: Edit, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each study that it serves; and of one that it cannot run."""
    database = edit()
    opened().database.close()
    for event in ("DONE", "FAILURE"):
        monkeypatch.setenv(f"TUNER_NOTIFY_ON_{event}", listener.address)
    assert command("worker")[0] == 0
    assert [(body["event"], body["finished"]) for body in listener.bodies] == [("on_done", 4)]
    listener.bodies.clear()
    assert command("submit", "small", "--trials", 1)[0] == 0
    (database.parent / "small.csv").unlink()
    assert command("worker")[0] == 1
    (failure,) = listener.bodies
    assert (failure["event"], failure["trial"]) == ("on_failure", None)
    assert failure["text"].startswith("small cannot be run here: ")


def test_a_command_has_the_notice_in_variables_and_on_stdin(workplace: Path) -> None:
    """No shell reads either, and invisible characters are escaped."""
    reason = "a\0b\n$(touch ran)"
    failed = EndedTrial(7, TrialState.FAILED, None, None, None, None, {}, reason=reason)
    code = (
        "import os, sys; open('told', 'w').write(os.environ['TUNER_REASON'] + '|' + os.environ['TUNER_TRIAL'] + '|' + "
        "os.environ['TUNER_DEV_ERROR'] + '|' + sys.stdin.read())"
    )
    sent(python(code), Notice("on_best", "small", "text", failed))
    variable, number, error, body = Path("told").read_text("utf-8").split("|")
    assert (variable, number, error) == (r"a\x00b\n$(touch ran)", "7", "")
    assert json.loads(body)["trial"]["reason"] == reason
    assert not Path("ran").exists()


def test_a_notice_that_is_refused_for_a_moment_is_sent_again(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice; then nothing is said."""
    listener.statuses = [500, 429]
    sent(listener.address, NOTICE)
    assert [body["text"] for body in listener.bodies] == [NOTICE.text] * 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("statuses", "attempts", "message"),
    [([404], 1, "answered 404"), ([302], 1, "answered 302"), ([500] * 3, 3, "answered 500")],
)
def test_an_address_that_fails_costs_one_line(
    listener: Listener, capsys: pytest.CaptureFixture[str], statuses: list[int], attempts: int, message: str
) -> None:
    """Without the address, which may be secret, and without going where it points; later notices are tried again."""
    listener.statuses = list(statuses)
    sent(listener.address, NOTICE, NOTICE)
    assert len(listener.bodies) == attempts + 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tuner: warning: notify.on_best: not sent: 'small: trial 3 is the best so far': the ")
    assert message in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (python("import sys; print('first'); print('no \\x1b[2J route'); sys.exit(3)"), r"status 3: no \x1b[2J route"),
        (python("import time; time.sleep(60)"), "took longer than 0.2 s"),
        # No Python here: one whose coverage is measured writes a file at its end, where no file may grow.
        (
            "sh -c 'ulimit -f 8; yes | head -c 100000; echo no disk is filled; exit 3'",
            "status 3: no disk is filled",
        ),
        ("/no/such/program", "cannot be run: No such file or directory"),
        ("http://127.0.0.1:1/", "Connection refused"),
    ],
)
def test_a_hook_that_fails_costs_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, hook: str, message: str
) -> None:
    """With the last thing that it said."""
    monkeypatch.setattr(notices, "SECONDS", 0.2 if "sleep" in hook else 20.0)
    sent(hook, NOTICE)
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_no_trial_waits_for_a_hook(notify: Notify, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never answers holds up the end of a search alone, and only so long."""
    monkeypatch.setattr("tuner.running.worker.CLOSE_SECONDS", 0.1)
    database = notify(on_best=python("import time; time.sleep(1000)"))
    monkeypatch.setattr(notices, "SECONDS", 2.0)
    began = time.monotonic()
    run_search(opened(), SearchRequest())
    assert time.monotonic() - began < DEADLINE
    assert len(finished(database)) == 4


def test_a_command_does_not_outlive_a_search(workplace: Path) -> None:
    """It is killed when nobody waits for it any longer."""
    sender = Notices({"on_best": python("import os, time; os.symlink(str(os.getpid()), 'pid'); time.sleep(1000)")})
    sender.send(NOTICE)
    soon = time.monotonic() + DEADLINE
    while not Path("pid").is_symlink() and time.monotonic() < soon:
        time.sleep(0.01)
    close(sender.outboxes, 0.0)
    with suppress(ProcessLookupError):
        while time.monotonic() < soon:
            os.kill(int(os.readlink("pid")), 0)
            time.sleep(0.01)
    assert time.monotonic() < soon


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("ftp://host/secret", "expected an address like https://"),
        ("https://", "expected an address like https://"),
        ("https://me:secret@host/", "without user and password"),
        ("notify-send 'secret", "no closing quotation"),
        ("", "got none"),
        ("no-such-program-here done", "no program 'no-such-program-here'"),
        ("echo a\nb", "on one line"),
    ],
)
def test_what_is_no_hook_is_refused(notify: Notify, monkeypatch: pytest.MonkeyPatch, hook: str, message: str) -> None:
    """In a file and in the environment: one line, exit status 2, before there is a database; no secret in it."""
    database = notify(on_done=hook)
    for _ in range(2):
        status, _, errors = command("search", "small")
        if hook or "notify.on_done" in errors:  # an empty variable switches the hook off
            assert (status, errors.count("\n")) == (2, 1)
            assert "on_done" in errors.lower()
            assert message in errors
        assert "secret@" not in errors
        database = notify(on_best="echo better")
        monkeypatch.setenv("TUNER_NOTIFY_ON_DONE", hook)
        if not hook:
            break
    assert not database.exists()


def test_notify_is_not_part_of_a_study() -> None:
    """The same study with and without, however it is written; the rest of the text stays."""
    text = '# mine\nname = "a" # a\n[data]\nsource = "a.csv"\ntarget = "y"\n'
    for more in ('[notify]\non_done = "echo" # c\n', 'notify.on_done = "echo"\n', 'notify = { on_done = "echo" }\n'):
        whole = text + more if more.startswith("[") else more + text
        plain, hooked = parse_definition(text, "a.toml"), parse_definition(whole, "a.toml")
        assert hooked.notify.hooks == {"on_done": "echo"}
        assert plain.identity("f") == hooked.identity("f")
        assert without_notify(whole).strip() == text.strip()
