"""The README and the documentation, compared with the program: every block runs, every generated page is fresh."""

import ast
import importlib.util
import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import tuner
from tests.conftest import SMALL_STUDY, small_table
from tuner.cli.app import COMMANDS
from tuner.reporting.comparing import pair
from tuner.reporting.figures import FIGURES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
REFERENCE = DOCS / "reference"
GENERATED = [REFERENCE / "commands.md", REFERENCE / "study-file.md"]
WRITTEN = [page for page in PAGES if page not in GENERATED]
NIGHTLY = DOCS / "how-to" / "nightly-jobs.md"
README = ROOT / "README.md"
TOURS = [README, DOCS / "tutorial.md"]
CUSTOMERS = ROOT / "studies" / "data" / "churn.csv"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REPOSITORY = "https://github.com/tuner-search/tuner"
RAW = "https://raw.githubusercontent.com/tuner-search/tuner/main"
SITE = "https://tuner-search.github.io/tuner/"
BLOCK = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```([a-z]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CHURN = (
    re.sub(r"width,height,kind", "hours,charge,churned", small_table()).replace(",c\n", ",b\n").replace(",-", ",")
)  # no charge is negative


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """The comment above, if there is one, and the text of every block of a language."""
    return [(comment, text) for comment, found, text in BLOCK.findall(page.read_text("utf-8")) if found == language]


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
    assert set(pages) == {page.name for page in GENERATED}
    for name, text in pages.items():
        assert (REFERENCE / name).read_text("utf-8") == text, "renew it with: python docs/generate.py"


def test_every_command_option_and_key_is_documented() -> None:
    """By name, in the generated pages; a key without a description could not be written at all."""
    commands = (REFERENCE / "commands.md").read_text("utf-8")
    for name in COMMANDS:
        assert f"## tuner {name}\n" in commands
    assert "--storage URL" in commands
    assert "| `max_epochs` |" in (REFERENCE / "study-file.md").read_text("utf-8")


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name)
def test_commands_and_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Every ``tuner NAME`` is a command, every link to the project a file or a page of the site."""
    text = page.read_text("utf-8")
    shown = re.findall(r"(?:^|[`/ ])tuner ([a-z][a-z-]+)(?=[ `\n])", "\n".join(re.findall(r"`[^`\n]+`", text)))
    assert set(shown) <= set(COMMANDS), page
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link
    for path in re.findall(rf"{REPOSITORY}/(?:blob|tree)/main/([^)#\s]+)", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(rf"{RAW}/([^)#\s]+)", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(rf"{SITE}([^)#\s>]*)", text):
        assert (DOCS / (path.strip("/") or "index")).with_suffix(".md").exists(), path


def anchors(page: Path) -> set[str]:
    """The anchors that the site gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_links_to_a_heading_find_it() -> None:
    """In the pages, and in what the program prints of the glossary's terms."""
    links = [
        (page, *found) for page in PAGES for found in re.findall(r"\]\(([^):]+\.md)#([^)]+)\)", page.read_text("utf-8"))
    ]
    assert len(links) > 10
    for page, target, anchor in links:
        assert anchor in anchors(page.parent / target), (page, target, anchor)
    sources = [
        path.read_text("utf-8") for path in (ROOT / "tuner").rglob("*") if path.suffix in (".py", ".j2", ".html")
    ]
    assert set(re.findall(r"/glossary/#([\w-]+)", "\n".join(sources))) <= anchors(DOCS / "glossary.md")


def test_the_site_has_every_page() -> None:
    """The navigation of mkdocs.yml lists each page of docs/ once."""
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == [page.relative_to(DOCS).as_posix() for page in PAGES]


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name)
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    """``<!-- skip: reason -->`` above it; anything else is run."""
    for comment, text in blocks(page, "sh"):
        assert comment == "" or re.fullmatch(r"skip: \S.{8,}", comment), text
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.fixture
def empty_folder(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the command ``tuner``."""
    command = workplace / ".bin" / "tuner"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tuner "$@"\n', encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    return workplace


@pytest.fixture
def folder(empty_folder: Path) -> Path:
    """A folder with churn.csv, small studies ``digits`` and ``churn``, and the command ``tuner``."""
    workplace = empty_folder
    (workplace / "churn.csv").write_text(CHURN, encoding="utf-8")
    studies = workplace / "studies"
    studies.mkdir()
    (studies / "digits.csv").write_text(small_table(), encoding="utf-8")
    digits = SMALL_STUDY.replace('"small"', '"digits"').replace("small.csv", "digits.csv")
    churn = digits.replace('"digits"', '"churn"').replace('"digits.csv"', '"../churn.csv"').replace("kind", "churned")
    (studies / "digits.toml").write_text(digits, encoding="utf-8")
    (studies / "churn.toml").write_text(churn, encoding="utf-8")
    return workplace


def run_page(page: Path, folder: Path) -> None:
    """Every shell block in order, then every Python block in one process; those that .ci/run runs are left to it."""
    for comment, text in blocks(page, "sh"):
        if not comment and "-m venv" not in text:
            result = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, f"{text}\n{result.stdout}\n{result.stderr}"
    script = "\n".join(text for comment, text in blocks(page, "python") if not comment)
    if script:
        if not (folder / "studies" / "tuner.db").exists():
            subprocess.run(["tuner", "search", "digits", "--quiet"], check=True, capture_output=True)
        (folder / "page.py").write_text(script, encoding="utf-8")
        result = subprocess.run([sys.executable, "page.py"], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in WRITTEN if page not in TOURS], ids=lambda page: page.name)
def test_a_page_runs(page: Path, folder: Path) -> None:
    """All its commands and Python blocks, each page in a folder of its own."""
    run_page(page, folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", TOURS, ids=lambda page: page.name)
def test_a_tour_ends_in_a_better_model(page: Path, empty_folder: Path) -> None:
    """Typed as written in an empty folder: high bias, then a larger network whose error is clearly lower."""
    run_page(page, empty_folder)
    first, second = (tuner.load_study(name).report(baseline=0.06) for name in ("churn", "churn-2"))
    assert first.verdict == "high_bias"
    errors = [report.diagnosis.errors for report in (first, second)]
    assert errors[1]["dev_corrected"].value < errors[0]["dev_corrected"].value - 0.01
    pairing = pair(first, second)
    assert pairing is not None
    assert pairing.chance_equal < 0.05
    assert len(pd.read_csv("predicted.csv")) == len(pd.read_csv(CUSTOMERS))


@pytest.mark.parametrize("name", ["churn", "diabetes"])
def test_the_included_tables_are_those_that_their_scripts_make(name: str) -> None:
    """``python examples/make_churn.py`` prints the file that is included, byte for byte."""
    script = ROOT / "examples" / f"make_{name}.py"
    made = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert made == CUSTOMERS.with_name(f"{name}.csv").read_text("utf-8")


def test_the_readme_has_no_relative_link() -> None:
    """PyPI shows the README as it is, and knows no file of the project."""
    assert PROJECT["readme"] == "README.md"
    links = re.findall(r"\]\(([^)]+)\)", README.read_text("utf-8"))
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_every_figure_has_its_paragraph_and_its_picture() -> None:
    """The reference page shows each figure of the report."""
    page = (REFERENCE / "report.md").read_text("utf-8")
    keys = [key for figures in FIGURES.values() for key in figures]
    assert sorted(re.findall(r"\n!\[[^\]]+\]\(\.\./images/figure-(\w+)\.png\)\n\n\w", page)) == sorted(keys)
    for key in keys:
        assert (DOCS / "images" / f"figure-{key}.png").stat().st_size < 150_000


def test_python_blocks_are_python() -> None:
    """Also of the pages whose blocks only the slow tests run."""
    parsed = [ast.parse(text).body for page in PAGES for _, text in blocks(page, "python")]
    assert len(parsed) > 3
    assert all(parsed)


def test_the_crontab_line_is_one() -> None:
    """Five fields and a command that the shell can read."""
    (_, text), *_ = blocks(NIGHTLY, "cron")
    line = text.splitlines()[-1]
    *times, command = line.split(" ", 5)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in times)
    assert len(times) == 5
    assert "%" not in command  # cron would take it for the end of the line
    subprocess.run(["bash", "-n"], input=command, text=True, check=True)
