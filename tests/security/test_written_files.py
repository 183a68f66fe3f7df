"""Files that a command writes: over nothing that must stay, through no link, with the rights that the umask leaves."""

from __future__ import annotations

import ast
import gzip
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import pytest

import tuner
from tests.cli.conftest import model_bytes, place, searched
from tests.running.conftest import command
from tests.sources import MODULES, PACKAGE, name_of, tree_of
from tuner import files
from tuner.cli.app import COMMANDS, function_name
from tuner.errors import UsageError
from tuner.files import refuse_overwriting, temporary_beside, whole_file, write_new, write_whole
from tuner.modeling.archive import pack, unpack
from tuner.study import schema_text

__all__ = ["model_bytes", "place", "searched"]

MODEL = "models/mixed.tuner"
WRITERS = {
    ("export", "onnx"): ("export", MODEL, "--onnx", "{}"),
    ("predict", "output"): ("predict", MODEL, "rows.csv", "--output", "{}"),
    ("train", "output"): ("train", "mixed", "--output", "{}"),
    ("refine", "output"): ("refine", "mixed", "--output", "{}"),
    ("backup", "file"): ("backup", "{}"),
    ("report", "output"): ("report", "mixed", "--output", "{}"),
    ("errors", "csv"): ("errors", "mixed", "--csv", "{}"),
    ("errors", "tally"): ("errors", "mixed", "--tally", "{}"),
    ("errors", "output"): ("errors", "mixed", "--html", "--output", "{}"),
    ("report", "figures"): ("report", "mixed", "--figures", "{}"),
}
"""Every command with an option or argument that names what it writes."""
READ = {
    ("restore", "file"),
    ("evaluate", "data"),
    ("predict", "data"),
    ("init", "data"),
    ("report", "tally"),
    *((name, "model") for name in COMMANDS),
}
"""Paths that are only read."""


@pytest.fixture(scope="module")
def made(searched: Path, model_bytes: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a file of each kind, the current one for the tests of this module."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TUNER_CACHE", str(folder / ".cache"))
        patch.delenv("TUNER_STORAGE", raising=False)
        (folder / "studies").mkdir()
        for file in (searched / "studies").iterdir():
            (folder / "studies" / file.name).write_bytes(file.read_bytes())
        (folder / "models").mkdir()
        (folder / MODEL).write_bytes(model_bytes)
        rows = (folder / "studies" / "mixed.csv").read_bytes()
        metadata, thetas = unpack(model_bytes, MODEL)
        (folder / "other.tuner").write_bytes(pack(metadata.model_copy(update={"study": "other"}), thetas))
        (folder / "study.schema.json").write_text(schema_text(), encoding="utf-8")
        (folder / "rows.csv").write_bytes(rows)
        (folder / "data.csv").write_bytes(rows)
        (folder / "data.csv.gz").write_bytes(gzip.compress(rows))
        (folder / "hidden.onnx").write_bytes(model_bytes)  # a kind that its name does not tell
        (folder / "hidden.parquet").write_bytes((folder / "studies" / "tuner.db").read_bytes())
        (folder / "copy.db").write_bytes((folder / "studies" / "tuner.db").read_bytes())
        (folder / "copy.db-wal").write_bytes(b"rows")
        (folder / "link.onnx").symlink_to(folder / "studies" / "tuner.db")
        (folder / "nowhere.onnx").symlink_to(folder / "nowhere")
        (folder / "notes.onnx").write_text("mine", encoding="utf-8")
        yield folder


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file, but the cache and what SQLite keeps beside a database while it is read."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("tuner.db-") and ".cache" not in path.parts
    }


STAYS = (
    "studies/tuner.db",
    "copy.db-wal",
    "studies/mixed.toml",
    "studies/mixed.csv",
    "data.csv",
    "data.csv.gz",
    "other.tuner",
    "study.schema.json",
    "hidden.onnx",
    "hidden.parquet",
    "link.onnx",
    "/dev/null",
    "models",
)


def test_every_path_of_a_command_is_read_or_in_the_table() -> None:
    """A new option that names a file must be added here."""
    found = set()
    for name in COMMANDS:
        module = __import__(f"tuner.cli.{name.replace('-', '_')}_command", fromlist=[""])
        hints = get_type_hints(getattr(module, function_name(name)), vars(module) | {"Annotated": Annotated})
        found |= {(name, parameter) for parameter, hint in hints.items() if hint is Path or Path in get_args(hint)}
    assert found - READ == set(WRITERS)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=lambda writer: writer[0])
@pytest.mark.parametrize("target", STAYS)
def test_what_must_stay_is_refused(made: Path, target: str, writer: tuple[str, ...]) -> None:
    """A database, a part of it, a model, data and definitions: one line, status 2, not a byte changed."""
    if target == "models" and (writer[0] == "report" or "--html" in writer):
        pytest.skip("a report is a folder")
    before = contents(made)
    has_force = writer[0] in ("export", "predict", "report", "train")
    if writer[0] == "train" and target == "hidden.onnx":
        has_force = False  # which replaces a model of the same study: it can be trained again
    for more in [(), ("--force",)] if has_force else [()]:
        status, _, errors = command(*(word.format(target) for word in writer), *more)
        assert status == 2, errors
        assert errors.count("\n") == 1
        assert target.rpartition("/")[2] in errors
    assert contents(made) == before
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("target", ["notes.onnx", "nowhere.onnx"])
def test_another_file_is_replaced_with_force_only(made: Path, target: str) -> None:
    """A link that leads nowhere is a file, too, and is not followed."""
    pytest.importorskip("onnx")
    status, _, errors = command("export", MODEL, "--onnx", target)
    assert status == 2
    assert "already exists" in errors
    assert "--force" in errors
    status, _, errors = command("export", MODEL, "--onnx", target, "--force")
    assert status == 0, errors
    assert (made / target).stat().st_size > 1000
    assert not (made / "nowhere").exists()


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_predictions_are_replaced_with_force_only(made: Path, name: str) -> None:
    """They are known by their column, whatever the format."""
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    arguments = ("predict", MODEL, "rows.csv", "--output", name)
    assert command(*arguments)[0] == 0
    before = (made / name).read_bytes()
    status, _, errors = command(*arguments, "--probabilities")
    assert (status, "--force" in errors) == (2, True)
    assert (made / name).read_bytes() == before
    assert command(*arguments, "--probabilities", "--force")[0] == 0
    assert (made / name).read_bytes() != before


def test_a_report_replaces_reports_only(made: Path) -> None:
    """A file of another origin under one of its names stays, and so does the rest of the report."""
    assert command("report", "mixed")[0] == 0
    assert command("report", "mixed")[0] == 0
    folder = made / "reports" / "mixed"
    (folder / "trials.csv").write_text("name,age\nAnn,40\n", encoding="utf-8")
    (folder / "summary.json").write_text("[1]", encoding="utf-8")
    (folder / "report.md").unlink()
    status, _, errors = command("report", "mixed", "--force")
    assert (status, "trials.csv: is a data file" in errors) == (2, True)
    (folder / "trials.csv").unlink()
    status, _, errors = command("report", "mixed")
    assert (status, "summary.json: already exists" in errors) == (2, True)
    assert [path.name for path in folder.iterdir() if path.name in ("report.md", "trials.csv")] == []
    assert command("report", "mixed", "--force")[0] == 0


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("target", [*STAYS, "notes.onnx"])
def test_a_model_is_saved_over_nothing_that_must_stay(made: Path, target: str, force: bool) -> None:
    """From Python, too."""
    if target == "notes.onnx" and force:
        pytest.skip("any other file is replaced")
    model = tuner.load_model(MODEL)
    model.metadata = model.metadata.model_copy(update={"study": "new"})
    before = contents(made)
    with pytest.raises(UsageError, match=re.escape(target.rpartition("/")[2])):
        model.save(target, force=force)
    assert contents(made) == before


def test_a_model_is_replaced_by_one_of_the_same_study(made: Path) -> None:
    """Of the same trial always, of another trial with force; the default file of a study by each training."""
    model = tuner.load_model(MODEL)
    assert model.save(made / "again.tuner") == model.save(made / "again.tuner")
    trial = next(trial for trial in range(4) if trial != model.metadata.trial)
    before = (made / "again.tuner").read_bytes()
    arguments = ("train", "mixed", "--trial", str(trial), "--output", "again.tuner")
    status, _, errors = command(*arguments)
    assert (status, "again.tuner: already exists" in errors, "--force" in errors) == (2, True, True)
    other = tuner.load_study("mixed").train(trial=trial)
    with pytest.raises(UsageError, match="--force"):
        other.save("again.tuner")
    assert (made / "again.tuner").read_bytes() == before
    assert command(*arguments, "--force")[0] == 0
    assert tuner.load_model("again.tuner").metadata.trial == trial
    model.save("again.tuner", force=True)
    assert tuner.load_model("again.tuner").metadata.trial == model.metadata.trial


def test_a_schema_of_another_kind_stays(made: Path) -> None:
    """The one beside a definition is replaced by the current one only where it is ours."""
    (made / "other").mkdir()
    (made / "other" / "study.schema.json").write_text("mine", encoding="utf-8")
    status, _, errors = command("refine", "mixed", "--baseline", "0", "--output", "other/next.toml")
    assert status == 0, errors
    assert (made / "other" / "study.schema.json").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_what_is_written_obeys_the_umask(made: Path, mask: int) -> None:
    """Predictions, models, graphs, definitions, copies and reports."""
    pytest.importorskip("onnx")
    folder = made / f"umask{mask:o}"
    folder.mkdir()
    before = os.umask(mask)
    try:
        for (name, option), writer in WRITERS.items():
            suffix = {"export": ".onnx", "predict": ".csv", "train": ".tuner", "refine": ".toml"}.get(name, "")
            target = f"{name}-{option}{suffix}"
            more = ("--baseline", "0") if name == "refine" else ()
            status, _, errors = command(*(word.format(folder / target) for word in writer), *more)
            assert status == 0, errors
    finally:
        os.umask(before)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 10
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in files} == {
        path.name: oct(0o666 & ~mask) for path in files
    }


WRITE: dict[str, Callable[[Path], object]] = {
    "write_whole": lambda path: write_whole(path, "text"),
    "whole_file": lambda path: _fill(path),
}


def _fill(path: Path) -> None:
    with whole_file(path, force=True) as file:
        file.write(b"text")


@pytest.mark.parametrize("write", WRITE.values(), ids=WRITE)
def test_a_private_file_stays_private(tmp_path: Path, write: Callable[[Path], object]) -> None:
    """Replacing it gives nobody a right that they did not have."""
    (tmp_path / "a").write_text("old", encoding="utf-8")
    (tmp_path / "a").chmod(0o600)
    write(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_temporary_names_cannot_be_guessed(tmp_path: Path) -> None:
    """Two of one file differ, hold no process number, and a long name fits, too."""
    names = set()
    for name in ("report.md", "x" * 255, "é" * 127):
        for _ in range(2):
            with temporary_beside(tmp_path / name) as temporary:
                assert temporary.parent == tmp_path
                assert str(os.getpid()) not in temporary.name.rpartition(".")[2]
                names.add(temporary.name)
    assert len(names) == 6


@pytest.mark.parametrize("name", ["x" * 300, "folder/a", "closed/a", "without-rights"])
def test_a_refusal_of_the_system_is_one_line(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name too long, a file as a folder, a folder without rights: for each way of writing."""
    (tmp_path / "folder").write_text("", encoding="utf-8")
    real = os.open

    def closed(path: object, *rest: int) -> int:
        if "closed" in str(path) or "without-rights" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest)  # type: ignore[arg-type]

    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "open", closed)
    for write in (_fill, lambda path: write_new(path, "text")):
        with pytest.raises(UsageError, match="cannot be written"):
            write(tmp_path / name)


def test_text_that_is_no_unicode_is_refused(tmp_path: Path) -> None:
    """As a file name that is not UTF-8 leaves it; nothing is written."""
    with pytest.raises(UsageError, match=r"cannot be written as UTF-8: '\\udcff'"):
        write_new(tmp_path / "a", "source = 'caf\udcff.csv'")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is a database is then unknown."""
    (tmp_path / "a").write_text("old", encoding="utf-8")

    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "open_regular", closed)
    with pytest.raises(UsageError, match="Permission denied"):
        refuse_overwriting(tmp_path / "a", force=True)


# --- the only places that write ---------------------------------------------------------------------------------------

OWNERS = {
    "tuner/files.py",
    "tuner/data/cache.py",  # its own folder
    "tuner/modeling/custom_fit.py",  # a temporary folder
    "tuner/storage/restoring.py",  # the database and what is beside it
    "tuner/trainer_child/child.py",  # /proc
    "tuner/trainer_child/loops.py",  # in the folder that a model is saved in
}
WRITING = {"write_text", "write_bytes", "savez", "savez_compressed", "NamedTemporaryFile", "mkstemp", "mkdtemp"}
MOVING = {"link", "symlink", "hardlink_to", "symlink_to"}


def writes(tree: ast.AST) -> Iterator[str]:
    """Every call that makes or moves a file: ``line name``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [*node.args, *(word.value for word in node.keywords)]
        texts = [each.value for each in modes if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        has_mode = any(set(text) & set("wax+") and len(text) < 4 for text in texts)
        if name in WRITING | MOVING or (name == "open" and has_mode):
            yield f"{node.lineno} {name}"


def test_files_are_written_in_one_place() -> None:
    """Through ``tuner/files.py``; arrays in memory (``savez`` into a buffer) are no files."""
    found = {name_of(path): list(writes(tree_of(path))) for path in MODULES}
    left = {path: calls for path, calls in found.items() if calls and path not in OWNERS}
    assert left == {"tuner/trial.py": left.get("tuner/trial.py")}
    assert "np.savez(buffer" in (PACKAGE / "trial.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", ['open("a", "w")', 'path.open(mode="xb")', "path.write_text(a)", "os.link(a, b)"])
def test_a_write_elsewhere_is_found(line: str) -> None:
    """However it is spelled."""
    assert len(list(writes(ast.parse(line)))) == 1


@pytest.mark.parametrize("line", ['path.open("rb")', "path.open()", 'gzip.open(path, "rt")', "webbrowser.open(url)"])
def test_reading_is_no_write(line: str) -> None:
    """Nor is opening a page."""
    assert list(writes(ast.parse(line))) == []
