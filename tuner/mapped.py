"""Send objects to another process of this machine: their large arrays are mapped there, not copied."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 1 << 16
"""Bytes from which an array is mapped."""


class Parcel:
    """A pickled object whose large arrays are named by the files that hold them.

    An array that no file holds is written to one without a name, in memory, once.  The files stay open, and the content
    can be unpickled, as long as the parcel exists.
    """

    def __init__(self, content: Any) -> None:
        self._files: list[int] = []
        buffer = io.BytesIO()
        _Pickler(buffer, self._files).dump(content)
        self.content = buffer.getvalue()

    def __del__(self) -> None:
        for file in self._files:
            os.close(file)


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, files: list[int]) -> None:
        super().__init__(buffer)
        self._files = files

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not np.ndarray or value.nbytes < LARGE or value.dtype.hasobject:
            return NotImplemented
        if not value.flags.c_contiguous:
            return (_first_columns, (value.base, value.shape[1])) if _is_first_columns(value) else NotImplemented
        path, offset = _place(value) or (self._written(value), 0)
        return map_array, (path, value.dtype, "c" if value.flags.writeable else "r", offset, value.shape)

    def _written(self, array: NDArray[Any]) -> str:
        file = os.memfd_create("tuner")
        self._files.append(file)
        with os.fdopen(file, "wb", closefd=False) as stream:
            stream.write(array.reshape(-1).view(np.uint8).data)
        return f"/proc/{os.getpid()}/fd/{file}"


def _is_first_columns(array: NDArray[Any]) -> bool:
    """Whether an array is all but the last column of another one."""
    whole = array.base
    return (
        isinstance(whole, np.ndarray)
        and array.ndim == 2
        and whole.shape == (len(array), array.shape[1] + 1)
        and whole.flags.c_contiguous
        and array.strides == whole.strides
        and _address(array) == _address(whole)
    )


def _first_columns(whole: NDArray[Any], n: int) -> NDArray[Any]:
    return whole[:, :n]


def map_array(path: str | Path, dtype: Any, mode: Any, offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map an array from a file; what a process writes to it is its own."""
    mapped = np.memmap(str(path), dtype, mode, offset, shape)
    return mapped.view(np.ndarray)


def _place(array: NDArray[Any]) -> tuple[str, int] | None:
    """Return the file that an array is mapped from, and its offset there."""
    base: Any = array
    while base is not None:
        if isinstance(base, np.memmap):
            there = base.mode == "r" and base.filename is not None and Path(base.filename).exists()
            return (str(base.filename), base.offset + _address(array) - _address(base)) if there else None
        base = getattr(base, "base", None)
    return None


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
