"""Measure what a search would gain by training several trials side by side: trials a second, and what they find.

    python -m benchmarks.together                    # 30 searches of 100 trials, three ways: ten minutes of one core
    python -m benchmarks.together --steps            # the most that is possible: full groups, no early stopping

digits with one split, in memory, without a database and without a pruner. Alone: a trial is drawn, trained and known to
the next one. Together: N trials are drawn, each with the others as running trials, as by N workers; those of one batch
size train side by side (the rest of what must agree is fixed in this study). "N of one size": all N take the batch
size of the first one. The ways take turns; seconds are the processor's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits

from benchmarks.goals import Goal
from benchmarks.search import write_definition
from tuner.data import Dataset, load_dataset
from tuner.nn import Examples, Hyperparameters, Stopping, train
from tuner.running.sampling import draw
from tuner.storage import SampledTrial, frozen_trial
from tuner.study import StudyDefinition
from tuner.study.space import optuna_name
from tuner.trial import described_epochs, network_seeds, trial_settings
from tuner.workspace.locating import read_source

WAYS = [(1, False), (8, False), (8, True)]
"""Trials at once, and whether they share the batch size of the first."""
STEPS_EPOCHS = 20


@dataclass
class Trials:
    """The trials of a search in memory, in the form that ``draw`` reads."""

    offered: list[FrozenTrial] = field(default_factory=list)
    finished: list[FrozenTrial] = field(default_factory=list)
    running: list[FrozenTrial] = field(default_factory=list)


@dataclass
class Search:
    """A search that trains ``at_once`` trials side by side, as far as they agree."""

    definition: StudyDefinition
    dataset: Dataset
    at_once: int
    one_size: bool
    seconds: dict[str, float] = field(default_factory=lambda: {"draw": 0.0, "train": 0.0})

    def run(self) -> float:
        """The best dev error of all trials."""
        trials, n = Trials(), self.definition.search.trials
        for first in range(0, n, self.at_once):
            drawn = self._timed("draw", self._draw, trials, range(first, min(first + self.at_once, n)))
            groups: dict[Any, dict[int, SampledTrial]] = defaultdict(dict)
            for number, trial in drawn.items():
                groups[trial.hyperparameters["batch_size"]][number] = trial
            for group in groups.values():
                values = self._timed("train", self._train, list(group.values()))
                trials.finished += [
                    self._frozen(number, trial, TrialState.COMPLETE, value)
                    for (number, trial), value in zip(group.items(), values, strict=True)
                ]
            trials.running.clear()
        return min(trial.value for trial in trials.finished if trial.value is not None)

    def _timed(self, what: str, work: Callable[..., Any], *arguments: Any) -> Any:
        began = time.process_time()
        result = work(*arguments)
        self.seconds[what] += time.process_time() - began
        return result

    def _draw(self, trials: Trials, numbers: range) -> dict[int, SampledTrial]:
        drawn: dict[int, SampledTrial] = {}
        size = optuna_name("batch_size", self.definition.searched_space.searched["batch_size"])
        for number in numbers:
            trial = self._draw_one(trials, number, {})
            if self.one_size and drawn:
                same = {size: drawn[numbers[0]].sampled[size]}
                trial = self._with(trial, same) if trial.exploring else self._draw_one(trials, number, same)
            drawn[number] = trial
            trials.running.append(self._frozen(number, trial, TrialState.RUNNING, None))
        return drawn

    def _draw_one(self, trials: Trials, number: int, given: Mapping[str, Any]) -> SampledTrial:
        return draw(self.definition, trials, number, given)  # type: ignore[arg-type]

    def _with(self, trial: SampledTrial, changed: Mapping[str, Any]) -> SampledTrial:
        sampled = {**trial.sampled, **changed}
        return replace(trial, sampled=sampled, hyperparameters=self.definition.searched_space.values(sampled))

    def _frozen(self, number: int, trial: SampledTrial, state: TrialState, value: float | None) -> FrozenTrial:
        distributions = self.definition.searched_space.distributions
        return frozen_trial(
            number,
            state,
            trial.sampled,
            distributions,
            trial_id=number,
            value=value,
            system_attributes=trial.system_attributes,
        )

    def _train(self, trials: Sequence[SampledTrial]) -> list[float]:
        """The dev error of each trial."""
        settings = [self.definition.searched_space.hyperparameters(trial.hyperparameters) for trial in trials]
        seeds = [network_seeds(trial.seed, 1)[0] for trial in trials]
        return train_side_by_side(self.dataset, settings, seeds, trial_settings(self.definition).stopping)


def train_side_by_side(
    dataset: Dataset, settings: Sequence[Hyperparameters], seeds: Sequence[np.random.SeedSequence], stopping: Stopping
) -> list[float]:
    """Train one network per seed as a search trains a trial; the dev error of each."""
    (part,) = dataset.parts
    run = train(
        Examples(part.train.X, part.train.y),
        Examples(part.dev.X, part.dev.y),
        n_classes=dataset.n_classes,
        hyperparameters=settings,
        seeds=seeds,
        stopping=stopping,
        report_epochs=described_epochs(stopping.max_epochs),
    )
    return [float(network.dev_wrong.mean()) for network in run.networks]


def study(folder: Path, trials: int, seed: int) -> StudyDefinition:
    """The study of digits with one split and no pruner."""
    path = write_definition(folder, f"digits-{seed}", trials=trials, seed=seed)
    text = path.read_text(encoding="utf-8").replace('pruner = "median"', 'pruner = "none"')
    path.write_text(text, encoding="utf-8")
    return read_source(path).definition


def measure_steps(folder: Path, rounds: int) -> None:
    """Print milliseconds an epoch and network of full groups that never stop early, the fastest of all rounds."""
    definition = study(folder, 1, 0)
    dataset = load_dataset(definition.data, folder)
    stopping = replace(trial_settings(definition).stopping, max_epochs=STEPS_EPOCHS, patience=None)
    space = definition.searched_space
    for batch_size in (16, 32, 64, 128):
        settings = space.hyperparameters(space.middle() | {"batch_size": batch_size})
        fastest: dict[int, float] = {}
        for _ in range(rounds):
            for at_once in (1, 2, 4, 8, 16):
                seeds = [np.random.SeedSequence(seed) for seed in range(at_once)]
                began = time.process_time()
                train_side_by_side(dataset, [settings] * at_once, seeds, stopping)
                each = (time.process_time() - began) / at_once / STEPS_EPOCHS
                fastest[at_once] = min(each, fastest.get(at_once, np.inf))
        shown = "  ".join(f"{n}: {1e3 * each:.2f} ({fastest[1] / each:.2f})" for n, each in fastest.items())
        print(f"batch {batch_size:4}: {shown}", flush=True)


def measure_searches(folder: Path, trials: int, seeds: range) -> list[Goal]:
    """Compare seconds and best errors of searches with the same seed."""
    seconds: dict[tuple[int, bool], list[dict[str, float]]] = defaultdict(list)
    errors: dict[tuple[int, bool], list[float]] = defaultdict(list)
    warm_up = study(folder, 16, 0)
    Search(warm_up, load_dataset(warm_up.data, folder), *WAYS[-1]).run()  # imports
    for seed in seeds:
        definition = study(folder, trials, seed)
        dataset = load_dataset(definition.data, folder)
        for way in WAYS:
            search = Search(definition, dataset, *way)
            errors[way].append(search.run())
            seconds[way].append(search.seconds)
        shown = "  ".join(f"{sum(seconds[way][-1].values()):.1f} s {errors[way][-1]:.4f}" for way in WAYS)
        print(f"  seed {seed}: {shown}", flush=True)
    goals = []
    n, alone = trials * len(seeds), _total(seconds[WAYS[0]])
    for way in WAYS:
        name, spent = f"{way[0]} at once" + (" of one size" if way[1] else ""), _total(seconds[way])
        more = 100 * (np.array(errors[way]) - np.array(errors[WAYS[0]]))
        draw_ms, train_ms = (1e3 * spent[what] / n for what in ("draw", "train"))
        error = more.std(ddof=1) / len(more) ** 0.5
        print(
            f"{name}: a trial {draw_ms:.1f} ms to draw, {train_ms:.1f} ms to train; best error "
            f"{np.mean(errors[way]):.2%}, {more.mean():+.2f} ± {error:.2f} pp of that alone"
        )
        goals.append(Goal(name=f"training, {name}", value=alone["train"] / spent["train"]))
        goals.append(Goal(name=f"trials a second, {name}", value=sum(alone.values()) / sum(spent.values())))
    return goals


def _total(seconds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The sums over all searches."""
    return {what: sum(each[what] for each in seconds) for what in seconds[0]}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100, help="trials of a search")
    parser.add_argument("--seeds", type=int, default=30, help="searches of each kind")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", action="store_true", help="only measure full groups")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuner-benchmark-") as name, threadpool_limits(limits=1):
        if arguments.steps:
            measure_steps(Path(name), 7)
        else:
            seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
            print(*measure_searches(Path(name), arguments.trials, seeds), sep="\n")


if __name__ == "__main__":
    main()
