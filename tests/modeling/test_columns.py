"""Which columns the best trial uses: as scikit-learn measures it, with folds too, and in the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.cli.conftest import place
from tests.modeling.conftest import searched
from tests.running.conftest import command
from tuner.cli import report_command
from tuner.data import encode_frame
from tuner.errors import UsageError
from tuner.modeling.columns import measure_columns
from tuner.reporting.columns import columns_sentence
from tuner.workspace import find_searched, load_searched

__all__ = ["place", "searched"]


class Fitted:
    """A model as scikit-learn asks it: its accuracy."""

    def __init__(self, model: tuner.Model) -> None:
        self.model = model

    def fit(self) -> None:
        """It is fitted."""

    def score(self, X: pd.DataFrame, y: np.ndarray) -> float:
        """Return the accuracy."""
        return self.model.score(X, y)


def test_as_scikit_learn(place: Path) -> None:
    """The rises of the error are those of scikit-learn's permutation importance on the same model, within chance."""
    from sklearn.inspection import permutation_importance

    study = tuner.load_study("mixed")
    record, dataset = load_searched(find_searched("mixed")[0])
    frame = pd.read_csv(place / "studies" / "mixed.csv").iloc[dataset.dev_rows]
    y = frame.pop(dataset.target).to_numpy()
    peer = permutation_importance(Fitted(study.train()), frame, y, n_repeats=40, random_state=0)
    theirs = dict(zip(frame.columns, peer.importances_mean, strict=True))
    use = study.columns()
    assert use.rows == len(record.dev_y)
    assert use.too_good == ()
    for each in use.columns:
        increase = each.increase
        assert increase.low - 1e-9 <= theirs[each.columns[0]] <= increase.high + 1e-9


@pytest.mark.parametrize("name", ["mixed", "folded"])
def test_dependence_is_the_mean_prediction(place: Path, name: str) -> None:
    """With a column set to one value in the raw rows, the model predicts what the curve says; categories by name."""
    study = tuner.load_study(name)
    use = study.columns()
    curves = {curve.column: curve for curve in use.dependence}
    assert set(curves) <= {each.columns[0] for each in use.columns}
    assert set(use.dependence_frame["column"]) == set(curves)
    _, dataset = load_searched(find_searched(name)[0])
    frame = pd.read_csv(place / "studies" / "mixed.csv", keep_default_na=False, na_values=[""])
    model, parts = study.train(), dataset.parts
    for column in {"length", "color"} & set(curves):
        curve = curves[column]
        for value, label, mean in list(zip(curve.positions, curve.labels, curve.means, strict=True))[:3]:
            of_parts = []
            for place_of_part, part in enumerate(parts):
                changed = frame.iloc[part.dev.rows].assign(**{column: value if curve.is_ordered else label})
                inputs = encode_frame(model.encodings, changed, "rows")
                predicted = model.average([place_of_part], [inputs[place_of_part % len(inputs)]])
                of_parts.append(predicted.probabilities[:, list(model.classes_).index(curve.of)].mean())
            assert mean == pytest.approx(np.mean(of_parts), abs=0.02 if len(parts) > 1 else 0.005)


def test_a_column_that_tells_the_class_is_asked_about(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with 6% noise, of six, alone reaches what the network does."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(600, 6)), columns=list("abcdef"))
    y = (X["a"] + X["b"] + X["c"] > 0).to_numpy()
    X["refund"] = np.where(rng.random(600) < 0.06, ~y, y) + rng.normal(0, 0.1, 600)
    definition = {"training": {"max_epochs": 15}, "space": {"alpha": 0.3}, "search": {"pruner": "none"}}
    searched: dict[str, Any] = {"trials": 1, "definition": definition, "references": "none", "progress": False}
    study = tuner.search(X.drop(columns=["a", "b"]), target=y, **searched)
    (found,) = study.columns().too_good
    assert found.column == "refund"
    assert found.model - 0.05 < found.error < 0.12 < found.constant
    (warning,) = replace(study.report(), columns=study.columns()).warnings
    assert "Column 'refund' alone predicts nearly as well as all columns" in warning


def test_folds_and_no_time(place: Path) -> None:
    """Each fold's network is asked of its own rows; a trial that takes too long is not trained again."""
    study = tuner.load_study("folded")
    frame = study.columns().frame
    assert {"columns", "increase", "low", "high"} == set(frame)
    assert (frame["low"] <= frame["increase"]).all()
    with pytest.raises(UsageError, match="would take more than half of"):
        study.columns(seconds=1e-6)
    record, dataset = load_searched(find_searched("folded")[0])
    assert record.best is not None
    use = measure_columns(record, dataset, record.best, study.train(), 0.02, lambda: True)
    assert (use.columns, use.groups, use.droppable, use.dependence) == ((), (), None, ())
    assert use.left_out == len(frame["columns"].loc[~frame["columns"].str.contains(",")])
    assert f"no time for {use.left_out} more columns" in columns_sentence(use, record.unit)


def test_report_measures_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report says why few trials leave no time; one with time has the table, which the next takes from it."""

    def summary(*options: object) -> dict[str, object]:
        assert command("report", "mixed", *options)[0] == 0
        document: dict[str, object] = json.loads((place / "reports" / "mixed" / "summary.json").read_text("utf-8"))
        return document

    assert "columns" not in summary()
    text = (place / "reports" / "mixed" / "report.md").read_text("utf-8")
    assert "would take more than half of a tenth of the search's time" in text
    assert "columns" not in summary("--importance", "none")
    monkeypatch.setattr(report_command, "TENTH", 0.001)
    columns = summary()["columns"]
    page = (place / "reports" / "mixed" / "report.html").read_text("utf-8")
    assert '<section id="columns">' in page
    assert 'id="figure-dependence"' in page
    assert "strongly correlated columns" in (place / "reports" / "mixed" / "report.md").read_text("utf-8")
    monkeypatch.setattr("tuner.modeling.train_and_measure_columns", None)
    assert summary()["columns"] == columns
