"""``tuner train``, ``evaluate`` and ``predict`` as commands."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run, small_table
from tests.modeling.conftest import mixed_rows
from tuner.analysis import wilson
from tuner.modeling import Model, load_model


def test_train_writes_the_model_and_says_what_it_is(trained: Path, here: Run) -> None:
    """The study's name, database and data, what was trained, whose errors, and what it replaces."""
    result = here("train", "mixed")
    assert result.returncode == 0, result.stderr
    first, *lines = result.stdout.splitlines()
    assert first.startswith("study mixed · database ")
    assert "mixed.csv" in first
    assert any(line.endswith("repeated bit for bit") for line in lines)
    assert lines[-1] == f"written: models/mixed.tuner (replaced a model of trial {_trial(result.stdout)})"
    assert "\ndev error" in result.stdout
    assert "of this model" in result.stdout
    assert "\ndev (selection-corrected) error" in result.stdout
    assert "stored in the model: dev (selection-corrected) error" in here("evaluate", "models/mixed.tuner").stdout


def _trial(text: str) -> str:
    return text.split("network of trial ")[1].split()[0]


def test_train_prints_one_json_object(trained: Path, here: Run) -> None:
    """What was trained, for programs."""
    result = here("train", "folded", "--seeds", "2", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["study"], found["kind"], found["rows"], found["repeated"]) == ("folded", "ensemble", "folds", True)
    assert found["networks"] == 3
    assert len(found["seeds"]["dev_errors"]) == 2
    assert Path(found["model"]) == trained / "models" / "folded.tuner"
    assert found["errors"]["dev"]["of"].startswith("the networks of the folds, each on rows it did not see")


def test_the_ensemble_of_folds_is_written_predicts_and_gives_way_to_a_single_network(place: Path, here: Run) -> None:
    """Train, predict as the model does, and the same command with --single or --trial replaces it."""
    mixed_rows(30, seed=3).to_csv("rows.csv", index=False)
    first = here("train", "folded")
    assert first.returncode == 0, first.stderr
    assert "model: 3 networks of trial" in first.stdout
    assert "their ensemble is usually somewhat better" in first.stdout
    predicted = here("predict", "models/folded.tuner", "rows.csv")
    assert predicted.returncode == 0, predicted.stderr
    expected = load_model("models/folded.tuner").predict(pd.read_csv("rows.csv"))
    assert predicted.stdout.split()[1:] == expected.tolist()
    single = here("train", "folded", "--single")
    assert single.returncode == 0, single.stderr
    assert "model: one network with trial" in single.stdout
    assert f"(replaced a model of trial {load_model('models/folded.tuner').metadata.trial})" in single.stdout
    same = Path("models/folded.tuner").read_bytes()
    assert here("train", "folded", "--on", "train+dev").returncode == 0
    assert Path("models/folded.tuner").read_bytes() == same
    other = here("train", "folded", "--trial", "0", "--output", "models/folded.tuner")
    assert other.returncode == 2
    assert "--force" in other.stderr
    assert here("train", "folded", "--trial", "0", "--output", "models/folded.tuner", "--force").returncode == 0
    assert load_model("models/folded.tuner").metadata.trial == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mixed", "--one-se", "--trial", "0"], "--one-se and --trial are mutually exclusive"),
        (["folded", "--single", "--ensemble"], "are mutually exclusive"),
        (["mixed", "--ensemble-of", "ten"], "--ensemble-of: expected 2 to 100 trials or auto, got 'ten'"),
        (["mixed", "--ensemble-of", "2", "--trial", "0"], "are mutually exclusive"),
        (["mixed", "--trial", "77"], "study 'mixed' has no trial 77; it has 0 to 3"),
        (["nothing"], "no study 'nothing'"),
        (["mixed", "--output", "studies/mixed.csv", "--force"], "is a data file, which is never overwritten"),
        (["folded", "--output", "models/mixed.tuner"], "is a model or other archive, which is never overwr"),
        (["mixed", "--output", "models"], "is a folder"),
        (["mixed", "--output", "modles/mixed.tuner"], "no such folder modles"),
    ],
)
def test_train_refuses(trained: Path, here: Run, arguments: list[str], message: str) -> None:
    """One line, status 2, and every file as it was."""
    before = (trained / "studies" / "mixed.csv").read_bytes()
    result = here("train", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert (trained / "studies" / "mixed.csv").read_bytes() == before


def test_predict_prints_csv_alone_on_stdout(trained: Path, run: Run, here: Run) -> None:
    """The result can be piped on; what was done is said on stderr, or on stdout where a file is written."""
    mixed_rows(30, seed=3).to_csv("rows.csv", index=False)
    result = run("predict", "models/mixed.tuner", "rows.csv")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "predicted"
    assert len(result.stdout.splitlines()) == 31
    assert "(30 rows)" in result.stderr
    written = here("predict", "models/mixed.tuner", "rows.csv", "--output", "out.csv", "--probabilities")
    assert "rows.csv (30 rows) -> out.csv" in written.stdout
    assert list(pd.read_csv("out.csv")) == ["predicted", "bad", "fair", "good"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["studies/mixed.csv", "studies/mixed.csv"], "not a model file"),
        (["models/none.tuner", "studies/mixed.csv"], "no such file; expected a model"),
        (["models/mixed.tuner", "none.csv"], "none.csv: no such file"),
        (["models/mixed.tuner", "studies/mixed.csv", "--output", "rows.csv/out.csv"], "cannot be written"),
        (["models/mixed.tuner", "studies/mixed.csv", "--output", "studies/mixed.csv"], "would overwrite the input"),
        (["models/mixed.tuner", "studies/mixed.csv", "--output", "link.csv"], "would overwrite the input"),
        (["models/mixed.tuner", "studies/mixed.csv", "--output", "out.xlsx"], "ends in .csv, .csv.gz, .parquet"),
        (["models/mixed.tuner", "studies/mixed.csv", "--output", "models/mixed.tuner"], "ends in .csv, .csv.gz"),
    ],
)
def test_predict_refuses(trained: Path, here: Run, arguments: list[str], message: str) -> None:
    """One line, status 2, and the data as they were."""
    (trained / "rows.csv").touch()
    if not (trained / "link.csv").is_symlink():
        (trained / "link.csv").symlink_to(trained / "studies" / "mixed.csv")
    before = (trained / "studies" / "mixed.csv").read_bytes()
    result = here("predict", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert (trained / "studies" / "mixed.csv").read_bytes() == before


@pytest.fixture
def own(place: Path, here: Run) -> Path:
    """The folder of the searched studies, with a model trained there, whose database is the one beside it."""
    assert here("train", "mixed").returncode == 0
    return place


def recorded(place: Path) -> list[tuple[int, int, int]]:
    """The test-set evaluations in the database: trial, wrong, n."""
    with closing(sqlite3.connect(place / "studies" / "tuner.db")) as connection:
        return connection.execute("SELECT trial_number, wrong, n FROM tuner_test_looks ORDER BY look_id").fetchall()


def test_evaluate_leaves_the_test_set_closed(own: Path, here: Run) -> None:
    """Errors, classes, confusions, calibration and reference models of train and dev; nothing is recorded."""
    result = here("evaluate", "models/mixed.tuner")
    assert result.returncode == 0, result.stderr
    for part in ("study mixed · database", "train", "dev", "log loss", "majority", "true class (rows)", "% correct of"):
        assert part in result.stdout
    assert "test" not in result.stdout.split("reference models")[0].partition("\n")[2]
    assert recorded(own) == []


def test_each_test_evaluation_is_recorded_and_reported(own: Path, here: Run) -> None:
    """The first gives the test error and dev_overfit, the second a warning, here and in the report."""
    first = here("evaluate", "models/mixed.tuner", "--test", "--json")
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert found["test_looks"] == 1
    error = found["sets"]["test"]["error"]
    summary = json.loads(here("report", "mixed", "--json").stdout)
    assert summary["errors"]["test"] == error
    gap = summary["gaps"]["dev_overfit"]
    assert gap["value"] == pytest.approx(error["value"] - summary["errors"]["dev"]["value"])
    assert "more than once" not in first.stderr
    second = here("evaluate", "models/mixed.tuner", "--test")
    assert second.returncode == 0
    assert "evaluated twice" in second.stdout
    assert "may be optimistic" in second.stderr
    assert "The test set was evaluated twice" in here("report", "mixed").stdout.replace("\n", " ")
    assert recorded(own) == [(found["trial"], round(error["value"] * error["n"]), error["n"])] * 2


def test_the_report_counts_the_groups_of_the_test_set_as_evaluate_does(small_study: Path, here: Run) -> None:
    """Eight copies of every row are one example: both say so, with the same interval, wider than eight rows' apart."""
    header, *rows = small_table(90).splitlines()
    copies = [f"{row},{number}" for number, row in enumerate(rows) for _ in range(8)]
    (small_study.parent / "small.csv").write_text("\n".join([f"{header},patient", *copies]), encoding="utf-8")
    text = small_study.read_text(encoding="utf-8").replace('target = "kind"', 'target = "kind"\ngroup = "patient"')
    small_study.write_text(text, encoding="utf-8")
    assert here("search", "small", "--quiet").returncode == 0
    assert here("train", "small").returncode == 0
    evaluated = json.loads(here("evaluate", "models/small.tuner", "--test", "--json").stdout)["sets"]["test"]["error"]
    assert json.loads(here("report", "small", "--json").stdout)["errors"]["test"] == evaluated
    low, high = wilson(evaluated["value"] * evaluated["n"], evaluated["n"])
    assert evaluated["high"] - evaluated["low"] > 2 * (high - low)


def test_an_evaluation_that_cannot_be_recorded_is_not_shown(own: Path, here: Run) -> None:
    """The database is away, or cannot be written: nothing of the test set is on stdout."""
    database = own / "studies" / "tuner.db"
    hidden = database.rename(own / "away.db")
    away = here("evaluate", "models/mixed.tuner", "--test")
    assert away.returncode == 2
    assert "to record the evaluation in" in away.stderr
    assert "rows" not in away.stdout
    hidden.rename(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON tuner_test_looks BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    full = here("evaluate", "models/mixed.tuner", "--test", "--json")
    assert full.returncode == 2
    assert "disk is full" in full.stderr
    assert full.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["studies/mixed.csv"], "has the study's train or dev rows"),
        (["copy.csv"], "has the study's train or dev rows"),
        (["none.csv"], "none.csv: no such file"),
        (["other.csv", "--test"], "--test and the file other.csv are mutually exclusive"),
        (["--test", "--storage", "sqlite:///other.db"], "no database"),
        (["--test", "--storage", "sqlite:///studies/folded.db"], "no study 'mixed'"),
    ],
)
def test_evaluate_refuses(own: Path, here: Run, arguments: list[str], message: str) -> None:
    """One line, status 2."""
    (own / "copy.csv").write_bytes((own / "studies" / "mixed.csv").read_bytes())
    mixed_rows(30, seed=3).to_csv("other.csv", index=False)
    if "folded" in " ".join(arguments):
        assert here("backup", "studies/folded.db").returncode == 0
        assert here("delete", "mixed", "--yes", "--storage", "sqlite:///studies/folded.db").returncode == 0
    result = here("evaluate", "models/mixed.tuner", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_separate_test_file_is_held_out_too(place: Path, here: Run) -> None:
    """Given as DATA, it is the test set all the same."""
    mixed_rows(60, seed=6).to_csv("studies/unseen.csv", index=False)
    path = place / "studies" / "held-out.toml"
    text = (place / "studies" / "mixed.toml").read_text(encoding="utf-8").replace('name = "mixed"', 'name = "held-out"')
    path.write_text(text.replace('target = "class"', 'target = "class"\ntest = "unseen.csv"'), encoding="utf-8")
    assert here("search", "held-out", "--trials", "1").returncode == 0
    assert here("train", "held-out").returncode == 0
    closed = here("evaluate", "models/held-out.tuner", "studies/unseen.csv")
    assert closed.returncode == 2
    assert "is the study's test set. Pass --test" in closed.stderr
    opened = here("evaluate", "models/held-out.tuner", "studies/unseen.csv", "--test", "--json")
    assert opened.returncode == 0, opened.stderr
    assert json.loads(opened.stdout)["sets"]["test"]["error"]["n"] == 60


def test_export_writes_the_graph_and_names_its_inputs(trained: Path, here: Run) -> None:
    """What another program has to hand in."""
    pytest.importorskip("onnx")
    result = here("export", "models/mixed.tuner", "--onnx", "mixed.onnx")
    assert result.returncode == 0, result.stderr
    assert "input numbers: float64 (n, 4)" in result.stdout
    assert "input categories: text (n, 1)" in result.stdout
    assert (trained / "mixed.onnx").stat().st_size > 1000
    assert here("export", "models/mixed.tuner", "--onnx", "models").returncode == 2


def test_a_model_file_does_not_choose_where_tuner_connects(
    own: Path, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names a server, or a file elsewhere: without --storage nothing is opened, and one line says what to do."""
    opened: list[str] = []
    monkeypatch.setattr("tuner.workspace.test_set.open_database", lambda url, create: opened.append(str(url)))
    model = load_model("models/mixed.tuner")
    for recorded in ("postgresql+psycopg://me@evil.example/x", "sqlite:////elsewhere/tuner.db"):
        metadata = model.metadata.model_copy(update={"storage": recorded})
        Model(metadata, [network.theta for network in model.networks]).save("from-elsewhere.tuner")
        result = here("evaluate", "from-elsewhere.tuner", "--test")
        assert result.returncode == 2
        assert f"was trained from {recorded}, not from {own / 'studies' / 'tuner.db'}" in result.stderr
        assert "with --storage" in result.stderr
        assert result.stderr.count("\n") == 1
    assert opened == []
