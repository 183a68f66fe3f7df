"""The project's own files agree with each other: versions, tools, links and workflows."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]


def yaml_of(path: str) -> Any:
    """A YAML file of the project."""
    return pytest.importorskip("yaml").safe_load((ROOT / path).read_text("utf-8"))


def test_the_version_has_its_section_in_the_changelog() -> None:
    """The newest section with a date is the version of pyproject.toml, and has its link."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## \[(\d[^]]*)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert versions[0] == PROJECT["version"]
    assert re.findall(r"^\[(\d[^]]*)\]: https", changelog, re.MULTILINE) == versions


def test_the_sections_of_the_changelog_have_the_names_of_the_convention() -> None:
    """Keep a Changelog knows six kinds of changes."""
    names = re.findall(r"^### (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert names
    assert set(names) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_has_the_version_and_the_license() -> None:
    """CITATION.cff repeats what pyproject.toml owns."""
    citation = yaml_of("CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]


@pytest.mark.parametrize(("lock", "extras"), [("requirements.lock", ()), ("requirements-dev.lock", ("dev", "docs"))])
def test_each_dependency_is_locked_with_hashes_at_a_permitted_version(lock: str, extras: tuple[str, ...]) -> None:
    """A changed bound in pyproject.toml needs new lock files."""
    text = (ROOT / lock).read_text("utf-8")
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+).*\\\n    --hash=sha256:", text, re.MULTILINE):
        locked.setdefault(name, []).append(version)
    assert len(re.findall(r"^[a-z]", text, re.MULTILINE)) == sum(map(len, locked.values()))
    optional = PROJECT["optional-dependencies"]
    for needed in [*PROJECT["dependencies"], *(each for extra in extras for each in optional[extra])]:
        requirement = Requirement(needed)
        if requirement.name != PROJECT["name"]:
            versions = locked[canonicalize_name(requirement.name)]
            assert all(requirement.specifier.contains(version) for version in versions), needed


def test_pre_commit_runs_the_pinned_ruff() -> None:
    """The hook and the extra ``dev`` have one version."""
    (pinned,) = [found.partition("==")[2] for found in PROJECT["optional-dependencies"]["dev"] if "ruff" in found]
    hooks = {repo["repo"]: repo["rev"] for repo in yaml_of(".pre-commit-config.yaml")["repos"]}
    assert hooks["https://github.com/astral-sh/ruff-pre-commit"] == f"v{pinned}"


def test_the_workflow_runs_everything_and_each_python_on_each_system() -> None:
    """``.ci/run``, and the quick tests with the Pythons of the classifiers."""
    jobs = yaml_of(".github/workflows/ci.yml")["jobs"]
    assert "bash .ci/run" in [step.get("run") for step in jobs["everything"]["steps"]]
    matrix = jobs["quick"]["strategy"]["matrix"]
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == classified
    assert {system.partition("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}


def test_a_release_publishes_what_the_tests_passed_without_a_stored_token() -> None:
    """Trusted publishing: the job that publishes waits for the tests and may ask for an identity."""
    text = (ROOT / ".github/workflows/release.yml").read_text("utf-8")
    jobs = yaml_of(".github/workflows/release.yml")["jobs"]
    assert jobs["build"]["needs"] == "ci"
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in text
