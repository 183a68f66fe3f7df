"""``tuner report``, ``studies`` and ``trials`` on a searched study."""

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import typer
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from typer.testing import CliRunner

from tests.conftest import Run
from tests.running.conftest import rows, states
from tuner.cli.app import app
from tuner.reporting import building


def test_report_writes_its_files_and_prints_the_verdict(small_study: Path, here: Run) -> None:
    """Five files in reports/small, and the table and verdict in the terminal."""
    here("search", "small")
    result = here("report", "small")
    assert result.returncode == 0, result.stderr
    folder = Path("reports/small")
    assert sorted(path.name for path in folder.iterdir()) == [
        "epochs.csv",
        "report.html",
        "report.md",
        "summary.json",
        "trials.csv",
    ]
    assert "avoidable bias" in result.stdout
    assert "variance" in result.stdout
    printed = json.loads(here("report", "small", "--json").stdout)
    assert printed == json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_trials_of_plain_optuna_are_shown_as_unrecorded(small_study: Path, here: Run) -> None:
    """Their number is the same in every list, and none of them is the best."""
    here("search", "small")
    other = optuna.load_study(study_name="small", storage=f"sqlite:///{small_study.parent / 'tuner.db'}")
    other.optimize(lambda trial: 1e-9 * trial.suggest_float("alpha", 0.01, 1.0, log=True), n_trials=2)
    report, trials = (json.loads(here(command, "small", "--json").stdout) for command in ("report", "trials"))
    (line,) = json.loads(here("studies", "--json").stdout)["studies"]
    assert report["trials"]["unrecorded"] == trials["unrecorded"] == line["unrecorded"] == 2
    assert line["best"] == report["best"]["dev_error"]
    for command in (("report", "small"), ("trials", "small")):
        assert "2 trials of another program" in " ".join(here(*command).stdout.split())
    assert "unrecorded: 2 trials of another program" in here("studies").stdout
    assert here("train", "small").returncode == 0


def test_a_study_of_plain_optuna_is_imported_and_listed(small_study: Path, here: Run) -> None:
    """What is skipped is said; lists show it apart, and a report of it is refused in one line."""
    theirs = optuna.create_study(study_name="their study", storage=JournalStorage(JournalFileBackend("journal.log")))
    theirs.optimize(lambda trial: trial.suggest_float("lr", 0.01, 1.0), n_trials=2)
    theirs.ask()
    assert "Name it with --name" in here("import", "journal.log").stderr
    done = here("import", "journal.log", "--study", "their study", "--name", "theirs", "--rename", "lr=alpha")
    assert done.returncode == 0, done.stderr
    assert "2 trials of plain Optuna\nskipped: 1 trial: not finished\nparameters: alpha\n" in done.stdout
    assert "theirs  of plain Optuna: 2 trials to begin with (--from)" in here("studies").stdout
    refused = here("report", "theirs")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "it has no errors, study file or data" in refused.stderr
    assert here("delete", "theirs", "--yes").returncode == 0
    assert json.loads(here("studies", "--json").stdout)["studies"] == []


def test_colors_follow_force_color_and_no_color(small_study: Path, here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe there are no colors unless FORCE_COLOR is set, and NO_COLOR overrides that."""
    here("search", "small", "--trials", 1, "--quiet")
    monkeypatch.setenv("TERM", "xterm")
    colored = []
    for variables in ((), ("FORCE_COLOR",), ("FORCE_COLOR", "NO_COLOR")):
        with monkeypatch.context() as patched:
            for name in ("FORCE_COLOR", "NO_COLOR"):
                patched.delenv(name, raising=False)
            for name in variables:
                patched.setenv(name, "1")
            colored.append("\x1b[36m" in here("report", "small").stdout)
    assert colored == [False, True, False]


def test_baseline_and_material_gap_change_the_verdict_at_once(small_study: Path, here: Run) -> None:
    """The same trials, compared with another threshold."""
    here("search", "small")
    strict = json.loads(here("report", "small", "--json", "--material-gap", "0.001").stdout)
    lax = json.loads(here("report", "small", "--json", "--material-gap", "0.9", "--baseline", "0.05").stdout)
    assert strict["errors"]["baseline"] == {"value": 0.0, "given": False}
    assert lax["errors"]["baseline"] == {"value": 0.05, "given": True}
    assert lax["verdict"] == "low_bias_and_variance"
    assert strict["verdict"] != lax["verdict"]


@pytest.mark.parametrize("text", ["5%", f"5 {'%'}", "0.05"])
def test_an_error_may_be_given_in_percent(text: str, small_study: Path, here: Run) -> None:
    """``5%`` is 0.05, for a baseline and for the error that fails a job."""
    here("search", "small", "--trials", 1, "--quiet")
    shown = here("report", "small", "--json", "--baseline", text, "--fail-above", text)
    assert json.loads(shown.stdout)["errors"]["baseline"] == {"value": 0.05, "given": True}
    assert shown.returncode == 4
    assert "above --fail-above 5.0%" in shown.stderr


@pytest.mark.parametrize("option", ["--baseline", "--fail-above", "--material-gap"])
@pytest.mark.parametrize("text", ["101%", "-1%", "nan", "five", "%", ""])
def test_an_error_that_is_no_share_is_refused(option: str, text: str, here: Run) -> None:
    """Most often 5 is meant as percent: the message shows both ways to write it."""
    result = here("report", "small", option, text)
    assert result.returncode == 2
    assert f"'{option}': expected a share between 0 and 1, like 0.05 or 5%, got {text!r}" in result.stderr


def test_an_error_above_1_is_refused_for_classes(small_study: Path, here: Run) -> None:
    """Only an error in the unit of a number to predict may be."""
    here("search", "small", "--trials", 1, "--quiet")
    result = here("report", "small", "--baseline", 5)
    assert result.returncode == 2
    assert "--baseline: expected a share between 0 and 1, like 0.05 or 5%, got '5'" in result.stderr


def test_a_study_is_not_compared_with_itself(small_study: Path, here: Run) -> None:
    """The same study twice, under whatever name it is found, is a mistake, and nothing is written."""
    here("search", "small", "--trials", 1, "--quiet")
    result = here("report", "small", "studies/small.toml")
    assert (result.returncode, result.stdout) == (2, "")
    assert "a comparison needs different studies, got 'small' twice" in result.stderr
    assert not Path("reports").exists()


@pytest.mark.parametrize("arguments", [("studies",), ("search", "small"), ("report", "small"), ("trials", "small")])
def test_a_reader_that_has_seen_enough_is_no_failure(arguments: tuple[str, ...], small_study: Path, here: Run) -> None:
    """Output into a pipe that nobody reads: exit status 0, and not a word of it."""
    here("search", "small", "--trials", 1, "--quiet")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "tuner", *arguments]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")


def test_trials_that_have_not_run_yet_are_listed(small_study: Path, here: Run) -> None:
    """A waiting trial has no errors, epochs or time: a dash stands for each."""
    here("search", "small", "--trials", 1, "--quiet")
    here("enqueue", "small", "alpha=0.1")
    shown = here("trials", "small")
    assert shown.returncode == 0, shown.stderr
    waiting = shown.stdout.splitlines()[-1].split()
    assert waiting[:5] == ["1", "waiting", "–", "–", "–"]


def test_studies_lists_what_the_database_holds(small_study: Path, here: Run) -> None:
    """One line per study; a database that is not there holds none and is not made."""
    assert "no studies" in here("studies").stdout
    assert not (small_study.parent / "tuner.db").exists()
    here("search", "small")
    listed = json.loads(here("studies", "--json").stdout)["studies"]
    assert [(line["name"], line["budget"], line["complete"] + line["pruned"]) for line in listed] == [("small", 4, 4)]
    assert "small" in here("studies").stdout


def test_a_named_database_that_is_not_there_is_a_mistake(workplace: Path, here: Run) -> None:
    """An empty folder has no studies yet; a file that was named and is missing is refused."""
    assert "start with: tuner search" in here("studies").stdout
    result = here("studies", "--storage", "sqlite:///missing/folder/x.db")
    assert (result.returncode, result.stdout) == (2, "")
    assert "missing/folder/x.db: no such database" in result.stderr
    assert not (workplace / "missing").exists()


def test_trials_are_the_rows_of_trials_csv(small_study: Path, here: Run) -> None:
    """``--csv`` prints the columns of the report's trials.csv."""
    here("search", "small")
    here("report", "small")
    printed = here("trials", "small", "--csv").stdout
    assert printed == Path("reports/small/trials.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3"]
    assert "initializer" in here("trials", "small").stdout


def test_trials_are_picked_by_conditions_and_a_number(small_study: Path, here: Run) -> None:
    """All conditions hold; a limit counts what is shown; how many there are in all is said."""
    here("search", "small")

    def numbers(*options: object) -> list[int]:
        return [trial["number"] for trial in json.loads(here("trials", "small", "--json", *options).stdout)["trials"]]

    assert numbers("--limit", 2) == [0, 1]
    assert numbers("--where", "number >= 1", "--where", "number<300%") == [1, 2]
    assert numbers("--where", "state = pruned") + numbers("--where", "state!=pruned", "--limit", 1) == [0]
    assert here("trials", "small", "--where", "number=3").stdout.splitlines()[-1] == "shown: 1 of 4 trials"
    for condition, part in {
        "alpha": "expected a column, one of <= >= != < > =, and a value",
        "alhpa < 1": "no column 'alhpa'",
        "state < pruned": "< compares numbers, got 'pruned'",
    }.items():
        refused = here("trials", "small", "--where", condition)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert f"--where '{condition}': " in refused.stderr
        assert part in refused.stderr


def test_a_study_is_found_by_name_from_the_database_alone(small_study: Path, here: Run) -> None:
    """Where its definition file is gone, the database still knows the study."""
    here("search", "small")
    small_study.unlink()
    assert here("report", "small").returncode == 0
    assert here("search", "small", "--trials", 1).returncode == 0


def test_a_toml_path_uses_the_database_beside_it(small_study: Path, here: Run) -> None:
    """``tuner search elsewhere/small.toml`` keeps its trials in elsewhere/tuner.db."""
    elsewhere = Path("elsewhere")
    small_study.parent.rename(elsewhere)
    assert here("search", "elsewhere/small.toml").returncode == 0
    assert (elsewhere / "tuner.db").exists()
    assert not Path("studies").exists()
    assert here("report", "elsewhere/small.toml").returncode == 0


def test_an_edited_diagnosis_takes_effect_at_once(small_study: Path, here: Run) -> None:
    """[diagnosis] is no part of the study's identity: the report follows the file, without a new search."""
    here("search", "small")
    with small_study.open("a", encoding="utf-8") as file:
        file.write("\n[diagnosis]\nbaseline_error = 0.07\n")
    found = json.loads(here("report", "small", "--json").stdout)
    assert found["errors"]["baseline"] == {"value": 0.07, "given": True}


def test_two_studies_stand_side_by_side(small_study: Path, here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """``tuner report A B`` compares, paired where the dev rows are the same; each report is built once."""
    here("search", "small")
    here("search", "small", "--name", "other", "--trials", 2)
    find, built = building.find, []
    monkeypatch.setattr(building, "find", lambda record, *rest: built.append(record.name) or find(record, *rest))
    result = here("report", "small", "other")
    assert result.returncode == 0, result.stderr
    assert built == ["small", "other"]
    assert Path("reports/small-vs-other/report.html").is_file()
    found = json.loads(here("report", "small", "other", "--json").stdout)
    assert [study["study"] for study in found["studies"]] == ["small", "other"]


def test_since_says_what_is_new(small_study: Path, here: Run) -> None:
    """``--since 24h`` is for nightly jobs; a time that is none is refused."""
    here("search", "small")
    assert "since" in json.loads(here("report", "small", "--since", "24h", "--json").stdout)
    assert here("report", "small", "--since", "yesterday").returncode == 2


def test_open_opens_the_page(small_study: Path, here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """``tuner report --open`` hands the page that it wrote to the browser."""
    here("search", "small", "--trials", 1, "--quiet")
    opened: list[str] = []
    monkeypatch.setattr(typer, "launch", opened.append)
    result = CliRunner().invoke(app, ["report", "small", "--open"])
    assert result.exit_code == 0, result.output
    assert opened == [str(Path("reports/small/report.html"))]
    assert Path(opened[0]).exists()


ASKS = """
import os, signal, sys, optuna
trial = optuna.load_study(study_name="small", storage=sys.argv[1]).ask()
trial.suggest_float("alpha", 0.01, 1.0, log=True)
trial.suggest_int("theirs", 1, 9)
trial.set_user_attr("whose", "theirs")
os.kill(os.getpid(), signal.SIGKILL)
"""


def set_row(file: Path, statement: str) -> None:
    """Change a database by hand."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


def test_a_trial_that_a_killed_optuna_left_running_is_named_and_taken_over(small_study: Path, here: Run) -> None:
    """It is neither counted nor waited for; after trial_timeout it has ended, and its parameters are run again."""
    here("search", "small", "--trials", 1)
    file = small_study.parent / "tuner.db"
    died = subprocess.run([sys.executable, "-c", ASKS, f"sqlite:///{file}"], check=False)
    assert died.returncode == -signal.SIGKILL
    set_row(file, "UPDATE trials SET datetime_start = datetime(datetime_start, '-3 hours') WHERE number = 1")
    named = "run by another program: trial 1 for 3 h; a worker takes over after"
    for command in (["report", "small"], ["watch", "small"], ["studies"], ["trials", "small"]):
        assert named in " ".join(here(*command).stdout.lower().split()), command
    assert json.loads(here("studies", "--json").stdout)["studies"][0]["unclaimed"][0]["number"] == 1
    here("search", "small", "--total", 1)
    assert states(file) == [(0, "COMPLETE"), (1, "RUNNING")]  # a day is not over
    small_study.write_text(small_study.read_text(encoding="utf-8") + "trial_timeout = 3600\n", encoding="utf-8")
    assert here("search", "small", "--trials", 2).returncode == 0
    assert states(file) == [(0, "COMPLETE"), (1, "FAIL"), (2, "COMPLETE"), (3, "COMPLETE")]
    alpha = "SELECT param_value FROM trial_params JOIN trials USING (trial_id) WHERE param_name = 'alpha' AND number ="
    assert rows(file, f"{alpha} 1") == rows(file, f"{alpha} 2")
    (line,) = json.loads(here("studies", "--json").stdout)["studies"]
    assert (line["complete"], line["running"], line["unrecorded"], line["unclaimed"]) == (3, 0, 1, [])
    assert named not in here("studies").stdout


def test_a_trial_with_a_heartbeat_is_left_to_optuna(small_study: Path, here: Run) -> None:
    """Plain Optuna itself ends such a trial once its heartbeat stops."""
    here("search", "small", "--trials", 1)
    file = small_study.parent / "tuner.db"
    other = optuna.load_study(study_name="small", storage=f"sqlite:///{file}")
    asked = other.ask()
    set_row(file, "UPDATE trials SET datetime_start = '2020-01-01 00:00:00' WHERE number = 1")
    set_row(
        file, f"INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES ({asked._trial_id}, '2020-01-01 00:00:00')"
    )
    here("search", "small", "--trials", 1)
    assert states(file) == [(0, "COMPLETE"), (1, "RUNNING"), (2, "COMPLETE")]
