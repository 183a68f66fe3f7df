"""Which columns the best trial uses: as scikit-learn measures it, with folds too, and in the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.cli.conftest import place
from tests.modeling.conftest import searched
from tests.running.conftest import command
from tuner.cli import report_command
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
    for each in use.columns:
        increase = each.increase
        assert increase.low - 1e-9 <= theirs[each.columns[0]] <= increase.high + 1e-9


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
    assert (use.columns, use.groups, use.droppable) == ((), (), None)
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
    assert "strongly correlated columns" in (place / "reports" / "mixed" / "report.md").read_text("utf-8")
    monkeypatch.setattr("tuner.modeling.train_and_measure_columns", None)
    assert summary()["columns"] == columns
