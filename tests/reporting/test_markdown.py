"""``report.md`` and the terminal."""

from tests.reporting.building import make_study
from tuner.reporting import build_report
from tuner.reporting.markdown import escape, markdown, table


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
    """The verdict and its figures stand in both."""
    report = build_report(make_study(40))
    text, terminal = markdown(report), " ".join(report.text().split())
    assert len(report.sentences) > 2
    for sentence in report.sentences:
        assert escape(sentence) in text
        assert sentence in terminal


def test_the_terminal_keeps_to_its_width() -> None:
    """Nothing is cut off, nothing wraps in the middle of a number; commands stay whole, however long."""
    text = build_report(make_study(40)).text(width=80)
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("   tuner "))
