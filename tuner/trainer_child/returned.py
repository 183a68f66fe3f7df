"""What a custom trainer returned, checked."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Floats, Ints, Table
from tuner.formatting import error_line
from tuner.trainer_child.messages import Returned, TrainerData
from tuner.trainer_child.report import TrainerError

KEYS = ("predictions", "costs", "model")
LEAST_PROBABILITY = 1e-7
"""Of a class, in the cost: one that a trainer gives no probability would make it infinite."""
TOLERANCE = 1e-3
"""By which the probabilities of a row may miss 1."""
LARGEST = 1e15
"""Of a predicted number, in standard deviations: float32 holds its square."""

Answer = tuple[NDArray[Any], NDArray[Any] | None]
"""Class indices (n,) or numbers (n,), and probabilities (n, n_classes) if the trainer returned them."""


def checked(trainer: str, returned: Any, data: TrainerData) -> Returned:
    """The class indices of train, dev and train-dev, and costs, that a trainer returned.  Raises TrainerError.

    A trainer returns the predictions of these tables, or a model whose ``predict_proba(X)`` or ``predict(X)`` is called
    for them, or a dict of "predictions" or "model", and "costs" of the train and dev rows.  For regression predictions
    are numbers like y.
    """
    who = f"trainer {trainer}"
    if isinstance(returned, Mapping):
        unknown = [key for key in returned if key not in KEYS]
        if unknown:
            raise TrainerError(f"{who} returned the key {unknown[0]!r}, expected {', '.join(KEYS)}")
        predictions, model, costs = (returned.get(key) for key in ("predictions", "model", "costs"))
    else:
        is_model = hasattr(returned, "predict_proba") or hasattr(returned, "predict")
        predictions, model, costs = (None, returned, None) if is_model else (returned, None, None)
    if predictions is None and model is not None:
        predictions = _of_model(who, model, data)
    answers = _answers(who, predictions, data)
    labels: list[Any] = [label for label, _ in answers]
    losses = None
    if data.train.counted_by.of_rows is not None:
        pairs = zip(answers, data.tables.values(), strict=True)
        decided = [_decided(who, answer, table, data.n_classes) for answer, table in pairs]
        labels, losses = (list(each) for each in zip(*decided, strict=True))
    dev = answers[1][1]
    return Returned(
        labels,
        losses,
        _costs(who, costs) if costs is not None else _usual_costs(answers, data),
        None if dev is None else dev.astype(np.float32),
    )


def _decided(who: str, answer: Answer, table: Table, n_classes: int) -> tuple[Ints, NDArray[Any]]:
    """The predicted classes (n,) of a table's rows, and their losses (n,) by a metric of probabilities."""
    labels, probabilities = answer
    metric = table.counted_by
    if probabilities is None:
        if not metric.from_labels:
            raise TrainerError(f"{who} returned labels, expected probabilities: the metric is {metric.name}")
        return labels, metric.losses_of(np.eye(n_classes)[labels], table.y, table.error_weights)
    return metric.decide(probabilities), metric.losses_of(probabilities, table.y, table.error_weights)


def _of_model(who: str, model: Any, data: TrainerData) -> list[Any]:
    return [_predictions(who, model, table.X, len(data.class_names)) for table in data.tables.values()]


def _predictions(who: str, model: Any, X: Floats, n_classes: int) -> Any:
    """The predictions of a model; it may not know classes that no training row has.  ``n_classes``: 0 for numbers."""
    if not n_classes or not hasattr(model, "predict_proba"):
        if not hasattr(model, "predict"):
            kind, expected = type(model).__name__, "predict_proba(X) or predict(X)" if n_classes else "predict(X)"
            raise TrainerError(f"{who} returned a model of {kind}, expected {expected}")
        return model.predict(X)
    classes = getattr(model, "classes_", None)
    probabilities = np.asarray(model.predict_proba(X))
    if classes is None or probabilities.shape != (len(X), len(classes)):
        return probabilities
    all_classes = np.zeros((len(X), n_classes))
    all_classes[:, np.asarray(classes, np.int64)] = probabilities
    return all_classes


def probabilities_of(who: str, model: Any, X: Floats, n_classes: int, n_targets: int) -> tuple[Floats, bool]:
    """The class probabilities (n, n_classes) of a model, checked, and whether it has any: else they are 0 and 1.

    ``n_classes``: 0 for numbers, (n, n_targets).
    """
    given = _predictions(who, model, X, n_classes)
    labels, probabilities = _answer(f"{who} predicted ", given, len(X), n_classes, n_targets)
    if not n_classes:
        return labels.reshape(-1, n_targets).astype(np.float32), False
    if probabilities is None:
        return np.eye(n_classes, dtype=np.float32)[labels], False
    return probabilities.astype(np.float32), True


def save(trainer: str, returned: Any, path: str) -> None:
    """Save the model that a trainer returned.  Raises TrainerError if there is none with ``save(path)``."""
    model: Any = returned.get("model") if isinstance(returned, Mapping) else returned
    if not hasattr(model, "save"):
        raise TrainerError(f"trainer {trainer} returned no model with save(path), so that it cannot be kept")
    model.save(path)
    if not os.path.exists(path):
        raise TrainerError(f"trainer {trainer} returned a model whose save({path!r}) wrote nothing there")


def _answers(who: str, predictions: Any, data: TrainerData) -> list[Answer]:
    tables = data.tables
    what = "numbers" if data.is_regression else "labels or probabilities"
    several = f"a tuple of {len(tables)} arrays of {what}"
    expected = f"expected predictions of {', '.join(tables)}, as {several}, or a model"
    if not isinstance(predictions, tuple | list):
        raise TrainerError(f"{who} returned {type(predictions).__name__}, {expected}")
    if len(predictions) != len(tables):
        raise TrainerError(f"{who} returned {len(predictions)} things, {expected}")
    return [
        _answer(f"{who} returned {name} ", given, len(table), len(data.class_names), data.n_targets)
        for (name, table), given in zip(tables.items(), predictions, strict=True)
    ]


def _answer(what: str, given: Any, n: int, n_classes: int, n_targets: int) -> Answer:
    try:
        array = np.asarray(given)
    except Exception as error:
        raise TrainerError(f"{what}predictions that are no array ({error_line(error)})") from error
    if not n_classes:
        return _numbers(f"{what}numbers", array, n, n_targets), None
    if array.shape == (n, n_classes) and array.dtype.kind == "f":
        _check_probabilities(f"{what}probabilities", array)
        return array.argmax(axis=1), array
    return _labels(f"{what}labels", array, n, n_classes), None


def _check_probabilities(what: str, array: NDArray[Any]) -> None:
    with np.errstate(invalid="ignore"):
        wrong = ~((array >= -TOLERANCE).all(axis=1) & (np.abs(array.sum(axis=1, dtype=np.float64) - 1) <= TOLERANCE))
    if wrong.any():
        row = int(wrong.argmax())
        raise TrainerError(
            f"{what} that sum to {array[row].sum():.4g} at row {row}, expected 1, and none below 0; scores need softmax"
        )


def _labels(what: str, array: NDArray[Any], n: int, n_classes: int) -> Ints:
    expected = f"expected ({n},) class indices from 0 to {n_classes - 1}, as in y"
    if array.shape != (n,):
        raise TrainerError(f"{what} of shape {array.shape}, {expected}, or ({n}, {n_classes}) probabilities")
    if array.dtype.kind not in "iufb":
        raise TrainerError(f"{what} like {array.tolist()[0]!r}, {expected} (not the classes' names)")
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~((array >= 0) & (array < n_classes) & (array == np.floor(array))))
    if len(wrong):
        raise TrainerError(f"{what} with {array[wrong[0]]} at row {wrong[0]}, {expected}")
    return array.astype(np.int64)


def _numbers(what: str, array: NDArray[Any], n: int, n_targets: int) -> NDArray[np.float64]:
    shape = f"({n},)" if n_targets == 1 else f"({n}, {n_targets})"
    expected = f"expected {shape} numbers from −{LARGEST:g} to {LARGEST:g}, in standard deviations as y is"
    if array.shape != (n, n_targets) and (n_targets > 1 or array.shape != (n,)):
        raise TrainerError(f"{what} of shape {array.shape}, {expected}")
    if array.dtype.kind not in "iuf":
        raise TrainerError(f"{what} like {array.ravel().tolist()[0]!r}, {expected}")
    numbers = array.ravel().astype(np.float64)
    wrong = np.flatnonzero(~(np.abs(numbers) <= LARGEST))
    if len(wrong):
        raise TrainerError(f"{what} with {numbers[wrong[0]]} at row {wrong[0] // n_targets}, {expected}")
    return numbers if n_targets == 1 else numbers.reshape(n, n_targets)


def _costs(who: str, costs: Any) -> tuple[float, float]:
    try:
        train, dev = (float(cost) for cost in costs)
    except (TypeError, ValueError):
        train = dev = math.nan
    if not (math.isfinite(train) and math.isfinite(dev)):
        raise TrainerError(f"{who} returned the costs {costs!r}, expected two numbers, of train and of dev rows")
    return train, dev


def _usual_costs(answers: Sequence[Answer], data: TrainerData) -> tuple[float, float]:
    """The mean cross-entropy of the train and dev rows, NaN where there are no probabilities; of numbers of squares."""
    costs = []
    for (numbers, probabilities), table in zip(answers, (data.train, data.dev), strict=False):
        if data.is_regression and len(table):
            squares = np.square(numbers - table.y).reshape(len(table), -1).mean(axis=1)
            costs.append(float(np.average(squares, weights=table.weights)))
            continue
        if probabilities is None or not len(table):
            costs.append(math.nan)
            continue
        of_class = np.clip(probabilities[np.arange(len(table)), table.y], LEAST_PROBABILITY, 1)
        costs.append(float(np.average(-np.log(of_class.astype(np.float64)), weights=table.weights)))
    return costs[0], costs[1]
