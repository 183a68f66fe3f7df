"""Output in a terminal of any width: no word is broken."""

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import pytest

from tests.conftest import Run
from tuner.cli import main
from tuner.cli.printing import wrapped

COMMANDS = [
    ("data", "mixed"),
    ("doctor",),
    ("trials", "mixed"),
    ("check", "mixed"),
    ("studies",),
    ("evaluate", "models/mixed.tuner"),
    ("train", "mixed"),
    ("train", "mixed", "--one-se", "--trial", "0"),
    ("search", "mixed", "--quiet"),
    ("search", "nowhere"),
    ("report", "mixed"),
    ("report", "mixed", "--baseline", "0"),
    ("enqueue", "mixed", "alpha=0.05"),
    ("enqueue", "mixed", "learning_rate=0.05"),
    ("submit", "mixed"),
    ("learning-curve", "mixed", "--sizes", "2", "--seeds", "2"),
    ("refine", "mixed", "--baseline", "0", "--output", "studies/next.toml"),
]


def shown(width: int, *arguments: str) -> str:
    """What a terminal of so many columns is sent on stdout and stderr."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    parts: list[bytes] = []

    def read() -> None:
        with suppress(OSError):
            while part := os.read(leader, 4096):
                parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    terminal = os.fdopen(follower, "w", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, terminal, redirect_stdout(terminal), redirect_stderr(terminal):
        patch.delenv("COLUMNS")
        with pytest.raises(SystemExit):
            main(list(arguments))
    reader.join()
    os.close(leader)
    return re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", b"".join(parts).decode())


def words(text: str) -> set[str]:
    """Words without numbers, which differ from one time to the next."""
    return {word.strip(",;") for word in text.split() if not re.search(r"\d", word)}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_no_word_is_broken(arguments: tuple[str, ...], trained: Path, here: Run) -> None:
    """At every width the words are those of the output into a pipe, and no line but a command's is too long."""
    piped = here(*arguments)
    whole = words(piped.stdout + piped.stderr) | words("not shown: --csv prints all columns replaced") | columns(here)
    for width in (60, 80, 140):
        Path("studies/next.toml").unlink(missing_ok=True)
        text = shown(width, *arguments)
        assert words(text) <= whole, width
        assert text.strip()
        too_long = [line for line in text.splitlines() if len(line) > width]
        assert all(" " not in line.strip() or "tuner " in line for line in too_long), width


def columns(here: Run) -> set[str]:
    """The columns of the table of trials."""
    return set(here("trials", "mixed", "--csv").stdout.partition("\n")[0].split(","))


def test_trials_in_a_narrow_terminal_are_the_columns_that_fit(place: Path, here: Run) -> None:
    """Numbers, states and errors come first; the others are named, and a pipe gets all."""
    narrow = shown(60, "trials", "mixed")
    table = [line for line in narrow.splitlines() if re.match(r" *(number|\d+) ", line)]
    assert len(table) == 5
    assert max(map(len, table)) <= 60
    assert table[0].split()[:5] == ["number", "state", "value", "dev_error", "train_error"]
    assert "not shown: " in narrow
    assert "not shown" not in here("trials", "mixed").stdout


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("short", ["short"]),
        ("  · a note that is too long", ["  · a note that is", "    too long"]),
        ("written. Continue with: tuner search small", ["written. Continue", "  with:", "  tuner search small"]),
        ("name  text of a second column", ["name  text of a", "      second column"]),
        ("a/path/that/is/longer/than/the/terminal", ["a/path/that/is/longer/than/the/terminal"]),
    ],
)
def test_a_line_breaks_at_blanks(line: str, lines: list[str]) -> None:
    """Not within a command or a path; the rest is indented."""
    assert wrapped(line, 20) == lines
