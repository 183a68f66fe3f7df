"""Numbers and verdicts in words."""

import numpy as np
import pytest

from tuner import formatting
from tuner.analysis import ErrorEstimate, diagnose, disputed_by
from tuner.reporting import sentences


@pytest.mark.parametrize(
    ("error", "expected"),
    [(0.0, "0.0%"), (0.0014, "0.14%"), (0.0096, "1.0%"), (0.024, "2.4%"), (0.898, "89.8%"), (None, "–")],
)
def test_errors_are_written_in_percent(error: float | None, expected: str) -> None:
    """One decimal, a second one below 1%."""
    assert formatting.percent(error) == expected


def test_negative_differences_have_a_true_minus() -> None:
    """A hyphen could be taken for a dash."""
    assert formatting.points(-0.0123) == "−1.2"
    assert formatting.points(-0.000001) == "0.0"


@pytest.mark.parametrize(
    ("of", "expected"),
    [(0.010000000000000002, "0.01"), (1e-06, "1e-6"), (64, "64"), ("he", "he"), ([0.8, 0.5], "0.8, 0.5"), (None, "")],
)
def test_values_are_short(of: object, expected: str) -> None:
    """Four digits, and no binary dust."""
    assert formatting.value(of) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.42, "0.4 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (18720, "5 h 12 min")]
)
def test_durations(seconds: float, expected: str) -> None:
    """Two units at the most."""
    assert formatting.duration(seconds) == expected


@pytest.mark.parametrize(
    ("train", "dev", "words"),
    [
        ((10, 1000), (110, 1000), "High variance"),
        ((150, 1000), (160, 1000), "High bias"),
        ((150, 1000), (300, 1000), "High bias and high variance"),
        ((50, 100_000), (100, 100_000), "Low bias and low variance"),
        ((20, 1000), (40, 1000), "Inconclusive: too few examples to say whether avoidable bias or variance is high"),
    ],
)
def test_the_verdict_in_a_sentence(train: tuple[int, int], dev: tuple[int, int], words: str) -> None:
    """The lectures' four cases, and the one they leave out."""
    found = diagnose(train=ErrorEstimate.measured(*train), dev=ErrorEstimate.measured(*dev))
    assert sentences.headline(found).startswith(words)


def test_what_was_not_told_is_said_beside_what_was() -> None:
    """High bias with few dev examples: the variance stays open."""
    found = diagnose(train=ErrorEstimate.measured(1500, 10_000), dev=ErrorEstimate.measured(48, 300))
    assert sentences.headline(found).endswith(" Variance is inconclusive.")


def test_what_depends_on_the_trial_is_said_with_what_the_trials_have() -> None:
    """Equally good trials disagree: neither a verdict nor a number of examples."""
    found = diagnose(train=ErrorEstimate.measured(10, 1000), dev=ErrorEstimate.measured(110, 1000))
    found = disputed_by(found, {"train": np.array([0.01, 0.1]), "dev": np.array([0.11, 0.11])})
    assert sentences.headline(found) == (
        "Inconclusive: whether avoidable bias or variance is high depends on which of the equally good trials is taken."
    )
    assert "between 1.0 and 10.0 pp in the trials within one standard error" in sentences.gap_sentence(
        found, "variance"
    )


def test_a_baseline_that_was_not_given_is_owned_up_to() -> None:
    """Zero is an assumption, and called one."""
    found = diagnose(train=ErrorEstimate.measured(1, 10), dev=ErrorEstimate.measured(1, 10))
    assert "0% is assumed" in sentences.assumption(found)
    bounded = diagnose(
        train=ErrorEstimate.measured(150, 1000),
        dev=ErrorEstimate.measured(160, 1000),
        references={"logistic_regression": 0.14},
        best_known=ErrorEstimate.measured(140, 1000),
    )
    assert sentences.assumption(bounded).endswith("is between 0% and 14.0%, the error of logistic regression on dev.")
    assert sentences.headline(bounded).endswith(
        "Avoidable bias is unknown without a baseline: it is at most the train error of 15.0%."
    )
    assert sentences.gap_sentence(bounded, "avoidable_bias").startswith(
        "Avoidable bias is unknown without a baseline: it is between 0.0 and 17.3 percentage points"
    )
    easier = ErrorEstimate.measured(20, 1000)
    apart = diagnose(train=easier, dev=easier, train_dev=easier, best_known=easier)
    assert sentences.assumption(apart).endswith("is between 0% and 2.0%, the error of this network on train-dev.")
    given = diagnose(train=None, dev=None, baseline={"wrong": 3, "of": 200})
    assert sentences.assumption(given) == "Baseline: 1.5%, measured on 200 examples."
