"""Every way from a database's text to an import: none is open without --allow-trainer."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import tuner
from tests.conftest import SMALL_STUDY, small_table
from tests.running.conftest import command
from tuner.errors import SearchError, TunerError, UsageError
from tuner.running.service import run_service
from tuner.storage import Budget, Database, get_study, sqlite_url
from tuner.study import parse_definition
from tuner.trainers import TrainerFunction, trainer_of
from tuner.workspace.dashboard import Dashboard

MODULE = "planted_trainer"
TRAINER = f"{MODULE}:fit"
PLANTED = """\
from pathlib import Path

Path("imported").touch()

def fit(params, data, seed, report):
    return data.train.y, data.dev.y
"""
COMMANDS = (
    "search small",
    "search small --trials 1",
    "search small --name other",
    "search small --allow-changed",
    "search other --from small --trials 1",
    "refine small",
    "refine small --output studies/next.toml",
    "refine studies/small.toml",
    "check small",
    "check studies/small.toml",
    "report small",
    "trials small",
    "train small",
    "learning-curve small --sizes 1 --seeds 2",
    "enqueue small alpha=0.1",
    "submit small --trials 1",
    "watch small",
    "studies",
    "worker",
    "merge altered.db --storage sqlite:///merged.db",
    "delete small --yes",
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that was searched, and a module that says when it is imported, twice."""
    folder = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TUNER_CACHE", str(folder / ".cache"))
        patch.delenv("TUNER_STORAGE", raising=False)
        studies = folder / "studies"
        studies.mkdir()
        (studies / "small.csv").write_text(small_table(), encoding="utf-8")
        (studies / "small.toml").write_text(SMALL_STUDY, encoding="utf-8")
        (studies / "other.toml").write_text(SMALL_STUDY.replace('"small"', '"other"'), encoding="utf-8")
        assert command("search", "small", "--quiet")[0] == 0
        for place in (folder, studies):
            (place / f"{MODULE}.py").write_text(PLANTED, encoding="utf-8")
    return folder


@pytest.fixture
def here(searched: Path, workplace: Path) -> Iterator[Path]:
    """A copy of it that is the current folder; afterwards nobody has imported the module."""
    shutil.copytree(searched, workplace, dirs_exist_ok=True)
    yield workplace
    sys.modules.pop(MODULE, None)


def alter(database: Path, *, identity: bool) -> None:
    """Let a study's text name the trainer, and its identity too, if asked for."""
    text = SMALL_STUDY.replace("hidden = [4]", f'trainer = "{TRAINER}"')
    text = text.replace("patience = 2\nmin_updates = 10\n", "")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE tuner_studies SET definition = ?", (text,))
        if identity:
            (stored,) = connection.execute("SELECT identity FROM tuner_studies").fetchone()
            changed = parse_definition(text, "x").identity(json.loads(stored)["data.fingerprint"])
            connection.execute("UPDATE tuner_studies SET identity = ?", (json.dumps(changed),))
    shutil.copy(database, "altered.db")


def assert_nothing_ran(folder: Path) -> None:
    """The module was not imported, and no definition names it, so that the next command does not import it either."""
    assert MODULE not in sys.modules
    assert not (folder / "imported").exists()
    for path in folder.rglob("*.toml"):
        assert TRAINER not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("identity", [False, True], ids=["text", "text-and-identity"])
@pytest.mark.parametrize("has_file", [True, False], ids=["with-file", "without-file"])
def test_no_command_imports_what_a_database_names(here: Path, has_file: bool, identity: bool) -> None:
    """Not with the user's own definition beside it, and not without."""
    database = here / "studies" / "tuner.db"
    alter(database, identity=identity)
    if not has_file:
        (here / "studies" / "small.toml").unlink()
    before = {path: path.read_bytes() for path in (here / "studies").iterdir() if path.is_file()}
    for line in COMMANDS:
        for path in {*(here / "studies").glob("*"), here / "merged.db"} - {*before}:
            path.unlink(missing_ok=True)
        for path, content in before.items():
            path.write_bytes(content)
        status, _, errors = command(*line.split())
        assert "internal error" not in errors, (line, errors)
        assert "No such option" not in errors, (line, errors)
        assert status in (0, 1, 2), (line, errors)
        assert_nothing_ran(here)


def test_refine_writes_a_trainer_that_was_allowed(here: Path) -> None:
    """Permission is for the text that is used: that of the database here, whose identity is another."""
    alter(here / "studies" / "tuner.db", identity=True)
    status, _, errors = command("refine", "small")
    assert status == 2
    assert f"{TRAINER}, that only the database names" in errors
    assert f"--allow-trainer {TRAINER}" in errors
    assert command("refine", "small", "--allow-trainer", "another:fit")[0] == 2
    assert command("refine", "small", "--allow-trainer", TRAINER)[0] == 0
    assert not (here / "imported").exists()


def python_search() -> object:
    """Search by name."""
    return tuner.search("small", trials=1)


def python_train() -> object:
    """Train again."""
    return tuner.load_study("small").train()


def serve() -> object:
    """A worker that was allowed another trainer."""
    return run_service(None, forever=False, on_event=lambda text: None, allow_trainers=("another:fit",))


def process_or_dask_worker() -> object:
    """What a process or a Dask worker is sent: a trainer without permission."""
    from tuner.data import load_dataset
    from tuner.running.task import Task
    from tuner.running.worker import Worker

    with Database(sqlite_url(Path("studies/tuner.db"))) as database:
        stored = get_study(database, "small")
        definition = parse_definition(stored.definition, "x")
        dataset = load_dataset(definition.data, Path("studies"))
        task = Task(stored.study_id, trainer_of(definition), dataset, dataset.dev_rows * 0, Budget("x"), stored.facts)
        return Worker(database, task, lambda: False)


@pytest.mark.parametrize("way", [python_search, python_train, serve, process_or_dask_worker])
def test_no_call_imports_what_a_database_names(here: Path, way: Callable[[], object]) -> None:
    """Each is refused; the worker has nothing else to serve."""
    alter(here / "studies" / "tuner.db", identity=True)
    (here / "studies" / "small.toml").unlink()
    command("submit", "small", "--trials", "1")
    with pytest.raises((UsageError, SearchError, TunerError)):
        way()
    assert_nothing_ran(here)


def test_the_dashboard_imports_nothing(here: Path) -> None:
    """It reads Optuna's tables only."""
    pytest.importorskip("optuna_dashboard")
    alter(here / "studies" / "tuner.db", identity=True)
    served = Dashboard(None, "127.0.0.1", 0)
    assert [study.study_name for study in served._storage.get_all_studies()] == ["small"]
    served._server.server_close()
    served._storage.remove_session()
    served._storage.engine.dispose()
    assert_nothing_ran(here)


def test_folders_are_searched_only_while_a_trainer_needs_them(here: Path) -> None:
    """Afterwards a file in the current folder stands in for no library."""
    before = list(sys.path)
    function = TrainerFunction(TRAINER, (here, here / "studies"))
    function.load()
    assert sys.path == before
    with function.importable():
        assert sys.path[len(before) :] == [str(here), str(here / "studies")]
    assert sys.path == before
