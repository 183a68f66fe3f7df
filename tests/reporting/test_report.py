"""The report's numbers and files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reporting.building import make_evaluation, make_study
from tuner.errors import UsageError
from tuner.outcomes import TrialState
from tuner.reporting import build_report, trials_frame
from tuner.reporting.competition import dev_losses
from tuner.reporting.markdown import markdown
from tuner.reporting.page import page
from tuner.storage import StudyRecord

TRIAL_COLUMNS = [
    *("number", "state", "stop_reason", "lambda", "keep_prob", "alpha", "beta", "batch_size", "initializer", "hidden"),
    *("activation", "value", "train_error", "dev_error", "train_cost", "dev_cost", "avoidable_bias", "variance"),
    *("best_epoch", "epochs", "seed", "seconds", "reason"),
]


def test_the_trials_have_the_house_plans_columns() -> None:
    """Every hyperparameter of the study stands between what ended a trial and its value."""
    report = build_report(make_study())
    assert list(report.trials.columns) == TRIAL_COLUMNS
    assert len(report.trials) == 24


def test_a_report_is_shown_in_a_line() -> None:
    """Printed by accident, it does not pour out every epoch."""
    report = build_report(make_study(name="made"))
    assert repr(report) == f"Report(study='made', verdict='{report.verdict}')"


def test_the_epochs_have_the_house_plans_columns() -> None:
    """One row per epoch that was run, pruned trials included."""
    record = make_study()
    epochs = build_report(record).epochs
    assert list(epochs.columns) == ["number", "epoch", "train_cost", "train_error", "dev_cost", "dev_error", "seconds"]
    assert len(epochs) == sum(trial.epochs or 0 for trial in record.trials)


def test_the_curves_of_folds_count_their_rows_by_weight() -> None:
    """A fold with half of the weight counts for half of the dev curve, whatever its rows."""
    record = make_study(2, n_train=100, folds=4)
    weights = np.repeat([2.0, 2 / 3], [25, 75])
    found = build_report(dataclasses.replace(record, dev_weights=weights)).epochs
    curves = [network.curve["dev_error"] for network in record.trials[0].networks]
    expected = np.average(curves, axis=0, weights=[3, 1, 1, 1])
    assert found["dev_error"][: len(expected)].to_numpy() == pytest.approx(expected)


def test_bias_and_variance_of_a_trial_are_differences_of_its_errors() -> None:
    """Avoidable bias counts from the baseline in force, variance is dev less train."""
    row = build_report(make_study(), baseline=0.005).trials.iloc[3]
    assert row["avoidable_bias"] == pytest.approx(row["train_error"] - 0.005)
    assert row["variance"] == pytest.approx(row["dev_error"] - row["train_error"])


def test_with_a_train_dev_set_the_variance_stops_there() -> None:
    """Train-dev comes from the training distribution: what lies between it and dev is mismatch."""
    report = build_report(make_study(n_train_dev=300))
    network = report.record.trials[3].networks[0]
    assert network.n_train_dev is not None
    assert network.train_dev_wrong is not None
    expected = network.train_dev_wrong / network.n_train_dev - network.train_wrong / network.n_train
    assert report.trials["variance"][3] == pytest.approx(expected)
    assert "data_mismatch" in report.summary["gaps"]
    assert report.diagnosis.best_known == report.diagnosis.errors["train_dev"]  # dev rows may be easier


def test_folds_are_counted_together() -> None:
    """With folds every row outside the test set is a dev row once, and its errors add up."""
    report = build_report(make_study(folds=5))
    best = report.best
    assert best is not None
    dev = report.summary["errors"]["dev"]
    assert dev["n"] == 1000
    assert dev["value"] == pytest.approx(sum(network.dev_wrong for network in best.networks) / 1000)


@pytest.mark.parametrize(
    ("options", "whose"),
    [
        ({"folds": 5}, "of the networks of the folds, each on rows it did not see."),
        ({"seeds": 3}, "of the networks of the seeds, on average."),
        ({}, None),
    ],
)
def test_the_report_says_whose_the_dev_error_is(options: dict[str, int], whose: str | None) -> None:
    """Of several networks, not of the ensemble that is saved as the model; a single network needs no such note."""
    notes = [note for note in build_report(make_study(**options)).notes if "Their ensemble" in note]
    assert len(notes) == (whose is not None)
    for note in notes:
        assert whose is not None
        assert whose in note
        assert "Their ensemble, which tuner train saves as the model, is usually somewhat better." in note
        assert "The test error is that of the evaluated model" not in note


def test_the_report_says_that_the_test_error_is_of_the_evaluated_model() -> None:
    """Test − dev of an ensemble is not overfitting alone: averaging lowers the test error."""
    record = make_study(folds=5)
    assert record.best is not None
    record.test_evaluations.append(make_evaluation(record.best.number))
    (note,) = [note for note in build_report(record).notes if "Their ensemble" in note]
    assert "overfitting to dev (test − dev) is larger than shown, by what averaging gains" in note


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (
            {},
            "of the tied trials is taken. What another split or another seed would change is unknown",
        ),
        ({"folds": 5}, "pp from the training rows and the seed (5 networks of the folds) and "),
        ({"seeds": 3}, "pp from the seed (3 networks) and "),
    ],
)
def test_the_report_names_the_parts_of_the_uncertainty(kind: dict[str, int], says: str) -> None:
    """As far as the trial's networks show them."""
    report = build_report(make_study(**kind))  # type: ignore[arg-type]
    (note,) = [note for note in report.notes if note.startswith("Standard deviations")]
    assert says in note
    assert report.uncertainty is not None
    assert (report.uncertainty.training is None) == (not kind)


def test_the_summary_has_the_house_plans_keys() -> None:
    """What programs rely on, in its order; it survives JSON."""
    summary = build_report(make_study()).summary
    assert list(summary) == [
        *("study", "trials", "failures", "best", "errors", "gaps", "verdict", "undecided", "larger_gap", "actions"),
        *("ensemble_of_trials", "material_gap", "metric"),
    ]
    assert summary["trials"] == {"complete": 22, "pruned": 2, "failed": 0, "diverged": 0}
    assert list(summary["best"]) == ["number", "dev_error", "train_error", "params", "predictions"]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_baseline_and_material_gap_overrule_the_definition() -> None:
    """``tuner report --baseline --material-gap`` decides at once, without a new search."""
    record = make_study(bias=0.1, variance=0.001, n_train=5000, n_dev=5000, diagnosis="baseline_error = 0.1")
    assert build_report(record).avoidable_bias.level == "low"
    assert build_report(record, baseline=0.02).avoidable_bias.level == "high"
    assert build_report(record, baseline=0.02, material_gap=0.5).avoidable_bias.level == "low"


def test_all_files_are_written(tmp_path: Path) -> None:
    """Page, Markdown, two tables and the summary; nothing temporary stays."""
    folder = build_report(make_study()).write(tmp_path)
    assert folder == tmp_path / "made"
    names = {path.name for path in folder.iterdir()}
    assert names == {"report.html", "report.md", "trials.csv", "epochs.csv", "summary.json"}


@pytest.mark.parametrize("n_trials", [0, 1])
def test_a_study_that_has_hardly_begun(n_trials: int, tmp_path: Path) -> None:
    """Without a complete trial there is nothing to diagnose, and that is said."""
    report = build_report(make_study(n_trials))
    report.write(tmp_path)
    assert (report.best is None) == (n_trials == 0)
    assert (("No complete trial" in report.text()) == (n_trials == 0)) is True


def test_all_trials_diverged(tmp_path: Path) -> None:
    """A study without a single usable network still has its pages."""
    record = make_study(5)
    record.trials[:] = [dataclasses.replace(trial, stop_reason="diverged", value=1.0) for trial in record.trials]
    report = build_report(record)
    report.write(tmp_path)
    assert report.verdict == "undecided"
    assert report.summary["best"] is None
    assert report.summary["trials"]["diverged"] == 5


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "reports").write_text("no folder")
    with pytest.raises(UsageError, match="cannot be written"):
        build_report(make_study(3)).write(tmp_path / "reports")


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    """The same files, whole, with nothing left over."""
    build_report(make_study(3)).write(tmp_path)
    folder = build_report(make_study(12)).write(tmp_path)
    assert json.loads((folder / "summary.json").read_text())["trials"]["complete"] == 12
    assert len(list(folder.iterdir())) == 5


def test_the_files_hold_what_the_frames_hold(tmp_path: Path) -> None:
    """Written without pandas, read with it."""
    report = build_report(make_study(24, folds=3), baseline=0.01)
    folder = report.write(tmp_path)
    trials, epochs = (pd.read_csv(folder / name) for name in ("trials.csv", "epochs.csv"))
    pd.testing.assert_frame_equal(trials, report.trials, check_dtype=False)
    pd.testing.assert_frame_equal(epochs, report.epochs, check_dtype=False, rtol=1e-8)


def test_trials_count_their_bias_from_the_definitions_baseline() -> None:
    """``tuner trials --csv`` says what the report says."""
    record = make_study(3, diagnosis="baseline_error = { wrong = 1, of = 100 }")
    pd.testing.assert_frame_equal(trials_frame(record), build_report(record).trials)
    plain = make_study(3)
    assert (trials_frame(plain)["avoidable_bias"] == trials_frame(plain)["train_error"]).all()


def test_a_trial_that_runs_has_a_row_with_gaps() -> None:
    """Waiting and running trials are rows, too; what is not known is empty."""
    record = make_study(3)
    record.trials[1] = dataclasses.replace(
        record.trials[1], state="running", value=None, networks=[], stop_reason=None, best_epoch=None, epochs=None
    )
    report = build_report(record)
    assert report.trials["dev_error"].isna().tolist() == [False, True, False]
    assert len(report.epochs) == 24


def test_a_leak_is_read_before_any_number_is_believed() -> None:
    """What the data checks warn of is among the first lines everywhere, and first of what to do next."""
    text = "column 'ended' predicts the target almost perfectly by itself; would it be known in time?"
    found = [
        {"kind": "leakage", "severity": "warning", "text": text},
        {"kind": "imbalance", "severity": "warning", "text": "unbalanced classes"},
        {"kind": "not_compared", "severity": "note", "text": "train and dev are not compared"},
    ]
    report = build_report(make_study(facts={"honesty": found}))
    assert report.warnings == [f"Data checks warn: {text}"]
    assert report.actions[0].command == "tuner data made"
    terminal = " ".join(report.text().split())
    faces = (terminal, markdown(report), page(report), report._repr_html_())
    for shown, actions in zip(
        faces, ("Next steps", "## Next steps", "<h2>Next steps", '<ol class="actions">'), strict=True
    ):
        assert 0 < shown.index("warn: ") < shown.index(actions)


def with_failures(record: StudyRecord, *reasons: str | None) -> StudyRecord:
    """The first trials failed, for these reasons."""
    failed = [
        dataclasses.replace(trial, state=TrialState.FAILED, value=None, networks=[], reason=reason)
        for trial, reason in zip(record.trials, reasons, strict=False)
    ]
    return dataclasses.replace(record, trials=[*failed, *record.trials[len(failed) :]])


def test_failures_are_counted_by_reason_in_every_form() -> None:
    """Reasons that differ in numbers are one; the most frequent one comes first."""
    reasons = ("crashed: it was ended by SIGSEGV", "out of memory: 3.1 GB", "out of memory: 20 GB", None)
    report = build_report(with_failures(make_study(), *reasons))
    groups = [(group.reason, group.trials) for group in report.failures]
    assert groups == [
        ("out of memory: 20 GB", (1, 2)),
        ("crashed: it was ended by SIGSEGV", (0,)),
        ("no reason was recorded", (3,)),
    ]
    assert report.summary["failures"][0] == {"reason": "out of memory: 20 GB", "trials": [1, 2]}
    said = "4 of 24 trials failed: 2 × out of memory: 20 GB; 1 × crashed: it was ended by SIGSEGV; 1 × no reason was"
    for shown in (report.text(), markdown(report), page(report), report._repr_html_()):
        assert said in " ".join(shown.split())
    assert report.trials["reason"].tolist()[:3] == list(reasons[:3])
    assert report.trials["reason"].isna().sum() == 24 - 3
    assert "failed" not in report.sentences[0]


def test_the_verdict_says_that_half_of_the_trials_failed() -> None:
    """Nobody is told that all is well without it."""
    report = build_report(with_failures(make_study(), *["out of memory"] * 12))
    assert report.sentences[0].endswith("But 12 of 24 trials failed, which this says nothing about.")
    assert report.sentences[0] in " ".join(report.text().split())[-400:]


def test_rows_in_memory_leave_only_the_report_to_be_typed() -> None:
    """No other command finds data that only the process had."""
    record = make_study(30, bias=0.2, variance=0.01, n_train=4000, n_dev=3000)
    record = dataclasses.replace(record, definition=record.definition.replace('source = "made.csv"\n', ""))
    commands = {action.command for action in build_report(record, baseline=0.01).actions}
    assert commands == {""}


def test_simple_models_that_do_as_well_are_noted() -> None:
    """The majority class within the network's interval, gradient boosting below it; a missed class is named."""
    lines = {"majority": 0.05, "gradient_boosting": 0.001}
    record = make_study(30, facts={"references": lines})
    record.dev_y[:] = np.where(dev_losses(record, build_report(record).best), 1, 0)
    report = build_report(record)
    assert report.sentences[0].startswith(
        "Gradient boosting is clearly better than the network: a dev error of 0.10%, compared with "
    )
    assert report.actions[0].action == "compare_gradient_boosting"
    assert "Its error on class '1' is 100.0%" in next(a.why for a in report.actions if a.action == "beat_majority")
