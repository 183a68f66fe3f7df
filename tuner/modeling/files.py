"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
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
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file under another name until it is complete; its folder must exist.  Raises UsageError where none can be."""
    refuse_no_place(path)
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if name:
            Path(name).unlink(missing_ok=True)
