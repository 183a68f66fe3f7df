"""``tuner pause``, ``resume``, ``cancel`` and ``workers``: what a person and a program read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running.conftest import Edit, command, edit, opened
from tuner.storage import Budget, Owner, claim_trial, open_database, sqlite_url
from tuner.storage.holds import user_and_host, user_name

__all__ = ["edit"]


def read(*arguments: object) -> Any:
    """The JSON that a command prints."""
    status, output, errors = command(*arguments, "--json")
    assert status == 0, errors
    return json.loads(output)


@pytest.fixture
def queue(edit: Edit) -> Path:
    """A database of three studies, of which churn-2 has a running trial."""
    path = edit()
    for name in ("churn-1", "churn-2", "digits"):
        opened(name=name).database.close()
    with open_database(sqlite_url(path), create=False) as database:
        claim_trial(database, 2, Budget("a"), max_attempts=3, owner=Owner.this_process())
    return path


def test_studies_are_paused_resumed_and_canceled_by_a_pattern(queue: Path) -> None:
    """Each is named; all who list studies read who did it."""
    assert command("pause", "churn-*")[1].splitlines() == [
        "paused: churn-1. To go on: tuner resume churn-1",
        "paused: churn-2. To go on: tuner resume churn-2",
    ]
    lines = command("studies")[1]
    assert lines.count(f"  paused by {user_and_host()} (") == 2
    assert f"\npaused by {user_and_host()} (" in command("watch", "churn-1")[1]
    (resumed,) = read("resume", "churn-1")["studies"]
    assert (resumed["study"], resumed["before"]["kind"], resumed["before"]["by"]) == (
        *("churn-1", "paused"),
        user_and_host(),
    )
    assert [each["ended"] for each in read("cancel", "churn-?")["studies"]] == [0, 1]
    held = {study["name"]: study["hold"] and study["hold"]["kind"] for study in read("studies")["studies"]}
    assert held == {"churn-1": "canceled", "churn-2": "canceled", "digits": None}
    assert read("trials", "churn-2")["trials"][0]["state"] == "failed"


def test_workers_and_priorities_are_shown(queue: Path) -> None:
    """Who runs what, what is held, and what is open."""
    assert command("submit", "digits", "--priority", "-3")[0] == 0
    assert "\n  priority -3\n" in command("studies")[1]
    assert command("submit", "digits", "--priority", "1001")[0] == 2
    command("pause", "churn-1")
    seen = read("workers")
    (worker,) = seen["workers"]
    assert (worker["study"], worker["number"], worker["user"]) == ("churn-2", 0, user_name())
    assert (list(seen["held"]), seen["open"]) == (["churn-1"], 3 + 4)
    text = command("workers")[1]
    assert f"{user_name()}@{worker['host']}, process {worker['pid']}  churn-2  0" in text
    assert f"churn-1 is paused by {user_and_host()}" in text


def test_a_canceled_study_that_was_opened_again_is_no_longer_canceled(queue: Path) -> None:
    """Not even once its new budget is complete, too."""
    command("cancel", "churn-1")
    assert command("submit", "churn-1", "--trials", "1")[0] == 0
    (study,) = [line for line in read("studies")["studies"] if line["name"] == "churn-1"]
    assert (study["hold"], study["budget"]) == (None, 1)
    with open_database(sqlite_url(queue), create=False) as database, database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tuner_studies SET budget = 0")
    assert all(line["hold"] is None for line in read("studies")["studies"])


def test_an_empty_name_is_refused(queue: Path) -> None:
    """In one line that says what a study may be called by."""
    assert command("pause", "")[::2] == (2, "tuner: expected a study, or a pattern like 'churn-*', got ''\n")


def test_a_worker_for_studies_that_are_not_there_is_refused(queue: Path) -> None:
    """With those that there are, exit status 2; a service would wait for one."""
    status, _, errors = command("worker", "--studies", "nosuch-*")
    assert (status, errors.count("\n")) == (2, 1)
    assert f"no study of {queue} matches 'nosuch-*'; it holds churn-1, churn-2, digits" in errors


@pytest.mark.parametrize("name", ["pause", "resume", "cancel"])
def test_what_matches_no_study_is_refused(queue: Path, name: str) -> None:
    """With the studies that there are; nothing is changed."""
    status, _, errors = command(name, "x*")
    assert (status, errors) == (2, f"tuner: no study 'x*' in {queue}; it holds churn-1, churn-2, digits\n")
    status, _, errors = command(name, "studies/nosuch.toml")
    assert (status, errors.count("\n")) == (2, 1)


def test_printed_commands_reach_a_study_outside_studies(queue: Path, workplace: Path) -> None:
    """Those of enqueue, submit, pause and cancel name its file, or its database."""
    folder = workplace / "elsewhere"
    folder.mkdir()
    queue.parent.joinpath("small.csv").rename(folder / "small.csv")
    queue.parent.joinpath("small.toml").rename(folder / "mine.toml")
    address = f"--storage sqlite:///{(folder / 'tuner.db').resolve()}"
    assert "Run it with: tuner search elsewhere/mine.toml" in command("enqueue", "elsewhere/mine.toml", "alpha=0.5")[1]
    assert f"`tuner worker {address}` runs them" in command("submit", "elsewhere/mine.toml", "--trials", 1)[1]
    assert f"tuner resume small {address}" in command("pause", "elsewhere/mine.toml")[1]
    assert "to go on: tuner resume elsewhere/mine.toml" in command("search", "elsewhere/mine.toml")[1]
    assert command("resume", "small", *address.split())[0] == 0
    assert f"tuner submit small {address} --trials N" in command("cancel", "small", *address.split())[1]
    assert command("submit", "small", *address.split(), "--trials", 1)[0] == 0
