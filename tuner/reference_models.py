"""Reference models: the dev errors of the majority class, logistic regression, nearest neighbors, gradient boosting.

Of numbers to predict: of their mean, ridge regression, nearest neighbors and gradient boosting.

A tuned network should beat these clearly; they are computed once per study.  Rows weigh in their training what they
weigh in the errors: where these are balanced errors, all classes weigh the same.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tuner.analysis import Competition, NetworkRun, corrected_dev_error, first_stop
from tuner.data import Dataset, Table, random_subset
from tuner.dev_layout import N_DEV_FOLDS
from tuner.nn import Hyperparameters, Stopping
from tuner.outcomes import StopReason
from tuner.study import StudyDefinition
from tuner.trial import dev_layout, draw_dev_folds, losses_of, run_trial, trial_settings

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""λ/m of the logistic regressions, of which the one with the lowest dev error is chosen."""
SHORT = Stopping(max_epochs=100, patience=10)
"""Stopping of the logistic regressions, whatever the study's own, so that a search does not wait long."""
MOST_ROWS = 50_000
"""Training rows of any reference model (with folds: of each fold); of more, a random subset."""
MOST_PRODUCTS, PRODUCTS_A_SECOND, FEWEST_EPOCHS = 2e10, 1.5e9, 10
"""Rows × inputs × classes × penalties × epochs of the logistic regressions, about ten seconds: where 100 epochs take
more, fewer epochs are run, then fewer rows used.
"""
BOOSTING = {"rounds": 100, "bins": 255}
"""Gradient boosting's defaults."""
SMALLER = {"rounds": 10, "bins": 63}
"""The least it is reduced to where it would take long, before a part of the training rows is left out."""
LEAVES = 31
MOST_WORK, REDUCED_WORK, WORK_A_SECOND = 3e8, 1e8, 1e8
"""Trees × inputs × (rows + leaves × bins), the most with the defaults, and what is left where that is too much: two
seconds and one of gradient boosting.
"""
IMPORTS = 1.0
"""Seconds of importing scikit-learn's models."""
FEWEST_ROWS = 1000
DISTANCES = 2e7
"""Distances between dev and training rows that nearest neighbors may take."""
ROWS_AT_ONCE = 50_000
"""Dev rows that scikit-learn's models predict at a time; they make float64 of them."""
STREAM = 10
"""Of the search's seed, for the random splits of the selection correction."""

ShouldStop = Callable[[], bool]
ALL, FAST, NONE = CHOICES = ("all", "fast", "none")
"""Which models a search trains; "fast": the majority class and logistic regression."""


class TrainingStoppedError(Exception):
    """The training was stopped."""


def reference_errors(
    definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False, which: str = ALL
) -> dict[str, float]:
    """The dev error of the reference models, by name, on at most 50,000 training rows; ``which``: of `CHOICES`.

    Raises TrainingStoppedError.
    """
    dataset = _thinned(dataset, MOST_ROWS, definition)
    if not dataset.unit.is_share:
        errors = {"mean": mean(dataset), "ridge": ridge(definition, dataset, should_stop)}
        if which == ALL:
            errors["gradient_boosting"] = gradient_boosting(definition, dataset, should_stop)
            errors["nearest_neighbors"] = nearest_neighbors(definition, dataset, should_stop)
        return {name: float(dataset.unit.error(loss)) for name, loss in errors.items()}
    errors = {"majority": majority(dataset)}
    errors["logistic_regression"] = logistic_regression(definition, dataset, should_stop)
    if which == ALL:
        errors["gradient_boosting"] = gradient_boosting(definition, dataset, should_stop)
        errors["nearest_neighbors"] = nearest_neighbors(definition, dataset, should_stop)
    return errors


def most_seconds(dataset: Dataset) -> float:
    """About how long all reference models take at most: less where logistic regression stops early."""
    rows, networks = min(dataset.n_train, MOST_ROWS), len(dataset.parts)
    of_a_row = dataset.n_features * dataset.n_classes * len(PENALTIES) * networks
    products = min(of_a_row * rows * SHORT.max_epochs, MOST_PRODUCTS)
    trees = networks * (1 if dataset.n_classes <= 2 else dataset.n_classes) * BOOSTING["rounds"]
    work = min(trees * dataset.n_features * (rows + LEAVES * BOOSTING["bins"]), MOST_WORK)
    return IMPORTS + products / PRODUCTS_A_SECOND + work / WORK_A_SECOND


def training_rows(dataset: Dataset) -> str:
    """Say on how many training rows the models are trained where that is not all; empty if it is all."""
    most = max(len(part.train) for part in dataset.parts)
    if most <= MOST_ROWS:
        return ""
    return f"the reference models were trained on {MOST_ROWS:,} of {most:,} training rows"


def _thinned(dataset: Dataset, rows: int, definition: StudyDefinition) -> Dataset:
    """Return the data with random subsets of at most so many training rows; at least one of each class."""
    rng = np.random.default_rng(np.random.SeedSequence(definition.search.seed, spawn_key=(STREAM, 1)))
    return replace(
        dataset,
        parts=tuple(
            replace(part, train=random_subset(part.train, rows, rng)) if len(part.train) > rows else part
            for part in dataset.parts
        ),
    )


def majority(dataset: Dataset) -> float:
    """Always predict the majority class of the training rows, by their weights (with folds: of each fold).

    Where all classes weigh the same, it is the largest.  The probabilities are the classes' shares.
    """
    wrong = []
    for part in dataset.parts:
        rows = np.bincount(part.train.y, part.train.weights, minlength=dataset.n_classes)
        shares = np.tile(rows / rows.sum(), (len(part.dev), 1))
        wrong.append(losses_of(part.dev, dataset.unit, np.asarray(rows.argmax()), shares))
    return _dev_error(dataset, wrong)


def mean(dataset: Dataset) -> float:
    """Always predict the mean of the training rows, by their weights (with folds: of each fold); mean squared error."""
    unit, losses = dataset.unit, []
    for part in dataset.parts:
        of_train = np.average(unit.restored(part.train.y), axis=0, weights=part.train.weights)
        losses.append(unit.row_losses(unit.standardized(of_train), part.dev.y))
    return _dev_error(dataset, losses)


def ridge(definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False) -> float:
    """Fit linear regression, with the L2 penalty of the least leave-one-out error; mean squared error on dev."""
    from sklearn.linear_model import RidgeCV

    penalties = [penalty * len(dataset.parts[0].train) for penalty in PENALTIES]
    share = MOST_PRODUCTS / dataset.n_features**2 / dataset.n_train / len(dataset.parts)
    return _error_of(lambda: RidgeCV(penalties), definition, dataset, share, should_stop)


def _dev_error(dataset: Dataset, wrong: list[np.ndarray]) -> float:
    """The share of the dev rows' weight that is wrong, from which rows of each part are, or the mean squared error."""
    return float(np.average(np.concatenate(wrong), weights=dataset.dev_weights))


def logistic_regression(
    definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False
) -> float:
    """Train tuner's network without a hidden layer, for several λ, with Adam and early stopping.

    Returned is the selection-corrected dev error of the best one: its λ and its epochs were chosen on dev.
    """
    of_a_row = dataset.n_features * dataset.n_classes * len(PENALTIES) * len(dataset.parts)
    epochs = int(np.clip(MOST_PRODUCTS / of_a_row / dataset.n_train, FEWEST_EPOCHS, SHORT.max_epochs))
    dataset = _thinned(dataset, max(int(MOST_PRODUCTS / of_a_row / epochs), FEWEST_ROWS), definition)
    dataset = replace(dataset, periodic=())  # which are no linear function of a number
    stopping = replace(SHORT, max_epochs=epochs)
    settings = replace(trial_settings(definition), metric="error", seeds=1, rungs=(), stopping=stopping)
    if dataset.dev_strata is not None and settings.class_weight is None:
        settings = replace(settings, class_weight="balanced")
    m = len(dataset.parts[0].train)
    folds = draw_dev_folds(len(dataset.dev_rows), dataset.dev_groups, definition.data.seed)
    batch = int(2 ** np.clip(np.round(np.log2(max(m / 64, 1))), 5, 9))
    results = []
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
            if result.stop_reason != StopReason.DIVERGED:
                results.append(result)
    if not results:
        return dataset.counted_by.worst
    layout, first = dev_layout(dataset, settings.seeds), first_stop(SHORT.min_updates, math.ceil(m / batch))
    competition = Competition(
        trials=[[NetworkRun(fold_losses=runs, first_stop=first) for runs in one.dev_fold_losses] for one in results],
        fold_sizes=np.bincount(folds, weights=dataset.dev_weights, minlength=N_DEV_FOLDS),
        losses=np.stack([layout.row_losses(one.dev_losses) for one in results]),
        row_weights=dataset.dev_weights,
        patience=SHORT.patience,
        groups=dataset.dev_groups,
        most=dataset.unit.most,
    )
    best = int(np.argmin([one.value for one in results]))
    rng = np.random.default_rng(np.random.SeedSequence(definition.search.seed, spawn_key=(STREAM,)))
    return corrected_dev_error(competition, best, rng=rng).value


def gradient_boosting(definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False) -> float:
    """Train scikit-learn's histogram gradient boosting.

    With its defaults; where that would take long (many classes, rows or inputs) with fewer bins, then fewer rounds at a
    higher learning rate, then on a random part of the training rows.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind: Any = HistGradientBoostingClassifier if dataset.unit.is_share else HistGradientBoostingRegressor
    loss = {"loss": "absolute_error"} if dataset.unit.is_absolute else {}
    part = dataset.parts[0].train
    inputs = len(dataset.parts) * (1 if dataset.n_classes <= 2 else dataset.n_classes) * part.inputs.n_features
    rows, rounds, bins = len(part), BOOSTING["rounds"], BOOSTING["bins"]
    if inputs * rounds * (rows + LEAVES * bins) > MOST_WORK:
        bins = SMALLER["bins"]
        rounds = int(np.clip(REDUCED_WORK / inputs / (rows + LEAVES * bins), SMALLER["rounds"], rounds))
        rows = int(np.clip(REDUCED_WORK / inputs / rounds - LEAVES * bins, FEWEST_ROWS, rows))

    def model() -> Any:
        rate = 0.1 * (BOOSTING["rounds"] / rounds) ** 0.5
        seed = definition.search.seed % 2**32
        return kind(max_iter=rounds, learning_rate=rate, max_bins=bins, random_state=seed, **loss)

    return _error_of(model, definition, dataset, rows / len(part), should_stop)


def nearest_neighbors(definition: StudyDefinition, dataset: Dataset, should_stop: ShouldStop = lambda: False) -> float:
    """Let the five nearest training rows vote, whatever their weights; of a large training set a random part."""
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    kind = KNeighborsClassifier if dataset.unit.is_share else KNeighborsRegressor
    share = DISTANCES / sum(len(part.train) * len(part.dev) for part in dataset.parts)
    return _error_of(kind, definition, dataset, share, should_stop, weighs=False)


def _error_of(
    model: Callable[[], Any],
    definition: StudyDefinition,
    dataset: Dataset,
    share: float,
    should_stop: ShouldStop,
    *,
    weighs: bool = True,
) -> float:
    """Return the dev error of a scikit-learn model, fitted on that share of the training rows, or all of them."""
    wrong = []
    rng = np.random.default_rng(definition.search.seed)
    # the model's module is loaded: threadpool_limits limits only loaded thread pools
    with threadpool_limits(limits=1), warnings.catch_warnings(action="ignore", category=UserWarning):  # many classes
        for part in dataset.parts:
            if should_stop():
                raise TrainingStoppedError
            m = len(part.train)
            rows = np.arange(m) if share >= 1 else rng.permutation(m)[: max(int(share * m), 1)]
            train = part.train.chosen(rows)
            in_errors = train.error_weights if weighs else None
            weighed = {} if in_errors is None else {"sample_weight": in_errors}
            fitted = _fit(model, train, weighed)
            starts = range(0, len(part.dev), ROWS_AT_ONCE)
            blocks = [part.dev.chosen(slice(start, start + ROWS_AT_ONCE)).X for start in starts]
            if dataset.unit.loss is None:
                predicted = np.concatenate([fitted.predict(X) for X in blocks])
                wrong.append(dataset.unit.row_losses(predicted, part.dev.y))
            else:
                known = np.concatenate([fitted.predict_proba(X) for X in blocks])
                probabilities = _of_all_classes(known, fitted.classes_, dataset)
                wrong.append(dataset.counted_by.losses_of(probabilities, part.dev.y, part.dev.error_weights))
    return _dev_error(dataset, wrong)


def _fit(model: Callable[[], Any], train: Table, weighed: Mapping[str, Any]) -> Any:
    """Fit a model, or one for each of several targets if it predicts only one number."""
    from sklearn.multioutput import MultiOutputRegressor

    fitted = model()
    if train.y.ndim > 1 and not fitted.__sklearn_tags__().target_tags.multi_output:
        fitted = MultiOutputRegressor(fitted)
    return fitted.fit(train.X, train.y, **weighed)


def _of_all_classes(known: np.ndarray, classes: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Probabilities (n, n_classes) from those of the classes that training rows have, (n, len(classes))."""
    probabilities = np.zeros((len(known), dataset.n_classes))
    probabilities[:, classes] = known
    return probabilities
