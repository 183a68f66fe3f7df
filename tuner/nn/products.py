"""The three matrix products of a layer, cut into blocks where that is faster.

OpenBLAS copies ("packs") its operands before it multiplies.  With AVX-512 it has kernels for small products, up to 10⁶
multiply-adds, that need no copy and reach 95% of the core's peak instead of 75 to 90%.  NumPy multiplies stacks of
matrices one by one, so viewing an array as a stack of blocks uses these kernels.  The blocks depend only on the shapes
and the kind of machine, and each of K networks is cut as it would be alone.

The threads of this process share a large product or stack (``threads``).
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from tuner.nn.arrays import Array
from tuner.nn.calls import Call
from tuner.nn.memory import aligned
from tuner.nn.threads import team

SMALL_PRODUCT = 1_000_000
"""Multiply-adds up to which OpenBLAS uses its small kernels."""

BLOCK_COLUMNS = 64
COLUMNS_OF_A_VECTOR = 16
BLOCK_WIDTHS = (64, 32, 16)
"""Columns of a block of ∂J/∂W: whole vectors of 16."""
FEWEST_ROWS = 8
CACHED_WEIGHTS = 1 << 20
"""Bytes of W that stay in a core's level-2 cache while blocks of rows read it again and again."""
GRADIENT_ROWS = 256
"""Rows over which one product of ∂J/∂W sums; more are added up in parts."""
LARGE = 1 << 25
"""Multiply-adds of a product that is worth a second thread: half a millisecond."""
MOST_TRIED = 1 << 25
"""Entries of a product's operands up to which it is tried whether its columns can be cut."""
GRADIENT_BLOCK = (1 << 14, 1 << 13)
"""Entries of x and of d that a block of ∂J/∂W reads: few enough for d to stay in the level-1 cache."""


@cache
def small_kernels() -> bool:
    """Whether NumPy's BLAS is OpenBLAS on a machine with AVX-512."""
    config = np.show_config(mode="dicts")
    extensions = config.get("SIMD Extensions", {})
    features = {*extensions.get("baseline", ()), *extensions.get("found", ())}
    blas = config.get("Build Dependencies", {}).get("blas", {}).get("name", "")
    return "openblas" in str(blas).lower() and bool(features & {"AVX512_SKX", "X86_V4"})


def _parts(size: int, most: int) -> int:
    """Return the smallest number of equal parts of ``size`` with at most ``most`` each, or 0."""
    if most < 1:
        return 0
    return next((parts for parts in range(-(-size // most), size + 1) if size % parts == 0), 0)


def _tiles(rows: int, inner: int, columns: int) -> tuple[int, int]:
    """Return the numbers of row and column blocks of a product (rows, inner) @ (inner, columns); (1, 1) is whole."""
    if not small_kernels() or rows * inner * columns <= SMALL_PRODUCT:
        return 1, 1
    across = 1
    if columns > 2 * BLOCK_COLUMNS:
        if columns % BLOCK_COLUMNS:
            return 1, 1
        across = columns // BLOCK_COLUMNS
    down = _parts(rows, SMALL_PRODUCT // (inner * (columns // across)))
    return (down, across) if down and rows // down >= FEWEST_ROWS else (1, 1)


def shared_call(a: Array, b: Array, out: Array) -> Call | None:
    """Return the call out := a @ b for stacks of matrices, in parts that the threads of this process share.

    None if it is too small to be worth it, or if its parts would have other bits.
    """
    threads, (*stacks, rows, columns), inner = team().threads, out.shape, a.shape[-1]
    if threads == 1 or out.size * inner < LARGE:
        return None
    axis = int(np.argmax(stacks))
    if stacks[axis] >= threads:
        cuts = [
            (_cut(a, axis, part), _cut(b, axis, part), _cut(out, axis, part)) for part in _shares(stacks[axis], threads)
        ]
    elif _columns_can_be_cut(rows, inner, columns, *map(_is_transposed, (a, b)), a.dtype, threads):
        cuts = [(a, b[..., part], out[..., part]) for part in _shares(columns, threads, COLUMNS_OF_A_VECTOR)]
    else:
        return None
    return partial(team().run, [partial(np.matmul, *operands) for operands in cuts])


def _shares(size: int, parts: int, multiple: int = 1) -> list[slice]:
    """Cut a range into parts of about the same size, whose bounds are multiples."""
    bounds = [size * part // parts // multiple * multiple for part in range(parts)]
    return [slice(start, stop) for start, stop in zip(bounds, [*bounds[1:], size], strict=True)]


def _cut(array: Array, axis: int, part: slice) -> Array:
    """Return a part of an array along an axis, along which it may be broadcast."""
    return array if array.shape[axis] == 1 else array[(slice(None),) * axis + (part,)]


def _is_transposed(array: Array) -> bool:
    return array.strides[-1] != array.itemsize


@cache
def _columns_can_be_cut(
    rows: int, inner: int, columns: int, a_transposed: bool, b_transposed: bool, dtype: Any, threads: int
) -> bool:
    """Whether blocks of columns have the bits of the whole product: try it once with random numbers."""
    if rows * inner + inner * columns > MOST_TRIED:
        return False
    rng = np.random.default_rng(0)
    a, b = (
        rng.standard_normal(shape[::-1], dtype).T if transposed else rng.standard_normal(shape, dtype)
        for shape, transposed in (((rows, inner), a_transposed), ((inner, columns), b_transposed))
    )
    whole = a @ b
    return all(
        np.array_equal(a @ b[:, part], whole[:, part]) for part in _shares(columns, threads, COLUMNS_OF_A_VECTOR)
    )


def product_call(a: Array, b: Array, out: Array) -> Call:
    """Return the call out := a @ b for K networks, uncut: a (K, n, m), b (K, m, l), out (K, n, l).

    For a single network, where no operand is copied, np.dot calls the same BLAS function with half of np.matmul's
    overhead.
    """
    if (shared := shared_call(a, b, out)) is not None:
        return shared
    if len(out) == 1 and out.flags.c_contiguous and a[0].flags.forc and b[0].flags.forc:
        return partial(np.dot, a[0], b[0], out[0])
    return partial(np.matmul, a, b, out)


class Forward:
    """z := x @ W for K networks: x (K, rows, n_in), W (K, n_in, n_out), z (K, rows, n_out).

    Blocks of rows are multiplied by all of W if it stays in the cache, else all rows by blocks of W's columns.
    """

    def __init__(self, W: Array, z: Array) -> None:
        K, rows, n_out = z.shape
        n_in = W.shape[1]
        down, across = _tiles(rows, n_in, n_out)
        if down * across == 1:
            self._shape: tuple[int, ...] = (K, rows, n_in)
            self._W, self._z = W, z
            return
        self._shape = (K, down, 1, rows // down, n_in)
        self._W = W.reshape(K, n_in, across, n_out // across).transpose(0, 2, 1, 3)[:, None]
        self._z = z.reshape(K, down, rows // down, across, n_out // across).swapaxes(2, 3)
        if n_in * n_out * W.itemsize > CACHED_WEIGHTS:
            self._shape = (K, 1, down, rows // down, n_in)
            self._W, self._z = self._W.swapaxes(1, 2), self._z.swapaxes(1, 2)

    def calls(self, x: Array) -> list[Call]:
        """Return the calls for this x."""
        operands = x.reshape(self._shape), self._W, self._z
        return [shared_call(*operands) or partial(np.matmul, *operands)]


class _Cut(NamedTuple):
    """How ∂J/∂W is cut: into ``parts`` of the rows, and each into ``down`` × ``across`` blocks of entries."""

    parts: int = 1
    down: int = 1
    across: int = 1

    @classmethod
    def of(cls, rows: int, n_in: int, n_out: int) -> _Cut:
        """Cut the rows only, if that gives small products with enough rows; else blocks, or no cut."""
        if not small_kernels() or rows * n_in * n_out <= SMALL_PRODUCT:
            return cls()
        parts = _parts(rows, SMALL_PRODUCT // ((n_in + 1) * n_out))
        if parts and rows // parts >= BLOCK_COLUMNS:
            return cls(parts)
        parts = _parts(rows, GRADIENT_ROWS)
        part = rows // parts
        most_down, most_across = (entries // part for entries in GRADIENT_BLOCK)
        width = next((width for width in BLOCK_WIDTHS if width <= most_across and n_out % width == 0), n_out)
        down = _parts(n_in, min(most_down, SMALL_PRODUCT // (part * width)))
        if part < BLOCK_COLUMNS or width > 2 * BLOCK_COLUMNS or n_in // down < FEWEST_ROWS:
            return cls()
        return cls(parts, down, n_out // width)

    @property
    def whole(self) -> bool:
        """Whether it is one product."""
        return self == (1, 1, 1)

    @property
    def in_blocks(self) -> bool:
        """Whether entries are cut; the biases are then separate, since n_in + 1 rarely has divisors."""
        return self.down * self.across > 1


class WeightGradient:
    """g := xᵀ @ d for K networks: x (K, rows, n_in + 1), whose last column is ones, d (K, rows, n_out).

    g is (K, n_in + 1, n_out).
    """

    def __init__(self, d: Array, g: Array) -> None:
        K, rows, n_out = d.shape
        cut = self._cut = _Cut.of(rows, g.shape[1] - 1, n_out)
        self._d, self._g = d, g
        if cut.whole:
            return
        entries = g[:, :-1] if cut.in_blocks else g
        self._n, width = entries.shape[1], n_out // cut.across
        sums = aligned((K, cut.parts, self._n, n_out), g.dtype) if cut.parts > 1 else entries[:, None]
        self._blocks = sums.reshape(K, cut.parts, cut.down, self._n // cut.down, cut.across, width).swapaxes(3, 4)
        self._d_blocks = d.reshape(K, cut.parts, rows // cut.parts, cut.across, width).swapaxes(2, 3)[:, :, None]
        self._rest: list[Call] = []
        if cut.parts > 1:
            self._rest.append(partial(np.add.reduce, sums, 1, None, entries))
        if cut.in_blocks:
            self._rest.append(partial(np.matmul, np.ones((1, rows), dtype=g.dtype), d, g[:, -1:]))

    def calls(self, x: Array) -> list[Call]:
        """Return the calls for this x."""
        (K, rows, _), cut = x.shape, self._cut
        if cut.whole:
            return [product_call(x.swapaxes(1, 2), self._d, self._g)]
        x_blocks = x[:, :, : self._n].reshape(K, cut.parts, rows // cut.parts, cut.down, self._n // cut.down)
        seen = x_blocks.transpose(0, 1, 3, 4, 2)[:, :, :, None]
        operands = seen, self._d_blocks, self._blocks
        return [shared_call(*operands) or partial(np.matmul, *operands), *self._rest]


def backward_calls(d: Array, W: Array, e: Array) -> list[Call]:
    """Return the calls e := d @ Wᵀ for K networks: d (K, rows, n_out), W (K, n_in, n_out), e (K, rows, n_in).

    The small kernels are slow with a transposed right operand, so with many rows Wᵀ is copied first.
    """
    rows, (_, n_in, n_out) = d.shape[1], W.shape
    transposed = W.swapaxes(1, 2)
    if not small_kernels() or rows < 2 * max(n_in, n_out) or n_in * n_out * FEWEST_ROWS > SMALL_PRODUCT:
        return [product_call(d, transposed, e)]
    copy = aligned(transposed.shape, W.dtype)
    return [partial(np.copyto, copy, transposed), *Forward(copy, e).calls(d)]
