"""Axes that fit the errors."""

import numpy as np
import pytest

from tuner.reporting.figures.error_axes import both_scales, error_axis


def test_an_axis_of_noisy_errors_begins_near_them() -> None:
    """Errors of 28% to 40% fill their axis; those near 0 begin at 0."""
    axis = error_axis(np.linspace(0.28, 0.40, 50), "linear")
    assert (0.4 - 0.28) / (axis.high - axis.low) > 0.8
    assert error_axis([0.0, 0.01, 0.05], "linear").low == 0.0


def test_few_high_errors_do_not_stretch_an_axis() -> None:
    """One trial at 90% is drawn at the edge; what must be seen is inside."""
    errors = [0.02] * 30 + [0.9]
    assert error_axis(errors, "linear").high < 0.1
    assert error_axis(errors, "linear", also=[0.3]).high >= 0.3


@pytest.mark.parametrize("errors", [[0.0, 0.0], [0.0, 0.02], [1.0], [0.5, np.nan]])
def test_every_axis_has_a_length(errors: list[float]) -> None:
    """Of perfect, hopeless and unknown errors, too; a logarithm needs a positive end."""
    for kind in ("linear", "log"):
        axis = error_axis(errors, kind)
        assert axis.low < axis.high <= 1.0
        assert kind == "linear" or axis.low > 0


def test_errors_over_decades_are_shown_on_a_logarithmic_scale_first() -> None:
    """The other scale is there, too, under an id of its own."""
    fields = both_scales([0.001, 0.1, 0.3], "one", lambda kind, key: (f"{key} {kind}", {1: (0.0, 0.0)}))
    assert list(fields["scales"].items()) == [("log", "one log"), ("linear", "one-linear linear")]
    assert fields["svg"] == "one log"
    assert list(fields["dots"]) == ["one", "one-linear"]
    assert next(iter(both_scales([0.3, 0.4], "one", lambda kind, key: (key, {}))["scales"])) == "linear"
