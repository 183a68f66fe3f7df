"""Confusions, precision and recall, and rankings: against scikit-learn, by hand, and by how often intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from tuner.analysis import Share, calibration, class_scores, confusion_matrix, ranking, reliability
from tuner.analysis.intervals import wilson

NAMES = ("a", "b", "c", "never there", "never predicted")


@pytest.fixture(params=[False, True], ids=["alike", "weighted"])
def rows(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """True classes, probabilities of five classes with ties, and weights of 200 rows."""
    rng = np.random.default_rng(0)
    y = rng.choice([0, 1, 2, 4], 200)
    p = rng.dirichlet(np.ones(5), 200).round(2)
    p[:, 4] = 0
    p[np.arange(200), np.where(rng.random(200) < 0.5, y % 4, 3)] += 0.5
    return y, p / p.sum(axis=1, keepdims=True), rng.exponential(1, 200) if request.param else None


def test_the_numbers_are_those_of_scikit_learn(rows: tuple[np.ndarray, np.ndarray, np.ndarray | None]) -> None:
    """Confusions, precision, recall and F1 of classes that are never there or never predicted, too."""
    y, p, weights = rows
    predicted = p.argmax(axis=1)
    found = confusion_matrix(y, predicted, 5, weights)
    expected = metrics.confusion_matrix(y, predicted, labels=range(5), sample_weight=weights)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    each = metrics.precision_recall_fscore_support(
        y, predicted, labels=range(5), sample_weight=weights, zero_division=np.nan
    )
    scores = class_scores(found, NAMES)
    for name, of_classes in zip(("precision", "recall", "f1"), each, strict=False):
        np.testing.assert_allclose([getattr(one, name).value for one in scores], of_classes, atol=1e-9)
    assert [one.recall.n for one in scores] == pytest.approx(each[3].tolist())


def test_a_ranking_is_that_of_scikit_learn(rows: tuple[np.ndarray, np.ndarray, np.ndarray | None]) -> None:
    """Both curves at every threshold, the area under the ROC curve, the average precision."""
    y, p, weights = rows
    scores, positive = p[:, 1], y == 1
    found = ranking(scores, positive, weights)
    assert found is not None
    alarms, hits, thresholds = metrics.roc_curve(positive, scores, sample_weight=weights, drop_intermediate=False)
    np.testing.assert_allclose(found.thresholds, thresholds[1:], atol=1e-9)
    np.testing.assert_allclose(found.hits, hits[1:], atol=1e-9)
    np.testing.assert_allclose(found.alarms, alarms[1:], atol=1e-9)
    precision, _, _ = metrics.precision_recall_curve(positive, scores, sample_weight=weights)
    np.testing.assert_allclose(found.precision, precision[:-1][::-1], atol=1e-9)
    area = metrics.roc_auc_score(positive, scores, sample_weight=weights)
    average = metrics.average_precision_score(positive, scores, sample_weight=weights)
    assert (found.area.value, found.average_precision.value) == pytest.approx((area, average), abs=1e-9)


def test_reliability_is_that_of_scikit_learn(rows: tuple[np.ndarray, np.ndarray, np.ndarray | None]) -> None:
    """The curve of the predicted class's probability; the error is the mean of its gaps."""
    from sklearn.calibration import calibration_curve

    y, p, weights = rows
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    found = reliability(confidence, right, weights)
    if weights is None:
        shares, means = calibration_curve(right, confidence, n_bins=10)
        np.testing.assert_allclose([one.accuracy for one in found.bins], shares, atol=1e-9)
        np.testing.assert_allclose([one.confidence for one in found.bins], means, atol=1e-9)
        assert found.error == pytest.approx(np.average(abs(shares - means), weights=[one.n for one in found.bins]))
    assert calibration(p, y, weights).error == pytest.approx(found.error, abs=1e-12)


def test_f1_has_the_interval_of_the_share_that_it_rises_with() -> None:
    """8 right, 2 of its own missed, 4 of others taken for it: J = 8/14, F1 = 16/22."""
    first, second = class_scores(np.array([[8, 2], [4, 86]]), "ab")
    assert first.f1.value == pytest.approx(16 / 22)
    assert (first.f1.low, first.f1.high) == pytest.approx(tuple(2 * j / (1 + j) for j in wilson(8, 14)))
    assert (first.precision.low, first.precision.high) == wilson(8, 12)
    assert (second.recall.low, second.recall.high) == wilson(86, 90)
    halved, _ = class_scores(np.array([[8, 2], [4, 86]]), "ab", effective=0.5)
    assert (halved.recall.low, halved.recall.high) == wilson(4, 5)


def test_a_class_without_rows_has_an_unknown_share() -> None:
    """JSON has null for it."""
    assert Share.measured(0, 0).to_dict() == {"value": None, "low": 0.0, "high": 1.0, "n": 0}
    assert ranking(np.array([0.1, 0.2]), np.array([True, True])) is None


@pytest.mark.parametrize(("positives", "apart"), [(12, 1.0), (12, 2.5), (100, 0.0)])
def test_the_interval_of_the_area_holds_in_95_of_100_samples(positives: int, apart: float) -> None:
    """Normal scores of 12 or 100 positive among 150 rows; the true area is Φ(d/√2)."""
    rng = np.random.default_rng(0)
    true = 0.5 * (1 + math.erf(apart / 2))
    positive = np.arange(150) < positives
    held = 0
    for _ in range(400):
        found = ranking(rng.normal(apart * positive), positive)
        assert found is not None
        held += found.area.low <= true <= found.area.high
    assert 0.93 <= held / 400 <= 0.995


def test_right_probabilities_have_the_error_of_chance() -> None:
    """On average over samples, and with rows that come in pairs."""
    rng = np.random.default_rng(0)
    errors, expected, highest = [], [], []
    for _ in range(300):
        p = rng.uniform(0.5, 1, 100)
        found = reliability(np.repeat(p, 2), np.repeat(rng.random(100) < p, 2), effective=0.5)
        errors.append(found.error)
        expected.append(found.by_chance)
        highest.append(found.by_chance_95)
    assert np.mean(errors) == pytest.approx(np.mean(expected), rel=0.03)
    assert 0.02 < np.mean(np.array(errors) > highest) < 0.08
