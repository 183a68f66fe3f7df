"""Commands that are printed can be typed: every name in them is quoted where a shell needs it."""

import ast
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import MODULES, name_of, tree_of
from tuner.cli.app import COMMANDS
from tuner.commands import STORAGE_FROM_ENVIRONMENT, command_text, study_words
from tuner.errors import UsageError
from tuner.workspace import read_record

BY_HAND = re.compile(rf"\btuner (?:(?:{'|'.join(COMMANDS)})(?: [\w.=/-]+)*? [\w.=/-]*)?(?:\{{|%s)")
"""A command with a place for a name in it, as f-strings, ``format`` and ``%`` have them."""
NOT_COMMANDS = {"tuner {", "tuner refine from study {"}
"""What ``tuner --version`` prints, and where a definition says what made it."""


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text of a file with its line; what is filled in or appended is ``{}``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and isinstance(node.left, ast.Constant):
            yield node.lineno, f"{node.left.value}{{}}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def by_hand(tree: ast.AST) -> list[tuple[int, str]]:
    """The commands that a file makes of a name without quoting it, each with its line."""
    found = [(line, match[0]) for line, text in texts(tree) for match in BY_HAND.finditer(text)]
    return [(line, text) for line, text in found if text not in NOT_COMMANDS]


def test_every_printed_command_is_made_in_one_place() -> None:
    """``command_text`` quotes; what is spelled otherwise breaks at a name with a space."""
    assert {name_of(path): found for path in MODULES if (found := by_hand(tree_of(path)))} == {}


@pytest.mark.parametrize(
    "line",
    [
        'f"go on with: tuner search {name}"',
        'f"tuner search --workers 2 {name}"',
        'f"(tuner search {name}.csv --target COLUMN)"',
        'f"{a}; tuner learning-curve "f"{name}"',
        '"run tuner search " + name',
        '"run tuner search {}".format(name)',
        '"run tuner search %s" % name',
    ],
)
def test_a_command_spelled_by_hand_is_found(line: str) -> None:
    """In each way in which Python fills in a name."""
    assert len(by_hand(ast.parse(line))) >= 1


@pytest.mark.parametrize("line", ['f"{where}: `tuner search STUDY` makes one"', 'f"by tuner train, got {name}"'])
def test_a_fixed_command_may_stand_beside_a_name(line: str) -> None:
    """Nothing in it needs quotes."""
    assert by_hand(ast.parse(line)) == []


@pytest.mark.parametrize("name", ["digits", "my study", "it's", "$HOME", "studies/a.toml"])
def test_a_shell_reads_each_word_as_it_was_given(name: str) -> None:
    """And a word that needs no quotes has none."""
    text = command_text("search", name, "--trials", 1)
    assert shlex.split(text) == ["tuner", "search", name, "--trials", "1"]
    assert name != "digits" or text == "tuner search digits --trials 1"


def test_the_storage_of_the_environment_is_left_to_the_shell() -> None:
    """It stands for an address with a password, which nothing prints."""
    assert command_text("report", "digits", "--storage", STORAGE_FROM_ENVIRONMENT).endswith('"$TUNER_STORAGE"')


@pytest.mark.parametrize(
    ("file", "database", "words"),
    [
        (None, "studies/tuner.db", ["churn"]),
        ("studies/churn.toml", "studies/tuner.db", ["churn"]),
        ("mine/a.toml", "mine/tuner.db", ["mine/a.toml"]),
        ("mine/a.toml", "studies/tuner.db", ["mine/a.toml", "--storage", "sqlite:///{here}/studies/tuner.db"]),
        (None, "mine/tuner.db", ["churn", "--storage", "sqlite:///{here}/mine/tuner.db"]),
        ("../a.toml", "../tuner.db", ["{above}/a.toml"]),
    ],
)
def test_a_study_is_named_so_that_a_command_finds_it(
    file: str | None, database: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name in the folder of studies, by its file elsewhere; with its database unless it is beside."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    path = None if file is None else Path(os.path.normpath(here / file))
    named = study_words("churn", f"sqlite:///{os.path.normpath(here / database)}", path)
    assert named == [word.format(here=here, above=tmp_path) for word in words]


def test_an_error_names_a_command_that_works_with_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here of a study that is nowhere."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"tuner search 'no such study\.csv' --target COLUMN"):
        read_record("no such study")
