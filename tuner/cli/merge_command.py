"""``tuner merge``: the studies of another database, brought into this one."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.options import StorageOption
from tuner.formatting import count


def merge(
    other: Annotated[
        str, typer.Argument(metavar="FILE", help="Another database: a file, or a URL.", show_default=False)
    ],
    storage: StorageOption = None,
) -> None:
    """Bring all studies and trials of another database in, or nothing if one of them does not fit."""
    from tuner.workspace.administration import merge as merge_databases

    name, merged = merge_databases(other, storage)
    typer.echo(f"database {name}: merged {count(len(merged), 'study', 'studies')}")
    for one in merged:
        known = f", {one.known} there already" if one.known else ""
        left = f", {one.left} left that are not finished there" if one.left else ""
        typer.echo(f"{one.study}{' (new)' if one.is_new else ''}: {one.added} trials added{known}{left}")
