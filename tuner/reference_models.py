"""Reference models: what the majority class, logistic regression and gradient boosting reach on dev.

A tuned network is worth its trouble only where it is clearly better than these; they are computed once per study.
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
"""λ/m of the logistic regressions that are tried; the one with the least dev error is the line."""
SHORT = Stopping(max_epochs=100, patience=10)
"""When a logistic regression ends, however long the study's own networks may train: a search should not wait."""
MOST_TREES = 500
MOST_CELLS = 1e7
"""Trees to grow, and rows × inputs, beyond which gradient boosting would hold up the search by over two seconds."""


ShouldStop = Callable[[], bool]


class TrainingStoppedError(Exception):
    """The training was told to stop."""


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
    """Always the commonest class of the training rows (with folds: of each fold's own)."""
    wrong = 0
    for part in dataset.parts:
        commonest = np.bincount(part.train.y, minlength=dataset.n_classes).argmax()
        wrong += int((part.dev.y != commonest).sum())
    return wrong / len(dataset.dev_rows)


def logistic_regression(
    definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False
) -> float:
    """Our own network without a hidden layer, over a few strengths of λ, with Adam and early stopping."""
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
    """Scikit-learn's histogram gradient boosting with its defaults; None where it would take longer than a search."""
    trees = 100 * len(dataset.parts) * (1 if dataset.n_classes == 2 else dataset.n_classes)
    cells = sum(part.train.X.size for part in dataset.parts)
    if trees > MOST_TREES or cells > MOST_CELLS:
        return None
    from sklearn.ensemble import HistGradientBoostingClassifier

    wrong = 0
    with threadpool_limits(limits=1):  # after the import: what is limited are the thread pools that are loaded
        for part in dataset.parts:
            if should_stop():
                raise TrainingStoppedError
            model = HistGradientBoostingClassifier(random_state=definition.search.seed % 2**32)
            model.fit(part.train.X, part.train.y)
            wrong += int((model.predict(part.dev.X) != part.dev.y).sum())
    return wrong / len(dataset.dev_rows)
