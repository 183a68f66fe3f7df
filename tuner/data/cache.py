"""Prepared arrays in the user's cache folder: made once, then mapped read-only by every process.

An entry is a folder of ``.npy`` files and ``meta.json``; it is built next to its place and renamed, so that it is never
incomplete.  The results of the data checks are kept in it, too.  Entries of earlier contents of a data file, and
entries unused for a month, are removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tuner.files import write_whole

UNUSED_SECONDS = 30 * 86_400
ENTRY = re.compile(r"[0-9a-f]{40}|\.building-.*")  # other files in the folder are never touched
BUILDING_SECONDS = 86_400  # an unfinished entry this old is from a process that died


def cache_folder() -> Path:
    """Return the folder of all entries, in ``TUNER_CACHE`` or the system's folder for caches."""
    named = os.environ.get("TUNER_CACHE")
    if named:
        return Path(named).expanduser().absolute() / "data"
    import platformdirs

    return Path(platformdirs.user_cache_dir("tuner", appauthor=False)) / "data"


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
        if self._folder is not None:
            path = self._folder / f"{name}.npy"
            try:
                size = int(np.prod(shape)) * np.dtype(dtype).itemsize
                if shutil.disk_usage(self._folder).free < 2 * size:  # a cache must not fill the disk
                    raise OSError("the disk is nearly full")
                array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
                with path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except (OSError, ValueError):  # no space, no posix_fallocate, or an empty array
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
            sums = {name: zlib.crc32(array.data) for name, array in self.arrays.items()}
            kept = {**meta, "boot": boot_id(), "checksums": sums}
            (self._folder / "meta.json").write_text(json.dumps(kept), encoding="utf-8")
            self._folder.chmod(0o700)
            if read_entry(final) is None:  # else another process made the same entry first
                shutil.rmtree(final, ignore_errors=True)
                self._folder.rename(final)
                self._folder = None
        except OSError:
            return None
        remove_old_entries(final, meta)
        return final if final.is_dir() else None


def boot_id() -> str:
    """Return an identifier of this boot of the machine; empty if unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_entry(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """Return an entry's metadata and its arrays, mapped read-only; None if it is missing or damaged.

    Arrays are not flushed to disk, so after a power cut their files may hold zeros: checksums are verified for entries
    from before the last boot or from another machine.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
            for name in meta["arrays"]
        }
        sums = {} if meta["boot"] == boot_id() else meta["checksums"]
        if any(zlib.crc32(arrays[name].data) != expected for name, expected in sums.items()):
            return None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    with contextlib.suppress(OSError):  # a read-only cache is fine
        os.utime(folder / "meta.json")
    return meta, arrays


def read_beside(folder: Path, name: str) -> Any:
    """Return what ``write_beside`` kept; None if it is missing or damaged."""
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_beside(folder: Path, name: str, found: Any) -> None:
    """Keep results about an entry as JSON in its folder, if it is writable."""
    with contextlib.suppress(OSError):
        write_whole(folder / name, json.dumps(found))


def remove_old_entries(kept: Path, meta: dict[str, Any]) -> None:
    """Remove outdated entries: earlier contents of the same file, long unused entries, unfinished builds.

    A process that has mapped an entry keeps its arrays.
    """
    now = time.time()
    with contextlib.suppress(OSError):
        for folder in kept.parent.iterdir():
            if folder != kept and ENTRY.fullmatch(folder.name) and _is_old(folder, meta, now):
                shutil.rmtree(folder, ignore_errors=True)


def _is_old(folder: Path, meta: dict[str, Any], now: float) -> bool:
    try:
        if folder.name.startswith(".building-"):
            return now - folder.stat().st_mtime > BUILDING_SECONDS
        path = folder / "meta.json"
        if now - path.stat().st_mtime > UNUSED_SECONDS:
            return True
        other = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    same_file = meta.get("path") is not None and other.get("path") == meta["path"]
    return same_file and other.get("fingerprint") != meta.get("fingerprint")
