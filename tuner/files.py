"""Write files whole or not at all: under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tuner.errors import UsageError


def refuse_no_place(path: Path) -> None:
    """Raise UsageError if the path is a folder, or its folder does not exist."""
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, expected a file name")
    if not path.absolute().parent.exists():
        raise UsageError(f"{path}: cannot be written: no such folder {path.parent}")


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Make an empty file in the folder of ``path``; it is removed at the end unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the umask applies
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def move_new(temporary: Path, path: Path) -> None:
    """Move a file into place without overwriting.  Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: rename cannot refuse to overwrite, so look first
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.rename(path)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees either the old or the new content.  Raises OSError."""
    with temporary_beside(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)


def write_new(path: Path, content: str) -> None:
    """Write a new file whole or not at all.  Raises UsageError if it already exists."""
    refuse_no_place(path)
    with temporary_beside(path) as temporary:
        temporary.write_bytes(content.encode())
        try:
            move_new(temporary, path)
        except FileExistsError:
            raise UsageError(f"{path}: already exists; not overwritten") from None


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name once complete.  Raises UsageError if it cannot be written."""
    refuse_no_place(path)
    try:
        with temporary_beside(path) as temporary:
            with temporary.open("wb") as file:
                yield file
            temporary.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
