"""The Python face: ``search``, ``load_study`` and what they return."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.conftest import SMALL_STUDY, small_table
from tuner.errors import ArgumentError, InputError, UsageError

pytestmark = pytest.mark.usefixtures("without_references")


def test_search_returns_the_study(small_study: Path) -> None:
    """A search in Python is the search of the command line: same budget, same database."""
    study = tuner.search("small")
    assert study.name == "small"
    assert study.storage == f"sqlite:///{small_study.parent / 'tuner.db'}"
    assert list(study.trials()["number"]) == [0, 1, 2, 3]


def test_a_study_is_found_again(small_study: Path) -> None:
    """``load_study`` finds by name, or by path, what was searched before."""
    searched = tuner.search("small", trials=2)
    for found in (tuner.load_study("small"), tuner.load_study(small_study)):
        assert found.trials().equals(searched.trials())


def test_trials_are_picked_and_limited(small_study: Path) -> None:
    """By conditions as ``tuner trials --where`` has them, in the order of their numbers; no such column is named."""
    study = tuner.search("small")
    every = study.trials()
    assert study.trials(limit=2).equals(every.head(2))
    least = every["dev_error"].min()
    assert (
        list(study.trials(where=[f"dev_error <= {least}", "epochs > 0"])["dev_error"])
        == [least] * (every["dev_error"] == least).sum()
    )
    assert list(study.trials(where="number = 3", limit=5)["number"]) == [3]
    assert study.trials(where="dev_error > 1").empty
    with pytest.raises(tuner.TunerError, match=r"^where 'nope < 1': no column 'nope'"):
        study.trials(where="nope < 1")
    with pytest.raises(tuner.TunerError, match="limit: expected an integer ≥ 1, got 0"):
        study.trials(limit=0)


def test_report_carries_the_verdict_and_writes_its_files(small_study: Path) -> None:
    """A report has its verdict, gaps and actions at hand, and writes the same files as ``tuner report``."""
    report = tuner.search("small").report(baseline=0.05)
    assert report.verdict in report.summary["verdict"]
    assert report.variance.low <= report.variance.value <= report.variance.high
    assert report.summary["errors"]["baseline"] == {"value": 0.05, "given": True}
    folder = report.write("reports")
    assert (folder / "report.html").is_file()


def test_two_workers_from_python(small_study: Path) -> None:
    """Workers are processes here too."""
    assert len(tuner.search("small", workers=2, total=8).trials()) == 8


def test_total_is_the_number_of_trials_in_all(workplace: Path) -> None:
    """Of rows in memory too, whose definition made for them has a budget of 100."""
    frame = pd.read_csv(io.StringIO(small_table()))
    assert len(tuner.search(frame, target="kind", total=2).trials()) == 2


def test_a_study_that_is_not_there_is_an_error(workplace: Path) -> None:
    """The package's own error, which names what was looked for."""
    with pytest.raises(UsageError, match="no study 'nothing'"):
        tuner.load_study("nothing")
    with pytest.raises(InputError, match=r"gone\.csv"):
        tuner.search("gone.csv", target="y")


def test_a_data_frame_is_searched(workplace: Path) -> None:
    """Rows in memory need no file; the same rows find their study again, other rows make another one."""
    frame = pd.read_csv(io.StringIO(small_table()))
    study = tuner.search(frame, target="kind", trials=1)
    again = tuner.search(frame, target="kind", trials=1)
    other = tuner.search(frame.iloc[:120], target="kind", trials=1)
    assert study.name == again.name != other.name
    assert len(again.trials()) == 2
    assert study.report().summary["trials"]["complete"] == 2


def in_toml() -> tuner.Study:
    """A study file, searched under another name."""
    Path("studies").mkdir()
    Path("studies/small.csv").write_text(small_table(), encoding="utf-8")
    Path("studies/small.toml").write_text(SMALL_STUDY, encoding="utf-8")
    return tuner.search("small", trials=1, name="n")


def in_csv() -> tuner.Study:
    """A data file, whose definition gets another name."""
    Path("my.csv").write_text(small_table(), encoding="utf-8")
    return tuner.search("my.csv", target="kind", trials=1, name="n")


def in_memory() -> tuner.Study:
    """A data frame."""
    return tuner.search(pd.read_csv(io.StringIO(small_table())), target="kind", trials=1, name="n")


@pytest.mark.parametrize("searched", [in_toml, in_csv, in_memory])
def test_a_study_under_another_name_is_used(
    searched: Callable[[], tuner.Study], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It trains and reports from its own name, database and data, whatever was typed and wherever the process goes."""
    study = searched()
    (workplace / "elsewhere").mkdir()
    monkeypatch.chdir(workplace / "elsewhere")
    assert study.name == study.report().record.name == "n"
    assert study.train().classes_.tolist() == ["a", "b", "c"]
    assert len(study.learning_curve(seeds=1, sizes=2).points) == 2
    assert list(Path().iterdir()) == []


def test_a_study_under_another_name_follows_its_file(small_study: Path) -> None:
    """What may change in the definition file counts for it, and what may not is said to have changed."""
    study = tuner.search("small", trials=1, name="n")
    small_study.write_text(SMALL_STUDY + "[diagnosis]\nbaseline_error = 0.1\n", encoding="utf-8")
    assert study.report().summary["errors"]["baseline"] == {"value": 0.1, "given": True}
    small_study.write_text(SMALL_STUDY.replace("[4]", "[5]"), encoding="utf-8")
    assert study.report().record.changes_since_search == ("network.hidden: [4] -> [5]",)


def test_rows_in_memory_begin_with_another_study(workplace: Path) -> None:
    """``from_study`` is as good for them as for a file, and one that is not there is refused."""
    frame = pd.read_csv(io.StringIO(small_table()))
    tuner.search(frame, target="kind", trials=2, name="old")
    new = tuner.search(frame, target="kind", trials=2, name="new", from_study="old")
    repeated = ["lambda", "keep_prob", "alpha", "beta"]
    assert set(new.trials()["alpha"]) == set(tuner.load_study("old").trials()["alpha"])
    assert len(new.trials()[repeated].drop_duplicates()) == 2
    with pytest.raises(UsageError, match="no study 'nowhere'"):
        tuner.search(frame, target="kind", trials=1, name="newer", from_study="nowhere")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"trials": 0}, "trials: expected an integer ≥ 1, got 0"),
        ({"trials": 2.5}, "trials: expected an integer ≥ 1, got 2.5"),
        ({"total": 0}, "total: expected an integer ≥ 1, got 0"),
        ({"trials": 1, "total": 2}, "trials and total are mutually exclusive, got 1 and 2"),
        ({"workers": 0}, "workers: expected an integer ≥ 1 and ≤ 1000, got 0"),
        ({"timeout": -1}, "timeout: expected a number > 0, got -1"),
        ({"timeout": "5h"}, "timeout: expected a number > 0, got '5h'"),
    ],
)
def test_what_no_search_can_do_is_refused(small_study: Path, arguments: dict[str, Any], expected: str) -> None:
    """Before anything is written, with the argument, its value and what was expected."""
    with pytest.raises(ArgumentError) as refused:
        tuner.search("small", **arguments)
    assert str(refused.value) == expected
    assert not (small_study.parent / "tuner.db").exists()


def test_arrays_are_searched(workplace: Path) -> None:
    """X of shape (n, n_features) with n classes, under a name of one's own."""
    frame = pd.read_csv(io.StringIO(small_table()))
    study = tuner.search(frame[["width", "height"]].to_numpy(), target=frame["kind"].to_numpy(), trials=1, name="mine")
    assert study.name == "mine"
    assert len(study.trials()) == 1


def test_rows_without_a_target_are_refused(workplace: Path) -> None:
    """What is to be predicted must be said."""
    with pytest.raises(ArgumentError, match="target"):
        tuner.search(pd.read_csv(io.StringIO(small_table())))


def test_anyones_predictions_are_diagnosed(workplace: Path) -> None:
    """A classifier that knows its training rows and guesses on dev has high variance."""
    y = ["yes", "no"] * 500
    found = tuner.diagnose(y, y, y, ["yes"] * 1000, baseline=0.05)
    assert found.verdict == "high_variance"
    assert found.variance.value == 0.5
    assert found.avoidable_bias.level == "low"


def test_a_study_is_evaluated(small_study: Path) -> None:
    """Its best trial on the sets that the model may use; the test set only if asked, and recorded."""
    study = tuner.search("small")
    found = study.evaluate()
    assert list(found) == ["train", "dev"]
    assert found["dev"].error.value == study.best.dev_error
    opened = study.evaluate(study.train(), test=True)["test"]
    assert opened.error.n == study.report().record.sizes["test"]
    assert study.report().summary["errors"]["test"]["value"] == opened.error.value


def test_rows_in_memory_are_evaluated_again(workplace: Path) -> None:
    """After the study was loaded with its rows."""
    frame = pd.read_csv(io.StringIO(small_table()))
    tuner.search(frame, target="kind", trials=1, name="mine")
    found = tuner.load_study("mine", data=frame).evaluate(test=True)
    assert found["dev"].error.n == 120
    assert found["test"].error.n == 30


def test_a_figure_is_drawn(small_study: Path) -> None:
    """As the page has it, styled, in a notebook or a file."""
    study = tuner.search("small")
    drawn = study.figure("scatter")
    assert "<svg" in drawn._repr_html_()
    assert "<style>" in drawn._repr_html_()
    assert drawn.write("scatter.html").read_text("utf-8").startswith("<!doctype html>")
    with pytest.raises(ArgumentError, match="did you mean 'scatter'"):
        study.figure("scater")
    with pytest.raises(UsageError, match="nothing to draw there yet"):
        study.figure("learning")


def test_a_study_without_a_complete_trial_has_no_best(workplace: Path) -> None:
    """The error says what to do."""
    study = tuner.search(pd.read_csv(io.StringIO(small_table())), target="kind", timeout=1e-6)
    with pytest.raises(UsageError, match="no trial is complete"):
        _ = study.best


ZEROS_AND_ONES = [0, 1] * 200


@pytest.mark.parametrize(
    "labels",
    [
        list(map(str, ZEROS_AND_ONES)),
        list(map(float, ZEROS_AND_ONES)),
        [f"{label}.0" for label in ZEROS_AND_ONES],
        list(map(bool, ZEROS_AND_ONES)),
        np.array(ZEROS_AND_ONES, dtype=object),
        pd.Series(ZEROS_AND_ONES, dtype="Int64"),
        pd.Series(ZEROS_AND_ONES, dtype="category"),
        np.array(list(map(str, ZEROS_AND_ONES)), dtype="S"),
    ],
    ids=range(8),
)
def test_labels_of_other_types_are_the_same_classes(labels: Any) -> None:
    """Predictions read from a CSV file are no errors because 1 is not "1", whatever of the two is of other types."""
    for given in ((ZEROS_AND_ONES, labels), (labels, ZEROS_AND_ONES)):
        found = tuner.diagnose(*given, *given, baseline=0.0)
        assert (found.verdict, found.errors["dev"].value) == ("low_bias_and_variance", 0)
        assert found.references["majority"] == 0.5


@pytest.mark.parametrize("others", [["no", "yes"] * 200, [10, 11] * 200])
def test_labels_of_other_classes_are_refused(others: list[Any]) -> None:
    """Codes against names are not an error of 100%; a classifier that is always wrong is."""
    with pytest.raises(ArgumentError, match=r"predicted_dev: expected classes of y, .*, got only others, .*"):
        tuner.diagnose(ZEROS_AND_ONES, ZEROS_AND_ONES, ZEROS_AND_ONES, others)
    with pytest.raises(ArgumentError, match=r"y_dev: expected classes of y_train, .*, got only others, .*"):
        tuner.diagnose(others, others, ZEROS_AND_ONES, ZEROS_AND_ONES)
    wrong = [1 - label for label in ZEROS_AND_ONES]
    assert tuner.diagnose(ZEROS_AND_ONES, ZEROS_AND_ONES, ZEROS_AND_ONES, wrong).variance.value == 1
    with pytest.raises(ArgumentError, match="predicted_dev must be class labels or numbers, got None at 0"):
        tuner.diagnose(ZEROS_AND_ONES, ZEROS_AND_ONES, ZEROS_AND_ONES, [None, *ZEROS_AND_ONES[1:]])
