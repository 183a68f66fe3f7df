"""Losses of rows whose means are the metrics of class probabilities, compared with scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as of_sklearn

from tuner.metrics import METRICS
from tuner.row_losses import Loss, f1_errors, imprecisions, ranking_errors

N = 400
COSTS = {2: np.array([[0, 1], [10, 0]]), 3: np.array([[0, 1, 2], [3, 0, 1], [8, 2.5, 0]])}


def problem(n_classes: int, weighted: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Probabilities with ties, class indices of which the last is rare, and weights."""
    rng = np.random.default_rng(n_classes)
    y = rng.choice(n_classes, N, p=[0.9, 0.1] if n_classes == 2 else [0.7, 0.25, 0.05])
    scores = np.exp(np.round(rng.normal(size=(N, n_classes)) + 1.5 * np.eye(n_classes)[y], 1))
    return scores / scores.sum(axis=1, keepdims=True), y, rng.integers(1, 5, N) / 2 if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_their_means_are_the_metrics_of_scikit_learn(n_classes: int, weighted: bool) -> None:
    """Of weighted rows the weighted means; brier of two classes is that of one, of several the sum over classes."""
    p, y, weights = problem(n_classes, weighted)
    two, by_class, given = n_classes == 2, np.eye(n_classes)[y], {"sample_weight": weights}
    confusion = of_sklearn.confusion_matrix(y, (p @ COSTS[n_classes]).argmin(axis=1), **given)
    squares = np.average(np.square(p - by_class).sum(axis=1), weights=weights)
    expected = {
        "log_loss": of_sklearn.log_loss(y, p, **given),
        "brier": of_sklearn.brier_score_loss(y, p[:, 1], **given) if two else squares,
        "auc": 1 - of_sklearn.roc_auc_score(y, p[:, 1] if two else p, multi_class="ovr", **given),
        "average_precision": 1
        - of_sklearn.average_precision_score(y if two else by_class, p[:, 1] if two else p, **given),
        "f1": 1 - of_sklearn.f1_score(y, p.argmax(axis=1), average="binary" if two else "macro", **given),
        "cost_of_errors": (confusion * COSTS[n_classes]).sum() / confusion.sum(),
    }
    for name, value in expected.items():
        metric = METRICS[name].of_study(np.bincount(y), COSTS[n_classes])
        losses = metric.losses_of(p, y, weights)
        assert np.average(losses, weights=weights) == pytest.approx(value, abs=1e-9), name


def test_a_cost_is_that_of_the_class_with_the_lowest_expected_cost() -> None:
    """The class is what the metric predicts, not the most probable one."""
    metric = METRICS["cost_of_errors"].of_study(np.array([9, 1]), COSTS[2])
    p = np.array([[0.8, 0.2], [0.95, 0.05], [0.3, 0.7]])
    assert metric.decide(p).tolist() == [1, 0, 1]
    assert metric.losses_of(p, np.array([0, 1, 1])).tolist() == [1, 10, 0]


@pytest.mark.parametrize(("name", "typical"), [("log_loss", 0.325083), ("brier", 0.09), ("cost_of_errors", 0.9)])
def test_the_unit_is_that_of_a_model_that_always_predicts_the_shares(name: str, typical: float) -> None:
    """With one row in ten of class 1: its threshold of a gap is 2% of that."""
    metric = METRICS[name].of_study(np.array([90, 10]), COSTS[2])
    assert metric.loss is not None
    assert metric.loss.typical == pytest.approx(typical, abs=1e-6)
    assert Loss.from_dict(metric.loss.to_dict()) == metric.loss


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("of", [ranking_errors, imprecisions, f1_errors])
def test_a_linearized_loss_is_what_more_weight_on_the_row_changes(of: Callable[..., Any], weighted: bool) -> None:
    """Compared with a finite difference, for a row of each class."""
    p, y, weights = problem(3, weighted)
    loss, before = Loss(metric="auc", typical=1.0), np.ones(N) if weights is None else weights

    def value(weights: np.ndarray) -> float:
        return float(np.average(of(p, y, weights, loss), weights=weights))

    losses = of(p, y, weights, loss)
    for row in [int(np.flatnonzero(y == label)[0]) for label in range(3)]:
        more = before + 1e-6 * (np.arange(N) == row)
        change = (value(more) - value(before)) / 1e-6 * before.sum()
        assert losses[row] - value(before) == pytest.approx(change, abs=1e-5)
