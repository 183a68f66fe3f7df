"""Where arrays lie, and the sizes that decide how fast NumPy goes over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.nn.arrays import Array

CACHE_LINE = 64

UFUNC_BUFFER = 1024
"""Elements of NumPy's ufunc buffer while training (the default is 8192).  An inner loop that is shorter than the
buffer, such as adding a bias to rows of 64, is first copied into it, which takes longer than the loop itself."""


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros that begin on a cache line.

    NumPy aligns to 16 bytes; 64-byte vectors then cross a line on every load, and sums of arrays take twice as long.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return np.asarray(raw[start : start + size].view(dtype).reshape(shape))
