"""Typer's private parts that tuner uses.

A minor version may change them: pyproject.toml pins the version, and ``tests/cli/test_typer_internals.py`` tests
them.
"""

from __future__ import annotations

from typing import Any

from typer._click.shell_completion import CompletionItem


def completion(name: str, explanation: str) -> Any:
    """A completion for the shell."""
    return CompletionItem(name, help=explanation)
