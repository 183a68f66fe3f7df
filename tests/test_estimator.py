"""``tuner.Classifier``: an estimator like scikit-learn's own."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tuner
from tuner.errors import SearchError, StorageError

X, Y = load_iris(return_X_y=True)
QUICK: dict[str, Any] = {
    "network": {"hidden": [8]},
    "training": {"max_epochs": 20},
    "data": {"folds": 2},
    "space": {"alpha": tuner.log_uniform(0.05, 0.2), "batch_size": 16},
}
"""A definition whose trial takes a tenth of a second."""
REPEATED = {
    "check_sample_weight_equivalence_on_dense_data": "a row of weight 2 is in one mini-batch, two copies in two",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(
    # One trial drawn without a seed diverges now and then.
    [of(trials=2, definition=QUICK, random_state=0) for of in (tuner.Classifier, tuner.Regressor)],
    expected_failed_checks=lambda _: REPEATED,
)
def test_it_passes_scikit_learns_checks(estimator: Any, check: Any) -> None:
    """All of ``check_estimator``, each as a test."""
    check(estimator)


@pytest.fixture(scope="module")
def fitted() -> tuple[tuner.Classifier, pd.DataFrame]:
    """A classifier of rows with numbers, categories, booleans, dates and holes, and these rows."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=120),
            "kind": pd.Categorical(rng.choice(list("xyz"), 120)),
            "is_new": rng.random(120) > 0.5,
            "when": pd.date_range("2020-01-01", periods=120),
            "class": rng.integers(0, 5, 120).astype(float),
        }
    )
    frame.loc[3, "size"] = np.nan
    y = np.where((frame["kind"] == "x") | (frame["size"] > 1), "yes", "no")
    definition = {**QUICK, "data": {"folds": 5}}
    return tuner.Classifier(trials=3, definition=definition, random_state=0).fit(frame, y), frame


def test_a_data_frame_of_any_columns_is_learned(fitted: tuple[tuner.Classifier, pd.DataFrame]) -> None:
    """Categories, dates and holes need no pipeline, and a column may be called class."""
    classifier, frame = fitted
    assert classifier.feature_names_in_.tolist() == list(frame.columns)
    assert (classifier.n_features_in_, classifier.classes_.tolist()) == (5, ["no", "yes"])
    assert np.mean(classifier.predict(frame) == classifier.classes_[classifier.predict_proba(frame).argmax(1)]) == 1
    unseen = frame[:2].assign(kind="unseen")
    assert set(classifier.predict(unseen)) <= {"no", "yes"}
    with pytest.raises(ValueError, match="now missing"):
        classifier.predict(frame[["size", "kind"]])


def test_it_says_what_its_search_found(fitted: tuple[tuner.Classifier, pd.DataFrame]) -> None:
    """The report and the model are those of the study; pickled, all is still there."""
    classifier, frame = fitted
    assert classifier.report_.summary["trials"]["complete"] == 3
    assert (classifier.model_.metadata.rows, len(classifier.model_.networks)) == ("folds", 5)
    again = pickle.loads(pickle.dumps(classifier))
    assert (again.predict_proba(frame) == classifier.predict_proba(frame)).all()
    assert again.report_.verdict == classifier.report_.verdict


def test_its_report_and_model_speak_of_the_classes_by_name(fitted: tuple[tuner.Classifier, pd.DataFrame]) -> None:
    """Saved, the model answers as the classifier does; no command of the report leads to a database that is gone."""
    classifier, frame = fitted
    assert [row.name for row in classifier.report_.findings.classes] == ["no", "yes"]
    assert (classifier.model_.predict(frame) == classifier.predict(frame)).all()
    assert {action.command for action in classifier.report_.actions} == {""}
    assert "tuner search" not in classifier.report_.text()


@pytest.mark.parametrize("labels", [[10, 9, 100], [5.0, -15.0, 20.0], ["NA", "a b", " a b"], [True, False]])
def test_labels_of_any_kind_come_back(labels: list[Any]) -> None:
    """Whatever order the names are kept in, columns stand in the order of classes_, and labels keep their type."""
    y = np.array(labels)[np.arange(60) % len(labels)]
    rows = np.eye(len(labels))[np.arange(60) % len(labels)] + X[:60, :1] / 100
    classifier = tuner.Classifier(trials=1, definition=QUICK, random_state=1).fit(rows, y)
    assert classifier.classes_.tolist() == sorted(labels)
    found = classifier.predict(rows)
    assert found.dtype == y.dtype
    assert np.mean(found == y) > 0.8


def test_it_works_where_estimators_do() -> None:
    """In a pipeline under cross-validation, and in a grid search, which clone it."""
    pipeline = make_pipeline(StandardScaler(), tuner.Classifier(trials=1, definition=QUICK, random_state=0))
    assert cross_val_score(pipeline, X[::3], Y[::3], cv=2, error_score="raise").min() > 0.5
    quick = tuner.Classifier(definition=QUICK, random_state=0)
    grid = GridSearchCV(quick, {"trials": [1]}, cv=2, error_score="raise").fit(X[::3], Y[::3])
    assert grid.best_params_ == {"trials": 1}


def test_nothing_is_left_behind(workplace: Path) -> None:
    """Without a database named, there is no file afterward, in the folder or the cache."""
    tuner.Classifier(trials=1, definition=QUICK).fit(X[::3], Y[::3])
    assert list(workplace.iterdir()) == []


def test_a_named_database_keeps_the_trials(workplace: Path) -> None:
    """The same fit finds them and gives the same network; more trials continue the study, other data make another."""
    storage = "sqlite:///kept.db"
    options: dict[str, Any] = {"storage": storage, "definition": QUICK, "random_state": 0}
    first = tuner.Classifier(trials=2, **options).fit(X, Y)
    again = tuner.Classifier(trials=2, **options).fit(X, Y)
    assert (first.predict_proba(X) == again.predict_proba(X)).all()
    more = tuner.Classifier(trials=3, **options).fit(X, Y)
    assert more.report_.record.name == first.report_.record.name
    assert [len(each.report_.record.trials) for each in (first, again, more)] == [2, 2, 3]
    named = tuner.Classifier(trials=1, name="iris", **options).fit(X, Y)
    assert len(tuner.load_study("iris", storage=storage).trials()) == len(named.report_.record.trials)
    with pytest.raises(
        StorageError,
        match=r"another definition or data.* Start a new study with: name='iris-2'",
    ):
        tuner.Classifier(trials=1, name="iris", **options).fit(X[:100], Y[:100])


def test_classes_weigh_what_is_asked_for() -> None:
    """By their labels, also where trials and epochs are chosen, unless the definition says otherwise."""
    y = np.where(Y == 2, "rare", "other")
    options: dict[str, Any] = {"trials": 1, "random_state": 0}
    found = tuner.Classifier(class_weight={"rare": 500}, definition=QUICK, **options).fit(X, y)
    given = found.report_.definition
    assert (given.training.class_weight, given.training.monitor, given.search.metric) == ({"rare": 500}, "cost", "cost")
    assert (found.predict(X) == "rare").mean() > 0.4
    own = {**QUICK, "training": {"max_epochs": 3, "monitor": "error"}}
    balanced = tuner.Classifier(class_weight="balanced", definition=own, **options).fit(X, Y)
    given = balanced.report_.definition
    assert (given.training.class_weight, given.training.monitor) == ("balanced", "error")
    assert given.search.metric == "balanced_error"


def test_a_threshold_and_a_calibration_decide(workplace: Path) -> None:
    """Those of `Study.train`, for labels of any order; a goal out of reach and an unknown one are errors of a value."""
    rng = np.random.default_rng(0)
    y = np.where(rng.random(120) < 0.2, "a", "b")
    X = rng.normal(0, 1, (120, 2)) + (y == "a")[:, None]
    options: dict[str, Any] = {
        "definition": {"network": {"hidden": []}, "training": {"max_epochs": 3}, "data": {"split": {"dev": 0.5}}},
        "random_state": 0,
        "storage": "sqlite:///trials.db",
    }
    chosen = tuner.Classifier(1, threshold_for="recall>=0.8", calibrate="isotonic", **options).fit(X, y)
    assert chosen.model_.threshold is not None
    p = chosen.predict_proba(X)[:, 0]
    assert chosen.predict(X).tolist() == np.where(p >= chosen.model_.threshold[1], "a", "b").tolist()
    assert (chosen.predict(X[y == "a"]) == "a").mean() > 0.7
    with pytest.raises(ValueError, match="threshold_for: expected one of f1"):
        tuner.Classifier(1, threshold_for="recall", **options).fit(X, y)
    with pytest.raises(ValueError, match="no threshold reaches it"):
        tuner.Classifier(1, threshold_for="precision>=0.9999", **options).fit(X, y)


def test_rows_count_by_their_sample_weight() -> None:
    """A row of weight 0 is as if it were not there, with its class; the report's dev error is the weighted one."""
    labels = np.where(np.arange(150) < 145, Y, 9)
    weights = np.where(labels == 9, 0.0, 1.0 + np.arange(150) % 3)
    quick = tuner.Classifier(trials=1, definition=QUICK, random_state=0)
    found = clone(quick).fit(X, labels, sample_weight=weights)
    without = clone(quick).fit(X[:145], Y[:145], sample_weight=weights[:145])
    assert found.classes_.tolist() == [0, 1, 2]
    assert (found.predict_proba(X) == without.predict_proba(X)).all()
    dev, best = found.report_.diagnosis.errors["dev"], found.report_.best
    assert dev is not None
    assert best is not None
    assert dev.value == pytest.approx(best.value, abs=1e-9)
    assert dev.n_effective is not None
    assert dev.n_effective < 145 == dev.n
    with pytest.raises(ValueError, match="Negative values in data passed to"):
        tuner.Classifier(trials=1).fit(X, Y, sample_weight=-weights)


@pytest.mark.parametrize("n", [4, 7])
def test_tiny_data_are_learned(n: int) -> None:
    """Two rows of each class are enough: one to learn from and one to be compared on."""
    y = np.array(["a", "a", *["b"] * (n - 2)])
    assert set(tuner.Classifier(trials=1, definition=QUICK, random_state=0).fit(X[:n], y).predict(X)) <= {"a", "b"}


@pytest.mark.parametrize(
    ("changes", "y", "expected"),
    [
        ({"trials": 0}, Y, "trials: expected an integer ≥ 1, got 0"),
        ({"trials": 2.5}, Y, "trials: expected an integer ≥ 1, got 2.5"),
        ({"workers": "two"}, Y, "workers: expected an integer ≥ 1, got 'two'"),
        ({"timeout": -1}, Y, "timeout: expected a number > 0, got -1"),
        ({"class_weight": "even"}, Y, "class_weight: expected None, \"balanced\" or a dict of labels, got 'even'"),
        ({"class_weight": np.ones(3)}, Y, 'class_weight: expected None, "balanced" or a dict of labels, got array'),
        ({"class_weight": {9: 2}}, Y, "class_weight: expected labels among 0, 1, 2, got 9"),
        ({"class_weight": {1: 0}}, Y, "class_weight of 1: expected a number > 0 and ≤ 1e\\+06, got 0"),
        ({"name": "a/b"}, Y, "name: expected at most 100 letters"),
        ({}, np.zeros(150), "expected 2 or more classes in y, got 1 class: 0.0"),
        ({}, np.r_[1, np.zeros(149)], "expected 2 or more rows of every class, got 1 of class 1.0"),
        ({}, X[:, 0], "Unknown label type: continuous"),
        ({}, Y[1:], "inconsistent numbers of samples"),
    ],
)
def test_what_cannot_be_learned_is_a_value_error(changes: dict[str, Any], y: Any, expected: str) -> None:
    """One line that names the parameter or the data, the value found and what was expected."""
    with pytest.raises(ValueError, match=expected):
        tuner.Classifier(**changes).fit(X, y)


def test_a_timeout_too_short_for_a_trial_says_so() -> None:
    """There is no network then."""
    with pytest.raises(SearchError, match="none was complete within 1e-09 s"):
        tuner.Classifier(timeout=1e-9).fit(X, Y)


def test_a_definition_is_searched() -> None:
    """Its space, widths and folds, with the estimator's own number of trials and seed, and without a test set."""
    definition = {
        "data": {"folds": 3, "split": {"test": 0.5}},
        "network": {"hidden": [4]},
        "training": {"max_epochs": 3},
        "space": {"alpha": tuner.log_uniform(0.1, 0.2)},
    }
    found = clone(tuner.Classifier(trials=2, definition=definition, random_state=0)).fit(X, Y)
    used = found.report_.definition
    assert (used.network.hidden, used.data.folds, used.data.split.test, used.search.trials) == ([4], 3, 0, 2)
    assert len(found.model_.networks) == 3
    assert 0.1 <= found.report_.best.params["alpha"] <= 0.2
    with pytest.raises(ValueError, match=r"unknown key 'network\.hiden'"):
        tuner.Classifier(definition={"network": {"hiden": [4]}}).fit(X, Y)


def test_many_rows_give_one_network_of_all() -> None:
    """There the trials share one fifth to be compared on, which the last training uses too."""
    many = np.tile(X, (34, 1))
    quick = {"network": {"hidden": [2]}, "training": {"max_epochs": 1}}
    found = tuner.Classifier(trials=1, definition=quick, random_state=0).fit(many, np.tile(Y, 34))
    assert (found.model_.metadata.rows, len(found.model_.networks)) == ("train+dev", 1)
    assert found.model_.metadata.n_rows == len(many)


def test_groups_are_routed() -> None:
    """By scikit-learn, from a cross-validation to its splits and to the search, which keeps them together too."""
    groups = np.arange(150) // 2
    with sklearn.config_context(enable_metadata_routing=True):
        quick = tuner.Classifier(trials=1, definition=QUICK, random_state=0)
        classifier = quick.set_fit_request(groups=True)
        found = cross_validate(
            classifier, X, Y, cv=GroupKFold(2), params={"groups": groups}, return_estimator=True, error_score="raise"
        )
    for fitted in found["estimator"]:
        assert fitted.report_.definition.data.group == "group"
        assert fitted.predict(X).shape == (150,)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_it_takes_what_set_output_gives(output: str) -> None:
    """A transformer that gives DataFrames passes on the names of the columns."""
    pytest.importorskip(output)
    frame, y = load_iris(return_X_y=True, as_frame=True)
    quick = tuner.Classifier(trials=1, definition=QUICK, random_state=0)
    pipeline = make_pipeline(StandardScaler(), quick).set_output(transform=output)
    assert pipeline.fit(frame, y).predict(frame).shape == (150,)
    assert pipeline[-1].feature_names_in_.tolist() == list(frame.columns)


def test_bits_do_not_depend_on_the_other_rows(fitted: tuple[tuner.Classifier, pd.DataFrame]) -> None:
    """Alone, in another order or among many, a row has the same probabilities, bit for bit."""
    classifier, frame = fitted
    together = classifier.predict_proba(frame)
    order = np.random.default_rng(0).permutation(len(frame))
    assert (classifier.predict_proba(frame.iloc[order]) == together[order]).all()
    assert all((classifier.predict_proba(frame[k : k + 1]) == together[k]).all() for k in (0, 7, 119))
    assert (classifier.predict_proba(pd.concat([frame] * 9))[-120:] == together).all()


@pytest.mark.parametrize(
    "labels",
    [
        np.where(np.arange(150) == 3, None, np.array(Y, dtype=object)),
        np.where(np.arange(150) == 3, np.nan, Y),
        ["a" if row != 3 else None for row in range(150)],
        pd.Series(["a" if row != 3 else pd.NA for row in range(150)], dtype="string"),
    ],
    ids=["objects", "numbers", "list", "pandas"],
)
def test_a_missing_label_is_named_by_its_row(labels: Any) -> None:
    """In place of what comparing it with other labels would end in."""
    with pytest.raises(ValueError, match="the label of row 3 is missing; expected a class for every row"):
        tuner.Classifier(trials=1).fit(X, labels)


def test_a_regressor_is_a_member_of_a_pipeline() -> None:
    """It predicts numbers in the unit of y, of a few different ones, too; scores by R² and reports an RMSE."""
    X, y = load_diabetes(return_X_y=True)
    rows = slice(0, 120)
    definition = {"network": {"hidden": [8]}, "training": {"max_epochs": 12}, "data": {"folds": 2}}
    definition["data"]["target_transform"] = "log"
    definition["network"]["quantiles"] = [0.1, 0.5, 0.9]
    regressor = tuner.Regressor(trials=1, random_state=0, definition=definition)
    made = make_pipeline(StandardScaler(), regressor).fit(X[rows], y[rows])
    assert made.score(X[rows], y[rows]) == pytest.approx(r2_score(y[rows], made.predict(X[rows])))
    assert made.predict(X[rows]).mean() == pytest.approx(y[rows].mean(), rel=0.2)
    assert 10 < made[-1].report_.diagnosis.errors["dev"].value < 100
    quantiles = made[-1].predict_quantiles(made[0].transform(X[rows]))
    assert list(quantiles[:, 1]) == list(made.predict(X[rows]))
    del definition["network"]["quantiles"]
    few = tuner.Regressor(trials=1, random_state=0, definition=definition).fit(X[rows], y[rows] > 150)
    assert len(np.unique(few.predict(X[rows]))) > 2


def test_a_regressor_predicts_several_numbers() -> None:
    """From arrays and frames, (n, k) like y, in its units; the score is the mean R²."""
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X, y = X[:120], y[:120]
    several = np.stack([y, 1000 * X["bmi"] + 500], axis=1)
    definition = {"network": {"hidden": [8]}, "training": {"max_epochs": 12}, "data": {"folds": 2}}
    regressor = tuner.Regressor(trials=1, random_state=0, definition=definition)
    for rows in (X, X.to_numpy()):
        said = regressor.fit(rows, several).predict(rows)
        assert said.shape == several.shape
        assert regressor.score(rows, several) == pytest.approx(r2_score(several, said))
        np.testing.assert_allclose(said.mean(axis=0), several.mean(axis=0), rtol=0.5)
    with pytest.raises(ValueError, match="different numbers in column 1 of y, got 120 rows of one number"):
        regressor.fit(X, several * [1, 0])


def test_a_regressor_refuses_what_is_no_number() -> None:
    """In one line, as a ValueError."""
    with pytest.raises(ValueError, match="Regressor: expected 2 or more different numbers in y, got 120 rows of one"):
        tuner.Regressor(trials=1).fit(np.zeros((120, 2)), np.ones(120))
    with pytest.raises(ValueError, match="Regressor: "):
        tuner.Regressor(trials=1).fit(np.zeros((3, 2)), ["a", "b", "c"])
