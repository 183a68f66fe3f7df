"""Picking the best of many: the correction against a plain re-enactment, and on searches whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from tuner.analysis import (
    Competition,
    NetworkRun,
    bootstrap_corrected_error,
    chosen_error,
    corrected_dev_error,
    held_out_losses,
    rechosen_error,
    wilson,
)
from tuner.metrics import BALANCED_ERROR


def competition(
    bits: np.ndarray, folds: np.ndarray, *, patience: int | None = None, epochs: list[int] | None = None, first: int = 1
) -> Competition:
    """Single-network trials from (trials, epochs, n_dev) bits, each run for its number of epochs."""
    onehot = np.eye(20, dtype=int)[folds]
    trials, at_best = [], []
    for number, trial in enumerate(bits):
        run = trial[: epochs[number]] if epochs else trial
        trials.append([NetworkRun(fold_losses=run.astype(int) @ onehot, first_stop=first)])
        at_best.append(run[run.sum(axis=1).argmin()])
    sizes = np.bincount(folds, minlength=20)
    return Competition(trials=trials, fold_sizes=sizes, losses=np.array(at_best), patience=patience)


def reenacted(given: Competition, chosen_on: np.ndarray) -> float:
    """Error on the other folds of what patience and the least error choose on these, one step after another."""
    best_wrong, winner, winner_epoch = np.inf, 0, 0
    for number, (run,) in enumerate(given.trials):
        curve = run.fold_losses[:, chosen_on].sum(axis=1)
        least, best = curve[0], 0
        for epoch in range(1, len(curve)):
            if given.patience is not None and epoch - 1 - best >= given.patience and epoch >= run.first_stop:
                break
            if curve[epoch] < least:
                least, best = curve[epoch], epoch
        if least < best_wrong:
            best_wrong, winner, winner_epoch = least, number, best
    held = np.setdiff1d(np.arange(20), chosen_on)
    return float(given.trials[winner][0].fold_losses[winner_epoch, held].sum() / given.fold_sizes[held].sum())


@pytest.mark.parametrize(("patience", "first"), [(None, 1), (2, 1), (3, 6)])
def test_the_choice_is_made_as_early_stopping_makes_it(patience: int | None, first: int) -> None:
    """One split of the folds agrees with the rule spelled out in a loop, ragged runs and waiting included."""
    rng = np.random.default_rng(0)
    for repeat in range(10):
        bits = rng.random((7, 12, 200)) < rng.uniform(0.2, 0.4, size=(7, 12, 1))
        epochs = [int(e) for e in rng.integers(3, 13, size=7)]
        given = competition(bits, np.arange(200) % 20, patience=patience, epochs=epochs, first=first)
        found = rechosen_error(given, rng=np.random.default_rng(repeat), splits=1)
        held = np.random.default_rng(repeat).permutation(np.arange(20))[:5]
        assert found == pytest.approx(reenacted(given, np.setdiff1d(np.arange(20), held)))


def test_a_row_of_weight_two_counts_as_two() -> None:
    """The correction of weighted rows is that of the same rows as often, in the same folds."""
    rng = np.random.default_rng(4)
    bits, folds, often = rng.random((5, 6, 80)) < 0.3, np.arange(80) % 20, rng.integers(1, 4, 80)
    copies = competition(np.repeat(bits, often, axis=2), np.repeat(folds, often))
    weights = often / often.mean()
    onehot = np.eye(20)[folds] * weights[:, None]
    runs = [[NetworkRun(fold_losses=trial @ onehot)] for trial in bits]
    at_best = np.array([trial[(trial @ weights).argmin()] for trial in bits]) * weights
    sizes = np.bincount(folds, weights=weights, minlength=20)
    given = Competition(trials=runs, fold_sizes=sizes, losses=at_best, row_weights=weights, patience=None)
    assert given.n == 80
    found, expected = (rechosen_error(each, rng=np.random.default_rng(0)) for each in (given, copies))
    assert found == pytest.approx(expected, rel=1e-5)
    estimate = corrected_dev_error(given, int(at_best.mean(axis=1).argmin()), rng=rng, n_effective=60.0)
    assert estimate.value == pytest.approx(expected, abs=0.01)
    assert estimate.low_from is not None


def test_the_best_of_many_coins_is_a_coin() -> None:
    """A hundred trials that guess: the best looks like 40%, the corrected error says half."""
    rng = np.random.default_rng(1)
    given = competition(rng.random((100, 10, 200)) < 0.5, rng.permutation(np.arange(200) % 20))
    best = int(given.losses.mean(axis=1).argmin())
    found = corrected_dev_error(given, best, rng=rng)
    assert given.losses[best].mean() <= 0.4
    assert found.low < 0.5 < found.high
    assert found.value == pytest.approx(0.5, abs=0.04)


def test_one_trial_of_one_epoch_keeps_its_error() -> None:
    """Nothing competed, nothing to allow for."""
    bits = np.random.default_rng(2).random((1, 1, 200)) < 0.3
    found = corrected_dev_error(competition(bits, np.arange(200) % 20), 0, rng=np.random.default_rng(0))
    assert found.value == bits.mean()
    assert (found.low, found.high) == pytest.approx(wilson(bits.sum(), 200))


def test_the_lower_end_is_the_smaller_of_two() -> None:
    """Wilson at the re-chosen value, or at the bootstrap's where that is lower; the upper end is at the value alone."""
    rng = np.random.default_rng(3)
    given = competition(rng.random((30, 20, 300)) < 0.2, np.arange(300) % 20)
    best = int(given.losses.mean(axis=1).argmin())
    found = corrected_dev_error(given, best, rng=np.random.default_rng(0))
    assert found.low_from is not None
    assert found.low == min(wilson(found.value * 300, 300)[0], wilson(found.low_from * 300, 300)[0])
    assert found.high == wilson(found.value * 300, 300)[1]


def test_with_folds_the_ends_are_from_four_fifths_of_the_examples() -> None:
    """Both are at the value where each fold chose its own epoch; where they shared it, the bootstrap counts, too."""
    folds = np.arange(300) % 20
    onehot, third = np.eye(20, dtype=int)[folds], np.arange(300) // 100 == np.arange(3)[:, None]
    bits = np.random.default_rng(6).random((10, 3, 4, 300)) < 0.3
    split = [[NetworkRun(fold_losses=(net & third[i]) @ onehot) for i, net in enumerate(trial)] for trial in bits]
    given = Competition(trials=split, fold_sizes=np.bincount(folds), losses=bits[:, 0, 0], folds=True)
    own = corrected_dev_error(given, 0, rng=np.random.default_rng(0))
    assert (own.low, own.high) == pytest.approx(wilson(own.value * 240, 240))
    shared = [[NetworkRun(fold_losses=sum(run.fold_losses for run in trial))] for trial in split]
    pooled = corrected_dev_error(replace(given, trials=shared), 0, rng=np.random.default_rng(0))
    assert pooled.low_from is not None
    assert pooled.low == pytest.approx(wilson(min(pooled.value, pooled.low_from) * 240, 240)[0])
    assert pooled.high == pytest.approx(wilson(pooled.value * 240, 240)[1])


def test_a_clear_winner_is_hardly_corrected() -> None:
    """Where one trial is far better than all others, choosing it was no luck."""
    rng = np.random.default_rng(4)
    bits = rng.random((20, 1, 400)) < np.array([0.05] + [0.5] * 19)[:, None, None]
    found = corrected_dev_error(competition(bits, np.arange(400) % 20), 0, rng=rng)
    assert found.value == pytest.approx(bits[0].mean(), abs=0.01)


def test_a_choice_by_another_metric_is_not_below_its_raw_error() -> None:
    """Chosen by cost, the best trial has more errors than the least; the correction starts from its own."""
    rng = np.random.default_rng(5)
    bits = rng.random((20, 5, 400)) < 0.3
    given = competition(bits, np.arange(400) % 20)
    worst = int(given.losses.mean(axis=1).argmax())
    assert corrected_dev_error(given, worst, rng=rng).value > given.losses[worst].mean()


def test_a_choice_of_epochs_that_did_not_happen_is_not_replayed() -> None:
    """By cost the last epoch was kept, 20% wrong; patience with the error would have stopped at the first, 30%."""
    rng = np.random.default_rng(9)
    bits = rng.random((20, 4, 400)) < np.array([0.3, 0.45, 0.45, 0.2])[:, None]
    by_error = replace(competition(bits, np.arange(400) % 20, patience=2), losses=bits[:, -1])
    by_cost = replace(by_error, epochs_by_loss=False)
    best = int(by_cost.losses.mean(axis=1).argmin())
    assert corrected_dev_error(by_error, best, rng=rng).value > 0.27
    found = corrected_dev_error(by_cost, best, rng=rng)
    assert by_cost.losses[best].mean() < 0.18
    assert found.value == pytest.approx(0.2, abs=0.02)
    assert chosen_error(by_cost, rng=rng) == pytest.approx(0.2, abs=0.02)


def test_a_choice_by_the_balanced_error_is_allowed_for() -> None:
    """Sixty trials that guess, each with its own share of the rare class, 20 of 200 rows: half of each class is wrong.

    The best one's balanced error is far lower by luck, mostly in the rare class; the plain error says nothing of it.
    """
    rng = np.random.default_rng(10)
    y = np.repeat([0, 1], [180, 20])
    weights = BALANCED_ERROR.weighted(np.ones(200), y)
    measured, corrected, plain = [], [], []
    for _ in range(20):
        rare = rng.uniform(0.1, 0.9, size=(60, 1))
        wrong = (rng.random((60, 200)) < rare) != y
        given = Competition(
            trials=[[NetworkRun(fold_losses=np.zeros((1, 20)))] for _ in wrong],
            fold_sizes=np.full(20, 10), losses=wrong, weights=weights,
        )  # fmt: skip
        best = int(given.chosen_by.mean(axis=1).argmin())
        measured.append(given.chosen_by[best].mean())
        corrected.append((held_out_losses(given, rng=np.random.default_rng(0)) * weights).mean())
        plain.append(corrected_dev_error(given, best, rng=rng).value - wrong[best].mean())
        assert chosen_error(given, rng=np.random.default_rng(0)) == pytest.approx(corrected[-1])
    assert np.mean(measured) < 0.4
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.025)
    assert np.mean(plain) > 0


def test_the_chance_of_the_splits_is_a_twentieth_of_the_standard_error() -> None:
    """Thirty trials, re-chosen with ten seeds: the values differ by far less than another dev set would."""
    rng = np.random.default_rng(11)
    given = competition(rng.random((30, 10, 400)) < 0.2, np.arange(400) % 20)
    values = [rechosen_error(given, rng=np.random.default_rng(seed)) for seed in range(10)]
    assert np.std(values, ddof=1) < 0.08 * (0.2 * 0.8 / 400) ** 0.5


def test_folds_add_up_and_seeds_average() -> None:
    """Three networks on disjoint thirds count every row once; three on the same rows count it three times."""
    rng = np.random.default_rng(6)
    folds = np.arange(300) % 20
    onehot = np.eye(20, dtype=int)[folds]
    bits = rng.random((10, 3, 4, 300)) < 0.3
    third = np.arange(300) // 100 == np.arange(3)[:, None]
    sizes = np.bincount(folds)
    split = [[NetworkRun(fold_losses=(net & third[i]) @ onehot) for i, net in enumerate(trial)] for trial in bits]
    shared = [[NetworkRun(fold_losses=net.astype(int) @ onehot) for net in trial] for trial in bits]
    wrong = bits[:, 0, 0]
    of_folds = rechosen_error(Competition(trials=split, fold_sizes=sizes, losses=wrong), rng=rng)
    of_seeds = rechosen_error(Competition(trials=shared, fold_sizes=sizes, losses=wrong, looks=3), rng=rng)
    assert of_folds == pytest.approx(0.3, abs=0.05)
    assert of_seeds == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("n", [1, 2, 10])
def test_a_tiny_dev_set_gives_a_number(n: int) -> None:
    """Most of the twenty folds are empty; the interval is wide and the value a fraction."""
    bits = np.random.default_rng(7).random((5, 4, n)) < 0.3
    found = corrected_dev_error(competition(bits, np.arange(n) % 20), 0, rng=np.random.default_rng(0))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.2


def test_an_empty_dev_set_is_unknown() -> None:
    """No examples: nothing is claimed."""
    given = competition(np.zeros((2, 3, 0), dtype=bool), np.zeros(0, dtype=int))
    found = corrected_dev_error(given, 0, rng=np.random.default_rng(0))
    assert (found.low, found.high, found.n) == (0.0, 1.0, 0)


def test_the_same_seed_gives_the_same_number() -> None:
    """A report can be written twice."""
    given = competition(np.random.default_rng(8).random((10, 5, 100)) < 0.3, np.arange(100) % 20)
    assert corrected_dev_error(given, 0, rng=np.random.default_rng(1)) == corrected_dev_error(
        given, 0, rng=np.random.default_rng(1)
    )


def test_a_choice_between_trials_or_between_epochs_is_a_choice() -> None:
    """One trial of one epoch leaves nothing to choose; a second trial or a second epoch does."""
    sizes = np.array([1, 1])
    one, two = NetworkRun(fold_losses=np.zeros((1, 2))), NetworkRun(fold_losses=np.zeros((2, 2)))
    given = [
        Competition(trials=trials, fold_sizes=sizes, losses=np.zeros((len(trials), 2)))
        for trials in ([[one]], [[two]], [[one], [one]])
    ]
    assert [each.had_a_choice for each in given] == [False, True, True]


def test_the_bootstrap_scores_on_the_examples_left_out() -> None:
    """Each of two trials has the other's right example wrong: chosen on one example, it is wrong on the other."""
    losses = np.array([[0, 1], [1, 0]])
    assert bootstrap_corrected_error(losses, rng=np.random.default_rng(0)) == 1.0


def test_the_bootstrap_leaves_groups_together() -> None:
    """Ten copies of each example are one group: the bootstrap over groups is that over the examples."""
    bits = np.random.default_rng(9).random((30, 60)) < 0.3
    copies = np.repeat(bits, 10, axis=1)
    plain = bootstrap_corrected_error(bits, rng=np.random.default_rng(0))
    grouped = bootstrap_corrected_error(copies, np.repeat(np.arange(60), 10), rng=np.random.default_rng(0))
    assert grouped == pytest.approx(plain)
    assert bootstrap_corrected_error(copies, rng=np.random.default_rng(0)) < grouped
