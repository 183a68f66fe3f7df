"""Definitions edited as text: changed lines get their reasons, all others stay."""

import tomllib
from pathlib import Path

import pytest

from tuner.study import Edit, edit_definition, move_definition, parse_definition, toml, value_at

TEXT = """\
# mine
name = "mine"
[data]
source = "data/mine.csv"   # here
target = "y"
[space]
alpha = { log_uniform = [0.01, 1.0] }   # learning rate
beta = 0.9   # momentum
"""


def test_a_changed_line_ends_with_its_reason() -> None:
    """The changed line has the new value and the reason; every other line stays, comments included."""
    text = edit_definition(TEXT, [Edit("space.alpha", {"log_uniform": [0.1, 10.0]}, "wider")], "next")
    old, new = TEXT.splitlines(), text.splitlines()
    assert new[0] == "# next"
    changed = [(before, after) for before, after in zip(old, new[1:], strict=True) if before != after]
    assert len(changed) == 1
    assert changed[0][1].startswith("alpha = { log_uniform = [0.1, 10.0] }")
    assert changed[0][1].endswith("# wider")


@pytest.mark.parametrize("training", ["", "[training]\nmax_epochs = 5\n", "[training]  # none\n"])
def test_a_key_or_table_that_is_missing_is_added(training: str) -> None:
    """A key that had its default is added to its section."""
    text = edit_definition(TEXT + training, [Edit("training.max_epochs", 200, "longer")], "next")
    assert parse_definition(text, "next").training.max_epochs == 200
    assert "max_epochs = 200 # longer" in text


@pytest.mark.parametrize("training", ["training = { max_epochs = 5, patience = 3 }", "training.max_epochs = 5"])
def test_a_table_on_one_line_stays_toml(training: str) -> None:
    """A comment is written after an inline table, not in it."""
    text = edit_definition(f"{training}\n{TEXT}", [Edit("training.max_epochs", 200, "longer")], "next")
    assert parse_definition(text, "next").training.max_epochs == 200
    assert "# longer" in text


def test_a_layers_keep_prob_is_changed_in_its_place() -> None:
    """A dotted key stays one."""
    text = TEXT + "keep_prob.1 = { uniform = [0.5, 1.0] }\nkeep_prob.2 = 0.5\n"
    new = edit_definition(text, [Edit("space.keep_prob.1", {"uniform": [0.7, 1.0]}, "narrower")], "next")
    assert "keep_prob.1 = { uniform = [0.7, 1.0] }" in new
    assert "narrower" in new
    assert "keep_prob.2 = 0.5\n" in new
    assert value_at(new, "space.keep_prob.1") == {"uniform": [0.7, 1.0]}


def test_a_reason_stays_on_its_line() -> None:
    """A reason with a line break becomes one line."""
    text = edit_definition(TEXT, [Edit("space.beta", 0.5, "two\nlines")], "next")
    assert "beta = 0.5 # two lines" in text.replace("   #", " #")


def test_values_are_toml() -> None:
    """Ranges, choices, words with quotes, and large and small numbers can be written and read."""
    values = [{"log_uniform": [1e-7, 10.0]}, ["64-32", 2, True], 'a "b" \\ c', 0.1 + 0.2, 3, False]
    assert tomllib.loads(f"x = {toml(values)}")["x"] == values


def test_data_files_are_found_from_the_new_folder(tmp_path: Path) -> None:
    """Relative paths stay relative, absolute ones absolute; in the same folder nothing changes."""
    studies = tmp_path / "here" / "studies"
    beside = move_definition(TEXT, tmp_path / "here", studies)
    assert value_at(beside, "data.source") == "../data/mine.csv"
    away = move_definition(TEXT, tmp_path / "there", studies)
    assert value_at(away, "data.source") == "../../there/data/mine.csv"
    absolute = TEXT.replace('"data/mine.csv"', '"/data/mine.csv"')
    assert value_at(move_definition(absolute, tmp_path / "there", studies), "data.source") == "/data/mine.csv"
    assert move_definition(TEXT, studies, studies) == TEXT


def test_what_is_not_written_is_none() -> None:
    """A key that is missing, or below a plain value, has no value."""
    assert value_at(TEXT, "space.alpha") == {"log_uniform": [0.01, 1.0]}
    assert value_at(TEXT, "space.lambda") is None
    assert value_at(TEXT, "space.beta.deeper") is None
