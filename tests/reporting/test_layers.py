"""What the report says of the chosen network's layers."""

from dataclasses import replace

import pytest

from tests.reporting.building import make_study
from tuner.reporting.layers import layers_sentence


def told(*layers: tuple[int, int, float, float, float]) -> str:
    """The sentence about a trial of one network with these layers."""
    trial = make_study(2).trials[0]
    return layers_sentence(replace(trial, networks=[replace(trial.networks[0], layers=list(layers))]))


def test_the_last_described_epoch_is_told() -> None:
    """First and last gradient and the share of dead units, of the last epoch alone."""
    found = told((1, 1, 9.0, 1.0, 0.9), (1, 2, 9.0, 1.0, 0.0), (10, 1, 0.2, 1.0, 0.25), (10, 2, 0.1, 1.0, 0.0))
    assert "after epoch 10, the gradient's norm is 0.2 in the first layer and 0.1 in the output layer" in found
    assert found.endswith("at most 25.0 % of a hidden layer's units are dead.")


@pytest.mark.parametrize(
    ("first", "dead", "words"),
    [(1e-5, 0.0, "vanishes"), (1e4, 0.0, "explodes"), (1.0, 0.75, "leaky_relu"), (1.0, 0.5, "are dead.")],
)
def test_trouble_is_named_with_what_helps(first: float, dead: float, words: str) -> None:
    """A thousandth of the output layer's gradient, a thousandfold, or most of a layer dead."""
    assert words in told((1, 1, first, 1.0, dead), (1, 2, 1.0, 1.0, 0.0))


def test_nothing_is_said_of_layers_nobody_described() -> None:
    """A trainer of the user's own, or trials of an older version."""
    assert told() == ""
    assert layers_sentence(None) == ""
