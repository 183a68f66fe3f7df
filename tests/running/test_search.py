"""A search as a whole: budgets to the trial, ends of every kind, and what may change between two searches."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.conftest import SMALL_STUDY
from tests.running.conftest import ENDLESS, Edit, fingerprint, finished, opened, rows, search, states
from tests.running.test_sampling import Trials
from tuner.errors import SearchError, StorageError, UsageError
from tuner.reporting.commands import next_definition, search_next_command
from tuner.running import SearchRequest, run_search, worker
from tuner.running.sampling import draw
from tuner.storage import Database, Outcome, merge_database, open_database, sqlite_url
from tuner.study import StudyDefinition
from tuner.study.strategies import PACKAGES
from tuner.trainers import Interrupted, OwnNetwork, TrialRequest, own
from tuner.trial import trial_seed
from tuner.workspace.opening import find_searched, load_searched, read_record


def test_the_budget_is_completed_once(edit: Edit) -> None:
    """The first search makes the budget's trials; the second says that there is nothing to do, and does nothing."""
    database = edit()
    result = search()
    assert (result.run.complete + result.run.pruned, finished(database)) == (4, [0, 1, 2, 3])
    before = fingerprint(database)
    result = search()
    assert result.lines()[0].startswith("nothing to do: the study is finished (4 trials)")
    assert result.run.complete == 0
    assert fingerprint(database) == before


def test_trials_adds_exactly_so_many(edit: Edit) -> None:
    """``trials=3`` on a finished study makes three more; on an unfinished one three of its budget."""
    database = edit()
    assert search(trials=3).run.complete == 3
    search()
    assert finished(database) == [0, 1, 2, 3]
    search(trials=3)
    assert finished(database) == list(range(7))
    search()
    assert finished(database) == list(range(7))


def test_total_is_the_number_of_trials_in_all(edit: Edit) -> None:
    """Fewer or more than the definition's four, and remembered; what is finished stays."""
    database = edit()
    assert search(total=2).run.complete == 2
    assert search().run.complete == 0
    search(total=6)
    assert finished(database) == list(range(6))
    assert search(total=3).progress.budget == 6


def test_an_edited_budget_is_obeyed(edit: Edit) -> None:
    """Another ``trials`` in the definition is meant; comments and [diagnosis] are free to change too."""
    database = edit()
    search()
    edit({"trials = 4": "trials = 5 # more\n[diagnosis]\nmaterial_gap = 0.5"})
    search()
    assert finished(database) == list(range(5))
    assert "material_gap" in rows(database, "SELECT definition FROM tuner_studies")[0][0]


def test_two_workers_make_the_same_number(edit: Edit) -> None:
    """Processes share the budget; none makes a trial twice."""
    database = edit()
    search(total=20, workers=2)
    assert finished(database) == list(range(20))


def test_the_same_search_gives_the_same_trials(edit: Edit, workplace: Path) -> None:
    """All that is drawn descends from the seed and the trial's number."""
    database = edit({"trials = 4": "trials = 14"})
    search()
    first = fingerprint(database)
    database.unlink()
    search(trials=5)
    search()
    assert fingerprint(database) == first


@pytest.mark.parametrize(
    ("threads", "workers", "each"),
    [(1, 2, 1), (3, 2, 3), ("auto", 1, 8), ("auto", 3, 2), ("auto", 16, 1), ("auto", None, 1)],
)
def test_workers_share_the_cores(
    threads: int | str, workers: int | None, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8 cores "auto" gives each worker its share; one thread where it is not known how many workers there are."""
    monkeypatch.setattr(worker, "usable_cores", lambda: 8)
    data = {"source": "x.csv", "target": "y"}
    definition = StudyDefinition.model_validate({"name": "n", "data": data, "search": {"threads": threads}})
    assert worker.threads_of(definition, workers) == each


def test_a_timeout_ends_in_time_and_is_done(edit: Edit) -> None:
    """The running trial is re-queued, not failed, and no attempt is counted; how many of --trials are left is said."""
    database = edit(ENDLESS)
    result = search(timeout=1.0)
    assert (result.timed_out, result.signal, result.run.failed) == (True, None, 0)
    assert "stopped by --timeout, the same command continues" in result.lines()[0]
    assert states(database) == [(0, "WAITING")]
    assert rows(database, "SELECT attempts, reason FROM tuner_claims") == [(0, "re-queued")]
    assert search(trials=2, timeout=0.1).headlines[0].endswith("; stopped by --timeout, 2 trials of --trials left")


def test_a_diverged_trial_is_complete_with_a_bad_value(edit: Edit) -> None:
    """The sampler learns to keep away from what made the numbers overflow."""
    database = edit({"alpha = { log_uniform = [1e-2, 1.0] }": "alpha = 1e30"})
    result = search()
    assert (result.run.complete, result.run.diverged, result.run.failed) == (4, 4, 0)
    assert {value for (value,) in rows(database, "SELECT value FROM trial_values")} == {1.0}
    reasons = set(rows(database, "SELECT stop_reason, diverged_layer FROM tuner_networks"))
    assert reasons <= {("diverged", 1), ("diverged", 2)}
    assert result.progress.best is None
    assert "no trial has a usable result yet" in result.lines()


def test_three_failures_in_a_row_stop_the_search(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is named, and how to go on; failed trials are replaced later, beyond the budget."""
    database = edit()

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("bad node")

    with monkeypatch.context() as patch:
        patch.setattr(own, "run_trial", broken)
        with pytest.raises(SearchError, match=r"3 trials in a row failed.*ValueError: bad node.*the same command"):
            search()
    assert states(database) == [(0, "FAIL"), (1, "FAIL"), (2, "FAIL")]
    search()
    assert finished(database) == [3, 4, 5, 6]


@dataclass(frozen=True)
class FirstRunsOut(OwnNetwork):
    """The memory does not hold the first trial."""

    def run(self, request: TrialRequest) -> Outcome | Interrupted:
        """Like any other, but for the first."""
        if request.seed == trial_seed(0, 0):
            raise MemoryError
        return super().run(request)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_single_failure_is_replaced(edit: Edit, workers: int) -> None:
    """Out of memory is a failed trial with its reason; the search goes on to its full budget."""
    database = edit()
    study = opened()
    study = replace(study, trainer=FirstRunsOut(study.definition))
    result = run_search(study, SearchRequest(workers=workers))
    assert (result.run.failed, finished(database)) == (1, [1, 2, 3, 4])
    assert rows(database, "SELECT reason FROM tuner_claims ORDER BY trial_id LIMIT 1") == [("out of memory",)]


def test_a_trial_that_takes_too_long_fails(edit: Edit) -> None:
    """``trial_timeout`` is a bound on the wall time of one trial."""
    database = edit({**ENDLESS, "trials = 4": "trials = 4\ntrial_timeout = 0.2"})
    with pytest.raises(SearchError, match=r"3 trials in a row failed.*wall limit.*trial_timeout = 0.2"):
        search()
    assert [state for _, state in states(database)] == ["FAIL"] * 3


def test_a_target_ends_the_study_early(edit: Edit) -> None:
    """Once a trial is good enough no more are started, now or later; trials asked for by number still are."""
    database = edit({"trials = 4": "trials = 400\ntarget_error = 0.5"})
    result = search()
    n = len(finished(database))
    assert n < 400
    assert "reached target_error = 0.5" in result.lines()[1]
    assert "nothing to do: the study is finished (the best value" in search().lines()[0]
    search(trials=1)
    assert len(finished(database)) == n + 1


def test_a_study_that_gets_no_better_ends_early(edit: Edit) -> None:
    """``stop_after_no_progress = 5``: the best trial is followed by exactly five others."""
    database = edit({"trials = 4": "trials = 400\nstop_after_no_progress = 5"})
    result = search()
    assert "no improvement in 5 trials" in result.lines()[1]
    query = "SELECT value FROM trials JOIN trial_values USING (trial_id) WHERE state = 'COMPLETE' ORDER BY number"
    values = [value for (value,) in rows(database, query)]
    numbers = finished(database)
    assert result.progress.best is not None
    assert min(values) == result.progress.best.value
    assert len(numbers) - 1 - result.progress.best.number == 5


def test_the_way_out_of_a_changed_definition_has_a_free_name(edit: Edit) -> None:
    """What is printed would be refused, too, if a definition or a study of that name were there."""
    database = edit()
    search(trials=1)
    (database.parent / "small-2.toml").touch()
    edit({"hidden = [4]": "hidden = [5]"})
    with pytest.raises(StorageError, match="tuner search small --name small-3 --from small"):
        search()


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("hidden = [4]", "hidden = [5]", "network.hidden: [4] -> [5]"),
        ("[0.7, 1.0]", "[0.8, 1.0]", "space.keep_prob"),
        ("max_epochs = 6", "max_epochs = 7", "training.max_epochs: 6 -> 7"),
        ("trials = 4", 'trials = 4\nsampler = "random"', 'search.sampler: "tpe" -> "random"'),
    ],
)
def test_another_definition_is_refused(edit: Edit, old: str, new: str, change: str) -> None:
    """The refusal names what changed, old -> new, and the command that starts a new study from this one."""
    database = edit()
    search()
    before = fingerprint(database)
    edit({old: new})
    with pytest.raises(StorageError) as refused:
        search()
    assert change in str(refused.value)
    assert "tuner search small --name small-2 --from small" in str(refused.value)
    assert "(or continue with --allow-changed)" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert fingerprint(database) == before


def test_commands_name_a_study_file_elsewhere_as_it_was_typed(edit: Edit) -> None:
    """A refusal and a report name the file; a study that it was renamed to is named by its database."""
    mine = edit().parent.rename("mine") / "small.toml"
    search("mine/small.toml")
    record = read_record("mine/small.toml")
    assert record.words == ["mine/small.toml"]
    assert next_definition(record) == Path("mine/small-2.toml")
    assert search_next_command(record, Path("mine/small-2.toml")) == "tuner search mine/small-2.toml --from small"
    run_search(opened("mine/small.toml", name="again"), SearchRequest(trials=1))
    assert read_record("again", "sqlite:///mine/tuner.db").words[::2] == [
        "again",
        f"sqlite:///{mine.parent.absolute()}/tuner.db",
    ]
    mine.write_text(mine.read_text("utf-8").replace("hidden = [4]", "hidden = [5]"), "utf-8")
    with pytest.raises(StorageError, match=r"with: tuner search mine/small\.toml --name small-2 --from small \("):
        search("mine/small.toml")


def test_other_data_is_refused(edit: Edit) -> None:
    """The same definition on data whose bytes differ is another study."""
    database = edit()
    search()
    table = database.parent / "small.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("0.", "9.", 1), encoding="utf-8")
    with pytest.raises(StorageError, match="fingerprint"):
        search()


def test_data_that_an_earlier_version_read_otherwise_is_refused(edit: Edit) -> None:
    """Trials on prices as categories are not continued, or trained again, on prices as numbers, unless allowed."""
    database = edit()
    search()
    before = rows(database, "SELECT encoding FROM tuner_studies")[0][0]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE tuner_studies SET encoding = ?", [before.replace('"numeric"', '"categorical"', 1)])
    with pytest.raises(StorageError, match=r"read column '\w+' as categorical, now as numeric\. Search the data again"):
        search()
    with pytest.raises(StorageError, match="was made by another version of tuner"):
        load_searched(find_searched("small")[0])
    opened(allow_changed=True).database.close()
    assert rows(database, "SELECT encoding FROM tuner_studies")[0][0] == before


def test_a_changed_study_goes_on_where_that_is_allowed(edit: Edit) -> None:
    """``--allow-changed`` keeps the trials and takes the new definition, another list of choices too."""
    database = edit()
    search()
    changed = {'["he", "xavier"]': '["zeros", "xavier", "lecun"]', "trials = 4": "trials = 14"}
    edit(changed)
    run_search(opened(allow_changed=True), SearchRequest())
    assert finished(database) == list(range(14))
    assert search().run.complete == 0


def test_a_failing_database_is_no_failed_trial(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the record cannot be written the search ends with the reason; the trial runs again next time."""
    database = edit()
    study = opened()
    whole = Database.write
    calls: list[object] = []

    def full(self: Database, work: Any, **options: Any) -> Any:
        calls.append(work)
        if len(calls) > 4:  # three for the first trial
            raise StorageError("tuner.db: cannot be written (database or disk is full); make room on its disk")
        return whole(self, work, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", full)
        with pytest.raises(SearchError, match="make room") as stopped:
            run_search(study, SearchRequest())
    assert stopped.value.exit_status == 1
    assert [state for _, state in states(database)] == ["COMPLETE", "RUNNING"]
    with closing(sqlite3.connect(database)) as connection:  # this process lives on, so its claim would have to expire
        connection.execute("UPDATE tuner_claims SET expires = 0")
        connection.commit()
    search()
    assert finished(database) == [0, 1, 2, 3]


def test_the_small_study_is_as_it_is_written_down() -> None:
    """The texts that tests replace are there."""
    for part in ENDLESS:
        assert part in SMALL_STUDY


def test_a_missing_package_of_the_sampler_is_said_before_a_search(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, and nothing is stored; a study that is stored can still be read."""
    edit({"trials = 4": 'trials = 4\nsampler = "cmaes"'})
    monkeypatch.setitem(PACKAGES, "cmaes", "math")
    opened()
    monkeypatch.setitem(PACKAGES, "cmaes", "no_such_package")
    with pytest.raises(UsageError, match=r"pip install 'tuner-search\[cmaes\]'"):
        opened(name="another", allow_trainers=())
    assert read_record("small").name == "small"


def forget(database: Path, fact: str) -> None:
    """Make a study one of an earlier version, whose facts do not name this."""
    with closing(sqlite3.connect(database)) as connection, connection:
        changed = connection.execute("UPDATE tuner_studies SET facts = json_remove(facts, ?)", (f"$.{fact}",))
        assert changed.rowcount == 1


def best_epochs(database: Path) -> list[int]:
    """How many different best epochs the networks of each trial have, by number."""
    query = "SELECT count(DISTINCT n.best_epoch) FROM tuner_networks n JOIN trials USING (trial_id)"
    return [epochs for (epochs,) in rows(database, f"{query} GROUP BY number ORDER BY number")]


def test_a_study_of_0_2_goes_on_with_an_epoch_for_each_fold(edit: Edit) -> None:
    """The networks of a new study's trial share the epoch; where the facts do not say so, each has its own."""
    database = edit({'target = "kind"': 'target = "kind"\nfolds = 5', "trials = 4": "trials = 2"})
    search()
    assert best_epochs(database) == [1, 1]
    forget(database, "pooled_epoch")
    search(trials=2)
    own = best_epochs(database)
    assert max(own[2:]) > 1
    repeated = tuner.load_study("small").train(trial=own.index(max(own)), ensemble=True).repetition
    assert repeated is not None
    assert repeated.is_exact


def alphas(database: Path) -> list[float]:
    """The exploring trials' learning rates, by number."""
    query = "SELECT json_extract(hyperparameters, '$.alpha') FROM tuner_trials JOIN trials USING (trial_id)"
    return [alpha for (alpha,) in rows(database, f"{query} WHERE exploring ORDER BY number")]


def exploring_points(n: int, sampler: str) -> list[float]:
    """The learning rates that this sampler draws for the first trials of the small study."""
    definition = opened().definition
    return [draw(definition, Trials(), number, {}, sampler).hyperparameters["alpha"] for number in range(n)]


def test_a_study_of_0_1_goes_on_exploring_at_random(edit: Edit) -> None:
    """Its exploring trials are those of the pseudo-random sampler with each trial's seed, whatever changes."""
    database = edit()
    opened()
    forget(database, "exploring")
    search()
    edit({"[0.7, 1.0]": "[0.8, 1.0]", "trials = 4": "trials = 8"})
    run_search(opened(allow_changed=True), SearchRequest())
    assert alphas(database) == exploring_points(8, "random")


def test_two_workers_of_a_new_study_explore_every_point_once(edit: Edit) -> None:
    """The exploring trials are the first points of the Sobol sequence, whoever draws them."""
    database = edit({"trials = 4": "trials = 12"})
    search(workers=2)
    assert alphas(database) == exploring_points(10, "qmc")
    assert len(set(alphas(database))) == 10


def test_a_study_begun_with_one_of_0_1_is_new(edit: Edit) -> None:
    """``--from`` takes its trials, not how it explored; its values count all the same."""
    database = edit({"trials = 4": "trials = 8"})
    search()
    forget(database, "exploring")
    study = opened(name="small-2", from_study="small")
    assert study.stored.facts.exploring == "qmc"
    assert rows(database, "SELECT count(*) FROM trials WHERE state = 'WAITING'") == [(2,)]


@pytest.mark.parametrize(("old", "sampler"), [("small.db", "qmc"), ("tuner.db", "random")])
def test_a_study_of_0_1_and_a_new_one_merge(edit: Edit, workplace: Path, old: str, sampler: str) -> None:
    """All trials of both are there, and the study goes on exploring as it did in the database merged into."""
    database = edit()
    other = workplace / "small.db"
    for path in (database, other):
        opened(storage=str(sqlite_url(path)))
        if path.name == old:
            forget(path, "exploring")
        search(storage=str(sqlite_url(path)))
    source, target = (open_database(sqlite_url(path), create=False) for path in (other, database))
    with closing(source), closing(target):
        assert [(one.added, one.known) for one in merge_database(source, target)] == [(4, 0)]
    search(trials=2)
    assert finished(database) == list(range(10))
    assert alphas(database)[8:] == exploring_points(10, sampler)[8:]
