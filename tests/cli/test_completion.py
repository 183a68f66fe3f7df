"""Shell completion: as the shells ask for it, without the libraries that take time."""

import os
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Run
from tuner.cli.completion import study_names


def completed(line: str) -> list[str]:
    """What bash is offered at the end of a command line."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_TUNER_COMPLETE": "complete_bash"}
    result = subprocess.run(
        [sys.executable, "-m", "tuner"], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    return result.stdout.split()


def test_commands_and_options_are_completed(workplace: Path) -> None:
    """By what was typed of them."""
    assert completed("tuner sea") == ["search"]
    assert "--workers" in completed("tuner search --w")


def test_studies_are_completed_by_name(small_study: Path, here: Run) -> None:
    """Those defined here, those in the database, and those that are included."""
    here("search", "small", "--trials", 1, "--name", "small-2")
    assert completed("tuner report sm") == ["small", "small-2"]
    assert completed("tuner search dig") == ["digits"]


def test_completion_imports_nothing_that_takes_time(small_study: Path) -> None:
    """Neither Optuna nor pandas, NumPy or SQLAlchemy."""
    script = (
        "import sys\nfrom tuner.cli import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'rich', 'numpy', 'pandas', 'optuna', 'sqlalchemy'} & set(sys.modules)))"
    )
    asked = {"COMP_WORDS": "tuner search ", "COMP_CWORD": "2", "_TUNER_COMPLETE": "complete_bash"}
    result = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert result.stdout.split()[:4] == ["small", "churn", "diabetes", "digits"]
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("storage", ["postgresql://nowhere/none", "sqlite:///gone.db", "sqlite:///studies/small.toml"])
def test_a_database_that_cannot_be_read_completes_nothing(
    small_study: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    """A server is not asked; a file that is missing or no database is no error."""
    monkeypatch.setenv("TUNER_STORAGE", storage)
    assert study_names("") == ["small", "churn", "diabetes", "digits"]


def test_the_completion_script_is_shown() -> None:
    """``--show-completion`` prints the script for the shell that it is typed in."""
    command = f"{shlex.quote(sys.executable)} -m tuner --show-completion; true"  # bash stays its parent
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "_TUNER_COMPLETE" in shown.stdout


@pytest.mark.parametrize(
    "name", ["churn;touch${IFS}x;#", "$(touch x)", "`touch x`", "a b", "a\nb", "-rf", "", "a" * 101]
)
def test_a_name_that_no_study_may_have_is_not_offered(small_study: Path, name: str) -> None:
    """The shell would run what is in it: neither from the database nor from a file's name."""
    with closing(sqlite3.connect(small_study.with_name("tuner.db"))) as connection:
        connection.execute("CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name TEXT)")
        connection.executemany("INSERT INTO studies (study_name) VALUES (?)", [(name,), ("sm-2",)])
        connection.commit()
    if name and name.isprintable():
        small_study.with_name(f"{name}.toml").write_text("", encoding="utf-8")
    assert study_names("") == ["small", "churn", "diabetes", "digits", "sm-2"]
