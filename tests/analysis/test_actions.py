"""The lectures' recipe: which actions a study's state leads to, and what they would change."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner import analysis
from tuner.analysis import (
    ACTIONS,
    Action,
    BestTrialState,
    ClassError,
    DataState,
    Diagnosis,
    Effect,
    ErrorEstimate,
    Fit,
    Gap,
    HyperparameterState,
    LearningCurve,
    Prediction,
    SearchedHyperparameter,
    SearchHealth,
    SegmentState,
    StudyState,
    ThresholdGain,
    Verb,
    count_duplicates,
    diagnose,
    diverging_from,
    hyperparameter_states,
    rank_actions,
)
from tuner.analysis.hyperparameter_states import good_region
from tuner.analysis.next_ranges import fall, narrowed
from tuner.metrics import BALANCED_ERROR
from tuner.outcomes import Level

LAMBDA = HyperparameterState(
    name="lambda", kind="log_uniform", bounds=(1e-3, 10.0), best=1.0, position=0.75, near_low=0, near_high=0, strength=1
)
KEEP_PROB = HyperparameterState(
    name="keep_prob", kind="uniform", bounds=(0.5, 1.0), best=0.6, position=0.2, near_low=0, near_high=0, strength=-1
)
ALPHA = HyperparameterState(
    name="alpha", kind="log_uniform", bounds=(1e-2, 1.0), best=0.1, position=0.5, near_low=0.0, near_high=0.0
)
DOWN, UP = Effect(-0.03, -0.05, -0.01), Effect(0.03, 0.01, 0.05)
"""Of a hyperparameter, on dev error."""
GAPS = {"bias": "avoidable_bias", "variance": "variance", "mismatch": "data_mismatch", "dev_overfit": "dev_overfit"}
HEALTHY: dict[str, Any] = {}
"""What is different from a healthy study, as :func:`state` takes it."""


def diagnosis(given: dict[str, Any]) -> Diagnosis:
    """Levels as given; errors on 1,078 training and 360 dev examples where nothing else is said."""
    train, dev, rows = given.pop("train_error", 0.001), given.pop("dev_error", 0.009), given.pop("dev_examples", 360)
    levels = {"bias": given.pop("bias", "low"), "variance": given.pop("variance", "low")}
    levels |= {name: given.pop(name, None) for name in ("mismatch", "dev_overfit")}
    values = {"bias": train, "variance": dev - train, "mismatch": 0.0, "dev_overfit": 0.0}
    values |= {name: given.pop(f"{name}_value") for name in levels if f"{name}_value" in given}
    names = ("majority", "mean", "logistic_regression", "ridge", "gradient_boosting", "nearest_neighbors")
    best_known = min([dev, *(given[name] for name in names if name in given)])
    return Diagnosis(
        errors={
            "baseline": ErrorEstimate.exact(0.0),
            "train": ErrorEstimate(value=train, n=1078),
            "dev": ErrorEstimate(value=dev, n=rows),
            "dev_corrected": ErrorEstimate(value=dev, n=rows),
        },
        gaps={
            GAPS[name]: Gap(values[name], values[name] - 0.01, values[name] + 0.01, level, 0.5)
            for name, level in levels.items()
            if level
        },
        material_gap=0.02,
        baseline_given=given.get("baseline_given", False),
        best_known=None if given.pop("baseline_given", False) else ErrorEstimate(value=best_known, n=rows),
        references={"logistic_regression": 0.04} | {name: given.pop(name) for name in names if name in given},
    )


def state(**given: Any) -> StudyState:
    """A healthy study, with what is different given by the names of the parts' fields."""
    parts: dict[str, Any] = {"diagnosis": diagnosis(given)}
    for name, part in {
        "data": {"n_train": 1078, "n_dev": 360},
        "search": {"trials": 80, "pruned": 20, "budget": 100, "searched": 6, "since_best": 40},
        "best": {"hidden": "64-32", "is_largest": False, "best_epoch": 40, "max_epochs": 100},
    }.items():
        kind = {"data": DataState, "search": SearchHealth, "best": BestTrialState}[name]
        fields = kind.__dataclass_fields__
        parts[name] = kind(**part | {key: given.pop(key) for key in list(given) if key in fields})
    return StudyState(**parts, **given)


def ranked(case: dict[str, Any]) -> list[Action]:
    """All actions."""
    return rank_actions(state(**case))


def names(case: dict[str, Any]) -> list[str]:
    """Actions in their order."""
    return [action.action for action in ranked(case)]


def action(case: dict[str, Any], name: str) -> Action:
    """The action of that name."""
    return next(found for found in ranked(case) if found.action == name)


def curve(fall: float, low: float, high: float) -> LearningCurve:
    """Measured at four sizes, 7.1% at the largest."""
    then = Prediction(2156, 0.071 - fall, 0.03, 0.08)
    now = Prediction(1078, 0.071, 0.061, 0.081)
    return LearningCurve(
        sizes=(135, 270, 539, 1078), errors=(0.2, 0.15, 0.1, 0.071), seeds=3, predictions=(now, then), now=now,
        gain=Effect(fall, low, high),
    )  # fmt: skip


def case(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A case with more that is different."""
    return base | changes


def test_a_healthy_study_is_evaluated() -> None:
    """Both gaps low: train the network, open the test set, nothing else."""
    assert names(HEALTHY) == ["evaluate_once"]
    assert ranked(HEALTHY)[0].verb is Verb.TRAIN


def test_a_leak_comes_before_everything() -> None:
    """Two low gaps mean nothing while a column gives the answer away: the data first, the test set last."""
    leaking = case(HEALTHY, warnings=("column 'ended' predicts the target; would it be known in time?",))
    first, last = ranked(leaking)
    assert (first.action, first.verb) == ("check_data", Verb.DATA)
    assert "would it be known in time? Until this is settled, no error in this report is reliable." in first.why
    assert (last.action, last.why[:4]) == ("evaluate_once", "Once")


def test_twins_are_weighed_by_what_they_can_change() -> None:
    """Duplicates below the threshold are no action; above it, the action says by how much they matter."""
    twins = {"warnings": ("22 rows have a twin",)}
    assert "check_data" not in names(case(HEALTHY, **twins, warnings_about=0.014))
    first = ranked(case(HEALTHY, **twins, warnings_about=0.04))[0]
    assert first.action == "check_data"
    assert first.why.endswith("22 rows have a twin. An error changes by at most 4.0 pp without them.")


def test_few_rows_of_many_classes_come_first() -> None:
    """A network of 700 classes with 4 rows each is not advised to become larger."""
    many = {"bias": "high", "bias_value": 0.95, "train_error": 0.95, "dev_error": 0.99, "n_train": 2800}
    first = ranked(case(many, n_classes=700))[0]
    assert first.action == "more_rows_of_classes"
    assert "700 classes have about 4 training rows each" in first.why


UNKNOWN = {
    "bias": "undecided",
    "bias_value": 0.15,
    "train_error": 0.15,
    "dev_error": 0.16,
    "logistic_regression": 0.3,
}
"""A train error that no model is known to beat, and no baseline."""


def test_what_bias_is_measured_against_is_asked_before_a_leak() -> None:
    """A baseline that nobody gave comes first wherever bias is unknown; the data come next."""
    assert names(case(UNKNOWN, warnings=("12 rows are in both sets",)))[:2] == ["give_baseline", "check_data"]


def test_a_baseline_comes_first() -> None:
    """Bias that only a baseline would show is a question first, and no reason for a larger network."""
    unknown = case(UNKNOWN, is_largest=True)
    assert names(unknown)[:2] == ["give_baseline", "nothing_promised"]
    assert (ranked(unknown)[0].verb, "Give it with --baseline" in ranked(unknown)[0].why) == (None, True)
    assert names(case(unknown, bias="high", baseline_given=True))[0] == "bigger_network"


def test_what_promises_nothing_is_said_with_what_would_change_that() -> None:
    """No baseline, no curve, no folds: each is named as long as it is missing; two low gaps promise enough."""
    (found,) = (one for one in ranked(UNKNOWN) if one.action == "nothing_promised")
    assert "Nothing in this study promises a clearly lower error." in found.why
    assert all(word in found.why for word in ("a baseline (--baseline E)", "a learning curve", "folds"))
    folds = action(case(UNKNOWN, folds=5, bias="low", variance="undecided"), "nothing_promised")
    assert "or folds" not in folds.why
    assert "nothing_promised" not in names(HEALTHY)
    assert "nothing_promised" not in names(case(UNKNOWN, gradient_boosting=0.02))
    boundless = action(case(UNKNOWN, bias="high", is_largest=True), "bigger_network")
    assert boundless.gain is None  # without a baseline nothing is known to be avoidable


def test_a_simple_model_that_is_clearly_better_shows_bias() -> None:
    """Gradient boosting at 2%, the network at 43-46%: bias without a baseline, and no linear model is praised."""
    beaten = case(HEALTHY, bias="high", train_error=0.43, dev_error=0.447, dev_examples=4000,
        logistic_regression=0.46, gradient_boosting=0.0222, majority=0.496,
    )  # fmt: skip
    assert names(beaten)[:2] == ["compare_gradient_boosting", "other_architecture"]
    assert "Gradient boosting has a dev error of 2.2%, clearly below the network's 44.7%" in ranked(beaten)[0].why
    assert "compare_logistic_regression" not in names(beaten)


def test_a_model_that_is_as_good_comes_first() -> None:
    """It is used instead of the network; the linear one, if another is better by no more than the threshold."""
    as_good = case(HEALTHY, dev_error=0.2, gradient_boosting=0.19)
    first = ranked(as_good)[0]
    assert first.action == "compare_logistic_regression"
    boosting = ranked(case(as_good, logistic_regression=0.3))[0]
    assert "Gradient boosting has a dev error of 19.0%, no higher than the network's 20.0%" in boosting.why
    assert names(case(as_good, logistic_regression=0.2))[0] == "compare_logistic_regression"
    neighbors = case(as_good, logistic_regression=0.3, nearest_neighbors=0.1)
    assert names(neighbors)[0] == "compare_nearest_neighbors"
    assert "compare_gradient_boosting" not in names(case(as_good, logistic_regression=0.3, gradient_boosting=0.21))
    assert names(case(as_good, logistic_regression=0.3, gradient_boosting=0.2, majority=0.21))[0] == "beat_majority"


def test_a_network_no_better_than_the_majority_class_is_told_so() -> None:
    """Its interval reaches the line; where one class is mostly wrong the metric that counts it is proposed."""
    classes = tuple(
        ClassError(name, ErrorEstimate.measured(*of)) for name, of in (("no", (8, 320)), ("yes", (84, 100)))
    )
    churn = case(HEALTHY, dev_error=0.105, majority=0.104, classes=classes)
    found = action(churn, "beat_majority")
    assert "Always predicting 'no' has a dev error of 10.4%" in found.why
    assert "Its error on class 'yes' is 84.0%" in found.why
    assert '"balanced_error" as metric in [search]' in found.why
    assert "balanced" not in action(case(churn, classes=classes[:1]), "beat_majority").why
    assert "beat_majority" not in names(case(churn, metric=BALANCED_ERROR))
    assert "beat_majority" not in names(case(churn, dev_error=0.09, dev_examples=10_000))


def test_high_bias_follows_the_lectures() -> None:
    """Train longer, a larger network, less regularization: each where the study leaves room for it."""
    biased = case(HEALTHY, bias="high", bias_value=0.1, train_error=0.1, baseline_given=True, is_largest=True,
        still_improving=True, hyperparameters=(LAMBDA, KEEP_PROB),
    )  # fmt: skip
    assert names(biased)[:3] == ["train_longer", "bigger_network", "less_regularization"]
    assert action(biased, "train_longer").changes == {"training.max_epochs": 200}
    assert action(biased, "bigger_network").changes == {"space.hidden": {"choice": ["64-32", "128-64", "256-128"]}}
    eased = action(biased, "less_regularization").changes
    assert eased == {
        "space.lambda": {"log_uniform": [1e-3, 3.0]},
        "space.keep_prob": {"uniform": [0.55, 1.0]},
    }


def test_a_range_that_would_stay_as_it_is_is_no_action() -> None:
    """keep_prob is best at its upper end: less of it means the range that was searched."""
    full = replace(KEEP_PROB, best=0.98, position=0.96, effect_on_dev=UP)
    stays = case(HEALTHY, variance="high", hyperparameters=(full,))
    assert "more_regularization" not in names(stays)
    both = case(stays, hyperparameters=(full, replace(LAMBDA, effect_on_dev=DOWN)))
    assert list(action(both, "more_regularization").changes) == ["space.lambda"]


def test_with_variance_high_too_only_what_certainly_holds_bias_up_is_eased() -> None:
    """Less of a regularization that may not matter would only add variance."""
    both = case(HEALTHY, bias="high", variance="high", train_error=0.1, baseline_given=True,
        hyperparameters=(replace(LAMBDA, effect_on_bias=1), replace(KEEP_PROB, effect_on_bias=0, effect_on_dev=UP)),
    )  # fmt: skip
    assert list(action(both, "less_regularization").changes) == ["space.lambda"]
    assert list(action(both, "more_regularization").changes) == ["space.keep_prob"]


def test_logistic_regression_grows_a_hidden_layer() -> None:
    """Twice no layer is none; the larger network of a linear model has one layer."""
    linear = case(HEALTHY, bias="high", train_error=0.1, baseline_given=True, hidden="none", is_largest=True)
    assert action(linear, "bigger_network").changes == {"space.hidden": {"choice": ["none", "16", "32"]}}


def test_where_later_epochs_fit_early_stopping_is_the_reason() -> None:
    """A network that learns its training set is neither widened nor eased, and only more regularization is refined."""
    both = case(HEALTHY, bias="high", variance="high", bias_value=0.15, train_error=0.15, baseline_given=True, folds=5,
        is_largest=True, hyperparameters=(replace(LAMBDA, effect_on_bias=1), replace(KEEP_PROB, effect_on_dev=UP)),
        fit=Fit(0.0, epoch=40), chosen_epochs=(3, 86), dev_rows=24,
    )  # fmt: skip
    assert names(both)[:3] == ["steadier_stopping", "more_data", "more_regularization"]
    assert not {"bigger_network", "less_regularization", "other_architecture"} & set(names(both))
    found = action(both, "steadier_stopping")
    assert "at epoch 40 the best trial's train error is 0.0%" in found.why
    assert "chose epochs 3 to 86 by the error on 24 dev rows" in found.why
    assert found.changes == {"training.monitor": "cost"}
    assert action(case(both, folds=None), "steadier_stopping").changes["data.folds"] == 5


def test_where_another_trial_fits_a_bigger_network_is_not_what_is_missing() -> None:
    """Its size is enough, and dev preferred the trial that had learned less."""
    biased = case(HEALTHY, bias="high", train_error=0.1, baseline_given=True, is_largest=True,
        hyperparameters=(LAMBDA,), fit=Fit(0.003, trial=12),
    )  # fmt: skip
    assert names(biased)[0] == "other_architecture"
    assert "in trial 12, with a network no larger, the train error falls to 0.30%" in ranked(biased)[0].why


def test_without_room_another_architecture_is_left() -> None:
    """High bias, larger networks tried, epochs enough, nothing to ease."""
    biased = case(HEALTHY, bias="high", train_error=0.1, baseline_given=True)
    assert names(biased)[0] == "other_architecture"
    assert ranked(biased)[0].verb is None


def test_a_hyperparameter_that_does_not_hold_bias_up_is_left_alone() -> None:
    """λ that certainly lowers the train error is no reason for bias."""
    harmless = replace(LAMBDA, effect_on_bias=-1)
    biased = case(HEALTHY, bias="high", train_error=0.1, baseline_given=True, hyperparameters=(harmless,))
    assert "less_regularization" not in names(biased)


def test_high_variance_follows_the_lectures() -> None:
    """More data, more regularization where it lowered dev error, augmentation where examples are images."""
    falling = (replace(LAMBDA, effect_on_dev=DOWN), replace(KEEP_PROB, effect_on_dev=UP))
    varied = case(HEALTHY, variance="high", variance_value=0.08, hyperparameters=falling, images=True)
    assert names(varied)[:3] == ["more_data", "more_regularization", "augmentation"]
    assert action(varied, "more_data").verb is Verb.LEARNING_CURVE
    assert action(case(varied, can_measure_curve=False), "more_data").verb is None
    assert action(varied, "more_regularization").changes["space.lambda"] == {"log_uniform": [0.333, 10.0]}
    assert action(varied, "more_regularization").changes["space.keep_prob"] == {"uniform": [0.25, 0.65]}


@pytest.mark.parametrize("effect", [None, Effect(-0.02, -0.05, 0.01), UP])
def test_regularization_that_did_not_lower_dev_error_is_not_advised(effect: Effect | None) -> None:
    """Unknown, uncertain or the other way round: the study promises nothing of it."""
    varied = case(HEALTHY, variance="high", hyperparameters=(replace(LAMBDA, effect_on_dev=effect),))
    assert "more_regularization" not in names(varied)
    assert "nothing_promised" in names(varied)


def test_the_gain_of_a_range_is_the_fall_on_the_way_to_its_end() -> None:
    """Dev error falls by 3 (1 to 5) pp between the quarters' middles, 0.75 of the range apart; the best is at 0.4."""
    one = replace(LAMBDA, position=0.4, effect_on_dev=DOWN)
    assert fall(one, upper=True) == pytest.approx((0.01 * 0.3 / 0.75, 0.05 * 0.3 / 0.75))
    assert fall(one, upper=False) is None
    assert fall(replace(one, position=0.95), upper=True) == pytest.approx((0.0, 0.05 * 0.25 / 0.75))
    assert fall(replace(KEEP_PROB, position=1.0, best=1.0, effect_on_dev=DOWN), upper=True) is None


def test_what_is_certain_comes_first_in_the_order_of_what_it_brings_for_its_cost() -> None:
    """Inside the range the fall is certain, 4.0 pp; the curve's, 3.0 pp for two searches; beyond a range nothing is."""
    inside = replace(LAMBDA, position=0.4, effect_on_dev=Effect(-0.1, -0.15, -0.05))
    both = case(HEALTHY, bias="high", variance="high", train_error=0.1, baseline_given=True,
        curve=curve(0.03, 0.021, 0.04), hyperparameters=(inside,),
    )  # fmt: skip
    assert names(both)[:3] == ["more_regularization", "more_data", "other_architecture"]
    edge = case(both, hyperparameters=(replace(inside, position=0.95),))
    assert names(edge)[:3] == ["more_data", "other_architecture", "more_regularization"]


def test_a_measured_curve_says_what_more_data_brings() -> None:
    """Today's error, the expected one and its interval; without a certain fall that is said beside what is missing."""
    varied = case(HEALTHY, variance="high", variance_value=0.05, curve=curve(0.03, 0.021, 0.04))
    assert ranked(varied)[0].why.endswith("from 7.1% to about 4.1% (3.0–8.0), by 3.0 pp (2.1–4.0).")
    assert str(ranked(varied)[0].gain) == "2.1 to 4.0 pp"
    flat = case(varied, curve=curve(0.01, -0.002, 0.019))
    unsure = case(flat, curve=curve(0.01, -0.002, 0.021))
    for state, end in ((flat, "that is below the threshold of 2.0 pp."), (unsure, "of 2.0 pp is inconclusive.")):
        assert "more_data" not in names(state)
        said = action(state, "nothing_promised").why
        assert said.endswith(end)
        assert ("more examples" in said) == (state is unsure)


def test_mismatch_and_dev_overfit_have_their_remedies() -> None:
    """Make train resemble dev; a bigger dev set."""
    found = names(case(HEALTHY, mismatch="high", mismatch_value=0.05, dev_overfit="high", dev_overfit_value=0.03))
    assert found == ["resemble_dev", "bigger_dev_set"]


def test_an_open_variance_asks_for_folds() -> None:
    """1,078 + 360 rows as folds are more than the 961 that would decide."""
    found = ranked(case(HEALTHY, variance="undecided", dev_error=0.008))
    assert [one.action for one in found] == ["use_folds", "nothing_promised"]
    assert "all 1,438 rows" in found[0].why
    assert "about 960 would decide" in found[0].why
    assert found[0].changes == {"data.folds": 5}


def test_folds_that_may_not_do_are_said_to() -> None:
    """10,000 needed, 1,438 there: folds help, and the number is named."""
    found = names(case(HEALTHY, variance="undecided", dev_error=0.0169))
    assert found == ["use_folds", "more_dev_examples", "nothing_promised"]


@pytest.mark.parametrize("settings", [{"folds": 5}, {"n_train": 900_000}, {"can_fold": False}])
def test_folds_are_not_proposed_where_they_cannot_be(settings: dict[str, int]) -> None:
    """They are there, cost too much, or dev is a file of its own: only more dev examples are left."""
    found = names(case(HEALTHY, variance="undecided", dev_error=0.0169, **settings))
    assert found == ["more_dev_examples", "nothing_promised"]


def test_an_open_verdict_asks_first_for_what_decides_it() -> None:
    """With folds already, and no number of dev examples that would do: examples, before any fine-tuning."""
    alpha = HyperparameterState(
        name="alpha", kind="log_uniform", bounds=(1e-2, 1.0), best=0.97, position=0.99, near_low=0.0, near_high=0.7,
        effect_on_dev=DOWN,
    )  # fmt: skip
    open_ = case(HEALTHY, bias="undecided", variance="undecided", folds=5, hyperparameters=(alpha,),
        train_error=0.0181, dev_error=0.0381, logistic_regression=0.2,
    )  # fmt: skip
    assert names(open_) == ["widen_range", "more_examples"]
    first = ranked(open_)[1]
    assert "about 43,000 train examples would decide the avoidable bias; the variance is so close" in first.why
    assert first.verb is Verb.LEARNING_CURVE
    assert ranked(case(open_, can_measure_curve=False))[1].verb is None
    assert names(case(open_, folds=None))[1] == "use_folds"
    assert names(case(open_, dev_error=0.06))[1] == "more_dev_examples"
    assert "more_examples" not in names(case(open_, bias="high"))


def test_a_pressed_edge_is_widened_to_a_value() -> None:
    """α at its end for most of the ten best, and dev error falls toward it: three times as far, a decade diverges."""
    alpha = HyperparameterState(
        name="alpha", kind="log_uniform", bounds=(1e-2, 1.0), best=0.97, position=0.99, near_low=0.0, near_high=0.7,
        effect_on_dev=DOWN,
    )  # fmt: skip
    found = action(case(HEALTHY, hyperparameters=(alpha,)), "widen_range")
    assert found.changes == {"space.alpha": {"log_uniform": [0.01, 3.0]}}
    assert "alpha up to 3" in found.why
    assert "widen_range" not in names(case(HEALTHY, hyperparameters=(replace(alpha, effect_on_dev=None),)))


def test_ranges_are_narrowed_to_where_good_trials_lie() -> None:
    """From coarse to fine, on each scale, rounded outwards; a range that would hardly shrink stays."""
    alpha = HyperparameterState(
        name="alpha", kind="log_uniform", bounds=(1e-2, 1.0), best=0.1, position=0.5, near_low=0, near_high=0,
        good=(0.25, 0.76),
    )  # fmt: skip
    beta = replace(alpha, name="beta", kind="one_minus_log_uniform", bounds=(0.8, 0.99), best=0.9, good=(0.0, 0.5))
    batch = replace(alpha, name="batch_size", kind="power_of_two", bounds=(16, 128), best=32, good=(0.1, 0.6))
    wide = replace(alpha, name="decay_rate", good=(0.05, 0.9))
    found = action(
        case(HEALTHY, variance="undecided", folds=5, hyperparameters=(alpha, beta, batch, wide)), "narrow_range"
    )
    assert found.changes == {
        "space.alpha": {"log_uniform": [0.031, 0.34]},
        "space.beta": {"one_minus_log_uniform": [0.8, 0.956]},
        "space.batch_size": {"power_of_two": [16, 64]},
    }
    assert found.reasons.keys() == found.changes.keys()
    assert "narrow_range" not in names(case(HEALTHY, hyperparameters=(alpha,)))


def test_hopeless_choices_are_left_out() -> None:
    """Zeros as a start never make a good trial."""
    starts = HyperparameterState(
        name="initializer", kind="choice", bounds=("he", "zeros", "lecun"), best="he", hopeless=("zeros",)
    )
    found = action(case(HEALTHY, variance="undecided", folds=5, hyperparameters=(starts,)), "narrow_range")
    assert found.changes == {"space.initializer": {"choice": ["he", "lecun"]}}


def test_one_key_is_changed_by_one_action() -> None:
    """λ that more regularization moves is neither widened nor narrowed as well; a new network keeps its ranges."""
    pressed = replace(LAMBDA, near_high=1.0, good=(0.5, 0.6), effect_on_dev=DOWN)
    varied = case(HEALTHY, variance="high", variance_value=0.08, hyperparameters=(pressed,))
    assert [one.action for one in ranked(varied) if one.changes] == ["more_regularization"]
    grown = case(
        HEALTHY,
        bias="high",
        train_error=0.1,
        is_largest=True,
        hyperparameters=(replace(LAMBDA, strength=0, good=(0.5, 0.6)),),
    )
    assert [one.action for one in ranked(grown) if one.changes] == ["bigger_network"]


def test_good_trials_mark_a_region_with_a_margin() -> None:
    """Ten of forty trials, between 0.4 and 0.5: a tenth of the range, and 39% of it further at each end."""
    position = np.concatenate([np.linspace(0.4, 0.5, 10), np.linspace(0, 1, 30)])
    low, high = good_region(position)
    assert (low, high) == (pytest.approx(0.4 - 0.0395, abs=1e-4), pytest.approx(0.5 + 0.0395, abs=1e-4))
    assert good_region(position[:19]) is None


def test_where_a_sampler_crowds_is_no_evidence() -> None:
    """The best 30 trials are in one corner, and 20 exploring ones are as good anywhere: nothing follows."""
    alpha = SearchedHyperparameter(name="alpha", kind="uniform", bounds=(0.0, 1.0))
    start = SearchedHyperparameter(name="initializer", kind="choice", bounds=("he", "zeros"))
    crowd = [{"alpha": 0.95 + i / 1000, "initializer": "he"} for i in range(30)]
    even = [{"alpha": (7 * i % 20) / 19, "initializer": "zeros" if i % 2 else "he"} for i in range(20)]
    values, explores = np.arange(50.0), np.arange(50) >= 30
    for exploring, crowded in ((explores, False), (np.ones(50, bool), True)):
        places, choices = hyperparameter_states([alpha, start], [*crowd, *even], values, exploring, 0)
        assert (places.near_high == 1.0) is crowded
        assert (places.good is not None) is crowded
        assert (narrowed(places) is not None) is crowded
        assert not choices.hopeless


def test_choices_without_a_good_trial_are_hopeless_once_tried_often() -> None:
    """Twelve times in vain is no accident, three times may be."""
    hyperparameter = SearchedHyperparameter(name="initializer", kind="choice", bounds=("he", "zeros", "lecun"))
    starts = ["he"] * 25 + ["lecun"] * 3 + ["zeros"] * 12
    params = [{"initializer": start} for start in starts]
    (found,) = hyperparameter_states([hyperparameter], params, np.arange(40.0), np.ones(40, bool), 0)
    assert (found.best, found.hopeless) == ("he", ("zeros",))


def test_a_natural_limit_is_not_widened() -> None:
    """keep_prob = 1 is all of it; a hyperparameter's own limit is the end of a wider range."""
    pressed = replace(KEEP_PROB, best=1.0, position=1.0, near_high=1.0)
    assert "widen_range" not in names(case(HEALTHY, hyperparameters=(pressed,)))
    limited = replace(pressed, name="k", kind="log_uniform", bounds=(1.0, 300.0), most=1000.0, effect_on_dev=DOWN)
    wider = action(case(HEALTHY, hyperparameters=(limited,)), "widen_range")
    assert wider.changes == {"space.k": {"log_uniform": [1.0, 1000.0]}}
    at_limit = replace(limited, bounds=(1.0, 1000.0))
    assert "widen_range" not in names(case(HEALTHY, hyperparameters=(at_limit,)))


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [("one_minus_log_uniform", 0.8, 0.99, [0.8, 0.9967]), ("power_of_two", 16, 128, [16, 256])],
)
def test_ranges_are_widened_on_their_own_scale(kind: str, low: float, high: float, expected: list[float]) -> None:
    """Three times the memory; a doubling."""
    hyperparameter = HyperparameterState(
        name="k", kind=kind, bounds=(low, high), best=high, position=1.0, near_low=0.0, near_high=1.0,
        effect_on_dev=DOWN,
    )  # fmt: skip
    assert action(case(HEALTHY, hyperparameters=(hyperparameter,)), "widen_range").changes == {
        "space.k": {kind: expected}
    }


def test_diverged_trials_lower_the_learning_rate() -> None:
    """A fifth diverged, most above 0.5."""
    alpha = HyperparameterState(
        name="alpha", kind="log_uniform", bounds=(1e-2, 1.0), best=0.1, position=0.5, near_low=0.0, near_high=0.0
    )
    found = action(case(HEALTHY, diverged=20, diverged_above=0.5, hyperparameters=(alpha,)), "fewer_diverged")
    assert found.changes == {"space.alpha": {"log_uniform": [0.01, 0.5]}}
    assert "20 of 100 trials diverged, most of them with alpha above 0.5" in found.why


def test_nothing_but_divergence_is_still_advice() -> None:
    """All diverged: no complete trial to diagnose, but the reason is known."""
    nothing = StudyState(diagnosis=diagnose(train=None, dev=None), data=DataState(n_train=1078, n_dev=360))
    diverged = replace(nothing, search=SearchHealth(diverged=10, budget=10))
    assert [action.action for action in rank_actions(diverged)] == ["fewer_diverged"]
    assert [action.action for action in rank_actions(nothing)] == ["run_search"]


def test_an_unfinished_search_goes_on() -> None:
    """The budget is there to be used."""
    found = action(case(HEALTHY, trials=30, pruned=10), "more_trials")
    assert (found.verb, found.options) == (Verb.SEARCH, {})


def test_a_small_budget_is_said_to_be_small() -> None:
    """Ten trials for six hyperparameters."""
    found = action(case(HEALTHY, trials=10, pruned=0, budget=10, since_best=5), "more_trials")
    assert (found.verb, found.options) == (Verb.SEARCH, {"trials": 50})
    assert "more_trials" not in names(case(HEALTHY, trials=3, pruned=0, budget=3, searched=0))


def test_a_late_best_asks_for_more_and_a_plateau_for_an_end() -> None:
    """The last trial was the best; or the first third was."""
    assert "more_trials" in names(case(HEALTHY, since_best=0))
    assert "stop_searching" in names(case(HEALTHY, since_best=70))


def test_few_trials_and_a_plateau_do_not_contradict_each_other() -> None:
    """54 trials for six hyperparameters, 43 without a better one: few, so that the plateau proves nothing yet."""
    found = names(case(HEALTHY, trials=44, pruned=10, budget=54, since_best=43))
    assert "more_trials" in found
    assert "stop_searching" not in found


def test_diverged_trials_are_spent_but_tell_little() -> None:
    """30 of 100 diverged: the budget is used up, and 70 are enough for six hyperparameters but not for eight."""
    spent = case(HEALTHY, trials=60, pruned=10, diverged=30)
    assert "more_trials" not in names(spent)
    found = action(case(spent, searched=8), "more_trials")
    assert found.why.startswith("70 trials that did not diverge (30 did) are few for 8 searched")
    assert (found.verb, found.options) == (Verb.SEARCH, {"trials": 50})


def test_a_threshold_is_advised_where_it_certainly_helps() -> None:
    """With its gain where the balanced error is what counts, with its price where it is not."""
    gain = ThresholdGain("yes", 0.3, 0.2, 0.05, 0.15, 0.02, 0.09)
    found = action(case(HEALTHY, threshold=gain), "choose_threshold")
    assert "'yes', chosen on other dev rows, lowers the balanced error from 30.0% to 20.0% on those" in found.why
    assert "moves the error from 2.0% to 9.0%: use it if every class matters as much" in found.why
    assert (found.verb, found.options, found.gain) == (Verb.TRAIN, {"threshold-for": "balanced_error"}, None)
    of_metric = action(case(HEALTHY, threshold=gain, metric=BALANCED_ERROR), "choose_threshold")
    assert of_metric.gain is not None
    assert (of_metric.gain.low, of_metric.gain.high) == (0.05, 0.15)
    assert "choose_threshold" not in names(case(HEALTHY, threshold=replace(gain, low=-0.01)))


def test_other_ills_of_a_search_are_named() -> None:
    """Duplicates, pruned winners, and a linear model that does as well."""
    found = names(case(HEALTHY, duplicates=40, pruned_winners=2, logistic_regression=0.012))
    assert found == ["evaluate_once", "gentler_pruning", "fewer_duplicates", "try_linear_model"]


def test_wrong_rows_are_looked_at() -> None:
    """Suspected labels, and rows of a segment with a higher error: more, unless its training rows are as bad."""
    found = action(case(HEALTHY, suspects=14), "fix_labels")
    assert found.why.startswith("Look at 14 dev labels that look wrong (3.9% of the dev rows)")
    assert (found.verb, found.options) == (Verb.ERRORS, {"suspects": True, "csv": "fix.csv"})
    south = SegmentState("region = south", 214, 0.2, 0.5, 0.012, None)
    found = action(case(HEALTHY, segment=south), "collect_segment")
    assert found.why == (
        "Collect rows like region = south (214 training rows): they are 20% of the dev rows, but 50% of the error. "
        "With the error of other rows there, the dev error would be 1.2 pp lower."
    )
    found = action(case(HEALTHY, segment=replace(south, variance=Level.LOW)), "collect_segment")
    assert found.why.startswith("Look for what region = south (214 training rows) lack")
    assert "collect_segment" not in names(case(HEALTHY, segment=replace(south, gain=0.0001)))


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_survives_a_bare_state(name: str) -> None:
    """Levels high and everything else unknown: an action or none, never a failure; its summary is plain JSON."""
    for level in ("high", "undecided", "low", None):
        gaps = {} if level is None else {gap: Gap(0.03, 0.0, 0.1, level, 0.5) for gap in GAPS.values()}
        bare = StudyState(
            diagnosis=replace(diagnose(train=None, dev=None), gaps=gaps),
            data=DataState(n_train=0, n_dev=0),
            search=SearchHealth(trials=3),
        )
        found = ACTIONS[name](bare)
        summary = found and json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert summary is None or list(summary) == ["action", "why", "command", "evidence"]


def test_states_of_hyperparameters_come_from_the_trials() -> None:
    """Twenty trials, the better the larger α: pressed at its upper end."""
    alpha = SearchedHyperparameter(name="alpha", kind="log_uniform", bounds=(1e-2, 1.0))
    initializer = SearchedHyperparameter(name="initializer", kind="choice", bounds=("he", "zeros"))
    params = [{"alpha": alpha.from_unit(1 - i / 100), "initializer": "he"} for i in range(20)]
    found = hyperparameter_states(
        [alpha, initializer], params, np.arange(20) / 100, np.ones(20, bool), 0, strengths={"alpha": 1}
    )
    assert [state.name for state in found] == ["alpha", "initializer"]
    assert found[1].hopeless == ()
    assert (found[0].near_high, found[0].near_low, found[0].strength) == (1.0, 0.0, 1)
    assert found[0].position == pytest.approx(1.0)
    assert found[0].effect_on_bias is None


def test_trials_where_a_hyperparameter_is_idle_say_nothing_about_its_range() -> None:
    """Half of 80 trials use plain gradient descent, with any β; β is good from 0.9 on where momentum uses it."""
    beta = SearchedHyperparameter(name="beta", kind="uniform", bounds=(0.0, 1.0))
    optimizer = SearchedHyperparameter(name="optimizer", kind="choice", bounds=("momentum", "sgd"))
    draws = np.random.default_rng(0).random(80)
    params = [{"optimizer": "sgd"} if i % 2 else {"beta": b, "optimizer": "momentum"} for i, b in enumerate(draws)]
    values = np.array([i / 1000 if i % 2 else abs(beta - 0.95) for i, beta in enumerate(draws)])
    best = int(np.argmin(np.where(np.arange(80) % 2, np.inf, values)))
    state, _ = hyperparameter_states([beta, optimizer], params, values, np.ones(80, bool), best)
    assert state.good is not None
    assert state.good[0] > 0.5
    at_sgd = hyperparameter_states([beta, optimizer], params, values, np.ones(80, bool), 1)
    assert [one.name for one in at_sgd] == ["optimizer"]


def test_a_choice_is_hopeless_only_by_the_trials_where_it_acts() -> None:
    """ReLU was drawn for eleven networks; in those without a hidden layer, which are worse, it did nothing."""
    activation = SearchedHyperparameter(name="activation", kind="choice", bounds=("tanh", "relu"))
    acting: list[dict[str, Any]] = [{"activation": "tanh"}] * 30 + [{"activation": "relu"}] * 10
    (state,) = hyperparameter_states([activation], [*acting, {}], np.arange(41.0), np.ones(41, bool), 0)
    assert state.hopeless == ()
    acting += [{"activation": "relu"}]
    (state,) = hyperparameter_states([activation], acting, np.arange(41.0), np.ones(41, bool), 0)
    assert state.hopeless == ("relu",)


def test_ten_of_few_trials_are_no_choice() -> None:
    """Ten trials at an end are all there are: nothing presses against it."""
    alpha = SearchedHyperparameter(name="alpha", kind="uniform", bounds=(0.0, 1.0))
    (found,) = hyperparameter_states([alpha], [{"alpha": 0.99}] * 10, np.arange(10.0), np.ones(10, bool), 0)
    assert found.near_high == 0.0


def test_the_rate_above_which_trials_diverge() -> None:
    """The cut lies between the largest that trained and the smallest that did not; without a pattern there is none."""
    assert diverging_from([0.01, 0.1, 0.4, 0.9], np.array([False, False, True, True])) == pytest.approx(0.2)
    assert diverging_from([0.01, 0.1, 0.4, 0.9], np.array([True, False, False, False])) is None
    assert diverging_from([0.01, 0.1], np.array([False, False])) is None


def test_repeated_hyperparameters_are_counted() -> None:
    """Two of three are the same."""
    assert count_duplicates([{"a": 1, "b": "x"}, {"a": 1, "b": "x"}, {"a": 2, "b": "x"}]) == 1


def test_the_analysis_writes_no_commands() -> None:
    """An action says what is to be done; how that is typed depends on names, databases and shells."""
    package = Path(analysis.__file__).parent
    assert [path for path in package.rglob("*.py") if re.search(r"\btuner (?!\.)[a-z-]+\b", path.read_text())] == []
