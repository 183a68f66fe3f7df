"""What a network predicts in place of skewed numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tuner.target_transforms import TargetTransform, fit_log, fit_quantile
from tuner.units import Unit

PRICES = 10 ** np.random.default_rng(0).uniform(1, 6, 500)
TRANSFORMS = [
    fit_log(PRICES),
    fit_log(np.concatenate([PRICES, [0.0, -5.0]])),
    fit_quantile((10.0, 100.0, 5e4, 1e6), (-3.0, -1.0, 0.5, 3.0)),
    TargetTransform("ratio", -1.0, 30.0, width=1e5),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=["log", "signed log", "quantile", "ratio"])
def test_a_transform_rises_and_is_undone(transform: TargetTransform) -> None:
    """Of numbers beyond those it was fitted on, of zero and of negative ones, too."""
    numbers = np.sort(np.concatenate([PRICES, -PRICES, [0.0, 1e8, -1e8]]))
    z = transform.of(numbers)
    assert (np.diff(z) > 0).all()
    np.testing.assert_allclose(transform.undone(z), numbers, rtol=1e-10, atol=1e-6)
    unit = Unit(scale=1e5, mean=2e4, transform=transform)
    assert Unit.from_dict(json.loads(json.dumps(unit.to_dict()))) == unit


def test_the_logarithm_is_standardized() -> None:
    """Of prices over five orders of magnitude it is the logarithm, with mean 0 and deviation 1."""
    z = fit_log(PRICES).of(PRICES)
    assert (z.mean(), z.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert np.corrcoef(z, np.log(PRICES))[0, 1] > 0.995


def test_errors_are_of_the_numbers_themselves() -> None:
    """Squared errors in multiples of the variance, whatever the network predicts; a wild prediction is limited."""
    unit = Unit(scale=float(PRICES.std()), mean=float(PRICES.mean()), transform=fit_log(PRICES))
    said = PRICES * 1.1
    losses = unit.row_losses(unit.standardized(said), unit.standardized(PRICES))
    assert unit.error(losses.mean()) == pytest.approx(np.sqrt(np.mean((said - PRICES) ** 2)), rel=1e-9)
    assert unit.predicted(np.array([900.0, -900.0])) == pytest.approx([PRICES.max() * 10, PRICES.min() / 10])


@pytest.mark.parametrize(
    "changes",
    [{"width": 0.0}, {"toe": -1.0}, {"low": 2.0, "high": 1.0}, {"knots": (1.0, 2.0), "values": (0.0, 1.0)}],
)
def test_a_transform_that_cannot_be_undone_is_refused(changes: dict[str, object]) -> None:
    """It comes from files and databases."""
    with pytest.raises(ValueError, match=r"log: expected|knots of log: expected"):
        TargetTransform(**{"name": "log", "low": -1.0, "high": 1.0, **changes})  # type: ignore[arg-type]
