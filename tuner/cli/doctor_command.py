"""``tuner doctor``: check this machine and the database"""

from __future__ import annotations

import typer

from tuner.cli.options import JsonOption, StorageOption
from tuner.cli.printing import print_result

FAILED = 1


def doctor(storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """Check versions, BLAS, cores, database, disk and cache, and time a training step; exit 1 if a check fails."""
    from tuner.workspace.machine import check_machine

    checks = check_machine(storage)
    wrong = [check.name for check in checks if not check.passed]
    width = max(len(check.name) for check in checks)
    lines = [f"{'ok    ' if check.passed else 'FAILED'}  {check.name:{width}}  {check.detail}" for check in checks]
    lines += ["", f"failed: {', '.join(wrong)}" if wrong else "all checks passed. Start with: tuner search STUDY"]
    rows = [{"name": check.name, "passed": check.passed, "found": check.detail} for check in checks]
    summary = {"passed": not wrong, "checks": rows}
    print_result(summary, lines, as_json=as_json)
    if wrong:
        raise typer.Exit(FAILED)
