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
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, Self

from tuner.data.sources.memory import available_memory, show_bytes
from tuner.errors import DataError, TunerError
from tuner.files import open_regular
from tuner.formatting import error_line, message_of

IN_MEMORY = 1 << 26
"""Bytes up to which a file is read whole, to read it once for hashing and parsing."""
UNPACKED, RATIO = 1 << 28, 100
"""Bytes to which any compressed file may unpack, and how many times its size a larger one may."""


@contextmanager
def readable(path: Path | str, fault: str = "cannot be read, perhaps it is damaged") -> Iterator[None]:
    """Turn every error of a reader into a DataError that names the file: its library raises many for damaged files."""
    try:
        yield
    except TunerError:
        raise
    except MemoryError as error:
        raise DataError(f"{path}: not enough memory. Use fewer rows or columns") from error
    except OSError as error:
        raise cannot_be_read(path, error) from error
    except Exception as error:
        raise DataError(f"{path}: {fault} ({error_line(error)})") from error


def usable_rows(name: str) -> AbstractContextManager[None]:
    """Do the same for the rows of a Python call, whose cells may be objects of any kind."""
    return readable(name, "expected numbers, text, booleans or dates in rows and columns")


class DataFile:
    """A data file, opened once: the bytes that are hashed are the bytes that are parsed.

    A file of at most ``IN_MEMORY`` bytes is read whole; a larger one is streamed twice from one descriptor, and
    ``refuse_changed`` detects writes in between.  ``find_labels`` names the other file of IDX images.
    """

    def __init__(self, path: Path, find_labels: Callable[[], Path] | None = None, *, stream: bool = False) -> None:
        self.path = path
        self._find_labels = find_labels
        self._stream = stream
        with readable(path):
            self._descriptor = open_regular(path)
            self._stat = os.fstat(self._descriptor.fileno())
            whole = not stream and self._stat.st_size <= IN_MEMORY
            self.raw: IO[bytes] = io.BytesIO(self._descriptor.read()) if whole else self._descriptor

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
        with readable(self.path):
            own = hashlib.file_digest(self.rewound(), "sha256").digest()  # type: ignore[arg-type]
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
        most = max(UNPACKED, RATIO * self.size)
        if not self._stream:
            most = min(most, available_memory())
        with io.BufferedReader(_Counted(self.path, COMPRESSIONS[suffix](self.rewound()), most)) as file:
            yield file

    def refuse_changed(self) -> None:
        """Raise DataError if the file was changed since it was opened."""
        now = os.fstat(self._descriptor.fileno())
        is_whole = self.raw is not self._descriptor
        if not is_whole and any(getattr(now, name) != getattr(self._stat, name) for name in CHANGES):
            raise DataError(f"{self.path}: changed while it was being read. Try again when it is complete")
        if self.labels is not None:
            self.labels.refuse_changed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._descriptor.close()
        if self.__dict__.get("labels") is not None:
            self.__dict__["labels"].__exit__()


def cannot_be_read(path: Path | str, error: OSError) -> DataError:
    """Return the error for a file that cannot be read."""
    return DataError(f"{path}: cannot be read: {error.strerror or error}")


CHANGES = ("st_size", "st_mtime_ns", "st_ctime_ns")
"""What differs once a file was written to; a program can set the second back, but not the third."""


def refuse_unpacking(path: Path, packed: int, unpacked: int) -> None:
    """Refuse a file that unpacks to many times its size."""
    if unpacked > (most := max(UNPACKED, RATIO * packed)):
        raise _too_large(path, most)


def _too_large(path: Path, most: int) -> DataError:
    return DataError(
        f"{path}: unpacks to more than {show_bytes(most)}. If it is not damaged, unpack it, and name the unpacked file"
    )


class _Counted(io.RawIOBase):
    """A decompressed stream of at most ``most`` bytes."""

    def __init__(self, path: Path, file: Any, most: int) -> None:
        self._path, self._file, self._most, self._left = path, file, most, most

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with the next bytes."""
        size: int = self._file.readinto(buffer)
        self._left -= size
        if self._left < 0:
            raise _too_large(self._path, self._most)
        return size

    def readall(self) -> bytes:
        """Return the rest; in larger pieces than the base class reads."""
        pieces, piece = [], bytearray(1 << 20)
        while size := self.readinto(piece):
            pieces.append(bytes(piece[:size]))
        return b"".join(pieces)


class ZstdFile(io.RawIOBase):
    """A zstd stream; unlike the library's reader it detects a truncated stream."""

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard

        self._file = file
        self._new = zstandard.ZstdDecompressor().decompressobj
        self._frame = self._new()
        self._fresh = True
        self._ready = io.BytesIO()

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with the next bytes; 0 at the end."""
        while not (size := self._ready.readinto(buffer)):
            if self._frame.eof:
                rest = self._frame.unused_data
                self._frame, self._fresh = self._new(), True
            else:
                rest = b""
            packed = rest or self._file.read(ZSTD_PIECE)
            if not packed:
                if not self._fresh:
                    raise EOFError("the zstd stream has no end")
                return 0
            self._fresh = False
            self._ready = io.BytesIO(self._frame.decompress(packed))
        return size


ZSTD_PIECE = 1 << 12
"""Bytes decompressed at once; zstd can make 32,768 bytes of each."""

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
            raise DataError(f"{path}: expected gzip data because of its suffix ({message_of(error)})") from error
        raise cannot_be_read(path, error) from error
    except _damage() as error:
        raise DataError(f"{path}: truncated or damaged {path.suffix} data ({message_of(error)})") from error


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
