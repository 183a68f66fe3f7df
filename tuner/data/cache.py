"""Prepared arrays in the user's cache folder: made once, then mapped read-only by every process.

An entry is a folder of ``.npy`` files and ``meta.json``; it is built next to its place and renamed, so that it is never
incomplete.  What another user owns or may write to is not read, and every checksum is verified.  The results of the
data checks are kept in it, too.  Entries of earlier contents of a data file, and entries unused for a month, are
removed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

UNUSED_SECONDS = 30 * 86_400
ENTRY = re.compile(r"[0-9a-f]{40}|\.building-.*")  # other files in the folder are never touched
FILE, CONTENTS = slice(10), slice(10, 20)
"""Which digits of an entry's name are the file's and which those of its contents."""
META = "meta.json"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
BUILDING_SECONDS = 86_400  # an unfinished entry this old is from a process that died


def cache_folder() -> Path:
    """Return the folder of all entries, in ``TUNER_CACHE`` or the system's folder for caches."""
    named = os.environ.get("TUNER_CACHE")
    if named:
        return Path(named).expanduser().absolute() / "data"
    import platformdirs

    return Path(platformdirs.user_cache_dir("tuner", appauthor=False)) / "data"


def entry_name(file: Any, contents: str, settings: Any) -> str:
    """Return the name of the entry of a user's ``file`` with these ``contents``, prepared with these ``settings``.

    It shows which entries are outdated: to open all of them for each new one would take long.
    """
    digests = [hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest() for of in (file, contents, settings)]
    return digests[0][:10] + digests[1][:10] + digests[2][:20]


class Store:
    """Arrays being prepared: in files if the cache folder is writable, else in memory.

    A context manager that removes an uncommitted entry on exit.
    """

    def __init__(self, key: str | None) -> None:
        self._key = key
        self._folder: Path | None = None
        self.arrays: dict[str, NDArray[Any]] = {}

    def __enter__(self) -> Self:
        if self._key is not None:
            with contextlib.suppress(OSError):
                root = cache_folder()
                root.mkdir(parents=True, exist_ok=True)
                self._folder = Path(tempfile.mkdtemp(prefix=".building-", dir=root))
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def zeros(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of zeros; disk space is reserved before the file is mapped.

        (Writing to a mapped file without disk space would end the process with SIGBUS.)
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._folder is not None and size:
            path = self._folder / f"{name}.npy"
            try:
                if shutil.disk_usage(self._folder).free < 2 * size:  # a cache must not fill the disk
                    raise OSError("the disk is nearly full")
                array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
                with path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except (OSError, ValueError):  # no space, or no posix_fallocate
                shutil.rmtree(self._folder, ignore_errors=True)  # mapped arrays stay readable
                self._folder = None
            else:
                self.arrays[name] = array
                return array
        return self.arrays.setdefault(name, np.zeros(shape, dtype=dtype))

    def commit(self, meta: dict[str, Any]) -> Path | None:
        """Move the finished entry to its place and return it; None if it could not be kept."""
        if self._folder is None or self._key is None:
            return None
        final = cache_folder() / self._key
        try:
            arrays = {name: _described(array) for name, array in self.arrays.items()}
            self._folder.chmod(0o700)
            for path in self._folder.iterdir():
                path.chmod(0o600)
            write_beside(self._folder, META, {**meta, "key": self._key, "arrays": arrays})
            if read_entry(final) is None:  # else another process made the same entry first
                shutil.rmtree(final, ignore_errors=True)
                self._folder.rename(final)
                self._folder = None
        except OSError:
            return None
        remove_old_entries(final)
        return final if final.is_dir() else None


def _described(array: NDArray[Any]) -> list[Any]:
    """Return a checksum of an array, its type and its shape."""
    return [zlib.crc32(array.data), array.dtype.str, list(array.shape)]


def read_entry(folder: Path, *, written_here: bool = False) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """Return an entry's metadata and its arrays, mapped read-only; None if it is missing or damaged.

    Arrays are not flushed to disk, so after a power cut their files may hold zeros; not those just ``written_here``.
    """
    meta = read_beside(folder, META)
    if meta is None or meta["key"] != folder.name:
        return None
    arrays = {}
    try:
        for name, described in meta["arrays"].items():
            arrays[name] = _mapped(folder, f"{name}.npy", *described[1:])
            if not written_here and _described(arrays[name]) != described:
                return None
        with _own_file(folder, META) as file, contextlib.suppress(OSError):  # a read-only cache is fine
            os.utime(file.fileno())
    except (OSError, ValueError):
        return None
    return meta, arrays


def _mapped(folder: Path, name: str, dtype: str, shape: list[int]) -> NDArray[Any]:
    """Map the array at the end of an NPY file, of a type and shape that are known; an empty array has no file."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not size:
        return np.empty(shape, dtype=dtype)
    with _own_file(folder, name) as file:
        offset = os.fstat(file.fileno()).st_size - size
        if offset < 0:
            raise ValueError("the file is too short")
        mapped = np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=tuple(shape))
    mapped.filename = str((folder / name).absolute())
    return mapped.view(np.ndarray)


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[int]:
    """Open a folder that no other user owns or may write to.  Raises PermissionError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _refuse_foreign(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _own_file(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """Open a file that no other user owns or may write to, nor its folder.  Raises PermissionError."""
    with _own_folder(folder) as inside:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
    with os.fdopen(descriptor, "rb") as file:
        _refuse_foreign(descriptor)
        yield file


def _refuse_foreign(descriptor: int) -> None:
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or status.st_mode & OTHERS_WRITE:
        raise PermissionError(errno.EACCES, "another user owns it or may write to it")


def read_beside(folder: Path, name: str) -> Any:
    """Return what ``write_beside`` kept; None if it is missing, damaged or not the user's own."""
    try:
        with _own_file(folder, name) as file:
            checksum, text = json.load(file)
        return json.loads(text) if zlib.crc32(text.encode()) == checksum else None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def write_beside(folder: Path, name: str, results: Any) -> None:
    """Keep results about an entry as JSON with their checksum in its folder, if it is writable."""
    text = json.dumps(results)
    temporary = f".{name}.{os.urandom(6).hex()}"
    with contextlib.suppress(OSError), _own_folder(folder) as inside:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=inside)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump([zlib.crc32(text.encode()), text], file)
        os.replace(temporary, name, src_dir_fd=inside, dst_dir_fd=inside)


def remove_old_entries(kept: Path) -> None:
    """Remove outdated entries: earlier contents of the same file, long unused entries, unfinished builds.

    A process that has mapped an entry keeps its arrays.
    """
    now = time.time()
    with contextlib.suppress(OSError):
        for folder in kept.parent.iterdir():
            if ENTRY.fullmatch(folder.name) and (_is_outdated(folder.name, kept.name) or _is_unused(folder, now)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_outdated(name: str, kept: str) -> bool:
    """Whether an entry is of the same file with other contents."""
    return name[FILE] == kept[FILE] and name[CONTENTS] != kept[CONTENTS]


def _is_unused(folder: Path, now: float) -> bool:
    try:
        if folder.name.startswith(".building-"):
            return now - folder.stat().st_mtime > BUILDING_SECONDS
        return now - (folder / META).stat().st_mtime > UNUSED_SECONDS
    except OSError:
        return False
