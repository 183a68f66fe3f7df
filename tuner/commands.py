"""Commands as a person types them."""

from __future__ import annotations

import shlex

STORAGE_FROM_ENVIRONMENT = '"$TUNER_STORAGE"'
"""A word that the shell replaces: the address of a database whose password is not written down."""


def command_text(*words: object) -> str:
    """``tuner`` and these words, quoted where a shell needs it."""
    parts = [str(word) for word in words]
    return " ".join(["tuner", *(part if part == STORAGE_FROM_ENVIRONMENT else shlex.quote(part) for part in parts)])
