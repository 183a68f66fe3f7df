"""Threshold and calibration of a model: chosen on dev, kept in its file, used wherever it predicts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.modeling.conftest import STUDY, mixed_rows
from tests.running.conftest import command
from tuner.data import Dataset
from tuner.errors import ArgumentError, ModelError, UsageError
from tuner.modeling import Model, evaluate_file, export_onnx, load_model, onnx_inputs, predict_file
from tuner.modeling.evaluating import out_of_fold
from tuner.modeling.metadata import read_metadata
from tuner.workspace import load_searched


@pytest.fixture(scope="session")
def searched_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which "pair" (a dev set) and "pair-folds" were searched: two classes, "good" the rarer one."""
    folder = tmp_path_factory.mktemp("pair")
    (folder / "studies").mkdir()
    frame = mixed_rows(300)
    frame["class"] = frame["class"].where(frame["class"] == "good", "other")
    frame.to_csv(folder / "studies" / "mixed.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TUNER_CACHE", str(folder / ".cache"))
        patch.delenv("TUNER_STORAGE", raising=False)
        for name, split in (("pair", ""), ("pair-folds", "folds = 3")):
            text = STUDY.format(name=name, split=split).replace("trials = 4", "trials = 2")
            text = text.replace("[space]", '[space]\nnumeric = "piecewise_linear"')
            (folder / "studies" / f"{name}.toml").write_text(text, encoding="utf-8")
            tuner.search(name)
    return folder


@pytest.fixture
def pair(searched_pair: Path, workplace: Path) -> Path:
    """The current folder, with a copy of the searched studies in it."""
    shutil.copytree(searched_pair / "studies", workplace / "studies")
    return workplace


def rows(n: int = 200) -> pd.DataFrame:
    """New rows, labeled."""
    frame = mixed_rows(n, seed=5)
    return frame.assign(**{"class": frame["class"].where(frame["class"] == "good", "other")})


def data_of(study: str) -> Dataset:
    """The study's data."""
    return load_searched(tuner.load_study(study)._place, None)[1]


def test_a_threshold_decides_wherever_the_model_predicts(pair: Path) -> None:
    """predict, predict_proba, score, files, evaluations, and the model that was saved and read."""
    model = tuner.load_study("pair").train(threshold_for="recall>=0.9")
    assert model.threshold is not None
    positive, value = model.threshold
    new = rows()
    expected = np.where(model.predict_proba(new)[:, 0] >= value, "good", "other")
    assert positive == "good"
    assert (expected != model.classes_[model.predict_proba(new).argmax(axis=1)]).any()
    read = load_model(model.save("pair.tuner"))
    for one in (model, read):
        assert one.predict(new).tolist() == expected.tolist()
    assert read.score(new, new["class"]) == pytest.approx((expected == new["class"]).mean())
    new.to_csv("new.csv", index=False)
    predict_file(read, Path("new.csv"), Path("out.csv"), None)  # type: ignore[arg-type]
    assert pd.read_csv("out.csv")["predicted"].tolist() == expected.tolist()
    found = evaluate_file(read, Path("new.csv")).to_dict()
    right = (expected == "good") & (new["class"] == "good")
    assert found["positive"]["recall"]["value"] == pytest.approx(right.sum() / (new["class"] == "good").sum())
    assert sum(found["confusion"][0]) == (new["class"] == "good").sum()
    assert found["confusion"][0][0] == right.sum()


@pytest.mark.parametrize("options", [{}, {"single": True}, {"ensemble_of": 2}])
@pytest.mark.parametrize("study", ["pair", "pair-folds"])
def test_what_is_promised_was_measured_on_rows_that_chose_nothing(
    study: str, options: dict[str, object], pair: Path
) -> None:
    """The model has a recall with its interval, of rows out of fold, and of networks that did not train on them."""
    model = tuner.load_study(study).train(threshold_for="recall>=0.7", calibrate="temperature", **options)
    decision = model.metadata.decision
    assert decision is not None
    assert decision.threshold is not None
    assert decision.rows == len(data_of(study).dev_rows)
    recall = decision.threshold.dev["recall"]
    assert recall.value is not None
    assert recall.low < recall.value < recall.high
    final = study == "pair-folds" and "single" in options
    assert decision.of == (f"trial {model.metadata.trial}" if final else "this model")


def test_an_average_of_folds_is_measured_as_an_average(pair: Path) -> None:
    """It has as many seeds as folds, and a dev row is predicted by the mean of those that were not trained on it."""
    model = tuner.load_study("pair-folds").train(threshold_for="balanced_error")
    plain = tuner.load_study("pair-folds").train(seeds=3, ensemble=True)
    data = data_of("pair-folds")
    assert len(model.networks) == 9
    together = out_of_fold(plain, data, together=True).probabilities
    alone = out_of_fold(plain, data, together=False).probabilities
    np.testing.assert_allclose(together, alone.reshape(3, *together.shape).mean(axis=0), atol=1e-6)
    evaluated = tuner.load_study("pair-folds").evaluate(model)["dev"]
    assert evaluated.error.n == len(data.dev_rows)
    assert "the threshold was chosen on it, too" in evaluated.note


@pytest.mark.parametrize("study", ["pair", "pair-folds", "mixed"])
@pytest.mark.parametrize("calibrate", ["temperature", "isotonic", "none"])
def test_the_onnx_graph_decides_alike(study: str, calibrate: str, pair: Path, searched: Path, tmp_path: Path) -> None:
    """Calibrated probabilities to 1e-5 and the same classes, of two classes by a threshold, of three without."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    if study == "mixed":
        shutil.copytree(searched / "studies", pair / "studies", dirs_exist_ok=True)
    model = tuner.load_study(study).train(
        threshold_for=None if study == "mixed" else "f1", calibrate=calibrate, single=study == "pair"
    )
    export_onnx(model, tmp_path / "m.onnx")
    new = rows()
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    classes, probabilities = session.run(["predicted", "probabilities"], onnx_inputs(model, new))
    np.testing.assert_allclose(probabilities, model.predict_proba(new), atol=1e-5)
    assert classes.tolist() == model.predict(new).tolist()


def test_a_calibration_says_what_it_did(pair: Path) -> None:
    """Log loss and calibration error before and after, on rows it was not fitted on; the classes stay as they were."""
    study = tuner.load_study("pair")
    plain, model = study.train(), study.train(calibrate="temperature")
    decision = model.metadata.decision
    assert decision is not None
    assert decision.calibration is not None
    before = study.evaluate(plain)["dev"].calibration
    assert decision.calibration.before.log_loss == pytest.approx(before.log_loss)
    assert decision.calibration.before.error == pytest.approx(before.error)
    assert decision.calibration.dev.log_loss != before.log_loss
    assert model.predict(rows()).tolist() == plain.predict(rows()).tolist()
    assert model.errors == plain.errors


def test_a_model_without_either_is_as_it_was(pair: Path) -> None:
    """Its file has no such key, so that earlier versions read it, and theirs are read."""
    model = tuner.load_study("pair").train(calibrate="none")
    assert "decision" not in model.metadata.to_dict()
    assert model.threshold is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("threshold", "value"), 1.5, "decision.threshold.value: expected a number ≤ 1"),
        (("threshold", "positive"), 2, "decision.threshold.positive: expected a number ≤ 1"),
        (("calibration", "temperature"), 1.0, "decision.calibration: expected a temperature or maps"),
        (("calibration", "maps", 0, "inputs", 0), 1.0, "decision.calibration.maps.0: expected knots that rise"),
        (("calibration", "maps"), [], "0 maps of probabilities for 2 classes"),
    ],
)
def test_a_forged_decision_is_refused(path: tuple[str | int, ...], value: object, message: str, pair: Path) -> None:
    """Nothing in a model's file is trusted."""
    plain = json.loads(json.dumps(_isotonic_model().metadata.to_dict()))
    at = plain["decision"]
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(ModelError, match=r"invalid model\.json") as caught:
        read_metadata(plain, "m.tuner")
    assert message in str(caught.value)


def _isotonic_model() -> Model:
    return tuner.load_study("pair").train(threshold_for="f1", calibrate="isotonic")


def test_what_cannot_be_chosen_is_refused(pair: Path, searched: Path) -> None:
    """In one line: more classes than two, a goal out of reach, an unknown one, no costs."""
    with pytest.raises(
        UsageError, match=r"no threshold reaches it on the 60 dev rows \(\d+ rows of good\); the highest"
    ):
        tuner.load_study("pair").train(threshold_for="precision>=0.99")
    with pytest.raises(ArgumentError, match="calibrate: expected one of isotonic, none, temperature, got 'platt'"):
        tuner.load_study("pair").train(calibrate="platt")  # type: ignore[arg-type]
    shutil.copytree(searched / "studies", pair / "studies", dirs_exist_ok=True)
    with pytest.raises(
        UsageError, match=r"one threshold decides between two classes; this study has 3 \(bad, fair, good"
    ):
        tuner.load_study("mixed").train(threshold_for="f1")


def test_a_threshold_for_costs_has_the_lowest_on_dev(pair: Path) -> None:
    """By [diagnosis] cost of the study file, which may be given after the search; without it they are asked for."""
    with pytest.raises(UsageError, match=r"does not say what mistakes cost\. Add cost = \{ \"other->good\" = 10 \} to"):
        tuner.load_study("pair").train(threshold_for="cost")
    file = Path("studies/pair.toml")
    file.write_text(file.read_text(encoding="utf-8") + '[diagnosis]\ncost = { "good->other" = 7 }\n', encoding="utf-8")
    model, plain, data = (
        tuner.load_study("pair").train(threshold_for="cost"),
        tuner.load_study("pair").train(),
        data_of("pair"),
    )
    p, y = (
        plain.classify_encoded([data.in_form("piecewise_linear").parts[0].dev.inputs]).probabilities[:, 0],
        data.dev_y,
    )
    assert model.threshold is not None
    each = {
        t: 7 * ((p < t) & (y == 0)).mean() + ((p >= t) & (y == 1)).mean() for t in (model.threshold[1], *p.tolist())
    }
    assert each[model.threshold[1]] <= min(each.values()) + 1e-12
    assert model.metadata.decision is not None
    assert model.metadata.decision.threshold is not None
    assert model.metadata.decision.threshold.curve.cost is not None
    before = model.metadata.decision.threshold.before["cost"]
    assert before.value == pytest.approx(7 * ((p < 0.5) & (y == 0)).mean() + ((p >= 0.5) & (y == 1)).mean())


def test_train_shows_the_curve_and_evaluate_the_promise(pair: Path) -> None:
    """The chosen threshold is marked, and JSON has all of it."""
    status, out, err = command("train", "pair", "--threshold-for", "f1", "--calibrate", "isotonic")
    assert status == 0, err
    assert out.count("\n→ ") == 1
    assert "threshold: class 'good' from a calibrated probability of" in out
    assert "on dev rows that did not choose it" in out
    status, out, err = command("evaluate", "models/pair.tuner", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["decision"]["threshold"]["goal"] == "f1"
    assert found["sets"]["dev"]["positive"]["name"] == "good"
    status, out, err = command("evaluate", "models/pair.tuner")
    assert "dev: class good: precision" in out
    status, out, err = command("train", "pair", "--threshold-for", "precision")
    assert (status, out) == (2, "")
    assert err.startswith("tuner: --threshold-for: expected one of f1")
    assert "in quotes: a shell takes > for itself" in err
