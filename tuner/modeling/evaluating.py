"""Evaluate a model: errors with intervals, classes, confusion matrix and calibration on every set it may use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tuner.analysis import (
    Calibration,
    ClassError,
    ClassScores,
    ErrorEstimate,
    NumberErrors,
    Spread,
    Tenth,
    calibration,
    class_errors,
    class_scores,
    confusion_matrix,
    errors_by_tenth,
    independent_examples,
)
from tuner.data import Dataset, LabeledRows, read_groups, read_labeled, read_parts
from tuner.errors import DataError, UsageError
from tuner.metrics import relative
from tuner.modeling.model import Model, Predictions
from tuner.units import SHARE, Unit

Ints = NDArray[np.int64]

TRAINING_EXAMPLES = "its training examples"
USUALLY_BETTER = "their ensemble is usually somewhat better"


@dataclass(frozen=True)
class Evaluation:
    """A model's errors on one set.  ``note`` relates the set to the model.

    ``error``: of the study's metric; ``classes``: shares of wrong rows.  ``weighted``: whether the error is no share of
    rows that all count alike.  ``calibration``: with the rows' own weights; None for a model that only predicts
    classes.  ``positive``: scores of the class that the model has a threshold for, with the rows' own weights; None
    without a threshold.  ``confusion`` (n_classes, n_classes): numbers of rows; rows are true classes, columns
    predicted ones.
    """

    name: str
    note: str
    error: ErrorEstimate
    classes: list[ClassError]
    confusion: Ints
    calibration: Calibration | None
    weighted: bool = False
    positive: ClassScores | None = None

    @property
    def wrong(self) -> int:
        """Number of wrongly classified rows."""
        return int(self.confusion.sum() - np.trace(self.confusion))

    @property
    def rows_wrong(self) -> float:
        """Share of the rows that are wrong, whatever they weigh."""
        return self.wrong / max(int(self.confusion.sum()), 1)

    @property
    def counts(self) -> dict[str, Any]:
        """What is recorded of a test-set evaluation: wrong rows, rows, and how many independent ones they are worth.

        Wrong rows are counted by their relative weights, if they have any.
        """
        n = int(self.confusion.sum())
        wrong = self.error.value * n if self.weighted else self.wrong
        return {"wrong": wrong, "n": n, "n_effective": self.error.n_effective}

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers; an error on no rows is null."""
        return {
            "note": self.note,
            "error": _plain(self.error),
            "rows_wrong": self.rows_wrong,
            "classes": {one.name: _plain(one.estimate) for one in self.classes},
            "confusion": self.confusion.tolist(),
            "positive": None if self.positive is None else self.positive.to_dict(),
            "log_loss": None if self.calibration is None else self.calibration.log_loss,
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
        }


@dataclass(frozen=True)
class IntervalEvaluation:
    """The rows between two predicted quantiles: the share that there should be, that there is, and the mean width.

    ``outside``: the share of the rows that are not in their interval.  ``width``: in the unit of the target.
    """

    low: float
    high: float
    outside: ErrorEstimate
    width: float

    @property
    def expected(self) -> float:
        """The share of rows within, if the quantiles are right."""
        return self.high - self.low

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        within = {"value": 1 - self.outside.value, "low": 1 - self.outside.high, "high": 1 - self.outside.low}
        return {"from": self.low, "to": self.high, "expected": self.expected, "within": within, "width": self.width}


@dataclass(frozen=True)
class NumberEvaluation:
    """The errors on one set of a model that predicts numbers, in their unit.  ``note`` relates the set to the model.

    Those of several targets are in standard deviations; ``targets`` has each one's, in its unit, by its name.

    ``error``: RMSE or MAE, by the study's metric; both are there, too.  ``r2``: the share of the variance that is
    explained.  ``losses``: the sum of the losses that the error is based on.  ``tenths``: by the true number.
    ``pinball``: of each predicted quantile its mean pinball loss.  ``intervals``: the widest first.
    """

    name: str
    note: str
    error: ErrorEstimate
    root_mean_squared_error: float
    mean_absolute_error: float
    r2: float
    losses: float
    tenths: list[Tenth]
    weighted: bool = False
    pinball: dict[float, float] = field(default_factory=dict)
    intervals: list[IntervalEvaluation] = field(default_factory=list)
    targets: dict[str, NumberErrors] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, Any]:
        """What is recorded of a test-set evaluation."""
        return {"wrong": self.losses, "n": self.error.n, "n_effective": None}

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "note": self.note,
            "error": _plain(self.error),
            "root_mean_squared_error": self.root_mean_squared_error,
            "mean_absolute_error": self.mean_absolute_error,
            "r2": self.r2,
            "tenths": [tenth.to_dict() for tenth in self.tenths],
            "pinball_loss": {f"{level:g}": loss for level, loss in self.pinball.items()},
            "intervals": [interval.to_dict() for interval in self.intervals],
            **({"targets": {name: errors.to_dict() for name, errors in self.targets.items()}} if self.targets else {}),
        }


def evaluate(model: Model, dataset: Dataset, *, test: bool = False) -> list[Evaluation | NumberEvaluation]:
    """Evaluate a model on the sets of its study, on the test set only with ``test``.  Raises DataError."""
    if dataset.fingerprint != model.metadata.fingerprint:
        raise DataError(
            f"{dataset.path}: not the model's training data (fingerprint {dataset.fingerprint[:12]}, "
            f"the model's {model.metadata.fingerprint[:12]}). To evaluate on another file: tuner evaluate MODEL DATA"
        )
    if test and model.metadata.rows == "all":
        raise UsageError(
            "--test: the test rows are training examples of this model (--on all); evaluate it on other data"
        )
    dataset = dataset.counting(model.metadata.counted_by)
    with threadpool_limits(limits=1):
        names = list(_notes(model, dataset)) if model.metadata.rows != "folds" else []
        evaluations: list[Evaluation | NumberEvaluation] = [] if names else [_of_folds(model, dataset)]
        names += ["test"] if test else []
        tables = read_parts(dataset, names, model.encodings) if names else []
        for name in names:
            encoded = [each[name] for each in tables]
            note = {**_notes(model, dataset), "test": "not used for training or choosing"}[name]
            groups = read_groups(dataset, name) if dataset.dev_groups is not None and name in ("dev", "test") else None
            predictions = model.classify_encoded([table.inputs for table in encoded])
            evaluations.append(
                _evaluation(
                    model,
                    model.metadata.rows if name in ("outside_test", "all") else name,
                    note,
                    predictions,
                    _true(model, encoded[0].y),
                    encoded[0].weights,
                    groups,
                )
            )
    return evaluations


def evaluate_file(model: Model, path: Path) -> Evaluation | NumberEvaluation:
    """Evaluate a model on the rows of a labeled file.  Raises DataError."""
    metadata = model.metadata
    with threadpool_limits(limits=1):
        pieces = [
            (model.classify(rows.frame, where=str(path)), rows)
            for rows in read_labeled(path, model.encodings[0], metadata.data_settings, tuple(metadata.class_names))
        ]
    if not pieces:
        raise DataError(f"{path}: no rows; expected at least one")
    predictions = Predictions.joined([predictions for predictions, _ in pieces])
    labeled = LabeledRows.joined([rows for _, rows in pieces])
    return _evaluation(model, path.name, "another file", predictions, labeled.y, labeled.weights, None)


def _notes(model: Model, dataset: Dataset) -> dict[str, str]:
    """Return the sets outside the test set, each with its relation to the model."""
    if model.metadata.rows in ("train+dev", "all"):
        return {"all" if model.metadata.rows == "all" else "outside_test": TRAINING_EXAMPLES}
    notes = {
        "train": TRAINING_EXAMPLES,
        "dev": f"trial and epoch were chosen on it{_chosen_there(model)}",
        "train_dev": "like the training examples, but not trained on",
    }
    return {name: note for name, note in notes.items() if dataset.sizes.get(name)}


def out_of_fold(model: Model, dataset: Dataset, *, together: bool) -> Predictions:
    """Predict each row outside the test set with the networks that were not trained on it.

    ``together``: they answer with one average; otherwise one by one, for all rows with the networks of the first seed,
    then with those of the next.
    """
    outside = [tables["dev"] for tables in read_parts(dataset, ["dev"], model.encodings)]
    n_folds, n = len(dataset.parts), len(model.networks)
    asked = [range(fold, n, n_folds) for fold in range(n_folds)] if together else [range(k, k + 1) for k in range(n)]
    predictions = []
    for places in asked:
        of_fold = dataset.parts[places[0] % n_folds].dev.rows
        tables = [outside[encoding] for encoding in dict.fromkeys(place % len(outside) for place in places)]
        inputs = [table.inputs.rows(np.searchsorted(table.rows, of_fold)) for table in tables]
        predictions.append(model.average(places, inputs))
    return Predictions.joined(predictions)


def _of_folds(model: Model, dataset: Dataset) -> Evaluation | NumberEvaluation:
    """Evaluate each row outside the test set with the networks that were not trained on it.

    Those of an ensemble of trials answer together, and those that share a threshold or a calibration; those of several
    seeds of one trial one by one.
    """
    together = model.metadata.members is not None or model.metadata.decision is not None
    predictions = out_of_fold(model, dataset, together=together)
    times = len(predictions.classes) // len(dataset.dev_rows)
    y = np.concatenate([_true(model, dataset.dev_y)] * times)
    own = [part.dev.weights for part in dataset.parts if part.dev.weights is not None]
    weights = np.tile(np.concatenate(own), times) if own else None
    groups = None if dataset.dev_groups is None else np.tile(dataset.dev_groups, times)
    note = "each row by the networks that were not trained on its fold"
    if not together:
        note = f"each row by the network that was not trained on its fold; {USUALLY_BETTER}"
    return _evaluation(model, "dev", note + _chosen_there(model), predictions, y, weights, groups)


def _chosen_there(model: Model) -> str:
    """What else was chosen on the dev rows."""
    decision = model.metadata.decision
    return "" if decision is None else f"; {decision.chosen} chosen on it, too"


def _evaluation(
    model: Model,
    name: str,
    note: str,
    predictions: Predictions,
    y: NDArray[Any],
    weights: NDArray[np.floating] | None,
    groups: NDArray[np.integer] | None,
) -> Evaluation | NumberEvaluation:
    """``y``: (n,) class indices, or numbers in their own unit."""
    unit = model.metadata.unit
    if not unit.is_share:
        numbers = _of_numbers(unit, name, note, predictions.classes, y, weights, groups)
        if not model.quantiles_:
            return numbers
        pinball, intervals = _of_quantiles(model.quantiles_, predictions.probabilities, y, weights, groups)
        return replace(numbers, pinball=pinball, intervals=intervals)
    counted_by = model.metadata.counted_by
    in_errors, strata = counted_by.row_weights(y, weights), counted_by.strata(y)
    wrong = predictions.classes != y
    of_rows = wrong if unit.loss is None else _losses(model, predictions, y, in_errors)
    losses, wrong = (each if in_errors is None else each * in_errors for each in (of_rows, wrong))
    names: Sequence[str] = model.metadata.class_names
    return Evaluation(
        name=name,
        note=note,
        error=estimate_error(losses, groups, in_errors, strata, unit, counted_by.rows_alike(y)),
        classes=class_errors(y, wrong, names, in_errors),
        confusion=confusion_matrix(y, predictions.classes, len(names)).astype(np.int64),
        calibration=calibration(predictions.probabilities, y, None if weights is None else relative(weights))
        if predictions.has_probabilities
        else None,
        weighted=in_errors is not None or unit.loss is not None,
        positive=_positive_scores(model, predictions.classes, y, weights, groups),
    )


def _positive_scores(
    model: Model,
    predicted: NDArray[np.integer],
    y: NDArray[np.integer],
    weights: NDArray[np.floating] | None,
    groups: NDArray[np.integer] | None,
) -> ClassScores | None:
    """Scores of the class that the model has a threshold for."""
    decision = model.metadata.decision
    if decision is None or decision.threshold is None:
        return None
    own = None if weights is None else relative(weights)
    return scores_of(predicted, y, own, groups, model.metadata.class_names)[decision.threshold.positive]


def scores_of(
    predicted: NDArray[np.integer],
    y: NDArray[np.integer],
    weights: NDArray[np.float64] | None,
    groups: NDArray[np.integer] | None,
    names: Sequence[str],
) -> list[ClassScores]:
    """Precision, recall and F1 of each class; rows have ``weights`` (n,), multiples of their mean, and ``groups``."""
    wrong = (predicted != y) * (1.0 if weights is None else weights)
    independent = independent_examples(wrong, groups, weights, rng=np.random.default_rng(0))
    effective = 1.0 if independent is None else independent / len(y)
    return class_scores(confusion_matrix(y, predicted, len(names), weights), names, effective=effective)


def _losses(
    model: Model, predictions: Predictions, y: NDArray[Any], weights: NDArray[np.floating] | None
) -> NDArray[Any]:
    """The rows' losses (n,) by the study's metric; of a model with a threshold those of its predicted classes."""
    metadata, probabilities = model.metadata, predictions.probabilities
    has_threshold = metadata.decision is not None and metadata.decision.threshold is not None
    if has_threshold and metadata.counted_by.from_labels:
        probabilities = np.eye(len(metadata.class_names))[predictions.classes]
    return metadata.counted_by.losses_of(probabilities, y, weights)


def _true(model: Model, y: NDArray[Any]) -> NDArray[Any]:
    """The targets of a dataset's rows as :func:`_evaluation` takes them."""
    unit = model.metadata.unit
    return y if unit.is_share else np.asarray(unit.restored(y))


def _of_numbers(
    unit: Unit,
    name: str,
    note: str,
    predicted: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.floating] | None,
    groups: NDArray[np.integer] | None,
) -> NumberEvaluation:
    relatives = None if weights is None else relative(weights)
    residuals = predicted - y
    losses = unit.missed(residuals)
    each = NumberErrors.of_each(predicted, y, weights) if unit.targets else []
    whole = NumberErrors.together(each, unit.scales) if each else NumberErrors.of(predicted, y, weights)
    tenths = [] if each else errors_by_tenth(y, residuals, losses, unit, weights, groups)
    losses = losses * (1.0 if relatives is None else relatives)
    return NumberEvaluation(
        name=name,
        note=note,
        error=estimate_error(losses, groups, relatives, unit=unit),
        **asdict(whole),
        losses=float(losses.sum()),
        tenths=tenths,
        weighted=weights is not None,
        targets={target.name: errors for target, errors in zip(unit.targets, each, strict=True)},
    )


def _of_quantiles(
    levels: Sequence[float],
    quantiles: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.floating] | None,
    groups: NDArray[np.integer] | None,
) -> tuple[dict[float, float], list[IntervalEvaluation]]:
    """Return the mean pinball loss of each quantile (n, K), and how often the numbers are between two of them."""
    pinball = {}
    for level, below in zip(levels, (quantiles - y[:, None]).T, strict=True):
        losses = np.maximum(-level * below, (1 - level) * below)
        pinball[level] = float(np.average(losses, weights=weights))
    relatives, intervals = None if weights is None else relative(weights), []
    for k in range(len(levels) // 2):
        low, high = quantiles[:, k], quantiles[:, -1 - k]
        outside = (y < low) | (y > high)
        error = estimate_error(outside if relatives is None else outside * relatives, groups, relatives)
        width = float(np.average(high - low, weights=weights))
        intervals.append(IntervalEvaluation(levels[k], levels[-1 - k], error, width))
    return pinball, intervals


def estimate_error(
    wrong: NDArray[Any],
    groups: NDArray[np.integer] | None,
    weights: NDArray[np.floating] | None = None,
    strata: NDArray[np.integer] | None = None,
    unit: Unit = SHARE,
    alike: float | None = None,
) -> ErrorEstimate:
    """Estimate the error from which rows are wrong (n,), or how often each is, times their weights, if they have any.

    ``groups``: of rows (n,), which are dependent.  ``weights``: (n,) multiples of their mean.  ``strata``: (n,) classes
    whose shares of the weight are fixed.  ``unit``: if it is one of numbers, ``wrong`` are its losses.
    """
    if not unit.is_share:
        total = float(wrong.sum(dtype=np.float64))
        return ErrorEstimate.of_squares(total, len(wrong), unit, Spread.of(wrong, groups, weights))
    most = None if unit.loss is None else unit.most
    effective = independent_examples(
        wrong, groups, weights, strata, rng=np.random.default_rng(0), most=most, alike=alike
    )
    return ErrorEstimate.measured(float(wrong.sum()), len(wrong), effective, most=unit.most)


def _plain(error: ErrorEstimate) -> dict[str, Any] | None:
    if math.isnan(error.value):
        return None
    plain = {"value": error.value, "low": error.low, "high": error.high, "n": error.n}
    return plain if error.n_effective is None else {**plain, "n_effective": error.n_effective}
