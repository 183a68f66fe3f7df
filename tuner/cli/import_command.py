"""``tuner import``: bring in a study of plain Optuna."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.options import StorageOption
from tuner.cli.printing import print_lines
from tuner.commands import command_text
from tuner.formatting import count, some_of


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="Optuna's storage: a URL, a SQLite file, or a journal file.", show_default=False
        ),
    ],
    study: Annotated[
        str | None, typer.Option("--study", metavar="NAME", help="The study to bring in, if there are several.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NEW", help="Another name for it here.")] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--rename", metavar="OLD=NEW", help="A parameter's name here, as in lr=alpha.", show_default=False
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Bring in a study of plain Optuna, so that a new study can begin with its trials."""
    from tuner.workspace.administration import import_study

    imported = import_study(source, study, name, rename or (), storage)
    read = imported.study
    print_lines(
        f"study {imported.name} · database {imported.storage} · {count(len(read.trials), 'trial')} of plain Optuna",
        *(f"skipped: {count(n, 'trial')}: {why}" for why, n in read.skipped.items()),
        f"parameters: {some_of(read.parameters)}" if read.parameters else "no trial has parameters",
        "not known: errors and their intervals, study file, data",
        "",
        "Start a study with its best trials:",
        f"   {command_text('search', 'DATA', '--from', imported.name)}",
    )
