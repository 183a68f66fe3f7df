"""Open files once, compressed or not, with clear errors for damaged and truncated ones."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

from tuner.errors import DataError

IN_MEMORY = 1 << 26
"""Bytes up to which a file is read whole, to read it once for hashing and parsing."""


class DataFile:
    """A data file, opened once: the bytes that are hashed are the bytes that are parsed.

    A file of at most ``IN_MEMORY`` bytes is read whole; a larger one is streamed twice from one descriptor, and
    ``refuse_changed`` detects writes in between.  ``find_labels`` names the other file of IDX images.
    """

    def __init__(self, path: Path, find_labels: Callable[[], Path] | None = None, *, stream: bool = False) -> None:
        self.path = path
        self._find_labels = find_labels
        try:
            self._descriptor = path.open("rb")
            self._stat = os.fstat(self._descriptor.fileno())
            whole = not stream and self._stat.st_size <= IN_MEMORY
            self.raw: IO[bytes] = io.BytesIO(self._descriptor.read()) if whole else self._descriptor
        except OSError as error:
            raise cannot_be_read(path, error) from error

    @functools.cached_property
    def labels(self) -> DataFile | None:
        """The file of the labels, opened on first use; None if the rows have the labels."""
        return None if self._find_labels is None else DataFile(self._find_labels())

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._stat.st_size

    @functools.cached_property
    def digests(self) -> list[bytes]:
        """The SHA-256 of the contents, and of the labels' file."""
        try:
            own = hashlib.file_digest(self.rewound(), "sha256").digest()  # type: ignore[arg-type]
        except OSError as error:
            raise cannot_be_read(self.path, error) from error
        return [own, *(self.labels.digests if self.labels is not None else ())]

    def rewound(self) -> IO[bytes]:
        """Return the bytes on disk, from the start."""
        self.raw.seek(0)
        return self.raw

    @contextmanager
    def unpacked(self) -> Iterator[IO[bytes]]:
        """Yield the decompressed bytes, from the start."""
        suffix = compression_of(self.path)
        if suffix is None:
            yield self.rewound()
            return
        with io.BufferedReader(COMPRESSIONS[suffix](self.rewound())) as file:
            yield file

    def refuse_changed(self) -> None:
        """Raise DataError if the file was changed since it was opened."""
        now = os.fstat(self._descriptor.fileno())
        is_whole = self.raw is not self._descriptor
        if not is_whole and any(getattr(now, name) != getattr(self._stat, name) for name in ("st_size", "st_mtime_ns")):
            raise DataError(f"{self.path}: changed while it was being read. Try again when it is complete")
        if self.labels is not None:
            self.labels.refuse_changed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._descriptor.close()
        if self.__dict__.get("labels") is not None:
            self.__dict__["labels"].__exit__()


def cannot_be_read(path: Path, error: OSError) -> DataError:
    """Return the error for a file that cannot be read."""
    return DataError(f"{path}: cannot be read: {error.strerror or error}")


class ZstdFile(io.RawIOBase):
    """A zstd stream; unlike the library's reader it detects a truncated stream."""

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard

        self._file = file
        self._new = zstandard.ZstdDecompressor().decompressobj
        self._frame = self._new()
        self._fresh = True
        self._ready = b""

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with the next bytes; 0 at the end."""
        while not self._ready:
            if self._frame.eof:
                rest = self._frame.unused_data
                self._frame, self._fresh = self._new(), True
            else:
                rest = b""
            packed = rest or self._file.read(1 << 20)
            if not packed:
                if not self._fresh:
                    raise EOFError("the zstd stream has no end")
                return 0
            self._fresh = False
            self._ready = self._frame.decompress(packed)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


COMPRESSIONS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".xz": lzma.LZMAFile,
    ".zst": ZstdFile,
}


def compression_of(path: Path) -> str | None:
    """Return the compression's suffix, or None."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSIONS else None


def _damage() -> tuple[type[Exception], ...]:
    import zstandard

    return (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def read_bytes(path: Path, file: IO[bytes], most: int = -1) -> bytes:
    """Read the next ``most`` decompressed bytes, or all; ``path`` names the file in messages."""
    try:
        return file.read(most)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise DataError(f"{path}: expected gzip data because of its suffix ({error})") from error
        raise cannot_be_read(path, error) from error
    except _damage() as error:
        raise DataError(f"{path}: truncated or damaged {path.suffix} data ({error})") from error


def unpacked_size(file: DataFile) -> int:
    """Estimate a file's decompressed size in bytes, without decompressing.

    gzip keeps the last member's size modulo 4 GiB in the last four bytes; tables seldom shrink below a twelfth.
    """
    size, suffix = file.size, compression_of(file.path)
    if suffix is None:
        return size
    if suffix == ".gz" and size >= 18:
        file.raw.seek(-4, io.SEEK_END)
        kept = int.from_bytes(file.raw.read(4), "little")
        while kept < 0.9 * size:
            kept += 1 << 32
        return kept if kept < 12 * size or kept < 1 << 28 else 4 * size
    return 4 * size
