"""Ranges, their sampling scales and their values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.formatting import value
from tuner.nn import Hyperparameters
from tuner.study import HYPERPARAMETERS, Range, Space

SPACE = Space(
    {
        "lambda": Range(log_uniform=(1e-3, 10.0)),
        "keep_prob": Range(uniform=(0.5, 1.0)),
        "alpha": 0.1,
        "beta": Range(one_minus_log_uniform=(0.8, 0.99)),
        "batch_size": Range(power_of_two=(16, 128)),
        "initializer": Range(choice=["he", "xavier"]),
        "hidden": "64-32",
    }
)


def test_distributions_have_the_names_and_scales_of_the_plan() -> None:
    """Optuna's tables hold lambda, keep_prob, one_minus_beta, log2_batch_size and initializer."""
    assert SPACE.distributions == {
        "lambda": FloatDistribution(1e-3, 10.0, log=True),
        "keep_prob": FloatDistribution(0.5, 1.0),
        "one_minus_beta": FloatDistribution(0.01, 0.2, log=True),
        "log2_batch_size": IntDistribution(4, 7),
        "initializer": CategoricalDistribution(("he", "xavier")),
    }


def test_values_are_those_people_read() -> None:
    """Momentum is shown as beta and a batch as its size, in the order of the table; fixed values are among them."""
    sampled = {"lambda": 0.5, "keep_prob": 0.9, "one_minus_beta": 0.1, "log2_batch_size": 5, "initializer": "he"}
    assert list(SPACE.values(sampled).items()) == [
        ("lambda", 0.5),
        ("keep_prob", 0.9),
        ("alpha", 0.1),
        ("beta", 0.9),
        ("batch_size", 32),
        ("initializer", "he"),
        ("hidden", "64-32"),
    ]


@given(
    st.floats(0.01, 0.2),
    st.integers(4, 7),
    st.floats(1e-3, 10.0),
    st.floats(0.5, 1.0),
    st.sampled_from(["he", "xavier"]),
)
def test_values_go_back_to_what_was_sampled(b: float, batch: int, penalty: float, keep: float, start: str) -> None:
    """Sampled -> value -> sampled is the identity up to rounding, and the value is in the space."""
    sampled = {
        "lambda": penalty,
        "keep_prob": keep,
        "one_minus_beta": b,
        "log2_batch_size": batch,
        "initializer": start,
    }
    values = SPACE.values(sampled)
    assert SPACE.holds(values)
    back = SPACE.sampled(values)
    assert back.pop("initializer") == sampled.pop("initializer")
    assert back == pytest.approx(sampled, rel=1e-12)


def test_a_point_outside_is_not_held() -> None:
    """A value outside its range, or another fixed value, is not in the space."""
    inside = SPACE.values(
        {"lambda": 0.5, "keep_prob": 0.9, "one_minus_beta": 0.1, "log2_batch_size": 5, "initializer": "he"}
    )
    for change in ({"lambda": 11.0}, {"batch_size": 48}, {"initializer": "lecun"}, {"alpha": 0.2}):
        assert not SPACE.holds(inside | change)


def test_a_layer_may_have_a_keep_prob_of_its_own() -> None:
    """The other layers have keep_prob; of a network without the layer the hyperparameter is idle."""
    space = Space({"hidden": "8-4-2", "keep_prob.2": Range(uniform=(0.5, 1.0)), "keep_prob": 0.75, "keep_prob.3": 0.5})
    values = space.values(space.sampled({"keep_prob.2": 0.625}))
    assert [*values][1:4] == ["keep_prob", "keep_prob.2", "keep_prob.3"]
    assert space.hyperparameters(values).keep_prob == (0.75, 0.625, 0.5)
    assert space.idle({}) == []
    assert space.idle({"hidden": "8"}) == ["keep_prob.2"]
    assert space.holds(values)


def test_hyperparameters_reach_the_network() -> None:
    """Every value is in the field of its hyperparameter."""
    values = {"lambda": 0.5, "keep_prob": 0.9, "alpha": 0.2, "batch_size": "full", "hidden": "8-4"}
    assert SPACE.hyperparameters(values) == Hyperparameters(
        lambda_=0.5, keep_prob=0.9, alpha=0.2, batch_size="full", hidden=(8, 4)
    )


def test_what_is_not_said_has_the_default_of_the_network() -> None:
    """An empty space still shows the six hyperparameters of the lectures."""
    empty = Space({})
    assert empty.distributions == {}
    assert list(empty.values({})) == ["lambda", "keep_prob", "alpha", "beta", "batch_size", "initializer"]
    assert empty.hyperparameters(empty.values({})) == Hyperparameters()


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_every_hyperparameter_accepts_its_default(name: str) -> None:
    """The default of each hyperparameter passes that hyperparameter's own check."""
    hyperparameter = HYPERPARAMETERS[name]
    default = hyperparameter.default
    given = "-".join(map(str, default)) or "none" if name == "hidden" else default
    assert hyperparameter.check(given) is None
    assert not isinstance(given, float) or math.isfinite(given)


@pytest.mark.parametrize(
    ("of", "text"), [(True, "true"), (False, "false"), (0.000123456, "0.0001235"), ("64-32", "64-32")]
)
def test_a_value_is_shown_as_a_study_file_spells_it(of: object, text: str) -> None:
    """A number is shortened; true and false can be typed again."""
    assert value(of) == text


def test_ranges_may_be_as_wide_as_refine_makes_them() -> None:
    """The limit of a wider range is a valid value."""
    limits = {name: spec.most for name, spec in HYPERPARAMETERS.items() if math.isfinite(spec.most)}
    assert limits["highest_frequency"] == 1000
    assert [name for name, most in limits.items() if HYPERPARAMETERS[name].check(most)] == []
