"""What a person sees: nothing that steers a terminal, forges a line, runs in a spreadsheet or shows a password."""

from __future__ import annotations

import ast
import csv
import io
import logging
import random
import re
import shlex
import subprocess
import sys
import time
import tomllib
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.conftest import model_bytes, place, searched
from tests.running.conftest import command
from tests.security import SECONDS, SEED
from tests.sources import MODULES, name_of, tree_of
from tuner.cli import main, printing
from tuner.cli.app import COMMANDS
from tuner.commands import command_text
from tuner.errors import StorageError
from tuner.formatting import FORMULA_BEGINS, csv_cell
from tuner.modeling import Model, predict_file
from tuner.modeling.archive import unpack
from tuner.printable import _KNOWN, INVISIBLE, mask_word, printable, protect, show_safely
from tuner.reporting.files import csv_text
from tuner.storage import parse_url
from tuner.study import make_definition
from tuner.study.editing import Edit, edit_definition, toml
from tuner.study.making import DataShape
from tuner.workspace.dashboard import guarded, is_own_host

__all__ = ["model_bytes", "place", "searched"]

TEXTS = st.text(st.characters(), max_size=40)
"""Any characters, surrogates and controls among them."""
COLORS = re.compile(r"\x1b\[[\d;]*m")
CELL = "\nFORGED line\u202e[bold]x[/bold]\x9b2J"
HOSTILE = "\x1b]0;title\x07\nFORGED line\r\x9b2J\u202e[bold]x[/bold]\t\u2028end"


def steers(text: str) -> set[str]:
    """The characters of an output that a terminal obeys or hides."""
    return {c for c in text if unicodedata.category(c) in INVISIBLE} - {"\n"}


# --- characters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202etxt", r"abc\u202etxt"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800\U000e0001\u2028", r"\ud800\U000e0001\u2028"),
        ("Größe ≥ 1 · 数", "Größe ≥ 1 · 数"),
    ],
)
def test_invisible_characters_are_escaped(text: str, shown: str) -> None:
    """As Python writes them; letters of every language stay."""
    assert printable(text) == shown


@settings(max_examples=400, deadline=None, derandomize=True)
@given(TEXTS)
def test_no_text_steers_a_terminal(text: str) -> None:
    """One line of UTF-8 without controls, however it is printed; escaping it again changes nothing."""
    shown = printable(text)
    assert not steers(shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        printing.print_lines(text, text)
        printing.print_log(text)
        printing.print_json({"name": text})
    assert output.getvalue().count("\n") == 3
    assert errors.getvalue().count("\n") == 1
    assert not steers(output.getvalue() + errors.getvalue())


@pytest.mark.parametrize("word", ["a\x1b[2J'b", "line\nend", "back\\slash\x07", "caf\udce9", "bidi\u202e"])
def test_a_command_with_invisible_characters_can_be_typed(word: str) -> None:
    """Bash reads the word as it was given, and the terminal shows all of it."""
    text = command_text("search", word)
    assert not steers(text)
    typed = text.removeprefix("tuner search ")
    got = subprocess.run(
        ["bash", "-c", f"printf %s {typed}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert got.stdout == word.encode(errors="surrogateescape")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A searched study whose columns, classes and files have names that steer a terminal; the current folder."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TUNER_CACHE", str(folder / ".cache"))
        patch.delenv("TUNER_STORAGE", raising=False)
        rng = np.random.default_rng(0)
        y = np.arange(120) % 2
        frame = pd.DataFrame(
            {
                f"width{HOSTILE}": (rng.normal(size=120) + y).round(3),
                f"{HOSTILE}empty": [""] * 120,
                "class": np.where(y == 0, f"good{CELL}", f"bad{CELL}"),
            }
        )
        name = "rows\x1b[2J\nFORGED = 1\u202e.csv"
        frame.to_csv(folder / name, index=False, lineterminator="\n")
        status, output, errors = command("init", name, "--target", "class")
        assert status == 0, errors
        assert not steers(output + errors)
        (path,) = (folder / "studies").glob("*.toml")
        text = (
            path.read_text(encoding="utf-8").replace("trials = 100", "trials = 3").replace("epochs = 100", "epochs = 3")
        )
        path.rename(folder / "studies" / "rows.toml")
        (folder / "studies" / "rows.toml").write_text(re.sub("(?m)^name = .*", 'name = "rows"', text), encoding="utf-8")
        (folder / "rows.csv").write_bytes((folder / name).read_bytes())
        assert command("search", "rows", "--quiet")[0] == 0
        assert command("train", "rows")[0] == 0
        yield folder


LOOKING = (
    ("data", "rows"),
    ("check", "rows"),
    ("search", "rows", "--trials", "1", "--verbose"),
    ("search", "rows", "--trials", "1", "--log-format", "json", "--verbose"),
    ("report", "rows"),
    ("trials", "rows"),
    ("trials", "rows", "--json"),
    ("studies",),
    ("watch", "rows"),
    ("gradcheck", "rows"),
    ("learning-curve", "rows", "--seeds", "2", "--sizes", "1"),
    ("train", "rows"),
    ("evaluate", "models/rows.tuner"),
    ("evaluate", "models/rows.tuner", "--json"),
    ("export", "models/rows.tuner", "--onnx", "a\x1b[2J\nFORGED.onnx", "--force"),
    ("predict", "models/rows.tuner", "rows.csv", "--output", "a\x1b\nFORGED.csv", "--force"),
    ("search", "no\x1b[2J\nFORGED study"),
    ("data", "no\x1b[2J\nFORGED.csv"),
    ("enqueue", "rows", "al\x1bpha\nFORGED=0.1"),
    ("evaluate", "no\x1b\nFORGED.tuner"),
    ("trials", "rows", "ex\x1btra\nFORGED"),
    ("tri\x1bals\nFORGED",),
    ("studies", "--storage", "sqlite:///no\x1b\nFORGED.db"),
    ("studies", "--storage", "no\x1b\nFORGED"),
    ("search", "rows", "--timeout", "1\x1b\nFORGED"),
    ("report", "rows", "--traceback", "--storage", "no\x1b\nFORGED"),
)


@pytest.mark.parametrize("arguments", LOOKING, ids=lambda arguments: f"{arguments[0]!a} {len(arguments)}"[:40])
def test_names_do_not_reach_the_terminal_as_they_are(hostile: Path, arguments: tuple[str, ...]) -> None:
    """Of columns, classes, studies, options and files; none begins a line of its own."""
    if "export" in arguments:
        pytest.importorskip("onnx")
    _, output, errors = command(*arguments)
    assert output + errors
    assert not steers(output + errors)
    assert not re.search(r"(?m)^\s*FORGED", output + errors)
    assert "internal error" not in errors


def test_colors_are_the_only_codes_of_a_report(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With color the report has codes of its own, and only those; a name's markup is text."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, output, _ = command("report", "rows")
    assert COLORS.search(output)
    assert not steers(COLORS.sub("", output))
    assert not re.search(r"(?m)^\s*FORGED", output)


def test_the_files_of_a_report_steer_nothing(hostile: Path) -> None:
    """``cat report.md`` is as safe as the report in a terminal."""
    assert command("report", "rows")[0] == 0
    text = (hostile / "reports" / "rows" / "report.md").read_text(encoding="utf-8")
    assert not steers(text)
    assert not re.search(r"(?m)^\s*FORGED", text)


def test_a_file_in_a_terminal_is_shown_safely() -> None:
    """CSV into a pipe stays as it is."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    pipe, terminal = io.StringIO(), Terminal()
    for stream in (pipe, terminal):
        printing.FileOutput(stream).write("a\x1b[2J,b\nc,d\n")
    assert pipe.getvalue() == "a\x1b[2J,b\nc,d\n"
    assert terminal.getvalue() == "a\\x1b[2J,b\nc,d\n"


def test_logs_and_warnings_of_libraries_are_safe() -> None:
    """They may have a study's name or the address of its database in them."""
    show_safely()
    text = "a\x1b[2J\nb postgresql://me:secret@host/db"
    record = logging.getLogger("optuna").makeRecord("optuna", logging.WARNING, "f", 1, "%s", (text,), None)
    for shown in (record.getMessage(), warnings.formatwarning(text, UserWarning, "f\x1b", 1).rstrip("\n")):
        assert not steers(shown)
        assert "\n" not in shown
        assert "secret" not in shown


# --- passwords --------------------------------------------------------------------------------------------------------

PARTS = st.text(st.sampled_from("ab#?/:%&= '\"+\\.$ü"), max_size=6)
USERS = st.text(st.sampled_from("uv#?/ %'+."), max_size=6)
SECRETS = ("Qxkz", "Wjqv", "Zpfh")


@st.composite
def addresses(draw: st.DrawFn) -> str:
    """A database's address with a password of which each part is recognized, encoded or not."""
    password = "".join(part + draw(PARTS) for part in SECRETS)
    user = draw(USERS)
    kind = draw(st.sampled_from(["url", "url", "url", "query", "string", "quoted", "no host"]))
    scheme = draw(st.sampled_from(["postgresql", "postgresql+psycopg", "mysql", "postgres", "POSTGRESQL"]))
    if kind == "url":
        return (
            f"{scheme}://{user}:{password}@{draw(st.sampled_from(['localhost/db', 'h:5432/db?x=1', '[::1]/db', '']))}"
        )
    if kind == "query":
        encoded = re.sub("[&#]", "", password)
        return f"{scheme}://host/db?user=a&{draw(st.sampled_from(['password', 'sslpassword', 'p%61ssword']))}={encoded}"
    if kind == "string":
        return f"host=h password={re.sub('[^A-Za-z]', '', password)} dbname=x"
    if kind == "quoted":
        return "host=h password='" + re.sub(r"['\\]", r"\\\g<0>", password) + "' dbname=x"
    return f"{scheme}://{re.sub('[^uv]', '', user)}:{re.sub('[/?#]', '', password)}"


SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    repr,
    shlex.quote,
    lambda word: str(Path(word)),
    lambda word: " ".join(word.split()),
    lambda word: command_text("search", word),
    lambda word: f"'{Path.cwd() / word}' is no study",
    lambda word: f"{word!r}: cannot be opened",
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(addresses(), st.sampled_from(SPELLINGS), st.booleans())
def test_no_password_is_shown(address: str, spell: Callable[[str], str], is_option: bool) -> None:
    """Of an address that was typed, however a message quotes it; and the word alone needs no warning."""
    protect([f"--storage={address}" if is_option else address])
    for shown in (
        printable(f"tuner: {spell(address)} (see --help)"),
        mask_word(address),
        mask_word(f"--storage={address}"),
    ):
        assert not [part for part in SECRETS if part in shown], shown


NO_SECRETS = ("postgresql://host:5432/db", "tcp://host:8786", "sqlite:////home/a:b@c/x.db", "a.csv", "a:b@c", "b=1")


@pytest.mark.parametrize("word", NO_SECRETS)
def test_what_has_no_password_stays(word: str) -> None:
    """A port, a file and a column are no secrets."""
    assert mask_word(word) == word
    assert printable(f"tuner: {word}: no such file") == f"tuner: {word}: no such file"


SECRET_URLS = (
    "postgresql://me:Qxkz#Wjqv@host.invalid/db",
    "postgresql://me:Qxkz Wjqv@host.invalid/db",
    "postgresql://us/er:Qxkz?Wjqv@host.invalid/db",
    "postgresql://me:Qxkz@Wjqv@host.invalid/db",
    "host=h password='Qxkz Wjqv'",
    "mysql://me:Qxkz/Wjqv@host/db",
    "postgresql://me:QxkzWjqv",
    "me:QxkzWjqv@host.invalid/db",
    "//me:Qxkz@Wjqv@host.invalid/db",
)


@pytest.mark.parametrize("url", SECRET_URLS)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_password(workplace: Path, name: str, url: str) -> None:
    """As an argument, as two, as an unknown option's value, and as its storage where no server is asked."""
    for arguments in ([url], [url, url], [f"--no-such={url}"], ["--json", url]):
        status, output, errors = command(name, *arguments)
        assert status != 0, output
        assert not [part for part in SECRETS if part in output + errors], errors
        assert "internal error" not in errors


@pytest.mark.parametrize("url", [url for url in SECRET_URLS if ".invalid" not in url or "us/er" in url or "@W" in url])
@pytest.mark.parametrize("way", ["option", "environment", "traceback"])
def test_no_storage_shows_its_password(workplace: Path, url: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given as an option or variable, also in a traceback."""
    if way == "environment":
        monkeypatch.setenv("TUNER_STORAGE", url)
    given = [] if way == "environment" else ["--storage", url, *(["--traceback"] if way == "traceback" else [])]
    status, output, errors = command("studies", *given)
    assert status == 2, errors
    assert not [part for part in SECRETS if part in output + errors], errors
    assert ("Traceback" in errors) == (way == "traceback")


def test_the_command_that_continues_shows_no_password() -> None:
    """After SIGINT."""
    from tuner.cli.search_command import again

    for url in SECRET_URLS:
        text = again(["search", "digits", "--storage", url, f"--storage={url}", "--trials", "5"], 3)
        assert not [part for part in SECRETS if part in text], text
        assert "--trials 3" in text


@pytest.mark.parametrize("url", ["postgresql://me:a@b@host/db", "postgresql://us/er:a@host/db"])
def test_an_address_that_would_be_misread_is_refused(url: str) -> None:
    """Part of the password would be taken for the host, and sent to a name server."""
    with pytest.raises(StorageError, match="write it as %40 or %2F"):
        parse_url(url)


@pytest.mark.slow
def test_no_password_and_no_code_is_shown_for_long() -> None:
    """Random addresses in random messages."""
    rng = random.Random(SEED)
    specials, odd = "ab#?/:%&= '\"+\\.$ü@\t", "\x1b\x07\n\r\x9b\u202e\u2066\u2028\ud800\udcff\U000e0001é数 "
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        password = "".join(part + "".join(rng.choices(specials, k=rng.randrange(6))) for part in SECRETS)
        user = "".join(rng.choices("uv#?/ %'+.", k=rng.randrange(6)))
        address = f"postgresql://{user}:{password}@{rng.choice(['h/db', 'h:1/db?x=1', '', '[::1]'])}"
        protect([address])
        noise = "".join(rng.choices(odd, k=rng.randrange(8)))
        shown = printable(f"{noise}: {rng.choice(SPELLINGS)(address)}: {noise}")
        assert not [part for part in SECRETS if part in shown], (address, shown)
        assert not steers(shown), shown
        _KNOWN.clear()


# --- files that other programs read -----------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(FORMULA_BEGINS), TEXTS)
def test_no_text_is_a_formula(begin: str, rest: str) -> None:
    """A cell that a spreadsheet would calculate is text; what is a number stays one."""
    cell = csv_cell(begin + rest)
    if cell != f"'{begin}{rest}":
        assert cell == begin + rest
        float(cell)
    assert csv_cell(-1.5) == -1.5
    assert csv_cell("-1.5") == "-1.5"
    assert csv_cell(f"a{rest}") == f"a{rest}"


def test_no_csv_has_formulas(model_bytes: bytes, tmp_path: Path) -> None:
    """Neither names nor cells, of trials and of predictions; numbers stay."""
    evil = '=HYPERLINK("http://evil","x")'
    rows = list(csv.reader(io.StringIO(csv_text([evil, "n"], [(evil, -1.5), ("@x", None)]))))
    assert rows == [[f"'{evil}", "n"], [f"'{evil}", "-1.5"], ["'@x", ""]]
    model = Model(*unpack(model_bytes, "m"))
    given = pd.DataFrame({"length": [-1.5, 2.0], "width": [1.0, 2.0], "color": ["red", "red"], "sold": ["yes", "no"]})
    given = given.assign(day="2024-01-01", **{"@id": [evil, "-3"]})
    given.to_csv(tmp_path / "rows.csv", index=False)
    out = io.StringIO()
    predict_file(model, tmp_path / "rows.csv", None, out, keep=("@id", "length"))
    header, *cells = csv.reader(io.StringIO(out.getvalue()))
    assert header == ["'@id", "length", "predicted"]
    assert [cell[:2] for cell in cells] == [[f"'{evil}", "-1.5"], ["-3", "2.0"]]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), st.text(max_size=20))
def test_no_name_adds_a_line_to_a_definition(source: str, why: str) -> None:
    """Of a data file or column, or of a reason: the definition has the same keys with any."""
    why = why.encode(errors="replace").decode()
    text = make_definition("made", source, source, DataShape(100, 80, 3, [50, 50]))
    plain = tomllib.loads(make_definition("made", "a.csv", "b", DataShape(100, 80, 3, [50, 50])))
    found = tomllib.loads(text)
    assert (found["data"].pop("source"), found["data"].pop("target")) == (source, source)
    assert found["data"] == {key: of for key, of in plain.pop("data").items() if key not in ("source", "target")}
    found.pop("data")
    assert found == plain
    edited = tomllib.loads(edit_definition(text, [Edit("search.trials", 7, why)], why))
    assert edited.pop("search") == {**plain.pop("search"), "trials": 7}
    assert tomllib.loads(f"x = {toml({source: why})}") == {"x": {source: why}}


# --- stdout and the system --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["studies"], ["--help"], [], ["--version"], ["schema"], ["studies", "--json"]])
def test_a_full_stdout_is_one_line(workplace: Path, arguments: list[str]) -> None:
    """And a failing status."""
    errors = io.StringIO()
    with open("/dev/full", "w", encoding="utf-8") as full, redirect_stdout(full), redirect_stderr(errors):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 1
    assert errors.getvalue().startswith("tuner: the output cannot be written: No space left on device")
    assert errors.getvalue().count("\n") == 1


def test_a_full_stderr_keeps_the_status(workplace: Path) -> None:
    """Nothing can be said there."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        arguments = [sys.executable, "-m", "tuner", "report", "nothing"]
        assert subprocess.run(arguments, stdout=full, stderr=full, check=False).returncode == 2


def test_a_closed_stdout_is_one_line(workplace: Path) -> None:
    """No file that is opened later takes its place."""
    arguments = ["bash", "-c", f"{sys.executable} -m tuner studies >&-"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("tuner: the output cannot be written: Bad file descriptor")


@pytest.mark.parametrize("kind", [PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError, OSError])
def test_what_the_system_refuses_is_one_line(
    workplace: Path, kind: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it happens: the file, the reason, status 2."""

    def refused(*_: object) -> None:
        raise kind(13, "Permission denied", "some/file\x1b")

    monkeypatch.setattr("tuner.workspace.list_studies", refused)
    status, _, errors = command("studies")
    assert (status, errors) == (2, "tuner: some/file\\x1b: Permission denied. Check the path and its rights\n")


@pytest.mark.parametrize("arguments", [("report", "caf\udce9"), ("search", "caf\udce9.csv"), ("train", "\ud800")])
def test_a_name_that_is_not_utf8_is_one_line(workplace: Path, arguments: tuple[str, ...]) -> None:
    """A database cannot hold it."""
    status, _, errors = command(*arguments)
    assert (status, errors.count("\n")) == (2, 1)
    assert "internal error" not in errors


# --- the dashboard ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "bound", "answers"),
    [
        ("localhost:8080", "127.0.0.1", True),
        ("127.0.0.1:8080", "127.0.0.1", True),
        ("[::1]:8080", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.1", True),
        ("node7:8080", "node7", True),
        ("192.168.1.5:8080", "0.0.0.0", True),
        ("evil.example:8080", "127.0.0.1", False),
        ("evil.example", "0.0.0.0", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("evil.example@localhost", "127.0.0.1", True),
        ("localhost@evil.example", "127.0.0.1", False),
        ("192.168.1.5", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("", "", False),
        ("[::1", "127.0.0.1", False),
    ],
)
def test_the_dashboard_answers_under_its_own_names_only(header: str, bound: str, answers: bool) -> None:
    """Another site's name for this machine is refused, however it is bound."""
    assert is_own_host(header, bound) is answers
    statuses: list[str] = []

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        assert environ["HTTP_ACCEPT_ENCODING"] == ""
        return [b"trials"]

    environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": header}
    body = b"".join(guarded(application, bound)(environ, lambda status, _: statuses.append(status)))
    assert (statuses[0][:3], body == b"trials") == (("200", True) if answers else ("403", False))


# --- the only places that print ---------------------------------------------------------------------------------------

PRINTING = {"print", "echo", "secho", "confirm", "prompt", "print_exc", "print_exception", "log", "rule"}
OWNERS = {
    "tuner/cli/printing.py",
    "tuner/cli/progress.py",  # the bar of rich
    "tuner/cli/watch_command.py",  # the screen of rich
    "tuner/reporting/faces.py",  # rich, too
    "tuner/running/hooks.py",  # the log, through visible()
    "tuner/trainers/trainer.py",  # what a custom trainer printed, through visible()
}


def prints(tree: ast.AST) -> Iterator[str]:
    """Every call that writes on stdout or stderr: ``line name``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of = ast.unparse(node.func)
        is_printing = name in PRINTING and not of.startswith(("np.", "math.", "confirm"))
        if is_printing or re.match(r"sys\.std(out|err)\.write", of):
            yield f"{node.lineno} {of}"


def test_output_has_one_owner() -> None:
    """What prints elsewhere would not pass :func:`tuner.printable.printable`."""
    found = {name_of(path): list(prints(tree_of(path))) for path in MODULES}
    assert {path: calls for path, calls in found.items() if calls and path not in OWNERS} == {}


@pytest.mark.parametrize(
    "line", ["print(a)", "typer.echo(a)", "console.print(a)", "sys.stderr.write(a)", "print_exc()"]
)
def test_a_print_elsewhere_is_found(line: str) -> None:
    """However it is spelled."""
    assert len(list(prints(ast.parse(line)))) == 1
