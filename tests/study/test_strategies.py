"""Which trials explore, where trials are compared, and the tables of strategies."""

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.study import PRUNERS, explores, rungs


@given(st.floats(0, 1), st.integers(40, 400))
def test_the_share_of_exploring_trials_is_kept(share: float, n: int) -> None:
    """Of n trials the given share explores, and at least the first ten."""
    found = sum(explores(number, share) for number in range(n))
    assert found == max(10 if share > 0 else 0, int(n * share + 1e-9))


def test_the_first_ten_explore() -> None:
    """The first ten explore; then a quarter of 100 makes 25."""
    exploring = [number for number in range(100) if explores(number, 0.25)]
    assert exploring[:11] == [*range(10), 43]
    assert len(exploring) == 25


@pytest.mark.parametrize(
    ("max_epochs", "expected"), [(100, (33, 50, 75)), (6, (2, 3, 4)), (3, (1, 2)), (2, (1,)), (1, ())]
)
def test_rungs_come_before_the_last_epoch(max_epochs: int, expected: tuple[int, ...]) -> None:
    """Rungs are at a third, a half and three quarters, without duplicates."""
    assert rungs(max_epochs) == expected


@pytest.mark.parametrize("name", PRUNERS)
@pytest.mark.parametrize("max_epochs", [1, 2, 10, 1000])
def test_every_pruner_lets_the_first_trial_live(name: str, max_epochs: int) -> None:
    """Every pruner works with few rungs or none, and prunes nothing without trials to compare."""
    trial = optuna.create_study(pruner=PRUNERS[name](max_epochs)).ask()
    for epoch in (*rungs(max_epochs), max_epochs):
        trial.report(1.0, epoch)
        assert not trial.should_prune()
