"""Models of a custom trainer: trained again, kept in a folder, and used only where the trainer is permitted."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.conftest import small_table
from tests.running.conftest import command
from tuner.errors import ArgumentError, ModelError, UsageError

TRAINER = """\
import json
import numpy as np

class Means:
    def __init__(self, means):
        self.means = np.asarray(means)

    def predict_proba(self, X):
        near = np.exp(-((np.asarray(X)[:, None] - self.means) ** 2).sum(axis=2))
        return near / near.sum(axis=1, keepdims=True)

    def save(self, path):
        with open(path, "w") as file:
            json.dump(self.means.tolist(), file)

def load(path):
    with open(path) as file:
        return Means(json.load(file))

def fit(params, data, seed, report):
    X, y = data.train.X, data.train.y
    return Means([(1 - params["shrink"]) * X[y == k].mean(axis=0) for k in range(data.n_classes)])
"""
AS_CLASSES = """
Means.predict = lambda self, X: self._near(X).argmax(axis=1)
"""
NAME = "trainer_that_saves:fit"
STUDY = f"""\
name = "own"
[data]
source = "small.csv"
target = "kind"
[network]
trainer = "{NAME}"
[space]
shrink = {{ uniform = [0.0, 0.5] }}
[search]
trials = 2
"""
MODEL = "models/own.tuner"
TREES = """\
import tuner
from sklearn.tree import DecisionTreeClassifier

fit = tuner.sklearn_trainer(DecisionTreeClassifier)
"""


FOLDS = STUDY.replace('target = "kind"', 'target = "kind"\nfolds = 3').replace('"own"', '"folds"')


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two studies that were searched, one with three folds; their trainer lies beside them."""
    folder = tmp_path_factory.mktemp("original")
    studies = folder / "studies"
    studies.mkdir()
    (studies / "small.csv").write_text(small_table(), encoding="utf-8")
    (folder / f"{NAME.partition(':')[0]}.py").write_text(TRAINER, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("TUNER_STORAGE", raising=False)
        for name, text in (("own", STUDY), ("folds", FOLDS)):
            (studies / f"{name}.toml").write_text(text, encoding="utf-8")
            assert command("search", name, "--quiet", "--references", "none")[0] == 0
    return folder


@pytest.fixture
def searched(original: Path, workplace: Path) -> Path:
    """The current folder, with a copy of the studies and the trainer in it."""
    return Path(shutil.copytree(original, workplace, dirs_exist_ok=True))


@pytest.mark.parametrize("folds", [False, True])
def test_a_learning_curve_is_measured(searched: Path, folds: bool) -> None:
    """On subsets of the training rows; the whole set gives the errors of the trial, which draws nothing at random."""
    study = tuner.load_study("folds" if folds else "own")
    points = study.learning_curve(seeds=2, sizes=2).points
    assert [point.n_train for point in points] == ([20, 80] if folds else [20, 90])
    assert points[-1].each.tolist() == [study.best.dev_error] * 2
    assert tuner.load_study(study.name).report().learning is not None


def test_a_learning_curve_ends_with_the_function(searched: Path) -> None:
    """One that fails on few rows: one line, and the larger sizes are not measured."""
    path = searched / f"{NAME.partition(':')[0]}.py"
    path.write_text(TRAINER.replace("    X, y =", "    assert len(data.train) > 50\n    X, y ="), encoding="utf-8")
    status, _, errors = command("learning-curve", "own")
    assert (status, errors.splitlines()[-1].count("AssertionError")) == (2, 1), errors


def test_a_trial_is_trained_again_and_used(searched: Path) -> None:
    """The model has the errors of the trial, and predicts, from a folder, for whoever permits the trainer.

    What the trainer prints is named by the trial, as in a search.
    """
    trainer = searched / f"{NAME.partition(':')[0]}.py"
    trainer.write_text(TRAINER.replace("    X, y =", "    print('fitting')\n    X, y ="), encoding="utf-8")
    status, out, errors = command("train", "own", "--json")
    assert status == 0, errors
    trained = json.loads(out)
    best = tuner.load_study("own").report().best
    assert best is not None
    assert f"trial {best.number}: fitting" in errors.splitlines()
    assert (trained["repeated"], trained["trial"]) == (True, best.number)
    assert trained["errors"]["dev"]["value"] == pytest.approx(best.value)
    rows = pd.read_csv(searched / "studies" / "small.csv")
    model = tuner.load_model(MODEL, allow_trainers=[NAME])
    assert model.score(rows, rows["kind"]) > 0.6
    np.testing.assert_allclose(model.predict_proba(rows).sum(axis=1), 1, rtol=1e-6)
    status, out, _ = command("predict", MODEL, "studies/small.csv", "--allow-trainer", NAME)
    assert (status, out.splitlines()[1:]) == (0, model.predict(rows).tolist())
    status, out, _ = command("evaluate", MODEL, "--allow-trainer", NAME, "--json")
    assert status == 0
    assert json.loads(out)["sets"]["dev"]["error"]["value"] == pytest.approx(best.value)
    assert "trainer_that_saves" not in sys.modules


def test_a_model_that_predicts_classes_alone_has_no_log_loss(searched: Path) -> None:
    """Nothing is made up from its classes: null in JSON, and a dash and a sentence for people."""
    trainer = searched / f"{NAME.partition(':')[0]}.py"
    trainer.write_text(TRAINER.replace("def predict_proba", "def _near") + AS_CLASSES, encoding="utf-8")
    assert command("search", "own", "--name", "classes", "--quiet", "--references", "none")[0] == 0
    assert command("train", "classes", "--allow-trainer", NAME)[0] == 0
    status, out, _ = command("evaluate", "models/classes.tuner", "--allow-trainer", NAME, "--json")
    assert status == 0
    dev = json.loads(out)["sets"]["dev"]
    assert (dev["log_loss"], dev["calibration"]) == (None, None)
    assert dev["error"]["value"] < 0.5
    _, out, _ = command("evaluate", "models/classes.tuner", "--allow-trainer", NAME)
    assert "predicts classes without probabilities" in out
    status, _, errors = command("train", "classes", "--calibrate", "temperature", "--allow-trainer", NAME)
    assert (status, "the model predicts classes without probabilities" in errors) == (2, True)


@pytest.mark.parametrize("options", [{}, {"single": True}, {"on": "all"}])
def test_a_calibration_is_kept_and_used(options: dict[str, Any], searched: Path) -> None:
    """Of the networks of folds, asked where they were not trained, or of one on all rows."""
    study, rows = tuner.load_study("folds"), pd.read_csv(searched / "studies" / "small.csv")
    model = study.train(calibrate="temperature", **options)
    assert model.metadata.decision is not None
    assert model.metadata.decision.calibration is not None
    temperature = model.metadata.decision.calibration.temperature
    assert temperature is not None
    plain = study.train(**options).predict_proba(rows) ** (1 / temperature)
    read = tuner.load_model(model.save("calibrated.tuner"), allow_trainers=[NAME])
    np.testing.assert_allclose(read.predict_proba(rows), plain / plain.sum(axis=1, keepdims=True), atol=1e-5)


def test_the_networks_of_folds_are_kept_and_averaged(searched: Path) -> None:
    """Each row is evaluated by the network that did not see it."""
    model = tuner.load_study("folds").train()
    assert [path.name for path in sorted(model.save("folds.tuner").iterdir())] == ["0", "1", "2", "model.json"]
    status, out, _ = command("evaluate", "folds.tuner", "--allow-trainer", NAME, "--json")
    assert status == 0
    best = tuner.load_study("folds").report().best
    assert best is not None
    assert json.loads(out)["sets"]["dev"]["error"]["value"] == pytest.approx(best.value)


def test_seeds_and_folds_are_kept_as_asked_for(searched: Path) -> None:
    """The spread over seeds; the networks of all of them, of the trial alone, or the first."""
    own, folds = tuner.load_study("own"), tuner.load_study("folds")
    models = {
        "seeds": own.train(seeds=2),
        "all seeds": own.train(seeds=2, ensemble=True),
        "all folds": folds.train(seeds=2, ensemble=True),
    }
    assert {name: len(model.networks) for name, model in models.items()} == {"seeds": 1, "all seeds": 2, "all folds": 6}
    rows = pd.read_csv(searched / "studies" / "small.csv")
    for model in models.values():
        assert model.repetition is not None
        assert model.repetition.spread is not None
        assert (model.repetition.spread.seeds, model.repetition.differences) == (2, [])
        assert model.score(rows, rows["kind"]) > 0.6


def test_a_network_on_all_rows_is_the_trainers(searched: Path) -> None:
    """With --on or, of folds, --single; it has the trial's errors and its own on its training rows."""
    own, folds = tuner.load_study("own"), tuner.load_study("folds")
    for study, options, n_rows in (
        (own, {"on": "train+dev"}, 120),
        (own, {"on": "all", "seeds": 2, "ensemble": True}, 150),
        (folds, {"single": True}, 120),
    ):
        model = study.train(**options)
        assert (model.metadata.n_rows, model.metadata.errors["dev"].value) == (n_rows, study.best.dev_error)
        assert model.metadata.errors[model.metadata.rows].n == n_rows
        assert [*study.evaluate(model)] == [model.metadata.rows]
        assert "updates" not in model.metadata.described()
    with pytest.raises(UsageError, match=r"--ensemble .* and --on all .* are mutually exclusive"):
        folds.train(on="all", ensemble=True)


def test_a_model_permits_no_code(searched: Path) -> None:
    """Neither does a study that only the database has."""
    assert command("train", "own")[0] == 0
    (searched / "trainer_that_saves.py").write_text("open('ran', 'w').close()\n" + TRAINER, encoding="utf-8")
    for arguments in (("predict", MODEL, "studies/small.csv"), ("evaluate", MODEL), ("export", MODEL, "--onnx", "o")):
        status, _, errors = command(*arguments)
        assert (status, f"--allow-trainer {NAME}" in errors) == (2, True), errors
    with pytest.raises(UsageError, match=f"--allow-trainer {NAME}"):
        tuner.load_model(MODEL, allow_trainers=["another:fit"])
    with pytest.raises(ArgumentError, match="allow_trainers: expected a list of names"):
        tuner.load_model(MODEL, allow_trainers=f"not_{NAME}")
    (searched / "studies" / "own.toml").unlink()
    with pytest.raises(UsageError, match="that only the database names"):
        tuner.load_study("own").train()
    assert not (searched / "ran").exists()
    assert tuner.load_study("own").train(allow_trainers=[NAME]).metadata.study == "own"


def test_a_folder_that_is_no_model_stays(searched: Path) -> None:
    """An earlier model of the study is replaced, nothing else."""
    assert command("train", "own")[0] == 0
    assert "replaced a model of trial" in command("train", "own")[1]
    (searched / "kept").mkdir()
    (searched / "kept" / "notes").write_text("", encoding="utf-8")
    status, _, errors = command("train", "own", "--output", "kept", "--force")
    assert (status, "is a folder" in errors) == (2, True)
    assert [path.name for path in (searched / "kept").iterdir()] == ["notes"]
    with pytest.raises(ModelError, match=r"kept: no readable model\.json in it"):
        tuner.load_model("kept", allow_trainers=[NAME])
    (searched / MODEL / "0").unlink()
    with pytest.raises(ModelError, match="network 0 is missing"):
        tuner.load_model(MODEL, allow_trainers=[NAME])


def test_a_trainer_whose_models_cannot_be_kept_says_so(searched: Path) -> None:
    """It may be searched all the same."""
    module = searched / "trainer_that_saves.py"
    # of another length: Python takes a source of the same second and size for the one that it compiled
    module.write_text(TRAINER.replace("def save(", "def keep_it("), encoding="utf-8")
    status, _, errors = command("train", "own")
    assert (status, errors.count("\n")) == (2, 1)
    assert f"trainer {NAME} returned no model with save(path)" in errors


def test_the_usual_loop_can_be_kept(searched: Path) -> None:
    """The estimator is fitted again to the same predictions."""
    module = searched / "trainer_that_saves.py"
    module.write_text(TREES, encoding="utf-8")
    study = (searched / "studies" / "own.toml").read_text(encoding="utf-8")
    study = study.replace("shrink = { uniform = [0.0, 0.5] }", "max_depth = { choice = [1, 2, 3] }")
    (searched / "studies" / "trees.toml").write_text(study.replace('"own"', '"trees"'), encoding="utf-8")
    trees = tuner.search("studies/trees.toml", references="none")
    model = trees.train()
    assert model.repetition is not None
    assert model.repetition.is_exact
    best = trees.report().best
    assert best is not None
    assert model.errors["dev"]["value"] == pytest.approx(best.value)
