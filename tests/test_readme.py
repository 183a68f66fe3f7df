"""The README, compared with the program."""

import re
from pathlib import Path

import pytest

import tuner
from tuner.cli.app import COMMANDS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```sh[^\n]*\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_the_python_examples_run(block: str, workplace: Path) -> None:
    """Every Python block of the README runs as it stands, in an empty folder, and writes the report it says."""
    exec(compile(block, "README.md", "exec"), {})
    assert (workplace / "reports" / "digits" / "report.html").exists() == ("report.write" in block)


def test_every_command_is_described() -> None:
    """The README names each command of the table."""
    for name in COMMANDS:
        assert f"tuner {name}" in README, name


def test_every_command_shown_exists() -> None:
    """What the README shows to type is a command of the table."""
    shown = re.findall(r"(?:^|[ /`])tuner ([a-z][a-z-]+)", "\n".join(SHELL))
    assert shown
    assert set(shown) <= set(COMMANDS)


def test_the_public_names_are_those_that_exist() -> None:
    """``tuner.__all__`` is what ``dir`` shows, and each name leads somewhere."""
    assert [name for name in dir(tuner) if not name.startswith("_")] == sorted(tuner.__all__)
    for name in tuner.__all__:
        assert getattr(tuner, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = tuner.serach
