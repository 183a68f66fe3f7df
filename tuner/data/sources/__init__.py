"""Files that rows come from: one reader a format, in one table by suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.data.settings import DataSettings
from tuner.data.sources.arrays import labels_path, measure_idx, measure_npz, read_idx, read_npz
from tuner.data.sources.delimited import measure_delimited, read_chunks, read_delimited
from tuner.data.sources.opening import COMPRESSIONS
from tuner.data.sources.parquet import measure_parquet, read_parquet, read_parquet_pieces
from tuner.data.sources.raw import Raw, Wanted
from tuner.errors import DataError

__all__ = ["SOURCES", "Raw", "Source", "Wanted", "files_of", "find_file", "read_pieces", "source_of"]

PIECE = 1 << 23  # bytes of text that are read at once when a model is applied
PIECE_ROWS = 1 << 16  # rows of Parquet


@dataclass(frozen=True, slots=True)
class Source:
    """A file format: ``measure`` refuses what is too large for the memory, ``read`` yields its rows."""

    read: Callable[[Path, Wanted], Raw]
    measure: Callable[[Path, DataSettings], None]
    compressed: bool = True


_DELIMITED = Source(read_delimited, measure_delimited)
_IDX = Source(read_idx, measure_idx)

SOURCES: dict[str, Source] = {
    ".csv": _DELIMITED,
    ".tsv": _DELIMITED,
    ".txt": _DELIMITED,
    ".data": _DELIMITED,
    ".parquet": Source(read_parquet, measure_parquet, compressed=False),
    ".npz": Source(read_npz, measure_npz, compressed=False),
    ".idx": _IDX,
    "-ubyte": _IDX,
}


def source_of(path: Path) -> Source:
    """Return the format of a file by its suffix, below a compression's suffix if there is one."""
    name = path.name.lower()
    compression = next((suffix for suffix in COMPRESSIONS if name.endswith(suffix)), "")
    stem = name.removesuffix(compression)
    for suffix, source in SOURCES.items():
        if stem.endswith(suffix) and (source.compressed or not compression):
            return source
    raise DataError(
        f"{path}: unknown kind of file, expected one of {', '.join(SOURCES)} (or with {', '.join(COMPRESSIONS)})"
    )


def read_pieces(path: Path, wanted: Wanted) -> Iterator[Raw]:
    """Yield a file's rows piece by piece where the format allows it, else all at once."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    source = source_of(path)
    if source is _DELIMITED:
        yield from read_chunks(path, wanted, PIECE)
        return
    if source.read is read_parquet:
        yield from read_parquet_pieces(path, PIECE_ROWS)
        return
    source.measure(path, wanted.settings)
    yield source.read(path, wanted)


def find_file(folder: Path, name: str, key: str) -> Path:
    """Return a data file's absolute path; ``key`` is where the definition names it."""
    path = (folder / Path(name).expanduser()).resolve()
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a data file ([data] {key})")
    if not path.is_file():
        raise DataError(f"{path}: no such file ([data] {key})")
    source_of(path)
    return path


def files_of(path: Path, target: str | int | None) -> list[Path]:
    """Return every file that reading ``path`` touches: the labels of IDX images are a file of their own."""
    return [path, labels_path(path, target)] if source_of(path) is _IDX else [path]
