"""Opening files, compressed or not: damage and truncation become one clear line."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tuner.errors import DataError


class ZstdFile(io.RawIOBase):
    """A zstd stream read forward; unlike the library's own reader it notices a stream that ends too early."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self._file = path.open("rb")
        self._new = zstandard.ZstdDecompressor().decompressobj
        self._frame = self._new()
        self._fresh = True
        self._ready = b""

    def readable(self) -> bool:
        """Say that this is a stream to read from."""
        return True

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
        super().close()

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


def _gzip(path: Path) -> IO[bytes]:
    return io.BufferedReader(gzip.GzipFile(path))


def _xz(path: Path) -> IO[bytes]:
    return io.BufferedReader(lzma.LZMAFile(path))


def _zstd(path: Path) -> IO[bytes]:
    return io.BufferedReader(ZstdFile(path))


COMPRESSIONS: dict[str, Callable[[Path], IO[bytes]]] = {".gz": _gzip, ".xz": _xz, ".zst": _zstd}


def compression_of(path: Path) -> str | None:
    """Return the compression's suffix, or None."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSIONS else None


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading, decompressed as its suffix says."""
    suffix = compression_of(path)
    return path.open("rb") if suffix is None else COMPRESSIONS[suffix](path)


def _damage() -> tuple[type[Exception], ...]:
    import zstandard

    return (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def read_bytes(path: Path, most: int = -1, *, file: IO[bytes] | None = None) -> bytes:
    """Read a whole file, or its first (``file``: next) ``most`` bytes, decompressed."""
    try:
        if file is not None:
            return file.read(most)
        with open_binary(path) as opened:
            return opened.read(most)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise DataError(f"{path}: not gzip data, though its name ends in .gz ({error})") from error
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _damage() as error:
        raise DataError(f"{path}: truncated or damaged {path.suffix} data ({error})") from error


def unpacked_size(path: Path) -> int:
    """Estimate a file's decompressed size in bytes, from sizes alone: nothing is unpacked.

    gzip keeps the last member's size modulo 4 GiB in the last four bytes; tables seldom shrink below a twelfth.
    """
    size = path.stat().st_size
    suffix = compression_of(path)
    if suffix is None:
        return size
    if suffix == ".gz" and size >= 18:
        with path.open("rb") as file:
            file.seek(-4, io.SEEK_END)
            kept = int.from_bytes(file.read(4), "little")
        while kept < 0.9 * size:
            kept += 1 << 32
        return kept if kept < 12 * size or kept < 1 << 28 else 4 * size
    return 4 * size
