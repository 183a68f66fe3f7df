"""Commands as typed in a shell."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from tuner.paths import DATABASE, STUDIES, resolved, shipped_studies
from tuner.printable import shell_escaped, visible

STORAGE_FROM_ENVIRONMENT = '"$TUNER_STORAGE"'
"""Replaced by the shell: the address of a database, so that no password is printed."""


def command_text(*words: object) -> str:
    """Return ``tuner`` and these words, quoted for a shell."""
    parts = [str(word) for word in words]
    return " ".join(["tuner", *(part if part == STORAGE_FROM_ENVIRONMENT else _quoted(part) for part in parts)])


def study_words(name: str, storage: str, file: Path | None = None) -> list[str]:
    """Return how a command names a study from the current folder, and ``--storage`` unless it looks there by itself.

    ``storage``: the database's file, or its address with any password masked; ``file``: the study file, if it says
    this name.
    """
    folder = study_folder(file)
    study = name if file is None or folder == STUDIES else str(folder / file.name)
    database = Path(storage.removeprefix("sqlite:///").split("?")[0])
    if resolved(database) == resolved(folder / DATABASE):
        return [study]
    address = storage if "://" in storage else f"sqlite:///{storage}"
    return [study, "--storage", STORAGE_FROM_ENVIRONMENT if "***" in address else address]


def study_folder(file: Path | None) -> Path:
    """Return where a study file lies, relative to the current folder if it is below; else where names are looked up."""
    if file is None or resolved(file.parent) in (resolved(STUDIES), resolved(shipped_studies())):
        return STUDIES
    relative = os.path.relpath(file.parent)
    return file.parent if relative.startswith(os.pardir) else Path(relative)


def _quoted(word: str) -> str:
    r"""Quote a word; as bash and zsh read it where a terminal would not show a character: ``$'a\x1b'``."""
    return shlex.quote(word) if visible(word) == word else f"$'{shell_escaped(word)}'"
