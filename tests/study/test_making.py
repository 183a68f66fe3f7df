"""Definitions made for a data file."""

import pytest

from tuner.study import DataShape, make_definition, parse_definition, rename_definition


def made(n: int, *, classes: tuple[int, ...] = (50, 50), name: str = "made") -> str:
    """Return the text for data of n rows, 80% of them for training."""
    return make_definition(name, "../made.csv", "y", DataShape(n, n * 4 // 5, 7, classes))


@pytest.mark.parametrize("n", [30, 1000, 4999, 5000, 60_000, 1_000_000])
def test_a_made_definition_is_valid(n: int) -> None:
    """The definition is valid for data of any size."""
    definition = parse_definition(made(n), "made.toml")
    assert (definition.data.source, definition.data.target) == ("../made.csv", "y")


def test_ranges_follow_the_data() -> None:
    """λ from m·1e-6 to m·1e-2 and batches from 16 to about m/16, for m = 8,000 training rows."""
    space = parse_definition(made(10_000), "made.toml").searched_space
    assert space.searched["lambda"].bounds == pytest.approx((8e-3, 80.0))
    assert space.searched["batch_size"].bounds == (16, 256)


def test_small_data_uses_folds() -> None:
    """Below 5,000 rows there are folds, above a single dev set."""
    assert parse_definition(made(4999), "made.toml").data.folds == 5
    assert parse_definition(made(5000), "made.toml").data.folds is None


def test_widths_of_small_data_are_searched() -> None:
    """Narrow and wide networks with patience; from 10,000 training rows on Adam, larger batches and fewer epochs."""
    small, large = (parse_definition(made(n), "made.toml") for n in (10_000, 60_000))
    assert small.searched_space.searched["hidden"].bounds == ["64-32", "128", "256", "256-128"]
    assert large.searched_space.searched["hidden"].bounds == ["128-64", "256-128"]
    assert large.searched_space.fixed["optimizer"] == "adam"
    assert large.searched_space.searched["batch_size"].bounds == (64, 2048)
    stopping = [(one.training.max_epochs, one.training.patience) for one in (small, large)]
    assert stopping == [(300, 40), (100, 10)]


def test_long_momentum_needs_many_updates_an_epoch() -> None:
    """β reaches 0.99 while an epoch has few updates, and 0.999 if it has 100 and more."""
    assert parse_definition(made(2000), "made.toml").searched_space.searched["beta"].bounds == (0.8, 0.99)
    assert parse_definition(made(10_000), "made.toml").searched_space.searched["beta"].bounds == (0.8, 0.999)


@pytest.mark.parametrize(
    ("rows", "columns", "is_searched"),
    [
        (1000, 0, False),
        (1000, 1, True),
        (12_499, 50, True),
        (12_501, 50, True),
        (1000, 50, True),
        (1000, 51, False),
        (125_000, 50, True),
        (126_000, 50, False),
    ],
)
def test_the_form_of_numbers_is_searched(rows: int, columns: int, is_searched: bool) -> None:
    """Unless there are none, or so many that an input for each bin makes networks slow, or the rows too large.

    Periodic inputs need many rows.
    """
    shape = DataShape(rows, rows * 4 // 5, 60, (500, 500), n_numbers=columns)
    definition = parse_definition(make_definition("made", "made.csv", "y", shape), "made.toml")
    periodic = ["periodic"] if rows > 12_500 else []
    assert definition.forms == (["standardize", "piecewise_linear", "target_bins", *periodic] if is_searched else [])
    searches_frequency = "highest_frequency" in definition.searched_space.searched
    assert searches_frequency == bool(is_searched and periodic)


@pytest.mark.parametrize(("image", "most"), [((28, 28), 2.0), ((224, 96, 3), 6.0), ((8, 8), None), (None, None)])
def test_images_are_moved_in_training(image: tuple[int, ...] | None, most: float | None) -> None:
    """By up to a fourteenth of the shorter side, which the trials choose; tiny images are not."""
    shape = DataShape(1000, 800, 60, (500, 500), image=image)
    definition = parse_definition(make_definition("made", "made.npz", None, shape), "made.toml")
    assert definition.data.image == (image if most else None)
    assert ("shift" in definition.searched_space.searched) == (most is not None)
    if most is not None:
        assert definition.searched_space.searched["shift"].bounds == (0.0, most)


def test_a_rare_class_asks_for_the_balanced_error() -> None:
    """At 95:5 the metric is the balanced error, and classes weigh the same: else ignoring the rare class pays."""
    for classes, expected, weight in (((950, 50), "balanced_error", "balanced"), ((900, 100), "error", None)):
        definition = parse_definition(made(1000, classes=classes), "made.toml")
        assert (definition.search.metric, definition.training.class_weight) == (expected, weight)


def test_what_follows_the_metric_is_left_to_it() -> None:
    """Monitor and threshold are not set, so that they follow a metric that is chosen later."""
    text = made(1000, classes=(950, 50))
    definition = parse_definition(text.replace('"balanced_error"', '"log_loss"'), "made.toml")
    assert "# material_gap = 0.02 " in text
    assert "material_gap" not in definition.diagnosis.model_fields_set
    assert "monitor" not in definition.training.model_fields_set


def test_every_key_is_explained() -> None:
    """Each line that sets a key has a comment."""
    lines = [line for line in made(1000).splitlines() if " = " in line and not line.startswith(("#", "name"))]
    assert len(lines) > 10
    assert [line for line in lines if "# " not in line] == []


def test_long_lines_keep_a_space_before_their_comment() -> None:
    """The comment follows any value, and letters stay as typed."""
    text = make_definition("made", "../" + "größe" * 12 + ".csv", "größe", DataShape(10**6, 10**6, 7, (50, 50)))
    assert 'größe.csv" # relative to this file' in text
    assert "0.99] } # momentum" in text
    assert parse_definition(text, "made.toml").data.target == "größe"


def test_renaming_keeps_the_comments() -> None:
    """A follow-up study has the same text under another name."""
    text = made(1000)
    renamed = rename_definition(text, parse_definition(text, "x"), "made-2")
    assert parse_definition(renamed, "x").name == "made-2"
    assert renamed == text.replace('name = "made"', 'name = "made-2"')
