"""Data checks: each finds what it should; two-sample tests never run on a split drawn at random."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.data.conftest import people
from tuner.data import DataSettings, check_data_quality, dataset_from_frame, load_dataset
from tuner.data.data_checks import auc_with_limits, chi_square, holm, row_hashes
from tuner.data.encoders import TextColumn
from tuner.data.tables import Numbers, TypedTable
from tuner.outcomes import Finding


def findings(frame: pd.DataFrame, **settings: Any) -> dict[str, list[Finding]]:
    """Return what a frame gives reason to say, by kind."""
    found: dict[str, list[Finding]] = {}
    for finding in check_data_quality(dataset_from_frame(frame, "rich", DataSettings(**settings), cache=False)):
        found.setdefault(finding.kind, []).append(finding)
    return found


def parted(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose dev and test rows are drawn like ``right``'s, its training rows like ``left``'s."""
    half = len(right) // 2
    words = ["train"] * len(left) + ["dev"] * half + ["test"] * (len(right) - half)
    return pd.concat([left, right], ignore_index=True).assign(part=words)


def test_clean_data_give_no_findings() -> None:
    """Nothing is said about one table drawn at random, nor about parts named by a column but of one distribution."""
    assert findings(people(1000)) == {}
    assert findings(parted(people(2000, 1), people(2000, 2)), split_column="part") == {}


# --- rows that belong together ----------------------------------------------------------------------------------------


def patients(n: int = 60, visits: int = 4) -> pd.DataFrame:
    """A table of patients who come several times, each with one class; their numbers are in no order."""
    rng = np.random.default_rng(0)
    patient = np.repeat(rng.permutation(n), visits) + 1000
    classes = np.repeat(rng.choice(["yes", "no"], n), visits)
    return pd.DataFrame({"patient": patient, "pulse": rng.normal(70, 9, n * visits).round(1), "rich": classes})


@pytest.mark.parametrize("written", ["{}", "P{}"])
@pytest.mark.parametrize("settings", [{}, {"folds": 5}])
def test_rows_of_one_patient_belong_together(written: str, settings: dict[str, Any]) -> None:
    """A patient's number, or name, whose visits all have one class is offered as a group, until it is one."""
    frame = patients()
    frame["patient"] = [int(name) if written == "{}" else name for name in map(written.format, frame["patient"])]
    [finding] = findings(frame, **settings)["groups"]
    assert (finding.severity, finding.columns) == ("warning", ("patient",))
    assert 'group = "patient"' in finding.text
    assert "groups" not in findings(frame, group="patient", **settings)


def test_a_few_wrong_labels_do_not_hide_a_group() -> None:
    """Rows that nearly all have the class of their patient belong together, too."""
    frame = patients(visits=8)
    frame.loc[frame.index % 40 == 7, "rich"] = "no"
    assert "groups" in findings(frame)


@pytest.mark.parametrize(
    "column",
    [
        (np.arange(800) // 4) % 25,  # patients whose visits differ in class
        np.sort(np.random.default_rng(2).integers(0, 100, 800)),
        [f"place {k % 40}" for k in range(800)],
        np.random.default_rng(1).integers(0, 5000, 800),
    ],
)
def test_ordinary_columns_are_no_groups(column: Any) -> None:
    """Repeated numbers, places, and numbers that hardly repeat say nothing about the class here."""
    assert "groups" not in findings(people(800).assign(column=column))


def test_a_measurement_is_no_group() -> None:
    """Integers that decide the class by their size, not by their name."""
    frame = people(800)
    frame["size"] = np.random.default_rng(0).integers(0, 60, 800)
    assert "groups" not in findings(frame.assign(rich=np.where(frame["size"] > 25, "yes", "no")))


def test_few_categories_are_no_groups() -> None:
    """A contract or a sex that decides the class is another question, which is asked elsewhere."""
    frame = people(800)
    frame["contract"] = np.where(frame["rich"] == "yes", "long", "short")
    assert "groups" not in findings(frame)


def test_a_rare_class_makes_no_groups() -> None:
    """Where nearly all rows are of one class anyway, rows of one value share it by chance."""
    frame = people(1000).assign(town=[f"town {k % 100}" for k in range(1000)])
    frame["rich"] = np.where(np.arange(1000) < 8, "yes", "no")
    assert "groups" not in findings(frame)


# --- rows in order ----------------------------------------------------------------------------------------------------


def hours(n: int = 2000) -> pd.DataFrame:
    """An hourly table: the weather drifts, and so does what it means for the class."""
    rng = np.random.default_rng(0)
    drift = np.cumsum(rng.standard_normal(n) * 0.3)
    rich = np.sin(drift * 1.3 + np.arange(n) / 200) + rng.normal(0, 0.15, n) > 0
    when = pd.date_range("2024-01-01", periods=n, freq="h").astype(str)
    temperature = (20 + drift + rng.normal(0, 0.3, n)).round(3)
    return pd.DataFrame({"when": when, "temperature": temperature, "rich": np.where(rich, "yes", "no")})


@pytest.mark.parametrize("settings", [{}, {"folds": 5}])
def test_rows_in_time_order_are_told_with_the_errors_of_both_splits(settings: dict[str, Any]) -> None:
    """A date column is offered as time, also where the rows are shuffled; once it is named nothing is left to say."""
    [finding] = findings(hours().sample(frac=1, random_state=0), **settings)["time_order"]
    assert (finding.severity, finding.columns) == ("warning", ("when",))
    assert 'set [data] time = "when"' in finding.text
    assert finding.evidence["later_error"] > 2 * finding.evidence["random_error"]
    assert "time_order" not in findings(hours(), time="when")


def test_rows_in_an_order_that_no_column_names_are_told_too() -> None:
    """Neighbors in the file are alike; in a shuffled file nothing can be seen."""
    frame = hours().drop(columns="when")
    [finding] = findings(frame)["time_order"]
    assert finding.columns == ()
    assert "rows that are close in the file are alike" in finding.text
    assert "time_order" not in findings(frame.sample(frac=1, random_state=0))


@pytest.mark.parametrize("seed", range(3))
def test_dates_that_say_nothing_of_later_rows_and_sorted_classes_are_no_time(seed: int) -> None:
    """Dates of birth, and a file that is sorted by class."""
    rng = np.random.default_rng(seed)
    born = pd.date_range("1950-01-01", periods=600, freq="D")[rng.permutation(600)].astype(str)
    frame = people(600, seed).assign(born=born)
    assert "time_order" not in findings(frame)
    assert "time_order" not in findings(frame.sort_values("rich"))


def test_the_time_of_the_day_puts_no_rows_in_order() -> None:
    """What is opened after noon is of another class; that says nothing of later days."""
    rng = np.random.default_rng(0)
    hours_of = rng.integers(0, 24, 600)
    frame = people(600, 0).assign(opened=[f"{hour:02}:{rng.integers(60):02}" for hour in hours_of])
    assert "time_order" not in findings(frame.assign(rich=np.where((hours_of > 12) & (hours_of < 20), "yes", "no")))


def test_groups_that_a_column_may_name_are_told_with_the_errors_of_both_splits() -> None:
    """Whoever is seen again is recognized: the error on rows of new patients is far higher."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(100), 8)
    x = np.repeat(rng.normal(size=(100, 2)), 8, axis=0) + rng.normal(0, 0.01, (800, 2))
    rich = np.repeat(rng.choice(["yes", "no"], 100), 8)
    frame = pd.DataFrame({"patient": [f"P{k}" for k in patient], "a": x[:, 0], "b": x[:, 1], "rich": rich})
    [finding] = findings(frame.sample(frac=1, random_state=0))["groups"]
    assert re.search(r"wrong on \d\d\.\d% of the rows of new groups, and on \d+\.\d% of rows drawn", finding.text)


def numbers_by_hour(n: int = 2000) -> pd.DataFrame:
    """The hourly table with a number to predict, which drifts, too."""
    frame, rng = hours(n), np.random.default_rng(1)
    drift = np.cumsum(rng.standard_normal(n) * 0.1)
    return frame.assign(rich=(frame["temperature"] * 0.1 + drift + rng.normal(0, 0.05, n)).round(3))


def test_numbers_in_time_order_are_told_with_the_rmse_of_both_splits() -> None:
    """By a date, or by the file; sorted by the number, or in no order, nothing is told."""
    [finding] = findings(numbers_by_hour().sample(frac=1, random_state=0), folds=5)["time_order"]
    assert (finding.severity, finding.columns) == ("warning", ("when",))
    assert re.search(r"has an RMSE of [\d.]+ on the last fifth .* an RMSE of [\d.]+ on rows drawn", finding.text)
    assert finding.evidence["later_error"] > finding.evidence["random_error"]
    frame = numbers_by_hour().drop(columns="when")
    assert "time_order" in findings(frame)
    assert "time_order" not in findings(frame.sample(frac=1, random_state=0))
    assert "time_order" not in findings(frame.sort_values("rich"))


def measured_again(n: int = 100, visits: int = 8) -> pd.DataFrame:
    """Patients with a number of their own, which is nearly the same at each visit."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(n, 2))
    frame = pd.DataFrame(np.repeat(own, visits, axis=0) + rng.normal(0, 0.01, (n * visits, 2)), columns=["a", "b"])
    number = np.repeat(rng.normal(50, 10, n), visits) + rng.normal(0, 1, n * visits)
    names = np.repeat(rng.permutation(n) + 1000, visits)
    return frame.assign(patient=names, rich=number.round(2)).sample(frac=1, random_state=0)


def test_groups_of_nearly_the_same_number_are_told() -> None:
    """Whoever is seen again is recognized; a measurement, or a column of chance, names no groups."""
    frame = measured_again()
    [finding] = findings(frame)["groups"]
    assert finding.columns == ("patient",)
    assert "have nearly the same number" in finding.text
    assert re.search(r"has an RMSE of [\d.]+ on the rows of new groups, and an RMSE of [\d.]+ on rows", finding.text)
    assert "groups" not in findings(frame, group="patient")
    rng = np.random.default_rng(1)
    assert "groups" not in findings(frame.assign(patient=rng.permutation(frame["patient"])))
    grade = frame["rich"].round()
    assert "groups" not in findings(frame.assign(patient=grade.astype(int)))


# --- the same row twice -----------------------------------------------------------------------------------------------


def test_the_same_row_in_two_parts() -> None:
    """Rows of dev that stand in train are counted, their identifiers aside."""
    left, right = people(600, 1), people(400, 2)
    right.iloc[:30] = left.iloc[100:130].to_numpy()
    frame = parted(left, right).assign(name=[f"row {k}" for k in range(1000)])
    [finding] = findings(frame, split_column="part")["same_rows"]
    assert finding.parts == ("train", "dev")
    assert finding.evidence["rows"] == 30
    assert finding.text.startswith("30 of 200 dev rows (15.0%) are also in train")
    assert finding.text.endswith("they can change the dev error by at most 15.0 pp")


def test_equal_rows_have_equal_hashes() -> None:
    """Rows of two files are alike in their hashes if they are in every number, every word and the class."""
    rng = np.random.default_rng(0)
    numbers, codes, y = (
        rng.integers(0, 2, (300, 5)).astype(np.float32),
        rng.integers(-1, 2, 300),
        rng.integers(0, 2, 300),
    )
    numbers[rng.random(300) < 0.2, 3] = np.nan
    whole = np.column_stack([np.nan_to_num(numbers, nan=-1), codes, y])
    tables, labels = {}, {}
    for key, rows in (("source", slice(0, 200)), ("dev", slice(200, 300))):
        words = {"word": TextColumn(codes[rows], ("a", "b"))}
        tables[key] = TypedTable(len(y[rows]), (Numbers(tuple("pqrst"), numbers[rows]),), {}, words)
        labels[key] = y[rows]
    hashes = np.concatenate(list(row_hashes(tables, labels).values()))
    alike = np.unique(whole, axis=0, return_inverse=True)[1]
    assert np.array_equal(hashes[:, None] == hashes, alike[:, None] == alike)


def test_twins_in_different_folds() -> None:
    """With folds, rows are counted whose twin is in another fold."""
    frame = pd.concat([people(300, 1)] * 2, ignore_index=True)
    [finding, *_] = findings(frame, folds=5, split={"test": 0})["same_rows"]
    assert finding.evidence["rows"] == pytest.approx(600 * 0.8, abs=60)


def test_swapped_cells_are_not_the_same_row() -> None:
    """Rows that hold the same numbers in other columns are different rows."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(300, 2))
    frame = pd.DataFrame(np.concatenate([a, a[:, ::-1]]), columns=["x", "y"])
    frame["rich"] = np.resize(["yes", "no"], 600)
    assert "same_rows" not in findings(frame)


# --- one distribution? ------------------------------------------------------------------------------------------------


def moved(**changes: Any) -> pd.DataFrame:
    """Return parts of 800 and 2 x 400 rows of which dev and test have the given columns."""
    return parted(people(800, 1), people(800, 2).assign(**changes))


def test_moved_numbers_are_named() -> None:
    """A shifted column is named with its D; the others are not."""
    found = findings(moved(age=people(800, 2)["age"] + 5), split_column="part")
    assert [finding.columns for finding in found["distribution"]] == [("age",)]
    assert found["distribution"][0].parts == ("train", "dev")
    assert "different distributions" in found["distribution"][0].text


def test_many_moved_columns_are_one_finding() -> None:
    """The columns of two sets that differ are listed, the one that differs most first, with its size."""
    other = {f"c{k}": np.random.default_rng(k).normal(k / 3, 1, 800) for k in range(8)}
    frame = parted(people(800, 1).assign(**{name: values[::-1] * 0 + values[0] for name, values in other.items()}),
                   people(800, 2).assign(**other))  # fmt: skip
    [finding] = [each for each in findings(frame, split_column="part")["distribution"] if each.parts[0] == "train"]
    assert len(finding.columns) == 8
    assert "8 columns (" in finding.text
    assert "and 3 more) differ" in finding.text


def test_a_dev_file_may_have_another_distribution(tmp_path: Path) -> None:
    """Between train and dev the train-dev set measures the difference, in one note; dev must be like test."""
    people(1500, 1).to_csv(tmp_path / "train.csv", index=False)
    moved = people(600, 2).assign(age=people(600, 2)["age"] + 8, hours=people(600, 2)["hours"] * 2)
    moved.to_csv(tmp_path / "dev.csv", index=False)
    people(600, 3).to_csv(tmp_path / "test.csv", index=False)
    settings = DataSettings(source="train.csv", dev="dev.csv", test="test.csv", target="rich")
    found = check_data_quality(load_dataset(settings, tmp_path, cache=False))
    [note] = [finding for finding in found if finding.parts == ("train", "dev")]
    assert (note.kind, note.severity, set(note.columns)) == ("mismatch", "note", {"age", "hours"})
    assert "data mismatch in the report" in note.text
    assert {finding.severity for finding in found if finding.parts == ("dev", "test")} == {"warning"}
    moved[:150].to_csv(tmp_path / "dev.csv", index=False)
    found = check_data_quality(load_dataset(settings, tmp_path, cache=False))
    assert [finding.kind for finding in found if finding.parts == ("train", "dev")] == ["not_compared"]


def test_moved_categories_are_named() -> None:
    """Other shares of categories are named."""
    found = findings(moved(job=np.resize(["clerk", "cook", "clerk", "smith"], 800)), split_column="part")
    assert [finding.columns for finding in found["distribution"]] == [("job",)]


def test_missing_cells_are_compared_apart() -> None:
    """A column that is empty more often is named for its missingness, not for its values."""
    ages = people(800, 2)["age"].where(np.arange(800) % 3 > 0)
    found = findings(moved(age=ages), split_column="part")
    assert [finding.columns for finding in found["missingness"]] == [("age",)]
    assert "distribution" not in found


def test_trifles_are_not_named() -> None:
    """At 10,000 rows a side, a shift of a twentieth of σ is significant, but no matter."""
    frame = parted(people(10_000, 1), people(20_000, 2))
    frame.loc[10_000:, "age"] += 0.5
    a, b = frame["age"][:10_000], frame["age"][10_000:20_000]
    assert stats.ks_2samp(a, b).pvalue < 0.01
    assert "distribution" not in findings(frame, split_column="part")


def test_class_shares_between_dev_and_test() -> None:
    """Dev and test with other shares of classes are named with both shares."""
    frame = parted(people(800, 1), people(800, 2))
    frame.loc[1200:, "rich"] = np.resize(["yes", "yes", "yes", "yes", "no"], 400)
    texts = [finding.text for finding in findings(frame, split_column="part")["class_shares"]]
    assert any("dev and test: class shares differ" in text and "80.0% of the test rows" in text for text in texts)


def test_a_classifier_tells_what_no_column_shows() -> None:
    """Parts whose columns agree one by one, but not together, are told apart by a classifier."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    sign = np.where(np.arange(3000) < 1500, 1.0, -1.0)
    frame = pd.DataFrame({"x": x, "z": sign * x + rng.normal(0, 0.5, 3000), "rich": rng.choice(["a", "b"], 3000)})
    frame["part"] = np.repeat(["train", "dev", "test"], [1500, 750, 750])
    found = findings(frame, split_column="part")
    assert "distribution" not in found
    assert [finding.parts for finding in found["classifier"]] == [("train", "dev")]
    assert found["classifier"][0].evidence["low"] > 0.5
    assert set(found["classifier"][0].columns) == {"x", "z"}
    assert "most by 'x', 'z'" in found["classifier"][0].text.replace("'z', 'x'", "'x', 'z'")


def test_a_time_split_says_that_the_distribution_moved() -> None:
    """With a time column a drift is no error: the distribution changed over time."""
    frame = people(2000).assign(day=np.arange(2000))
    frame["age"] += frame["day"] / 50
    found = findings(frame, time="day")
    assert {finding.columns for finding in found["distribution"]} == {("age",)}
    assert all("the distribution changed over time" in finding.text for finding in found["distribution"])


def test_few_rows_are_not_compared() -> None:
    """Below 200 rows a side the tests say that they were not run."""
    found = findings(parted(people(300, 1), people(300, 2).assign(age=1000.0 + np.arange(300))), split_column="part")
    assert set(found) == {"not_compared"}
    assert found["not_compared"][0].text == "train and dev are not compared: 150 rows in one of them, 200 are needed"


def test_random_splits_are_not_compared() -> None:
    """Where the product drew the split, no two-sample test is run, whatever the rows."""
    for settings in ({}, {"folds": 4}, {"group": "family"}):
        frame = people(1500).assign(family=np.arange(1500) // 100)
        frame["age"] = frame["family"] * 10.0 + frame["age"]
        assert not {"distribution", "classifier", "class_shares"} & set(findings(frame, **settings))


# --- leakage and balance ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leak", "n"), [("number", 1000), ("number", 20_000), ("category", 1000), ("missing", 1000)])
def test_leaking_columns(leak: str, n: int) -> None:
    """A column that gives the class away by its value, its category or its absence is named, among many rows, too."""
    frame = people(n)
    yes = (frame["rich"] == "yes").to_numpy()
    noise = np.random.default_rng(1).random(n)
    frame["leak"] = {
        "number": yes + 0.9 * noise,
        "category": np.where(yes, np.where(noise < 0.5, "a", "b"), "c"),
        "missing": np.where(yes, noise, np.nan),
    }[leak]
    [finding] = findings(frame)["leakage"]
    assert finding.columns == ("leak",)
    assert "alone predicts the target almost perfectly" in finding.text


def test_a_good_column_is_no_leak() -> None:
    """A column that errs in a tenth of the rows is a good one, no leak; nor is an identifier."""
    frame = people(1000)
    flipped = np.random.default_rng(0).random(1000) < 0.1
    frame["good"] = np.where(flipped, "other", frame["rich"])
    frame["name"] = [f"{word} {k}" for k, word in enumerate(frame["rich"])]
    assert "leakage" not in findings(frame)


def test_so_few_rows_of_so_many_classes_are_the_problem() -> None:
    """Many classes with a handful of rows each are named as the problem; ten rows each are enough to say nothing."""
    frame = people(400).assign(rich=[f"class {k % 100}" for k in range(400)])
    [finding] = findings(frame)["few_rows"]
    assert "100 classes have about 2.4 training rows each: so few rows per class are the problem" in finding.text
    assert "few_rows" not in findings(people(400).assign(rich=[f"class {k % 20}" for k in range(400)]))


def test_imbalance() -> None:
    """95:5 is said with both shares and the metric that counts classes alike; 80:20 is not."""
    frame = people(1000).assign(rich=np.resize(["no"] * 19 + ["yes"], 1000))
    [finding] = findings(frame)["imbalance"]
    assert "95.0% of the rows are of class 'no'" in finding.text
    assert "balanced_error" in finding.text
    assert "imbalance" not in findings(people(1000).assign(rich=np.resize(["no"] * 4 + ["yes"], 1000)))


# --- the statistics ---------------------------------------------------------------------------------------------------


def test_chi_square_is_pearsons() -> None:
    """P is that of SciPy's contingency test; the distance is half the sum of the shares' differences."""
    a, b = np.array([30, 50, 20]), np.array([45, 40, 15])
    p, distance = chi_square(a, b)
    assert p == pytest.approx(stats.chi2_contingency([a, b], correction=False).pvalue)
    assert distance == pytest.approx(0.15)


def test_rare_levels_are_pooled() -> None:
    """Levels expected less than five times a side are tested together."""
    a, b = np.array([100, 3, 2, 4]), np.array([100, 1, 4, 5])
    assert chi_square(a, b)[0] == pytest.approx(stats.chi2_contingency([[100, 9], [100, 10]], correction=False).pvalue)


def test_holm_by_hand() -> None:
    """0.01, 0.04, 0.03 become 0.03, 0.06, 0.06."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_auc_by_hand() -> None:
    """Of 2 x 2 pairs three are in order: 0.75; ties count half."""
    assert auc_with_limits(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))[0] == 0.75
    assert auc_with_limits(np.array([1.0, 1.0]), np.array([False, True]))[0] == 0.5


@pytest.mark.slow
def test_a_hundred_columns_raise_no_false_alarm() -> None:
    """Holm's correction keeps 100 columns of noise silent in five draws."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(rng.normal(size=(800, 100)), columns=[f"x{k}" for k in range(100)])
        frame["rich"] = rng.choice(["a", "b"], 800)
        frame["part"] = np.repeat(["train", "dev", "test"], [400, 200, 200])
        assert not {"distribution", "missingness"} & set(findings(frame, split_column="part"))


def test_findings_are_plain_json() -> None:
    """A finding as a dictionary holds lists, numbers and text."""
    [finding] = findings(people(1000).assign(rich=np.resize(["no"] * 19 + ["yes"], 1000)))["imbalance"]
    assert finding.to_dict()["parts"] == ["train"]
    assert finding.to_dict()["severity"] == "warning"
