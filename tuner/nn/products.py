"""The three matrix products of a layer, cut into blocks where that is faster.

OpenBLAS copies ("packs") its operands before it multiplies.  With AVX-512 it has kernels for small products, up to 10⁶
multiply-adds, that read them where they lie, at 95 % of the core's peak instead of 75 to 90 %.  NumPy multiplies stacks
of matrices one by one, so that seeing an array as a stack of blocks is enough to get there.  How the blocks are cut
depends on nothing but the shapes and the kind of machine, and each of K networks is cut as it would be alone.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from tuner.nn.arrays import Array
from tuner.nn.memory import aligned

SMALL_PRODUCT = 1_000_000
"""Multiply-adds up to which OpenBLAS uses its small kernels."""

BLOCK_COLUMNS = 64
FEWEST_ROWS = 8
CACHED_WEIGHTS = 1 << 20
"""Bytes of W up to which blocks of rows may read it again and again: half of a core's level-2 cache."""
SHORT_BATCH = 128
"""Rows up to which ∂J/∂W is cut into blocks of entries; above, into sums over blocks of rows."""


@cache
def small_kernels() -> bool:
    """Whether NumPy's BLAS is OpenBLAS on a machine with AVX-512."""
    config = np.show_config(mode="dicts")
    found = config.get("SIMD Extensions", {})
    features = {*found.get("baseline", ()), *found.get("found", ())}
    blas = config.get("Build Dependencies", {}).get("blas", {}).get("name", "")
    return "openblas" in str(blas).lower() and bool(features & {"AVX512_SKX", "X86_V4"})


def _parts(size: int, most: int) -> int:
    """The smallest number of equal parts of ``size`` that have at most ``most`` each, or 0."""
    if most < 1:
        return 0
    return next((parts for parts in range(-(-size // most), size + 1) if size % parts == 0), 0)


def _tiles(rows: int, inner: int, columns: int) -> tuple[int, int]:
    """Into how many blocks of rows and columns a product (rows, inner) @ (inner, columns) is cut; (1, 1) is whole."""
    if not small_kernels() or rows * inner * columns <= SMALL_PRODUCT:
        return 1, 1
    across = 1
    if columns > 2 * BLOCK_COLUMNS:
        if columns % BLOCK_COLUMNS:
            return 1, 1
        across = columns // BLOCK_COLUMNS
    down = _parts(rows, SMALL_PRODUCT // (inner * (columns // across)))
    return (down, across) if down and rows // down >= FEWEST_ROWS else (1, 1)


class Forward:
    """z := x @ W for K networks: x (K, rows, n_in), W (K, n_in, n_out), z (K, rows, n_out)."""

    def __init__(self, W: Array, z: Array) -> None:
        K, rows, n_out = z.shape
        n_in = W.shape[1]
        down, across = _tiles(rows, n_in, n_out) if n_in * n_out * W.itemsize <= CACHED_WEIGHTS else (1, 1)
        self._shape = (K, down, 1, rows // down, n_in) if down * across > 1 else (K, rows, n_in)
        if down * across == 1:
            self._W, self._z = W, z
        else:
            self._W = W.reshape(K, n_in, across, n_out // across).transpose(0, 2, 1, 3)[:, None]
            self._z = z.reshape(K, down, rows // down, across, n_out // across).swapaxes(2, 3)

    def view(self, x: Array) -> Array:
        """How x has to be seen."""
        return x.reshape(self._shape)

    def __call__(self, x_view: Array) -> None:
        """Multiply."""
        np.matmul(x_view, self._W, self._z)


class WeightGradient:
    """g := xᵀ @ d for K networks: x (K, rows, n_in + 1), whose last column is ones, d (K, rows, n_out).

    g is (K, n_in + 1, n_out).  A short batch is cut into blocks of g's entries, but for the last row: with the biases,
    their number would seldom divide.  A long one is cut into blocks of rows, whose products are then added up.
    """

    def __init__(self, d: Array, g: Array) -> None:
        K, rows, n_out = d.shape
        n_in = g.shape[1] - 1
        self._d, self._g = d, g
        self._cut, self._parts = (1, 1), 1
        if rows <= SHORT_BATCH:
            self._cut = _tiles(n_in, rows, n_out)
        elif small_kernels() and rows * n_in * n_out > SMALL_PRODUCT:
            parts = _parts(rows, SMALL_PRODUCT // ((n_in + 1) * n_out))
            self._parts = parts if parts and rows // parts >= BLOCK_COLUMNS else 1
        down, across = self._cut
        if self._parts > 1:
            self._sums = aligned((K, self._parts, n_in + 1, n_out), g.dtype)
            self._d_parts = d.reshape(K, self._parts, rows // self._parts, n_out)
        elif down * across > 1:
            self._ones = np.ones((1, rows), dtype=g.dtype)
            self._d_blocks = d.reshape(K, rows, across, n_out // across).swapaxes(1, 2)[:, None]
            self._blocks = g[:, :-1].reshape(K, down, n_in // down, across, n_out // across).swapaxes(2, 3)

    def view(self, x: Array) -> Array:
        """How x has to be seen."""
        K, rows, columns = x.shape
        down, across = self._cut
        if self._parts > 1:
            return x.reshape(K, self._parts, rows // self._parts, columns).swapaxes(2, 3)
        if down * across > 1:
            blocks = x[:, :, :-1].reshape(K, rows, down, (columns - 1) // down)
            return blocks.transpose(0, 2, 3, 1)[:, :, None]
        return x.swapaxes(1, 2)

    def __call__(self, x_view: Array) -> None:
        """Multiply."""
        if self._parts > 1:
            np.matmul(x_view, self._d_parts, self._sums)
            np.add.reduce(self._sums, axis=1, out=self._g)
        elif self._cut != (1, 1):
            np.matmul(x_view, self._d_blocks, self._blocks)
            np.matmul(self._ones, self._d, self._g[:, -1:])
        else:
            np.matmul(x_view, self._d, self._g)


class Backward:
    """e := d @ Wᵀ for K networks: d (K, rows, n_out), W (K, n_in, n_out), e (K, rows, n_in).

    The small kernels are slow on a transposed right side; where there are many rows, Wᵀ is copied before.
    """

    def __init__(self, d: Array, W: Array, e: Array) -> None:
        rows, (_, n_in, n_out) = d.shape[1], W.shape
        self._view = W.swapaxes(1, 2)
        self._copy: Array | None = None
        if small_kernels() and rows >= 2 * max(n_in, n_out) and n_in * n_out * FEWEST_ROWS <= SMALL_PRODUCT:
            self._copy = aligned(self._view.shape, W.dtype)
        self._multiply = Forward(self._view if self._copy is None else self._copy, e)
        self._d = self._multiply.view(d) if self._copy is not None else d
        self._e = e

    def __call__(self) -> None:
        """Multiply, by W as it is now."""
        if self._copy is None:
            np.matmul(self._d, self._view, self._e)
        else:
            np.copyto(self._copy, self._view)
            self._multiply(self._d)
