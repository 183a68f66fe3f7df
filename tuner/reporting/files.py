"""Writing files so that a reader sees the old one or the new one, never a half."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tuner.errors import UsageError


def write_files(folder: Path, contents: Mapping[str, Callable[[], str]]) -> None:
    """Write each text to a temporary name beside its file, then rename it.  Raises UsageError where that is refused."""
    texts = {name: text() for name, text in contents.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            temporary = folder / f".{name}.{os.getpid()}"
            try:
                temporary.write_text(text, encoding="utf-8", newline="")
                temporary.replace(folder / name)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: the report cannot be written: {error.strerror}") from None
