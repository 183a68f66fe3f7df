"""Kinds of columns and their encoding: hand-worked numbers, nothing learned outside training, the same from JSON."""

from __future__ import annotations

import json
import pickle
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, Write, people
from tuner.data import (
    Dataset,
    DataSettings,
    Encoding,
    dataset_from_frame,
    encode_frame,
    fit_on_all,
    read_parts,
    read_rows,
)
from tuner.data.encoders import rare_below
from tuner.data.encoding import moments_of
from tuner.errors import DataError
from tuner.mapped import Parcel


def prepare(frame: pd.DataFrame, **settings: Any) -> Dataset:
    """Prepare a frame whose target is "rich" without the cache."""
    return dataset_from_frame(frame, "rich", DataSettings(**settings), cache=False)


def summary(dataset: Dataset, name: str) -> Any:
    """Return the summary of one column."""
    return next(column for column in dataset.columns if column.name == name)


def inputs(dataset: Dataset, name: str) -> np.ndarray:
    """Return one feature of the training rows."""
    column: np.ndarray = dataset.parts[0].train.X[:, dataset.feature_names.index(name)]
    return column


# --- kinds ------------------------------------------------------------------------------------------------------------

KINDS: list[tuple[str, list[Any], str]] = [
    ("whole", list(range(10)), "numeric"),
    ("broken", [0.5, 1.5, 2.5], "numeric"),
    ("numbers as text", ["1", " 2", "3.5 "], "numeric"),
    ("true", [True, False], "boolean"),
    ("yes", ["yes", "No", "YES"], "boolean"),
    ("letters", ["a", "b", "c"], "categorical"),
    ("codes", ["1", "2", "B"], "categorical"),
    ("iso", ["2024-01-31", "2023-12-01"], "date"),
    ("iso time", ["2024-01-31T12:00:00", "2023-12-01T08:30:00"], "date"),
    ("german", ["31.01.2024", "01.12.2023"], "date"),
    ("american", ["01/31/2024", "12/01/2023"], "date"),
    ("british", ["31/01/2024", "01/12/2023"], "date"),
    ("words", ["3 Jan 2024", "11 Dec 2023"], "date"),
    ("moments", [pd.Timestamp("2024-01-31"), pd.Timestamp("2023-12-01")], "date"),
    ("names", [f"name {k}" for k in range(200)], "drop"),
    ("empty", [None], "drop"),
]


@pytest.mark.parametrize(("name", "cells", "kind"), KINDS, ids=[case[0] for case in KINDS])
def test_kinds(name: str, cells: list[Any], kind: str) -> None:
    """A column's kind is told from its cells."""
    column = pd.Series([cells[k % len(cells)] for k in range(200)])
    assert summary(prepare(people().assign(it=column)), "it").kind == kind


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([7], "the same value in every training row"),
        (["a"], "the same value in every training row"),
        ([f"name {k}" for k in range(200)], "identifier: every value is different"),
        ([None], "no value in the training rows"),
    ],
)
def test_columns_left_out_with_a_notice(cells: list[Any], why: str) -> None:
    """Constant columns and those that identify rows are dropped, which is said."""
    dataset = prepare(people().assign(it=pd.Series([cells[k % len(cells)] for k in range(200)])))
    assert summary(dataset, "it").features == 0
    assert f"columns not used ({why}): 'it'" in dataset.notices


def test_categories_that_are_all_rare_are_left_out() -> None:
    """A column without one category that has enough training rows says nothing."""
    dataset = prepare(people().assign(it=[f"name {k % 150}" for k in range(200)]), columns={"it": {"rare": 10}})
    assert "columns not used (no value occurs in 10 or more training rows): 'it'" in dataset.notices


def test_a_row_counter_is_left_out_by_its_name() -> None:
    """An id that counts the rows is dropped; a feature that happens to count is kept."""
    dataset = prepare(people().assign(id=np.arange(200), dose=np.arange(200)))
    assert "dose" in dataset.feature_names
    assert "columns not used (counts the rows): 'id'" in dataset.notices


@pytest.mark.parametrize(
    ("override", "features"),
    [
        ("numeric", ["code"]),
        ("categorical", [f"code={k}" for k in range(4)]),
        ("drop", []),
        ({"kind": "categorical", "rare": 50}, ["code=0", "code=1", "code=(rare)"]),
    ],
)
def test_overrides(override: Any, features: list[str]) -> None:
    """The definition overrules what a column looks like."""
    code = np.repeat([0, 1, 2, 3], [90, 90, 10, 10])
    dataset = prepare(people().assign(code=code), columns={"code": override})
    assert [name for name in dataset.feature_names if name.startswith("code")] == features


@pytest.mark.parametrize(
    ("column", "chosen", "kinds"),
    [
        ("job", {"numeric": "quantile"}, '"numeric"'),
        ("job", {"fill": 3.0}, '"numeric" or "boolean"'),
        ("age", {"rare": 5}, '"categorical" or "target_encoded"'),
        ("since", {"fill": "mean"}, '"numeric" or "boolean"'),
    ],
)
def test_a_setting_of_another_kind_of_column_is_named(column: str, chosen: dict[str, Any], kinds: str) -> None:
    """It has no effect; a study that began with it goes on."""
    frame = people().assign(since=pd.date_range("2020-01-01", periods=200))
    ((key, value),) = chosen.items()
    text = rf"column '{column}': {key} = {json.dumps(value)} has no effect on a \w+ column; it needs kind = {kinds}"
    assert any(re.fullmatch(text, notice) for notice in prepare(frame, columns={column: chosen}).notices)


@pytest.mark.parametrize(
    ("words", "kept"),
    [(["on", "off"], ("off", "on")), (["Yes", "no"], ("no", "yes")), ([0, 1], None), ([False, True], None)],
)
def test_two_values_may_be_declared_boolean(words: list[Any], kept: tuple[str, str] | None) -> None:
    """One feature of two values; of two words the later one in the alphabet, or the one that says yes, is 1."""
    switch = np.resize(words, 200)
    dataset = prepare(people().assign(switch=switch), columns={"switch": "boolean"})
    assert [name for name in dataset.feature_names if name.startswith("switch")] == ["switch"]
    train = dataset.parts[0].train
    place = dataset.feature_names.index("switch")
    is_one = np.array([str(cell).lower() == str(kept[1] if kept else words[1]).lower() for cell in switch[train.rows]])
    assert np.array_equal(train.X[:, place] > 0, is_one)


def test_three_values_are_no_boolean() -> None:
    """A column that the definition calls boolean has two values at most."""
    with pytest.raises(DataError, match="expected at most two different values, got 3 in the training rows"):
        prepare(people(), columns={"job": "boolean"})


@pytest.mark.parametrize("kind", ["numeric", "boolean"])
def test_dates_are_not_declared_away(kind: str) -> None:
    """A column of dates is refused as numbers."""
    frame = people().assign(since=pd.date_range("2020-01-01", periods=200))
    with pytest.raises(DataError, match=f"column 'since': contains dates, but is {kind}"):
        prepare(frame, columns={"since": kind})


def test_text_may_be_declared_dates() -> None:
    """Dates in the country's order are read as such, although half of the cells are none."""
    days = [f"{1 + k % 28:02d}.{1 + k % 12:02d}.{2000 + k % 20}" if k % 2 else "never" for k in range(200)]
    frame = people().assign(since=days)
    assert summary(prepare(frame), "since").kind == "categorical"
    dataset = prepare(frame, columns={"since": "date"})
    assert summary(dataset, "since").kind == "date"
    assert (
        next(column for column in dataset.encoding["columns"] if column["name"] == "since")["date_format"] == "%d.%m.%Y"
    )


def test_bad_cells_under_a_percent_are_refused_and_others_are_text() -> None:
    """Fewer than 1% of text make a numeric column with bad cells; more make it text, with a note."""
    cells = people(1000)["age"].astype(object)
    few, many = cells.copy(), cells.copy()
    few.iloc[[20, 30, 40]] = "?!"
    many.iloc[:200] = "?!"
    with pytest.raises(DataError, match="row 20, column 'age': '\\?!' is not a number"):
        prepare(people(1000).assign(age=few))
    column = summary(prepare(people(1000).assign(age=many)), "age")
    assert column.kind == "categorical"
    assert "training cells are no numbers, like '?!'" in column.why


def test_bad_cells_of_a_column_declared_numeric_are_missing() -> None:
    """Where the definition insists on numbers, other cells are missing, which is said."""
    cells = people()["age"].astype(object)
    cells.iloc[:5] = "?!"
    dataset = prepare(people().assign(age=cells), columns={"age": "numeric"})
    assert "age (missing)" in dataset.feature_names
    assert any("5 cells not a number, read as missing" in notice for notice in dataset.notices)


def test_missing_values_may_be_named() -> None:
    """``missing`` adds cells that mean "no value", numbers included."""
    frame = people().assign(hours=np.resize([5, 6, -999], 200), job=np.resize(["a", "b", "unknown"], 200))
    dataset = prepare(frame, missing=["-999", "unknown"])
    assert "job=unknown" not in dataset.feature_names
    assert {"hours (missing)", "job (missing)"} <= set(dataset.feature_names)
    assert np.allclose(inputs(dataset, "hours").min(), inputs(dataset, "hours")[0], atol=3)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_normalization_by_the_training_rows() -> None:
    """Numbers have mean 0 and standard deviation 1 over the training rows, and the same map everywhere."""
    frame = people()
    dataset = prepare(frame)
    train, dev = dataset.parts[0].train, dataset.parts[0].dev
    raw = frame["age"].to_numpy()
    mean, scale = raw[train.rows].mean(), raw[train.rows].std()
    for table in (train, dev, dataset.test):
        assert table is not None
        assert table.X[:, 0] == pytest.approx((raw[table.rows] - mean) / scale, abs=1e-5)
    assert train.X.dtype == np.float32


def test_missing_numbers_take_the_median_and_raise_a_flag() -> None:
    """Of 1, 2, 9 and an empty cell, the median 2 is filled in: (1 + 2 + 9 + 2) / 4 = 3.5 is the mean."""
    split = {"columns": {}, "split_column": "part"}
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0, 9.0, None, 5.0, 5.0],
            "part": ["train"] * 4 + ["dev"] * 2,
            "rich": ["a", "b", "a", "b", "a", "b"],
        }
    )
    dataset = prepare(frame, **split)
    scale = np.std([1, 2, 9, 2])
    assert dataset.feature_names == ("x", "x (missing)")
    assert dataset.parts[0].train.X[:, 0] == pytest.approx((np.array([1, 2, 9, 2]) - 3.5) / scale)
    assert dataset.parts[0].train.X[:, 1].tolist() == [0, 0, 0, 1]
    assert prepare(frame, split_column="part", columns={"x": {"fill": 0}}).encoding["columns"][0]["fill"] == 0
    assert prepare(frame, split_column="part", columns={"x": {"fill": "mean"}}).encoding["columns"][0]["fill"] == 4
    assert prepare(frame, split_column="part", columns={"x": {"indicator": False}}).feature_names == ("x",)


def test_moments_of_chunks() -> None:
    """Means and deviations merged from chunks are those of the whole, missing cells and far origins included."""
    rng = np.random.default_rng(0)
    values = rng.normal(1e6, 1, (20_000, 40))
    values[rng.random(values.shape) < 0.1] = np.nan
    rows = rng.permutation(20_000)[:15_000]
    found = moments_of(values, rows)
    assert np.array_equal(found.count, (~np.isnan(values[rows])).sum(axis=0))
    assert found.mean == pytest.approx(np.nanmean(values[rows], axis=0), rel=1e-12)
    assert found.scale == pytest.approx(np.nanstd(values[rows], axis=0), rel=1e-8)
    assert np.array_equal(found.low, np.nanmin(values[rows], axis=0))


def test_values_far_out_stay_finite() -> None:
    """A dev value that float32 cannot hold after normalization does not become infinite."""
    x = np.where(np.arange(200) % 2, 1e-60, 2e-60)
    x[150:] = 1e90
    part = np.repeat(["train", "dev"], [150, 50])
    dataset = prepare(people().assign(x=x, part=part), split_column="part")
    assert np.isfinite(dataset.parts[0].dev.X).all()


def test_images_of_a_table_keep_every_pixel() -> None:
    """With ``image`` a CSV's columns are pixels: constant ones stay, μ and σ are those of all pixels together."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 16, (200, 6)), columns=list("abcdef")).assign(a=0, rich=np.arange(200) % 2)
    dataset = prepare(frame, image=[2, 3])
    rows = dataset.parts[0].train.rows
    raw = frame.loc[rows, list("abcdef")].to_numpy()
    assert dataset.image == (2, 3)
    assert pytest.approx((raw - raw.mean()) / raw.std(), abs=1e-5) == dataset.parts[0].train.X


# --- categories and dates ---------------------------------------------------------------------------------------------


def test_categories_are_flags() -> None:
    """One flag a category, 0 or 1 and not normalized, exactly one of them set."""
    dataset = prepare(people())
    flags = dataset.parts[0].train.X[:, 2:]
    assert dataset.feature_names[2:] == ("job=clerk", "job=cook", "job=smith")
    assert set(np.unique(flags)) == {0.0, 1.0}
    assert (flags.sum(axis=1) == 1).all()


@pytest.mark.parametrize(("n", "least"), [(100, 2), (1000, 5), (100_000, 10)])
def test_rare(n: int, least: int) -> None:
    """A category needs 2 to 10 training rows for a flag of its own."""
    assert rare_below(n) == least


def test_unseen_categories_share_the_flag_of_rare_ones() -> None:
    """An unseen category is treated as a rare one; without rare ones it sets no flag."""
    frame = people(1000).assign(town=np.where(np.arange(1000) % 100 < 98, "A", [f"t{k}" for k in range(1000)]))
    encoding = Encoding.from_json(prepare(frame).encoding)
    X = encoding.transform(frame.head(2).assign(town=["A", "never seen"], job=["cook", "never seen"]))
    named = {name: X[:, place].tolist() for place, name in enumerate(encoding.feature_names)}
    assert named["town=A"] == [1, 0]
    assert named["town=(rare)"] == [0, 1]
    assert [named[f"job={job}"][1] for job in ("clerk", "cook", "smith")] == [0, 0, 0]


def test_dates_become_time_and_place_in_the_year_and_week() -> None:
    """A plain date has a time and cycles of the year and the week, but no time of day."""
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(200) * 5, unit="D")
    dataset = prepare(people().assign(day=day.strftime("%d.%m.%Y")))
    assert [name for name in dataset.feature_names if name.startswith("day")] == [
        "day",
        "day (year_sin)",
        "day (year_cos)",
        "day (week_sin)",
        "day (week_cos)",
    ]
    rows = dataset.parts[0].train.rows
    assert np.array_equal(np.argsort(inputs(dataset, "day")), np.argsort(day[rows]))


# --- leakage ----------------------------------------------------------------------------------------------------------


def spoiled(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return the frame with every input of the given rows changed; classes stay, so that the split stays."""
    other = frame.copy()
    other.loc[rows, "age"] = 1e6
    other.loc[rows, "hours"] = -5
    other.loc[rows, "job"] = "spoiled"
    return other


def test_nothing_is_learned_from_dev_and_test() -> None:
    """The training arrays do not depend on the dev and test rows."""
    frame = people(400)
    frame.loc[::7, "age"] = np.nan
    before = prepare(frame)
    after = prepare(spoiled(frame, np.concatenate([before.dev_rows, before.test_rows])))
    assert np.array_equal(before.parts[0].train.X, after.parts[0].train.X)
    assert before.encoding == after.encoding


def test_nothing_is_learned_from_a_folds_own_dev_rows() -> None:
    """Each fold's training arrays do not depend on its dev rows, whose categories have empty places there."""
    frame = people(400)
    before = prepare(frame, folds=4)
    changed = before.parts[2].dev.rows
    after = prepare(spoiled(frame, changed), folds=4)
    places = [after.feature_names.index(name) for name in before.feature_names]
    assert np.array_equal(before.parts[2].train.X, after.parts[2].train.X[:, places])
    extra = [place for place, name in enumerate(after.feature_names) if name not in before.feature_names]
    assert not after.parts[2].train.X[:, extra].any()
    assert not after.parts[2].dev.X[:, extra].any()


def test_folds_have_one_layout() -> None:
    """All folds' networks have one shape, each normalized by its own training rows."""
    dataset = prepare(people(400), folds=5)
    for part in dataset.parts:
        assert part.train.X.shape[1] == dataset.n_features
        assert part.train.X[:, 0].mean() == pytest.approx(0, abs=1e-6)
        assert part.train.X[:, 0].std() == pytest.approx(1, abs=1e-6)
    assert len(dataset.encodings) == 5
    assert dataset.encoding == {"folds": list(dataset.encodings)}
    assert dataset.test is None
    assert np.array_equal(np.sort(np.concatenate([dataset.dev_rows, dataset.test_rows])), np.arange(400))


# --- raw rows later ---------------------------------------------------------------------------------------------------


def mixed(n: int = 300) -> pd.DataFrame:
    """A table with every kind of column and missing cells in each."""
    rng = np.random.default_rng(5)
    frame = people(n).assign(
        member=rng.random(n) < 0.5,
        since=pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
        code=rng.choice(["1", "2", "B"], n),
        answer=rng.choice(["yes", "no"], n),
    )
    for place, name in enumerate(("age", "since", "code", "answer", "job")):
        frame.loc[place :: 11 + place, name] = None
    return frame


def test_the_encoding_survives_json_and_files(write: Write, load: Load, tmp_path: Any) -> None:
    """Raw rows give the same bits through the encoding kept as JSON, from a frame and from a file in pieces."""
    write("m.csv", mixed())
    dataset = load("m.csv")
    encoding = Encoding.from_json(json.loads(json.dumps(dataset.encoding)))
    part = dataset.parts[0]
    X = encoding.transform(pd.read_csv(tmp_path / "m.csv"))
    pieces = list(read_rows(tmp_path / "m.csv", [encoding], DataSettings()))
    for found in (X, np.concatenate([piece.array() for _, [piece] in pieces])):
        assert np.array_equal(found[part.train.rows], part.train.X)
        assert np.array_equal(found[part.dev.rows], part.dev.X)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32), folds=st.sampled_from([None, 3]))
def test_flags_of_random_tables(seed: int, folds: int | None) -> None:
    """Each row has the flag of its category, or of rare and unseen ones, or of missing cells; no flag without them."""
    rng = np.random.default_rng(seed)
    cells = {f"c{k}": rng.choice([*"abcdef", None], 90, p=rng.dirichlet(np.full(7, 0.4))) for k in range(3)}
    frame = people(90).assign(**cells)
    later = frame.assign(c0=np.where(np.arange(90) % 3, frame["c0"], "never seen"))
    dataset = prepare(frame, folds=folds, split={"test": 0})
    for part, plain in zip(dataset.parts, dataset.encodings, strict=True):
        train, dev = pickle.loads(Parcel((part.train, part.dev)).content)
        encoding, X = Encoding.from_json(plain), np.zeros((90, dataset.n_features))
        for table in (train, dev):
            X[table.rows] = table.X
        for rows, found in ((frame, X), (later, encoding.transform(later))):
            for column in encoding.columns:
                levels = [feature.level for feature in column.features if feature.part == "level"]
                for feature in column.features if column.kind == "categorical" else ():
                    of_level, absent = rows[column.name] == feature.level, rows[column.name].isna()
                    others = ~absent & ~rows[column.name].isin(levels)
                    expected = {"level": of_level, "rare": others, "missing": absent}[feature.part]
                    assert np.array_equal(found[:, feature.position], expected)
        assert np.array_equal(encoding.transform(frame), X)


def test_folds_read_raw_rows_once(write: Write, load: Load, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fold's encoding gives the same bits as alone, and the cells are parsed for all of them together."""
    write("m.csv", mixed())
    encodings = [Encoding.from_json(each) for each in load("m.csv", folds=3).encodings]
    frame = pd.read_csv(tmp_path / "m.csv")
    alone = [encoding.transform(frame) for encoding in encodings]
    read = []
    monkeypatch.setattr(Encoding, "typed", lambda self, raw, typed=Encoding.typed: read.append(raw) or typed(self, raw))
    for inputs, expected in zip(encode_frame(encodings, frame), alone, strict=True):
        assert np.array_equal(inputs.array(), expected)
    assert len(read) == 1


def test_rows_in_small_pieces(write: Write, load: Load, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces cut between rows, quotes and compression included, give every row once; the target may be absent."""
    frame = mixed()
    frame["job"] = frame["job"].fillna("none, at\nall")
    write("m.csv", frame)
    encoding = Encoding.from_json(load("m.csv").encoding)
    whole = encoding.transform(pd.read_csv(tmp_path / "m.csv"))
    monkeypatch.setattr("tuner.data.sources.PIECE", 1500)
    frame.drop(columns="rich").to_csv(tmp_path / "new.csv.gz", index=False)
    pieces = [inputs.array() for _, [inputs] in read_rows(tmp_path / "new.csv.gz", [encoding], DataSettings())]
    assert len(pieces) > 5
    assert np.array_equal(np.concatenate(pieces), whole)


def test_kept_numbers_have_the_files_decimal_comma(write: Write, load: Load, tmp_path: Any) -> None:
    """A column that is kept as it stands is a number to the network all the same."""
    write("m.csv", people().to_csv(index=False, sep=";", decimal=","))
    dataset = load("m.csv")
    encoding = Encoding.from_json(dataset.encoding)
    [(frame, [inputs])] = read_rows(tmp_path / "m.csv", [encoding], DataSettings(), keep=["age"])
    assert "," in frame["age"][0]
    assert np.array_equal(inputs.array()[dataset.parts[0].train.rows], dataset.parts[0].train.X)


def test_bad_cells_among_decimal_commas(write: Write, load: Load) -> None:
    """One bad cell does not make text of a column of numbers; it is named by its line, its column in plain letters."""
    frame = people().rename(columns={"age": "größe"}).astype({"größe": str})
    frame["größe"] = frame["größe"].str.replace(".", ",")
    frame.loc[7, "größe"] = "hoch"
    write("m.csv", frame.to_csv(index=False, sep=";"))
    with pytest.raises(DataError, match=r'line 9, column \'größe\': \'hoch\' is not a number.*"größe" = "categorical"'):
        load("m.csv")


def test_bad_rows_of_later_pieces_are_named_by_their_line(
    write: Write, load: Load, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines are counted from the file's start in every piece."""
    frame = people()
    write("m.csv", frame)
    encoding = Encoding.from_json(load("m.csv").encoding)
    write("new.csv", frame.astype({"age": str}).assign(age=[*frame["age"][:150], "old", *frame["age"][151:]]))
    monkeypatch.setattr("tuner.data.sources.PIECE", 500)
    with pytest.raises(DataError, match=r"new\.csv, line 152, column 'age': 'old' is not a number"):
        list(read_rows(tmp_path / "new.csv", [encoding], DataSettings()))


def test_kept_zeros_and_ones_are_what_they_were(write: Write, tmp_path: Any) -> None:
    """A column of 0 and 1 that is boolean by the definition's word, kept as it stands."""
    frame = people().assign(flag=np.arange(200) % 2)
    dataset = prepare(frame, columns={"flag": "boolean"})
    write("new.csv", frame)
    encoding = Encoding.from_json(dataset.encoding)
    [(_, [inputs])] = read_rows(tmp_path / "new.csv", [encoding], DataSettings(), keep=["flag"])
    assert np.array_equal(inputs.array()[dataset.parts[0].train.rows], dataset.parts[0].train.X)


@pytest.mark.parametrize(("kind", "what"), [("numeric", "number"), ("date", "date")])
def test_a_kind_that_no_cell_has_is_refused(kind: str, what: str) -> None:
    """The definition may insist on a kind where some cells are bad, not where all are."""
    with pytest.raises(DataError, match=rf"column 'job': no cell is a {what} \(the first is 'clerk'\)"):
        prepare(people(), columns={"job": kind})


def test_a_dev_size_beside_folds_is_said_to_have_no_effect() -> None:
    """With folds every row is dev once, whatever size was wanted."""
    assert "split.dev = 0.2 has no effect" in prepare(people(), folds=4, split={"dev": 0.2}).notices[0]
    assert prepare(people(), folds=4, split={"test": 0.2}).notices == ()


def test_a_missing_date_is_filled_with_a_date() -> None:
    """The median day, as a person writes it, not in seconds."""
    days = pd.Series(pd.date_range("2024-01-01", periods=200).strftime("%Y-%m-%d")).where(np.arange(200) % 9 > 0)
    assert "missing: 2024-0" in summary(prepare(people().assign(day=days)), "day").encoding


def test_headerless_rows_without_their_target(write: Write, load: Load, tmp_path: Any) -> None:
    """Rows of a file without names are named by position, the target's place left out if it is absent."""
    frame = people()
    write("p.csv", frame.to_csv(index=False, header=False))
    settings = {"header": False, "target": 0}
    write("t.csv", frame[["rich", "age", "hours", "job"]].to_csv(index=False, header=False))
    dataset = load("t.csv", **settings)
    write("new.csv", frame[["age", "hours", "job"]].to_csv(index=False, header=False))
    encoding = Encoding.from_json(dataset.encoding)
    [(_, [inputs])] = read_rows(tmp_path / "new.csv", [encoding], DataSettings(**settings))  # type: ignore[arg-type]
    assert np.array_equal(inputs.array()[dataset.parts[0].train.rows], dataset.parts[0].train.X)


def test_raw_rows_that_do_not_fit(write: Write, load: Load) -> None:
    """A missing column and a cell that cannot be read are named."""
    frame = people()
    encoding = Encoding.from_json(prepare(frame).encoding)
    with pytest.raises(DataError, match="no column 'age', which the model uses; did you mean 'Age'"):
        encoding.transform(frame.rename(columns={"age": "Age"}))
    with pytest.raises(DataError, match=r"rows\.csv, row 3, column 'hours': 'many' is not a number"):
        encoding.transform(frame.assign(hours=[*range(3), "many", *range(196)]), "rows.csv")


@pytest.mark.parametrize("plain", [{}, {"version": 1}, {"version": 1, "columns": [{"nme": 1}]}, {"folds": []}])
def test_json_that_is_no_encoding(plain: dict[str, Any]) -> None:
    """A mapping that is not an encoding is refused."""
    with pytest.raises(DataError, match="encoding: "):
        Encoding.from_json(plain)


def test_fit_on_all() -> None:
    """A final network learns from all rows outside the test set, normalized by them."""
    for folds in (None, 4):
        dataset = prepare(people(400), folds=folds)
        whole, test, encoding = fit_on_all(dataset)
        assert len(whole) == 320
        assert test is not None
        assert np.array_equal(test.rows, dataset.test_rows)
        assert whole.X[:, 0].mean() == pytest.approx(0, abs=1e-6)
        assert encoding.n_features == dataset.n_features


def test_read_part_encodes_what_the_folds_left_out() -> None:
    """With folds the test rows are encoded on demand, by the encoding that is asked for."""
    dataset = prepare(people(400), folds=4)
    encoding = Encoding.from_json(dataset.encodings[1])
    test = read_parts(dataset, ["test"], [encoding])[0]["test"]
    assert np.array_equal(test.rows, dataset.test_rows)
    assert np.array_equal(test.X, encoding.transform(people(400))[test.rows])
    with pytest.raises(DataError, match="no train_dev set"):
        read_parts(dataset, ["train_dev"], [encoding])


def test_whole_numbers_far_outside_are_clipped_too() -> None:
    """A column of tiny numbers that one day holds whole ones: finite inputs, and no warning."""
    rng = np.random.default_rng(0)
    frame = people(100).assign(tiny=rng.normal(0, 1e-40, 100))
    encoding = Encoding.from_json(prepare(frame).encoding)
    X = encoding.transform(frame.assign(tiny=np.arange(100) * 10**15))
    assert np.isfinite(X).all()
