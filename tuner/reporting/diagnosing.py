"""From a stored study to the numbers of its report: the chosen trial's errors, gaps and verdict."""

from __future__ import annotations

import numpy as np

from tuner.analysis import Baseline, Diagnosis, ErrorEstimate, diagnose
from tuner.reporting.frames import dev_error, train_dev_error, train_error
from tuner.storage import StudyRecord, TrialRecord


def diagnose_study(record: StudyRecord, best: TrialRecord | None, baseline: Baseline, material_gap: float) -> Diagnosis:
    """Build the bias/variance table of the study's best trial."""
    references = record.facts.get("references", {})
    return diagnose(
        train=None if best is None else counted(train_error(best), record.sizes["train"]),
        dev=None if best is None else counted(dev_error(best), len(record.dev_y)),
        train_dev=None if best is None else counted(train_dev_error(best), record.sizes.get("train_dev", 0)),
        test=test_error(record, best),
        baseline=baseline,
        material_gap=material_gap,
        majority=references.get("majority", majority_error(record)),
        logistic_regression=references.get("logistic_regression"),
    )


def counted(error: float | None, examples: int) -> ErrorEstimate | None:
    """Let an error rest on ``examples`` different rows, however many networks judged each of them."""
    if error is None or not examples:
        return None
    return ErrorEstimate(value=error, n=examples)


def test_error(record: StudyRecord, best: TrialRecord | None) -> ErrorEstimate | None:
    """The last look at the test set with the best trial's network; None as long as it is sealed."""
    looks = [look for look in record.test_looks if best is not None and look["trial_number"] == best.number]
    return ErrorEstimate.counted(looks[-1]["wrong"], looks[-1]["n"]) if looks else None


def majority_error(record: StudyRecord) -> float | None:
    """Dev error of always answering the commonest class of the dev set."""
    counts = np.bincount(record.dev_y)
    return float(1 - counts.max() / counts.sum()) if counts.sum() else None
