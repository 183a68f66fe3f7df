"""Where the report comes from: data, definition, seeds, versions, commands; no path of the machine it was made on."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.formatting import count, join, times
from tuner.reporting.commands import again_commands
from tuner.reporting.sentences import when

if TYPE_CHECKING:
    from tuner.reporting.report import Report


def provenance(report: Report) -> list[tuple[str, str]]:
    """Pairs of a term and what is to be said about it."""
    record, definition = report.record, report.definition
    search, versions = definition.search, record.facts.versions
    best = report.best
    told = [
        ("data", _data(report)),
        ("fingerprint", record.fingerprint),
        ("split", _split(report)),
        ("trainer", definition.network.trainer or ""),
        ("search", f"sampler {search.sampler}, pruner {search.pruner}, metric {search.metric}, seed {search.seed}"),
        ("best trial", "" if best is None else f"number {best.number}, seed {best.seed}"),
        ("test set", _test_set(report)),
        ("study made", when(record.created)),
        ("last trial ended", _last(report)),
        ("report made", when(report.made)),
        (
            "database",
            Path(record.storage.split("?")[0]).name if record.storage.startswith("sqlite") else record.storage,
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("again with", again_commands(record)),
    ]
    return [(term, text) for term, text in told if text]


def about(report: Report) -> str:
    """Say in half a line what was searched on what, and when it was reported."""
    trials = count(report.record.count().finished, "trial")
    return f"{trials} on {_file_name(report.record.data_path)}, {when(report.made)}"


def _file_name(path: str) -> str:
    return Path(path.replace("\\", "/")).name or "data given from Python"


def _data(report: Report) -> str:
    record = report.record
    features = record.facts.n_features
    told = f"{_file_name(record.data_path)}, {count(len(record.class_names), 'class', 'classes')}"
    return told + (f", {count(features, 'input')}" if features else "")


def _split(report: Report) -> str:
    sizes, data = report.record.sizes, report.definition.data
    names = {"train": "train", "train_dev": "train-dev", "dev": "dev", "test": "test"}
    if data.folds:
        told = f"{count(sizes['dev'], 'row')} in {data.folds} folds, {sizes.get('test', 0):,} test"
    else:
        told = join([f"{sizes[key]:,} {name}" for key, name in names.items() if sizes.get(key)]) + " rows"
    return f"{told}; seed {data.seed}"


def _test_set(report: Report) -> str:
    record = report.record
    if not len(record.test_rows):
        return ""
    evaluations = record.test_evaluations
    if not evaluations:
        return "held out, not evaluated"
    dates = ", ".join(when(datetime.datetime.fromtimestamp(look.looked, datetime.UTC)) for look in evaluations[-5:])
    return f"evaluated {times(len(evaluations))} ({dates})"


def _last(report: Report) -> str:
    ends = [trial.finished for trial in report.record.trials if trial.finished is not None]
    return when(max(ends)) if ends else ""
