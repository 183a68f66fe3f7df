"""A figure as a file of its own."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.reporting.building import make_study
from tuner.errors import ArgumentError, UsageError
from tuner.reporting import build_report
from tuner.reporting.figures import FIGURES
from tuner.reporting.page import write_figures
from tuner.reporting.report import Report
from tuner.reporting.standalone import svg_of


@pytest.fixture(scope="module")
def report() -> Report:
    """Of 40 trials."""
    return build_report(make_study(40))


def test_every_figure_is_svg_without_variables(report: Report, tmp_path: Path) -> None:
    """Programs other than browsers do not know them; each file is whole XML, and its drawings have colors."""
    files = write_figures(report, tmp_path / "figures", "svg")
    assert {file.stem for file in files} < {key for section in FIGURES.values() for key in section}
    assert len(files) > 10
    for file in files:
        text = file.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
        assert root.attrib["width"] > "0"
        assert "var(" not in text
        assert "#0067a5" in text
    assert write_figures(report, tmp_path / "figures", "svg") == files  # an earlier figure is replaced


def test_a_drawing_lies_below_title_and_legend(report: Report) -> None:
    """All of them inside the frame."""
    root = ElementTree.fromstring(svg_of(report.figure("validation").figure))
    inner = [one for one in root if one.tag.endswith("svg")]
    assert len(inner) == 6
    for one in inner:
        right = float(one.attrib["x"]) + float(one.attrib["width"])
        bottom = float(one.attrib["y"]) + float(one.attrib["height"])
        assert float(one.attrib["y"]) > 40
        assert right <= float(root.attrib["width"])
        assert bottom <= float(root.attrib["height"])


def test_a_figure_is_written_by_the_ending_of_its_name(report: Report, tmp_path: Path) -> None:
    """SVG and HTML always, PNG and PDF with the extra; another ending is refused."""
    drawn = report.figure("scatter")
    assert drawn.write(tmp_path / "a.svg").read_bytes().startswith(b"<svg ")
    assert drawn.write(tmp_path / "a.html").read_bytes().startswith(b"<!doctype html>")
    with pytest.raises(ArgumentError, match="expected a file that ends in"):
        drawn.write(tmp_path / "a.gif")
    (tmp_path / "mine.svg").write_text("<svg/>")
    with pytest.raises(UsageError, match="already exists"):
        drawn.write(tmp_path / "mine.svg")


def test_png_and_pdf_need_the_extra(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the message says how to get it."""
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(UsageError, match=r'pip install "tuner-search\[figures\]"'):
        report.figure("gaps").write(tmp_path / "a.png")


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_png_and_pdf(report: Report, tmp_path: Path, kind: str, begin: bytes) -> None:
    """As their formats begin."""
    pytest.importorskip("vl_convert")
    assert report.figure("gaps").write(tmp_path / f"a.{kind}").read_bytes().startswith(begin)
