"""``--from``: a new study that begins with the trials of another."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from tests.running.conftest import Edit, fingerprint, finished, opened, rows, search
from tuner.errors import UsageError
from tuner.reporting import build_report
from tuner.running import SearchRequest, run_search
from tuner.running.sampling import draw
from tuner.storage import Begun, History, StudyRecord, find_study, open_database, sqlite_url
from tuner.workspace import PreparedStudy, opening, read_record
from tuner.workspace.administration import delete, import_study


def history_of(study: PreparedStudy) -> History:
    """What the sampler of a study sees."""
    found = History(study.database, study.stored.study_id, study.definition.searched_space.distributions)
    found.refresh()
    return found


def points(database: Path, name: str) -> list[tuple[int, float, float]]:
    """Number, alpha and value of the complete trials, the best first."""
    query = (
        "SELECT number, json_extract(hyperparameters, '$.alpha'), value FROM trials JOIN studies USING (study_id) "
        f"JOIN tuner_trials USING (trial_id) JOIN trial_values USING (trial_id) WHERE study_name = '{name}' "
        "AND state = 'COMPLETE' ORDER BY value, number"
    )
    return rows(database, query)  # type: ignore[return-value]


def test_the_best_trials_that_fit_run_first_and_all_are_known(edit: Edit) -> None:
    """The new study's first trials are the old one's best; its sampler knows all that lie in the new space."""
    database = edit({"trials = 4": "trials = 16"})
    search()
    old = points(database, "small")
    edit({"trials = 4": "trials = 16", "[1e-2, 1.0]": "[0.1, 1.0]"})
    study = opened(name="small-2", from_study="small")
    fitting = [alpha for _, alpha, _ in old if alpha >= 0.1]
    assert 4 < len(fitting) < len(old)
    assert f"started with {len(fitting)} trials of small" in study.headline
    offered = history_of(study).offered
    assert [trial.params["alpha"] for trial in reversed(offered)] == fitting
    run_search(study, SearchRequest(trials=4))
    new = sorted(points(database, "small-2"))
    assert [alpha for _, alpha, _ in new] == fitting[:4]


def test_values_that_the_new_study_cannot_have_are_not_offered(edit: Edit) -> None:
    """What it does not set must have its default or, like beta2 of momentum, no effect."""
    choices = """[space]
optimizer = { choice = ["momentum", "adam"] }
numeric = { choice = ["standardize", "robust"] }
beta2 = { uniform = [0.9, 0.99] }
"""
    edit({"[space]": choices, "trials = 4": "trials = 8"})
    search()
    trials = [trial.params for trial in read_record("small").trials if trial.is_judged]
    for number, (old, new, fitting) in enumerate(
        [
            ("[space]", "[space]\n", {"optimizer": "momentum", "numeric": "standardize"}),
            ("[data]", '[data]\nnumeric = "robust"', {"optimizer": "momentum", "numeric": "robust"}),
            ("[space]", '[space]\noptimizer = "adam"', {"beta2": 0.999}),
            ("[space]", choices.replace('["momentum", ', "["), {"optimizer": "adam"}),
        ]
    ):
        edit({old: new})
        study, n = (
            opened(name=f"next-{number}", from_study="small"),
            sum(fitting.items() <= of.items() for of in trials),
        )
        assert study.stored.facts.begun == Begun("small", n)
        assert any(f"{len(trials) - n} complete trial" in notice for notice in study.notices) == (n < len(trials))


def test_a_layer_whose_keep_prob_is_no_longer_its_own_is_not_offered(edit: Edit) -> None:
    """The layers that the new study does not name have the same keep_prob, which is not that of the old trial."""
    edit({"[space]": '[space]\n"keep_prob.1" = { uniform = [0.5, 0.6] }', "trials = 4": "trials = 1"})
    search()
    edit()
    assert opened(name="small-2", from_study="small").stored.facts.begun == Begun("small", 0)


def test_trials_of_a_form_for_all_have_chosen_it(edit: Edit) -> None:
    """A study whose trials choose the form of numbers begins with those of a study in which [data] has it."""
    edit({"[data]": '[data]\nnumeric = "robust"'})
    search()
    edit({"[space]": '[space]\nnumeric = { choice = ["quantile", "robust"] }'})
    study = opened(name="small-2", from_study="small")
    run_search(study, SearchRequest(trials=1))
    assert read_record("small-2").trials[0].params["numeric"] == "robust"


def test_the_same_trials_have_the_same_values(edit: Edit) -> None:
    """The old values count where metric and dev examples are the same, and only there."""
    database = edit({"trials = 4": "trials = 8"})
    search()
    best = points(database, "small")[0][2]
    assert history_of(opened(name="small-2", from_study="small")).offered[-1].value == best
    edit({"trials = 4": 'trials = 8\nmetric = "cost"'})
    study = opened(name="small-3", from_study="small")
    assert history_of(study).offered == []
    assert rows(database, "SELECT count(*) FROM trials WHERE state = 'WAITING'") == [(4,)]


def test_what_the_old_study_does_later_changes_nothing(edit: Edit) -> None:
    """The trials to begin with are settled once; the same command goes on, the old study may be deleted."""
    database = edit({"trials = 4": "trials = 12"})
    search()
    first = opened(name="small-2", from_study="small")
    run_search(first, SearchRequest(trials=3))
    search(trials=5)
    again = opened(name="small-2", from_study="small")
    history = history_of(again)
    assert len(history.offered) == json.loads(rows(database, "SELECT facts FROM tuner_studies")[1][0])["from"]["trials"]
    run_search(again, SearchRequest())
    assert (
        len(points(database, "small-2")) + rows(database, "SELECT count(*) FROM trials WHERE state = 'PRUNED'")[0][0]
        >= 12
    )


def test_the_sampler_looks_at_them(edit: Edit) -> None:
    """A trial that is not random is drawn otherwise than without them."""
    edit({"trials = 4": "trials = 14"})
    search()
    history = history_of(opened(name="small-2", from_study="small"))
    study = opened()
    number = 12
    knowing = draw(study.definition, history, number, {})
    history._offered = []
    assert draw(study.definition, history, number, {}).sampled != knowing.sampled


def test_a_study_of_a_toml_of_its_own_may_begin_with_another(edit: Edit, workplace: Path) -> None:
    """``tuner search other.toml --from small``: the name is the definition's."""
    database = edit({})
    search()
    text = (workplace / "studies" / "small.toml").read_text(encoding="utf-8")
    other = workplace / "studies" / "other.toml"
    other.write_text(text.replace('name = "small"', 'name = "other"').replace("[0.7, 1.0]", "[0.6, 1.0]"), "utf-8")
    study = opened("studies/other.toml", from_study="small")
    assert (study.stored.name, study.stored.facts.begun) == ("other", Begun("small", 4))
    assert finished(database) == [0, 1, 2, 3]


def test_from_is_told_to_have_no_effect_on_a_study_that_is_there(edit: Edit) -> None:
    """Not where it began with that study's trials: a nightly command may be typed again; a typo is refused."""
    edit()
    opened(name="first").database.close()
    opened(name="second").database.close()
    begun = opened(name="third", from_study="first")
    assert "started with 0 trials of first" in begun.headline
    again = opened(name="third", from_study="first")
    assert again.headline == begun.headline
    assert "--from first has no effect" in opened(name="second", from_study="first").headline
    with pytest.raises(UsageError, match="no study 'typo'"):
        opened(name="second", from_study="typo")


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        ({"name": "small-2", "from_study": "smal"}, "no study 'smal'"),
        ({"from_study": "small"}, "cannot start with its own trials"),
    ],
)
def test_a_study_to_begin_with_must_be_another_that_exists(edit: Edit, request_: dict[str, str], part: str) -> None:
    """One line, and no new study."""
    database = edit()
    with pytest.raises(UsageError, match="does not exist yet"):
        opened(name="small-2", from_study="small")
    assert not database.exists()
    opened(name="first").database.close()
    before = fingerprint(database)
    with pytest.raises(UsageError, match=part):
        opened(**request_)
    assert fingerprint(database) == before
    assert find_study(opened(name="first").database, "small-2") is None


def test_a_study_of_plain_optuna_gives_what_both_name(edit: Edit, tmp_path: Path) -> None:
    """Its best trials that fit run first, the rest of each is drawn; values and other parameters are left out."""
    edit()
    theirs = optuna.create_study(
        study_name="theirs", storage=JournalStorage(JournalFileBackend(str(tmp_path / "log"))), direction="maximize"
    )
    ranges = {"alpha": FloatDistribution(0.01, 9.0), "layers": IntDistribution(1, 3)}
    for alpha, value in ((0.5, 0.1), (0.2, 0.9), (5.0, 1.0), (0.4, 0.5)):
        params = {"alpha": alpha, "layers": 2}
        theirs.add_trial(create_trial(params=params, distributions=ranges, value=value))
    search()
    import_study(str(tmp_path / "log"), None, None, [], None)
    import_study(str(tmp_path / "log"), None, "strange", ["alpha=rate"], None)
    study = opened(name="small-2", from_study="theirs")
    assert "started with 3 trials of theirs" in study.headline
    assert history_of(study).offered == []
    run_search(study, SearchRequest(trials=2))
    record = read_record("small-2")
    assert record.trials[0].params["alpha"] == 0.2
    assert record.earlier == ()
    assert build_report(record).findings.kept is None
    assert "small-2" in opened(name="small-2", from_study="theirs").headline
    with pytest.raises(UsageError, match="none of its 4 complete trials fits: its parameters are layers, rate"):
        opened(name="small-3", from_study="strange")
    delete("theirs", None)
    with pytest.raises(UsageError, match="no study 'theirs'"):
        opened(name="small-3", from_study="theirs")


def test_a_report_knows_the_trials_before_on_the_same_dev_rows(edit: Edit) -> None:
    """Of the study before and of that before it; none once it is deleted, or where another metric chose them."""
    edit({"trials = 4": "trials = 4"})
    search()
    for name, before in (("small-2", "small"), ("small-3", "small-2")):
        run_search(opened(name=name, from_study=before), SearchRequest(trials=2))
    edit({"trials = 4": 'trials = 4\nmetric = "cost"'})
    run_search(opened(name="by-cost", from_study="small"), SearchRequest(trials=2))
    earlier = {name: len(read_record(name).earlier) for name in ("small", "small-2", "small-3", "by-cost")}
    assert earlier == {"small": 0, "small-2": 4, "small-3": 6, "by-cost": 0}
    delete("small", None)
    assert len(read_record("small-3").earlier) == 2


def test_a_long_chain_of_studies_is_read_as_far_as_ten_back(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nightly jobs that each begin with the last one, and a database whose studies begin with each other."""
    edit({"trials = 4": "trials = 4"})
    search()
    one = read_record("small")
    names = [f"night-{number}" for number in range(2000)]

    def read(_: object, name: str) -> StudyRecord:
        before = f"night-{int(name.removeprefix('night-')) - 1}"
        return dataclasses.replace(
            one, name=name, beside=tuple(names), facts=dataclasses.replace(one.facts, begun=Begun(before, 4))
        )

    monkeypatch.setattr(opening, "_read_alone", read)
    with open_database(sqlite_url(Path("studies/tuner.db")), create=False) as database:
        last = opening.read_checked(database, names[-1])
    assert len(last.earlier) == 10 * len(one.judged)
