"""Budget for others, hand-picked trials, copies, merges, deletions: as the command line offers them."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.running.conftest import Edit, command, finished, rows, search, states
from tuner.errors import StorageError, UsageError
from tuner.study import StudyDefinition
from tuner.workspace import StudyRequest
from tuner.workspace.administration import backup, delete, enqueue, merge, preview_deletion, submit
from tuner.workspace.points import check_point

SMALL = StudyRequest("small")


def test_submit_makes_the_study_and_raises_its_budget(edit: Edit) -> None:
    """Without ``trials`` the definition's own budget is open; each call with it adds as many."""
    database = edit()
    assert submit(SMALL, None).open_trials == 4
    assert submit(SMALL, 3).open_trials == 7
    assert submit(SMALL, 2).progress.budget == 9
    assert states(database) == []
    search()
    assert finished(database) == list(range(9))
    assert submit(SMALL, None).open_trials == 0


def test_a_picked_trial_runs_first_with_what_was_picked(edit: Edit) -> None:
    """Values are those people write; the rest is drawn."""
    database = edit()
    _, number = enqueue(SMALL, {"beta": 0.9, "batch_size": 32, "initializer": "xavier"})
    assert number == 0
    search(trials=1)
    (text,) = rows(database, "SELECT hyperparameters FROM tuner_trials")[0]
    found = json.loads(text)
    assert (found["beta"], found["batch_size"], found["initializer"]) == (0.9, 32, "xavier")
    assert 0.01 <= found["alpha"] <= 1


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"alhpa": 0.1}, ["'alhpa'", "did you mean 'alpha'?"]),
        ({"alpha": 2.0}, ["alpha = 2.0", "log_uniform = [0.01, 1.0]"]),
        ({"alpha": "much"}, ["alpha", "'much'"]),
        ({"batch_size": 24}, ["batch_size", "power of two", "24"]),
        ({"initializer": "lecun"}, ["initializer = lecun", "'he', 'xavier'"]),
        ({"activation": "tanh"}, ["activation is fixed at relu", "tanh"]),
    ],
)
def test_what_cannot_be_run_is_not_picked(edit: Edit, values: dict[str, object], parts: list[str]) -> None:
    """A name, a value or a range that does not fit is one line, and no trial waits."""
    database = edit()
    with pytest.raises(UsageError) as refused:
        enqueue(SMALL, values)
    for part in parts:
        assert part in str(refused.value)
    assert states(database) == []


def test_the_form_of_numbers_is_fixed_by_the_data() -> None:
    """That of [data], if it names one; otherwise it is standardize."""
    for chosen, form in (({"numeric": "periodic"}, "periodic"), ({}, "standardize")):
        data = {"source": "small.csv", "target": "y", **chosen}
        definition = StudyDefinition.model_validate({"name": "small", "data": data})
        check_point(definition, {"numeric": form})
        with pytest.raises(UsageError, match=f"numeric is fixed at {form} in small, got quantile"):
            check_point(definition, {"numeric": "quantile"})


def test_delete_removes_one_study(edit: Edit) -> None:
    """What would be lost is told first."""
    database = edit()
    search()
    submit(StudyRequest("small", name="other"), None)
    preview = preview_deletion("small", None)
    assert (preview.study, preview.counts.complete + preview.counts.pruned) == ("small", 4)
    delete("small", None)
    assert rows(database, "SELECT study_name FROM studies") == [("other",)]
    with pytest.raises(UsageError, match="no study 'small'"):
        preview_deletion("small", None)


def test_a_backup_is_a_new_file(edit: Edit, workplace: Path) -> None:
    """Never over one that is there; the copy can be searched on."""
    edit()
    search(trials=2)
    source, size = backup(Path("copy.db"), None)
    assert source == str(workplace / "studies" / "tuner.db")
    assert size == (workplace / "copy.db").stat().st_size
    with pytest.raises(UsageError, match=r"copy\.db: already exists"):
        backup(Path("copy.db"), None)
    with pytest.raises(UsageError, match="no such folder"):
        backup(Path("gone/copy.db"), None)
    search(storage="sqlite:///copy.db")
    assert sorted(path.name for path in workplace.glob("*copy*")) == ["copy.db"]
    assert finished(workplace / "copy.db") == [0, 1, 2, 3]


def test_merge_makes_the_database_it_merges_into(edit: Edit, workplace: Path) -> None:
    """``tuner merge other.db`` where nothing was searched yet; the other file stays as it was."""
    database = edit()
    search(storage="sqlite:///other.db")
    before = (workplace / "other.db").read_bytes()
    name, merged = merge("other.db", None)
    assert name == str(database)
    assert [(one.study, one.added) for one in merged] == [("small", 4)]
    assert (workplace / "other.db").read_bytes() == before
    assert search().run.complete == 0
    with pytest.raises(UsageError, match="is the target database itself"):
        merge("studies/tuner.db", None)


def test_a_merge_that_is_refused_changes_nothing(edit: Edit, workplace: Path) -> None:
    """The study of that name was made from another definition."""
    database = edit()
    search()
    edit({"[0.7, 1.0]": "[0.8, 1.0]"})
    search(storage="sqlite:///other.db")
    before = rows(database, "SELECT * FROM trials"), rows(database, "SELECT * FROM tuner_epochs")
    with pytest.raises(StorageError, match=r"space\.keep_prob"):
        merge("other.db", None)
    assert before == (rows(database, "SELECT * FROM trials"), rows(database, "SELECT * FROM tuner_epochs"))
    with pytest.raises(UsageError, match=r"gone\.db: no such file; expected a database of tuner"):
        merge("gone.db", None)


def test_what_is_not_a_database_is_not_merged(edit: Edit, workplace: Path) -> None:
    """Nor is anything made for it."""
    edit()
    with closing(sqlite3.connect("foreign.db")) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    with pytest.raises(StorageError, match="somebody else's database"):
        merge("foreign.db", None)
    assert not (workplace / "studies" / "tuner.db").exists()


def test_the_commands_say_what_they_did(edit: Edit) -> None:
    """submit, enqueue, worker, backup, merge and delete, as typed."""
    edit()
    assert (
        "5 of 5 trials are open (a budget of 4, raised by 1); `tuner worker` runs them"
        in command("submit", "small", "--trials", 1)[1]
    )
    assert json.loads(command("enqueue", "small", "alpha=0.5", "--json")[1])["number"] == 0
    assert "5 trials (small 5)" in command("worker")[1]
    assert "all 5 trials are done; --trials N adds N more" in command("submit", "small")[1]
    output = command("enqueue", "small", "initializer=he")[1]
    assert "trial 5 is next: initializer he. Run it with: tuner search small --trials 1" in output
    assert "copy.db" in command("backup", "copy.db")[1]
    assert "deleted: study small with 5 trials" in command("delete", "small", "--yes")[1]
    assert "small (new): 6 trials added" in command("merge", "copy.db")[1]
    assert "1 study" in command("studies")[1]


def test_history_is_pruned_once_somebody_agreed(edit: Edit) -> None:
    """--dry-run says what would go; without --yes somebody must be there to ask; --vacuum says what it gave back."""
    database = edit()
    search()
    everything = ("prune-history", "smal*", "--studies-older-than", "0s")
    assert command(*everything, "--dry-run")[1] == "would go: small: the whole study\n"
    status, _, errors = command(*everything)
    assert (status, errors.count("\n")) == (2, 1)
    assert "pass --yes" in errors
    assert "nothing to remove in" in command("prune-history", "--yes")[1]
    assert finished(database) == [0, 1, 2, 3]
    done = json.loads(command(*everything, "--yes", "--vacuum", "--json")[1])
    assert done["studies"] == [{"study": "small", "epochs": 0, "failed": 0, "whole": True}]
    assert done["freed"] >= 0
    assert rows(database, "SELECT count(*) FROM studies") == [(0,)]


def test_nothing_is_deleted_unasked(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can be asked, --yes is needed; who is asked and says no keeps the study."""
    database = edit()
    search()
    status, _, errors = command("delete", "small")
    assert (status, errors.count("\n")) == (2, 1)
    assert "study small with 4 trials" in errors
    assert "--yes" in errors
    monkeypatch.setattr(sys, "stdin", TerminalWithAnAnswer("n\n"))
    assert command("delete", "small")[0] == 130
    assert finished(database) == [0, 1, 2, 3]
    monkeypatch.setattr(sys, "stdin", TerminalWithAnAnswer("y\n"))
    assert command("delete", "small")[0] == 0
    assert rows(database, "SELECT count(*) FROM studies") == [(0,)]


class TerminalWithAnAnswer(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        """Somebody is there."""
        return True


@pytest.mark.parametrize("text", ["alpha", "=0.1", "alpha="])
def test_a_picked_value_has_a_name(edit: Edit, text: str) -> None:
    """What is no NAME=VALUE is one line."""
    edit()
    status, _, errors = command("enqueue", "small", text)
    assert status == 2
    assert f"expected NAME=VALUE like alpha=0.1, got {text!r}" in errors
