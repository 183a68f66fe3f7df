"""Studies of plain Optuna: read from any of its storages, checked trial by trial, kept apart from tuner's own."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.pool import NullPool

from tests.databases import KINDS, new_url
from tests.storage.conftest import make_study
from tuner.errors import StorageError, UsageError
from tuner.storage import (
    Database,
    count_imported,
    get_study,
    insert_optuna_study,
    read_imported,
    read_optuna_study,
    study_lines,
    study_names,
)
from tuner.storage.importing import _fault

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
ALPHA = FloatDistribution(0.01, 1.0, log=True)
RUN = TrialState.RUNNING


def trial(alpha: Any = 0.1, value: float | None = 0.5, **changes: Any) -> FrozenTrial:
    """A finished trial with one parameter, not checked by Optuna."""
    made = create_trial(params={"alpha": 0.1}, distributions={"alpha": ALPHA}, value=0.5)
    made.params = {"alpha": alpha}
    made.values = None if value is None else [value]  # type: ignore[assignment]
    for name, of in changes.items():
        setattr(made, name, of)
    return made


def journal(file: str) -> JournalStorage:
    """A journal file, which is made."""
    return JournalStorage(JournalFileBackend(file))


def searched(storage: Any, name: str = "theirs") -> optuna.Study:
    """A study of four trials that is maximized, one of them pruned and one running."""
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    distributions = {"lr": ALPHA, "kind": CategoricalDistribution(("a", 2)), "layers": IntDistribution(1, 3)}
    for k, value in enumerate((0.2, 0.8, None)):
        params = {"lr": 0.1 * (k + 1), "kind": 2, "layers": k + 1}
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        study.add_trial(
            create_trial(
                state=state, value=value, params=params, distributions=distributions, user_attrs={"note": [k, "x"]}
            )
        )
    study.ask()
    return study


@pytest.mark.parametrize("kind", [*KINDS, "journal"])
def test_a_study_comes_with_what_its_storage_holds(kind: str, sqlite: Database, tmp_path: Path) -> None:
    """Parameters, values, states, times, attributes and the direction; nothing changes in the storage."""
    if kind == "journal":
        source = str(tmp_path / "theirs.log")
        theirs = searched(journal(source))
    else:
        (tmp_path / "other").mkdir()
        source = new_url(kind, tmp_path / "other").render_as_string(hide_password=False)
        theirs = searched(RDBStorage(source, engine_kwargs={"poolclass": NullPool}))
    before = theirs.get_trials()
    read = read_optuna_study(source, None, {"lr": "alpha"})
    assert (read.name, read.parameters, read.skipped) == ("theirs", ["alpha", "kind", "layers"], {"not finished": 1})
    insert_optuna_study(sqlite, read, "mine")
    assert theirs.get_trials() == before
    mine = optuna.load_study(study_name="mine", storage=f"sqlite:///{sqlite.name}")
    assert mine.direction == theirs.direction
    for one, other in zip(mine.trials, before, strict=False):
        assert one.params == {{"lr": "alpha"}.get(name, name): value for name, value in other.params.items()}
        for name in ("number", "state", "values", "user_attrs", "datetime_start", "datetime_complete"):
            assert getattr(one, name) == getattr(other, name)
    assert len(mine.trials) == 3
    points = read_imported(sqlite, "mine")
    assert points is not None
    assert [point["alpha"] for point in points] == [0.2, 0.1]


def test_an_imported_study_is_none_of_ours(sqlite: Database, tmp_path: Path) -> None:
    """It is listed apart, refused by one line where errors are needed, and its name is taken."""
    make_study(sqlite, "ours")
    source = str(tmp_path / "other.log")
    searched(journal(source))
    insert_optuna_study(sqlite, read_optuna_study(source, "theirs", {}), "theirs")
    assert study_names(sqlite) == ["ours"]
    assert [(line.name, line.is_imported, line.unrecorded, line.best) for line in study_lines(sqlite)] == [
        ("ours", False, 0, None),
        ("theirs", True, 3, None),
    ]
    assert (count_imported(sqlite, "theirs"), count_imported(sqlite, "ours")) == (3, None)
    with pytest.raises(UsageError, match=r"of plain Optuna.*tuner search DATA --from theirs"):
        get_study(sqlite, "theirs")
    with pytest.raises(UsageError, match="already exists"):
        insert_optuna_study(sqlite, read_optuna_study(source, "theirs", {}), "ours")
    with pytest.raises(UsageError, match="--name NEW"):
        make_study(sqlite, "theirs")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"state": TrialState.PRUNED, "value": None}, None),
        ({"state": TrialState.FAIL, "value": None}, None),
        ({"state": RUN}, "not finished"),
        ({"value": math.inf}, "not one finite number"),
        ({"value": None}, "not one finite number"),
        ({"values": [0.1, 0.2]}, "not one finite number"),
        ({"alpha": 7.0}, "outside its range"),
        ({"alpha": math.nan}, "outside its range"),
        ({"alpha": "x"}, "outside its range"),
        ({"params": {}}, "outside its range"),
        ({"distributions": {"alpha": CategoricalDistribution(("a",))}}, "outside its range"),
        ({"params": {"a\x1b": 1.0}, "distributions": {"a\x1b": ALPHA}}, "a name is"),
        ({"params": {"": 1.0}, "distributions": {"": ALPHA}}, "a name is"),
        ({"params": {"alpha": 0.1, "lr": 0.1}, "distributions": {"alpha": ALPHA, "lr": ALPHA}}, "given twice"),
        ({"user_attrs": {"x" * 600: 1}}, "a name is"),
        ({"user_attrs": {"x": math.nan}}, None),
        ({"user_attrs": {"x": {1, 2}}}, "attribute"),
    ],
)
def test_a_trial_that_cannot_be_used_is_skipped(changes: dict[str, Any], why: str | None) -> None:
    """With the reason; names, values, ranges and states come from a file that anybody may have written."""
    fault = _fault(trial(**changes), {"lr": "alpha"})
    assert (fault is None) if why is None else (fault is not None and why in fault)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds none"),
        (b"import optuna\nimport tuner\n", "cannot be read by Optuna"),
        (b'{"op_code": 99, "worker_id": "a"}\n', "cannot be read by Optuna"),
        (b"[" * 100_000 + b"\n", "cannot be read by Optuna"),
        (b"SQLite format 3\x00" + bytes(4000), "cannot be read by Optuna"),
    ],
)
def test_a_file_that_is_no_storage_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    """In one line, and the file stays as it is."""
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises((StorageError, UsageError), match=told) as refused:
        read_optuna_study(str(file), None, {})
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == content


def test_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A file, a database of something else, a study, a parameter, a study with two objectives; nothing is made."""
    with pytest.raises(StorageError, match="No such file"):
        read_optuna_study(str(tmp_path / "none.log"), None, {})
    with closing(sqlite3.connect(tmp_path / "else.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(StorageError, match="cannot be read by Optuna"):
        read_optuna_study(f"sqlite:///{tmp_path / 'else.db'}", None, {})
    assert sorted(path.name for path in tmp_path.iterdir() if "tuner" not in path.name) == ["else.db"]
    source = str(tmp_path / "other.log")
    searched(journal(source))
    optuna.create_study(study_name="two", storage=journal(source), directions=["minimize", "maximize"])
    for name, renamed, told in (
        (None, {}, "expected one study, it holds theirs, two"),
        ("nope", {}, "no study 'nope'"),
        ("two", {}, "2 objectives"),
        ("theirs", {"rate": "alpha"}, "no trial has a parameter 'rate'"),
    ):
        with pytest.raises(UsageError, match=told):
            read_optuna_study(source, name, renamed)
