"""Predicted classes where mistakes differ in cost."""

import numpy as np
import pytest

from tuner.decisions import least_cost
from tuner.errors import UsageError
from tuner.study.costs import cost_matrix


def test_costs_of_named_pairs_stand_in_the_row_of_the_true_class_and_others_are_1() -> None:
    """A class may have an arrow in its name, and blanks around the arrow do not matter."""
    found = cost_matrix({"a -> b": 5, "x->y->a": 0.5}, ["a", "b", "x->y"])
    assert found.tolist() == [[0, 5, 1], [1, 0, 1], [0.5, 1, 0]]


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ({"yes->maybe": 2}, "diagnosis.cost: 'yes->maybe': no class 'maybe'; the classes are no, yes"),
        (
            {"yes": 2},
            "diagnosis.cost: expected two classes like \"true->predicted\", got 'yes'; the classes are no, yes",
        ),
        ({"yes->yes": 2}, "diagnosis.cost: expected two classes like \"true->predicted\", got 'yes->yes'"),
        ({"yes->no": 0, "no->yes": 0}, "diagnosis.cost: expected at least one cost > 0"),
    ],
)
def test_costs_that_name_no_mistake_are_refused(costs: dict[str, float], said: str) -> None:
    """The error names the key, the pair and the classes."""
    with pytest.raises(UsageError) as refused:
        cost_matrix(costs, ["no", "yes"])
    assert str(refused.value).startswith(said)


def test_the_class_of_the_lowest_expected_cost_is_predicted() -> None:
    """With a missed "yes" ten times as dear, "yes" is predicted from a probability of 1/11 on."""
    costs = cost_matrix({"yes->no": 10}, ["no", "yes"])
    yes = np.array([0.05, 0.09, 0.0909, 0.0910, 0.5])
    assert least_cost(np.stack([1 - yes, yes], axis=1), costs).tolist() == [0, 0, 0, 1, 1]
    assert least_cost(np.array([[0.5, 0.5]]), cost_matrix({}, ["a", "b"])).tolist() == [0]
