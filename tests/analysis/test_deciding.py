"""Thresholds and calibrations, compared with scikit-learn's on the same predictions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from tuner.analysis import (
    Decision,
    DecisionTask,
    Threshold,
    ThresholdCurve,
    ThresholdGoal,
    cross_fitted,
    threshold_gain,
)
from tuner.errors import ArgumentError, DataError


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose rows are its probabilities."""

    def __init__(self, n_classes: int = 2) -> None:
        self.n_classes = n_classes

    def fit(self, X: np.ndarray, y: np.ndarray) -> Given:
        """Learn nothing."""
        self.classes_ = np.arange(self.n_classes)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class."""
        return X.argmax(axis=1)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The rows."""
        return X


def rows(n: int = 400, n_classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are too extreme, and classes; of two the second is the rarer one."""
    rng = np.random.default_rng(seed)
    y = rng.choice(n_classes, n, p=[0.8, 0.2] if n_classes == 2 else None)
    logits = 2 * rng.normal(0, 1, (n, n_classes)) + 3 * np.eye(n_classes)[y]
    grown = np.exp(logits)
    return grown / grown.sum(axis=1, keepdims=True), y


def frozen(p: np.ndarray, y: np.ndarray) -> FrozenEstimator:
    """The probabilities as a fitted estimator."""
    return FrozenEstimator(Given(p.shape[1]).fit(p, y))


@pytest.mark.filterwarnings("ignore:Since FrozenEstimator does not appear to accept sample_weight")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_calibrations_are_those_of_scikit_learn(method: str, n_classes: int) -> None:
    """The same probabilities on new rows, with weights too."""
    p, y = rows(n_classes=n_classes)
    new, _ = rows(n_classes=n_classes, seed=1)
    weights = np.random.default_rng(2).uniform(0.5, 2, len(y))
    theirs = CalibratedClassifierCV(frozen(p, y), method=method, ensemble=False, cv=2).fit(p, y, sample_weight=weights)
    ours = DecisionTask(method=method).choose(p, y, weights)
    np.testing.assert_allclose(ours.probabilities(new), theirs.predict_proba(new), atol=1e-6)


def test_a_threshold_decides_as_that_of_scikit_learn() -> None:
    """Rows at the threshold are of the class, of the first or the second."""
    p, y = rows()
    for positive, value in ((1, float(p[7, 1])), (0, 0.3)):
        theirs = FixedThresholdClassifier(
            frozen(p, y), threshold=value, pos_label=positive, response_method="predict_proba"
        ).fit(p, y)
        assert Decision(threshold=Threshold(positive, value)).classes(p).tolist() == theirs.predict(p).tolist()


def test_every_point_of_the_curve_is_measured_as_by_scikit_learn() -> None:
    """Precision, recall, F1 and balanced error of what each threshold predicts, with weights."""
    p, y = rows(25)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(y))
    curve = ThresholdCurve.of(p[:, 1], y == 1, weights)
    assert curve is not None
    assert len(curve.thresholds) == len(y) + 1
    for k, threshold in enumerate(curve.thresholds):
        predicted = (p[:, 1] >= threshold).astype(int)
        assert curve.recall[k] == pytest.approx(recall_score(y, predicted, sample_weight=weights))
        assert curve.f1[k] == pytest.approx(f1_score(y, predicted, sample_weight=weights))
        balanced = balanced_accuracy_score(y, predicted, sample_weight=weights)
        assert 1 - curve.balanced_error[k] == pytest.approx(balanced)
        if k:
            assert curve.precision[k] == pytest.approx(precision_score(y, predicted, sample_weight=weights))


def test_the_chosen_threshold_is_the_best_on_these_rows() -> None:
    """No threshold that scikit-learn tries has a better F1 or balanced error."""
    p, y = rows()
    for goal, scoring, score in (
        ("f1", "f1", f1_score),
        ("balanced_error", "balanced_accuracy", balanced_accuracy_score),
    ):
        ours = DecisionTask(goal=ThresholdGoal(goal)).choose(p, y).classes(p)
        tuned = TunedThresholdClassifierCV(frozen(p, y), scoring=scoring, cv="prefit", refit=False, thresholds=60)
        assert score(y, ours) >= score(y, tuned.fit(p, y).predict(p))


@pytest.mark.parametrize(
    ("goal", "predicted"),
    [
        ("f1", 4),  # 3 of 4 right, of 4: 2·3/(4 + 4)
        ("recall>=0.5", 4),  # 2 of 4 would be 2/5 with one more missed
        ("recall>=0.4", 2),
        ("precision>=0.6", 4),  # 3 of 4 are 3/5 with one more wrong
        ("precision>=0.66", 2),
        ("cost", 8),  # a missed one costs 5
    ],
)
def test_a_goal_is_reached_with_one_more_row_wrong(goal: str, predicted: int) -> None:
    """Hand-worked: ten rows by falling score, of which the 1st, 2nd, 4th and 8th are positive."""
    scores = np.linspace(0.95, 0.05, 10)
    y = np.isin(np.arange(10), [0, 1, 3, 7]).astype(int)
    task = DecisionTask(goal=ThresholdGoal.parse(goal, "goal"), costs=(5, 1))
    p = np.column_stack([1 - scores, scores])
    assert task.choose(p, y).classes(p).sum() == predicted


def test_each_fold_is_decided_by_the_others() -> None:
    """A row's own class does not move its decision."""
    p, y = rows(100)
    folds = np.arange(100) % 5
    task = DecisionTask(method="isotonic", goal=ThresholdGoal("f1"))
    classes, calibrated = cross_fitted(task, p, y, folds)
    others = task.choose(p[folds != 2], y[folds != 2])
    np.testing.assert_array_equal(calibrated[folds == 2], others.probabilities(p[folds == 2]))
    np.testing.assert_array_equal(classes[folds == 2], others.classes(calibrated[folds == 2]))
    with pytest.raises(DataError, match="one group"):
        cross_fitted(task, p, y, np.zeros(100, np.int64))


def test_the_promised_value_is_not_optimistic() -> None:
    """On average over made rows F1 and recall hold on new ones; the F1 of the rows that chose does not."""
    new, classes = rows(10_000, seed=10**6)
    promised, real, own = [], [], []
    task = DecisionTask(goal=ThresholdGoal("f1"))
    for seed in range(40):
        p, y = rows(100, seed=seed)
        promised.append(f1_score(y, cross_fitted(task, p, y, np.arange(100) % 10)[0]))
        chosen = task.choose(p, y)
        real.append(f1_score(classes, chosen.classes(new)))
        own.append(f1_score(y, chosen.classes(p)))
    noise = np.std(np.subtract(promised, real)) / np.sqrt(40)
    assert abs(np.mean(promised) - np.mean(real)) < 2.5 * noise
    assert np.mean(own) - np.mean(real) > 2.5 * noise


def test_the_gain_of_a_threshold_is_found_where_there_is_one_and_else_rarely() -> None:
    """Probabilities that lean away from the rare class gain, those that do not gain in few of many tables."""
    found = 0
    for seed in range(40):
        p, y = rows(200, seed=seed)
        logits = np.log(p[:, 1] / p[:, 0])
        leaning, fair = (1 / (1 + np.exp(-logits - shift)) for shift in (-5.0, 0.0))
        folds = np.random.default_rng(seed).integers(0, 10, len(y))
        gain = threshold_gain(np.column_stack([1 - leaning, leaning]), y, folds, ["no", "yes"])
        assert gain is not None
        assert gain.name == "yes"
        assert gain.before - gain.after == pytest.approx((gain.low + gain.high) / 2)
        if seed == 0:
            classes = (leaning > 0.5).astype(int)
            assert gain.before == pytest.approx(1 - balanced_accuracy_score(y, classes))
            assert gain.error_before == pytest.approx((classes != y).mean())
            assert gain.low > 0
            grouped = threshold_gain(np.column_stack([1 - leaning, leaning]), y, folds, ["no", "yes"], groups=folds)
            assert grouped is not None
            assert grouped.before == gain.before
            assert grouped.low != gain.low
        without = threshold_gain(np.column_stack([1 - fair, fair]), y, folds, ["no", "yes"])
        assert without is not None
        found += without.low > 0
    assert found <= 3


@pytest.mark.parametrize("text", ["precision", "recall>=0", "recall>=1", "precision>0.9", "accuracy", "f1>=0.5", 0.9])
def test_an_unknown_goal_is_refused(text: object) -> None:
    """In one line that names the goals, and the quotes where a shell took the rest."""
    with pytest.raises(ArgumentError, match="threshold_for: expected one of f1, balanced_error") as caught:
        ThresholdGoal.parse(text, "threshold_for")
    assert ("a shell takes" in str(caught.value)) == (text == "precision")


def test_goals_are_read_as_people_write_them() -> None:
    """Shares and percentages, blanks and the other sign."""
    written = [str(ThresholdGoal.parse(text, "goal")) for text in ("recall >= .8", "recall≥80%", "recall>=0.80")]
    assert all(one == other for one, other in pairwise([*written, "recall>=0.8"]))
