"""What the best trial predicts of the dev rows, if its predictions were kept: confusions, scores, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import (
    ClassScores,
    NumberErrors,
    Ranking,
    Reliability,
    Share,
    Tenth,
    class_scores,
    confusion_matrix,
    errors_by_tenth,
    independent_examples,
    ranking,
    reliability,
)
from tuner.reporting.findings import Findings
from tuner.storage import StudyRecord, TrialRecord

HEADING = "Predictions of the best trial"
MOST_CLASSES_IN_JSON = 100


@dataclass(frozen=True)
class ClassPredictions:
    """How the classes that a trial predicts of the dev rows are wrong.

    ``confusion`` (n_classes, n_classes): rows by true class (rows) and predicted class (columns); with seeds the mean
    of the networks, with weights the sums of weights.  ``reliability``: None without probabilities.  ``ranking``: by
    the probability of the ``positive`` class, the rarer of two; None with more, or without probabilities.
    """

    class_names: list[str]
    confusion: NDArray[np.float64]
    classes: list[ClassScores]
    reliability: Reliability | None
    ranking: Ranking | None
    positive: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON; the confusions of more than 100 classes are null."""
        ranked = self.ranking
        return {
            "classes": [one.to_dict() for one in self.classes],
            "confusion": self.confusion.tolist() if len(self.classes) <= MOST_CLASSES_IN_JSON else None,
            "calibration": None if self.reliability is None else self.reliability.to_dict(),
            "positive_class": None if ranked is None else self.class_names[self.positive],
            "roc_auc": None if ranked is None else _ends(ranked.area),
            "average_precision": None if ranked is None else _ends(ranked.average_precision),
        }


def _ends(share: Share) -> dict[str, float]:
    """Return a number with its interval, which is of no rows in particular."""
    return {"value": share.value, "low": share.low, "high": share.high}


def find_predictions(record: StudyRecord, findings: Findings) -> ClassPredictions | None:
    """Judge the best trial's predictions of the dev rows; None if there are none."""
    best = findings.best
    if best is None or best.predictions is None or not record.unit.is_share:
        return None
    predicted, probabilities = best.predictions.classes, best.predictions.probabilities
    n_dev, n_classes = len(record.dev_y), len(record.class_names)
    times = len(predicted) // n_dev
    y, of_rows = np.tile(record.dev_y, times), own_weights(record)
    weights = None if of_rows is None else np.tile(of_rows, times)
    shares = (predicted != y).reshape(times, n_dev).mean(axis=0) * (1.0 if of_rows is None else of_rows)
    independent = independent_examples(shares, record.dev_groups, of_rows, rng=np.random.default_rng(0))
    effective = 1.0 if independent is None else independent / n_dev
    confusion = confusion_matrix(y, predicted, n_classes, weights) / times
    positive = 0 if confusion[0].sum() < confusion[1].sum() else 1
    of_predicted, ranked = None, None
    if probabilities is not None:
        alone = probabilities.shape[1] == 1
        confidence = probabilities[:, 0] if alone else probabilities[np.arange(len(y)), predicted]
        of_predicted = reliability(confidence, predicted == y, weights, effective=effective / times)
        if n_classes == 2 and not alone:
            ranked = ranking(probabilities[:, positive], y == positive, weights, effective=effective / times)
    scores = class_scores(confusion, record.class_names, effective=effective)
    return ClassPredictions(record.class_names, confusion, scores, of_predicted, ranked, positive)


def find_tenths(record: StudyRecord, findings: Findings) -> list[Tenth]:
    """Measure the best trial's predictions of one number by tenth of the target; none of others, or if none are kept.

    With seeds a row's loss and residual are the means over the networks.
    """
    best, unit = findings.best, record.unit
    if best is None or best.predictions is None or unit.is_share or unit.targets:
        return []
    numbers = best.predictions.by_network(len(record.dev_y))
    y, losses = unit.restored(record.dev_y), unit.row_losses(numbers, record.dev_y).mean(axis=0)
    residuals = unit.predicted(numbers).mean(axis=0) - y
    return errors_by_tenth(y, residuals, losses, unit, record.dev_weights, record.dev_groups)


def find_target_errors(record: StudyRecord, best: TrialRecord | None) -> dict[str, NumberErrors]:
    """Return the dev errors of each of several targets, of the best trial's networks; none without predictions."""
    unit = record.unit
    if best is None or best.predictions is None or not unit.targets:
        return {}
    predicted = unit.predicted(best.predictions.classes)
    times = len(predicted) // len(record.dev_y)
    y = np.concatenate([unit.restored(record.dev_y)] * times)
    weights = None if record.dev_weights is None else np.tile(record.dev_weights, times)
    names = [target.name for target in unit.targets]
    return dict(zip(names, NumberErrors.of_each(predicted, y, weights), strict=True))


def own_weights(record: StudyRecord) -> NDArray[np.float64] | None:
    """Return the dev rows' own weights (n_dev,), without those of the classes; None if all count alike."""
    weights = record.dev_weights
    if weights is None or record.dev_strata is None:
        return weights
    of_classes = np.bincount(record.dev_y, weights=weights) / np.maximum(np.bincount(record.dev_y), 1)
    own = weights / of_classes[record.dev_y]
    return None if np.allclose(own, 1) else own


def predictions_sentence(findings: Findings, error: str, chosen: str) -> str:
    """Say what the section is based on, or why it has nothing to show; empty without a best trial.

    ``error``: the name of the study's error; ``chosen``: what the dev rows served to choose.
    """
    best, errors, unit = findings.best, findings.diagnosis.errors, findings.diagnosis.unit
    dev, corrected = errors.get("dev"), errors.get("dev_corrected")
    if best is None or dev is None:
        return ""
    if best.predictions is None:
        return (
            f"No predictions of trial {best.number} are kept, because tuner 0.2 or before recorded it. Later trials "
            "have theirs; tuner train and tuner evaluate show confusions and calibration of this one."
        )
    text = (
        f"Trial {best.number} on the {dev.n:,} dev rows that also served to choose {chosen}: its {error} there is "
        f"{unit.text(dev.value)}"
    )
    if corrected is None or unit.text(corrected.value) == unit.text(dev.value):
        return f"{text}. What follows is as measured, too."
    allowing = f"and {unit.text(corrected.value)} after allowing for the choice"
    return f"{text}, {allowing}. What follows is as measured, and too good in the same way."
