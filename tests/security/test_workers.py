"""One study never ends or starves ``tuner worker`` for the others: it is set aside, with its reason for all to read."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEADLINE, SMALL_STUDY, small_table
from tests.running.conftest import command, rows
from tuner.cli.options import bytes_of
from tuner.errors import SearchError
from tuner.running import service
from tuner.running.service import ServiceLimits, ServiceResult, run_service
from tuner.storage import claim_job, finish_job, get_study, open_database, sqlite_url
from tuner.storage.owner import Owner
from tuner.workspace import StudyRequest, list_studies
from tuner.workspace.administration import submit

SHORT = ServiceLimits(trial_seconds=2.0)  # many times what a trial of the good study takes
Change = Callable[[str], str]


def definition(*changes: tuple[str, str]) -> Change:
    """The definition with these parts replaced."""

    def changed(text: str) -> str:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return text

    return changed


def source(path: str) -> Change:
    """The definition with its data elsewhere."""
    return definition(('source = "small.csv"', f'source = "{path}"'))


ENDLESS = definition(("max_epochs = 6", f"max_epochs = {10**12}"), ("patience = 2", f"patience = {10**12}"))
DEFINITIONS: dict[str, tuple[Change, str]] = {
    "endless": (ENDLESS, "wall limit: longer than --max-trial-time = 2 s"),
    "wide": (definition(("hidden = [4]", "hidden = [300000, 300000]")), "out of memory"),
    "searched-wide": (definition(("[space]", '[space]\nhidden = { choice = ["900000-900000"] }')), "out of memory"),
    "seeds": (
        definition(("hidden = [4]", "hidden = [30000, 30000]"), ("[space]", "seeds = 64\n[space]")),
        "out of memory",
    ),
    "deep": (definition(("hidden = [4]", f"hidden = {[1] * 200_000}")), "network.hidden"),
    "searched-deep": (
        definition(("[space]", '[space]\nhidden = { choice = ["' + "-".join(["1"] * 200_000) + '"] }')),
        "space.hidden",
    ),
    "nobody": (source("~nosuchuser/small.csv"), ""),
    "null": (source("small\\u0000.csv"), ""),
    "long-path": (source("x" * 5000), ""),
    "long-folders": (source("x/" * 2500 + "small.csv"), ""),
    "missing": (source("elsewhere.csv"), "no such file"),
    "folder": (source("."), ""),
    "fifo": (source("fifo.csv"), ""),
    "device": (source("/dev/zero"), ""),
    "unknown-encoding": (definition(('target = "kind"', 'target = "kind"\nencoding = "nosuch"')), "nosuch"),
    "binary-encoding": (definition(('target = "kind"', 'target = "kind"\nencoding = "zlib"')), ""),
    "other-target": (definition(('target = "kind"', 'target = "none"')), "none"),
    "trainer": (
        definition(("hidden = [4]", 'trainer = "os:system"'), ("patience = 2\nmin_updates = 10\n", "")),
        "--allow-trainer",
    ),
    "sampler": (definition(("trials = 4", 'trials = 4\nsampler = "none"')), "search.sampler"),
    "nested": (lambda text: text + "[a]\nb = " + "[" * 5000 + "]" * 5000, ""),
    "nested-tables": (lambda text: text + "[" + ".".join(["a"] * 5000) + "]\n", ""),
    "digits": (definition(("trials = 4", "trials = " + "9" * 5000)), ""),
    "large-number": (definition(("trials = 4", f"trials = {2**64}")), ""),
    "empty": (lambda text: "", "name"),
    "no-text": (lambda text: "\x00\x01", "not valid TOML"),
    "long": (lambda text: text + "#" * 3_000_000, ""),
}
"""Name of a study -> how its definition is changed, and what the reason says."""

COLUMNS: dict[str, tuple[str, object]] = {
    "facts-empty": ("facts", "{}"),
    "facts-null": ("facts", "null"),
    "facts-list": ("facts", "[1]"),
    "facts-nested": ("facts", "[" * 100_000),
    "facts-folder": ("facts", '{"class_names": [], "sizes": {}, "folder": "/proc/1/root\\u0000"}'),
    "facts-exploring": ("facts", '{"class_names": [], "sizes": {}, "folder": 7, "exploring": "x"}'),
    "facts-bytes": ("facts", b"\xff\xfe"),
    "definition-bytes": ("definition", b"\xff\xfe"),
    "definition-number": ("definition", 7),
    "identity-empty": ("identity", ""),
    "identity-number": ("identity", 3.5),
    "fingerprint": ("fingerprint", "0" * 64),
    "budget-text": ("budget", "many"),
    "created-text": ("created", "yesterday"),
}
"""Name of a study -> the column that is changed, and its value."""
UNREAD = {"created-text"}
QUICK = ("endless", "wide", "deep", "nobody", "long-path", "fifo", "unknown-encoding", "nested", "digits")


def without_reference_models(name: str) -> None:
    """Record that they were trained."""
    with open_database(sqlite_url(Path("studies/tuner.db")), create=False) as database:
        stored = get_study(database, name)
        claim, _ = claim_job(database, stored.study_id, max_attempts=9, owner=Owner.this_process())
        if claim is not None:
            finish_job(database, claim, {"majority": 0.6})


@pytest.fixture
def shared(workplace: Path) -> Path:
    """A folder whose database can be given studies."""
    studies = workplace / "studies"
    studies.mkdir()
    (studies / "small.csv").write_text(small_table(), encoding="utf-8")
    os.mkfifo(studies / "fifo.csv")
    return workplace


def add(name: str, column: str | None = None, change: object = None) -> None:
    """Submit the small study under a name, and change a column of its row in the database."""
    path = Path("studies") / f"{name}.toml"
    path.write_text(SMALL_STUDY.replace('"small"', f'"{name}"'), encoding="utf-8")
    submit(StudyRequest(name), None)
    without_reference_models(name)
    path.unlink()
    if column is None:
        return
    with closing(sqlite3.connect("studies/tuner.db")) as connection, connection:
        where = "study_id = (SELECT study_id FROM studies WHERE study_name = ?)"
        (before,) = connection.execute(f"SELECT {column} FROM tuner_studies WHERE {where}", (name,)).fetchone()
        value = change(before) if callable(change) else change
        connection.execute(f"UPDATE tuner_studies SET {column} = ? WHERE {where}", (value, name))


def serve(limits: ServiceLimits = SHORT) -> tuple[ServiceResult | SearchError, list[str]]:
    """A worker in this process, and what it said."""
    heard: list[str] = []
    try:
        return run_service(None, forever=False, on_event=lambda event: heard.append(event.text), limits=limits), heard
    except SearchError as error:
        return error, heard


def finished(name: str) -> int:
    """Trials of a study that were run."""
    query = (
        f"SELECT count(*) FROM trials JOIN studies USING (study_id) WHERE study_name = '{name}' AND state = 'COMPLETE'"
    )
    return int(rows(Path("studies/tuner.db"), query)[0][0])


def reasons() -> dict[str, str]:
    """Why studies were set aside, as the database keeps it."""
    query = (
        "SELECT study_name, json_extract(hold, '$.reason') FROM tuner_studies JOIN studies USING (study_id) "
        "WHERE hold IS NOT NULL"
    )
    return dict(rows(Path("studies/tuner.db"), query))


@pytest.mark.parametrize(
    "names", [QUICK, pytest.param(tuple(DEFINITIONS), marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_every_hostile_definition_is_set_aside(
    shared: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """The good study among them is finished, each other one has its reason, for all who list the studies."""
    monkeypatch.setattr(service, "MOST_STUDIES", 2)
    for name in names[: len(names) // 2]:
        add(name, "definition", DEFINITIONS[name][0])
    add("good")
    for name in names[len(names) // 2 :]:
        add(name, "definition", DEFINITIONS[name][0])
    began = time.monotonic()
    result, heard = serve()
    assert isinstance(result, SearchError)  # some failed in the middle of a trial
    assert time.monotonic() - began < DEADLINE
    assert finished("good") >= 3
    kept = {line.name: line.set_aside for line in list_studies()[1]}
    assert kept.pop("good") is None
    for name in names:
        expected = DEFINITIONS[name][1]
        said = [line for line in heard if line.startswith(f"study {name} cannot be run here: ")]
        assert len(said) == 1, name
        assert kept[name] is not None, name
        assert expected in str(kept[name]), (name, kept[name])
        assert "\n" not in said[0]
        assert len(said[0]) < 600


def test_every_hostile_row_is_set_aside(shared: Path) -> None:
    """Whatever its columns hold; what no worker reads does not matter."""
    for name, (column, value) in COLUMNS.items():
        add(name, column, value)
    add("good")
    serve()
    assert finished("good") == 4
    assert set(reasons()) == set(COLUMNS) - UNREAD


def test_a_study_that_runs_again_is_not_set_aside_any_more(shared: Path) -> None:
    """Its data came back: the reason is gone."""
    add("good")
    table = shared / "studies" / "small.csv"
    text = table.read_text(encoding="utf-8")
    table.unlink()
    serve()
    assert "no such file" in reasons()["good"]
    table.write_text(text, encoding="utf-8")
    serve()
    assert finished("good") == 4
    assert reasons() == {}


def test_the_rest_of_a_failing_study_grows(shared: Path) -> None:
    """Twice as long each time, and never less than ten times the time that the attempt took."""
    add("missing", "definition", source("elsewhere.csv"))
    with open_database(sqlite_url(shared / "studies" / "tuner.db"), create=False) as database:
        one = service.Service(database, lambda: False)
        rests = []
        for _ in range(4):
            (study,) = one._open_studies()
            one._serve_one()
            rests.append(one._set_aside[study.study_id].rest)
            assert one._open_studies() == []
            one._set_aside[study.study_id] = replace(one._set_aside[study.study_id], until=0.0)
        one._put_aside(study, ValueError("x"), seconds=1000)
        assert rests == [5, 10, 20, 40]
        assert one._set_aside[study.study_id].rest == 10_000


def test_a_long_trial_gives_way(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two endless studies and one that ends: all have trained, and the last one is finished."""
    monkeypatch.setattr("tuner.running.worker.TURN_SECONDS", 0.05)
    monkeypatch.setattr("tuner.running.worker.CHECKPOINT_SECONDS", 0.0)
    for name in ("first", "second"):
        add(name, "definition", ENDLESS)
    add("good")
    with open_database(sqlite_url(shared / "studies" / "tuner.db"), create=False) as database:
        one = service.Service(database, lambda: finished("good") == 4)
        one.work(forever=True)
    assert set(one.served) == {"first", "second", "good"}
    query = "SELECT length(checkpoint) > 0, attempts FROM tuner_claims WHERE token IS NULL AND checkpoint IS NOT NULL"
    assert set(rows(Path("studies/tuner.db"), query)) == {(1, 0)}


def test_memory_is_limited(shared: Path) -> None:
    """A network that fits the machine does not fit --max-memory; afterwards the limit is gone."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    add("wide", "definition", definition(("hidden = [4]", "hidden = [4000, 4000]")))
    add("good")
    serve(ServiceLimits(memory=200_000_000))
    assert "out of memory" in reasons()["wide"]
    assert finished("good") == 4
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_stop_signal_is_heard_while_data_are_read(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The study does not ask whether to stop."""
    monkeypatch.setattr(service, "SILENCE_AFTER_SIGNAL", 0.1)

    def read_for_ever(*_: object, **__: object) -> None:
        while True:
            time.sleep(0.01)

    monkeypatch.setattr(service, "load_dataset", read_for_ever)
    add("good")
    end = time.monotonic() + 0.3
    with open_database(sqlite_url(shared / "studies" / "tuner.db"), create=False) as database:
        service.Service(database, lambda: time.monotonic() > end).work(forever=True)
    assert time.monotonic() - end < DEADLINE
    assert reasons() == {}


def test_a_silent_study_is_interrupted(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads data for ever; the worker goes on to the next study."""
    load = service.load_dataset

    def read(settings: object, folder: Path, **options: Any) -> object:
        is_silent = "silent" in str(settings)
        monkeypatch.setattr(service, "SILENCE_SECONDS", 0.2 if is_silent else 600.0)
        while is_silent:
            time.sleep(0.01)
        return load(settings, folder, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(service, "load_dataset", read)
    (shared / "studies" / "silent.csv").write_text(small_table(), encoding="utf-8")
    add("silent", "definition", source("silent.csv"))
    add("good")
    serve()
    assert finished("good") == 4
    assert "did not respond for 0.2 s" in reasons()["silent"]


def test_a_folder_that_may_not_be_read(shared: Path) -> None:
    """A reason like any other."""
    closed = shared / "closed"
    closed.mkdir()
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user may read everything")
    add("closed", "definition", source(str(closed / "small.csv")))
    add("good")
    serve()
    closed.chmod(stat.S_IRWXU)
    assert finished("good") == 4
    assert "closed" in reasons()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-memory", "much"), "--max-memory: expected a size like 500M or 2G, got 'much'"),
        (("--max-memory", "0"), "--max-memory: expected a size like 500M or 2G, got '0'"),
        (("--max-memory", "9" * 400), "--max-memory: expected a size like 500M or 2G"),
        (("--max-trial-time", "-1"), "--max-trial-time: expected a time like 90s, 30m or 2h, got '-1'"),
    ],
)
def test_limits_are_checked(workplace: Path, arguments: tuple[str, str], message: str) -> None:
    """One line, status 2, and no database."""
    status, _, errors = command("worker", "--forever", *arguments)
    assert (status, errors.count("\n")) == (2, 1)
    assert message in errors
    assert not (workplace / "studies").exists()


def test_sizes_are_read() -> None:
    """With and without a unit."""
    assert [bytes_of(text, "x") for text in ("500M", "1.5GB", "7", "2k")] == [500_000_000, 1_500_000_000, 7, 2000]
