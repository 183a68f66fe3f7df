"""Evaluate a model on its training examples, on dev and on test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

import tuner
from tests.modeling.conftest import mixed_rows
from tuner.errors import DataError
from tuner.modeling import evaluate, evaluate_file
from tuner.workspace import StudyRequest, load_study_data, read_record


def test_the_errors_of_a_repeated_trial_are_the_recorded_ones(place: Path) -> None:
    """Train and dev; the test set stays closed unless it is asked for."""
    model = tuner.load_study("mixed").train()
    dataset = load_study_data(StudyRequest("mixed"))[1]
    best = read_record("mixed").best
    assert best is not None
    judged = {one.name: one for one in evaluate(model, dataset)}
    assert list(judged) == ["train", "dev"]
    assert judged["train"].wrong == best.networks[0].train_wrong
    assert judged["dev"].wrong == best.networks[0].dev_wrong
    assert judged["dev"].error.low < judged["dev"].error.value < judged["dev"].error.high
    assert judged["dev"].calibration.log_loss == pytest.approx(best.networks[0].dev_cost, rel=1e-5)
    opened = evaluate(model, dataset, test=True)[-1]
    assert opened.name == "test"
    assert opened.error.n == len(dataset.test_rows)
    assert opened.confusion.sum() == len(dataset.test_rows)
    assert sum(one.estimate.n or 0 for one in opened.classes) == len(dataset.test_rows)


@pytest.mark.parametrize("data", ["", "folds = 3\n", 'weight = "length"\n'])
def test_every_error_of_a_search_for_the_balanced_error_is_one(place: Path, data: str) -> None:
    """The study's and the model's, of each set, as scikit-learn has them on the same predictions; then it goes on."""
    text = Path("studies/mixed.toml").read_text(encoding="utf-8").replace('"mixed"', '"balanced"')
    text = text.replace("[data]\n", f"[data]\n{data}").replace("[search]\n", '[search]\nmetric = "balanced_error"\n')
    Path("studies/balanced.toml").write_text(text, encoding="utf-8")
    study = tuner.search("balanced", references="none")
    errors, model = study.report().diagnosis.errors, study.train()
    dataset = load_study_data(StudyRequest("balanced"))[1]
    judged = {one.name: one for one in evaluate(model, dataset, test=True)}
    assert errors["dev"] is not None
    assert judged["dev"].error.interval() == pytest.approx(errors["dev"].interval(), abs=1e-6)
    tables = {"dev": [part.dev for part in dataset.parts], "train": [part.train for part in dataset.parts]}
    for name, parts in tables.items():
        said = [model.average([k], [part.inputs]).classes for k, part in enumerate(parts)]
        y, own = (
            np.concatenate([part.y for part in parts]),
            [part.weights for part in parts if part.weights is not None],
        )
        found = errors[name]
        assert found is not None
        if name == "dev" or len(parts) == 1:
            truth = balanced_accuracy_score(y, np.concatenate(said), sample_weight=np.concatenate(own) if own else None)
            assert found.value == pytest.approx(1 - truth, abs=1e-9)
    assert judged["test"].rows_wrong == judged["test"].wrong / len(dataset.test_rows)
    assert (judged["test"].counts["n_effective"] or 0) > 0
    again = tuner.search("balanced", trials=1, references="none")
    assert len(again.trials()) == 5
    assert model.repetition is not None
    assert model.repetition.is_exact


def test_a_model_on_all_rows_has_no_dev_error_of_its_own(place: Path) -> None:
    """All rows outside the test set are one set: its training examples."""
    model = tuner.load_study("folded").train(single=True)
    (judged,) = evaluate(model, load_study_data(StudyRequest("folded"))[1])
    assert (judged.name, judged.note) == ("train+dev", "its training examples")
    assert judged.error.value == model.errors["train+dev"]["value"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_networks_of_folds_are_judged_on_their_own_folds(place: Path, seeds: int) -> None:
    """Each row is predicted by the network not trained on it, as in the recorded dev error; test rows by all."""
    model = tuner.load_study("folded").train(ensemble=True, seeds=seeds)
    dataset = load_study_data(StudyRequest("folded"))[1]
    dev, test = evaluate(model, dataset, test=True)
    assert dev.error.value == pytest.approx(model.errors["dev"]["value"])
    assert f"{3 * seeds} networks" in repr(model)
    assert ("one per fold and seed" in repr(model)) == (seeds > 1)
    assert test.error.n == len(dataset.test_rows)


def test_folds_may_have_inputs_of_their_own(place: Path) -> None:
    """A number and a category that not all folds know: each row is judged by its own fold's inputs."""
    frame = pd.read_csv("studies/mixed.csv")
    frame["once"] = (np.arange(len(frame)) == 40).astype(float)
    frame["where"] = np.where(np.arange(len(frame)) == 7, "alone", None)
    frame.to_csv("own.csv", index=False)
    text = Path("studies/folded.toml").read_text(encoding="utf-8")
    text = text.replace('"folded"', '"own"').replace('"mixed.csv"', '"../own.csv"')
    Path("studies/own.toml").write_text(text, encoding="utf-8")
    study = tuner.search("own", trials=2, references="none")
    _, dataset = load_study_data(StudyRequest("own"))
    assert len({table.train.inputs.numbers.shape[1] for table in dataset.parts}) > 1
    for options in ({}, {"ensemble_of": 2}):
        model = study.train(**options)
        [found] = evaluate(model, dataset)
        assert found.error.value == model.metadata.errors["dev"].value
        assert found.error.n == len(dataset.dev_y)


def test_any_labeled_file(place: Path) -> None:
    """Counted like scikit-learn would; labels that no class has are refused."""
    model = tuner.load_study("mixed").train()
    rows = mixed_rows(80, seed=5)
    rows.to_csv("more.csv", index=False)
    judged = evaluate_file(model, Path("more.csv"))
    assert 1 - judged.error.value == pytest.approx(model.score(rows, rows["class"]))
    assert np.trace(judged.confusion) == round(model.score(rows, rows["class"]) * 80)
    rows.assign(**{"class": "ugly"}).to_csv("more.csv", index=False)
    with pytest.raises(DataError, match="class 'ugly' is not in the training file"):
        evaluate_file(model, Path("more.csv"))
    rows.drop(columns="class").to_csv("more.csv", index=False)
    with pytest.raises(DataError, match=r"no target column 'class'"):
        evaluate_file(model, Path("more.csv"))


def test_other_data_under_the_same_name_are_refused(place: Path) -> None:
    """A model is not judged on a file that was edited since."""
    model = tuner.load_study("mixed").train()
    mixed_rows(241).to_csv("studies/mixed.csv", index=False)
    with pytest.raises(DataError, match="not the model's training data"):
        evaluate(model, load_study_data(StudyRequest("mixed"))[1])
