"""``tuner refine``: the next definition, and the search that goes on from it."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tuner.workspace.locating import read_source


@pytest.fixture
def searched(small_study: Path, here: Run) -> Path:
    """A searched study whose bias is certainly high: everything is wrong against a baseline of 0%."""
    text = small_study.read_text(encoding="utf-8") + "[diagnosis]\nmaterial_gap = 0.0001\nbaseline_error = 0.0\n"
    small_study.write_text(text, encoding="utf-8")
    here("search", "small")
    return small_study


def test_the_reports_first_command_becomes_a_definition_and_its_search(searched: Path, here: Run) -> None:
    """The command the report names writes what it proposes, and the search goes on from the old study's trials."""
    actions = json.loads(here("report", "small", "--json").stdout)["actions"]
    first = next(action["command"] for action in actions if action["command"])
    assert "tuner refine small --output studies/small-2.toml" in first
    refine, search = (part.split()[1:] for part in first.split(" && "))
    written = json.loads(here(*refine, "--json").stdout)
    proposed = {change["key"]: change for change in written["changes"]}
    assert "space.hidden" in proposed
    definition = read_source(Path("studies/small-2.toml")).definition
    assert definition.name == "small-2"
    assert definition.space["hidden"].bounds == proposed["space.hidden"]["new"]["choice"] == ["4", "8", "16"]
    assert proposed["space.hidden"]["old"] == "4"
    result = here(*search, "--trials", "2")
    assert result.returncode == 0, result.stderr
    assert "started with" in result.stdout


def test_every_changed_line_has_its_reason(searched: Path, here: Run) -> None:
    """What is printed is what the file says."""
    printed = here("refine", "small").stdout
    lines = Path("studies/small-2.toml").read_text(encoding="utf-8").splitlines()
    told = [line.removeprefix("space.") for line in printed.splitlines() if line.startswith("space.")]
    assert told
    for line in told:
        value, reason = line.split("  # ")
        assert f"{value} # {reason}" in lines


def test_a_file_is_never_overwritten(searched: Path, here: Run) -> None:
    """Named again it says so, and another name can be given; of itself the next one that is free is taken."""
    here("refine", "small")
    before = Path("studies/small-2.toml").read_bytes()
    again = here("refine", "small", "--output", "studies/small-2.toml")
    assert (again.returncode, again.stdout) == (2, "")
    assert "studies/small-2.toml already exists; not overwritten" in again.stderr
    assert Path("studies/small-2.toml").read_bytes() == before
    assert here("refine", "small", "--output", "studies/other.toml").returncode == 0
    assert read_source(Path("studies/other.toml")).definition.name == "other"
    assert "written: studies/small-3.toml" in here("refine", "small").stdout


def test_where_nothing_needs_a_change_nothing_is_written(small_study: Path, here: Run) -> None:
    """Neither gap matters at a line of 90 pp."""
    here("search", "small")
    result = here("refine", "small", "--material-gap", "0.9")
    assert result.returncode == 0
    assert "the study file needs no change; nothing was written" in result.stdout
    assert not Path("studies/small-2.toml").exists()
    printed = json.loads(here("refine", "small", "--material-gap", "0.9", "--json").stdout)
    assert printed == {"study": "small", "changes": [], "output": None, "name": None, "command": None}


def test_baseline_and_line_of_the_command_go_into_the_definition(searched: Path, here: Run) -> None:
    """The next study is judged as this one was."""
    here("refine", "small", "--baseline", "0.01", "--material-gap", "0.002")
    diagnosis = read_source(Path("studies/small-2.toml")).definition.diagnosis
    assert (diagnosis.baseline_error, diagnosis.material_gap) == (0.01, 0.002)


def test_an_impossible_output_is_one_line(searched: Path, here: Run) -> None:
    """Nothing is written, and the line says what was expected."""
    impossible = {
        "studies/next.txt": "expected a file that ends in .toml",
        "elsewhere/small.toml": "needs a name other than 'small'",
        "no/next.toml": "no/next.toml: cannot be written: no such folder no",
        "studies/a b.toml": "got 'a b'",
    }
    for output, said in impossible.items():
        result = here("refine", "small", "--output", output)
        assert (result.returncode, result.stdout) == (2, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
        assert not Path(output).exists()
    assert not Path("no").exists()


def test_a_definition_can_be_named_as_the_old_study(searched: Path, here: Run) -> None:
    """``--from`` takes a TOML path as well as a name."""
    here("refine", "small")
    result = here("search", "studies/small-2.toml", "--from", "studies/small.toml", "--trials", "1")
    assert "trials of small" in result.stdout, result.stderr
