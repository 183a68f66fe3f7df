"""Commands as typed in a shell."""

from __future__ import annotations

import shlex

from tuner.printable import shell_escaped, visible

STORAGE_FROM_ENVIRONMENT = '"$TUNER_STORAGE"'
"""Replaced by the shell: the address of a database, so that no password is printed."""


def command_text(*words: object) -> str:
    """Return ``tuner`` and these words, quoted for a shell."""
    parts = [str(word) for word in words]
    return " ".join(["tuner", *(part if part == STORAGE_FROM_ENVIRONMENT else _quoted(part) for part in parts)])


def _quoted(word: str) -> str:
    r"""Quote a word; as bash and zsh read it where a terminal would not show a character: ``$'a\x1b'``."""
    return shlex.quote(word) if visible(word) == word else f"$'{shell_escaped(word)}'"
