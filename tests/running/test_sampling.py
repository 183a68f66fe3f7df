"""Every sampler and pruner through the real draw, and through a short search."""

from __future__ import annotations

import importlib.util
import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from tuner.errors import UsageError
from tuner.running import sampling
from tuner.running.sampling import Pruning, draw
from tuner.storage import SampledTrial, frozen_trial
from tuner.study import FOLD_PRUNERS, PRUNERS, SAMPLERS, StudyDefinition, explores
from tuner.study.strategies import GRID_POINTS, PACKAGES, grid_of

MIXED = {
    "alpha": {"log_uniform": [0.01, 1.0]},
    "keep_prob": {"uniform": [0.5, 1.0]},
    "batch_size": {"power_of_two": [16, 128]},
    "initializer": {"choice": ["he", "xavier", "lecun"]},
    "beta": {"one_minus_log_uniform": [0.9, 0.9]},
}
BEST_FOLDS = [0.10, 0.12, 0.14, 0.16, 0.18]
CHOICES = {"initializer": {"choice": ["he", "xavier", "lecun"]}, "activation": {"choice": ["relu", "tanh"]}}
INSTALLED = [name for name in SAMPLERS if importlib.util.find_spec(PACKAGES.get(name, "optuna"))]


@dataclass
class Trials:
    """A history in memory."""

    finished: list[FrozenTrial] = field(default_factory=list)
    running: list[FrozenTrial] = field(default_factory=list)
    offered: list[FrozenTrial] = field(default_factory=list)

    @property
    def newest(self) -> list[FrozenTrial]:
        """All of these few."""
        return self.finished

    def refresh(self) -> None:
        """Nothing is read."""

    def network_losses(self, trial_id: int, epochs: int) -> list[float]:
        """Those of the best trial of these tests, after any epoch."""
        return BEST_FOLDS


def a_study(
    sampler: str, space: dict[str, Any] = MIXED, pruner: str = "none", explore: float = 0.0, seed: int = 0
) -> StudyDefinition:
    """A definition with this sampler."""
    search = {"sampler": sampler, "pruner": pruner, "explore": explore, "seed": seed}
    data = {"source": "x.csv", "target": "y", **({"folds": 5} if pruner in FOLD_PRUNERS else {})}
    return StudyDefinition.model_validate({"name": "study", "data": data, "space": space, "search": search})


def trial_of(definition: StudyDefinition, number: int, drawn: SampledTrial, running: bool = False) -> FrozenTrial:
    """A drawn trial as the history has it, with a value that says how good it is."""
    state = TrialState.RUNNING if running else TrialState.COMPLETE
    value = abs(drawn.hyperparameters["alpha"] - 0.1) + number % 3 / 1000
    distributions = definition.searched_space.distributions
    return frozen_trial(
        number,
        state,
        drawn.sampled,
        distributions,
        trial_id=number + 1,
        value=None if running else value,
        system_attributes=drawn.system_attributes,
    )


def search(definition: StudyDefinition, n: int, given: dict[int, dict[str, Any]] | None = None) -> list[SampledTrial]:
    """Draw n trials one after the other; each is finished when the next but one is drawn, as with two workers."""
    history, found = Trials(), []
    for number in range(n):
        found.append(draw(definition, history, number, (given or {}).get(number, {})))
        history.finished += [trial_of(definition, t.number, found[t.number]) for t in history.running]
        history.running = [trial_of(definition, number, found[number], running=True)]
    return found


@pytest.mark.parametrize(
    "space", [MIXED, CHOICES, {"alpha": MIXED["alpha"]}, {}], ids=["mixed", "choices", "one", "none"]
)
@pytest.mark.parametrize("name", INSTALLED)
def test_every_sampler_draws_inside_every_space_and_repeats_itself(name: str, space: dict[str, Any]) -> None:
    """Two workers, hand-picked trials, single values: every point lies in the space; the same again from the start."""
    definition = a_study(name, space)
    given = {
        3: definition.searched_space.sampled({"alpha": 0.5}),
        4: definition.searched_space.sampled({"initializer": "he"}),
    }
    found = search(definition, 50, given)
    assert all(definition.searched_space.holds(trial.hyperparameters) for trial in found)
    again = search(definition, 50, given)
    assert [trial.sampled for trial in found] == [trial.sampled for trial in again]
    if "alpha" in space:
        assert found[3].hyperparameters["alpha"] == 0.5


@pytest.mark.parametrize("name", INSTALLED)
def test_trials_differ(name: str) -> None:
    """A sampler that drew the same seed or point every time would search nothing."""
    found = search(a_study(name), 40)
    assert len({tuple(trial.sampled.values()) for trial in found}) > 20


@pytest.mark.parametrize("name", INSTALLED)
def test_every_sampler_takes_the_largest_seed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds have 32 bits; the largest of them is a study's and a trial's, too."""
    monkeypatch.setattr(sampling, "trial_seed", lambda *_: 2**32 - 1)
    definition = a_study(name, seed=2**32 - 1)
    assert all(definition.searched_space.holds(trial.hyperparameters) for trial in search(definition, 12))


def test_a_sobol_sequence_spreads_evenly() -> None:
    """Of 64 pp 16 lie in each quarter of a range; pseudo-random ones would be off by three or so."""
    quarters = [int((t.sampled["keep_prob"] - 0.5) / 0.125) for t in search(a_study("qmc"), 64)]
    assert [quarters.count(quarter) for quarter in range(4)] == [16] * 4


def test_a_grid_is_met_point_by_point() -> None:
    """As many different points as trials, until there are no more."""
    found = search(a_study("grid", CHOICES | {"alpha": {"log_uniform": [0.1, 0.1]}}), 6)
    assert len({tuple(trial.sampled.values()) for trial in found}) == 6


def test_a_grid_stays_small() -> None:
    """Its levels are the scale's ticks, fewer where there would be too many points."""
    assert grid_of(a_study("grid", {"alpha": MIXED["alpha"]}).searched_space) == {
        "alpha": [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    }
    names = ("lambda", "l1", "alpha", "decay_rate")
    space = {name: {"log_uniform": [1e-6, 1.0]} for name in names} | MIXED
    grid = grid_of(a_study("grid", space).searched_space)
    sizes = [len(levels) for levels in grid.values()]
    assert math.prod(sizes) <= GRID_POINTS


def test_cmaes_and_nsgaii_leave_their_notes_with_the_trial() -> None:
    """Without the generation and the state noted in the trials, they would begin anew with each."""
    pytest.importorskip("cmaes")
    assert any(key.startswith("cma:optimizer") for t in search(a_study("cmaes"), 40) for key in t.system_attributes)
    generations = [
        v for t in search(a_study("nsgaii"), 60) for k, v in t.system_attributes.items() if "generation" in k
    ]
    assert max(generations) >= 2


def test_what_a_sampler_needs_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that is missing, and how to install it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"'gp' needs the package torch.*pip install 'tuner-search\[gp\]'"):
        draw(a_study("gp", explore=1.0), Trials(), 0, {})


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("sampler", INSTALLED)
def test_every_pruner_judges_what_every_sampler_drew(sampler: str, pruner: str) -> None:
    """With nobody to compare, nobody is pruned."""
    definition = a_study(sampler, pruner=pruner)
    drawn = draw(definition, Trials(), 0, {})
    assert not Pruning(definition, Trials(), 0, drawn)({33: 0.5})


@pytest.mark.parametrize(
    ("worse_by", "pruned"),
    [
        ([0.01, 0.02, 0.03, 0.04, 0.05], True),  # p = 1/32
        ([0.01, -0.02, 0.03, 0.04, 0.05], True),  # 3/32
        ([0.01, 0.02, -0.03, 0.04, 0.05], False),  # 5/32
        ([0.0, 0.0, 0.0, 0.0, 0.0], False),
        ([-0.01, -0.02, -0.03, -0.04, -0.05], False),
    ],
)
def test_wilcoxon_prunes_what_is_worse_than_the_best_trial_over_the_folds(worse_by: list[float], pruned: bool) -> None:
    """The share of the 32 signs of the ranks that are as bad, below a tenth; only the best complete trial counts."""
    definition = a_study("random", pruner="wilcoxon")
    drawn = draw(definition, Trials(), 2, {})
    losses = [best + more for best, more in zip(BEST_FOLDS, worse_by, strict=True)]
    best = trial_of(definition, 0, drawn)
    assert Pruning(definition, Trials([best]), 2, drawn)({33: 0.0, 50: 0.0}, losses) == pruned
    best.state = TrialState.PRUNED
    assert not Pruning(definition, Trials([best]), 2, drawn)({33: 1.0}, losses)


def test_no_sampler_warns() -> None:
    """What Optuna warns of is for its own loop."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in INSTALLED:
            search(a_study(name), 12)
    assert not [str(warning.message) for warning in caught]


def test_exploring_trials_follow_a_sobol_sequence() -> None:
    """Of the first 16 exploring trials four lie in each quarter, whatever their numbers."""
    definition = a_study("tpe", explore=0.25)
    numbers = [number for number in range(100) if explores(number, 0.25)][:16]
    points = [draw(definition, Trials(), number, {}).sampled["keep_prob"] for number in numbers]
    quarters = [int((point - 0.5) / 0.125) for point in points]
    assert [quarters.count(quarter) for quarter in range(4)] == [4] * 4


def test_exploring_trials_have_a_low_discrepancy() -> None:
    """Lower than pseudo-random ones have with any of 20 seeds."""

    def discrepancy(sampler: str, seed: int) -> float:
        definition = a_study("tpe", {name: MIXED[name] for name in ("alpha", "keep_prob")}, explore=1.0, seed=seed)
        points = [list(draw(definition, Trials(), n, {}, sampler).sampled.values()) for n in range(16)]
        scaled = [[(math.log10(alpha) + 2) / 2, (share - 0.5) / 0.5] for alpha, share in points]
        return float(qmc.discrepancy(scaled))

    assert discrepancy("qmc", 0) < min(discrepancy("random", seed) for seed in range(20))


def test_exploring_trials_repeat_no_point_of_the_sampler() -> None:
    """The sampler ``qmc`` follows the same sequence: all trials together go through it once."""
    points = [trial.sampled["alpha"] for trial in search(a_study("qmc", explore=0.25), 60)]
    assert len(set(points)) == 60
