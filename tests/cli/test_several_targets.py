"""A table with several numbers to predict from end to end: search, report, train, evaluate, predict, errors, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tests.cli.conftest import make_model_of_houses
from tests.running.conftest import command
from tuner import load_study
from tuner.modeling import load_model

TARGETS = ["price", "rooms"]


def houses(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Houses with a price in dollars and a number of rooms, which have nothing in common but the area."""
    rng = np.random.default_rng(seed)
    area, place = rng.uniform(40, 200, n).round(1), rng.choice(["town", "lake"], n)
    price = 2000 * area + 90_000 * (place == "lake") + rng.normal(0, 15_000, n)
    rooms = area / 25 + 2 * (place == "town") + rng.normal(0, 0.5, n)
    return pd.DataFrame({"area": area, "place": place, "price": price.round(), "rooms": rooms.round(2)})


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the houses were searched and reported, and a model was trained."""
    return make_model_of_houses(tmp_path_factory.mktemp("several"), houses(), "--target", "price", "--target", "rooms")


@pytest.fixture
def place(searched: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, which the test changes into."""
    monkeypatch.chdir(searched)
    monkeypatch.setenv("TUNER_CACHE", str(searched / "cache"))
    return searched


def printed(*arguments: object) -> Any:
    """Run a command with --json; what it printed."""
    code, out, err = command(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_errors_are_in_standard_deviations(place: Path) -> None:
    """Of the mean 1, of the network less; each target has its errors in its own unit, on terminal, page and in JSON."""
    assert 'target = ["price", "rooms"]' in (place / "studies" / "houses.toml").read_text()
    summary = json.loads((place / "reports" / "houses" / "summary.json").read_text())
    assert summary["errors"]["mean"]["value"] == pytest.approx(1, abs=0.05)
    assert summary["material_gap"] == 0.02
    each, scales = summary["best"]["targets"], houses()[TARGETS].std()
    assert list(each) == TARGETS
    squares = [(each[name]["root_mean_squared_error"] / scales[name]) ** 2 for name in TARGETS]
    assert np.sqrt(np.mean(squares)) == pytest.approx(summary["errors"]["dev"]["value"], rel=0.05)
    pages = [(place / "reports" / "houses" / f"report.{kind}").read_text() for kind in ("md", "html")]
    assert "| target | RMSE | MAE | R² |" in pages[0]
    assert all("in standard deviations of the targets" in page for page in (*pages, (place / "report.txt").read_text()))
    assert "Predicted against true rooms" in pages[1]
    assert "target (dev, in its own unit)" in (place / "report.txt").read_text()


def test_evaluation_is_that_of_scikit_learn(place: Path) -> None:
    """Each target's RMSE, MAE and R², and the mean over targets in their standard deviations, agree to 1e-9."""
    rows = houses(60, seed=2)
    rows.to_csv(place / "new.csv", index=False)
    found = printed("evaluate", "models/houses.tuner", "new.csv")["sets"]["new.csv"]
    model = load_model("models/houses.tuner")
    said, true = model.predict(rows), rows[TARGETS].to_numpy()
    for name, y, of in zip(TARGETS, true.T, said.T, strict=True):
        one = found["targets"][name]
        assert one["root_mean_squared_error"] == pytest.approx(root_mean_squared_error(y, of), rel=1e-9)
        assert one["mean_absolute_error"] == pytest.approx(mean_absolute_error(y, of), rel=1e-9)
        assert one["r2"] == pytest.approx(r2_score(y, of), rel=1e-9)
    scales = [target.scale for target in model.metadata.unit.targets]
    whole = np.sqrt(np.mean(root_mean_squared_error(true / scales, said / scales, multioutput="raw_values") ** 2))
    assert found["error"]["value"] == pytest.approx(whole, rel=1e-9)
    assert found["root_mean_squared_error"] == pytest.approx(whole, rel=1e-9)
    assert found["mean_absolute_error"] == pytest.approx(mean_absolute_error(true / scales, said / scales), rel=1e-9)
    assert found["r2"] == pytest.approx(r2_score(true, said), rel=1e-9) == pytest.approx(model.score(rows, true))
    code, out, _ = command("evaluate", "models/houses.tuner", "new.csv")
    assert (code, "new.csv: by target, each in its unit" in out) == (0, True)


def test_predictions_have_a_column_for_each_target(place: Path) -> None:
    """In its unit; a file of them may be written again, another one not."""
    predict = ("predict", "models/houses.tuner", "houses.csv", "--force", "--output")
    for _ in range(2):
        code, _, err = command(*predict, "said.csv", "--keep", "area")
        assert code == 0, err
    frame, model = pd.read_csv("said.csv"), load_model("models/houses.tuner")
    assert list(frame) == ["area", "predicted_price", "predicted_rooms"]
    np.testing.assert_allclose(frame.iloc[:, 1:], model.predict(houses()), rtol=1e-4)
    pd.DataFrame({"a": [1], "predicted_price": [2.0], "b": [3]}).to_csv("mine.csv", index=False)
    code, _, err = command(*predict, "mine.csv")
    assert (code, "mine.csv" in err) == (2, True)


def test_the_graph_predicts_as_the_model(place: Path) -> None:
    """One output of a column per target, in their units."""
    runtime = pytest.importorskip("onnxruntime")
    from tuner.modeling import onnx_inputs

    code, out, err = command("export", "models/houses.tuner", "--onnx", "houses.onnx")
    assert (code, "float64 (n, 2): price, rooms" in out) == (0, True), err
    model, rows = load_model("models/houses.tuner"), houses(20, seed=3)
    (predicted,) = runtime.InferenceSession("houses.onnx").run(None, onnx_inputs(model, rows))
    np.testing.assert_allclose(predicted, model.in_double_precision.predict(rows), rtol=1e-5)


def test_the_rows_far_off_show_every_target(place: Path) -> None:
    """What is given and predicted of each, and the size of all residuals in standard deviations, the largest first."""
    found = printed("errors", "houses", "--rows", 3)
    first, *others = found["rows"]
    assert [name for name in first if name.startswith(("given", "predicted"))] == [
        *("given_price", "predicted_price", "given_rooms", "predicted_rooms")
    ]
    off = [(first[f"predicted_{name}"] - first[f"given_{name}"]) / houses()[name].std() for name in TARGETS]
    assert first["residual"] == pytest.approx(np.sqrt(np.mean(np.square(off))), rel=0.1)
    assert first["residual"] > others[-1]["residual"] > found["rmse"]
    assert "price" not in first


def test_partial_dependence_is_of_the_target_that_moves_most(place: Path) -> None:
    """In its standard deviations from its mean: with the area price and rooms rise, the place tells them apart."""
    use = load_study("houses").columns()
    assert not isinstance(use, str)
    frame = use.dependence_frame
    area = frame[frame["column"] == "area"]
    assert set(frame["class"]) <= set(TARGETS)
    assert area["mean"].iloc[0] < -0.5 < 0.5 < area["mean"].iloc[-1] < 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "houses", "--ensemble-of", "2", "--output", "e.tuner"), ""),
        (("train", "houses", "--single", "--output", "s.tuner"), ""),
        (("learning-curve", "houses", "--sizes", "3"), ""),
        (("errors", "houses", "--odd", "duplicates"), ""),
        (("data", "houses"), ""),
        (("predict", "models/houses.tuner", "houses.csv", "--probabilities"), "--probabilities"),
        (("search", "houses.csv", "--target", "price", "--trials", "1"), "predicts 'price', 'rooms', not --target"),
        (("init", "h2.csv", "--target", "price,rooms"), "several targets are --target price --target rooms"),
        (("init", "h2.csv", "--target", "price", "--target", "place"), "'place': the target is 'l"),
        (("init", "h2.csv", "--target", "price", "--target", "floor"), "no column 'floor'"),
        (("init", "h2.csv", "--target", "price", "--target", "-2"), "names a column twice"),
        (("init", "h2.csv", "--target", "price", "--target", "price"), "expected different columns"),
        (("init", "h2.csv", "--target", "price", "--target", "few"), "2 different values, which would be classes"),
        (("init", "h2.csv", "--target", "price", "--target", "rooms", "--target-transform", "log"), "expected none"),
    ],
)
def test_other_commands_take_it_or_refuse_in_one_line(place: Path, arguments: tuple[str, ...], message: str) -> None:
    """A message is one line that names what was found."""
    frame = houses()
    frame.insert(0, "few", np.arange(len(frame)) % 2)
    frame.to_csv("h2.csv", index=False)
    code, _, err = command(*arguments)
    if not message:
        assert code == 0, err
        return
    assert (code, message in err, err.strip().count("\n")) == (2, True, 0), err
