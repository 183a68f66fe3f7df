"""Reference models: what a tuned network must beat to be worth its trouble."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from tests.conftest import Run
from tests.running.conftest import Edit
from tuner import reference_models
from tuner.data import DataSettings, dataset_from_frame
from tuner.workspace import StudyRequest, load_study_data, read_record

THREADS_OF_A_FIT = """
import sys, threadpoolctl
from tuner import reference_models
from tuner.workspace import StudyRequest, load_study_data

found = set()

def look(frame, event, _):
    if event == "call" and frame.f_code.co_name == "fit" and "sklearn" in frame.f_code.co_filename:
        found.update(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "openmp")

source, dataset = load_study_data(StudyRequest("small"))
assert "sklearn" not in sys.modules
sys.setprofile(look)
reference_models.reference_errors(source.definition, dataset)
sys.setprofile(None)
print(sorted(found))
"""


def test_majority_is_the_most_frequent_class_of_the_training_rows() -> None:
    """With 60% of one class and one value everywhere, the line is 40%."""
    frame = pd.DataFrame({"x": [float(n % 7) for n in range(200)], "kind": ["a", "a", "a", "b", "b"] * 40})
    dataset = dataset_from_frame(frame, "kind", DataSettings())
    assert reference_models.majority(dataset) == pytest.approx(0.4)


def test_logistic_regression_separates_what_a_line_can(edit: Edit) -> None:
    """Three overlapping clouds around the corners of a triangle are a linear problem."""
    edit()
    source, dataset = load_study_data(StudyRequest("small"))
    error = reference_models.logistic_regression(source.definition, dataset)
    assert error < 0.4 < reference_models.majority(dataset)


def test_gradient_boosting_is_left_out_where_it_would_hold_up_the_search(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small data has the third line; beyond the limits there is none."""
    edit()
    source, dataset = load_study_data(StudyRequest("small"))
    assert "gradient_boosting" in reference_models.reference_errors(source.definition, dataset)
    monkeypatch.setattr(reference_models, "MOST_CELLS", 1.0)
    assert "gradient_boosting" not in reference_models.reference_errors(source.definition, dataset)


def test_gradient_boosting_keeps_to_one_thread(edit: Edit) -> None:
    """Also where nothing loaded scikit-learn before: its threads would wait for each other on a machine that works."""
    edit()
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", THREADS_OF_A_FIT], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "[1]\n"


@pytest.mark.slow
def test_a_new_study_keeps_its_lines_and_the_report_shows_them(edit: Edit, run: Run) -> None:
    """They are computed once, by whoever makes the study, and stand in the report."""
    edit()
    run("search", "small", "--trials", 1)
    kept = read_record("small").facts.references
    assert set(kept) == {"majority", "logistic_regression", "gradient_boosting"}
    assert "logistic regression" in run("report", "small").stdout
