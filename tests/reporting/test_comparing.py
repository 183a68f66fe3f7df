"""Studies side by side, and what is new since yesterday."""

import dataclasses
import datetime
from pathlib import Path

import numpy as np
import pytest

from tests.reporting.building import BEGAN, compared, make_study
from tuner.errors import ArgumentError
from tuner.reporting import build_report
from tuner.reporting.comparing import pair
from tuner.reporting.news import find_news
from tuner.storage import StudyRecord, pack_losses


def test_the_same_dev_rows_are_compared_one_by_one() -> None:
    """Counts of rows that only one of the two best trials has wrong."""
    first, other = (build_report(make_study(12, name=name, seed=seed)) for name, seed in (("a", 0), ("b", 1)))
    found = pair(first, other)
    assert found is not None
    a, b = (report.summary["errors"]["dev"] for report in (first, other))
    assert found.only_first - found.only_other == pytest.approx(400 * (a["value"] - b["value"]))
    assert 0 < found.chance_equal <= 1
    corrected = [report.summary["errors"]["dev_corrected"]["value"] for report in (first, other)]
    assert found.difference.value == pytest.approx(corrected[1] - corrected[0])
    assert found.difference.low < found.difference.value < found.difference.high


def test_the_best_of_many_is_not_better_than_one_that_is_as_good() -> None:
    """A single trial against the best of 40, all of them wrong on 15%: rarely told apart, though the best has fewer.

    By the counts of the two best networks, as in a McNemar test, a third of these pairs would be.
    """
    by_counts, corrected = [], []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        first, other = (build_report(as_good(n, name, rng)) for n, name in ((1, "a"), (40, "b")))
        found = pair(first, other)
        assert found is not None
        discordant = found.only_first + found.only_other
        by_counts.append(abs(found.only_first - found.only_other) > 1.96 * discordant**0.5)
        corrected.append(found.chance_equal < 0.05)
    assert np.mean(by_counts) > 0.2
    assert np.mean(corrected) <= 0.08


def as_good(n: int, name: str, rng: np.random.Generator) -> StudyRecord:
    """Trials of one epoch, each wrong on a random 15% of the dev rows."""
    record = make_study(n, name=name, n_dev=400, epochs=1)
    trials = []
    for trial in record.trials:
        wrong = rng.random(400) < 0.15
        folds = np.bincount(record.dev_fold, weights=wrong, minlength=20)[None].astype(np.int64)
        network = dataclasses.replace(
            trial.networks[0], dev_bits=pack_losses(wrong), dev_wrong=int(wrong.sum()), dev_fold_losses=folds
        )
        trials.append(dataclasses.replace(trial, value=wrong.mean(), networks=[network], state="complete"))
    return dataclasses.replace(record, trials=trials)


def test_other_dev_rows_are_compared_as_two_samples() -> None:
    """Without common rows there is only the difference of two errors."""
    records = [make_study(12, name="a"), make_study(12, name="b", n_dev=300)]
    found = compared(*records)
    assert found.summary["differences"][0]["paired"] is None
    assert "Their dev rows differ" in found.sentences[0]


def test_errors_of_different_kinds_are_not_subtracted() -> None:
    """A plain error and a balanced one have a row each, and no difference."""
    balanced = make_study(3, name="b", metric="balanced_error", facts={"weighs_classes": True})
    weights = balanced.counted_by.row_weights(balanced.dev_y)
    found = compared(make_study(3, name="a"), dataclasses.replace(balanced, dev_weights=weights))
    assert "which cannot be compared" in found.sentences[0]
    assert "dev_corrected" not in found.summary["differences"][0]
    assert {"train error", "train balanced error"} <= {row.name for row in found.rows}


def test_a_comparison_is_written_and_read(tmp_path: Path) -> None:
    """Page, Markdown and JSON in a folder named after both."""
    folder = compared(make_study(12, name="a"), make_study(12, name="b", seed=1)).write(tmp_path)
    assert folder.name == "a-vs-b"
    assert {path.name for path in folder.iterdir()} == {"report.html", "report.md", "summary.json"}
    assert "| verdict |" in (folder / "report.md").read_text(encoding="utf-8")


def test_a_study_without_trials_can_be_compared() -> None:
    """It is named as the one that has none."""
    found = compared(make_study(12, name="a"), make_study(0, name="b"))
    assert found.sentences == ["b compared with a: no complete trial in b yet."]
    assert "a" in found.text()
    assert "<table" in found._repr_html_()


def test_one_study_is_no_comparison() -> None:
    """The mistake is named."""
    with pytest.raises(ArgumentError, match="at least two studies, got 1"):
        compared(make_study(3))


def test_news_name_the_new_trials_and_the_new_best() -> None:
    """What a nightly mail says."""
    record = make_study(20)
    news = find_news(record, datetime.timedelta(seconds=30), BEGAN + datetime.timedelta(seconds=41))
    assert sum(news.trials.values()) == sum(
        trial.finished > BEGAN + datetime.timedelta(seconds=11) for trial in record.trials if trial.finished
    )
    assert news.before is not None
    assert news.now is not None
    told = "The best is still" if news.before.number == news.now.number else "The best changed from"
    assert told in news.sentence()


def test_news_of_a_quiet_night() -> None:
    """Nothing ended, and the best is what it was."""
    report = build_report(make_study(6), since=datetime.timedelta(hours=1))
    assert report.news is not None
    assert not report.news.best_changed
    assert ": none. The best is still" in report.text().replace("\n", " ")
    assert report.summary["since"]["best_changed"] is False


def test_news_of_a_first_night() -> None:
    """Everything is new."""
    record = make_study(6)
    now = BEGAN + datetime.timedelta(hours=1)
    news = find_news(record, datetime.timedelta(days=1), now)
    assert news.before is None
    assert "The first best trial is" in news.sentence()
    empty = find_news(dataclasses.replace(record, trials=[]), datetime.timedelta(days=1), now)
    assert empty.sentence().endswith(": none.")
