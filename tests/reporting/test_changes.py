"""Why a verdict changed."""

import json
from pathlib import Path

import pytest

from tests.reporting.building import make_study
from tuner.reporting import build_report
from tuner.reporting.changes import earlier_report


def test_a_changed_verdict_names_threshold_confidence_and_what_moved(tmp_path: Path) -> None:
    """High with a threshold of 2 pp, low with 20 pp: the second report says what was and what is."""
    folder = build_report(make_study(12)).write(tmp_path)
    changed = build_report(make_study(30, seed=1), material_gap=0.2, earlier=folder).sentences[-1]
    assert changed.startswith("Since the report of ")
    assert "after 12 trials, the verdict was high variance and is low bias and variance." in changed
    assert (
        "Variance was high and is low: the confidence that it is above the threshold of 20.0 pp was over 99%" in changed
    )
    assert "high needs over 97.5%, low under 2.5%" in changed
    assert "the threshold from 2.0 to 20.0 pp" in changed


def test_the_same_verdict_needs_no_reason(tmp_path: Path) -> None:
    """Nothing is said if no level changed."""
    folder = build_report(make_study(12)).write(tmp_path)
    again = build_report(make_study(12), earlier=folder)
    assert not any(sentence.startswith("Since the report") for sentence in again.sentences)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"verdict": "odd"}'])
def test_a_file_that_is_no_summary_is_ignored(tmp_path: Path, text: str) -> None:
    """Of an older version, of a person, or cut off."""
    (tmp_path / "summary.json").write_text(text)
    assert earlier_report(tmp_path) is None
    odd = {"verdict": "undecided", "gaps": {"variance": {"level": "none"}}}
    (tmp_path / "summary.json").write_text(json.dumps(odd))
    assert not any("Since the report" in one for one in build_report(make_study(12), earlier=tmp_path).sentences)
