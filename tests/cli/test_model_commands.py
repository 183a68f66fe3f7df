"""``tuner train`` and ``tuner predict`` as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run
from tests.modeling.conftest import mixed_rows


@pytest.fixture
def trained(place: Path, model_bytes: bytes) -> Path:
    """The folder of the searched studies, with the model of "mixed" in it."""
    (place / "models").mkdir()
    (place / "models" / "mixed.tuner").write_bytes(model_bytes)
    return place


def test_train_writes_the_model_and_says_what_it_is(trained: Path, run: Run) -> None:
    """The study's name, database and data, what was trained, whose errors, and what it replaces."""
    result = run("train", "mixed")
    assert result.returncode == 0, result.stderr
    first, *lines = result.stdout.splitlines()
    assert first.startswith("study mixed · database ")
    assert "mixed.csv" in first
    assert any(line.endswith("repeated to the bit") for line in lines)
    assert lines[-1] == f"written: models/mixed.tuner (in place of a model of trial {_trial(result.stdout)})"
    assert "dev error" in result.stdout
    assert "of this model" in result.stdout


def _trial(text: str) -> str:
    return text.split("network of trial ")[1].split()[0]


def test_train_prints_one_json_object(trained: Path, run: Run) -> None:
    """What was trained, for programs."""
    result = run("train", "folded", "--seeds", "2", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["study"], found["kind"], found["rows"], found["repeated"]) == ("folded", "final", "train+dev", True)
    assert len(found["seeds"]["dev_errors"]) == 2
    assert Path(found["model"]) == trained / "models" / "folded.tuner"
    assert found["errors"]["dev"]["of"] == f"trial {found['trial']} (3 folds)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mixed", "--sober", "--trial", "0"], "--sober and --trial: expected one of them"),
        (["mixed", "--trial", "77"], "study 'mixed' has no trial 77; it has 0 to 3"),
        (["nothing"], "no study 'nothing'"),
        (["mixed", "--output", "studies/mixed.csv"], "is there already and is no model"),
        (["folded", "--output", "models/mixed.tuner"], "is a model of study 'mixed', not 'folded'"),
        (["mixed", "--output", "models"], "is a folder"),
    ],
)
def test_train_refuses(trained: Path, run: Run, arguments: list[str], message: str) -> None:
    """One line, status 2, and every file as it was."""
    before = (trained / "studies" / "mixed.csv").read_bytes()
    result = run("train", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert (trained / "studies" / "mixed.csv").read_bytes() == before


def test_predict_prints_csv_alone_on_stdout(trained: Path, run: Run) -> None:
    """The result can be piped on; what was done is said on stderr, or on stdout where a file is written."""
    mixed_rows(30, seed=3).to_csv("rows.csv", index=False)
    result = run("predict", "models/mixed.tuner", "rows.csv")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "predicted"
    assert len(result.stdout.splitlines()) == 31
    assert "(30 rows)" in result.stderr
    written = run("predict", "models/mixed.tuner", "rows.csv", "--output", "out.csv", "--probabilities")
    assert "rows.csv (30 rows) -> out.csv" in written.stdout
    assert list(pd.read_csv("out.csv")) == ["predicted", "bad", "fair", "good"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["studies/mixed.csv", "studies/mixed.csv"], "no model file"),
        (["models/none.tuner", "studies/mixed.csv"], "no such file; expected a model"),
        (["models/mixed.tuner", "none.csv"], "none.csv: no such file"),
        (["models/mixed.tuner", "studies/mixed.csv", "--output", "none/out.csv"], "cannot be written"),
    ],
)
def test_predict_refuses(trained: Path, run: Run, arguments: list[str], message: str) -> None:
    """One line, status 2."""
    result = run("predict", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
