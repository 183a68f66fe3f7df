"""Custom trainers of numbers, from the search to the prediction."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.running.conftest import command
from tuner.errors import DefinitionError, SearchError
from tuner.storage import StudyRecord
from tuner.study import parse_definition
from tuner.trainer_child.messages import EpochErrors
from tuner.trainers.custom import _Epochs
from tuner.trial import trial_settings
from tuner.workspace import read_record

STUDY = """\
name = "own"
[data]
source = "houses.csv"
target = "price"
[network]
task = "regression"
trainer = "{module}:fit"
[training]
max_epochs = 4
[space]
shrink = {{ uniform = [0.0, 0.9] }}
[search]
trials = 3
"""

LINE = """\
import json
import numpy as np

class Line:
    def __init__(self, weights):
        self.weights = np.asarray(weights)

    def predict(self, X):
        return np.asarray(X) @ self.weights

    def save(self, path):
        with open(path, "w") as file:
            json.dump(self.weights.tolist(), file)

def load(path):
    with open(path) as file:
        return Line(json.load(file))

def fit(params, data, seed, report):
    assert data.is_regression and data.n_classes == 1
    fitted = np.linalg.lstsq(data.train.X, data.train.y, rcond=None)[0]
    for epoch in range(1, report.max_epochs + 1):
        model = Line(fitted * (1 - params["shrink"]) * epoch / report.max_epochs)
        report(epoch, *(np.sqrt(np.mean((model.predict(t.X) - t.y) ** 2)) for t in (data.train, data.dev)))
    return model
"""
NAME = "line_trainer:fit"
Make = Callable[..., StudyRecord]


@pytest.fixture
def make(workplace: Path) -> Make:
    """Search ``studies/own.toml`` with a trainer beside the current folder's modules."""
    (workplace / "studies").mkdir()
    rng = np.random.default_rng(0)
    area, age = rng.uniform(40, 200, 150), rng.uniform(0, 80, 150)
    price = 2000 * area - 900 * age + rng.normal(0, 15_000, 150)
    frame = pd.DataFrame({"area": area, "age": age, "price": price}).round(1)
    frame.to_csv(workplace / "studies" / "houses.csv", index=False)

    def search(body: str = LINE, change: tuple[str, str] = ("", "")) -> StudyRecord:
        (workplace / "line_trainer.py").write_text(body, encoding="utf-8")
        text = STUDY.format(module="line_trainer").replace(*change)
        (workplace / "studies" / "own.toml").write_text(text, encoding="utf-8")
        tuner.search("own", references="none", progress=False)
        return read_record("own")

    return search


def test_a_trainer_of_numbers_is_searched_trained_and_used(make: Make) -> None:
    """Its errors are RMSEs in the unit of the target, as those of its predictions are; its last epoch is the best."""
    record = make()
    for trial in record.trials:
        (network,) = trial.networks
        assert network.best_epoch == network.epochs == 4
        assert trial.value == pytest.approx(record.unit.error(network.dev_wrong / network.n_dev))
        curve = record.unit.error(network.curve["dev_error"])
        assert curve[-1] == pytest.approx(trial.value, rel=1e-4)
        assert curve[0] > curve[-1] > 10_000
        assert network.dev_cost == pytest.approx(network.dev_wrong / network.n_dev)
    code, out, err = command("train", "own", "--json")
    assert code == 0, err
    assert json.loads(out)["errors"]["dev"]["value"] == pytest.approx(record.best.value)  # type: ignore[union-attr]
    model = tuner.load_model("models/own.tuner", allow_trainers=[NAME])
    rows = pd.read_csv("studies/houses.csv")
    code, out, err = command("evaluate", "models/own.tuner", "--allow-trainer", NAME, "--json")
    assert code == 0, err
    found = json.loads(out)["sets"]["dev"]
    assert found["error"]["value"] == pytest.approx(record.best.value, rel=1e-5)  # type: ignore[union-attr]
    assert model.score(rows, rows["price"]) > 0.5
    assert command("predict", "models/own.tuner", "studies/houses.csv", "--allow-trainer", NAME)[0] == 0
    code, out, err = command("report", "own")
    assert code == 0, err
    assert "RMSE" in out
    assert "wrong" not in out


TORCH = """\
import torch, tuner

fit = tuner.torch_trainer(
    lambda params, data: torch.nn.Linear(data.train.X.shape[1], 1),
    lambda params, parameters: torch.optim.SGD(parameters, lr=0.2 * (1 - params["shrink"])),
)
load = fit.load
"""


def test_a_module_of_pytorch_predicts_numbers(make: Make) -> None:
    """One output is trained by the squared error: its best epoch's RMSE is the trial's, and the saved model's."""
    pytest.importorskip("torch")
    record = make(TORCH)
    (network,) = record.best.networks  # type: ignore[union-attr]
    value = record.best.value  # type: ignore[union-attr]
    assert value == pytest.approx(record.unit.error(network.curve["dev_error"].min()), rel=1e-4)
    assert value < 0.7 * record.unit.size
    model = tuner.load_study("own").train(allow_trainers=[NAME])
    assert model.errors["dev"]["value"] == pytest.approx(value, rel=1e-4)
    rows = pd.read_csv("studies/houses.csv")
    model.save("torch.tuner")
    again = tuner.load_model("torch.tuner", allow_trainers=[NAME])
    np.testing.assert_allclose(again.predict(rows), model.predict(rows), rtol=1e-6)


def test_folds_seeds_and_all_rows_are_the_trainers_too(make: Make) -> None:
    """A model of the mean of the folds' numbers, one on all rows, and a learning curve."""
    record = make(change=('target = "price"', 'target = "price"\nfolds = 3'))
    study, rows = tuner.load_study("own"), pd.read_csv("studies/houses.csv")
    model = study.train(allow_trainers=[NAME])
    assert len(model.networks) == 3
    assert np.isfinite(model.predict(rows)).all()
    final = study.train(on="all", allow_trainers=[NAME])
    assert 10_000 < final.errors["all"]["value"] < final.errors["all"]["high"]
    small, large = study.learning_curve(seeds=2, sizes=2, allow_trainers=[NAME]).points
    assert small.n_train < large.n_train
    assert large.dev_error == pytest.approx(record.best.value)  # type: ignore[union-attr]


def test_a_hopeless_trial_of_numbers_is_pruned(make: Make) -> None:
    """By the best RMSE that it reported, in the unit of the target; a network's own squares are kept of its epochs."""
    unit, asked = make().unit, []
    definition = parse_definition(STUDY.format(module="m"), "own")
    settings = replace(trial_settings(definition), rungs=(2,))
    epochs = _Epochs(settings, unit, lambda values, _: asked.append(values) is None, None)
    assert epochs.note(EpochErrors(0.5, 0.7, 1.0))
    assert not epochs.note(EpochErrors(0.4, 1e300, 1.0))
    assert asked == [{2: pytest.approx(0.7 * unit.error(1.0))}]
    assert [losses[0] for losses in epochs.curve] == pytest.approx([0.25, 0.16])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return data.train.y, data.dev.y[:3]", r"dev numbers of shape \(3,\), expected \(\d+,\) numbers from −1e\+15"),
        ("return data.train.y, data.dev.y * float('nan')", "dev numbers with nan at row 0, expected"),
        ("return data.train.y, data.dev.y * 1e30", r"dev numbers with \S+e\+\d+ at row 0, expected"),
        ("return data.train.y, ['high'] * len(data.dev)", "dev numbers like 'high', expected"),
        ("return 1.5", "returned float, expected predictions of train, dev, as a tuple of 2 arrays of numbers"),
        ("report(1, -1, 0.5)", "reported a train error of -1 in epoch 1, expected a root mean squared error"),
    ],
)
def test_what_a_trainer_of_numbers_does_wrong_is_said(make: Make, body: str, message: str) -> None:
    """In one line with what was found and what was expected."""
    with pytest.raises(SearchError, match=message) as error:
        make(f"def fit(params, data, seed, report):\n    {body}\n")
    assert "\n" not in str(error.value)


def test_a_trainer_transforms_its_target_by_itself() -> None:
    """The study file refuses a transformation that a trainer would not see."""
    text = STUDY.format(module="m").replace("[network]", 'target_transform = "log"\n[network]')
    with pytest.raises(DefinitionError, match=r"data.target_transform: has no effect with a custom trainer"):
        parse_definition(text, "own")
