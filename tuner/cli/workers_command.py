"""``tuner workers``: who runs which trials, across the studies of a database."""

from __future__ import annotations

from dataclasses import asdict

from tuner.cli.options import JsonOption, StorageOption
from tuner.cli.printing import print_result
from tuner.formatting import count, duration


def workers(storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """Show who runs which trial, where and since when, and which studies workers may not claim from."""
    from tuner.workspace.administration import read_workers

    seen = read_workers(storage)
    running = sorted(seen.running, key=lambda trial: (trial.host, trial.pid))
    lines = [f"database {seen.storage}: {count(len(running), 'running trial')}, {seen.open_trials:,} more to claim"]
    table = [("worker", "study", "trial", "for", "attempt")] if running else []
    table += [
        (
            trial.worker,
            trial.study,
            str(trial.number),
            duration(max(trial.seconds, 0)),
            str(trial.attempt),
        )
        for trial in running
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines += ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines += [f"{study} is {hold}" for study, hold in seen.held.items()]
    document = {
        "storage": seen.storage,
        "workers": [asdict(trial) for trial in running],
        "held": {study: asdict(hold) for study, hold in seen.held.items()},
        "open": seen.open_trials,
    }
    print_result(document, lines, as_json=as_json)
