"""What a report says of trials that were trained again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.reporting.building import make_study
from tuner.reporting import build_report
from tuner.storage import Confirmation, StudyRecord


def confirmed(values: dict[int, Sequence[float | None]], *, is_finished: bool = True) -> StudyRecord:
    """A study whose trials by number were trained again, on its own split and then on another; None: that failed."""
    record = make_study()
    again = {
        number: [Confirmation(k + 1, k, value, is_finished) for k, value in enumerate(of)]
        for number, of in values.items()
    }
    trials = [replace(trial, confirmations=again.get(trial.number, ())) for trial in record.trials]
    return replace(record, trials=trials)


def best_numbers(n: int) -> list[int]:
    """The numbers of the n best trials of the made study."""
    judged = sorted(make_study().judged, key=lambda trial: (trial.value, trial.number))
    return [trial.number for trial in judged[:n]]


def test_the_best_by_all_trainings_is_reported_with_what_was_luck() -> None:
    """A hand-worked case: the best trial of the search is 4 pp worse with another seed, the second 1 pp."""
    first, second = best_numbers(2)
    values = {trial.number: trial.value or 0.0 for trial in make_study().judged}
    again = {first: values[first] + 0.04, second: values[second] + 0.01}
    report = build_report(
        confirmed({first: [again[first], again[first]], second: [again[second], again[second] + 0.02]})
    )
    assert report.best is not None
    assert report.best.number == second
    found = report.summary["confirmation"]
    assert [trial["number"] for trial in found["trials"]] == [second, first]
    assert (found["chosen_before"], found["optimism"]) == (first, pytest.approx(0.025))
    assert found["spread_by_seed"] == pytest.approx(0.03 / 2)  # differences 4 and 1 pp: deviation 3/√2, over √2
    assert found["spread_by_split"] == pytest.approx(0.0)  # √(0.02²/4 − 0.015²) is none
    assert report.uncertainty is not None
    assert (report.uncertainty.seed, report.uncertainty.split) == (found["spread_by_seed"], found["spread_by_split"])
    text = " ".join(report.notes)
    assert f"trial {second} is the best (in the search it was trial {first})" in text
    assert "With another seed alone the dev error is 2.5 pp higher than in the search." in text
    assert "by 2 trials trained again: 1.5 pp from the seed and 0.0 pp from the split." in text


def test_one_seed_or_one_trial_shows_less() -> None:
    """Without another split its luck is unknown; one trial shows no spread."""
    first, second = best_numbers(2)
    notes = " ".join(build_report(confirmed({first: [0.2], second: [0.1]})).notes)
    assert "from the seed. What another split would change is unknown." in notes
    report = build_report(confirmed({first: [0.2, 0.2]}))
    assert f"Trial {first} was trained again, with another seed and another split" in " ".join(report.notes)
    assert report.summary["confirmation"]["spread_by_seed"] is None


def test_open_and_failed_trainings_are_named() -> None:
    """Nothing is chosen by them."""
    first, second = best_numbers(2)
    report = build_report(confirmed({first: [None], second: [None]}, is_finished=False))
    assert "2 of 2 trainings of the best trials again are not done." in report.notes
    report = build_report(confirmed({first: [None], second: [None]}))
    assert "Training again failed of trials" in " ".join(report.notes)
    assert "confirmation" not in report.summary
    assert np.all([trial.number == first for trial in [report.best] if trial])
