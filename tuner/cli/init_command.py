"""``tuner init``: a commented definition for a data file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The data file.", show_default=False)],
    target: Annotated[str | None, typer.Option("--target", metavar="COL", help="The column to predict.")] = None,
) -> None:
    """Write studies/NAME.toml, with ranges that suit the data; an existing file is left as it is."""
    from tuner.running import make_definition_file

    written = make_definition_file(data, target)
    typer.echo(f"written: {written}; edit it, then: tuner search {written.stem}")
