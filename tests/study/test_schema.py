"""The JSON schema, as an editor uses it."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.study import HYPERPARAMETERS, definition_schema

jsonschema = pytest.importorskip("jsonschema")
Complaints = Callable[[dict[str, Any]], list[str]]
DIGITS = Path(__file__).parents[2] / "studies" / "digits.toml"


@pytest.fixture(scope="module")
def complaints() -> Complaints:
    """Return what an editor would underline in a definition."""
    schema = definition_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    return lambda table: [".".join(map(str, error.absolute_path)) for error in validator.iter_errors(table)]


def test_the_shipped_study_fits(complaints: Complaints) -> None:
    """An included definition has no complaint, nor has one whose layers have each their keep_prob."""
    text = DIGITS.read_text(encoding="utf-8")
    assert complaints(tomllib.loads(text)) == []
    assert complaints(tomllib.loads(text.replace("keep_prob =", "keep_prob.1 = 0.8\nkeep_prob.2 ="))) == []


@pytest.mark.parametrize(
    ("section", "line", "where"),
    [
        ("space", "alpah = 0.1", "space"),
        ("space", 'initializer = "hee"', "space.initializer"),
        ("space", "alpha = { power_of_two = [1, 2] }", "space.alpha"),
        ("space", "alpha = { uniform = [1, 2], choice = [1] }", "space.alpha"),
        ("space", "alpha = {}", "space.alpha"),
        ("space", "keep_prob.0 = 0.5", "space.keep_prob"),
        ("search", 'sampler = "bayes"', "search.sampler"),
        ("search", "trails = 5", "search"),
        ("training", "max_epochs = 0", "training.max_epochs"),
    ],
)
def test_what_the_program_refuses_is_underlined(complaints: Complaints, section: str, line: str, where: str) -> None:
    """Unknown keys, names and ranges are underlined, each at its place."""
    table = {"name": "x", "data": {"source": "x.csv", "target": "y"}, section: tomllib.loads(line)}
    assert complaints(table) == [where]


def test_a_trainer_makes_names_free(complaints: Complaints) -> None:
    """A custom trainer's hyperparameters are not underlined; unknown ranges and ranges that do not suit ours are."""
    table = {"name": "x", "data": {"source": "x.csv", "target": "y"}, "network": {"trainer": "mine:fit"}}
    assert complaints({**table, "space": {"dropout": {"uniform": [0.0, 0.5]}, "deep": True, "alpha": 0.1}}) == []
    assert complaints({**table, "space": {"dropout": {"unifrom": [0.0, 0.5]}}}) == ["space.dropout"]
    assert complaints({**table, "space": {"alpha": {"power_of_two": [1, 2]}}}) == ["space.alpha"]


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_every_hyperparameter_is_completed_with_a_sentence(name: str) -> None:
    """Each hyperparameter has its description and its ranges, and its default is valid."""
    entry = definition_schema()["properties"]["space"]["properties"][name]
    assert entry["description"] == HYPERPARAMETERS[name].help
    assert entry["anyOf"][1]["properties"].keys() == set(HYPERPARAMETERS[name].kinds)
