"""Data files: one reader per format, by suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tuner.data.settings import DataSettings
from tuner.data.sources.arrays import labels_path, measure_idx, measure_npz, read_idx, read_npz
from tuner.data.sources.delimited import measure_delimited, read_chunks, read_delimited
from tuner.data.sources.opening import COMPRESSIONS, DataFile, readable, usable_rows
from tuner.data.sources.parquet import measure_parquet, read_parquet, read_parquet_pieces
from tuner.data.sources.raw import Raw, Wanted
from tuner.errors import DataError
from tuner.formatting import shorten
from tuner.paths import resolved

__all__ = [
    "SOURCES",
    "DataFile",
    "FileFormat",
    "Raw",
    "Wanted",
    "find_file",
    "format_of",
    "open_file",
    "read_pieces",
    "readable",
    "usable_rows",
]

PIECE = 1 << 23  # bytes of text read at once when a model predicts
PIECE_ROWS = 1 << 16  # rows of Parquet


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format: ``measure`` refuses what is too large for the memory, ``read`` yields its rows."""

    read: Callable[[DataFile, Wanted], Raw]
    measure: Callable[[DataFile, DataSettings], None]
    compressed: bool = True


_DELIMITED = FileFormat(read_delimited, measure_delimited)
_IDX = FileFormat(read_idx, measure_idx)

SOURCES: dict[str, FileFormat] = {
    ".csv": _DELIMITED,
    ".tsv": _DELIMITED,
    ".txt": _DELIMITED,
    ".data": _DELIMITED,
    ".parquet": FileFormat(read_parquet, measure_parquet, compressed=False),
    ".npz": FileFormat(read_npz, measure_npz, compressed=False),
    ".idx": _IDX,
    "-ubyte": _IDX,
}


def format_of(path: Path) -> FileFormat:
    """Return the format of a file by its suffix, without the suffix of a compression."""
    name = path.name.lower()
    compression = next((suffix for suffix in COMPRESSIONS if name.endswith(suffix)), "")
    stem = name.removesuffix(compression)
    for suffix, file_format in SOURCES.items():
        if stem.endswith(suffix) and (file_format.compressed or not compression):
            return file_format
    raise DataError(
        f"{path}: unknown file type; expected {', '.join(SOURCES)}, optionally with {', '.join(COMPRESSIONS)}"
    )


def read_pieces(path: Path, wanted: Wanted) -> Iterator[Raw]:
    """Yield a file's rows piece by piece if the format allows it, else all at once."""
    path = find_file(Path(), str(path))
    kind = format_of(path)
    labels = partial(labels_path, path, None) if kind is _IDX and wanted.labeled else None
    with readable(path), DataFile(path, labels, stream=True) as file:
        if kind is _DELIMITED:
            yield from read_chunks(file, wanted, PIECE)
        elif kind.read is read_parquet:
            yield from read_parquet_pieces(file, wanted, PIECE_ROWS)
        else:
            kind.measure(file, wanted.settings)
            yield kind.read(file, wanted)


def find_file(folder: Path, name: str, key: str | None = None) -> Path:
    """Return a data file's absolute path; ``key`` is its key in [data], if it has one."""
    where = "" if key is None else f" ([data] {key})"
    path = folder / os.path.expanduser(name)
    if "\0" in name or "\\ud" in ascii(str(path)):  # a byte that is not UTF-8 is a lone surrogate in Python
        raise DataError(f"{str(path)!a}: the path is not UTF-8 text; rename the file or folder{where}")
    with readable(Path(shorten(str(path), 300))):
        path = resolved(path)
        if path.is_dir():
            raise DataError(f"{path}: expected a data file, got a folder{where}")
        if not path.is_file():
            raise DataError(f"{path}: no such file{where}")
    format_of(path)
    return path


def open_file(path: Path, target: object) -> DataFile:
    """Open a data file; the labels of IDX images are in a second file."""
    return DataFile(path, partial(labels_path, path, target) if format_of(path) is _IDX else None)
