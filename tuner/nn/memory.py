"""Where arrays lie, and the sizes that decide how fast NumPy goes over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.nn.arrays import Array

CACHE_LINE = 64

UFUNC_BUFFER = 1024
"""Elements of NumPy's ufunc buffer while training (the default is 8192).  Where an operand is broadcast or has gaps and
its rows are shorter than the buffer, NumPy copies it there first, which takes longer than the operation itself."""


WIDE_ROW = 128


def row_length(width: int) -> int:
    """Entries of a buffer's row that holds so many activations and a one.

    Wide rows are filled up to whole cache lines, without which products that read across them take a fifth longer; in
    narrow ones the fill would cost more than it brings.
    """
    return width + 1 if width < WIDE_ROW else (width // 16 + 1) * 16


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros that begin on a cache line.

    NumPy aligns to 16 bytes; 64-byte vectors then cross a line on every load, and sums of arrays take twice as long.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return np.asarray(raw[start : start + size].view(dtype).reshape(shape))
