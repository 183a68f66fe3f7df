"""Provenance of a report: data, definition, seeds, versions, commands; no path of the machine."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.formatting import count, join, times
from tuner.outcomes import ERROR_NAMES
from tuner.reporting.commands import again_commands
from tuner.reporting.sentences import when

if TYPE_CHECKING:
    from tuner.reporting.report import Report


def provenance(report: Report) -> list[tuple[str, str]]:
    """Return pairs of a term and its text."""
    record, definition = report.record, report.definition
    search, versions = definition.search, record.facts.versions
    best = report.best
    entries = [
        ("data", _data(report)),
        ("fingerprint", record.fingerprint),
        ("split", _split(report)),
        ("trainer", definition.network.trainer or ""),
        ("search", f"sampler {search.sampler}, pruner {search.pruner}, metric {search.metric}, seed {search.seed}"),
        ("best trial", "" if best is None else f"number {best.number}, seed {best.seed}"),
        ("test set", _test_set(report)),
        ("study created", when(record.created)),
        ("last trial ended", _last(report)),
        ("report created", when(report.made)),
        (
            "database",
            Path(record.storage.split("?")[0]).name if record.storage.startswith("sqlite") else record.storage,
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("commands", again_commands(record)),
    ]
    return [(term, text) for term, text in entries if text]


def about(report: Report) -> str:
    """Return the number of trials, the data and the time of the report."""
    trials = count(report.record.count().finished, "trial")
    return f"{trials} on {_file_name(report.record.data_path)}, {when(report.made)}"


def _file_name(path: str) -> str:
    return Path(path.replace("\\", "/")).name or "data given from Python"


def _data(report: Report) -> str:
    record = report.record
    features = record.facts.n_features
    predicted = count(len(record.class_names), "class", "classes") if record.class_names else "a number to predict"
    text = f"{_file_name(record.data_path)}, {predicted}"
    return text + (f", {count(features, 'input')}" if features else "")


def _split(report: Report) -> str:
    sizes, data = report.record.sizes, report.definition.data
    if data.folds:
        rows = f"{count(sizes['dev'], 'row')} in {data.folds} folds, {sizes.get('test', 0):,} test"
    else:
        rows = join([f"{sizes[key]:,} {name}" for key, name in ERROR_NAMES.items() if sizes.get(key)]) + " rows"
    return f"{rows}; seed {data.seed}"


def _test_set(report: Report) -> str:
    record = report.record
    if not len(record.test_rows):
        return ""
    evaluations = record.test_evaluations
    if not evaluations:
        return "held out, not evaluated"
    moments = [datetime.datetime.fromtimestamp(one.looked, datetime.UTC) for one in evaluations[-5:]]
    return f"evaluated {times(len(evaluations))} ({', '.join(map(when, moments))})"


def _last(report: Report) -> str:
    ends = [trial.finished for trial in report.record.trials if trial.finished is not None]
    return when(max(ends)) if ends else ""
