"""The page: what stands in its text, without a browser."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import tuner.reporting.report as report_module
from tests.reporting.building import make_evaluation, make_study
from tuner.reporting import build_report
from tuner.reporting.figures.curves import curves
from tuner.reporting.glossary import ANCHORS, GLOSSARY, link_html, link_markdown
from tuner.reporting.page import embedded, page

HOSTILE = ("<script>alert(1)</script>", "a|b", "&amp;", '"><img src=x onerror=alert(1)>', "naïve 🦋")


class Reader(HTMLParser):
    """Collects the tags and checks that those opened are closed."""

    VOID = frozenset({"meta", "br", "input", "link", "img", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and wait for its end."""
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that ends itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Match the tag that was opened last."""
        assert self.open.pop() == tag


def read(html: str) -> Reader:
    """Parse a page."""
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def html() -> str:
    """The page of a study of 60 trials."""
    return page(build_report(make_study(60, epochs=20)))


def test_the_page_is_well_formed(html: str) -> None:
    """Every element that is opened is closed, in order."""
    assert len(read(html).tags) > 200


def test_nothing_is_fetched(html: str) -> None:
    """The only addresses are links to the glossary, and the page's policy forbids all loading."""
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in html.replace(f'<a href="{GLOSSARY}#', "")
    assert all(tag not in ("link", "img", "iframe", "object") for tag, _ in read(html).tags)
    assert "default-src 'none'" in html


def test_every_drawing_has_alternative_text(html: str) -> None:
    """A reader who cannot see a figure is told what it shows."""
    drawings = [attributes for tag, attributes in read(html).tags if tag == "svg"]
    assert len(drawings) > 8
    assert all(attributes["aria-label"] and attributes["role"] == "img" for attributes in drawings)


def test_every_figure_says_what_to_see(html: str) -> None:
    """Each caption has its title and a sentence after it."""
    captions = re.findall(r"<figcaption><h3>(.+?)</h3>(.*?)</figcaption>", html, re.DOTALL)
    assert len(captions) >= 8
    assert all(len(sentence.strip()) > 40 for _, sentence in captions)


def test_no_coordinate_is_unknown(html: str) -> None:
    """NaN in a drawing would be an empty figure."""
    drawings = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert "nan" not in drawings.lower().replace("dominan", "")
    assert "inf" not in re.sub(r"[a-z]*inform[a-z]*", "", drawings.lower())


def test_names_are_text() -> None:
    """Classes, notices and the study's definition may hold anything; none of it becomes an element."""
    record = make_study(class_names=HOSTILE, facts={"notices": [f"column {name}" for name in HOSTILE]})
    html = page(build_report(record))
    tags = read(html).tags
    assert sum(tag == "script" for tag, _ in tags) == 2
    assert all(tag != "img" and "onerror" not in attributes for tag, attributes in tags)
    assert "&lt;script&gt;alert(1)" in html


def test_embedded_data_cannot_end_its_script() -> None:
    """A value that looks like a closing tag stays a value."""
    text = embedded({"a": "</script><b>", "c": ["\u2028"]})
    assert "<" not in text
    assert json.loads(text) == {"a": "</script><b>", "c": ["\u2028"]}


@pytest.mark.parametrize("n_trials", [1, 2, 3, 11])
def test_few_trials(n_trials: int) -> None:
    """A page for hardly any trials leaves out what cannot be drawn."""
    html = page(build_report(make_study(n_trials)))
    assert "Train against dev error" in html
    read(html)


@pytest.mark.parametrize("options", [{"folds": 4}, {"seeds": 3}, {"n_train_dev": 200}, {"n_test": 0}])
def test_other_kinds_of_study(options: dict[str, int]) -> None:
    """Folds, seeds, a train-dev set, no test set."""
    read(page(build_report(make_study(**options))))  # type: ignore[arg-type]


def test_very_many_classes_are_cut_to_the_worst() -> None:
    """A thousand classes do not make a table of a thousand lines."""
    report = build_report(make_study(3, class_names=tuple(f"class {k}" for k in range(300))))
    assert page(report).count('scope="row">class ') == 20


def test_the_page_does_not_grow_with_epochs_or_lines() -> None:
    """The example that is kept and mailed stays under 400 KiB with 300 trials, data of all trials included."""
    assert len(page(build_report(make_study(300, epochs=30))).encode()) < 400 * 1024


def test_a_notebook_sees_the_verdict_without_script() -> None:
    """``report`` as the last line of a cell shows verdict, tables and figures."""
    html = build_report(make_study())._repr_html_()
    read(html)
    assert "<script" not in html
    assert "avoidable bias" in html
    assert 'data-figure="scatter"' in html


def test_a_study_with_everything() -> None:
    """Train-dev set, test-set evaluation, diverged trials, all reference models, a measured baseline, data checks."""
    lines = {"majority": 0.7, "logistic_regression": 0.04, "gradient_boosting": 0.03}
    notice = {"kind": "leakage", "severity": "warning", "text": "column id predicts the target by itself"}
    record = make_study(60, n_train_dev=300, facts={"references": lines, "honesty": [notice]})
    for k in (3, 9, 20, 31):
        params = {**record.trials[k].params, "alpha": 0.9 + k / 1000}
        record.trials[k] = dataclasses.replace(record.trials[k], stop_reason="diverged", value=1.0, params=params)
    best = build_report(record).best
    assert best is not None
    look = make_evaluation(best.number)
    record = dataclasses.replace(record, test_evaluations=[look])
    html = page(build_report(record, baseline={"wrong": 3, "of": 200}))
    read(html)
    for words in (
        *(
            "Where training diverged",
            "4 of",
            "gradient boosting",
            "overfitting to dev",
            "data mismatch",
            "evaluated once",
        ),
        *("200 examples, as given", "column id predicts the target by itself"),
    ):
        assert words in html


def test_every_network_marks_its_best_epoch() -> None:
    """With folds the curves have as many vertical lines as there are best epochs, and the sentence names them."""
    record = make_study(1, folds=5)
    trial = record.trials[0]
    networks = [dataclasses.replace(n, best_epoch=e) for n, e in zip(trial.networks, (7, 9, 7, 5, 5), strict=True)]
    record.trials[0] = dataclasses.replace(trial, networks=networks)
    figure = curves(build_report(record))
    assert figure is not None
    assert figure.svg.count('class="mark"') == 3
    assert "best epochs of its 5 networks: 5, 7 and 9." in figure.sentence


def test_terms_are_links_to_the_glossary() -> None:
    """Every anchor exists there; a term is linked once per section, and not in headings or commands."""
    glossary = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
    headings = re.findall(r"^### (.+)$", glossary, re.MULTILINE)
    assert set(ANCHORS.values()) <= {re.sub(r"[^\w\s-]", "", name.lower()).replace(" ", "-") for name in headings}
    link = f'<a href="{GLOSSARY}#variance">variance</a>'
    section = "<section><h2>variance</h2><p>{} and variance</p><pre>variance</pre></section>"
    assert link_html(2 * section.format("variance")) == 2 * section.format(link)
    assert link_markdown("## Variance\n\nvariance, variance\n") == (
        f"## Variance\n\n[variance]({GLOSSARY}#variance), variance\n"
    )


def test_the_table_of_very_many_trials_has_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows and the dots that can be pointed at are of the best trials; the page names the file with all."""
    monkeypatch.setattr(report_module, "MOST_LISTED", 50)
    monkeypatch.setattr(report_module, "BEST_LISTED", 20)
    report = build_report(make_study(60, epochs=2))
    best = {trial.number for trial in report.findings.ranked[:20]}
    text = page(report)
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert set(data["columns"][0]["values"]) == best
    assert all(set(dots[0]) <= best for dots in data["dots"].values())
    assert set(data["dots"]["progress"][0]) == best
    assert "The 20 best of 60 trials; trials.csv has all of them." in text
