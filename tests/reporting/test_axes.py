"""Axes of hyperparameters."""

import itertools
from typing import Any

import pytest

from tuner.reporting.axes import HyperparameterAxis
from tuner.reporting.svg import AxisScale
from tuner.study import Range


@pytest.mark.parametrize(
    ("searched", "value", "place"),
    [
        ({"log_uniform": (1e-3, 10.0)}, 0.1, 0.5),
        ({"uniform": (0.5, 1.0)}, 0.75, 0.5),
        ({"one_minus_log_uniform": (0.9, 0.999)}, 0.99, 0.5),
        ({"power_of_two": (16, 64)}, 32, 0.5),
        ({"choice": ["he", "xavier", "lecun"]}, "xavier", 0.5),
        ({"choice": ["he", "xavier"]}, "zeros", None),
        ({"uniform": (0.5, 1.0)}, "full", None),
    ],
)
def test_values_lie_where_they_were_sampled(searched: dict[str, Any], value: Any, place: float | None) -> None:
    """The middle of a range, on its own scale; None for what is not on it."""
    found = HyperparameterAxis("hyperparameter", Range(**searched)).position(value)
    assert found == (None if place is None else pytest.approx(place))


@pytest.mark.parametrize(
    "searched",
    [
        {"log_uniform": (1e-3, 10.0)},
        {"log_uniform": (0.0317, 0.0411)},
        {"uniform": (0.5, 1.0)},
        {"one_minus_log_uniform": (0.8, 0.99)},
        {"power_of_two": (1, 4096)},
    ],
)
def test_the_ends_are_labeled_and_labels_keep_apart(searched: dict[str, Any]) -> None:
    """A reader sees the range, and no label on another."""
    ticks = HyperparameterAxis("hyperparameter", Range(**searched)).ticks()
    places = [place for place, _ in ticks]
    assert places[0] == pytest.approx(0)
    assert places[-1] == pytest.approx(1)
    assert all(b - a > 0.1 for a, b in itertools.pairwise(places))


def test_long_choices_are_cut_to_the_room_between_them() -> None:
    """All are labeled; what fits is whole."""
    forms = ["standardize", "piecewise_linear", "target_bins", "periodic"]
    axis = HyperparameterAxis("numeric", Range(choice=forms))
    at, labels = axis.ticks_on(AxisScale(0, 1, 42, 298))
    assert at == pytest.approx([74, 138, 202, 266])
    assert labels == ["standar…", "piecewi…", "target_…", "periodic"]
    assert axis.ticks_on(AxisScale(0, 1, 0, 600))[1] == forms
