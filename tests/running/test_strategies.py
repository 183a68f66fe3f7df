"""Every sampler and pruner in a real search of a study in a database, and killed in the middle of it."""

from __future__ import annotations

import random

import pytest

from tests.running.conftest import Edit, fingerprint, finished, opened, rows, search
from tests.running.test_crashes import search_with_kills
from tests.running.test_sampling import INSTALLED
from tuner.running import SearchRequest, run_search
from tuner.storage import History, read_study
from tuner.study import FOLD_PRUNERS, PRUNERS


def changes(sampler: str, pruner: str, trials: int) -> dict[str, str]:
    """A study whose trials are all drawn by the sampler, with folds where the pruner compares them."""
    chosen = f'trials = {trials}\nexplore = 0.0\nsampler = "{sampler}"\npruner = "{pruner}"'
    return {"trials = 4": chosen} | ({'"kind"': '"kind"\nfolds = 5'} if pruner in FOLD_PRUNERS else {})


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("sampler", INSTALLED)
def test_every_sampler_searches_with_every_pruner(edit: Edit, sampler: str, pruner: str) -> None:
    """The budget is completed with different points of the space."""
    database = edit(changes(sampler, pruner, 5))
    study = opened()
    run_search(study, SearchRequest())
    assert finished(database) == list(range(5))
    points = [trial.params for trial in read_study(study.database, "small").trials]
    assert all(study.definition.searched_space.holds(point) for point in points)
    assert len({str(point) for point in points}) == 5


@pytest.mark.parametrize(("sampler", "pruner", "trials"), [("cmaes", "hyperband", 10), ("grid", "wilcoxon", 5)])
def test_a_killed_search_repeats_itself(edit: Edit, sampler: str, pruner: str, trials: int) -> None:
    """SIGKILL and the same command, until done: the same trials as of a search that was never killed."""
    if sampler not in INSTALLED:
        pytest.skip("needs the package of the sampler")
    database = edit(changes(sampler, pruner, trials))
    assert search_with_kills(database, trials, random.Random(0)) > 2
    killed = fingerprint(database)
    assert rows(database, "SELECT count(*) FROM tuner_claims WHERE attempts > 1")[0][0] > 0
    for path in database.parent.glob("tuner.db*"):
        path.unlink()
    search()
    assert fingerprint(database) == killed


def test_wilcoxon_ends_trials_by_what_is_stored_of_the_best_one(edit: Edit) -> None:
    """Some are pruned, and each fold's least error up to a rung is read from the epochs that every trial has."""
    database = edit(changes("random", "wilcoxon", 20))
    study = opened()
    run_search(study, SearchRequest())
    assert ("PRUNED",) in rows(database, "SELECT DISTINCT state FROM trials")
    history = History(study.database, study.stored.study_id, study.definition.searched_space.distributions)
    for trial in read_study(study.database, "small").trials:
        (trial_id,) = rows(database, f"SELECT trial_id FROM trials WHERE number = {trial.number}")[0]
        least = [min(network.curve["dev_error"][:3]) for network in trial.networks]
        assert history.network_losses(trial_id, 3) == pytest.approx(least)
