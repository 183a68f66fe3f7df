"""The bias/variance table: the lectures' examples, the house plan's JSON, and the edges."""

import json

import numpy as np
import pytest

from tuner.analysis import Diagnosis, ErrorEstimate, diagnose, disputed_by, examples_to_decide
from tuner.errors import ArgumentError, UsageError


def lecture(train: float, dev: float, *, n_train: int = 30_000, n_dev: int = 10_000, **options: object) -> Diagnosis:
    """Diagnose a train and a dev error in percent."""
    counted = ErrorEstimate.measured
    train_error, dev_error = counted(train / 100 * n_train, n_train), counted(dev / 100 * n_dev, n_dev)
    return diagnose(train=train_error, dev=dev_error, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("train", "dev", "verdict"),
    [
        (1, 11, "high_variance"),
        (15, 16, "high_bias"),
        (15, 30, "high_bias_and_variance"),
        (0.5, 1, "low_bias_and_variance"),
    ],
)
def test_the_lectures_four_examples(train: float, dev: float, verdict: str) -> None:
    """Train and dev error of the cat classifier, with a person at about 0%."""
    found = lecture(train, dev)
    assert found.verdict == verdict
    assert found.undecided == []


def test_blurry_images() -> None:
    """Where the best possible error is 15%, a train error of 15% is no bias."""
    assert lecture(15, 16, baseline=0.15).verdict == "low_bias_and_variance"


def test_three_hundred_dev_examples_cannot_tell() -> None:
    """The same errors on 300 dev examples leave the variance open; the bias stays high."""
    found = lecture(15, 16, n_dev=300)
    assert found.verdict == "high_bias"
    assert found.undecided == ["variance"]
    assert found.gaps["variance"].level == "undecided"
    assert 0.025 < found.gaps["variance"].chance_high < 0.975


def test_the_summary_has_the_house_plans_shape() -> None:
    """Keys and their order are those that programs rely on."""
    found = diagnose(
        train=ErrorEstimate.measured(1, 1078),
        dev=ErrorEstimate.measured(7, 360),
        dev_corrected=ErrorEstimate(value=0.024, n=360, low_from=0.022),
        references={"majority": 0.9, "logistic_regression": 0.04},
    ).to_dict()
    assert list(found) == ["errors", "gaps", "verdict", "undecided", "larger_gap"]
    assert list(found["errors"]) == [
        "baseline", "train", "dev", "dev_corrected", "test", "majority", "logistic_regression",
    ]  # fmt: skip
    assert found["errors"]["baseline"] == {"value": 0.0, "given": False}
    assert list(found["errors"]["dev"]) == ["value", "low", "high", "n"]
    assert list(found["errors"]["dev_corrected"]) == ["value", "low", "high"]
    assert found["errors"]["test"] is None
    assert found["errors"]["majority"] == {"value": 0.9}
    assert list(found["gaps"]) == ["avoidable_bias", "variance"]
    assert list(found["gaps"]["variance"]) == ["value", "low", "high", "level", "chance_high"]
    assert found["verdict"] == "undecided"
    assert found["undecided"] == ["variance"]
    assert found["larger_gap"] == "variance"
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_variance_uses_the_corrected_error() -> None:
    """What remains after allowing for the best of many is what the gap is taken from."""
    corrected = ErrorEstimate(value=0.15, n=10_000)
    found = lecture(1, 11, dev_corrected=corrected)
    assert found.variance.value == pytest.approx(0.14)
    assert found.to_dict()["errors"]["dev"]["value"] == pytest.approx(0.11)


def test_with_train_dev_the_mismatch_is_taken_apart() -> None:
    """Variance is train-dev − train, mismatch is dev − train-dev (lectures: 1, 1.5, 10% is mismatch)."""
    found = lecture(1, 10, train_dev=ErrorEstimate.measured(150, 10_000))
    assert found.gaps["variance"].value == pytest.approx(0.005)
    assert found.gaps["data_mismatch"].value == pytest.approx(0.085)
    assert found.gaps["data_mismatch"].level == "high"
    assert found.verdict == "low_bias_and_variance"
    assert list(found.to_dict()["errors"])[:3] == ["baseline", "train", "train_dev"]


def test_dev_overfit_is_test_minus_raw_dev() -> None:
    """The corrected dev error already allows for the choice; the raw one shows it."""
    found = lecture(1, 5, dev_corrected=ErrorEstimate(value=0.09, n=10_000), test=ErrorEstimate.measured(900, 10_000))
    assert found.gaps["dev_overfit"].value == pytest.approx(0.04)
    assert found.gaps["dev_overfit"].level == "high"


@pytest.mark.parametrize(
    ("train", "known", "level"),
    [(15, 14, "undecided"), (15, 20, "undecided"), (15, 5, "high"), (0.5, 14, "low"), (15, 12.9, "undecided")],
)
def test_without_a_baseline_bias_is_as_certain_as_what_other_models_reach(
    train: float, known: float, level: str
) -> None:
    """High only if a known model is far better than the train error, low only if it is low against 0%."""
    found = lecture(train, 20, best_known=ErrorEstimate.measured(known * 100, 10_000))
    bias = found.gaps["avoidable_bias"]
    assert bias.level == level
    assert found.bias_is_unknown == (level == "undecided")
    assert bias.value == pytest.approx(train / 100)
    assert bias.low <= bias.value <= bias.high
    assert (bias.chance_high > 0.975, bias.chance_high < 0.025) == (level == "high", level == "low")
    assert found.attainable == known / 100
    assert examples_to_decide(found, "avoidable_bias") is None


def test_a_given_baseline_leaves_no_room_for_others() -> None:
    """What a person reaches is better known than what models reach."""
    found = lecture(15, 16, baseline=0.0, best_known=ErrorEstimate.measured(1400, 10_000))
    assert found.gaps["avoidable_bias"].level == "high"
    assert found.best_known is None


@pytest.mark.parametrize(
    ("others", "level", "disputed"),
    [
        ([0.14, 0.15, 0.16], "high", {}),
        ([0.01, 0.15, 0.16], "high", {}),
        ([0.01, 0.005, 0.16], "undecided", {"avoidable_bias": (0.005, 0.16), "variance": (0.0, 0.155)}),
    ],
)
def test_a_level_is_that_of_most_trials_as_good_as_the_best(
    others: list[float], level: str, disputed: dict[str, tuple[float, float]]
) -> None:
    """The best trial has a train error of 15%, and so have others, or two of four fit their training set."""
    train = np.array([0.15, *others])
    found = disputed_by(lecture(15, 16, baseline=0.0), {"train": train, "dev": np.full(4, 0.16)})
    assert found.gaps["avoidable_bias"].level == level
    assert found.disputed == {name: pytest.approx(ends, abs=1e-9) for name, ends in disputed.items()}
    assert examples_to_decide(found, "avoidable_bias") is None
    assert found.gaps["avoidable_bias"].chance_high == (0.5 if disputed else pytest.approx(1.0))


def test_a_variance_that_depends_on_the_trial_is_inconclusive() -> None:
    """The best of four fits its training set and varies, two others do neither."""
    errors = {"train": np.array([0.01, 0.1, 0.1, 0.01]), "dev": np.array([0.11, 0.11, 0.11, 0.11])}
    found = disputed_by(lecture(1, 11), errors)
    assert found.verdict == "undecided"
    assert found.disputed == {
        "avoidable_bias": pytest.approx((0.01, 0.1)),
        "variance": pytest.approx((0.01, 0.1)),
    }


def test_a_counted_baseline_brings_its_own_interval() -> None:
    """3 of 200 wrong is not exactly 1.5%."""
    exact, counted = lecture(3, 4, baseline=0.015), lecture(3, 4, baseline={"wrong": 3, "of": 200})
    assert counted.gaps["avoidable_bias"].value == pytest.approx(exact.gaps["avoidable_bias"].value)
    assert counted.gaps["avoidable_bias"].low < exact.gaps["avoidable_bias"].low
    baseline = counted.to_dict()["errors"]["baseline"]
    assert baseline["n"] == 200
    assert baseline["given"] is True


@pytest.mark.parametrize("gap", [0.005, 0.01, 0.02, 0.05, 0.2])
def test_the_chance_agrees_with_the_level(gap: float) -> None:
    """High is a chance above 97.5%, low one below 2.5%."""
    found = lecture(1, 5, n_dev=500, material_gap=gap).gaps["variance"]
    chance_says = "high" if found.chance_high > 0.975 else "low" if found.chance_high < 0.025 else "undecided"
    assert found.level == chance_says


def test_without_a_complete_trial_nothing_is_claimed() -> None:
    """No network yet: no gap, no number, undecided."""
    nothing = diagnose(train=None, dev=None)
    for name in ("variance", "avoidable_bias"):
        with pytest.raises(UsageError, match=f"{name}: not measured, as no trial is complete yet"):
            getattr(nothing, name)
    found = nothing.to_dict()
    assert found["verdict"] == "undecided"
    assert found["undecided"] == ["avoidable_bias", "variance"]
    assert found["larger_gap"] is None
    assert found["errors"]["train"] is None
    assert found["gaps"] == {}


def test_an_empty_dev_set_is_unknown_not_zero() -> None:
    """Nothing counted: the value is null, the gap undecided."""
    found = diagnose(train=ErrorEstimate.measured(1, 100), dev=ErrorEstimate.measured(0, 0)).to_dict()
    assert found["errors"]["dev"] == {"value": None, "low": 0.0, "high": 1.0, "n": 0}
    assert found["gaps"]["variance"]["level"] == "undecided"
    assert found["larger_gap"] == "avoidable_bias"
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("baseline", [1.5, {"wrong": 3}, {"wrong": 5, "of": 4}, {"wrong": 0, "of": 0}])
def test_an_impossible_baseline_is_refused(baseline: object) -> None:
    """A baseline is a fraction or a count."""
    with pytest.raises(ArgumentError):
        lecture(1, 5, baseline=baseline)


def test_an_impossible_material_gap_is_refused() -> None:
    """Two percent is 0.02, not 2."""
    with pytest.raises(ArgumentError, match=r"material_gap: expected a number ≥ 0 and ≤ 1, got 2"):
        lecture(1, 5, material_gap=2)


def decided(n_dev: int, **options: int) -> float:
    """The share of dev sets of that size whose variance is decided, where the true errors are 15 and 16%."""
    drawn = np.random.default_rng(0).binomial(n_dev, 0.16, size=300) / n_dev * 100
    return float(np.mean([lecture(15, dev, n_dev=n_dev, **options).undecided == [] for dev in drawn]))


def test_the_dev_examples_that_would_decide_do_so_in_four_of_five_samples() -> None:
    """300 leave the variance of (15, 16) open; half of the number named decides it about as often as not."""
    needed = examples_to_decide(lecture(15, 16, n_dev=300), "variance")
    assert needed is not None
    assert needed[0] == "dev"
    assert 0.74 < decided(needed[1]) < 0.88
    assert decided(needed[1] // 2) < 0.6


def test_no_number_of_examples_decides_a_gap_on_the_line() -> None:
    """A variance of exactly two points against a line of two points."""
    assert examples_to_decide(lecture(15, 17), "variance") is None


def test_more_examples_tell_more_of_the_choice() -> None:
    """A variance of 7.9 pp of 60 dev rows, whose lower end is that of another correction, is far from the threshold."""
    corrected = ErrorEstimate(value=0.129, n=60, low_from=0.06)
    found = diagnose(train=ErrorEstimate.measured(50, 1000), dev=ErrorEstimate.measured(4, 60), dev_corrected=corrected)
    needed = examples_to_decide(found, "variance")
    assert needed is not None
    assert needed[0] == "dev"
    assert 60 < needed[1] < 2000


def test_a_train_error_too_uncertain_by_itself_needs_more_of_both() -> None:
    """With 100 training examples no dev set is large enough; the multiple of all data that is named decides it."""
    needed = examples_to_decide(lecture(10, 13, n_train=100), "variance")
    assert needed is not None
    which, times = needed
    assert which == "all"
    assert lecture(10, 13, n_train=100 * times, n_dev=10_000 * times).undecided == []
    assert lecture(10, 13, n_train=45 * times, n_dev=4_500 * times).undecided == ["variance"]


def test_a_decided_gap_needs_no_more_examples() -> None:
    """There is nothing to add, nor where there is no gap."""
    assert examples_to_decide(lecture(1, 11), "variance") is None
    assert examples_to_decide(lecture(1, 11), "data_mismatch") is None
