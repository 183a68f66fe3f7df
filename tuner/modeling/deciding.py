"""``tuner train --threshold-for`` and ``--calibrate``: choose on dev what a model makes of its probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tuner.analysis import (
    METHODS,
    Z95,
    Calibration,
    DecisionTask,
    Method,
    ThresholdCurve,
    ThresholdGoal,
    calibration,
    cross_fitted,
    independent_examples,
)
from tuner.arguments import one_of
from tuner.data import Dataset, read_parts
from tuner.errors import UsageError
from tuner.formatting import count, percent, some_of
from tuner.metrics import BALANCED_ERROR, relative
from tuner.modeling.evaluating import estimate_error, out_of_fold, scores_of
from tuner.modeling.fitting import FitRequest, trains_on_all
from tuner.modeling.metadata import (
    CalibrationMetadata,
    CurveMetadata,
    DecisionMetadata,
    MeasureMetadata,
    QualityMetadata,
    ThresholdMetadata,
)
from tuner.modeling.model import Model
from tuner.storage import StudyRecord
from tuner.study import parse_definition
from tuner.trial import TrialSettings, dev_layout

NONE = "none"
BY_HIGHEST = "; classes of the highest probability"


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """What is to be chosen for a model: a threshold for a goal, a method of calibration, or both."""

    goal: ThresholdGoal | None = None
    method: Method | None = None

    @classmethod
    def parse(cls, threshold_for: Any, calibrate: Any) -> DecisionRequest | None:
        """Read the two options; None if they ask for nothing.  Raises ArgumentError."""
        if calibrate is not None:
            one_of("calibrate", calibrate, (*METHODS, NONE))
        goal = None if threshold_for is None else ThresholdGoal.parse(threshold_for, "threshold_for")
        method = None if calibrate in (None, NONE) else calibrate
        return None if goal is None and method is None else cls(goal, method)

    def refuse_study(self, record: StudyRecord, dataset: Dataset) -> None:
        """Raise UsageError for a study without classes, of which one threshold cannot decide, or without its costs."""
        names = dataset.class_names
        if not dataset.unit.is_share:
            option = "--threshold-for" if self.goal is not None else "--calibrate"
            raise UsageError(f"{option}: expected a study of classes; this one predicts numbers")
        if self.goal is not None and len(names) > 2:
            raise UsageError(
                f"--threshold-for: one threshold decides between two classes; this study has {len(names)} "
                f"({some_of(names)}). With more, say what mistakes cost in [diagnosis] cost and search with metric "
                '"cost_of_errors", which predicts the class of the lowest expected cost; or treat classes alike by '
                'class_weight = "balanced" and metric "balanced_error"'
            )
        definition = parse_definition(record.definition, f"study {record.name!r}")
        if self.goal is not None and self.goal.name == "cost" and definition.diagnosis.cost is None:
            pair = f"{names[1]}->{names[0]}"
            raise UsageError(
                f"--threshold-for cost: study {record.name!r} does not say what mistakes cost. Add cost = "
                f"{{ {json.dumps(pair, ensure_ascii=False)} = 10 }} to [diagnosis] of its file"
            )


def fit_deciding(
    fit: Callable[[FitRequest], Model],
    request: FitRequest,
    wanted: DecisionRequest | None,
    record: StudyRecord,
    dataset: Dataset,
    settings: TrialSettings,
) -> Model:
    """Train a model with ``fit``, and choose its threshold and calibration if they are ``wanted``.

    The dev rows are asked of the model itself, or where it was trained on them of the trial's networks.

    An average of the networks of folds gets as many seeds as folds.  Of a trial's networks only one was not trained on
    a row, and its probabilities are further apart than an average's: a threshold chosen on them would be too far from
    0.5.  With seeds each row has the average of several.
    """
    if wanted is None:
        return fit(request)
    wanted.refuse_study(record, dataset)
    layout = dev_layout(dataset, settings.seeds)
    is_final = trains_on_all(request, layout)
    if layout.has_folds and not is_final:
        request = replace(request, seeds=max(request.seeds, layout.n_networks), ensemble=True)
    model, measured = fit(request), None
    if is_final:
        alone = not request.ensemble
        seeds = 1 if alone else request.seeds
        measured = fit(replace(request, on="train", single=alone and not layout.has_folds, seeds=seeds))
    decide(model, wanted, record, dataset, measured)
    return model


def decide(
    model: Model, request: DecisionRequest, record: StudyRecord, dataset: Dataset, measured: Model | None = None
) -> None:
    """Choose threshold and calibration on the dev rows, and give them to the model.

    ``measured``: a model of the same trial that was not trained on the dev rows, if this one was.  Raises UsageError
    where no threshold reaches the goal.
    """
    whose = "this model" if measured is None else f"trial {model.metadata.trial}"
    measured = model if measured is None else measured
    with threadpool_limits(limits=1):
        decision = _Choice(measured, request, record, dataset).metadata(whose)
    errors = model.metadata.errors
    if decision.moves_classes:
        errors = {name: error.model_copy(update={"of": error.of + BY_HIGHEST}) for name, error in errors.items()}
    model.metadata = model.metadata.model_copy(update={"decision": decision, "errors": errors})


class _Choice:
    """The dev rows with a model's probabilities, and what is chosen on them."""

    def __init__(self, model: Model, request: DecisionRequest, record: StudyRecord, dataset: Dataset) -> None:
        self.request, self.folds, self.names = request, record.dev_fold, dataset.class_names
        predicted = dev_predictions(model, dataset)
        if not predicted.has_probabilities:
            raise UsageError("--threshold-for and --calibrate: the model predicts classes without probabilities")
        self.p, self.y, self.groups = predicted.probabilities, dataset.dev_y, dataset.dev_groups
        self.before = predicted.classes
        own = [part.dev.weights for part in dataset.parts if part.dev.weights is not None]
        self.weights = relative(np.concatenate(own)) if own else None
        counts = np.bincount(self.y, self.weights, minlength=len(self.names))
        self.positive = 0 if counts[0] < counts[1] else 1
        self.costs = parse_definition(record.definition, f"study {record.name!r}").cost_matrix(self.names)
        of_two = None
        if self.costs is not None and len(self.names) == 2:
            of_two = (
                float(self.costs[self.positive, 1 - self.positive]),
                float(self.costs[1 - self.positive, self.positive]),
            )
        self.task = DecisionTask(request.method, request.goal, self.positive, of_two)

    def metadata(self, whose: str) -> DecisionMetadata:
        """Choose, and measure on each fold what the others choose."""
        chosen = self.task.choose(self.p, self.y, self.weights)
        calibrated = chosen.probabilities(self.p)
        curve = None if self.request.goal is None else self._curve(calibrated)
        classes, held = cross_fitted(self.task, self.p, self.y, self.folds, self.weights)
        return DecisionMetadata(
            of=whose,
            rows=len(self.y),
            calibration=None
            if chosen.calibration is None
            else CalibrationMetadata.of(
                chosen.calibration, before=_quality(self._calibration(self.p)), dev=_quality(self._calibration(held))
            ),
            threshold=None
            if curve is None or self.request.goal is None or chosen.threshold is None
            else ThresholdMetadata(
                positive=self.positive,
                rows=int((self.y == self.positive).sum()),
                value=chosen.threshold.value,
                goal=str(self.request.goal),
                before=self._measures(self.before),
                dev=self._measures(classes),
                curve=CurveMetadata.of(curve.shown(curve.place(self.request.goal))),
            ),
        )

    def _curve(self, calibrated: NDArray[np.float64]) -> ThresholdCurve:
        """The curve on all dev rows.  Raises UsageError where no threshold reaches the goal."""
        goal, name = self.request.goal, self.names[self.positive]
        curve = self.task.curve(calibrated, self.y, self.weights)
        assert goal is not None
        if curve is None:
            raise UsageError(f"--threshold-for {goal}: all {len(self.y):,} dev rows are of one class")
        best = float(curve.reached(goal).max())
        if goal.least is not None and best < goal.least:
            rows = count(int((self.y == self.positive).sum()), "row")
            raise UsageError(
                f"--threshold-for '{goal}': no threshold reaches it on the {len(self.y):,} dev rows ({rows} of "
                f"{name}); the highest {goal.name} is {percent(best)}, with one more row counted as wrong. Ask for less"
            )
        return curve

    def _calibration(self, p: NDArray[Any]) -> Calibration:
        return calibration(p, self.y, self.weights)

    def _measures(self, classes: NDArray[np.integer]) -> dict[str, MeasureMetadata]:
        """How good predicted classes (n,) are, with intervals."""
        wrong, in_errors = classes != self.y, BALANCED_ERROR.row_weights(self.y, self.weights)
        lost = wrong if self.weights is None else wrong * self.weights
        scores = scores_of(classes, self.y, self.weights, self.groups, self.names)[self.positive]
        balanced = estimate_error(wrong * in_errors, self.groups, in_errors, BALANCED_ERROR.strata(self.y))
        errors = {"error": estimate_error(lost, self.groups, self.weights), "balanced_error": balanced}
        shares = {"precision": scores.precision, "recall": scores.recall, "f1": scores.f1}
        measures = {name: MeasureMetadata.measured(of.value, of.low, of.high) for name, of in (shares | errors).items()}
        return measures | ({} if self.costs is None else {"cost": self._cost(self.costs[self.y, classes])})

    def _cost(self, costs: NDArray[np.float64]) -> MeasureMetadata:
        """The mean cost per row, from those of the rows (n,), with a normal interval."""
        most = float(costs.max()) or 1.0
        weights = np.ones(len(costs)) if self.weights is None else self.weights
        mean = float(np.average(costs, weights=weights))
        independent = independent_examples(
            costs / most * weights, self.groups, self.weights, rng=np.random.default_rng(0)
        )
        spread = math.sqrt(float(np.average((costs - mean) ** 2, weights=weights)) / (independent or len(costs)))
        return MeasureMetadata.measured(mean, max(mean - Z95 * spread, 0.0), mean + Z95 * spread)


def _quality(of: Calibration) -> QualityMetadata:
    return QualityMetadata(log_loss=of.log_loss, error=of.error, error_by_chance_95=of.by_chance_95)


def dev_predictions(model: Model, dataset: Dataset) -> Any:
    """What a model predicts of the dev rows that it was not trained on, in the order of ``dataset.dev_rows``."""
    if model.metadata.rows == "folds":
        return out_of_fold(model, dataset, together=True)
    return model.classify_encoded([each["dev"].inputs for each in read_parts(dataset, ["dev"], model.encodings)])
