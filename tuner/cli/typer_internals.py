"""Everything of Typer that is not public: the Click within it.

The next minor version may change it: pyproject.toml names the one that this was written for, and
``tests/cli/test_typer_internals.py`` says what a newer one broke.
"""

from __future__ import annotations

from typing import Any

from typer._click.shell_completion import CompletionItem


def completion(name: str, explanation: str) -> Any:
    """One word that the shell may complete to."""
    return CompletionItem(name, help=explanation)
