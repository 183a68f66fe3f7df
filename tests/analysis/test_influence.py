"""Which hyperparameters certainly matter: few false ones, the strong ones found, whatever a sampler did."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from tuner.analysis.hyperparameter_states import good_region, hyperparameter_states
from tuner.analysis.hyperparameters import SearchedHyperparameter
from tuner.analysis.influence import influential
from tuner.analysis.next_ranges import narrowed

KNOBS = [SearchedHyperparameter(name=name, kind="uniform", bounds=(0.0, 1.0)) for name in "abcde"]
START = SearchedHyperparameter(name="start", kind="choice", bounds=["he", "xavier", "lecun"])


def even(rng: np.random.Generator, n: int) -> list[dict[str, float | str]]:
    """Trials all over the space."""
    return [
        {**{one.name: float(rng.random()) for one in KNOBS}, "start": str(rng.choice(START.bounds))} for _ in range(n)
    ]


def test_without_any_effect_one_in_twenty_searches_finds_one() -> None:
    """Twelve exploring trials, six hyperparameters that do nothing: any of them in 5% of 400 searches."""
    rng = np.random.default_rng(0)
    found = [bool(influential([*KNOBS, START], even(rng, 12), rng.random(12))) for _ in range(400)]
    assert 0.01 < np.mean(found) < 0.08


def test_strong_ones_are_found_and_hardly_any_other() -> None:
    """A valley in the middle of one range, and a choice that costs as much, beside four that do nothing."""
    rng = np.random.default_rng(1)
    strong = others = 0
    for _ in range(50):
        params = even(rng, 25)
        values = [(float(p["a"]) - 0.5) ** 2 + 0.1 * (p["start"] == "he") + 0.01 * rng.random() for p in params]
        found = influential([*KNOBS, START], params, np.array(values))
        strong += len(found & {"a", "start"})
        others += bool(found - {"a", "start"})
    assert strong >= 85
    assert others <= 5


def test_of_two_that_always_go_together_one_is_named() -> None:
    """Beside the first the second explains nothing."""
    params = [{"a": i / 20, "b": i / 20} for i in range(20)]
    assert influential(KNOBS[:2], params, np.arange(20.0)) == {"a"}


def test_trials_where_it_is_idle_show_no_effect() -> None:
    """Twenty trials of which ten act: those alone rise."""
    params = [{"a": i / 9} if i < 10 else {} for i in range(20)]
    rising = np.array([i / 9 if i < 10 else 0.5 for i in range(20)])
    assert influential(KNOBS[:1], params, rising) == {"a"}
    assert influential(KNOBS[:1], params, np.full(20, 0.5)) == frozenset()
    assert influential(KNOBS[:1], [], np.zeros(0)) == frozenset()


@pytest.mark.slow
def test_a_tpe_search_does_not_narrow_ranges_without_effect() -> None:
    """Fifty trials of which twelve explore, five hyperparameters that do nothing: narrowed, pressed in 5% at most.

    By where all trials are, every second search would at least.
    """
    narrow, pressed, by_all = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(n_startup_trials=12, multivariate=True, seed=seed)
        )
        for _ in range(50):
            trial = study.ask({one.name: optuna.distributions.FloatDistribution(0, 1) for one in KNOBS})
            study.tell(trial, float(rng.random()))
        params = [trial.params for trial in study.trials]
        values = np.array([trial.value for trial in study.trials])
        states = hyperparameter_states(KNOBS, params, values, np.arange(50) < 12, int(values.argmin()))
        narrow.append(any(narrowed(state) for state in states))
        pressed.append(any(max(state.near_low, state.near_high) >= 0.5 for state in states))
        regions = [good_region(np.array([params[place][one.name] for place in values.argsort()])) for one in KNOBS]
        by_all.append(any(high - low < 0.8 for low, high in filter(None, regions)))
    assert np.mean(narrow) <= 0.07
    assert np.mean(pressed) <= 0.07
    assert np.mean(by_all) > 0.5
