"""Prepared arrays in the user's cache folder: made once, then mapped read-only by every process that uses them.

An entry is a folder of ``.npy`` files and ``meta.json``, built beside its place and renamed into it, so that it is
there whole or not at all.  What was found out about it once may lie beside them.  Entries of a data file's earlier
contents, and entries unused for a month, are removed.
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
ENTRY = re.compile(r"[0-9a-f]{40}|\.building-.*")  # nothing else in the folder is ever touched
BUILDING_SECONDS = 86_400  # what is still unfinished after a day was left behind by a process that died


def cache_folder() -> Path:
    """Return the folder of all entries, in ``TUNER_CACHE`` or else the system's place for a user's caches."""
    named = os.environ.get("TUNER_CACHE")
    if named:
        return Path(named).expanduser().absolute() / "data"
    import platformdirs

    return Path(platformdirs.user_cache_dir("tuner", appauthor=False)) / "data"


class Store:
    """Arrays being prepared: in files where the cache folder can be written to, else in memory.

    A context manager; an entry that was not committed is removed on leaving.
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
        """Return an array of zeros to be filled; the space on the disk is reserved before it is mapped.

        (A mapped file without space behind it would end the process with SIGBUS when it is written to.)
        """
        if self._folder is not None:
            path = self._folder / f"{name}.npy"
            try:
                size = int(np.prod(shape)) * np.dtype(dtype).itemsize
                if shutil.disk_usage(self._folder).free < 2 * size:  # a cache does not fill the user's disk
                    raise OSError("the disk is nearly full")
                array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
                with path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except (OSError, ValueError):  # no space, no such call here, or an array without a single cell
                shutil.rmtree(self._folder, ignore_errors=True)  # what is mapped already stays readable
                self._folder = None
            else:
                self.arrays[name] = array
                return array
        return self.arrays.setdefault(name, np.zeros(shape, dtype=dtype))

    def commit(self, meta: dict[str, Any]) -> Path | None:
        """Move the finished entry to its place; returns it, or None where nothing could be kept."""
        if self._folder is None or self._key is None:
            return None
        final = cache_folder() / self._key
        try:
            sums = {name: zlib.crc32(array.data) for name, array in self.arrays.items()}
            kept = {**meta, "boot": boot_id(), "checksums": sums}
            (self._folder / "meta.json").write_text(json.dumps(kept), encoding="utf-8")
            self._folder.chmod(0o700)
            if read_entry(final) is None:  # else another process was first: its entry has the same contents
                shutil.rmtree(final, ignore_errors=True)
                self._folder.rename(final)
                self._folder = None
        except OSError:
            return None
        remove_old_entries(final, meta)
        return final if final.is_dir() else None


def boot_id() -> str:
    """Return what tells one run of this machine from the next; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_entry(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """Return an entry's meta data and its arrays, mapped read-only; None where it is absent or damaged.

    Arrays are not forced to the disk when they are written, so after a power cut their files may hold zeros: what was
    written before the machine last started, or by another machine, is compared with its checksums.
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
    with contextlib.suppress(OSError):  # a cache that may only be read serves as well
        os.utime(folder / "meta.json")
    return meta, arrays


def read_beside(folder: Path, name: str) -> Any:
    """Return what ``write_beside`` kept; None where it is absent or damaged."""
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_beside(folder: Path, name: str, found: Any) -> None:
    """Keep what was found out about an entry, as JSON beside its arrays: whole, or where that is impossible not at all.

    It is as old as the entry, and goes with it.
    """
    with contextlib.suppress(OSError):
        write_whole(folder / name, json.dumps(found))


def remove_old_entries(kept: Path, meta: dict[str, Any]) -> None:
    """Remove what is out of date: the same file's other contents, entries unused for long, builds left behind.

    A process that has an entry mapped keeps its arrays.
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
