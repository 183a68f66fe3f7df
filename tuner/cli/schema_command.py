"""``tuner schema``: the JSON schema of a definition, for editors."""

from __future__ import annotations

from tuner.cli.printing import print_file


def schema() -> None:
    """Print the JSON schema with which editors check and complete study files."""
    from tuner.study import schema_text

    print_file(schema_text())
