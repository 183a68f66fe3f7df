"""``tuner doctor``: is this machine, and the database, fit for a search?"""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from tuner.cli.options import JsonOption, StorageOption

UNFIT = 1


def doctor(storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """Check versions, BLAS, cores, the database, disk and cache, and time one training step; exit 1 if one is wrong."""
    from tuner.workspace.machine import check_machine

    checks = check_machine(storage)
    wrong = [check.name for check in checks if not check.passed]
    if as_json:
        typer.echo(json.dumps({"passed": not wrong, "checks": [asdict(check) for check in checks]}))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            typer.echo(f"{'ok   ' if check.passed else 'WRONG'}  {check.name:{width}}  {check.found}")
        typer.echo(f"\nwrong: {', '.join(wrong)}" if wrong else "\nall is well; start with: tuner search STUDY")
    if wrong:
        raise typer.Exit(UNFIT)
