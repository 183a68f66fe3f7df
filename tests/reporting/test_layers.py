"""What the report says of the chosen network's layers."""

from dataclasses import replace
from typing import Any

import pytest

from tests.reporting.building import make_study
from tuner.nn import Architecture, LayerReport
from tuner.reporting import build_report
from tuner.reporting.layers import layers_sentence, zeros_sentence


def told(*layers: tuple[Any, ...], best_epoch: int = 10, initializer: str = "he") -> str:
    """The sentence about a trial of one network with these layers."""
    trial = make_study(2).trials[0]
    reports = [LayerReport(*layer) for layer in layers]
    network = replace(trial.networks[0], layers=reports, best_epoch=best_epoch)
    return layers_sentence(replace(trial, params=trial.params | {"initializer": initializer}, networks=[network]))


@pytest.mark.parametrize(
    ("first", "dead", "words"),
    [
        (1e-5, 0.0, "vanishes in backpropagation (norm 1e-5 in the first layer, 1 in the last)"),
        (1e4, 0.0, "explodes"),
        (1.0, 0.75, "75.0% of the units of layer 1 are dead"),
    ],
)
def test_trouble_is_named_with_what_helps(first: float, dead: float, words: str) -> None:
    """A thousandth of the output layer's gradient, a thousandfold, or most of a layer dead; at the best epoch."""
    before = [(1, 1, 1.0, 1.0, 0.0), (1, 2, 1.0, 1.0, 0.0)]
    after = [(20, 1, 1.0, 1.0, 0.0), (20, 2, 1.0, 1.0, 0.0)]
    at_best = [(10, 1, first, 1.0, dead), (10, 2, 1.0, 1.0, 0.0)]
    assert words in told(*before, *at_best, *after)
    assert words in told(*before, *at_best, best_epoch=13)


@pytest.mark.parametrize(
    ("initializer", "norm", "words"),
    [("zeros", 0.0, "another initializer than zeros"), ("he", 0.0, "a smaller l1"), ("he", 1.0, "another initializer")],
)
def test_units_that_are_copies_are_not_called_dead(initializer: str, norm: float, words: str) -> None:
    """A layer whose units have the same weights, with the reason."""
    layers = [(10, 1, 0.0, 0.0, 1.0, norm, 8.0, 1.0), (10, 2, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0)]
    text = told(*layers, initializer=initializer)
    assert text.startswith("In the best trial all units of layer 1 have the same weights")
    assert words in text


def test_exact_zeros_are_counted_where_l1_makes_them() -> None:
    """In all and by layer, at the best epoch; nothing without L1, and of a trial that did not record them."""
    trial = make_study(2).trials[0]
    layers = [LayerReport(3, 1, 1.0, 1.0, 0.0, 2.0, 24.0, 0.0), LayerReport(3, 2, 1.0, 1.0, 0.0, 2.0, 2.0, 0.0)]
    network = replace(trial.networks[0], layers=layers, best_epoch=3)
    sparse = replace(trial, params=trial.params | {"l1": 0.5}, networks=[network])
    shape = Architecture(8, (4,), 3)
    assert zeros_sentence(sparse, shape) == (
        "The L1 penalty of the best trial (l1 0.5) makes 26 of its 44 weights exactly 0, 59.1% (layer by layer 75.0% "
        "and 16.7%)."
    )
    assert zeros_sentence(replace(sparse, params=trial.params), shape) == ""
    older = replace(network, layers=[LayerReport(3, 1, 1.0, 1.0, 0.0), LayerReport(3, 2, 1.0, 1.0, 0.0)])
    assert zeros_sentence(replace(sparse, networks=[older]), shape) == ""


def test_a_study_of_0_2_is_not_told_of_zeros_that_its_l1_never_makes() -> None:
    """The note is for studies whose facts say that L1 makes exact zeros."""
    record = make_study(3)
    trials = [replace(trial, params=trial.params | {"l1": 0.5}) for trial in record.trials]
    for exact in (False, True):
        study = replace(record, trials=trials, facts=replace(record.facts, exact_zeros=exact))
        assert any("exactly 0" in note for note in build_report(study).notes) == exact


def test_a_training_of_few_updates_is_said() -> None:
    """Of the best trial, with what helps; not of one that trained on."""
    record = make_study(3)
    for updates, expected in ((16, True), (400, False)):
        trials = [
            replace(trial, networks=[replace(network, updates=updates) for network in trial.networks])
            for trial in record.trials
        ]
        notes = build_report(replace(record, trials=trials)).notes
        assert any("only 16 updates" in note and 'monitor = "cost"' in note for note in notes) == expected


def test_healthy_layers_are_no_news() -> None:
    """What was wrong after the first epoch alone is not either."""
    assert told((1, 1, 1e-9, 1.0, 0.9), (1, 2, 9.0, 1.0, 0.0), (10, 1, 0.2, 1.0, 0.5), (10, 2, 0.1, 1.0, 0.0)) == ""


def test_nothing_is_said_of_layers_nobody_described() -> None:
    """A custom trainer, or trials of an older version."""
    assert told() == ""
    assert layers_sentence(None) == ""
