"""Numbers, times and dates as people write them: read from the training rows' own notation, and said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.conftest import people
from tuner.data import Dataset, DataSettings, Encoding, dataset_from_frame, read_parts
from tuner.data.dataset import read_differently
from tuner.data.encoders import LATER_KEYS
from tuner.data.notation import detect_notation
from tuner.errors import DataError

WRITTEN: list[tuple[list[str], str, list[float]]] = [
    (["12,345", "1,000", "999"], ".", [12345, 1000, 999]),
    (["$1,234.00", "-$5", "($2.50)"], ".", [1234, -5, -2.5]),
    (["1.234,50 €", "7 €", "12.000,00 €"], ",", [1234.5, 7, 12000]),
    (["USD 5", "USD 1'000"], ".", [5, 1000]),
    (["37%", "4.5%"], ".", [37, 4.5]),
    (["3,14", "2,5", "1,234"], ".", [3.14, 2.5, 1.234]),
    (["<0.5", "0.7", "1.2", "< 1", "3"], ".", [0.5, 0.7, 1.2, 1, 3]),
    (["\N{MINUS SIGN}2", "1 000", "12 000"], ".", [-2, 1000, 12000]),
]


@pytest.mark.parametrize(("cells", "decimal", "numbers"), WRITTEN, ids=[case[0][0] for case in WRITTEN])
def test_numbers_are_read_as_they_are_written(cells: list[str], decimal: str, numbers: list[float]) -> None:
    """Thousands, currencies, percent signs, decimal commas, brackets for a loss and limits of detection."""
    notation = detect_notation(cells, decimal)
    assert notation is not None
    assert notation.numbers(cells).tolist() == numbers


@pytest.mark.parametrize(
    "cells",
    [
        ["$5", "€5", "$7"],
        ["<18", "18", ">18"],
        ["555 123", "555 124", "555 125"],
        ["37%", "0.37"],
        ["5-10", "10-20"],
        ["1.2.3", "1.2.4"],
        ["A1", "A2"],
    ],
)
def test_what_two_readings_could_explain_stays_text(cells: list[str]) -> None:
    """Two currencies, shares with and without a percent sign, ranges and telephone numbers are no numbers."""
    notation = detect_notation(cells, ".")
    assert notation is None or np.isnan(notation.numbers(cells)).any()


def prepare(cells: list[Any], **settings: Any) -> Dataset:
    """Prepare 200 people with one more column, these cells over and over."""
    frame = people().assign(it=[cells[k % len(cells)] for k in range(200)])
    return dataset_from_frame(frame, "rich", DataSettings(**settings), cache=False)


def test_limits_of_detection_become_a_number_and_a_flag() -> None:
    """<0.5 is 0.5 with a flag, which a model reads in other rows, too; rows without limits have none."""
    dataset = prepare(["<0.5", "0.75", "1", "1.25", "2"])
    assert [name for name in dataset.feature_names if name.startswith("it")] == ["it", "it (below)"]
    encoding = Encoding.from_json(dataset.encoding)
    X = encoding.transform(people(3).assign(it=["<0.5", "0.5", "<0.7"]))
    value, below = (X[:, dataset.feature_names.index(name)] for name in ("it", "it (below)"))
    assert below.tolist() == [1, 0, 1]
    assert value[0] == value[1] < value[2]
    numbers = encoding.transform(people(3).assign(it=[0.5, 1, np.nan]))
    assert numbers[:, dataset.feature_names.index("it (below)")].tolist() == [0, 0, 0]
    assert "column 'it': its cells are numbers: '<0.5' is read as 0.5, with a flag 'below'" in dataset.notices


def test_a_cell_in_another_notation_is_refused() -> None:
    """A model of percentages refuses a share without the sign, which could be a hundred times smaller."""
    encoding = Encoding.from_json(prepare([f"{k}%" for k in range(7)]).encoding)
    assert encoding.version == 2  # so that an earlier version refuses the model
    assert encoding.transform(people(1).assign(it="5%")).shape == (1, encoding.n_features)
    with pytest.raises(DataError, match=r"row 0, column 'it': '0\.05' is not a number with %"):
        encoding.transform(people(1).assign(it="0.05"))


@pytest.mark.parametrize(
    ("cells", "date_format"),
    [
        (["14:30", "08:05", "23:59"], "%H:%M"),
        (["2:30 PM", "11:05 AM"], "%I:%M %p"),
        (["01/31/24", "12/01/23"], "%m/%d/%y"),
        (["31/01/24 14:30", "01/12/23 08:00"], "%d/%m/%y %H:%M"),
    ],
)
def test_times_and_short_dates_are_dates(cells: list[str], date_format: str) -> None:
    """Times of day, and dates with two digits for the year, are read by a format that is said."""
    dataset = prepare(cells)
    column = next(column for column in dataset.encoding["columns"] if column["name"] == "it")
    assert (column["kind"], column["date_format"]) == ("date", date_format)
    assert any(f"read as a date or time with the format {date_format}" in notice for notice in dataset.notices)
    if date_format == "%H:%M":
        assert not any("year" in name or "week" in name for name in dataset.feature_names)


def test_a_guess_of_day_and_month_is_said_and_can_be_corrected() -> None:
    """If the training rows fit both orders, the notice shows what was taken and the line that takes the other."""
    cells = ["03/04/2024", "05/06/2024", "07/07/2024"]
    (notice,) = (notice for notice in prepare(cells).notices if "'it'" in notice)
    assert "do not tell day and month apart: '03/04/2024' is taken as 2024-03-04 (%m/%d/%Y)" in notice
    assert 'set it = { kind = "date", format = "%d/%m/%Y" } in [data.columns]' in notice
    corrected = prepare(cells, columns={"it": {"kind": "date", "format": "%d/%m/%Y"}})
    assert not any("'it'" in notice for notice in corrected.notices)
    assert any(column.get("date_format") == "%d/%m/%Y" for column in corrected.encoding["columns"])


@pytest.mark.parametrize(
    ("name", "cells", "part"),
    [
        ("n", [(7 * k) % 199 + 1 for k in range(199)] + [200], "the integers from 1 to 200 in another order"),
        ("customer_id", [7_919 * k % 100_003 for k in range(200)], "an identifier by its name"),
        ("city", [f"city {k % 110}" for k in range(199)] + ["city 1"], "different values in"),
        ("review", [f"words and more words {k}" for k in range(199)] + ["words and more words 1"], "free text"),
    ],
)
def test_columns_that_say_little_about_new_rows_are_named(name: str, cells: list[Any], part: str) -> None:
    """Shuffled row numbers, identifiers, very many categories and free text have a notice with the reason."""
    dataset = dataset_from_frame(people().assign(**{name: cells}), "rich", cache=False)
    (notice,) = (notice for notice in dataset.notices if repr(name) in notice)
    assert part in notice


def test_a_model_of_an_earlier_version_reads_its_data_as_it_did() -> None:
    """An encoding that has prices as categories is applied to them as categories, and the difference is said."""
    dataset = prepare(["$5", "$7", "$9"])
    old = Encoding.from_json(prepare(["$5", "$7", "$9"], columns={"it": "categorical"}).encoding)
    assert not old.reads_as({column.name: column for column in Encoding.from_json(dataset.encoding).columns})
    X = read_parts(dataset, ["dev"], [old])[0]["dev"].X
    assert np.array_equal(X[:, old.feature_names.index("it=$5")].astype(bool), read_prices(dataset) == "$5")
    assert "column 'it' as categorical, now as numeric (numbers in text)" in read_differently(
        old.to_json(), dataset.encoding
    )
    assert not read_differently(dataset.encoding, dataset.encoding)


def test_an_encoding_without_notations_is_that_of_version_1() -> None:
    """Its JSON has no later key, so that earlier versions read it, and a complete file of theirs is complete here."""
    plain = prepare(["a", "b", "c"]).encoding
    assert plain["version"] == 1
    assert LATER_KEYS.isdisjoint(plain)
    assert all(LATER_KEYS.isdisjoint(column) for column in plain["columns"])
    assert Encoding.from_json(plain).to_json() == plain
    later = prepare(["<0.5", "0.75", "1", "1.25", "2"]).encoding
    assert Encoding.from_json(later).to_json() == later
    assert later["version"] == 2


def read_prices(dataset: Dataset) -> Any:
    """Return the cells of the dev rows."""
    cells: Any = pd.Series([["$5", "$7", "$9"][k % 3] for k in range(200)]).to_numpy()[dataset.dev_rows]
    return cells
