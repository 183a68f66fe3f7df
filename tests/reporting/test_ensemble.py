"""What a report says that the average of the best trials would gain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.reporting.building import make_study
from tuner.reporting import build_report
from tuner.reporting.ensemble import ensemble_sentence, find_ensemble_gain
from tuner.storage import DevPredictions, StudyRecord
from tuner.study import parse_definition
from tuner.units import Unit


def predicting(record: StudyRecord, predictions: list[DevPredictions | None]) -> StudyRecord:
    """The study with so many of its best trials' predictions."""
    best = sorted(record.judged, key=lambda trial: (trial.value, trial.number))
    of = dict(zip([trial.number for trial in best], predictions, strict=False))
    return replace(record, trials=[replace(trial, predictions=of.get(trial.number)) for trial in record.trials])


@pytest.mark.parametrize(
    ("options", "ending"), [({}, "chose neither."), ({"folds": 4, "n_train": 800}, "has much of this gain already.")]
)
def test_the_gain_is_reported_with_its_interval(options: dict[str, int], ending: str) -> None:
    """Each of ten trials is wrong on another twentieth of the rows: their average never is, and gains 5 pp."""
    record = make_study(**options)  # type: ignore[arg-type]
    n = len(record.dev_y)
    record = replace(record, dev_fold=np.arange(n) % 20)
    wrong = [(np.arange(n) // 20) % 20 == k for k in range(10)]  # in each fold as many
    classes = [np.where(each, (record.dev_y + 1) % 3, record.dev_y) for each in wrong]
    report = build_report(predicting(record, [DevPredictions(each, np.eye(3)[each]) for each in classes]))
    found = report.summary["ensemble_of_trials"]
    assert (found["trials"], len(found["numbers"]), found["average"]) == (10, 10, 0.0)
    assert found["best"] == found["gain"]["value"] == pytest.approx(0.05)
    half = 1.96 * np.sqrt(0.05 * 0.95 / n * (1.25 if "folds" in options else 1))
    assert found["gain"]["value"] - found["gain"]["low"] == pytest.approx(half, rel=0.01)
    assert found["gain"]["high"] == found["best"]  # no error is below 0
    (note,) = (note for note in report.notes if "--ensemble-of auto" in note)
    assert "average of 10 of the best trials" in note
    assert note.endswith(ending)


def test_of_numbers_the_gain_is_in_their_unit() -> None:
    """Two trials whose errors of 2 point in opposite directions: the average has none."""
    record = make_study()
    y = np.random.default_rng(0).standard_normal(len(record.dev_y))
    facts = replace(record.facts, class_names=[], unit=Unit(scale=10.0, mean=0.0))
    numbers = replace(record, dev_y=y, facts=facts)
    trials = [DevPredictions(y + sign * 0.2, None) for sign in (1, -1)]
    found = find_ensemble_gain(predicting(numbers, trials), parse_definition(record.definition, "made"))
    assert found is not None
    assert (found.best, found.average) == (pytest.approx(2.0), pytest.approx(0.0, abs=1e-6))
    assert found.value == pytest.approx(2.0)


def test_an_average_that_is_worse_is_said_to_be() -> None:
    """The first of two trials is never wrong, the other always, and surer: so is their average."""
    record = make_study()
    y = record.dev_y
    trials = [DevPredictions(y, np.eye(3)[y]), DevPredictions((y + 1) % 3, 1.2 * np.eye(3)[(y + 1) % 3])]
    record = predicting(record, [*trials])
    found = find_ensemble_gain(record, parse_definition(record.definition, "made"))
    assert ensemble_sentence(found, record).endswith(
        "is 100.0 pp higher than of the best one (95% interval 100.0–100.0), by dev rows that chose neither."
    )


@pytest.mark.parametrize("kept", [1, 0])
def test_without_predictions_of_two_trials_nothing_is_said(kept: int) -> None:
    """Nor where only the probabilities of the predicted classes were kept."""
    record = make_study()
    y = record.dev_y
    report = build_report(predicting(record, [DevPredictions(y, np.eye(3)[y])] * kept))
    assert "ensemble_of_trials" not in report.summary
    report = build_report(predicting(record, [DevPredictions(y, np.ones((len(y), 1)))] * 3))
    assert "ensemble_of_trials" not in report.summary
