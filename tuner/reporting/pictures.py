"""Rows of pixels as small pictures: PNG in data URIs, which a page of one file may show."""

from __future__ import annotations

import base64
import math
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 16  # pixels of a square that nothing but its columns tells
LARGEST = 255  # of such pixels, which are integers ≥ 0
NUMBERED = re.compile(r"(\D*)\d+(?:\D?\d+)?")
COLOR_TYPES = {1: 0, 3: 2}
"""Values per pixel -> the color type of a PNG."""


@dataclass(frozen=True)
class Pictures:
    """The columns that are pixels, of a ``shape`` (height, width[, channels]), and the values of black and white."""

    columns: list[str]
    shape: tuple[int, ...]
    black: float
    white: float

    def data_uri(self, row: Mapping[Any, Any]) -> str:
        """Draw a row, a mapping from column to value."""
        values = np.array([row[name] for name in self.columns], dtype=np.float64).reshape(self.shape)
        shades = np.clip((np.nan_to_num(values) - self.black) / ((self.white - self.black) or 1.0), 0, 1)
        return f"data:image/png;base64,{base64.b64encode(_png(np.round(255 * shades).astype(np.uint8))).decode()}"


def find_pictures(rows: pd.DataFrame, inputs: Sequence[str], shape: tuple[int, ...] | None) -> Pictures | None:
    """Find the pixels among the columns of some rows; None if there are none.

    ``inputs``: the columns that a network gets; ``shape``: of images, whose inputs are all pixels.  Otherwise as many
    numbered columns of one name as a square has pixels, of integers from 0 to 255, are a picture.
    """
    columns = list(inputs)
    if shape is None:
        stems = {match[1] if (match := NUMBERED.fullmatch(name)) else name for name in columns}
        side = math.isqrt(len(columns))
        if len(stems) > 1 or side**2 != len(columns) or side**2 < FEWEST:
            return None
    if not len(rows) or not set(columns) <= set(rows.columns) or (shape or (0, 0))[2:] not in ((), (1,), (3,)):
        return None
    if any(getattr(kind, "kind", "O") not in "buif" for kind in rows[columns].dtypes):
        return None
    values = rows[columns].to_numpy(dtype=np.float64)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if shape is None and not (0 <= low < high <= LARGEST and (values == np.round(values)).all()):
        return None
    return Pictures(columns, shape or (side, side), min(low, 0.0), high)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of shades of gray (height, width[, 1]) or colors (height, width, 3)."""
    height, width = pixels.shape[:2]
    lines = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOR_TYPES[lines.shape[1] // width], 0, 0, 0)
    data = zlib.compress(np.pad(lines, ((0, 0), (1, 0))).tobytes())  # each line begins with its filter, 0
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    parts = [struct.pack(">I", len(of)) + kind + of + struct.pack(">I", zlib.crc32(kind + of)) for kind, of in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
