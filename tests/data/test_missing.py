"""Spellings that are values, and rows without a usable class."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.conftest import Load, Write, people
from tuner.data import DataSettings, Encoding, dataset_from_frame
from tuner.errors import DataError


def test_a_kept_spelling_is_a_category_but_no_number(write: Write, load: Load) -> None:
    """``keep = ["NA"]`` makes a category of NA; in a column of numbers it still means that one is missing."""
    table = people()
    table["alley"] = np.resize(["NA", "paved", "gravel"], 200)
    table["area"] = [*map(str, range(190)), *["NA"] * 10]
    write("data.csv", table)
    assert any("column 'alley': 'NA' is read as missing" in notice for notice in load("data.csv").notices)
    kept = load("data.csv", keep=["NA"])
    assert {"alley=NA", "area", "area (missing)"} <= set(kept.feature_names)
    assert "alley (missing)" not in kept.feature_names
    assert not any("'NA'" in notice for notice in kept.notices)
    encoding = Encoding.from_json(kept.encoding)
    assert encoding.version == 2
    X = encoding.transform(people(2).assign(alley="NA", area=["NA", "5"]))
    assert X[:, kept.feature_names.index("alley=NA")].tolist() == [1, 1]
    assert X[:, kept.feature_names.index("area (missing)")].tolist() == [1, 0]


def test_a_kept_spelling_is_a_class(write: Write, load: Load) -> None:
    """The refusal of NA as a class names the setting that makes it one."""
    write("data.csv", people().assign(rich=np.resize(["NA", "no"], 200)))
    with pytest.raises(
        DataError, match=r"line 2, column 'rich': the target is 'NA', .* set keep = \[\"NA\"\] in \[data\]"
    ):
        load("data.csv")
    assert load("data.csv", keep=["NA"]).class_names == ("NA", "no")


def test_only_spellings_of_missing_cells_can_be_kept() -> None:
    """Anything else is a value anyway."""
    with pytest.raises(ValueError, match="got 'none', which is a value anyway"):
        DataSettings(keep=("none",))


def test_rows_without_a_usable_class_are_left_out_on_request(write: Write, load: Load) -> None:
    """``drop_unlabeled`` leaves out rows without a class and of classes with one example, and says how many."""
    table = people()
    table.loc[[3, 5, 7], "rich"] = None
    table.loc[9, "rich"] = "once"
    write("data.csv", table)
    with pytest.raises(DataError, match=r"line 5, .*: the target is missing \(and 2 more rows\).* --drop-unlabeled"):
        load("data.csv")
    dataset = load("data.csv", drop_unlabeled=True)
    assert sum(dataset.sizes.values()) == 196
    assert dataset.class_names == ("no", "yes")
    notes = " ".join(dataset.notices)
    assert "left out 3 rows without a class" in notes
    assert "left out 1 row of classes with one example ('once')" in notes
    with pytest.raises(DataError, match=r"'once' has only this example.* --drop-unlabeled"):
        dataset_from_frame(table.dropna(), "rich", cache=False)


def test_messages_name_the_lines_of_the_file_after_rows_were_left_out(write: Write, load: Load) -> None:
    """A bad cell after a row without a class is named by its line in the file."""
    table = people().astype({"age": object})
    table.loc[3, "rich"] = None
    table.loc[10, "age"] = "?!"
    write("data.csv", table)
    with pytest.raises(DataError, match="line 12, column 'age': '\\?!' is not a number"):
        load("data.csv", drop_unlabeled=True)
