"""What the report says of the chosen network's layers."""

from dataclasses import replace

import pytest

from tests.reporting.building import make_study
from tuner.reporting.layers import layers_sentence


def told(*layers: tuple[int, int, float, float, float]) -> str:
    """The sentence about a trial of one network with these layers."""
    trial = make_study(2).trials[0]
    return layers_sentence(replace(trial, networks=[replace(trial.networks[0], layers=list(layers))]))


@pytest.mark.parametrize(
    ("first", "dead", "words"),
    [
        (1e-5, 0.0, "vanishes in backpropagation (norm 1e-5 in the first layer, 1 in the last)"),
        (1e4, 0.0, "explodes"),
        (1.0, 0.75, "75.0% of the units of layer 1 are dead"),
    ],
)
def test_trouble_is_named_with_what_helps(first: float, dead: float, words: str) -> None:
    """A thousandth of the output layer's gradient, a thousandfold, or most of a layer dead; as last described."""
    before = [(1, 1, 1.0, 1.0, 0.0), (1, 2, 1.0, 1.0, 0.0)]
    assert words in told(*before, (10, 1, first, 1.0, dead), (10, 2, 1.0, 1.0, 0.0))


def test_healthy_layers_are_no_news() -> None:
    """What was wrong after the first epoch alone is not either."""
    assert told((1, 1, 1e-9, 1.0, 0.9), (1, 2, 9.0, 1.0, 0.0), (10, 1, 0.2, 1.0, 0.5), (10, 2, 0.1, 1.0, 0.0)) == ""


def test_nothing_is_said_of_layers_nobody_described() -> None:
    """A custom trainer, or trials of an older version."""
    assert told() == ""
    assert layers_sentence(None) == ""
