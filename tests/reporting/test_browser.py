"""The page in a real headless Chromium: what is drawn, what a mouse does, what a phone and a printer see."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.reporting.browser import CHROMIUM, Tab, chromium
from tests.reporting.building import compared, make_study
from tuner.reporting import build_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

# Texts of one drawing that lie on each other by more than a sliver, in any figure.
FILTER = (
    "(() => { const i = document.querySelector('#trials input'); i.value = '%s'; "
    "i.dispatchEvent(new Event('input')); })()"
)
OVERLAPS = """
[...document.querySelectorAll("svg")].flatMap((svg) => {
  const boxes = [...svg.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
  const found = [];
  boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
    const w = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const h = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (w > 1.5 && h > 4) found.push(`${svg.id}: ${a} / ${b}`);
  }));
  return found;
})
"""
OUTSIDE = """
[...document.querySelectorAll("svg")].flatMap((svg) => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter((t) => {
    const box = t.getBoundingClientRect();
    return box.left < frame.left - 2 || box.right > frame.right + 2;
  }).map((t) => `${svg.id}: ${t.textContent}`);
})
"""
VIOLATIONS = """
axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations.flatMap(
  (rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 100)}: ${node.failureSummary}`)))
"""
DOT = """
(() => {
  const figure = document.querySelector("#figure-scatter"), svg = figure.querySelector("svg");
  svg.scrollIntoView({ block: "center" });
  const dots = JSON.parse(document.getElementById("data").textContent).dots[svg.id];
  const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
  return { number: dots[0][7], x: box.left + dots[1][7] * scale, y: box.top + dots[2][7] * scale };
})()
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 70 trials."""
    folder = build_report(make_study(70, epochs=30)).write(tmp_path_factory.mktemp("reports"))
    return folder / "report.html"


def column(tab: Tab, name: str) -> list[Any]:
    """What the table shows under a heading."""
    script = f"""(() => {{
      const heads = [...document.querySelectorAll("#trials thead th")].map((th) => th.textContent.trim());
      const at = heads.indexOf("{name}");
      return [...document.querySelectorAll("#trials tbody tr")].map((tr) => tr.cells[at].textContent);
    }})()"""
    found: list[Any] = tab.run(script)
    return found


def test_the_page_loads_nothing_and_reports_no_error(tab: Tab, path: Path) -> None:
    """Its own policy would forbid it, and would log an error."""
    tab.errors.clear()
    tab.requests.clear()
    tab.open(path)
    assert tab.run("document.body.classList.contains('scripted')")
    assert tab.errors == []
    assert set(tab.requests) <= {path.resolve().as_uri()}


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False), (768, False)])
def test_no_label_lies_on_another_or_outside_its_drawing(tab: Tab, path: Path, width: int, dark: bool) -> None:
    """At a desk, on a tablet and on a phone."""
    tab.open(path, width=width, dark=dark)
    assert tab.run(OVERLAPS) == []
    assert tab.run(OUTSIDE) == []


@pytest.mark.parametrize("width", [390, 768, 1200])
def test_the_page_never_scrolls_sideways(tab: Tab, path: Path, width: int) -> None:
    """Wide tables and drawings scroll in their own boxes."""
    tab.open(path, width=width)
    assert tab.run("document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_print_is_light(tab: Tab, path: Path) -> None:
    """The background follows the reader's wish on the screen, and is white on paper."""
    background = "getComputedStyle(document.body).backgroundColor"
    tab.open(path, dark=True)
    assert tab.run(background) == "rgb(20, 23, 27)"
    tab.open(path, dark=True, media="print")
    assert tab.run(background) == "rgb(255, 255, 255)"


def test_a_click_on_a_heading_sorts(tab: Tab, path: Path) -> None:
    """Numbers as numbers; a second click turns them round; unknown values stay at the end."""
    tab.open(path)
    tab.run("[...document.querySelectorAll('#trials thead button')].find((b) => b.textContent == 'alpha').click()")
    values = [float(text) for text in column(tab, "alpha")]
    assert values == sorted(values)
    tab.run("[...document.querySelectorAll('#trials thead button')].find((b) => b.textContent == 'alpha').click()")
    assert [float(text) for text in column(tab, "alpha")] == sorted(
        (float(text) for text in column(tab, "alpha")), reverse=True
    )


def test_the_table_is_searched_by_words_and_conditions(tab: Tab, path: Path) -> None:
    """``pruned alpha<0.1`` shows pruned trials with a small learning rate."""
    tab.open(path)
    tab.run(
        "(() => { const i = document.querySelector('#trials input'); i.value = 'pruned alpha<0.1';"
        " i.dispatchEvent(new Event('input')); })()"
    )
    assert set(column(tab, "state")) == {"pruned"}
    assert all(float(text) < 0.1 for text in column(tab, "alpha"))


@pytest.mark.parametrize(
    ("text", "name", "holds"),
    [
        ("keep prob<0.7", "keep_prob", lambda cell: float(cell) < 0.7),
        ("keep_prob < 0.7 ", "keep_prob", lambda cell: float(cell) < 0.7),
        ("complete dev_error<7%", "dev_error", lambda cell: float(cell.rstrip("%")) < 7),
        ("dev error < 0.07", "dev_error", lambda cell: float(cell.rstrip("%")) < 7),
    ],
)
def test_conditions_are_read_as_people_write_them(
    tab: Tab, path: Path, text: str, name: str, holds: Callable[[str], bool]
) -> None:
    """A name as the heading has it or with a blank, blanks around the sign, a fraction or a percentage."""
    tab.open(path)
    every = len(column(tab, name))
    tab.run(FILTER % text)
    cells = column(tab, name)
    assert 0 < len(cells) < every
    assert all(map(holds, cells))


@pytest.mark.parametrize(("text", "said"), [("aplha<1", "no column “aplha”"), ("alpha<", "a number is expected")])
def test_a_filter_that_cannot_be_read_says_so(tab: Tab, path: Path, text: str, said: str) -> None:
    """The rows stay, and the message names what was not understood."""
    tab.open(path)
    before = len(column(tab, "alpha"))
    tab.run(FILTER % text)
    assert said in tab.run("document.getElementById('shown').textContent")
    assert tab.run("document.querySelector('#trials input').getAttribute('aria-invalid')") == "true"
    assert len(column(tab, "alpha")) == before


def test_columns_are_chosen(tab: Tab, path: Path) -> None:
    """Costs are hidden at first; no column repeats another."""
    tab.open(path)
    heads = "[...document.querySelectorAll('#trials thead th')].map((th) => th.textContent)"
    assert not {"dev_cost", "value", "seed", "avoidable_bias"} & set(tab.run(heads))
    tab.run("[...document.querySelectorAll('.choose label')].find((l) => l.textContent.trim() === 'dev_cost').click()")
    assert "dev_cost" in tab.run(heads)


def test_a_figure_has_a_linear_and_a_logarithmic_scale(tab: Tab, path: Path) -> None:
    """A button shows the other one; the dots of both name their trials."""
    tab.open(path)
    scales = "[...document.querySelectorAll('#figure-scatter [data-scale]')]"
    shown = f"{scales}.filter((d) => !d.hidden).map((d) => d.dataset.scale)"
    first = tab.run(shown)
    tab.run("document.querySelector('#figure-scatter .switch [aria-pressed=false]').click()")
    assert sorted([*first, *tab.run(shown)]) == ["linear", "log"]


def test_a_figure_is_saved_with_its_colors(tab: Tab, path: Path) -> None:
    """As SVG that needs no style sheet, with title and legend."""
    tab.open(path)
    tab.run("HTMLAnchorElement.prototype.click = function () { window.saved = [this.download, this.href]; }")
    tab.run("document.querySelector('#figure-scatter .save button').click()")
    name, address = tab.run("window.saved")
    text = unquote(address.removeprefix("data:image/svg+xml;charset=utf-8,"))
    assert name == "scatter.svg"
    assert all(words in text for words in ("Train against dev error", "complete trial", "stroke-width"))
    assert "var(--" not in text
    tab.run("document.querySelectorAll('#figure-scatter .save button')[1].click()")
    tab.run("new Promise((done) => setTimeout(done, 300))")
    assert tab.run("window.saved[1].slice(0, 21)") == "data:image/png;base64"


@pytest.mark.parametrize(
    ("figure", "marks"), [("scatter", "circle.marked"), ("parallel", "#figure-parallel polyline.marked")]
)
def test_the_keyboard_reaches_every_trial(tab: Tab, path: Path, figure: str, marks: str) -> None:
    """Arrow keys go from trial to trial and mark it, nothing scrolls; Enter shows it in the table, Escape ends it."""
    tab.open(path)
    tab.run(f"[...document.querySelectorAll('#figure-{figure} svg')].find((s) => s.getClientRects().length).focus()")
    top = tab.run("scrollY")
    for key in ("ArrowRight", "ArrowRight"):
        tab.call("Input.dispatchKeyEvent", type="keyDown", key=key)
    assert tab.run("document.querySelector('.tip').hidden") is False
    assert tab.run(f"document.querySelectorAll('{marks}').length") >= 1
    assert tab.run("scrollY") == top
    tab.call("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    assert tab.run("document.querySelector('.tip').hidden") is True
    for key in ("ArrowRight", "Enter"):
        tab.call("Input.dispatchKeyEvent", type="keyDown", key=key)
    assert tab.run("document.activeElement.matches('#trials tr.marked')")


def test_hovering_over_a_dot_names_its_trial(tab: Tab, path: Path) -> None:
    """The hyperparameters appear beside the mouse, inside the window, and go when it leaves."""
    tab.open(path)
    dot = tab.run(DOT)
    tab.hover(dot["x"], dot["y"])
    assert tab.run("document.querySelector('.tip').hidden") is False
    assert "keep_prob" in tab.run("document.querySelector('.tip').textContent")
    assert tab.run("document.querySelector('.tip').getBoundingClientRect().right <= innerWidth")
    tab.hover(2, 2)
    assert tab.run("document.querySelector('.tip').hidden") is True


def test_a_click_on_a_dot_marks_its_trial(tab: Tab, path: Path) -> None:
    """In the table and in every figure; the page stays where it is until the table is asked for."""
    tab.open(path)
    dot = tab.run(DOT)
    top = tab.run("scrollY")
    tab.click(dot["x"], dot["y"])
    assert tab.run("scrollY") == top
    tab.run("document.querySelector('.tip button').click()")
    assert tab.run("document.querySelectorAll('#trials tr.marked').length") == 1
    assert tab.run("document.querySelectorAll('circle.marked').length") >= 1
    box = tab.run(
        "(() => { const b = document.querySelector('tr.marked').getBoundingClientRect(); return [b.top, b.bottom]; })()"
    )
    assert 0 <= box[0] < box[1] <= 900


def test_the_table_without_scripts_shows_the_best(tab: Tab, path: Path) -> None:
    """A mail program that runs no scripts still shows verdict, figures and the best trials."""
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(path)
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.run("document.querySelectorAll('#trials tbody tr').length") == 25
    assert tab.run("getComputedStyle(document.querySelector('#trials .tools')).display") == "none"


@pytest.mark.parametrize("n_trials", [0, 1, 3])
def test_pages_of_hardly_any_trials(tab: Tab, tmp_path: Path, n_trials: int) -> None:
    """No error, no overlap."""
    folder = build_report(make_study(n_trials)).write(tmp_path)
    tab.errors.clear()
    tab.open(folder / "report.html")
    assert tab.errors == []
    assert tab.run(OVERLAPS) == []


def test_a_comparison_fits_too(tab: Tab, tmp_path: Path) -> None:
    """Two studies on a phone."""
    folder = compared(make_study(12, name="a"), make_study(12, name="b", seed=1)).write(tmp_path)
    tab.open(folder / "report.html", width=390)
    assert tab.run("document.documentElement.scrollWidth") <= 390
    assert tab.run(OVERLAPS) == []


def test_a_phone_shows_the_gap_table_and_options_whole(tab: Tab, tmp_path: Path) -> None:
    """No column is cut off, and no option breaks after its first hyphen."""
    folder = build_report(make_study(70, bias=0.1234, variance=0.1234)).write(tmp_path)
    tab.open(folder / "report.html", width=390)
    assert tab.run("(({scrollWidth: w, clientWidth: c}) => w - c)(document.querySelector('.gaps').parentElement)") <= 0
    assert tab.run("[...document.querySelectorAll('pre .word')].every((w) => w.getClientRects().length === 1)")


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False)])
def test_axe_finds_nothing_to_object_to(tab: Tab, path: Path, tmp_path: Path, width: int, dark: bool) -> None:
    """Names, roles, contrast of texts, order of headings: of a page, of one without trials, of two studies."""
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed (extra dev)")
    script = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    pages = [
        path,
        build_report(make_study(12, class_names=("no", "yes"))).write(tmp_path) / "report.html",
        build_report(make_study(0, name="empty")).write(tmp_path) / "report.html",
        compared(make_study(12, name="a"), make_study(12, name="b", seed=1)).write(tmp_path) / "report.html",
    ]
    for each in pages:
        tab.open(each, width=width, dark=dark)
        tab.run(f"{script}; 0")
        assert tab.run(VIOLATIONS) == [], each
