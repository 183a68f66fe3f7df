"""``report.md`` and the terminal."""

import dataclasses
import re

import pytest

from tests.reporting.building import compared, make_study
from tuner.data import Mismatch, data_checks
from tuner.reporting import build_report
from tuner.reporting.markdown import escape, markdown, table
from tuner.reporting.page import page


def test_names_do_not_break_tables_or_become_markup() -> None:
    """A pipe, an asterisk and a tag are text."""
    assert escape("a|b *c* <d> `e`\nf") == r"a\|b \*c\* \<d\> \`e\` f"
    assert table(("x", "y"), [("a|b", 1)], right=(1,)) == "| x | y |\n| --- | ---: |\n| a\\|b | 1 |"


def test_every_table_row_has_as_many_cells_as_its_head() -> None:
    """GitHub drops what does not fit."""
    text = markdown(build_report(make_study(60, class_names=("a|b", "c", "d"))))
    assert text.count("\n| ---") > 3
    width = None
    for line in text.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = line.replace(r"\|", "").count("|")
        assert width in (None, cells)
        width = cells


def test_markdown_says_the_same_as_the_terminal() -> None:
    """The verdict and its figures are in both."""
    report = build_report(make_study(40))
    text, terminal = re.sub(r"\[([^]]+)\]\(https:[^)]+\)", r"\1", markdown(report)), " ".join(report.text().split())
    assert len(report.sentences) > 2
    for sentence in report.sentences:
        assert escape(sentence) in text
        assert sentence in terminal


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_terminal_keeps_to_its_width(width: int) -> None:
    """No word is broken or cut off; commands stay whole, however long."""
    report = build_report(make_study(40))
    text = report.text(width)
    assert all(len(line) <= width for line in text.splitlines() if not line.startswith("   tuner "))
    assert set(text.split()) <= set(report.text(10_000).split())


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_comparison_keeps_to_its_width(width: int) -> None:
    """With many studies each row becomes a list."""
    found = compared(*[make_study(12, name=name) for name in ("first", "second", "third", "fourth", "fifth")])
    text = found.text(width)
    assert all(len(line) <= width for line in text.splitlines())
    assert set(text.split()) <= set(found.text(10_000).split())


def test_the_verdict_comes_last() -> None:
    """After the next steps and the report's files: verdict, gaps and the first command."""
    report = build_report(make_study(40))
    command = next(action.command for action in report.actions if action.command)
    *_, files, blank, verdict, gaps, last = report.text(width=400, files=["written: page"]).splitlines()
    assert (files, blank, verdict, last) == ("written: page", "", report.sentences[0], f"   {command}")
    assert gaps.startswith("Avoidable bias ")


def test_beta_is_shown_with_the_steps_it_averages() -> None:
    """About 1/(1 − β) steps, in each form of the report; not where the optimizer has no momentum."""
    record = make_study(3)
    trials = [dataclasses.replace(trial, params=trial.params | {"beta": 0.98}) for trial in record.trials]
    report = build_report(dataclasses.replace(record, trials=trials))
    assert report.shown_params["beta"] == "0.98 (averages over about 50 steps)"
    assert "| beta | 0.98 (averages over about 50 steps) |" in markdown(report)
    plain = [dataclasses.replace(trial, params=trial.params | {"optimizer": "gradient_descent"}) for trial in trials]
    assert build_report(dataclasses.replace(record, trials=plain)).shown_params["beta"] == "0.98"


def test_mismatch_is_named_by_column() -> None:
    """Page, Markdown and summary rank the columns, names as text; the step on a high mismatch names the first."""
    tested = (
        (data_checks.Tested("distribution", "a<b", 1e-9, 0.42, "D"), 1e-7),
        (data_checks.Tested("missingness", "c", 0.0, 0.2, ""), 0.0),
    )
    found = Mismatch(
        (900, 400), data_checks.Separation(0.83, 0.8, 0.86, (("a<b", 0.21),)), tested, ("train and dev: x",)
    )
    report = build_report(make_study(n_train_dev=400, variance=0.3))
    report.__dict__["mismatch"] = found
    text, summary = markdown(report), report.summary
    assert "AUC 0.83 (95% interval 0.80–0.86; 0.5 is chance)" in text
    assert "| a\\<b | 0.21 | D 0.42 | – |\n| c | – | – | 20.0 " in text
    assert "Train and dev: x." in text
    assert '<th scope="row">a&lt;b</th><td class="number">0.21</td>' in page(report)
    assert summary["mismatch"]["columns"][0]["column"] == "a<b"
    assert summary["mismatch"]["columns"][1]["auc_fall"] is None
    (step,) = (action for action in report.actions if action.action == "resemble_dev")
    assert step.why.endswith("They differ most in 'a<b', 'c'.")
