"""``tuner worker``: whatever is open, fairly, here or for ever."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.conftest import DEADLINE
from tests.running.conftest import (
    ENDLESS,
    LASTING,
    Edit,
    Start,
    command,
    finished,
    is_training,
    opened,
    rows,
    search,
    states,
    wait_for,
)
from tuner.errors import SearchError, StorageError
from tuner.running.events import Event
from tuner.running.heartbeat import Heartbeat
from tuner.running.service import Service, ServiceLimits, ServiceResult, run_service
from tuner.storage import Budget, Owner, claim_trial, fail, open_database, sqlite_url
from tuner.storage.holds import user_and_host
from tuner.workspace import StudyRequest, list_studies
from tuner.workspace.administration import QueueChange, cancel, pause, resume, submit

SECOND = StudyRequest("small", name="second")


def serve() -> tuple[ServiceResult, list[str]]:
    """A worker in this process, and what it said."""
    heard: list[str] = []
    return run_service(None, forever=False, on_event=lambda event: heard.append(event.text)), heard


def test_a_worker_completes_every_budget(edit: Edit) -> None:
    """Of all studies; then it ends. A second one finds nothing to do."""
    database = edit()
    submit(StudyRequest("small"), None)
    submit(SECOND, 2)
    result, heard = serve()
    assert result.served == {"small": 4, "second": 6}
    assert result.signal is None
    assert heard[0] == f"worker on database {database}"
    assert [line.split(":")[0] for line in heard if line.startswith("study ")] == ["study small", "study second"]
    assert serve()[0].served == {}


def test_a_worker_serves_studies_in_turn(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large study does not keep a small one waiting, as long as neither takes more of the worker's time."""
    monkeypatch.setattr("tuner.running.service.SHARE_SECONDS", 1e6)
    database = edit({"trials = 4": "trials = 12"})
    submit(StudyRequest("small"), None)
    submit(StudyRequest("small", name="second"), None)
    serve()
    query = "SELECT study_name FROM trials JOIN studies USING (study_id) ORDER BY trial_id LIMIT 8"
    assert [name for (name,) in rows(database, query)] == ["small", "second"] * 4


def test_a_worker_serves_the_highest_priority_first(edit: Edit) -> None:
    """Until its budget is complete; the priority may be changed at any time."""
    database = edit({"trials = 4": "trials = 2"})
    submit(StudyRequest("small"), None)
    submit(SECOND, None, priority=3)
    submit(StudyRequest("small", name="third"), None, priority=9)
    submit(StudyRequest("third"), None, priority=-1)
    serve()
    query = "SELECT study_name FROM trials JOIN studies USING (study_id) ORDER BY trial_id"
    names = [name for (name,) in rows(database, query)]
    assert names == ["second"] * 2 + ["small"] * 2 + ["third"] * 2


def test_a_long_trial_gives_way_only_to_its_equals_and_betters(edit: Edit) -> None:
    """A study of a lower priority waits until it ends."""
    edit()
    submit(StudyRequest("small"), None)
    submit(SECOND, None, priority=1)
    with open_database(sqlite_url(Path("studies/tuner.db")), create=False) as database:
        service = Service(database, lambda: False)
        assert [service._gives_way(study_id) for study_id in (1, 2)] == [True, False]


def test_a_paused_study_is_left_until_it_is_resumed(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its running trial waits with its checkpoint, a search of it ends at once, and all lists name who paused it."""
    monkeypatch.setattr("tuner.running.worker.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(Heartbeat.__init__, "__defaults__", (0.02,))
    path = edit(ENDLESS)
    opened().database.close()

    def pause_once() -> bool:
        if is_training(path) and list_studies()[1][0].hold is None:
            assert pause("sm*", None)[1] == [QueueChange("small")]
        return False

    with open_database(sqlite_url(path), create=False) as database:
        Service(database, pause_once).work(forever=False)
    assert rows(path, "SELECT length(checkpoint) > 0, attempts FROM tuner_claims") == [(1, 0)]
    result = search()
    assert (result.run.finished, str(result.hold)) == (0, f"paused by {user_and_host()}")
    assert "to go on: tuner resume small" in result.lines()[1]
    status, output, _ = command("workers")
    assert (status, "small is paused by" in output) == (0, True)
    assert str(resume("small", None)[1][0].before) == str(result.hold)
    assert list_studies()[1][0].hold is None


def test_workers_share_a_number_of_trials(edit: Edit) -> None:
    """Of the studies whose names match; each process tells of what it ran."""
    edit()
    for request in (StudyRequest("small"), SECOND):
        opened(request.study, name=request.name).database.close()
    heard: list[Event] = []
    limits = ServiceLimits(patterns=("nosuch", "sec*"), trials=3)
    result = run_service(None, forever=False, on_event=heard.append, limits=limits, workers=2)
    assert result.served == {"second": 3}
    trials = [event for event in heard if event.kind == "trial"]
    assert {event.fields["number"] for event in trials} == {0, 1, 2}
    assert os.getpid() not in {event.pid for event in trials}
    assert trials[0].text.startswith(f"second: trial {trials[0].fields['number']} complete, value ")


def test_the_log_names_trials_that_failed_or_were_requeued_and_why(edit: Edit) -> None:
    """One JSON object per line; the time is up."""
    edit(ENDLESS)
    opened().database.close()
    edit()
    opened(name="second").database.close()
    status, _, log = command(
        "worker", "--log-format", "json", "--max-trial-time", "0.2s", "--max-trials", 2, "--studies", "small"
    )
    events = [json.loads(line) for line in log.splitlines()]
    assert status == 0
    assert [event["event"] for event in events] == ["started", "study", "trial", "trial"]
    for event in events[2:]:
        assert (event["study"], event["state"]) == ("small", "failed")
        assert event["reason"] == "wall limit: longer than --max-trial-time = 0.2 s"
    status, _, log = command("worker", "--timeout", "0.5s", "--studies", "sm?ll")
    assert status == 0
    assert "small: trial 2 waiting: the worker stops, 0." in log


def test_an_idle_worker_says_what_it_waits_for(edit: Edit) -> None:
    """Once for each reason: a held study, trials of others, studies it could not run, or new ones."""
    path = edit()
    for name in ("small", "second"):
        opened(name=name).database.close()
    pause("second", None)
    heard: list[Event] = []
    with open_database(sqlite_url(path), create=False) as database:
        claims = [
            claim_trial(database, 1, Budget("elsewhere"), max_attempts=3, owner=Owner.this_process()) for _ in range(4)
        ]
        service = Service(database, lambda: False, heard.append)
        for _ in range(2):
            service._tell_why_idle(service._serve_one())
        for claim, _ in claims:
            assert claim is not None
            fail(database, claim, "x")
        cancel("*", None)
        service._tell_why_idle(service._serve_one())
        resume("second", None)
        submit(SECOND, 1)
        pause("second", None)
        service.work(forever=False)
    assert [event.text for event in heard if event.kind in ("waiting", "left")] == [
        f"waiting for trials of small that run elsewhere, second, which is paused by {user_and_host()}",
        "waiting for new trials (add some with: tuner submit STUDY --trials N)",
        f"not run: second, which is paused by {user_and_host()}",
    ]


def test_a_study_whose_data_are_not_here_is_left(edit: Edit, workplace: Path) -> None:
    """The others are served; where it is the only one, the worker says so and fails."""
    edit()
    submit(StudyRequest("small"), None)
    table = workplace / "studies" / "small.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("0.", "9.", 1), encoding="utf-8")
    with pytest.raises(
        SearchError, match=r"no open study can be run here; small: .*not the file the study was made from"
    ):
        serve()
    submit(SECOND, None)
    result, heard = serve()
    assert result.served == {"second": 4}
    assert any("small cannot be run here" in line for line in heard)


def test_a_worker_needs_a_database(edit: Edit, workplace: Path) -> None:
    """Nothing is made for one that only drains; a service makes what it will serve."""
    edit()
    with pytest.raises(StorageError, match="no such database"):
        serve()
    assert not (workplace / "studies" / "tuner.db").exists()


def test_a_service_waits_for_work(edit: Edit, start: Start) -> None:
    """``--forever``: what is submitted later is run; SIGTERM puts the running trial back, exit status 143."""
    database = edit()
    process = start("worker", "--forever")
    wait_for(database.exists)
    submit(StudyRequest("small"), None)
    wait_for(lambda: finished(database) == [0, 1, 2, 3])
    edit(ENDLESS)
    submit(SECOND, None)
    wait_for(lambda: is_training(database))
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 143, errors
    assert "4 trials (small 4)" in output
    assert "stopped by SIGTERM; running trials were re-queued" in errors
    assert (0, "WAITING") in states(database)


@pytest.mark.slow
def test_a_worker_and_a_search_share_a_study(edit: Edit, start: Start) -> None:
    """Exactly the budget, whoever runs it."""
    database = edit({**LASTING, "trials = 4": "trials = 6"})
    submit(StudyRequest("small"), None)
    process = start("worker")
    search()
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert finished(database) == list(range(6))
