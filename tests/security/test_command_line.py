"""Every command with odd words, and odd files in the place of those that it reads and writes: done, or refused."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.conftest import DEADLINE
from tests.modeling.conftest import model_bytes, searched
from tests.running.conftest import command
from tests.security import SECONDS, SEED
from tests.security.test_output import steers
from tuner.cli.app import COMMANDS
from tuner.cli.app import command as whole_command

__all__ = ["model_bytes", "searched"]

QUICK = 60
"""Commands of the quick test."""
LONGEST_SECONDS = 60
"""A command that takes longer waits for something."""

FILES = ("studies/mixed.toml", "studies/mixed.csv", "studies/tuner.db", "m.tuner", "rows.csv", "notes.txt")
FOLDERS = ("studies", "models", "reports")
PLACES = (
    *FILES, *FOLDERS, ".", "..", "/", "", "-", "--", "/dev/null", "/dev/full", "/dev/zero", "/dev/stdin",
    "/proc/self/mem", "pipe", "nowhere", "loop", "link.csv", "folder.csv", "folder.toml", "folder.tuner",
    "pipe.csv", "pipe.toml", "pipe.db", "none.csv", "none.toml", "none/none.csv", "m.tuner/a", "rows.csv/a.csv",
    "~nosuchuser/a.csv", "~", "x" * 300, "x" * 300 + ".csv", "x/" * 2500 + "a.csv", "caf\udce9.csv", "caf\udce9",
    "a\nb.csv", "\x1b[2J.toml", "\u202e.tuner", "-a.csv", "--help.csv", "con", "nul.csv", ".csv", ".toml", ".tuner",
    "a.csv.gz", "studies/tuner.db-wal", "é.onnx", "o.onnx",
)  # fmt: skip
WORDS = (
    *PLACES, "mixed", "folded", "MIXED", "mixed ", "none", "digits\n", "a=b", "alpha=0.1", "alpha=", "=1",
    "alpha=nan", "alpha=[1]", "beta=0.9", "hidden=6", "x" * 5000, "9" * 5000, "-1", "0", "1", "2", "1e3", "1.5",
    "٣", "½", "nan", "inf", "-inf", "1e400", "5%", "200%", "%", "1s", "0s", "1h30m", "-1s", "1000000000d",
    "9" * 400 + "s", "500M", "1k", "0G", "true", "class", "length", "class,length", "train", "train+dev", "a:b",
    "os:system", "a.b:c", ":", "[", "[bold]", "=HYPERLINK(1)", "$(touch x)", "`x`", "'", '"', ";", "{}", "null",
    "\t", "\r", "\x7f", "\ud800", "\udcff", "\u2028", "é", "e\u0301", "sqlite:///studies/tuner.db",
    "sqlite:///pipe.db", "sqlite:///folder.csv", "sqlite:///none/a.db", "sqlite://", "sqlite:///",
    "sqlite:///m.tuner", "sqlite:////dev/full", "sqlite:///x\udce9.db", "sqlite:///studies/tuner.db?mode=ro",
    "file:a?x=1", "postgresql://a:b@127.0.0.1:1/c", "postgresql://", "mysql://a/b", "nosuch://", "://", "//a:b@c/d",
    "host=a password=b",
)  # fmt: skip
NUMBERS = (
    "-1", "0", "1", "2", "1e3", "1.5", "٣", "", "x", "nan", "inf", "0x1", "1_0", " 1", "-0", "9" * 5000, "\ud800",
    "1%",
)  # fmt: skip
SKIPPED = {
    "dashboard": (),
    "serve": (),
    "worker": ("forever", "workers"),
    "report": ("open_page",),
    "search": ("scheduler", "executor", "workers"),
}
"""What serves without end, opens a browser, or asks other machines; of the dashboard and serve all."""


BOUNDED = {"search": ("--timeout", "1s"), "learning-curve": ("--seeds", "2", "--sizes", "2")}
"""What keeps a command short, unless a later word says otherwise."""


@pytest.fixture
def kept(searched: Path, model_bytes: bytes, workplace: Path) -> Path:
    """The folder as each command finds it."""
    kept = workplace / "kept"
    shutil.copytree(searched / "studies", kept / "studies")
    for folder in ("models", "reports", "folder.csv", "folder.toml", "folder.tuner"):
        (kept / folder).mkdir()
    (kept / "m.tuner").write_bytes(model_bytes)
    (kept / "rows.csv").write_bytes((kept / "studies" / "mixed.csv").read_bytes())
    (kept / "notes.txt").write_text("mine", encoding="utf-8")
    for name in ("link.csv", "nowhere", "loop"):
        (kept / name).symlink_to({"link.csv": "rows.csv"}.get(name, name if name == "loop" else "none/none"))
    for name in ("pipe", "pipe.csv", "pipe.toml", "pipe.db"):
        os.mkfifo(kept / name)
    return kept


def laid_out(kept: Path) -> Iterator[Path]:
    """The current folder, as it was, again and again."""
    while True:
        here = kept.with_name("here")
        os.chdir(kept)
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(kept, here, symlinks=True, ignore=lambda _, names: [name for name in names if "pipe" in name])
        for name in ("pipe", "pipe.csv", "pipe.toml", "pipe.db"):
            os.mkfifo(here / name)
        os.chdir(here)
        yield here


def replaced(here: Path, rng: random.Random) -> str | None:
    """Put something odd in the place of a file or folder; return which."""
    path = here / rng.choice((*FILES[:5], *FOLDERS, "studies/tuner.db-wal", "studies/study.schema.json"))
    content = path.read_bytes() if path.is_file() else b"mine"
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if not path.parent.is_dir():
        return str(path)
    ways: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: os.mkfifo(path),
        path.mkdir,
        lambda: path.symlink_to("none/none"),
        lambda: path.symlink_to(path.name),
        lambda: path.symlink_to("/dev/full"),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(content[: len(content) // 2]),
        lambda: path.write_bytes(bytes(1000)),
        lambda: path.write_bytes(rng.randbytes(1000)),
        lambda: path.symlink_to(here / rng.choice(FILES)),
    )
    rng.choice(ways)()
    return str(path)


def parameters() -> dict[str, list[Any]]:
    """Each command's options and arguments, as the command line itself has them."""
    commands = whole_command().commands
    return {
        name: [each for each in commands[name].params if each.name not in (*SKIPPED.get(name, ()), "help")]
        for name in COMMANDS
        if SKIPPED.get(name) != ()
    }


USUAL: dict[str, tuple[str, ...]] = {
    "study": ("mixed", "mixed", "folded", "studies/mixed.toml", "rows.csv"),
    "studies": ("mixed", "folded"),
    "model": ("m.tuner",),
    "data": ("rows.csv",),
    "target": ("class",),
    "database": ("studies/tuner.db", "sqlite:///studies/tuner.db"),
    "output": ("out", "o.csv", "o.tuner", "o.toml"),
    "onnx": ("o.onnx",),
    "settings": ("alpha=0.1",),
    "storage": ("sqlite:///studies/tuner.db",),
}
"""By the name of an option or argument."""


def value_of(parameter: Any, rng: random.Random) -> list[str]:
    """The words of one option or argument."""
    usual = USUAL.get(parameter.name, ())
    word = rng.choice(usual if usual and rng.random() < 0.6 else rng.choice((NUMBERS, PLACES, WORDS)))
    if parameter.param_type_name == "argument":
        return [word] * rng.choice((1, 1, 1, 2))
    name = rng.choice([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return [name]
    return [f"{name}={word}"] if rng.random() < 0.5 else [name, word]


def words(rng: random.Random, known: dict[str, list[Any]]) -> list[str]:
    """A command with its arguments and some of its options, in bounded time."""
    name = rng.choice(list(known))
    given = list(BOUNDED.get(name, ()))
    for parameter in known[name]:
        if parameter.param_type_name == "argument":
            given += value_of(parameter, rng) if rng.random() < 0.97 else []
        elif rng.random() < 0.25:
            given += value_of(parameter, rng)
    if rng.random() < 0.05:
        given.insert(rng.randrange(len(given) + 1), rng.choice(WORDS))
    return [name, *given]


def refuse_waiting(*_: object) -> None:
    """Of a signal: end a command that waits."""
    raise TimeoutError(f"took longer than {LONGEST_SECONDS} s")


def fault_of(given: list[str], here: Path, before: dict[str, bytes]) -> str | None:
    """Run a command; return what is wrong with what it says, or with the files that must stay."""
    signal.alarm(LONGEST_SECONDS)
    try:
        status, output, errors = command(*given)
    except BaseException as error:
        return f"{error!r:.500}"
    finally:
        signal.alarm(0)
    said = [line for line in errors.splitlines() if line.startswith("tuner: ") and "note: " not in line]
    if "internal error" in errors or "Traceback" in errors or status not in (0, 1, 2, 3, 4):
        return f"exit status {status}, {errors:.500}"
    if status in (1, 2) and len(said) != 1 and given[0] != "doctor":  # whose table is on stdout
        return f"exit status {status} with {len(said)} errors, {errors:.500}"
    if steers(output + errors):
        return f"characters {steers(output + errors)}"
    lost = [
        name for name, content in before.items() if not (here / name).is_file() or (here / name).read_bytes() != content
    ]
    return f"changed {lost}" if lost else None


def faults(kept: Path, seed: int, go_on: Callable[[int], bool]) -> list[str]:
    """Run odd commands while ``go_on`` of their number; return what went wrong, with the seeds that repeat it."""
    found, known = [], parameters()
    stay = [name for name in FILES if name != "studies/tuner.db"]
    old = signal.signal(signal.SIGALRM, refuse_waiting)
    try:
        for count, here in enumerate(laid_out(kept)):
            if not go_on(count):
                return found
            rng = random.Random(seed + count)
            odd = replaced(here, rng) if rng.random() < 0.4 else None
            before = {name: (here / name).read_bytes() for name in stay if odd is None and (here / name).is_file()}
            given = words(rng, known)
            if (fault := fault_of(given, here, before)) is not None:
                found.append(f"{seed + count} {odd} {[word[:60] for word in given]}: {fault}")
    finally:
        signal.signal(signal.SIGALRM, old)
    return found


@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
@pytest.mark.parametrize("words", ["report mixed", "search studies/mixed.toml", "refine mixed"])
def test_a_study_file_without_end_is_refused(kept: Path, target: str, words: str) -> None:
    """Nobody writes to the pipe, and the device never stops."""
    here = next(laid_out(kept))
    (here / "studies/mixed.toml").unlink()
    (here / "studies/mixed.toml").symlink_to(target if target[0] == "/" else here / target)
    status, _, errors = command(*words.split())
    assert (status, errors.count("\n"), "not a regular file" in errors) == (2, 1, True)


def test_a_link_to_itself_is_no_folder(kept: Path) -> None:
    """``Path.resolve`` raises RuntimeError for it; nothing calls it."""
    here = next(laid_out(kept))
    shutil.rmtree(here / "studies")
    (here / "studies").symlink_to("studies")
    for words in ("check rows.csv --target class", "data rows.csv --target class", "init rows.csv --target class"):
        assert "internal error" not in command(*words.split())[2]
    root = Path(tuner.__path__[0])
    assert [path.name for path in root.rglob("*.py") if ".resolve()" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("words", ["merge /", f"report mixed --since {'9' * 400}", "report mixed --since 1000000000d"])
def test_an_odd_word_is_refused(kept: Path, words: str) -> None:
    """Cases that the fuzzer found: in one line."""
    next(laid_out(kept))
    status, _, errors = command(*words.split())
    assert (status, errors.count("\n")) == (2, 1), errors


def test_odd_commands(kept: Path) -> None:
    """The first ones."""
    assert faults(kept, 0, lambda count: count < QUICK) == []


@pytest.mark.slow
def test_many_odd_commands(kept: Path) -> None:
    """As many others as there is time for."""
    end = time.monotonic() + SECONDS
    assert faults(kept, SEED, lambda count: time.monotonic() < end) == []


@pytest.mark.skipif(os.name == "nt", reason="there is no ulimit")
def test_too_little_address_space_is_one_line() -> None:
    """Libraries that crash, or never return, when they are imported are not."""
    limited = f"ulimit -v 200000; exec {shlex.quote(sys.executable)} -m tuner studies"
    ended = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(
        r"tuner: ulimit -v: the address space is limited to 200,000 kB; expected at least [\d,]+\. "
        r"Raise it with: ulimit -v unlimited\n",
        ended.stderr,
    )
