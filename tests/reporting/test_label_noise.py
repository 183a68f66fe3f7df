"""The share of wrong dev labels in a report: as a sentence and in the summary, and what it is not known for."""

from __future__ import annotations

from pathlib import Path

import pytest

import tuner
from tests.cli.conftest import place
from tests.modeling.conftest import searched
from tests.running.conftest import command
from tuner.analysis import Share
from tuner.reporting import label_noise
from tuner.reporting.label_noise import LabelNoise

__all__ = ["place", "searched"]


@pytest.mark.parametrize("name", ["mixed", "folded"])
def test_share_is_in_the_summary(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With one dev set and with folds there is a share with its interval, but not of fewer than 200 rows."""
    assert "wrong_labels" not in tuner.load_study(name).report().summary
    monkeypatch.setattr(label_noise, "FEWEST_ROWS", 20)
    report = tuner.load_study(name).report()
    share = report.summary["wrong_labels"]
    assert 0 <= share["low"] <= share["value"] <= share["high"] <= 0.5
    assert share["n"] == len(report.record.dev_y)


def test_sentence_names_what_it_does_to_avoidable_bias(place: Path) -> None:
    """A share that may be 0 is not spoken of; a baseline may allow for wrong labels already."""
    report, given = (tuner.load_study("mixed").report(baseline=baseline) for baseline in (None, 0.01))
    noise = LabelNoise(Share(0.018, 0.0102, 0.031, 500))
    expected = "About 1.8% of dev labels look wrong (95% interval 1.0–3.1): avoidable bias may be 1.8 pp smaller"
    assert noise.sentence(report.diagnosis, report.record) == f"{expected}."
    assert noise.sentence(given.diagnosis, given.record) == f"{expected}, unless the baseline allows for them."
    assert LabelNoise(Share(0.01, 0.0, 0.02, 500)).sentence(report.diagnosis, report.record) == ""


def test_report_without_its_data(place: Path) -> None:
    """Where the data file is gone the report is written without what needs the rows."""
    (place / "studies" / "mixed.csv").unlink()
    assert command("report", "mixed", "--output", "written")[0] == 0
    assert "wrong_labels" not in (place / "written" / "mixed" / "summary.json").read_text("utf-8")
