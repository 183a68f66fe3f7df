"""``tuner worker``: whatever is open, fairly, here or for ever."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import DEADLINE
from tests.running.conftest import ENDLESS, LASTING, Edit, Start, finished, is_training, rows, search, states, wait_for
from tuner.errors import SearchError, StorageError
from tuner.running.service import ServiceResult, run_service
from tuner.workspace import StudyRequest
from tuner.workspace.administration import submit

SECOND = StudyRequest("small", name="second")


def serve() -> tuple[ServiceResult, list[str]]:
    """A worker in this process, and what it said."""
    heard: list[str] = []
    return run_service(None, forever=False, on_event=heard.append), heard


def test_a_worker_completes_every_budget(edit: Edit) -> None:
    """Of all studies; then it ends. A second one finds nothing to do."""
    database = edit()
    submit(StudyRequest("small"), None)
    submit(SECOND, 2)
    result, heard = serve()
    assert result.served == {"small": 4, "second": 6}
    assert result.signal is None
    assert heard[0] == f"worker on database {database}"
    assert [line.split(":")[0] for line in heard[1:]] == ["study small", "study second"]
    assert serve()[0].served == {}


def test_a_worker_serves_studies_in_turn(edit: Edit) -> None:
    """A large study does not keep a small one waiting."""
    database = edit({"trials = 4": "trials = 12"})
    submit(StudyRequest("small"), None)
    submit(StudyRequest("small", name="second"), None)
    serve()
    query = "SELECT study_name FROM trials JOIN studies USING (study_id) ORDER BY trial_id LIMIT 8"
    assert [name for (name,) in rows(database, query)] == ["small", "second"] * 4


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
    assert "stopped by SIGTERM; its trial was re-queued" in errors
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
