"""``tuner restore``: put a backup in the place of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import StorageOption
from tuner.cli.printing import print_lines
from tuner.formatting import count


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy by tuner backup.", show_default=False)],
    storage: StorageOption = None,
) -> None:
    """Put a checked backup in the place of the SQLite database, which is kept under another name."""
    from tuner.workspace.administration import restore as restore_database

    restored = restore_database(file, storage)
    print_lines(f"{restored.storage} restored from {file.absolute()}: {count(restored.studies, 'study', 'studies')}")
    if restored.kept is not None:
        print_lines(f"the database before it is kept as {restored.kept}")
