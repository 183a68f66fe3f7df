"""Rows of pixels as pictures: which rows are, and what is drawn."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import pandas as pd
import pytest

from tuner.cli.errors_command import _lines
from tuner.reporting.pictures import find_pictures
from tuner.reporting.wrong_rows import FIXED, WrongRows


def decoded(uri: str) -> np.ndarray:
    """The pixels of a PNG in a data URI; its checksums are right."""
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    chunks, at = {}, 8
    while at < len(content):
        (size,), kind = struct.unpack(">I", content[at : at + 4]), content[at + 4 : at + 8]
        chunks[kind] = content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + chunks[kind])
        at += 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    return lines[:, 1:].reshape(height, width, -1).squeeze()


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 1), (3, 5, 3)])
def test_an_image_is_drawn_as_it_is(shape: tuple[int, ...]) -> None:
    """From its lowest value, at most 0, to the highest of all rows; gray, or in color."""
    values = np.arange(np.prod(shape), dtype=float)
    names = [f"pixel_{k}" for k in range(len(values))]
    rows = pd.DataFrame([values, np.full(len(values), 255.0)], columns=names).assign(place="row 1")
    pictures = find_pictures(rows, names, shape)
    assert pictures is not None
    np.testing.assert_array_equal(decoded(pictures.data_uri(dict(rows.iloc[0]))), values.reshape(shape).squeeze())


@pytest.mark.parametrize(
    ("names", "highest", "drawn"),
    [
        ([f"p{k}" for k in range(16)], 16, True),
        ([f"{k}x{j}" for k in range(4) for j in range(4)], 16, True),
        ([f"p{k}" for k in range(15)], 16, False),
        ([*(f"p{k}" for k in range(15)), "age"], 16, False),
        ([f"p{k}" for k in range(16)], 256, False),
        ([f"p{k}" for k in range(16)], 0.5, False),
    ],
)
def test_only_a_square_of_pixels_is_a_picture(names: list[str], highest: float, drawn: bool) -> None:
    """Numbered columns of one name, as many as a square has pixels, of integers up to 255."""
    rows = pd.DataFrame([[0.0] * (len(names) - 1) + [highest]], columns=names)
    assert (find_pictures(rows, names, None) is not None) == drawn


def test_a_terminal_shows_no_pixels() -> None:
    """Its rows have what is known of them, and the columns that are no pixels."""
    names = [f"pixel_{k}" for k in range(16)]
    frame = pd.DataFrame([["line 2", "a", "b", 0.9, 1.0, "", "north", *range(16)]], columns=[*FIXED, "region", *names])
    pictures = find_pictures(frame, names, None)
    assert pictures is not None
    lines = [*_lines(WrongRows(0, 1, 10, 1, [], None, frame, pictures=pictures), frame, frame)]
    assert any("suspected  region" in line for line in lines)
    assert not any("pixel_3" in line for line in lines)
