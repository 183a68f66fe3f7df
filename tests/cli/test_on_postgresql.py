"""The commands that look at a database, on a real PostgreSQL that was filled from SQLite."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.databases import new_postgresql
from tuner.workspace.dashboard import Dashboard

pytestmark = pytest.mark.slow


def test_a_study_moves_to_postgresql_and_goes_on_there(
    small_study: Path, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """merge, doctor, watch and search, with the database named in TUNER_STORAGE."""
    url = new_postgresql().render_as_string(hide_password=False)
    here("search", "small", "--quiet")
    merged = here("merge", "studies/tuner.db", "--storage", url)
    assert "small (new): 4 trials added" in merged.stdout, merged.stderr
    monkeypatch.setenv("TUNER_STORAGE", url)
    examined = json.loads(here("doctor", "--json").stdout)
    assert "answers; 1 study" in next(check["found"] for check in examined["checks"] if check["name"] == "database")
    assert "4 of 4 trials" in here("watch", "small").stdout
    assert json.loads(here("search", "small", "--trials", 1, "--json").stdout)["trials"]["failed"] == 0
    assert "5 of 5 trials" in here("watch", "small").stdout


def test_an_empty_postgresql_is_fine_for_a_first_search(here: Run) -> None:
    """The doctor does not complain of tables that the first search will make."""
    result = here("doctor", "--storage", new_postgresql().render_as_string(hide_password=False))
    assert result.returncode == 0, result.stdout
    assert "holds no tuner studies" in result.stdout


def test_the_dashboard_reads_postgresql(small_study: Path, here: Run) -> None:
    """Its storage lists our study."""
    pytest.importorskip("optuna_dashboard")
    url = new_postgresql().render_as_string(hide_password=False)
    here("search", "small", "--quiet", "--storage", url)
    served = Dashboard(url, "127.0.0.1", 0)
    assert [study.study_name for study in served._storage.get_all_studies()] == ["small"]
    served._server.server_close()
    served._storage.remove_session()
    served._storage.engine.dispose()
