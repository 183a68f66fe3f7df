"""Actions about wrong rows: labels that look wrong, and a segment with a higher error."""

from __future__ import annotations

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.state import StudyState
from tuner.formatting import count, percent, share
from tuner.outcomes import Level
from tuner.units import SHARE

WORTH = 0.1  # of the threshold: what suspected labels, or a segment, must hold of the dev error


def fix_labels(state: StudyState) -> Action | None:
    """Some dev labels look wrong."""
    of_rows = state.suspects / max(state.data.n_dev, 1)
    least = WORTH * (state.diagnosis.material_gap if state.unit.is_percent else SHARE.material_gap)
    if not state.suspects or of_rows < least:
        return None
    return Action(
        why=f"Look at {count(state.suspects, 'dev label')} that {'looks' if state.suspects == 1 else 'look'} wrong "
        f"({percent(of_rows)} of the dev rows), and fix those that are: networks that did not learn from these rows "
        "expect another class.",
        verb=Verb.ERRORS,
        options={"suspects": True, "csv": "fix.csv"},
        evidence={"suspects": state.suspects, "share": of_rows},
    )


def collect_segment(state: StudyState) -> Action | None:
    """The error is higher in one segment than elsewhere."""
    segment = state.segment
    if segment is None or segment.gain < WORTH * segment.material_gap:
        return None
    unit, error = segment.unit, segment.error
    of_error, of_all = ("error", "the dev error") if error == "error" else ("wrong ones", "that of all dev rows")
    rows = f"{segment.label} ({count(segment.n_train, 'training row')})"
    holds = f"{share(segment.of_rows)} of the dev rows, but {share(segment.of_error)} of the {of_error}"
    what = f"Collect rows like {rows}: they are {holds}."
    if segment.variance is Level.LOW:
        what = f"Look for what {rows} lack: they are {holds}, and the {error} is as high on their training rows."
    return Action(
        why=f"{what} With the {error} of other rows there, {of_all} would be {unit.gap(segment.gain)}{unit.of_gaps} "
        "lower.",
        verb=Verb.ERRORS,
        evidence={"segment": segment.label, "train_rows": segment.n_train, "gain": segment.gain},
    )
