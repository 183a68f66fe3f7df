"""The command line as a whole: the table of commands, help, and what is imported for it."""

import importlib
import inspect
import shlex
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.conftest import Run
from tuner.cli.app import COMMANDS, function_name
from tuner.cli.app import command as app_command
from tuner.cli.options import seconds_of
from tuner.errors import UsageError


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_function_with_help(name: str) -> None:
    """A line of the table leads to a documented function in a module of its own."""
    module = importlib.import_module(f"tuner.cli.{name.replace('-', '_')}_command")
    assert inspect.getdoc(getattr(module, function_name(name)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str, here: Run) -> None:
    """``--help`` of a command works and explains each of its options."""
    result = here(name, "--help")
    assert result.returncode == 0
    assert COMMANDS[name].help in " ".join(result.stdout.split())
    assert f"Example: tuner {COMMANDS[name].example}" in result.stdout
    options = [line for line in result.stdout.partition("Options:")[2].splitlines() if line.startswith("  --")]
    assert options
    for line in options:
        assert len(line.split("  ")) > 2 or len(line) > 30, line


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_can_be_typed(name: str) -> None:
    """The example that help shows has arguments and options of its command."""
    first, *arguments = shlex.split(COMMANDS[name].example.partition(" > ")[0])
    assert first == name
    with app_command().commands[name].make_context(name, arguments):
        pass


def test_plain_help_imports_little(run: Run) -> None:
    """Help lists the commands without importing rich, NumPy, pandas, Optuna or SQLAlchemy."""
    script = (
        "import sys\nfrom tuner.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'rich', 'numpy', 'pandas', 'optuna', 'sqlalchemy', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    for name in COMMANDS:
        assert name in result.stdout


def test_alone_it_says_what_to_do_first(run: Run) -> None:
    """``tuner`` without arguments names the first command to type."""
    result = run()
    assert result.returncode == 0
    assert "tuner search my.csv --target" in result.stdout


def test_version_is_the_packages(run: Run) -> None:
    """``--version`` prints the version of the installed distribution."""
    assert run("--version").stdout == f"tuner {version('tuner-search')}\n"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    """A time is a number with s, m, h or d."""
    assert seconds_of(text, "--timeout") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3", "3x", "m", "1 h"])
def test_other_times_are_refused(text: str) -> None:
    """What is no time is refused by the option's name."""
    with pytest.raises(UsageError, match="--timeout"):
        seconds_of(text, "--timeout")
