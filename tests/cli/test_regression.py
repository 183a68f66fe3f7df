"""A table of prices from end to end: search, report, train, evaluate, predict and export."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tests.cli.conftest import make_model_of_houses
from tests.running.conftest import command
from tuner.modeling import load_model

OPTIONS = ("--target", "price")


def houses(n: int = 300, seed: int = 0) -> pd.DataFrame:
    """Houses with a price in dollars that area and place nearly decide."""
    rng = np.random.default_rng(seed)
    area, place = rng.uniform(40, 200, n).round(1), rng.choice(["town", "lake", "wood"], n)
    worth = 2000 * area + 90_000 * (place == "lake") + rng.normal(0, 15_000, n)
    frame = pd.DataFrame({"area": area, "place": place, "price": worth.round()})
    frame.loc[rng.random(n) < 0.1, "area"] = np.nan
    return frame


def tuner(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in this process."""
    return subprocess.CompletedProcess(list(map(str, arguments)), *command(*arguments))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the houses were searched and reported, and a model was trained."""
    return make_model_of_houses(tmp_path_factory.mktemp("houses"), houses(), *OPTIONS)


@pytest.fixture
def place(searched: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, which the test changes into."""
    monkeypatch.chdir(searched)
    monkeypatch.setenv("TUNER_CACHE", str(searched / "cache"))
    return searched


def test_the_choice_is_said_and_written(place: Path) -> None:
    """The first line says regression and how to choose classes; the file has task and threshold (a comment)."""
    assert "'price' is predicted as a number (regression); --task classification" in (place / "search.txt").read_text()
    definition = (place / "studies" / "houses.toml").read_text()
    assert 'task = "regression"' in definition
    gap = float(re.search(r"^# material_gap = (\S+)", definition, re.M)[1])  # type: ignore[index]
    assert gap == pytest.approx(0.02 * houses()["price"].std(), rel=0.1)


def test_the_report_speaks_of_numbers(place: Path) -> None:
    """Errors in dollars with intervals, reference models for numbers, and no word of classes."""
    summary = json.loads((place / "reports" / "houses" / "summary.json").read_text())
    errors = summary["errors"]
    assert 1000 < errors["dev"]["low"] < errors["dev"]["value"] < errors["dev"]["high"] < 200_000
    assert errors["mean"]["value"] == pytest.approx(houses()["price"].std(), rel=0.1)
    assert errors["ridge"]["value"] < errors["mean"]["value"]
    assert {"majority", "logistic_regression"}.isdisjoint(errors)
    text = (place / "reports" / "houses" / "report.html").read_text()
    text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.S) + (place / "report.txt").read_text()
    text += (place / "reports" / "houses" / "report.md").read_text()
    assert not re.findall(r".{0,30}\b(?:wrong|class|accuracy|percentage points|pp)\b.{0,20}", text)
    assert not re.findall(r"(?:error|RMSE|bias|[Vv]ariance) (?:of |is )?[\d.]+%", text)
    assert "Predicted against true numbers" in text
    assert "RMSE by tenth of the target" in text
    tenths, n = summary["best"]["predictions"]["tenths"], errors["dev"]["n"]
    assert len(tenths) == 10
    mean = sum(each["n"] * each["error"] ** 2 for each in tenths) / n
    assert mean**0.5 == pytest.approx(errors["dev"]["value"], rel=1e-6)
    assert all(each["error_low"] < each["error"] < each["error_high"] for each in tenths)
    assert "RMSE" in text
    printed = " ".join((place / "report.txt").read_text().split())
    assert re.search(r"dev RMSE: [\d,]+ from the dev rows(,| and) [\d,]+ from the training rows", printed)


def test_evaluation_is_that_of_scikit_learn(place: Path) -> None:
    """RMSE, mean absolute error and R² of a file's rows, from the predictions of ``tuner predict``."""
    rows = houses(80, seed=5)
    rows.to_csv("new.csv", index=False)
    assert tuner("predict", "models/houses.tuner", "new.csv", "--output", "said.csv", "--force").returncode == 0
    said = pd.read_csv("said.csv")["predicted"]
    result = tuner("evaluate", "models/houses.tuner", "new.csv", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)["sets"]["new.csv"]
    assert found["error"]["value"] == pytest.approx(root_mean_squared_error(rows["price"], said), rel=1e-9)
    assert found["mean_absolute_error"] == pytest.approx(mean_absolute_error(rows["price"], said), rel=1e-9)
    assert found["r2"] == pytest.approx(r2_score(rows["price"], said), rel=1e-9)
    model = load_model("models/houses.tuner")
    np.testing.assert_allclose(model.predict(rows), said, rtol=1e-6)
    assert model.score(rows, rows["price"]) == pytest.approx(found["r2"], rel=1e-6)
    assert not hasattr(model, "classes_")


def test_the_test_set_is_evaluated_once_and_reported(place: Path) -> None:
    """In the unit of the target, by tenth of it; the report then has its row."""
    result = tuner("evaluate", "models/houses.tuner", "--test")
    assert result.returncode == 0, result.stderr
    assert "by tenth of the target" in result.stdout
    assert "mean absolute error" in result.stdout
    test = json.loads(tuner("report", "houses", "--json").stdout)["errors"]["test"]
    assert test["low"] < test["value"] < test["high"]


def test_the_largest_residuals_come_first(place: Path) -> None:
    """Every row that is missed by more than the RMSE, with its line, and in how many trials it is."""
    assert tuner("errors", "houses", "--csv", "far.csv", "--html").returncode == 0
    found = json.loads(tuner("errors", "houses", "--rows", 2, "--json").stdout)
    rows, lines = pd.read_csv("far.csv"), Path("houses.csv").read_text().splitlines()
    assert len(rows) == found["wrong"] < found["dev_rows"] / 2
    assert (rows["residual"].abs() > found["rmse"]).all()
    assert (rows["residual"].abs().diff().dropna() <= 0).all()
    np.testing.assert_allclose(rows["predicted"] - rows["given"], rows["residual"], atol=0.1)
    in_file = [float(lines[int(at.split()[1]) - 1].split(",")[-1]) for at in rows["place"]]
    np.testing.assert_allclose(rows["given"], in_file, rtol=1e-6)
    assert rows["far_off_in"].between(0.3, 1).all()
    assert len(found["rows"]) == 2
    assert rows["place"][0] in Path("reports/houses/errors.html").read_text()


def test_the_graph_predicts_as_the_model(place: Path) -> None:
    """The ONNX graph has one output, in the unit of the target."""
    runtime = pytest.importorskip("onnxruntime")
    from tuner.modeling import onnx_inputs

    result = tuner("export", "models/houses.tuner", "--onnx", "houses.onnx", "--force")
    assert result.returncode == 0, result.stderr
    model, rows = load_model("models/houses.tuner"), houses(50, seed=6)
    (said,) = runtime.InferenceSession("houses.onnx").run(None, onnx_inputs(model, rows))
    np.testing.assert_allclose(said, model.predict(rows), rtol=1e-5)


def test_more_data_lower_the_rmse_along_a_curve(place: Path) -> None:
    """The learning curve is in dollars: in the terminal, in JSON and in the report, which draws it."""
    result = tuner("learning-curve", "houses", "--seeds", 2, "--sizes", 2, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    small, large = found["points"]
    assert all(1000 < point[error] < 200_000 for point in (small, large) for error in ("dev_error", "train_error"))
    assert found["twice"]["low"] <= found["twice"]["value"] <= found["today_estimate"]["value"]
    assert found["gain"]["low"] < found["gain"]["high"]
    assert re.search(r"examples: dev error \d+,\d{3}$", result.stderr, re.M), result.stderr
    assert not re.search(r"\d%|\d pp", found["sentence"])
    shown = tuner("learning-curve", "houses", "--seeds", 2, "--sizes", 2)
    assert not re.search(r"\d%|\d pp", shown.stdout), shown.stdout
    assert tuner("report", "houses", "--output", "curved").returncode == 0
    assert "training examples of one network" in (place / "curved" / "houses" / "report.html").read_text()


def test_the_best_trials_answer_together(place: Path) -> None:
    """Their mean is the prediction; the dev RMSE is that of rows no network was trained on, and has a correction."""
    result = tuner("train", "houses", "--ensemble-of", "2", "--output", "e.tuner", "--json")
    assert result.returncode == 0, result.stderr
    errors, model, rows = json.loads(result.stdout)["errors"], load_model("e.tuner"), houses(50, seed=6)
    assert errors["dev"]["value"] <= errors["dev_corrected"]["value"]
    alone = []
    for member in model.metadata.members or []:
        assert tuner("train", "houses", "--trial", member.trial, "--output", "one.tuner", "--force").returncode == 0
        alone.append(load_model("one.tuner").predict(rows))
    np.testing.assert_allclose(model.predict(rows), np.mean(alone, axis=0), rtol=1e-5)
    shown = json.loads(tuner("evaluate", "e.tuner", "--json").stdout)["sets"]
    assert shown["dev"]["error"]["value"] == pytest.approx(errors["dev"]["value"], rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("report", "houses", "--baseline", "5%"), "--baseline: expected a number in the unit of the target"),
        (("errors", "houses", "--suspects"), "predicts numbers, and only classes are suspected"),
        (("predict", "models/houses.tuner", "houses.csv", "--probabilities"), "predicts numbers"),
        (("search", "houses.csv", *OPTIONS, "--task", "classification"), "no task|task = 'regression'|unlike --task"),
    ],
)
def test_what_numbers_do_not_have_is_refused(place: Path, arguments: tuple[str, ...], message: str) -> None:
    """In one line, with exit status 2."""
    result = tuner(*arguments)
    assert result.returncode == 2
    assert re.search(message, result.stderr), result.stderr
    assert result.stderr.count("\n") == 1


def test_other_commands_take_such_a_study(place: Path) -> None:
    """They print errors in the unit of the target."""
    for arguments in (
        ("trials", "houses"),
        ("studies",),
        ("check", "houses"),
        ("gradcheck", "houses"),
        ("refine", "houses"),
    ):
        result = tuner(*arguments)
        assert result.returncode == 0, result.stderr
        assert not re.search(r"\d%|\d pp", result.stdout.replace("95%", "")), result.stdout
