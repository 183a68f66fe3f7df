"""What the best trial predicts of the dev rows: in the table of classes, the figures and the summary."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.reporting.building import make_study
from tuner.reporting import Report, build_report
from tuner.reporting.figures import FIGURES
from tuner.reporting.figures.confusion import confusion
from tuner.reporting.figures.ranking import precision_recall, roc
from tuner.reporting.figures.reliability import reliability
from tuner.reporting.markdown import markdown
from tuner.reporting.page import page
from tuner.reporting.predictions import HEADING
from tuner.reporting.rows import class_table
from tuner.storage import DevPredictions


def report_of(change: Any = None, **study: Any) -> Report:
    """The report of a study of 12 trials, their predictions changed."""
    record = make_study(12, **study)
    if change is not None:
        trials = [
            replace(trial, predictions=trial.predictions and change(trial.predictions)) for trial in record.trials
        ]
        record = replace(record, trials=trials)
    return build_report(record)


@pytest.mark.parametrize("options", [{}, {"folds": 4}, {"seeds": 3}])
def test_the_wrong_rows_are_those_of_the_dev_error(options: dict[str, int]) -> None:
    """Of one network, of folds together, of seeds on average."""
    report = report_of(**options)
    found, dev = report.predictions, report.diagnosis.errors["dev"]
    assert found is not None
    assert dev is not None
    assert found.confusion.sum() == pytest.approx(len(report.record.dev_y))
    wrong = found.confusion.sum() - np.trace(found.confusion)
    assert wrong / found.confusion.sum() == pytest.approx(dev.value)
    assert [one.recall.n for one in found.classes] == pytest.approx(np.bincount(report.record.dev_y).tolist())


def test_weights_and_groups_count() -> None:
    """Weighted rows are summed by their weights, and dependent ones make the intervals longer."""
    record = make_study(12, n_dev=400)
    weights = np.tile([0.5, 1.5], 200)
    plain, weighted, grouped = (
        build_report(each).predictions
        for each in (
            record,
            replace(record, dev_weights=weights),
            replace(record, dev_groups=np.arange(400) // 40),
        )
    )
    assert plain is not None
    assert weighted is not None
    assert grouped is not None
    own = record.dev_y == 0
    assert weighted.classes[0].recall.n == pytest.approx(weights[own].sum())
    assert grouped.classes[0].recall.value == plain.classes[0].recall.value
    assert grouped.classes[0].recall.low < plain.classes[0].recall.low


def test_class_weights_of_the_errors_are_not_in_the_counts() -> None:
    """Of a search for the balanced error: precision is that of the rows as they are."""
    record = make_study(12, metric="balanced_error", class_names=("no", "yes"), facts={"weighs_classes": True})
    record = replace(record, identity={"search.metric": "balanced_error"})
    weights = record.counted_by.row_weights(record.dev_y)
    predictions = build_report(replace(record, dev_weights=weights)).predictions
    assert predictions is not None
    np.testing.assert_array_equal(predictions.confusion.sum(axis=1), np.bincount(record.dev_y))


def test_two_classes_are_ranked_by_the_rarer() -> None:
    """The curves, and the numbers in the summary, which is plain JSON."""
    report = report_of(class_names=("no", "yes"), n_dev=401)
    of_classes = np.bincount(report.record.dev_y)
    summary = json.loads(json.dumps(report.summary))["best"]["predictions"]
    assert summary["positive_class"] == ("no", "yes")[int(of_classes.argmin())]
    assert 0.5 < summary["roc_auc"]["low"] < summary["roc_auc"]["value"] <= summary["roc_auc"]["high"]
    assert sum(map(sum, summary["confusion"])) == 401
    assert {key for key, draw in FIGURES[HEADING].items() if draw(report) is None} == {"predicted", "tenths"}


def test_of_three_classes_nothing_is_ranked() -> None:
    """Their confusions and calibration are drawn."""
    report = report_of()
    assert (roc(report), precision_recall(report)) == (None, None)
    assert report.summary["best"]["predictions"]["roc_auc"] is None
    matrix, curve = confusion(report), reliability(report)
    assert matrix is not None
    assert curve is not None
    assert matrix.svg.count("<rect") == np.count_nonzero(report.predictions.confusion)  # type: ignore[union-attr]
    assert "calibration error" in curve.sentence


def test_classes_without_probabilities_have_confusions_alone() -> None:
    """As a custom trainer may return them."""
    report = report_of(lambda one: DevPredictions(one.classes, None), class_names=("no", "yes"))
    assert [key for key, draw in FIGURES[HEADING].items() if draw(report) is not None] == ["confusion"]
    assert report.summary["best"]["predictions"]["calibration"] is None


def test_the_probability_of_the_predicted_class_is_enough_to_be_calibrated() -> None:
    """As it is kept of very many classes."""
    whole = report_of().predictions
    alone = report_of(lambda one: DevPredictions(one.classes, one.probabilities.max(axis=1, keepdims=True))).predictions
    assert whole is not None
    assert alone is not None
    assert whole.reliability == alone.reliability


def test_many_classes_are_bars_of_their_confusions() -> None:
    """The most frequent first; the table shows the classes with the highest errors."""
    report = report_of(class_names=tuple(f"class {k}" for k in range(30)))
    figure = confusion(report)
    assert figure is not None
    assert figure.title == "Most frequent confusions"
    assert "class 0 → class 1" in figure.svg or "→" in figure.svg
    assert "The 20 of 30 classes with the highest errors." in page(report)


def test_the_section_says_what_was_chosen_on_these_rows() -> None:
    """Measured and selection-corrected error are beside what is not corrected."""
    report = report_of()
    assert "dev rows" in page(report)
    assert "that also served to choose trial and epoch" in page(report)
    assert "| recall | 95% | precision | 95% | F1 | 95% |" in markdown(report)


def test_trials_of_older_versions_have_none() -> None:
    """The section says so, and the table has the dev errors of the classes."""
    report = report_of(lambda one: None)
    html = page(report)
    assert HEADING in html
    assert "tuner 0.2 or before recorded it" in html
    assert "| dev error | 95% |" in markdown(report)
    assert "predictions" not in report.summary["best"]


def test_one_class_predicted_and_no_row_wrong() -> None:
    """What has no rows has no share, and nothing divides by 0."""
    one_class = report_of(
        lambda one: DevPredictions(one.classes * 0, np.tile([1.0, 0.0], (len(one.classes), 1))),
        class_names=("no", "yes"),
    )
    assert one_class.summary["best"]["predictions"]["classes"][1]["precision"]["value"] is None
    assert {key for key, draw in FIGURES[HEADING].items() if draw(one_class) is None} == {"predicted", "tenths"}
    perfect = report_of(bias=0.0, variance=0.0, class_names=("no", "yes"))
    y = perfect.record.dev_y
    changed = replace(perfect.record.trials[0], predictions=DevPredictions(y, np.eye(2)[y]))
    figure = confusion(build_report(replace(perfect.record, trials=[changed])))
    assert figure is not None
    assert "No row is taken for another class." in figure.sentence


@pytest.mark.parametrize(
    ("metric", "loss"), [("brier", {"typical": 0.6, "most": 2.0}), ("auc", {"typical": 1.0, "is_share": True})]
)
def test_every_part_is_of_the_metric_of_the_study(metric: str, loss: dict[str, Any]) -> None:
    """A column of the classes whose mean is the metric, the mean over seeds, and parts of the uncertainty."""
    report = report_of(metric=metric, seeds=2, facts={"loss": {"metric": metric, **loss}})
    name = report.error_name
    assert class_table(report).headings[-2:] == [f"dev {name}", "95%"]
    classes = report.summary["best"]["class_metric"]
    assert all(each["low"] < each["value"] < each["high"] for each in classes.values())
    if metric == "brier":  # the probabilities of a made study are not those of its losses
        mean = np.average([each["value"] for each in classes.values()], weights=np.bincount(report.record.dev_y))
        assert mean == pytest.approx(report.diagnosis.errors["dev"].value)  # type: ignore[union-attr]
    assert any(note.startswith(f"Mean dev {name} of these hyperparameters over 2 seeds") for note in report.notes)
    assert any(note.startswith(f"Standard deviations of one network's dev {name}: ") for note in report.notes)
    assert "majority class" not in markdown(report)


def test_a_class_is_ranked_against_the_rest() -> None:
    """1 − AUC of each of three classes is scikit-learn's, of each network of folds by itself."""
    report = report_of(metric="auc", folds=4, facts={"loss": {"metric": "auc", "typical": 1.0, "is_share": True}})
    record, best = report.record, report.best
    assert best is not None
    layout, kept = record.dev_layout(best), best.predictions.probabilities  # type: ignore[union-attr]
    parts = [np.split(of, np.cumsum(layout.sizes)[:-1]) for of in (kept, record.dev_y)]
    for label, found in enumerate(report.summary["best"]["class_metric"].values()):
        areas = [roc_auc_score(y == label, p[:, label]) for p, y in zip(*parts, strict=True)]
        assert found["value"] == pytest.approx(1 - np.average(areas, weights=layout.sizes))
