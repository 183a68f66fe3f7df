"""Inputs whose flags of categories are kept as places, compared with the whole array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner import inputs
from tuner.inputs import Inputs, joined_inputs


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Inputs, np.ndarray]:
    """Inputs, and the array they stand for: some of its columns are numbers, the others flags of several columns."""
    n, widths = draw(st.integers(1, 9)), draw(st.lists(st.integers(1, 4), max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_features = draw(st.integers(0, 5)) + sum(widths)
    order = rng.permutation(n_features)
    places = np.sort(order[sum(widths) :])
    X = np.zeros((n, n_features), np.float32)
    X[:, places] = numbers = rng.normal(size=(n, len(places))).astype(np.float32)
    flags = np.full((n, len(widths)), n_features, np.min_scalar_type(n_features))
    for column, end in enumerate(np.cumsum(widths)):
        own = np.append(order[end - widths[column] : end], n_features)
        flags[:, column] = rng.choice(own, n)
        flagged = flags[:, column] < n_features
        X[np.flatnonzero(flagged), flags[flagged, column]] = 1
    return Inputs(numbers, places, flags, n_features), X


@settings(max_examples=60, deadline=None)
@given(pair=pairs(), rows_at_once=st.integers(1, 4))
def test_inputs_are_their_array(pair: tuple[Inputs, np.ndarray], rows_at_once: int) -> None:
    """Whole, in blocks, in part and put together again, whatever the order of numbers and flags."""
    some, X = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "BYTES_AT_ONCE", rows_at_once * 4 * (X.shape[1] + 1))
        assert np.array_equal(some.array(), X)
    assert some.shape == X.shape
    out = np.full((len(X), X.shape[1] + 1), np.nan)
    backwards = np.arange(len(X))[::-1]
    some.write(backwards, out)
    assert np.array_equal(out, np.column_stack([X[::-1], np.ones(len(X))]))
    assert np.array_equal(some.rows(X[:, :1].ravel() > 0).array(), X[X[:, :1].ravel() > 0])
    assert np.array_equal(joined_inputs([some.rows(slice(2)), some.rows(slice(2, None))]).array(), X)
