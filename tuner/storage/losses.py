"""The losses of dev rows as bytes: of rows that are wrong or not packed bits and 16-bit counts, else float32.

How they are written shows in their length, so that databases without anything but bits are read as ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.dev_layout import N_DEV_FOLDS


def pack_losses(losses: np.ndarray) -> bytes:
    """Losses (n,), or any bits, as bytes; of bits the most significant first."""
    if losses.dtype.kind != "f":
        return np.packbits(losses.astype(bool)).tobytes()
    return losses.astype("<f4").tobytes()


def unpack_losses(packed: bytes | None, n: int | None) -> np.ndarray:
    """The inverse of :func:`pack_losses`, (n,) bool or float32; (0,) where there are no bytes.

    Raises ValueError for bytes that are not of n losses.
    """
    if packed and n and len(packed) == 4 * n:
        return np.frombuffer(packed, "<f4")
    if packed and len(packed) != (n or 0) // 8 + ((n or 0) % 8 > 0):
        raise ValueError(f"{len(packed)} bytes for {n} losses")
    return np.unpackbits(np.frombuffer(packed or b"", np.uint8), count=n if packed else 0).view(bool)


def pack_fold_losses(sums: np.ndarray) -> list[bytes]:
    """A network's sums over each dev fold, (epochs, 20), as bytes for every epoch."""
    with np.errstate(invalid="ignore"):
        counts = sums.astype("<u2")
    return [row.tobytes() for row in (counts if np.array_equal(counts, sums) else sums.astype("<f4"))]


def unpack_fold_losses(packed: Sequence[bytes]) -> np.ndarray:
    """The inverse of :func:`pack_fold_losses`, (epochs, 20) uint16 or float32."""
    kind = "<f4" if packed and len(packed[0]) == 4 * N_DEV_FOLDS else "<u2"
    return np.frombuffer(b"".join(packed), kind).reshape(-1, N_DEV_FOLDS)
