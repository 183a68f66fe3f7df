"""A quick version of ``benchmarks/diagnosis.py``: the same goals, loosened by three of its own standard errors."""

import pandas as pd
import pytest

from benchmarks import diagnosis_of_numbers
from benchmarks.diagnosis import diagnosis_goals, judge_problem
from benchmarks.goals import Goal
from benchmarks.hyperparameter_surface import hyperparameter_goals, judge_hyperparameters

SLACK = 3.0


def missed(goals: list[Goal]) -> list[str]:
    """Goals that are missed by more than sampling can explain."""
    return [str(goal) for goal in goals if not goal.kept(SLACK)]


@pytest.mark.slow
def test_claims_hold_on_made_problems() -> None:
    """Coverage, widths, levels, verdicts and the corrected error, on two problems of each kind."""
    rows = [row for number in range(12) for row in judge_problem(number, seed=1, draws=6, truth=4000, most_trials=30)]
    assert missed(diagnosis_goals(pd.DataFrame(rows))) == []


def test_claims_hold_on_made_problems_of_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage, levels and the corrected RMSE, on one problem whose rows have weights."""
    monkeypatch.setattr(diagnosis_of_numbers, "TRUTH", 2000)
    rows = pd.DataFrame(diagnosis_of_numbers.judge_problem(3, seed=0, draws=8))
    assert rows.kind.tolist() == ["weights"] * 8
    assert missed(diagnosis_of_numbers.goals_of(rows, "all")) == []


@pytest.mark.slow
def test_effects_of_hyperparameters_hold_on_a_made_surface() -> None:
    """Coverage, signs, and hyperparameters that do nothing, in four searches."""
    rows = [row for number in range(4) for row in judge_hyperparameters(number, seed=1)]
    assert missed(hyperparameter_goals(pd.DataFrame(rows))) == []


@pytest.mark.slow
def test_claims_hold_on_a_dev_set_searched_to_death() -> None:
    """Two hundred trials on a hundred dev examples."""
    rows = [row for number in (5, 11, 17) for row in judge_problem(number, seed=2, draws=20, truth=6000)]
    assert missed(diagnosis_goals(pd.DataFrame(rows))) == []
