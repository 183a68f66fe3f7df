"""Why the verdict of a study differs from that of its earlier report."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.analysis import GAPS, Diagnosis
from tuner.files import open_regular
from tuner.formatting import join
from tuner.outcomes import Level, TrialState, Verdict
from tuner.reporting.sentences import GAP_NAMES, outcome_name, probability, when

MOST_BYTES = 10_000_000
CERTAIN = "high needs over 97.5%, low under 2.5%"


@dataclass(frozen=True, slots=True)
class EarlierReport:
    """The summary of a study's earlier report, and when it was written."""

    summary: Mapping[str, Any]
    written: datetime.datetime


def earlier_report(folder: Path) -> EarlierReport | None:
    """Read the summary of the report in a folder; None if there is none."""
    try:
        with open_regular(folder / "summary.json") as file:
            summary = json.loads(file.read(MOST_BYTES))
            written = os.fstat(file.fileno()).st_mtime
        Verdict(summary["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return EarlierReport(summary, datetime.datetime.fromtimestamp(written, datetime.UTC))


def change_sentence(diagnosis: Diagnosis, best: int | None, earlier: EarlierReport) -> str:
    """Say how levels differ from those of an earlier report, and what moved; empty if none does.

    ``best``: the number of the best trial.
    """
    try:
        return _change(diagnosis, best, earlier)
    except (KeyError, TypeError, ValueError):  # a file of another version, or one that a person changed
        return ""


def _change(diagnosis: Diagnosis, best: int | None, earlier: EarlierReport) -> str:
    summary, before = earlier.summary, earlier.summary["gaps"]
    changed = [
        name
        for name in GAPS
        if name in diagnosis.gaps and name in before and before[name]["level"] != diagnosis.gaps[name].level
    ]
    if not changed:
        return ""
    trials = sum(int(n) for name, n in summary["trials"].items() if name in (TrialState.COMPLETE, TrialState.PRUNED))
    was, now = outcome_name(Verdict(summary["verdict"])), outcome_name(diagnosis.verdict)
    verdict = f"the verdict was {was} and is {now}" if was != now else f"the verdict is still {now}"
    parts = [_gap(diagnosis, name, before[name]) for name in changed]
    since = f"Since the report of {when(earlier.written)}, after {trials:,} trials, {verdict}."
    return f"{since} {' '.join(parts)} {_moved(diagnosis, best, summary)}"


def _gap(diagnosis: Diagnosis, name: str, before: Mapping[str, Any]) -> str:
    unit = diagnosis.unit
    gap = diagnosis.gaps[name]
    return (
        f"{GAP_NAMES[name].capitalize()} was {outcome_name(Level(before['level']))} and is {outcome_name(gap.level)}: "
        f"the confidence that it is above the threshold of {unit.gap(diagnosis.material_gap)}{unit.of_gaps} was "
        f"{probability(before['chance_high'])} and is {probability(gap.chance_high)} ({CERTAIN}). It was "
        f"{unit.gap(before['value'])}{unit.of_gaps} ({unit.span(before['low'], before['high'])}) and is "
        f"{unit.gap(gap.value)}{unit.of_gaps} ({unit.span(gap.low, gap.high)})."
    )


def _moved(diagnosis: Diagnosis, number: int | None, earlier: Mapping[str, Any]) -> str:
    """Say what the errors, the best trial, the baseline and the threshold were and are."""
    unit = diagnosis.unit
    errors, best = earlier["errors"], earlier["best"]
    moved = []
    for key, name in (("train", "train error"), ("dev_corrected", "dev error (selection-corrected)")):
        now = diagnosis.errors[key]
        if now is not None and errors[key] is not None and unit.text(errors[key]["value"]) != unit.text(now.value):
            moved.append(f"{name} from {unit.text(errors[key]['value'])} to {unit.text(now.value)}")
    if best is not None and number is not None and best["number"] != number:
        moved.append(f"the best trial from {best['number']} to {number}")
    baseline = diagnosis.errors["baseline"]
    if baseline is not None and errors["baseline"]["given"] != diagnosis.baseline_given:
        moved.append(
            "the baseline, which was not given" if diagnosis.baseline_given else "the baseline, which was given"
        )
    elif baseline is not None and errors["baseline"]["value"] != baseline.value:
        moved.append(f"the baseline from {unit.text(errors['baseline']['value'])} to {unit.text(baseline.value)}")
    threshold = earlier.get("material_gap", diagnosis.material_gap)  # 0.2 and before did not write it
    if threshold != diagnosis.material_gap:
        moved.append(f"the threshold from {unit.gap(threshold)} to {unit.gap(diagnosis.material_gap)}{unit.of_gaps}")
    return f"What moved: {join(moved)}." if moved else "No error moved."
