"""``tuner backup``: a copy of the database, taken while others write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import StorageOption


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not exist yet.", show_default=False)],
    storage: StorageOption = None,
) -> None:
    """Copy the SQLite database into a new file, consistent although searches go on."""
    from tuner.workspace.administration import backup as back_up

    source, size = back_up(file, storage)
    typer.echo(f"{source} copied to {file.absolute()} ({size:,} bytes)")
