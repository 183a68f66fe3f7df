"""Alignment and sizes of arrays, on which the speed of NumPy depends."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.nn.arrays import Array

CACHE_LINE = 64

UFUNC_BUFFER = 1024
"""Elements of NumPy's ufunc buffer while training (the default is 8192).

NumPy first copies an operand that is broadcast or has gaps into the buffer if its rows are shorter than the buffer,
which takes longer than the operation itself."""


WIDE_ROW = 128


def row_length(width: int) -> int:
    """Return the entries of a buffer's row for ``width`` activations and a one.

    Wide rows are padded to whole cache lines: products that read across them are a fifth faster.  In narrow rows the
    padding would cost more than it saves.
    """
    return width + 1 if width < WIDE_ROW else (width // 16 + 1) * 16


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return zeros that start on a cache line.

    NumPy aligns to 16 bytes; then 64-byte vectors cross a line on every load, and sums of arrays take twice as long.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return np.asarray(raw[start : start + size].view(dtype).reshape(shape))
