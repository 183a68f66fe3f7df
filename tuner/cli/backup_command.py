"""``tuner backup``: copy the database while others write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import StorageOption
from tuner.cli.printing import print_lines


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not exist yet.", show_default=False)],
    storage: StorageOption = None,
) -> None:
    """Copy the SQLite database into a new file, consistent even while searches run."""
    from tuner.workspace.administration import backup as back_up

    source, size = back_up(file, storage)
    print_lines(f"{source} copied to {file.absolute()} ({size:,} bytes)")
