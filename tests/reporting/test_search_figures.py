"""Figures of the search: validation curves, contours, random against sampled, expected best, timeline."""

import dataclasses
import datetime
import re
import sys
from collections.abc import Callable

import numpy as np
import pytest

from tests.reporting.building import make_study
from tuner.analysis import expected_best
from tuner.reporting import build_report
from tuner.reporting.figures.best_of import best_of
from tuner.reporting.figures.contours import contours
from tuner.reporting.figures.effects import effects
from tuner.reporting.figures.figure import Figure
from tuner.reporting.figures.sampled import sampled
from tuner.reporting.figures.timeline import timeline
from tuner.reporting.figures.validation import validation
from tuner.reporting.report import Report
from tuner.storage import Owner


@pytest.fixture(scope="module")
def report() -> Report:
    """Of 40 trials, the first ten of which explored."""
    return build_report(make_study(40))


@pytest.mark.parametrize("draw", [validation, contours, sampled, best_of, timeline])
def test_nothing_is_drawn_of_hardly_any_trials(draw: Callable[[Report], Figure | None]) -> None:
    """One trial has no curve."""
    assert draw(build_report(make_study(1))) is None


def test_every_hyperparameter_has_a_panel_with_its_trials(report: Report) -> None:
    """Train and dev dots, and the best trial of each slice; the dots are told by their trials."""
    figure = validation(report)
    assert figure is not None
    assert len(figure.dots) == figure.svg.count("<svg") == 6
    assert all(set(dots) == {t.number for t in report.findings.judged} for dots in figure.dots.values())
    assert figure.svg.count('class="smooth best"') == 6


def test_contours_are_of_the_two_most_important_ranges(report: Report) -> None:
    """In five shades, only where trials are."""
    figure = contours(report)
    assert figure is not None
    assert report.importances is not None
    names = [name for name in report.importances.shares if name != "initializer"]
    assert figure.title == f"Dev error over {names[0]} and {names[1]}"
    assert len(re.findall('class="cell level', figure.svg)) == 5
    assert figure.svg.count("h13.79v11.57") < 28 * 28


def test_effects_and_importance_are_in_one_figure(report: Report) -> None:
    """Each hyperparameter has its share once, beside its first row."""
    figure = effects(report)
    assert figure is not None
    assert report.importances is not None
    assert len(re.findall(r">\d+%</text>", figure.svg)) == len(report.importances.shares)
    assert "PED-ANOVA" in figure.sentence


def test_exploring_and_sampled_trials_are_apart(report: Report) -> None:
    """Two histograms, each with its number of trials and its median."""
    figure = sampled(report)
    assert figure is not None
    explored = sum(trial.exploring for trial in report.findings.judged)
    assert f"exploring (random): {explored} trials" in figure.svg
    assert f"sampled: {len(report.findings.judged) - explored} trials" in figure.svg


def test_the_expected_best_is_that_of_draws_with_replacement() -> None:
    """Of two errors the best of 1 is their mean, of 2 the lower in three of four draws."""
    found = expected_best(np.array([0.2, 0.1]), rng=np.random.default_rng(0))
    assert found.value.tolist() == pytest.approx([0.15, 0.125])
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()


def test_the_expected_best_of_very_many_trials_is_computed_for_some_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have the same values, and the half of the trials is among them."""
    errors = np.random.default_rng(1).random(90)
    every = expected_best(errors, rng=np.random.default_rng(0))
    monkeypatch.setattr(sys.modules[expected_best.__module__], "MANY", 80)
    some = expected_best(errors, rng=np.random.default_rng(0))
    assert len(some.k) < 20
    assert {1, 45, 90} <= set(some.k.tolist())
    assert some.low == pytest.approx(every.low[some.k - 1])


def test_the_expected_best_is_drawn_of_exploring_trials(report: Report) -> None:
    """Those that were spread at random; with fewer than ten of them, of all."""
    figure = best_of(report)
    assert figure is not None
    assert "10 exploring trials" in figure.sentence
    record = make_study(20)
    trials = [dataclasses.replace(trial, exploring=False) for trial in record.trials]
    of_all = best_of(build_report(dataclasses.replace(record, trials=trials)))
    assert of_all is not None
    assert "exploring" not in of_all.sentence


def test_trials_at_the_same_time_are_in_lanes_of_their_own() -> None:
    """Two trials overlap, a third begins when the first has ended."""
    record = make_study(3)
    begin = record.trials[0].started
    assert begin is not None
    for k, (start, end) in enumerate(((0, 10), (5, 20), (10, 30))):
        start_at, end_at = (begin + datetime.timedelta(seconds=at) for at in (start, end))
        record.trials[k] = dataclasses.replace(record.trials[k], started=start_at, finished=end_at)
    figure = timeline(build_report(record))
    assert figure is not None
    assert "3 trials in 30 s, up to 2 at the same time; the lanes were busy 75% of the time." in figure.sentence


def test_each_worker_has_its_lane() -> None:
    """With its name: the process, and the machine if there are several."""
    record = make_study(3)
    for hosts, names in ((("a", "a", "a"), ("process 7", "process 8")), (("a", "b", "a"), ("7 on a", "8 on b"))):
        workers = [Owner(host, "", "", pid, "unknown") for host, pid in zip(hosts, (7, 8, 7), strict=True)]
        trials = [dataclasses.replace(t, worker=one) for t, one in zip(record.trials, workers, strict=True)]
        figure = timeline(build_report(dataclasses.replace(record, trials=trials)))
        assert figure is not None
        assert all(f">{name}</text>" in figure.svg for name in names)
        assert "3 trials by 2 workers" in figure.sentence
