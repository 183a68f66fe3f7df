"""Files that appear whole or not at all: written under another name in the same folder, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tuner.errors import UsageError


def refuse_no_place(path: Path) -> None:
    """Raise UsageError where a file cannot lie there: it is a folder, or its own folder is missing (mistyped?)."""
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, expected the name of a file")
    if not path.absolute().parent.exists():
        raise UsageError(f"{path}: cannot be written: no such folder {path.parent}; expected one that exists")


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """An empty file in the folder of ``path``, with the rights of a new file; removed unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less what the umask takes away
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def move_new(temporary: Path, path: Path) -> None:
    """Move a file into place, never over another.  Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: rename cannot refuse to overwrite, so look first
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.rename(path)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a half.  Raises OSError."""
    with temporary_beside(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)


def write_new(path: Path, content: str) -> None:
    """Write a file whole or not at all, never over one that is there.  Raises UsageError."""
    refuse_no_place(path)
    with temporary_beside(path) as temporary:
        temporary.write_bytes(content.encode())
        try:
            move_new(temporary, path)
        except FileExistsError:
            raise UsageError(f"{path}: is there already; it was left as it is") from None


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that takes its name when it is complete.  Raises UsageError where none can be written."""
    refuse_no_place(path)
    try:
        with temporary_beside(path) as temporary:
            with temporary.open("wb") as file:
                yield file
            temporary.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
