"""The README and the manual, held against the program: every block runs, every page that is generated is fresh."""

import ast
import configparser
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import SMALL_STUDY, small_table
from tuner.cli.app import COMMANDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
WRITTEN = [page for page in PAGES if page.name not in ("commands.md", "study-file.md")]
BLOCK = re.compile(r"^```([a-z]+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CHURN = re.sub(r"width,height,kind", "tenure,charge,churned", small_table()).replace(",c\n", ",b\n")


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """What stands after the language, and the text, of every block of a language."""
    return [(rest.strip(), text) for found, rest, text in BLOCK.findall(page.read_text("utf-8")) if found == language]


def generator() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_fresh() -> None:
    """Every command, option and study key stands in them as the program has it."""
    pages = generator().pages()
    assert set(pages) == {page.name for page in PAGES} - {page.name for page in WRITTEN}
    for name, text in pages.items():
        assert (DOCS / name).read_text("utf-8") == text, "renew it with: python docs/generate.py"


def test_every_command_option_and_key_is_documented() -> None:
    """By name, in the generated pages; a key without a description could not be written at all."""
    commands = (DOCS / "commands.md").read_text("utf-8")
    for name in COMMANDS:
        assert f"## tuner {name}\n" in commands
    assert "--storage URL" in commands
    assert "| `max_epochs` |" in (DOCS / "study-file.md").read_text("utf-8")


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name)
def test_commands_and_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Every ``tuner NAME`` is a command, every relative link a file."""
    text = page.read_text("utf-8")
    shown = re.findall(r"(?:^|[`/ ])tuner ([a-z][a-z-]+)(?=[ `\n])", "\n".join(re.findall(r"`[^`\n]+`", text)))
    assert set(shown) <= set(COMMANDS), page
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name)
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    """``sh skip: reason``; anything else is run."""
    for rest, text in blocks(page, "sh"):
        assert rest == "" or re.fullmatch(r"skip: \S.{8,}", rest), text
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.fixture
def folder(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with churn.csv, small studies ``digits`` and ``churn``, and the command ``tuner``."""
    (workplace / "churn.csv").write_text(CHURN, encoding="utf-8")
    studies = workplace / "studies"
    studies.mkdir()
    (studies / "digits.csv").write_text(small_table(), encoding="utf-8")
    digits = SMALL_STUDY.replace('"small"', '"digits"').replace("small.csv", "digits.csv")
    churn = digits.replace('"digits"', '"churn"').replace('"digits.csv"', '"../churn.csv"').replace("kind", "churned")
    (studies / "digits.toml").write_text(digits, encoding="utf-8")
    (studies / "churn.toml").write_text(churn, encoding="utf-8")
    command = workplace / ".bin" / "tuner"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tuner "$@"\n', encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    return workplace


def run_page(page: Path, folder: Path) -> None:
    """Every shell block in order, then every Python block in one process; those that .ci/run runs are left to it."""
    for rest, text in blocks(page, "sh"):
        if not rest and "-m venv" not in text:
            result = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, f"{text}\n{result.stdout}\n{result.stderr}"
    script = "\n".join(text for _, text in blocks(page, "python"))
    if script:
        if not (folder / "studies" / "tuner.db").exists():
            subprocess.run(["tuner", "search", "digits", "--quiet"], check=True, capture_output=True)
        (folder / "page.py").write_text(script, encoding="utf-8")
        result = subprocess.run([sys.executable, "page.py"], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", [ROOT / "README.md", *WRITTEN], ids=lambda page: page.name)
def test_a_page_runs(page: Path, folder: Path) -> None:
    """All its commands and Python blocks, each page in a folder of its own."""
    run_page(page, folder)


def test_python_blocks_are_python() -> None:
    """Also of the pages whose blocks only the slow tests run."""
    parsed = [ast.parse(text).body for page in PAGES for _, text in blocks(page, "python")]
    assert len(parsed) > 3
    assert all(parsed)


def test_the_crontab_line_is_one() -> None:
    """Five fields and a command that the shell can read."""
    (_, text), *_ = blocks(DOCS / "scheduling.md", "cron")
    line = text.splitlines()[-1]
    *times, command = line.split(" ", 5)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in times)
    assert len(times) == 5
    assert "%" not in command  # cron would take it for the end of the line
    subprocess.run(["bash", "-n"], input=command, text=True, check=True)


def units() -> dict[str, str]:
    """The systemd units of the manual by their file names."""
    text = (DOCS / "scheduling.md").read_text("utf-8")
    return dict(
        re.findall(r"^`([\w-]+\.(?:service|timer))`[^\n]*:\n\n```ini\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    )


def test_the_units_have_what_they_need() -> None:
    """A service has a command, a timer a calendar."""
    assert set(units()) == {"tuner-churn.service", "tuner-churn.timer", "tuner-worker.service"}
    for name, text in units().items():
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(text)
        key = {"service": ("Service", "ExecStart"), "timer": ("Timer", "OnCalendar")}[name.rpartition(".")[2]]
        assert parser.get(*key)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """``systemd-analyze verify``, with a command and a user that exist."""
    for name, text in units().items():
        known = text.replace("/srv/churn/.venv/bin/tuner", "/bin/true").replace("User=tuner", "User=root")
        (tmp_path / name).write_text(known.replace("/srv/churn\n", f"{tmp_path}\n"), encoding="utf-8")
    files = [str(tmp_path / name) for name in units()]
    result = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert not [line for line in result.stderr.splitlines() if "tuner-" in line], result.stderr


def test_the_cron_job_is_one_that_kubernetes_knows() -> None:
    """Its kind, its schedule and the rules that a pod failure policy must keep to."""
    yaml = pytest.importorskip("yaml")
    (_, text), *_ = blocks(DOCS / "scheduling.md", "yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert len(job["spec"]["schedule"].split()) == 5
    spec = job["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # what podFailurePolicy asks for
    (container,) = pod["containers"]
    rule = spec["podFailurePolicy"]["rules"][0]["onExitCodes"]
    assert (rule["containerName"], rule["values"]) == (container["name"], [2])
    assert container["command"][0] == "tuner"
    assert container["command"][1] in COMMANDS
