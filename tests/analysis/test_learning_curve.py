"""The curve of error over examples: its posterior, its limits and its words."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from tuner.analysis import (
    Effect,
    LearningCurve,
    LearningNetwork,
    LearningPoint,
    NetworkRun,
    Prediction,
    can_fit,
    epoch_corrected_errors,
    fit_learning_curve,
    learning_points,
    pooled_epoch_corrected_errors,
    subset_sizes,
)
from tuner.analysis.learning_curve import _Posterior
from tuner.analysis.learning_points import BITS, _luck_covariance, shared_luck, size_errors
from tuner.errors import ArgumentError
from tuner.units import Unit

SIZES = [125, 250, 500, 1000, 2000]


def points(
    sizes: list[int], *, a: float, b: float, c: float = 0.5, n_dev: int = 5000, seeds: int = 3
) -> list[LearningPoint]:
    """Networks whose error is exactly a + b·(n/2000)^−c; each dev example has its own difficulty."""
    difficulty = (np.random.default_rng(0).permutation(n_dev) + 0.5) / n_dev
    return [LearningPoint(n_train=n, wrong=np.tile(difficulty < a + b * (n / 2000) ** -c, (seeds, 1))) for n in sizes]


@pytest.mark.parametrize(
    ("n_train", "n_classes", "expected"),
    [
        (1150, 10, [72, 144, 288, 575, 1150]),
        (50_000, 10, [3125, 6250, 12_500, 25_000, 50_000]),
        (100, 2, [20, 30, 45, 67, 100]),
        (300, 20, [100, 132, 173, 228, 300]),
        (30, 2, [20, 30]),
        (15, 2, [15]),
    ],
)
def test_sizes_grow_in_equal_ratios_to_the_whole_set(n_train: int, n_classes: int, expected: list[int]) -> None:
    """From a sixteenth, but with some examples of each class; of few examples there are fewer sizes."""
    assert subset_sizes(n_train, n_classes) == expected


def test_one_size_is_the_whole_set() -> None:
    """Whatever is left out, today's error is measured."""
    assert subset_sizes(1000, 2, count=1) == [1000]
    assert subset_sizes(1000, 2, count=2) == [63, 1000]


@pytest.mark.parametrize(
    ("n_train", "n_classes", "enough"), [(93, 10, False), (98, 10, True), (39, 2, False), (40, 2, True)]
)
def test_few_examples_allow_no_curve(n_train: int, n_classes: int, enough: bool) -> None:
    """Of ten classes the least size has 50: 93 cannot be cut to four sizes that are a quarter apart."""
    assert can_fit(n_train, n_classes) is enough


def test_a_falling_curve_goes_on_falling() -> None:
    """A = 0.02, b = 0.04 at 2,000 examples: twice the data brings 6% to 4.8%."""
    found = fit_learning_curve(points(SIZES, a=0.02, b=0.04))
    assert found.today == pytest.approx(0.06, abs=1e-3)
    assert found.twice.n_train == 4000
    assert found.twice.low < 0.0483 < found.twice.high
    assert found.twice.value == pytest.approx(0.0483, abs=0.003)


def test_a_flat_curve_stays_flat() -> None:
    """More data does not help where it has not helped."""
    found = fit_learning_curve(points(SIZES, a=0.10, b=0.0))
    assert found.twice.value == pytest.approx(0.10, abs=0.01)
    assert not found.helps
    assert found.is_flat
    assert found.sentence().endswith("; that is below the threshold of 2.0 pp.")


def test_the_sentence_users_want() -> None:
    """Today's error, the one expected, its interval, and the fall."""
    found = fit_learning_curve(points(SIZES, a=0.0, b=0.1, c=0.6, n_dev=50_000))
    assert found.helps
    assert found.sentence().startswith("Twice the data would lower dev error from 10.0% to about 6.")
    assert re.search(r"\(\d\.\d–\d\.\d\), by 3\.\d pp \(\d\.\d–\d\.\d\)\.$", found.sentence())


def test_the_fall_is_judged_and_not_the_overlap_of_its_ends() -> None:
    """On 300 dev examples the interval at twice the data holds today's error, and yet the error certainly falls.

    5 pp below 10% at (n/2000)^-0.5 is a fall of 2.9 pp; against a threshold of 1 pp that is decided, of 3 pp it is not.
    """
    given = points(SIZES, a=0.0, b=0.1, n_dev=300)
    falls, unsure, flat = (fit_learning_curve(given, material_gap) for material_gap in (0.01, 0.029, 0.2))
    assert falls.twice.high > 0.85 * falls.estimate
    assert falls.gain.low < 0.0293 < falls.gain.high
    assert (falls.helps, falls.is_flat) == (True, False)
    assert (unsure.helps, unsure.is_flat) == (False, False)
    assert unsure.sentence().endswith("; whether that is above the threshold of 2.9 pp is inconclusive.")
    assert (flat.helps, flat.is_flat) == (False, True)


def test_the_fall_has_room_for_what_the_luck_of_a_training_set_loses() -> None:
    """A known curve and trainings with a variance of 0.01² p(1 − p) in common: ± 1.96·√((1 − 2^-¾)·0.06·0.94)·0.01."""
    sizes = np.array(SIZES, float)
    errors = 0.02 + 0.04 * (sizes / 2000) ** -0.5
    known, found = (_Posterior(sizes, errors, np.eye(5) * 1e-10, None, luck).gain() for luck in (0.0, 0.01**2))
    assert known.value == found.value == pytest.approx(0.04 * (1 - 0.5**0.5), abs=2e-4)
    half = 1.96 * (0.405 * 0.06 * 0.94) ** 0.5 * 0.01
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)


def test_a_size_whose_networks_did_not_learn_is_left_out() -> None:
    """30% wrong of their own 250 examples, where 2,000 leave 6% of dev: the curve is as if it were not there."""
    given = [replace(point, train_error=0.01) for point in points(SIZES, a=0.02, b=0.04)]
    dud = replace(points([250], a=0.35, b=0.0)[0], train_error=0.3)
    bent = fit_learning_curve([given[0], dud, *given[2:]])
    assert bent.not_learned == (250,)
    assert bent.twice == fit_learning_curve([given[0], *given[2:]]).twice
    assert bent.sentence().endswith(
        " Left out are networks on 250 examples that did not learn them: their train error is above the dev error with "
        "2,000."
    )
    high_bias = [replace(point, train_error=0.07) for point in points(SIZES, a=0.06, b=0.0)]
    assert fit_learning_curve(high_bias).not_learned == ()


def test_three_sizes_are_said_to_be_few() -> None:
    """Three parameters fit three sizes whatever they are."""
    found = fit_learning_curve(points(SIZES[2:], a=0.02, b=0.04))
    assert not found.enough_sizes
    assert not found.helps
    assert "3 sizes are too few" in found.sentence()


def test_one_size_is_no_curve_but_no_failure() -> None:
    """The prior alone decides, and the interval is wide."""
    found = fit_learning_curve(points([2000], a=0.02, b=0.04))
    assert found.twice.low < found.today
    assert not found.enough_sizes


@pytest.mark.parametrize(
    ("train_error", "fall"), [(None, 1.55), (0.0, 1.55), (0.04, 0.93), (0.08, 0.31), (0.099, 0.0), (0.2, 0.0)]
)
def test_more_data_bring_a_part_of_the_gap_to_the_train_error(train_error: float | None, fall: float) -> None:
    """Of one size the prior alone says it: half of the gap, on average, times 1 − 2^−c, on average 0.31.

    10% on many dev examples. Trained to 0, or nothing known, the gap is all of it; at train error there is none left.
    """
    (point,) = points([200_000], a=0.02, b=0.8, n_dev=50_000)
    found = fit_learning_curve([replace(point, train_error=train_error)])
    assert 100 * (found.now.value - found.twice.value) == pytest.approx(fall, abs=0.03)


def test_a_gap_that_chance_can_make_is_pulled_in() -> None:
    """8% beside 5% on the training set: on 200 dev examples (± 1.9) it may be less, on 50,000 it is what it is."""
    (small,) = points([2000], a=0.0, b=0.08, n_dev=200)
    (large,) = points([2000], a=0.0, b=0.08, n_dev=50_000)
    known = [fit_learning_curve([replace(point, train_error=0.05)]).now.value for point in (small, large)]
    assert 0.055 < known[0] < 0.075
    assert known[1] == pytest.approx(0.08, abs=0.001)
    assert fit_learning_curve([small]).now.value == pytest.approx(0.08, abs=0.001)


def test_the_nearer_the_train_error_the_less_is_expected() -> None:
    """The same dev errors on 300 examples fall by 1.0 point trained to 0, as with nothing known, by 0.6 near them."""
    given = points(SIZES, a=0.02, b=0.04, n_dev=300)

    def fall(train_error: float | None) -> float:
        found = fit_learning_curve([replace(point, train_error=train_error) for point in given])
        return 100 * (found.now.value - found.twice.value)

    assert fall(0.0) == pytest.approx(fall(None), abs=0.1)
    assert fall(0.055) < fall(0.03) < fall(0.0)
    assert fall(0.055) < 0.65 * fall(0.0)


def test_the_interval_holds_what_the_train_error_speaks_against() -> None:
    """A train error near the dev error lets little be expected; what the sizes alone say stays possible."""
    given = points(SIZES, a=0.02, b=0.05, n_dev=300)
    alone = fit_learning_curve(given)
    known = fit_learning_curve([*given[:-1], replace(given[-1], train_error=given[-1].each.mean() - 0.005)])
    assert known.twice.value > alone.twice.value
    assert known.twice.low == alone.twice.low
    assert known.twice.high >= alone.twice.high


def test_nothing_is_predicted_beyond_twice_the_data() -> None:
    """The curve drawn ends there."""
    found = fit_learning_curve(points(SIZES, a=0.02, b=0.04))
    assert max(prediction.n_train for prediction in found.predictions) == 4000
    assert all(p.low <= p.value <= p.high for p in found.predictions)


def test_seeds_that_differ_widen_the_interval() -> None:
    """Trainings that come out differently say less about the next ones."""
    calm = points(SIZES, a=0.02, b=0.04)
    luck = np.array([-0.01, 0.0, 0.01])
    shaken = [LearningPoint(n_train=p.n_train, wrong=p.wrong, errors=p.wrong.mean(axis=1) + luck) for p in calm]

    def width(curve: LearningCurve) -> float:
        return curve.twice.high - curve.twice.low

    assert width(fit_learning_curve(shaken)) > 1.2 * width(fit_learning_curve(calm))


def test_more_trainings_do_not_average_the_training_set_away() -> None:
    """40 trainings with a standard deviation of one point at 6%, all errors known: half of the variance stays.

    At twice the data, 4.8%, it is 2^-¾·0.048·0.952/(0.06·0.94) = 0.48 of that: ± 1.96·√(½·0.48) = 0.96 pp.
    """
    calm = points(SIZES, a=0.02, b=0.04, n_dev=20_000, seeds=40)
    luck = np.tile([-0.01, 0.01], 20) / (0.06 * 0.94) ** 0.5
    spread = [p.each * (1 - p.each) * (p.n_train / 2000) ** -0.75 for p in calm]
    shaken = [replace(p, errors=p.each + luck * some**0.5) for p, some in zip(calm, spread, strict=True)]
    assert shared_luck(shaken) * 0.06 * 0.94 == pytest.approx(0.5 * 0.01**2, rel=0.1)
    sizes = np.array(SIZES, float)
    alone, both = (
        _Posterior(sizes, np.array([p.each.mean() for p in calm]), np.eye(5) * 1e-10, None, each)
        for each in (0.0, shared_luck(shaken))
    )
    known, found = alone.predict(4000), both.predict(4000)
    assert known.high - known.low < 0.002
    assert (found.high - found.low) / 2 == pytest.approx(0.0096, rel=0.1)
    assert found.value == known.value


def test_no_errors_at_all_is_a_curve_too() -> None:
    """Zero at every size: the prediction is near zero, with room above."""
    found = fit_learning_curve(points(SIZES, a=0.0, b=0.0, n_dev=200))
    assert found.twice.value < 0.02
    assert 0.0 <= found.twice.low <= found.twice.high < 0.1


def test_nothing_to_fit_is_refused() -> None:
    """No size, no curve."""
    with pytest.raises(ArgumentError, match="at least one size"):
        fit_learning_curve([])


def test_the_choice_of_the_epoch_is_allowed_for() -> None:
    """Networks that guess: the best of thirty epochs looks better than a half, corrected it does not."""
    rng = np.random.default_rng(1)
    folds = np.arange(400) % 20
    bits = rng.random((4, 30, 400)) < 0.5
    runs = [NetworkRun(fold_losses=net.astype(int) @ np.eye(20, dtype=int)[folds]) for net in bits]
    found = epoch_corrected_errors(runs, np.bincount(folds), patience=None, rng=rng)
    assert bits.mean(axis=2).min(axis=1).mean() < 0.46
    assert found.mean() == pytest.approx(0.5, abs=0.03)


def test_the_choice_of_one_epoch_for_all_folds_is_allowed_for() -> None:
    """Five networks that guess on 40 rows each: the best of thirty shared epochs looks better than a half."""
    rng = np.random.default_rng(2)
    folds = rng.permuted(np.tile(np.arange(40) % 20, (5, 1)), axis=1)
    bits = rng.random((60, 5, 30, 40)) < 0.5
    sizes = np.array([np.bincount(fold, minlength=20) for fold in folds])
    measured, corrected = [], []
    for study in bits:
        runs = [NetworkRun(fold_losses=net @ np.eye(20)[fold]) for net, fold in zip(study, folds, strict=True)]
        measured.append(study.mean(axis=(0, 2)).min())
        corrected.append(pooled_epoch_corrected_errors(runs, sizes, patience=None, rng=rng))
    assert np.mean(measured) < 0.44
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.012)
    (one,) = {len(errors) for errors in corrected}
    assert one == 5


def network(n_train: int, repeat: int, part: int, wrong: list[bool], **changes: float) -> LearningNetwork:
    """A network of a curve."""
    fields = {"stop_reason": "patience", "best_epoch": 3, "epochs": 5, "train_wrong": 2, "error": 0.25, "seconds": 0.1}
    return LearningNetwork(n_train=n_train, repeat=repeat, part=part, wrong=np.array(wrong), **{**fields, **changes})


def test_folds_are_put_together_to_points() -> None:
    """Two folds of 1 and 3 dev examples: the bits side by side, the errors weighted, in whatever order they come."""
    networks = [
        network(40, 0, 1, [True, False, False], error=0.4),
        network(40, 0, 0, [True], error=0.8),
        network(20, 0, 0, [False]),
        network(20, 0, 1, [True, True, True]),
    ]
    small, large = learning_points(networks)
    assert (small.n_train, large.n_train) == (20, 40)
    assert large.wrong.tolist() == [[True, True, False, False]]
    assert large.each == pytest.approx([0.5])
    assert large.train_error == pytest.approx(0.05)


def test_a_repeat_that_diverged_is_left_out() -> None:
    """It says something about the learning rate, nothing about the size; a size without any other is no point."""
    networks = [network(20, 0, 0, [True], best_epoch=0, error=1.0), network(40, 0, 0, [True], best_epoch=0)]
    networks += [network(40, 1, 0, [False], error=0.1)]
    (found,) = learning_points(networks)
    assert (found.n_train, found.each.tolist()) == (40, [0.1])


def looked_at(wrong: int, n: int, left_wrong: int, n_left: int, *, seeds: int = 1, n_train: int = 100) -> LearningPoint:
    """Networks that all have the first so many of n dev examples and of n_left left-out rows wrong."""
    return LearningPoint(
        n_train=n_train,
        wrong=np.tile(np.arange(n) < wrong, (seeds, 1)),
        left_out=np.ones((seeds, n_left), bool),
        left_wrong=np.tile(np.arange(n_left) < left_wrong, (seeds, 1)),
    )


def test_dev_and_left_out_errors_weigh_by_their_variances() -> None:
    """20 of 100 and 120 of 300: 0.2 with variance 0.16/100 and 0.4 with 0.24/300 make (0.2·625 + 0.4·1250)/1875."""
    estimate, covariance = size_errors([looked_at(20, 100, 120, 300)])
    assert estimate == pytest.approx([1 / 3], abs=1e-3)
    assert covariance == pytest.approx(np.array([[1 / 1875]]), rel=2e-3)


def test_a_row_that_several_networks_left_out_is_one_row() -> None:
    """Four networks that agree on every row know no more than one of them."""
    one, four = (size_errors([looked_at(20, 100, 120, 300, seeds=seeds)]) for seeds in (1, 4))
    assert one[0] == pytest.approx(four[0])
    assert one[1] == pytest.approx(four[1])


def test_rows_that_networks_left_out_in_turn_are_all_counted() -> None:
    """Two networks, each left out half of 200 rows and has a tenth of them wrong: 0.1 with variance 0.09/200."""
    half = np.arange(200) < 100
    tenth = np.arange(200) % 10 == 0
    point = replace(
        looked_at(0, 100, 0, 1, seeds=2),
        left_out=np.stack([half, ~half]),
        left_wrong=np.stack([half & tenth, ~half & tenth]),
    )
    assert point.left_out_error == pytest.approx(0.1)
    assert (point.left_out_shares() ** 2).sum() == pytest.approx(0.09 / 200)


def test_the_luck_of_a_training_is_not_averaged_away_by_more_rows() -> None:
    """Networks at 10% and 30% on dev: with however many left-out rows, their mean is no surer than two trainings."""
    luck = np.array([0.1, 0.3])
    point = replace(looked_at(20, 100, 20_000, 100_000, seeds=2), errors=luck)
    _, covariance = size_errors([point])
    assert covariance[0, 0] > 0.9 * luck.var(ddof=1) / 2


def test_trainings_on_few_examples_are_lucky_more_often() -> None:
    """With left-out rows, 16 times the examples have an eighth of the variance, and what all trainings share is added.

    Two networks at 9% and 11% at either size (variance 0.0002) make φ·q = 0.0002·(1 + 1/8)/2 for the larger one.
    """
    luck = np.array([0.09, 0.11])
    given = [replace(looked_at(200, 2000, 1, 10, seeds=2, n_train=n), errors=luck) for n in (100, 1600)]
    one = 0.0002 * (1 + 1 / 8) / 2
    expected = np.array([[8 * one / 2 + one / 2, one / 2], [one / 2, one / 2 + one / 2]])
    assert _luck_covariance(given, BITS) == pytest.approx(expected, rel=0.03)


def with_left_out(points: list[LearningPoint], *, n_rows: int = 4000, shift: float = 0.0) -> list[LearningPoint]:
    """The same networks compared with rows that they left out, ``shift`` more often wrong than on dev; not the largest.

    As in a real curve, a row is left out by a network of n examples with the chance 1 − n/largest.
    """
    rng = np.random.default_rng(7)
    difficulty = (rng.permutation(n_rows) + 0.5) / n_rows
    found = []
    for point in points[:-1]:
        left_out = rng.random((len(point.wrong), n_rows)) > point.n_train / points[-1].n_train
        wrong = left_out & (difficulty < point.wrong.mean() + shift)
        found.append(replace(point, left_out=left_out, left_wrong=wrong))
    return [*found, points[-1]]


def test_left_out_rows_narrow_the_interval() -> None:
    """4,000 rows beside 300 dev examples that say the same: half as wide, and where it was."""
    given = points(SIZES, a=0.02, b=0.08, n_dev=300)
    alone, both = fit_learning_curve(given), fit_learning_curve(with_left_out(given))
    assert both.twice.high - both.twice.low < 0.6 * (alone.twice.high - alone.twice.low)
    assert both.twice.value == pytest.approx(alone.twice.value, abs=0.01)
    assert (alone.left_out, both.left_out) == (0, 4000)


def test_a_lucky_dev_set_is_pulled_toward_the_rows_left_out() -> None:
    """10% on 300 dev examples where 4,000 other rows say four points more: most of the way to them, and said."""
    given = points(SIZES, a=0.02, b=0.08, n_dev=300)
    found = fit_learning_curve(with_left_out(given, shift=0.04))
    assert found.today == pytest.approx(0.1, abs=0.001)
    assert 0.12 < found.estimate < 0.14
    assert found.twice.value > fit_learning_curve(given).twice.value + 0.015
    said = f"from about {100 * found.estimate:.1f}% (10.0% on this dev set) to about "
    assert found.sentence().startswith(f"Twice the data would lower dev error {said}")


def test_whether_data_help_is_asked_of_the_estimate() -> None:
    """An unlucky dev set above the interval is no reason to collect: the estimate lies inside it."""
    given = points(SIZES, a=0.10, b=0.001, n_dev=300)
    found = fit_learning_curve(with_left_out(given, shift=-0.05))
    assert found.twice.high < found.today
    assert found.estimate < found.twice.high
    assert not found.helps
    assert found.is_flat


def test_a_gap_that_chance_can_make_is_said_to_be_smaller() -> None:
    """8% on 200 dev examples, alone, beside 5% on the training set: what the curve thinks of it stands first."""
    given = [replace(point, train_error=0.05) for point in points(SIZES, a=0.07, b=0.01, n_dev=200)]
    found = fit_learning_curve(given)
    assert (found.left_out, found.today) == (0, pytest.approx(0.08))
    assert found.twice.value < found.estimate < 0.075
    said = f"from about {100 * found.estimate:.1f}% (8.0% on this dev set) to about "
    assert found.sentence().startswith(f"Twice the data would lower dev error {said}")


def test_without_left_out_rows_the_dev_error_is_what_there_is() -> None:
    """The sizes' errors as they were counted; where they lie on a curve, today's as the sentence has it."""
    given = points(SIZES, a=0.02, b=0.04)
    estimate, _ = size_errors(given)
    assert estimate.tolist() == [point.each.mean() for point in given]
    found = fit_learning_curve(given)
    assert found.left_out == 0
    assert found.estimate == pytest.approx(found.today, abs=5e-4)
    assert "on this dev set" not in found.sentence()


def test_a_size_kept_without_left_out_rows_has_its_dev_error_alone() -> None:
    """Networks of an earlier version beside new ones: a size counts what all of its networks were compared with."""
    bits = {"left_out": np.array([True, True, False]), "left_wrong": np.array([True, False, False])}
    old, new = network(20, 0, 0, [True, False]), network(40, 0, 0, [True, False])
    mixed = [old, replace(new, **bits), replace(new, repeat=1), replace(new, n_train=80, **bits)]
    assert [point.left_out_error for point in learning_points(mixed)] == [None, None, 0.5]
    assert [point.n_left_out for point in learning_points(mixed)] == [0, 0, 2]


@pytest.mark.slow
@pytest.mark.parametrize("trained", [False, True])
def test_the_interval_covers_curves_drawn_from_the_prior(trained: bool) -> None:
    """Small dev sets and more left-out rows, examples of every difficulty, trainings with luck: at least 90 of 100.

    Without a train error, and with one anywhere below the dev error, counted on 2,000 examples.
    """
    rng = np.random.default_rng(11)
    covered, missed, missed_alone = [], [], []
    for _ in range(100):
        c = float(np.clip(rng.normal(0.5, 0.35), 0.05, 1.5))
        g, share = rng.uniform(0.02, 0.25), rng.uniform()
        t = rng.uniform(0, g) if trained else 0.0
        a = t + share * (g - t)
        given = drawn(rng, lambda n, a=a, b=g - a, c=c: a + b * (n / 2000) ** -c)
        if trained:
            given[-1] = replace(given[-1], train_error=rng.binomial(2000, t) / 2000)
        truth = a + (g - a) * 2**-c
        found = twice(given)
        alone = twice([replace(point, left_out=None, left_wrong=None) for point in given])
        covered.append(found.low <= truth <= found.high)
        missed.append(abs(found.value - truth))
        missed_alone.append(abs(alone.value - truth))
    assert np.mean(covered) >= 0.9
    assert np.mean(missed) < 0.85 * np.mean(missed_alone)


def twice(given: list[LearningPoint]) -> Prediction:
    """What twice the data would bring, without the rest of the curve."""
    sizes = np.array([point.n_train for point in given], float)
    return _Posterior(sizes, *size_errors(given), given[-1].train_error, shared_luck(given)).predict(2 * SIZES[-1])


def drawn(rng: np.random.Generator, f: Callable[[float], float]) -> list[LearningPoint]:
    """Four trainings a size, each some 7% off f(n), compared with 250 dev rows and those of 2,000 they left out."""
    hard = [norm.ppf(rng.random(n)) for n in (250, 2000)]
    found = []
    for n in SIZES:
        levels = [min(f(n) * (1 + 0.07 * rng.standard_normal()), 0.9) for _ in range(4)]
        dev, train = ([_wrong(rng, each, level) for level in levels] for each in hard)
        left_out = np.stack([rng.permutation(2000) >= n for _ in levels])
        some = left_out.any()
        found.append(
            LearningPoint(
                n_train=n,
                wrong=np.stack(dev),
                left_out=left_out if some else None,
                left_wrong=left_out & np.stack(train) if some else None,
            )
        )
    return found


def _wrong(rng: np.random.Generator, hard: np.ndarray, level: float) -> np.ndarray:
    """Bits that are wrong with the given chance, two networks' with a correlation of 0.7 on the probit scale."""
    found: np.ndarray = np.sqrt(0.7) * hard + np.sqrt(0.3) * rng.standard_normal(len(hard)) < norm.ppf(level)
    return found


def test_an_error_that_is_not_expected_to_fall_is_said_to_stay() -> None:
    """From 10.5% "to about 10.5%" would be no promise."""
    now = Prediction(1000, 0.105, 0.09, 0.12)
    worse, better = (
        LearningCurve(
            sizes=(1000,), errors=(0.105,), seeds=1, predictions=(then,), now=now, gain=Effect(0.0, 0.0, 0.01)
        ).promise()
        for then in (Prediction(2000, 0.10496, 0.09, 0.12), Prediction(2000, 0.094, 0.08, 0.11))
    )
    assert worse == (
        "Twice the data is hardly expected to lower dev error: 10.5% today, about 10.5% (9.0–12.0) then, lower by "
        "0.0 pp (0.0–1.0)"
    )
    assert better.startswith("Twice the data would lower dev error from 10.5%")


def squares(a: float, b: float, *, n_dev: int = 4000, seeds: int = 3) -> list[LearningPoint]:
    """Networks whose squared errors are on average a + b·(n/2000)^−½ in units of 16: noise, and errors of their own."""
    rng = np.random.default_rng(0)
    noise, unit = a**0.5 * rng.normal(size=n_dev), Unit(4.0)
    own = {n: (b * (n / 2000) ** -0.5) ** 0.5 * rng.normal(size=(seeds, n_dev)) for n in SIZES}
    return [LearningPoint(n_train=n, wrong=np.square(noise + own[n]), unit=unit) for n in SIZES]


def test_numbers_have_a_curve_of_their_rmse() -> None:
    """It is fitted to the mean squares and given in the unit of the numbers: 4·√(0.5 + 0.5/√2) with twice the data."""
    found = fit_learning_curve(squares(0.5, 0.5), material_gap=0.1)
    assert found.errors == pytest.approx([4 * (0.5 + 0.5 * (n / 2000) ** -0.5) ** 0.5 for n in SIZES], rel=0.02)
    expected = 4 * (0.5 + 0.5 / 2**0.5) ** 0.5
    assert found.twice.low < expected < found.twice.high
    assert found.twice.value == pytest.approx(expected, rel=0.05)
    assert found.gain.low < 4 - expected < found.gain.high
    assert found.helps
    assert re.match(r"Twice the data would lower dev error from \S*.* to about 3\.\d{3} ", found.sentence())
    assert fit_learning_curve(squares(1.0, 0.0), material_gap=0.5).is_flat


def test_networks_that_predict_exactly_have_a_flat_curve() -> None:
    """Squares of zero everywhere are no fault, and nothing is left to gain."""
    perfect = [replace(point, wrong=np.zeros((2, 50)), train_error=0.0) for point in squares(1, 0)]
    found = fit_learning_curve(perfect, material_gap=0.1)
    assert (found.today, found.is_flat) == (0, True)


def test_sizes_that_did_not_learn_their_numbers_are_left_out() -> None:
    """A train error far above the dev error of the largest size is that of failed trainings."""
    given = squares(0.5, 0.5)
    failed = [replace(given[0], train_error=9.0), *(replace(point, train_error=0.4) for point in given[1:])]
    assert fit_learning_curve(failed).not_learned == (125,)
