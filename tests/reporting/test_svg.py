"""Scales, ticks and the drawing board."""

import pytest

from tuner.reporting.svg import CROWDED, AxisScale, Plot, tag


@pytest.mark.parametrize("kind", ["linear", "log"])
def test_a_scale_takes_its_ends_to_the_frames_ends(kind: str) -> None:
    """Low and high are drawn at the edges, what lies outside too."""
    scale = AxisScale(0.01, 1.0, 50.0, 450.0, kind)
    assert scale([0.01, 1.0, 5.0, 0.001]).tolist() == [50.0, 450.0, 450.0, 50.0]


def test_an_upward_scale_may_run_backwards() -> None:
    """Values that fall upwards: the lowest error on top."""
    scale = AxisScale(0.3, 0.1, 300.0, 20.0)
    assert scale([0.3, 0.2, 0.1]).tolist() == pytest.approx([300.0, 160.0, 20.0])


@pytest.mark.parametrize(
    ("low", "high", "kind", "expected"),
    [
        (0, 100, "linear", [0, 20, 40, 60, 80, 100]),
        (1, 30, "linear", [10, 20, 30]),
        (1e-3, 10, "log", [0.001, 0.01, 0.1, 1, 10]),
    ],
)
def test_ticks_are_round(low: float, high: float, kind: str, expected: list[float]) -> None:
    """Labels that people read at a glance."""
    assert AxisScale(low, high, 0, 1, kind).ticks() == pytest.approx(expected)


def test_texts_and_attributes_are_escaped() -> None:
    """Names come from files of other people."""
    plot = Plot()
    plot.text(1, 2, "<b>&", "note")
    assert "&lt;b&gt;&amp;" in plot.svg("key", 'a "quote"')
    assert "&quot;quote&quot;" in plot.svg("key", 'a "quote"')
    assert tag("line", x="<") == '<line x="&lt;"/>'


def test_long_labels_make_a_drawing_wider() -> None:
    """They would be cut off left of the frame; what is in the drawing stays where it is."""
    plots = [Plot(), Plot()]
    for plot, most in zip(plots, (100, 20_000_000), strict=True):
        plot.y_axis(plot.y_scale(0, most), "RMSE", "{:,.0f}".format)
    assert 'viewBox="0 0 460 320"' in plots[0].svg("key", "short")
    assert f'viewBox="-{plots[1].before} 0 {460 + plots[1].before} 320"' in plots[1].svg("key", "long")
    assert 20 < plots[1].before < 50


def test_dots_are_one_path() -> None:
    """Thousands of dots must not be thousands of elements."""
    plot = Plot()
    plot.dots(range(CROWDED), range(CROWDED), "complete")
    assert len(plot.parts) == 1


def test_a_crowd_of_dots_is_cells_by_how_many_are_in_them() -> None:
    """Ten thousand dots at one place are one cell of the strongest shade, and a single dot elsewhere is still seen."""
    plot = Plot()
    plot.dots([100.0] * 10_000 + [201.0], [50.0] * 10_000 + [50.0], "complete")
    assert plot.parts == [
        '<path d="M200 48h4v4h-4z" class="crowd0 complete"/>',
        '<path d="M100 48h4v4h-4z" class="crowd4 complete"/>',
    ]
