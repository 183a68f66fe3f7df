"""The steps from the baseline to the last error."""

import pytest

from tuner.analysis import ErrorEstimate, diagnose
from tuner.reporting.steps import error_steps, steps_sentence


@pytest.mark.parametrize("baseline", [None, 0.013])
@pytest.mark.parametrize("test", [None, 30])
@pytest.mark.parametrize("train_dev", [None, 25])
def test_the_steps_add_up(baseline: float | None, test: int | None, train_dev: int | None) -> None:
    """Each step begins where the one before ends, and the written sizes give the written last error."""
    found = diagnose(
        train=ErrorEstimate.measured(14, 997),
        dev=ErrorEstimate.measured(40, 1000),
        dev_corrected=ErrorEstimate(value=0.0517, n=1000),
        train_dev=None if train_dev is None else ErrorEstimate.measured(train_dev, 1000),
        test=None if test is None else ErrorEstimate.measured(test, 700),
        baseline=baseline,
    )
    steps = error_steps(found)
    assert [one.end for one in steps[:-1]] == [one.start for one in steps[1:]]
    assert len({one.key for one in steps}) == len(steps) == 3 + (test is not None) + (train_dev is not None)
    total = 100 * (baseline or 0) + sum(float(step.size.replace("−", "-")) for step in steps)
    assert total == pytest.approx(100 * steps[-1].end, abs=0.051)
    assert ("from 0%" in steps_sentence(found)) is (baseline is None)


def test_without_a_choice_there_is_no_optimism() -> None:
    """One trial: train and dev only; without a trial nothing."""
    found = diagnose(train=ErrorEstimate.measured(1, 100), dev=ErrorEstimate.measured(5, 100))
    assert [step.key for step in error_steps(found)] == ["train", "dev"]
    assert steps_sentence(diagnose(train=None, dev=None)) == ""
