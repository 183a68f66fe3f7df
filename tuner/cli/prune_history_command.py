"""``tuner prune-history``: remove what is rarely read of large and old studies."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.completion import study_names
from tuner.cli.options import JsonOption, StorageOption, seconds_of
from tuner.cli.printing import confirm, print_result
from tuner.errors import UsageError
from tuner.formatting import count

if TYPE_CHECKING:
    from tuner.storage import PrunedHistory


def prune_history(
    study: Annotated[
        str,
        typer.Argument(metavar="[STUDY]", help="A study, or a pattern like 'churn-*'.", autocompletion=study_names),
    ] = "*",
    keep: Annotated[int, typer.Option("--keep", min=100, help="The best trials whose epochs stay.")] = 1000,
    failed: Annotated[
        str | None, typer.Option("--failed-older-than", metavar="AGE", help="Also failed trials, like 30d.")
    ] = None,
    studies: Annotated[
        str | None,
        typer.Option("--studies-older-than", metavar="AGE", help="Also whole studies without a trial since."),
    ] = None,
    vacuum: Annotated[bool, typer.Option("--vacuum", help="Give the space back to the system.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the epochs of old trials that are not among the best; their best epoch and all else of them stay.

    Reports of the best trials stay the same, except that the selection correction no longer chooses among the epochs
    of the others; epochs.csv lacks theirs.  The last 2,000 trials to finish, which pruners compare with, keep them.
    """
    from tuner.storage import HistoryLimits
    from tuner.workspace.administration import prune_history
    from tuner.workspace.administration import vacuum as give_back

    now = time.time()
    limits = HistoryLimits(
        keep,
        None if failed is None else now - seconds_of(failed, "--failed-older-than"),
        None if studies is None else now - seconds_of(studies, "--studies-older-than"),
    )
    where, pruned = prune_history(study, storage, limits, dry_run=True)
    if not (dry_run or yes) and (lines := _lines(pruned)):
        what = f"in {where} would go: {'; '.join(lines)}"
        if not sys.stdin.isatty():
            raise UsageError(f"{what}. Not a terminal; pass --yes")
        confirm(f"{what}. Remove it?")
    if not dry_run:
        where, pruned = prune_history(study, storage, limits, dry_run=False)
    freed = give_back(storage) if vacuum and not dry_run else None
    lines = [f"{'would go' if dry_run else 'removed'}: {line}" for line in _lines(pruned)]
    lines = lines or [f"nothing to remove in {where}"]
    lines += [] if freed is None else [f"given back: {freed / 1e6:,.0f} MB"]
    document = {"storage": where, "dry_run": dry_run, "studies": [asdict(each) for each in pruned], "freed": freed}
    print_result(document, lines, as_json=as_json)


def _lines(pruned: Sequence[PrunedHistory]) -> list[str]:
    """What goes, one line per study."""
    return [
        f"{each.study}: "
        + ("the whole study" if each.whole else f"{count(each.epochs, 'epoch')}, {count(each.failed, 'failed trial')}")
        for each in pruned
        if each.epochs or each.failed or each.whole
    ]
