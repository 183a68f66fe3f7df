"""``tuner merge``: add the studies of another database."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.options import StorageOption
from tuner.cli.printing import print_lines
from tuner.formatting import count


def merge(
    other: Annotated[
        str, typer.Argument(metavar="FILE", help="Another database: a file, or a URL.", show_default=False)
    ],
    storage: StorageOption = None,
) -> None:
    """Add all studies and trials of another database, or none if one does not fit."""
    from tuner.workspace.administration import merge as merge_databases

    name, merged = merge_databases(other, storage)
    print_lines(f"database {name}: merged {count(len(merged), 'study', 'studies')}")
    for one in merged:
        known = f", {one.known} already here" if one.known else ""
        left = f", {one.left} unfinished left out" if one.left else ""
        print_lines(f"{one.study}{' (new)' if one.is_new else ''}: {one.added} trials added{known}{left}")
