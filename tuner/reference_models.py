"""Reference models: the dev errors of the majority class, logistic regression and gradient boosting.

A tuned network should beat these clearly; they are computed once per study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from tuner.data import Dataset
from tuner.nn import Hyperparameters, Stopping
from tuner.outcomes import StopReason
from tuner.study import StudyDefinition
from tuner.trial import draw_dev_folds, run_trial, trial_settings

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""λ/m of the logistic regressions; the one with the lowest dev error counts."""
SHORT = Stopping(max_epochs=100, patience=10)
"""Stopping of the logistic regressions, whatever the study's own, so that a search does not wait long."""
MOST_TREES = 500
MOST_CELLS = 1e7
"""More trees or rows × inputs than this would delay the search by over two seconds."""


ShouldStop = Callable[[], bool]


class TrainingStoppedError(Exception):
    """The training was stopped."""


def reference_errors(
    definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False
) -> dict[str, float]:
    """The dev error of every reference model, by its name.  Raises TrainingStoppedError."""
    errors: dict[str, float | None] = {
        "majority": majority(dataset),
        "logistic_regression": logistic_regression(definition, dataset, should_stop),
        "gradient_boosting": gradient_boosting(definition, dataset, should_stop),
    }
    return {name: error for name, error in errors.items() if error is not None}


def majority(dataset: Dataset) -> float:
    """Always predict the majority class of the training rows (with folds: of each fold)."""
    wrong = 0
    for part in dataset.parts:
        most_frequent = np.bincount(part.train.y, minlength=dataset.n_classes).argmax()
        wrong += int((part.dev.y != most_frequent).sum())
    return wrong / len(dataset.dev_rows)


def logistic_regression(
    definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False
) -> float:
    """Train tuner's network without a hidden layer, for several λ, with Adam and early stopping."""
    settings = replace(trial_settings(definition), metric="error", seeds=1, rungs=(), stopping=SHORT)
    m = len(dataset.parts[0].train)
    folds = draw_dev_folds(len(dataset.dev_rows), dataset.dev_groups, definition.data.seed)
    batch = int(2 ** np.clip(np.round(np.log2(max(m / 64, 1))), 5, 9))
    values = []
    with threadpool_limits(limits=1):
        for penalty in PENALTIES:
            hyperparameters = Hyperparameters(
                lambda_=penalty * m, alpha=0.01, batch_size=batch, optimizer="adam", initializer="zeros"
            )
            result = run_trial(
                dataset,
                hyperparameters,
                settings,
                seed=definition.search.seed,
                dev_folds=folds,
                should_stop=should_stop,
            )
            if result.stop_reason == StopReason.INTERRUPTED:
                raise TrainingStoppedError
            values.append(result.value if result.stop_reason != StopReason.DIVERGED else 1.0)
    return min(values)


def gradient_boosting(
    definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False
) -> float | None:
    """Train scikit-learn's histogram gradient boosting with its defaults; None if it would take too long."""
    trees = 100 * len(dataset.parts) * (1 if dataset.n_classes == 2 else dataset.n_classes)
    cells = sum(part.train.X.size for part in dataset.parts)
    if trees > MOST_TREES or cells > MOST_CELLS:
        return None
    from sklearn.ensemble import HistGradientBoostingClassifier

    wrong = 0
    with threadpool_limits(limits=1):  # after the import: it limits only loaded thread pools
        for part in dataset.parts:
            if should_stop():
                raise TrainingStoppedError
            model = HistGradientBoostingClassifier(random_state=definition.search.seed % 2**32)
            model.fit(part.train.X, part.train.y)
            wrong += int((model.predict(part.dev.X) != part.dev.y).sum())
    return wrong / len(dataset.dev_rows)
