"""``tuner schema``: the JSON schema of a definition, for editors."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON schema with which editors check and complete definitions."""
    from tuner.study import schema_text

    typer.echo(schema_text(), nl=False)
