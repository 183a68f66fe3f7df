"""Products cut into blocks equal the products, for every shape and kind of machine."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tuner.nn import products
from tuner.nn.calls import run
from tuner.nn.memory import CACHE_LINE, aligned
from tuner.nn.products import Forward, WeightGradient, backward_calls

SHAPES = [
    (64, 64, 64),
    (128, 784, 256),
    (512, 64, 64),
    (512, 64, 32),
    (256, 512, 128),
    (300, 97, 131),
    (1, 5, 3),
    (1024, 130, 70),
    (256, 528, 512),
    (1024, 264, 256),
    (256, 784, 100),
    (257, 200, 96),
]


@pytest.fixture(params=[True, False], ids=["small kernels", "no small kernels"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of machine."""
    monkeypatch.setattr(products, "small_kernels", lambda: request.param)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("shape", "K"), [*product(SHAPES, [1, 2])], ids=str)
def test_products(shape: tuple[int, int, int], K: int) -> None:
    """Forward, ∂J/∂W and backward of K networks equal NumPy's."""
    rows, n_in, n_out = shape
    rng = np.random.default_rng(0)
    x, W, d = (rng.standard_normal((K, *size)) for size in ((rows, n_in + 1), (n_in + 1, n_out), (rows, n_out + 7)))
    x[..., -1] = 1
    # As in a network, z, d and e are columns of longer rows, W and g parts of longer vectors.
    z, e = np.zeros((K, rows, n_out + 3)), np.zeros((K, rows, n_in + 5))
    g = np.zeros((K, (n_in + 1) * n_out + 3))
    run(Forward(W, z[..., :n_out]).calls(x))
    np.testing.assert_allclose(z[..., :n_out], x @ W, atol=1e-9)
    matrix, d = g[:, :-3].reshape(K, n_in + 1, n_out), d[..., :n_out]
    run(WeightGradient(d, matrix).calls(x))
    np.testing.assert_allclose(matrix, x.swapaxes(1, 2) @ d, atol=1e-9)
    backward = backward_calls(d, W[:, :-1], e[..., :n_in])
    for _ in range(2):
        run(backward)
        np.testing.assert_allclose(e[..., :n_in], d @ W[:, :-1].swapaxes(1, 2), atol=1e-9)
        W *= 2
    assert not any(rest.any() for rest in (z[..., n_out:], e[..., n_in:], g[:, -3:]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("shape", [(3,), (5, 7), (1, 2, 3), (0, 4)])
def test_aligned(shape: tuple[int, ...], dtype: Any) -> None:
    """Buffers begin on a cache line, are zero, and have their shape and dtype."""
    found = aligned(shape, dtype)
    assert found.shape == shape
    assert found.dtype == dtype
    assert found.ctypes.data % CACHE_LINE == 0 or not found.size
    assert not found.any()
