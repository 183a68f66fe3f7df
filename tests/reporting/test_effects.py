"""Hyperparameters as the analysis wants them."""

from tests.reporting.building import make_study
from tuner.reporting.effects import searched_knobs
from tuner.study import parse_definition


def test_choices_with_an_order_are_ordered() -> None:
    """Networks by their size, numbers by their value; names have no order."""
    text = make_study(0).definition.replace(
        "[search]",
        'hidden = { choice = ["128-64", "none", "32"] }\nl1 = { choice = [0.1, 0.001] }\n[search]',
    )
    knobs = {knob.name: knob for knob in searched_knobs(parse_definition(text, "made.toml"))}
    assert list(knobs["hidden"].bounds) == ["none", "32", "128-64"]
    assert knobs["hidden"].ordered
    assert list(knobs["l1"].bounds) == [0.001, 0.1]
    assert not knobs["initializer"].ordered
