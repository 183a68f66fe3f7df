"""The learning curve in the report: sentence, figure, table, numbers, and what it does to the advice."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from tests.reporting.building import make_study
from tuner.analysis import LearningNetwork
from tuner.reporting import Report, build_report
from tuner.reporting.figures.learning import learning
from tuner.reporting.markdown import markdown
from tuner.reporting.page import page
from tuner.storage import StudyRecord, TrialRecord

SIZES = (125, 250, 500, 1000)


def networks(
    record: StudyRecord, slope: float, sizes: tuple[int, ...] = SIZES, *, left_out: float | None = None
) -> list[LearningNetwork]:
    """Dev errors of 30% at 1,000 examples, 30% + so much more at every halving; half as much train error.

    ``left_out``: by how much the error on training rows left out (1,000 less n) is above that on dev.
    """
    n_dev = len(record.dev_y)
    difficulty = np.random.default_rng(1).permutation(n_dev) / n_dev
    found = []
    for n in sizes:
        error = 0.3 + slope * np.log2(1000 / n)
        for repeat in range(3):
            wrong = difficulty < error + 0.002 * (repeat - 1)
            bits = {}
            if left_out is not None and n < max(sizes):
                out = np.arange(1000) >= n
                rows = np.random.default_rng(2).permutation(1000) / 1000
                bits = {"left_out": out, "left_wrong": out & (rows < error + left_out)}
            found.append(
                LearningNetwork(
                    n_train=n, repeat=repeat, part=0, stop_reason="patience", best_epoch=5, epochs=9,
                    train_wrong=n // 8, error=float(wrong.mean()), wrong=wrong, seconds=0.1, **bits,
                )
            )  # fmt: skip
    return found


def report_with(
    slope: float = 0.05, sizes: tuple[int, ...] = SIZES, *, best: bool = True, left_out: float | None = None
) -> Report:
    """A study with high variance whose best trial, or another, has a learning curve."""
    record = make_study(30, bias=0.005, variance=0.2, n_dev=3000)
    chosen = record.best if best else max((t for t in record.trials if t.is_judged), key=lambda trial: trial.value or 0)
    assert chosen is not None
    return with_curve(record, chosen, networks(record, slope, sizes, left_out=left_out))


def with_curve(record: StudyRecord, of: TrialRecord, curve: list[LearningNetwork]) -> Report:
    """The report of a study in which a trial has a learning curve."""
    trials = [dataclasses.replace(trial, learning=curve) if trial is of else trial for trial in record.trials]
    return build_report(dataclasses.replace(record, trials=trials))


def test_the_sentence_stands_everywhere() -> None:
    """On the page with its figure, in Markdown with its table, in the summary with its numbers, in the advice."""
    report = report_with()
    assert report.learning is not None
    assert report.learning.curve is not None
    estimate = f"{100 * report.learning.curve.estimate:.1f}"
    sentence = f"Twice the data would lower dev error from about {estimate}% (30.0% on this dev set) to about "
    assert report.learning.sentence.startswith(sentence)
    summary = json.loads(json.dumps(report.summary))["learning_curve"]
    assert summary["sentence"].startswith(sentence)
    assert [point["n_train"] for point in summary["points"]] == list(SIZES)
    assert summary["points"][0]["train_error"] == pytest.approx(0.12)
    assert summary["helps"] is True
    assert sentence in re.sub(r"\[([^]]+)\]\(https:[^)]+\)", r"\1", markdown(report))
    assert "| 125 | 12.0% | 45.0% | 3 |" in markdown(report)
    shown = page(report)
    assert 'id="learning"' in shown
    assert report.actions[0].action == "more_data"
    assert report.actions[0].why.startswith(sentence)


def test_rows_left_out_are_told_beside_the_dev_set() -> None:
    """A column, a legend, the estimate in the sentence, the summary and the advice; today's dev error stays."""
    report = report_with(left_out=0.06)
    found = report.learning
    assert found is not None
    assert found.curve is not None
    estimate = f"{100 * found.curve.estimate:.1f}"
    assert found.curve.estimate > 0.305
    assert found.sentence.startswith(
        f"Twice the data would lower dev error from about {estimate}% (30.0% on this dev set) to about "
    )
    summary = json.loads(json.dumps(report.summary))["learning_curve"]
    assert summary["today"] == pytest.approx(0.3, abs=1e-3)
    assert summary["today_estimate"]["n_train"] == 1000
    assert summary["today_estimate"]["value"] == pytest.approx(found.curve.estimate)
    assert [point["left_out"] for point in summary["points"]] == [875, 750, 500, 0]
    assert summary["points"][3]["left_out_error"] is None
    table = markdown(report)
    assert "| trainings | error on rows left out |" in table
    assert "| 1,000 | 12.5% | 30.0% | 3 | – |" in table
    figure = learning(report)
    assert figure is not None
    assert ("left_out", "error on training rows left out") in figure.legend
    assert "the rows that they left out (of 875 training rows)" in figure.sentence
    assert report.actions[0].why.startswith(found.sentence.rstrip("."))


def test_a_curve_on_dev_alone_says_nothing_of_rows_left_out() -> None:
    """No column, no legend; today's estimate is the curve's."""
    report = report_with()
    figure = learning(report)
    assert figure is not None
    assert report.summary["learning_curve"]["today_estimate"]["value"] == pytest.approx(0.306, abs=0.01)
    assert "left out" not in markdown(report) + figure.sentence + str(figure.legend)


def test_without_a_curve_nothing_is_said_of_it() -> None:
    """No figure, no heading, no key; the advice names the command that measures it."""
    report = build_report(make_study(30, bias=0.005, variance=0.2, n_dev=3000))
    assert report.learning is None
    assert learning(report) is None
    assert "learning_curve" not in report.summary
    assert "Would more data help?" not in markdown(report) + page(report)
    assert report.actions[0].command == "tuner learning-curve made"


def test_a_flat_curve_takes_more_data_from_the_advice() -> None:
    """The fall is below the threshold, which is said; regularization is what is left."""
    report = report_with(slope=0.0)
    assert report.learning is not None
    assert report.learning.sentence.endswith("; that is below the threshold of 2.0 pp.")
    assert report.summary["learning_curve"]["is_flat"] is True
    assert report.actions[0].action == "more_regularization"


def test_too_few_sizes_settle_nothing() -> None:
    """Three sizes are shown and said to be few; the advice is still to measure."""
    report = report_with(sizes=SIZES[1:])
    assert report.learning is not None
    assert "3 sizes are too few" in report.learning.sentence
    assert report.actions[0].command == "tuner learning-curve made"


def test_the_curve_of_a_trial_that_is_no_longer_the_best_is_named() -> None:
    """It is shown as what it is, and advises nothing."""
    report = report_with(best=False)
    assert report.learning is not None
    assert f"Measured with trial {report.learning.trial}, which is no longer the best." in report.learning.sentence
    assert report.actions[0].command == "tuner learning-curve made"


def test_a_curve_of_which_everything_diverged_is_said_to_be_none() -> None:
    """No figure and no numbers, but no failure."""
    report = report_with()
    best = report.best
    assert best is not None
    gone = [dataclasses.replace(network, best_epoch=0, stop_reason="diverged") for network in best.learning]
    again = with_curve(report.record, best, gone)
    assert again.learning is not None
    assert "All networks of the learning curve diverged" in again.learning.sentence
    assert learning(again) is None
    assert again.summary["learning_curve"]["twice"] is None
