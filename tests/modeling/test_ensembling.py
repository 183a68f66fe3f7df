"""``study.train(ensemble_of=…)``: the average of the best trials, as one model."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tuner
from tests.modeling.conftest import mixed_rows
from tuner.errors import ArgumentError, UsageError
from tuner.modeling import evaluate
from tuner.workspace import StudyRequest, load_study_data, read_record

LAYERS = """\
name = "layers"
[data]
source = "mixed.csv"
target = "class"
folds = 3
[training]
max_epochs = 4
min_updates = 10
[space]
hidden = { choice = ["4", "6", "5-3"] }
numeric = { choice = ["piecewise_linear", "standardize"] }
batch_size = 16
[search]
trials = 6
pruner = "none"
"""


def two_best(study: str) -> list[int]:
    """The numbers of the two best trials."""
    judged = sorted(read_record(study).judged, key=lambda trial: (trial.value, trial.number))
    return [trial.number for trial in judged[:2]]


@pytest.mark.parametrize("study", ["mixed", "folded"])
def test_the_probabilities_of_the_best_trials_are_averaged(place: Path, study: str) -> None:
    """Two trials with all their networks; the dev error is that of rows which no network was trained on."""
    loaded, frame = tuner.load_study(study), mixed_rows(50, seed=3)
    model = loaded.train(ensemble_of=2)
    assert [member.trial for member in model.metadata.members or []] == two_best(study)
    alone = [loaded.train(trial=number) for number in two_best(study)]
    assert len(model.networks) == sum(len(one.networks) for one in alone)
    mean = np.mean([one.predict_proba(frame) for one in alone], axis=0)
    np.testing.assert_allclose(model.predict_proba(frame), mean, atol=1e-6)
    errors = model.metadata.errors
    dataset = load_study_data(StudyRequest(study))[1]
    [measured] = [one for one in evaluate(model, dataset) if one.name == "dev"]
    assert errors["dev"].value == measured.error.value
    assert errors["dev"].value <= errors["dev_corrected"].value <= 1
    assert "allowing for the choice of its trials" in errors["dev_corrected"].of


def test_without_kept_predictions_the_same_trials_are_chosen(place: Path) -> None:
    """All candidates are trained again then, as of a study of an earlier version; otherwise only the chosen ones."""
    study = tuner.load_study("folded")
    model = study.train(ensemble_of="auto")
    with contextlib.closing(sqlite3.connect("studies/tuner.db")) as database, database:
        database.execute("DELETE FROM tuner_predictions")
    again = study.train(ensemble_of="auto")
    assert again.metadata.members == model.metadata.members
    assert again.metadata.errors["dev"] == model.metadata.errors["dev"]
    assert again.metadata.errors["dev_corrected"].value == pytest.approx(model.metadata.errors["dev_corrected"].value)


def test_networks_of_other_shapes_answer_together(place: Path) -> None:
    """Saved and read again, the model answers as before; its file keeps each trial's shape and inputs.

    The dev error is again that of rows which no network was trained on, with each trial's form of the numbers.
    """
    Path("studies/layers.toml").write_text(LAYERS, encoding="utf-8")
    study, frame = tuner.search("layers"), mixed_rows(80, seed=4)
    model = study.train(ensemble_of=6)
    members = model.metadata.members or []
    assert len({member.architecture for member in members}) > 1
    assert len(model.networks) == 18
    assert len({encoding.n_features for encoding in model.encodings}) == 2
    dataset = load_study_data(StudyRequest("layers"))[1]
    assert [one.error.value for one in evaluate(model, dataset)] == [model.metadata.errors["dev"].value]
    again = tuner.load_model(model.save("layers.tuner"))
    assert np.array_equal(again.predict_proba(frame), model.predict_proba(frame))
    assert again.metadata == model.metadata
    assert again.metadata.only_trial is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trial": 0}, r"ensemble_of \(several trials\) and trial \(of one trial\) are mutually exclusive"),
        ({"seeds": 2}, "and seeds"),
        ({"on": "all"}, "and on"),
        ({"ensemble_of": 1}, "ensemble_of: expected an integer ≥ 2 and ≤ 100, got 1"),
        ({"ensemble_of": "ten"}, "ensemble_of: expected"),
    ],
)
def test_what_is_of_one_trial_is_refused(place: Path, options: dict[str, Any], message: str) -> None:
    """Options of one trial, and sizes that are none."""
    with pytest.raises(ArgumentError, match=message):
        tuner.load_study("mixed").train(**{"ensemble_of": "auto", **options})


def test_one_trial_is_no_ensemble(workplace: Path) -> None:
    """The way out is the command that adds trials."""
    study = tuner.search(mixed_rows(), target="class", trials=1, name="one", references="none")
    with pytest.raises(UsageError, match=r"needs at least 2 complete trials, got 1\. Run: tuner search one"):
        study.train(ensemble_of="auto")
