"""Commands as typed in a shell."""

from __future__ import annotations

import shlex

STORAGE_FROM_ENVIRONMENT = '"$TUNER_STORAGE"'
"""Replaced by the shell: the address of a database, so that no password is printed."""


def command_text(*words: object) -> str:
    """Return ``tuner`` and these words, quoted for a shell."""
    parts = [str(word) for word in words]
    return " ".join(["tuner", *(part if part == STORAGE_FROM_ENVIRONMENT else shlex.quote(part) for part in parts)])
