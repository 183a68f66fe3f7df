"""The diagnosis of anyone's model, from what it predicts."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuner.analysis.counting import majority_error
from tuner.analysis.diagnosis import Baseline, Diagnosis, diagnose
from tuner.analysis.intervals import ErrorEstimate, Spread
from tuner.analysis.labels import comparable_labels, numbers_of, refuse_unknown
from tuner.arguments import one_of
from tuner.errors import ArgumentError
from tuner.formatting import error_line
from tuner.units import Unit, are_to_predict

LARGEST = 1e100  # the squares of larger numbers would overflow
Labels = dict[str, NDArray[Any]]


def diagnose_predictions(
    y_train: ArrayLike,
    predicted_train: ArrayLike,
    y_dev: ArrayLike,
    predicted_dev: ArrayLike,
    *,
    task: Literal["classification", "regression"] | None = None,
    baseline: Baseline = None,
    material_gap: float | None = None,
) -> Diagnosis:
    """Bias and variance of anyone's model, from its predictions of the training and of the dev set.

    Class labels of any type, or numbers, (n_train,) and (n_dev,), or of several targets (n_train, n_targets) and
    (n_dev, n_targets). The dev set must not have chosen the model: its error is taken as it is.  `task`: by default
    regression if `y_train` has more than 20 different numbers that are not all integers, or more than 50 that are.
    Then errors, gaps, `baseline` and `material_gap` are RMSEs in the unit of y, of several targets in their standard
    deviations in `y_train`; `material_gap` is by default 2% of the RMSE of predicting the mean, of classes 0.02.

    Labels of different types are the same class if they read the same: 1, 1.0, "1" and "1.0".  Raises ArgumentError if
    `y_dev` has no class of `y_train`, or no predicted label is a class of either; for regression if some value is no
    finite number, a set is empty, or `y_train` has one number only.
    """
    given = {"y_train": y_train, "predicted_train": predicted_train, "y_dev": y_dev, "predicted_dev": predicted_dev}
    if task is not None:
        one_of("task", task, ("classification", "regression"))
    try:
        labels = comparable_labels(given)
        _refuse_shapes(labels)
        numbers = None if task == "classification" else numbers_of(labels)
        several = labels["y_train"].ndim > 1
        if several and (task == "classification" or numbers is None):
            raise ArgumentError("y_train: several targets are numbers to predict, expected no classes")
        if task is None and numbers is not None and not several and not are_to_predict(numbers["y_train"]):
            numbers = None
    except ArgumentError:
        raise
    except Exception as error:  # cells of any type may raise any kind when they are compared
        raise ArgumentError(
            f"y and predictions must be class labels that can be compared, or numbers ({error_line(error)})"
        ) from error
    if numbers is not None:
        return _of_numbers(numbers, baseline, material_gap)
    if task == "regression":
        raise ArgumentError("task='regression': expected numbers in y and predictions, got text")
    refuse_unknown(labels)
    return diagnose(
        train=_count_wrong(labels, "train"),
        dev=_count_wrong(labels, "dev"),
        baseline=baseline,
        material_gap=material_gap,
        references={"majority": majority_error(labels["y_train"], labels["y_dev"]), "logistic_regression": None},
    )


def _refuse_shapes(labels: Labels) -> None:
    for name in ("train", "dev"):
        truth, said = labels[f"y_{name}"], labels[f"predicted_{name}"]
        if truth.ndim not in (1, 2) or (truth.ndim == 2 and truth.shape[1] < 2) or said.shape != truth.shape:
            raise ArgumentError(
                f"y_{name} and predicted_{name} must be class labels or numbers of one length, "
                f"got shapes {truth.shape} and {said.shape}"
            )
    of_train, of_dev = labels["y_train"].shape[1:], labels["y_dev"].shape[1:]
    if of_train != of_dev:
        raise ArgumentError(f"y_train and y_dev must have the same targets, got {of_train or 1} and {of_dev or 1}")


def _count_wrong(labels: Labels, name: str) -> ErrorEstimate:
    truth, said = labels[f"y_{name}"], labels[f"predicted_{name}"]
    return ErrorEstimate.measured(int(np.count_nonzero(truth != said)), len(truth))


def _of_numbers(numbers: Labels, baseline: Baseline, material_gap: float | None) -> Diagnosis:
    for name, values in numbers.items():
        bad = np.flatnonzero(~(np.abs(values) <= LARGEST))
        if len(bad):
            place = bad[0] if values.ndim == 1 else tuple(map(int, np.unravel_index(bad[0], values.shape)))
            raise ArgumentError(
                f"{name}: expected numbers from −{LARGEST:g} to {LARGEST:g}, got {values[place]} at {place}"
            )
        if not len(values):
            raise ArgumentError(f"{name}: expected one or more numbers, got none")
    y = numbers["y_train"]
    alike = np.flatnonzero((y.std(axis=0) == 0) | (y.min(axis=0) == y.max(axis=0)))
    if len(alike):
        of = f" in target {alike[0]}" if y.ndim > 1 else ""
        raise ArgumentError(f"y_train: expected different numbers{of}, got only {y[0].ravel()[alike[0]]:g}")
    if y.ndim > 1:
        unit = Unit.of_several([str(place) for place in range(y.shape[1])], y)
        apart = (numbers["y_dev"] - unit.means) / unit.scales
    else:
        unit = Unit(scale=float(y.std()), mean=float(y.mean()))
        apart = numbers["y_dev"] - unit.mean
    return diagnose(
        train=_root_mean_square(numbers, "train", unit),
        dev=_root_mean_square(numbers, "dev", unit),
        baseline=baseline,
        material_gap=material_gap,
        references={"mean": math.sqrt(np.mean(np.square(apart))), "ridge": None},
        unit=unit,
    )


def _root_mean_square(numbers: Labels, name: str, unit: Unit) -> ErrorEstimate:
    squares = unit.missed(numbers[f"predicted_{name}"] - numbers[f"y_{name}"])
    return ErrorEstimate.of_squares(float(squares.sum()), len(squares), unit, Spread.of(squares))
