"""Write files whole or not at all, and never over one that must stay: the only module that writes what a person named.

A file is made under a random name in the same folder, which no symbolic link can anticipate, and then renamed.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from tuner.errors import UsageError
from tuner.paths import DATA_SUFFIXES, SCHEMA

LONGEST_STEM = 50
"""Characters of a file's name that its temporary name begins with: a name may have 255 bytes in all."""
KINDS_BY_CONTENT = {
    b"SQLite format 3\0": "a database",
    b"PK\x03\x04": "a model or other archive",
    b"PAR1": "a data file",
    b"\x93NUMPY": "a data file",
}
KINDS_BY_SUFFIX = {".toml": "a study file", ".tuner": "a model", ".db": "a database"} | dict.fromkeys(
    (*DATA_SUFFIXES, ".npy"), "a data file"
)
BESIDE_A_DATABASE = re.compile(r"(.+)-(wal|shm|journal)")

IsOurs = Callable[[Path], bool]
LARGEST_SMALL = 1 << 24
"""Bytes of a file that is read whole, other than data."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise UsageError naming the file for whatever the system or its encoding refuses."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}. Choose another place") from None
    except UnicodeEncodeError as error:
        refused = ascii(error.object[error.start : error.end])
        raise UsageError(f"{path}: cannot be written as UTF-8: {refused} is no character. Rename what has it") from None


def refusal_of_system(error: BaseException) -> UsageError | None:
    """What the system or its encoding refused, as an error of this package; None for another error."""
    match error:
        case OSError() if error.filename is not None:
            return UsageError(f"{os.fsdecode(error.filename)}: {error.strerror}. Check the path and its rights")
        case UnicodeEncodeError():
            return UsageError(f"{error.object}: is not UTF-8. Rename the file, folder or study")
        case ValueError() if "embedded null" in str(error):
            return UsageError("a path with a null character, \\x00: no file has such a name")
    return None


@contextmanager
def translating_system_errors() -> Iterator[None]:
    """Raise UsageError for what the system refuses: around a whole call of Python."""
    try:
        yield
    except (OSError, ValueError) as error:
        refusal = refusal_of_system(error)
        if refusal is None:
            raise
        raise refusal from error


def open_regular(path: Path) -> IO[bytes]:
    """Open a file for reading.  Raises OSError, also for a folder, a pipe or a device: reading one may never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # without it, opening a pipe waits for a writer
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_small(path: Path) -> bytes:
    """Read a study file or the like.  Raises OSError, also for what is not a regular file, or too large for one."""
    with open_regular(path) as file:
        content = file.read(LARGEST_SMALL + 1)
    if len(content) > LARGEST_SMALL:
        raise OSError(errno.EFBIG, f"larger than {LARGEST_SMALL:,} bytes", str(path))
    return content


def refuse_no_place(path: Path) -> None:
    """Raise UsageError if the path is a folder or device, or its folder does not exist."""
    with translated(path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            if not os.path.isdir(path.absolute().parent):
                raise UsageError(f"{path}: cannot be written: no such folder {path.parent}") from None
            return
        except ValueError:
            raise UsageError(f"{path}: cannot be written: no file name has a zero byte") from None
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path}: is a folder, expected a file name")
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path}: is a device or pipe, expected a file name")


def refuse_overwriting(path: Path, *, force: bool = False, is_ours: IsOurs = lambda path: False) -> None:
    """Raise UsageError if the file exists and must stay.

    ``is_ours`` recognizes what the same command wrote before.  With ``force`` that and any other file may be replaced,
    but never a database, model, data file or definition.
    """
    refuse_no_place(path)
    with translated(path):
        kind = protected_kind(path)
        if kind is not None and not (os.path.lexists(path) and is_ours(path)):
            raise UsageError(f"{path}: is {kind}, which is never overwritten. Name another file")
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path}: already exists; not overwritten. Name another file, or replace it with --force")


def protected_kind(path: Path) -> str | None:
    """Return what a file is that must stay, by its content or name; None for others, and for an empty or new one."""
    beside = BESIDE_A_DATABASE.fullmatch(path.name)
    if beside is not None and _begins(path.with_name(beside[1])).startswith(b"SQLite format 3"):
        return "a part of a database"
    begins = _begins(path)
    if path.name == SCHEMA and begins:
        return "the schema of study files"
    by_content = next((kind for magic, kind in KINDS_BY_CONTENT.items() if begins.startswith(magic)), None)
    return by_content or (KINDS_BY_SUFFIX.get(path.suffix.lower()) if begins else None)


def _begins(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(16)
    except FileNotFoundError:
        return b""


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Make an empty file in the folder of ``path``; it is removed at the end unless it was renamed."""
    temporary = path.with_name(f".{path.name[:LONGEST_STEM]}.{os.urandom(6).hex()}")
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
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.rename(path)


def _replace(temporary: Path, path: Path) -> None:
    """Move a file into place; others get no more rights than they had to the one that it replaces."""
    with suppress(FileNotFoundError):
        temporary.chmod(stat.S_IMODE(temporary.stat().st_mode) & path.stat().st_mode)
    temporary.replace(path)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees either the old or the new content.  Raises OSError."""
    with temporary_beside(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        _replace(temporary, path)


def write_new(path: Path, content: str) -> None:
    """Write a new file whole or not at all.  Raises UsageError if it already exists or cannot be written."""
    refuse_no_place(path)
    with translated(path), temporary_beside(path) as temporary:
        temporary.write_bytes(content.encode())
        try:
            move_new(temporary, path)
        except FileExistsError:
            raise UsageError(f"{path}: already exists; not overwritten") from None


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of ``path`` once it is filled.  Raises UsageError if it cannot."""
    with translated(path), TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:LONGEST_STEM]}.") as beside:
        whole = Path(beside, "new")
        whole.mkdir()
        yield whole
        if path.exists():
            path.rename(Path(beside, "before"))
        whole.rename(path)


@contextmanager
def whole_file(path: Path, *, force: bool = False, is_ours: IsOurs = lambda path: False) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name once complete.

    Raises UsageError if it cannot be written, or if :func:`refuse_overwriting` refuses.
    """
    refuse_overwriting(path, force=force, is_ours=is_ours)
    with translated(path), temporary_beside(path) as temporary:
        with temporary.open("wb") as file:
            yield file
        if force:
            _replace(temporary, path)
        else:
            try:
                move_new(temporary, path)
            except FileExistsError:
                refuse_overwriting(path)
