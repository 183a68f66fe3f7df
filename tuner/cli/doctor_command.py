"""``tuner doctor``: is this machine, and the database, fit for a search?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from tuner.cli.options import JsonOption, StorageOption
from tuner.cli.printing import print_result

UNFIT = 1


def doctor(storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """Check versions, BLAS, cores, the database, disk and cache, and time one training step; exit 1 if one is wrong."""
    from tuner.workspace.machine import check_machine

    checks = check_machine(storage)
    wrong = [check.name for check in checks if not check.passed]
    width = max(len(check.name) for check in checks)
    lines = [f"{'ok   ' if check.passed else 'WRONG'}  {check.name:{width}}  {check.found}" for check in checks]
    lines.append(f"\nwrong: {', '.join(wrong)}" if wrong else "\nall is well; start with: tuner search STUDY")
    found = {"passed": not wrong, "checks": [asdict(check) for check in checks]}
    print_result(found, lines, as_json=as_json)
    if wrong:
        raise typer.Exit(UNFIT)
