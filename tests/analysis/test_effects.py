"""What each hyperparameter does to train error and to the gap, on a surface whose effects are known."""

from dataclasses import replace

import numpy as np
import pytest

from tuner.analysis import SearchedHyperparameter, diverged_shares, hyperparameter_effects

LAMBDA = SearchedHyperparameter(name="lambda", kind="log_uniform", bounds=(1e-3, 10.0))
BETA = SearchedHyperparameter(name="beta", kind="one_minus_log_uniform", bounds=(0.8, 0.99))
BATCH = SearchedHyperparameter(name="batch_size", kind="power_of_two", bounds=(16, 128))
INITIALIZER = SearchedHyperparameter(name="initializer", kind="choice", bounds=("he", "xavier", "zeros"))
HIDDEN = SearchedHyperparameter(name="hidden", kind="choice", bounds=("16", "32", "64"), ordered=True)
HYPERPARAMETERS = [LAMBDA, BETA, BATCH, INITIALIZER, HIDDEN]


def random_trials(n: int, rng: np.random.Generator) -> tuple[list[dict[str, object]], np.ndarray, np.ndarray]:
    """λ raises train error by 0.10 and lowers the gap by 0.06 over its range, zeros cost 0.05, the rest nothing."""
    params, train, gap = [], [], []
    for _ in range(n):
        u = rng.random(2)
        initializer = str(rng.choice(INITIALIZER.bounds))
        params.append(
            {
                "lambda": LAMBDA.from_unit(u[0]),
                "beta": BETA.from_unit(u[1]),
                "batch_size": int(rng.choice([16, 32, 64, 128])),
                "initializer": initializer,
                "hidden": str(rng.choice(HIDDEN.bounds)),
            }
        )
        train.append(0.02 + 0.10 * u[0] + 0.05 * (initializer == "zeros") + rng.normal(0, 0.004))
        gap.append(0.08 - 0.06 * u[0] + rng.normal(0, 0.008))
    return params, np.array(train), np.array(gap)


def test_known_effects_are_found() -> None:
    """λ pulls train error up and the gap down; upper less lower quarter is 0.75 of the range."""
    rng = np.random.default_rng(0)
    params, train, gap = random_trials(60, rng)
    found = hyperparameter_effects(
        HYPERPARAMETERS, params, train, gap, np.ones(60, dtype=bool), int(train.argmin()), rng=rng
    )
    assert found is not None
    effects = {(effect.hyperparameter, effect.level): effect for effect in found.effects}
    pull = effects["lambda", None]
    assert pull.train.low < 0.075 < pull.train.high
    assert pull.gap.low < -0.045 < pull.gap.high
    assert pull.train.decided
    assert pull.gap.decided
    assert pull.train_near_best.decided
    zeros = effects["initializer", "zeros"]
    assert zeros.train.low < 0.05 < zeros.train.high
    assert zeros.train.decided
    assert not zeros.gap.decided
    assert not effects["beta", None].train.decided
    assert (pull.label, zeros.label) == ("lambda", "initializer zeros")
    assert found.trials == found.exploring == 60
    assert [replace(found, exploring=n).where_the_search_looked for n in (19, 20)] == [True, False]


def test_curves_run_only_where_trials_lie() -> None:
    """No trial above the middle of λ's range: no curve there."""
    rng = np.random.default_rng(1)
    params, train, gap = random_trials(80, rng)
    low = [i for i, trial in enumerate(params) if LAMBDA.to_unit([trial["lambda"]])[0] < 0.5]
    found = hyperparameter_effects(
        HYPERPARAMETERS, [params[i] for i in low], train[low], gap[low], np.zeros(len(low), dtype=bool), 0, rng=rng
    )
    assert found is not None
    curves = {curve.hyperparameter: curve for curve in found.curves}
    assert LAMBDA.to_unit(curves["lambda"].values).max() < 0.6
    assert curves["batch_size"].values == (16, 32, 64, 128)
    assert curves["initializer"].values == ("he", "xavier", "zeros")
    assert curves["hidden"].values == ("16", "32", "64")
    assert curves["lambda"].train.shape == (len(curves["lambda"].values), 3)
    assert found.where_the_search_looked


def test_effects_are_averages_over_the_points_where_a_hyperparameter_acts() -> None:
    """β raises train error by 0.10 over its range under momentum; gradient descent, the best trial's, has none."""
    rng = np.random.default_rng(2)
    optimizer = SearchedHyperparameter(name="optimizer", kind="choice", bounds=("gradient_descent", "momentum"))
    params: list[dict[str, object]] = []
    train = np.zeros(60)
    for trial, u in enumerate(rng.random((60, 2))):
        name = optimizer.bounds[trial % 2]
        params.append({"lambda": LAMBDA.from_unit(u[0]), "beta": BETA.from_unit(u[1]), "optimizer": name})
        train[trial] = 0.02 + 0.10 * u[1] * (name == "momentum") + rng.normal(0, 0.002)
    found = hyperparameter_effects(
        [LAMBDA, BETA, optimizer],
        params,
        train,
        np.full(60, 0.05),
        np.ones(60, dtype=bool),
        0,
        rng=rng,
        idle=lambda choices: {"beta"} if choices["optimizer"] == "gradient_descent" else (),
    )
    assert found is not None
    effects = {effect.hyperparameter: effect for effect in found.effects if effect.level is None}
    assert effects["beta"].train.value == pytest.approx(0.075, abs=0.015)
    assert effects["beta"].train_near_best.value == 0
    assert not effects["beta"].train_near_best.decided
    curve = next(curve for curve in found.curves if curve.hyperparameter == "beta")
    assert curve.train[-1, 0] - curve.train[0, 0] == pytest.approx(0.10, abs=0.03)


def test_few_trials_say_nothing() -> None:
    """Nine trials are no surface."""
    rng = np.random.default_rng(2)
    params, train, gap = random_trials(9, rng)
    assert hyperparameter_effects(HYPERPARAMETERS, params, train, gap, np.ones(9, dtype=bool), 0, rng=rng) is None


def test_equal_errors_have_no_effect() -> None:
    """All networks learn everything: the effects on train error are 0, not a failure."""
    rng = np.random.default_rng(3)
    params, _, gap = random_trials(20, rng)
    found = hyperparameter_effects(HYPERPARAMETERS, params, np.zeros(20), gap, np.ones(20, dtype=bool), 0, rng=rng)
    assert found is not None
    assert {effect.hyperparameter for effect in found.effects} == {
        hyperparameter.name for hyperparameter in HYPERPARAMETERS
    }
    assert all(effect.train.value == 0 and not effect.train.decided for effect in found.effects)


def test_a_fixed_hyperparameter_has_no_effect_to_show() -> None:
    """A hyperparameter with one value in all trials is left out."""
    rng = np.random.default_rng(4)
    params, train, gap = random_trials(20, rng)
    for trial in params:
        trial["beta"] = 0.9
    found = hyperparameter_effects(HYPERPARAMETERS, params, train, gap, np.ones(20, dtype=bool), 0, rng=rng)
    assert found is not None
    assert "beta" not in {effect.hyperparameter for effect in found.effects}


def test_a_choice_no_longer_offered_is_left_out() -> None:
    """Trials from before the definition changed do not stop the report."""
    rng = np.random.default_rng(5)
    params, train, gap = random_trials(20, rng)
    params[3]["initializer"] = "forgotten"
    found = hyperparameter_effects(HYPERPARAMETERS, params, train, gap, np.ones(20, dtype=bool), 7, rng=rng)
    assert found is not None
    assert found.trials == 19


def test_thousands_of_trials_are_thinned() -> None:
    """As many as a process can take, the best and the exploring among them."""
    rng = np.random.default_rng(6)
    params, train, gap = random_trials(1000, rng)
    found = hyperparameter_effects(
        [LAMBDA, BETA], params, train, gap, rng.random(1000) < 0.25, int(train.argmin()), rng=rng
    )
    assert found is not None
    assert found.trials == 1000
    assert found.effects[0].train.decided


@pytest.mark.parametrize("hyperparameter", HYPERPARAMETERS, ids=lambda hyperparameter: hyperparameter.name)
def test_positions_lead_back_to_values(hyperparameter: SearchedHyperparameter) -> None:
    """Both ways of the sampled scale."""
    for value in hyperparameter.bounds:
        assert hyperparameter.from_unit(float(hyperparameter.to_unit([value])[0])) == pytest.approx(value)


def test_beta_is_measured_by_its_memory() -> None:
    """1 − β is log-uniform: the middle of 0.8 to 0.99 is 1 − √(0.2·0.01); more memory is higher."""
    assert BETA.from_unit(0.5) == pytest.approx(1 - np.sqrt(0.2 * 0.01))
    assert BETA.to_unit([0.8, 0.99]).tolist() == pytest.approx([0.0, 1.0])


def test_diverged_trials_are_counted_along_a_hyperparameter() -> None:
    """Where in its range the failures lie."""
    alpha = SearchedHyperparameter(name="alpha", kind="log_uniform", bounds=(1e-2, 1e2))
    found = diverged_shares(alpha, [0.02, 0.5, 5.0, 50.0, 90.0], np.array([False, False, False, True, True]))
    assert [row[2:] for row in found] == [(0, 1), (0, 1), (0, 1), (2, 2)]
    assert found[-1][:2] == pytest.approx((10.0, 100.0))
    choices = diverged_shares(INITIALIZER, ["he", "zeros"], np.array([False, True]))
    assert choices == [("he", "he", 0, 1), ("xavier", "xavier", 0, 0), ("zeros", "zeros", 1, 1)]
