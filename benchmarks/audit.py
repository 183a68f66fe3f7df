"""An audit of whole searches: TPE, pruning, folds, and a report, each beside the truth on rows that were kept apart.

    python -m benchmarks.audit FOLDER overtuning [--workers 2] [--seeds 10] [--rows 500 1000 5000] [--records FILE]
    python -m benchmarks.audit FOLDER stability
    python -m benchmarks.audit FOLDER null
    python -m benchmarks.audit FOLDER balanced
    python -m benchmarks.audit FOLDER made

``FOLDER``: see real_tables.py; made problems are added. ``overtuning`` follows the protocol of Schneider et al. 2025
(arXiv 2506.19540): relative overtuning is how much worse the final choice is than the best of the incumbents before it,
divided by what the search gained over its first trial. The same searches tell how well the error is covered, how often
a verdict is wrong, and what two rules without intervals would say: skore's check SKD001 on accuracy (train and dev
accuracy are at least 3 pp and a tenth of dev accuracy apart), and "dev error − train error > 2 pp".
``stability``: the same rows, ten seeds of the search and ten splits. ``null``: labels that nothing can predict
(Varma and Simon 2006). ``balanced``: searches for the balanced error. ``made``: what benchmarks.diagnosis runs, made
problems that differ from search to search, one of four with a rare class and the balanced error. A record per search is
kept in ``--records``; searches that it holds are not repeated.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations, groupby
from pathlib import Path

import numpy as np
import pandas as pd

import tuner
from benchmarks.goals import Goal, rate_goal
from benchmarks.made_problems import PROBLEMS
from benchmarks.real_tables import Table, tables
from tuner.analysis import wilson
from tuner.outcomes import Level, Verdict

TRUTH = 5000
MADE_ROWS = 12_000
MADE = ("gaussian", "too_few_examples", "label_noise")
OVERTUNING_TABLES = ("adult", "mnist", "california_housing 2", "kin8nm 3", "power_plant 2", *MADE)
STABILITY_TABLES = ("adult", "mnist", "kin8nm 3", "concrete 2", "too_few_examples", "label_noise")
RARE = "rare"
BALANCED_TABLES = ("california_housing rare", "kin8nm rare", RARE)
PUBLISHED = {0.0: 0.607, 0.1: 0.721, 0.5: 0.848, 1.0: 0.915}
"""Relative overtuning: the share of searches up to each mark, of Schneider et al. 2025."""
MATERIAL = 0.02
DEFINITION = """\
name = "made"
[data]
source = "made.csv"
target = "y"
seed = {split_seed}
split = {{ test = 0{dev} }}
{folds}
[training]
max_epochs = 50
monitor = "{metric}"
[search]
trials = {trials}
seed = {search_seed}
metric = "{metric}"
[diagnosis]
material_gap = {material}
"""


@dataclass(frozen=True)
class Case:
    """One search: a table, so many of its rows, and what is random in it."""

    protocol: str
    table: str
    n: int
    folds: int
    rows_seed: int
    split_seed: int
    search_seed: int
    trials: int = 40
    dev: float = 0.2
    metric: str = "error"
    shuffled: bool = False

    @property
    def key(self) -> str:
        """The case as text, by which its record is found again."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Record:
    """What a search reported, and what is true: ``networks``, the mean of the best trial's; ``delivered``, the model.

    ``train`` and ``dev`` are measured errors, of the metric. ``incumbents``: true errors of the models of the trials
    that were the best so far, in their order, or of the best alone; ``tied``: of the simplest statistically tied trial,
    or of the best. ``n_effective``: what the dev rows are worth in its interval. ``average``: the measured, the
    corrected and the true error of the average of the chosen trials. ``effects``: hyperparameters whose effect on dev
    error near the best trial is called certain; ``influential``: those that certainly matter, whose range may be
    narrowed.
    """

    case: Case
    n_dev: int
    n_truth: int
    train: float
    dev: float
    corrected: tuple[float, float, float]
    variance: tuple[float, float]
    levels: tuple[str, str]
    verdict: str
    networks: float
    delivered: float
    incumbents: list[float]
    tied: float
    average: tuple[float, float, float]
    classes: int
    effects: list[str]
    influential: list[str]
    n_effective: float | None = None

    @property
    def overtuning(self) -> float:
        """Relative overtuning of the best trial."""
        return relative_overtuning(self.incumbents, self.incumbents[-1])

    @property
    def overtuning_tied(self) -> float:
        """Relative overtuning if the simplest tied trial is taken."""
        return relative_overtuning([*self.incumbents, self.tied], self.tied)

    @property
    def overtuning_average(self) -> float:
        """Relative overtuning if the average of the chosen trials is delivered."""
        return relative_overtuning(self.incumbents, self.average[2])


def relative_overtuning(incumbents: Sequence[float], chosen: float) -> float:
    """(chosen − best incumbent) / (first − best incumbent); 0 if the choice is the best, infinite without progress."""
    best = min(incumbents)
    if chosen <= best:
        return 0.0
    return (chosen - best) / (incumbents[0] - best) if incumbents[0] > best else np.inf


def made_table(name: str) -> Table:
    """Examples of a made problem, the same for the same name: its kind, and a number where there are several."""
    rng = np.random.default_rng([17, *name.encode()])
    kind = name.split()[0]
    if kind == RARE:
        X = rng.standard_normal((MADE_ROWS, 8))
        score = X[:, :3].sum(axis=1) + X[:, 3] * X[:, 4] + rng.standard_normal(MADE_ROWS)
        return pd.DataFrame(X).rename(columns=str), (score > np.quantile(score, 0.92)).astype(int)
    X, y = PROBLEMS[kind](rng, 300).train_source.sample(MADE_ROWS, rng)
    return pd.DataFrame(X).rename(columns=str), y


def read_table(name: str, folder: Path) -> Table:
    """Read a real or make a made table."""
    return made_table(name) if name.split()[0] in (*PROBLEMS, RARE) else tables(folder)[name]()


def judge(case: Case, folder: Path) -> Record:
    """Run one search in a folder of its own, and look up the truth."""
    frame, y = read_table(case.table, folder)
    rng = np.random.default_rng(case.rows_seed)
    if case.shuffled:
        y = rng.integers(2, size=len(y))
    order = rng.permutation(len(y))
    kept, truth = order[: case.n], order[case.n :][:TRUTH]
    names = np.array([f"class {label}" for label in y])
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        os.environ["TUNER_CACHE"] = place
        frame.iloc[kept].assign(y=names[kept]).to_csv("made.csv", index=False)
        Path("made.toml").write_text(
            DEFINITION.format(
                split_seed=case.split_seed,
                search_seed=case.search_seed,
                trials=case.trials,
                metric=case.metric,
                material=MATERIAL,
                folds=f"folds = {case.folds}" if case.folds else "",
                dev="" if case.folds else f", dev = {case.dev}",
            )
        )
        study = tuner.search("./made.toml")
        return _record(case, study, Truth(frame.iloc[truth], y[truth], names[truth], case.metric))


@dataclass(frozen=True)
class Truth:
    """Rows that no search had."""

    frame: pd.DataFrame
    y: np.ndarray
    names: np.ndarray
    metric: str

    def error(self, model: tuner.Model) -> float:
        """The true error of a model."""
        return self._mean(np.asarray(model.predict(self.frame)) != self.names)

    def networks(self, model: tuner.Model) -> float:
        """The mean true error of a model's networks."""
        alone = [
            tuner.Model(model.metadata.model_copy(update={"encodings": [encoding], "updates": [1]}), [network.theta])
            for encoding, network in zip(model.encodings, model.networks, strict=True)
        ]
        return float(np.mean([self.error(one) for one in alone]))

    def _mean(self, wrong: np.ndarray) -> float:
        if self.metric == "error":
            return float(wrong.mean())
        return float(np.mean([wrong[self.y == label].mean() for label in np.unique(self.y)]))


def _record(case: Case, study: tuner.Study, truth: Truth) -> Record:
    report = study.report()
    errors, gaps = report.diagnosis.errors, report.diagnosis.gaps
    dev, train = errors["dev"], errors["train"]
    corrected, best = errors["dev_corrected"], report.best
    assert dev is not None
    assert dev.n is not None
    assert train is not None
    assert corrected is not None
    assert best is not None
    model = study.train(trial=best.number)
    simplest = report.findings.simplest_tied
    first = {best.number: truth.error(model)}

    def true_error(number: int) -> float:
        if number not in first:
            first[number] = truth.error(study.train(trial=number))
        return first[number]

    choices, average = [best.number], (dev.value, corrected.value, true_error(best.number))
    if case.protocol == "overtuning":
        chosen = study.train(ensemble_of="auto")
        measured = chosen.metadata.errors
        average = (measured["dev"].value, measured.get("dev_corrected", measured["dev"]).value, truth.error(chosen))
        choices = incumbents(study)
    else:
        simplest = None
    effects, importances = report.effects, report.importances
    return Record(
        case=case,
        n_dev=dev.n,
        n_truth=len(truth.y),
        train=train.value,
        dev=dev.value,
        corrected=(corrected.value, *corrected.interval()),
        variance=(gaps["variance"].low, gaps["variance"].high),
        levels=(str(gaps["avoidable_bias"].level), str(gaps["variance"].level)),
        verdict=str(report.verdict),
        networks=truth.networks(model),
        delivered=true_error(best.number),
        incumbents=[true_error(number) for number in choices],
        tied=true_error(best.number if simplest is None else simplest.number),
        average=average,
        classes=len(np.unique(truth.y)),
        effects=[] if effects is None else [one.label for one in effects.effects if one.dev_near_best.decided],
        influential=[] if importances is None else sorted(importances.certain),
        n_effective=dev.n_effective,
    )


def incumbents(study: tuner.Study) -> list[int]:
    """Numbers of the trials that were the best so far."""
    numbers, best = [], np.inf
    trials = study.trials()
    for number, state, value in zip(trials["number"], trials["state"], trials["value"], strict=True):
        if state == "complete" and value < best:
            best = value
            numbers.append(int(number))
    return numbers


def overtuning_cases(seeds: int, rows: Sequence[int]) -> Iterator[Case]:
    """Every table at every size, one split and five folds; the seeds draw rows, split and search anew."""
    for n, folds, table, seed in [
        (n, k, t, s) for n in rows for k in (0, 5) for s in range(seeds) for t in OVERTUNING_TABLES
    ]:
        yield Case("overtuning", table, n, folds, 100 + seed, seed, seed)


def stability_cases(seeds: int, rows: Sequence[int]) -> Iterator[Case]:
    """The same rows: seeds of the search, then seeds of the split, then other rows."""
    for table in STABILITY_TABLES:
        for seed in range(seeds):
            yield Case("stability: search", table, 500, 5, 1, 0, seed)
            yield Case("stability: split", table, 500, 5, 1, seed, 0)
            yield Case("stability: rows", table, 500, 5, 1 + seed, 0, 0)


def null_cases(seeds: int, rows: Sequence[int]) -> Iterator[Case]:
    """Two classes at random; dev sets of 100 to 300 rows."""
    for seed in range(10 * seeds):
        n = (200, 300, 500)[seed % 3]
        yield Case("null", "gaussian", n, 5 * (seed % 2), seed, seed, seed, dev=0.4, shuffled=True)


def balanced_cases(seeds: int, rows: Sequence[int]) -> Iterator[Case]:
    """A rare class, searched for the balanced error."""
    for seed in range(seeds):
        for folds in (0, 5):
            for table in BALANCED_TABLES:
                yield Case("balanced", table, 600, folds, seed, seed, seed, metric="balanced_error")


def made_cases(seeds: int, rows: Sequence[int] = ()) -> Iterator[Case]:
    """Made problems, each searched with one split and with five folds."""
    for seed in range(seeds):
        for kind in (*MADE, RARE):
            metric = "balanced_error" if kind == RARE else "error"
            for folds in (0, 5):
                yield Case("made", f"{kind} {seed}", 500, folds, seed, seed, seed, trials=30, metric=metric)


PROTOCOLS: dict[str, Callable[[int, Sequence[int]], Iterator[Case]]] = {
    "overtuning": overtuning_cases,
    "stability": stability_cases,
    "null": null_cases,
    "balanced": balanced_cases,
    "made": made_cases,
}


def error_goals(records: Sequence[Record], what: str) -> list[Goal]:
    """Whether dev error, its interval and the variance are right, in standard errors; all records are of one metric."""
    truth = np.array([one.networks for one in records])
    measured, value = np.array([one.dev for one in records]), np.array([one.corrected[0] for one in records])
    ends = np.array([one.corrected[1:] for one in records])
    rows = [one.n_effective or one.n_dev for one in records]
    se = np.sqrt(np.maximum(truth * (1 - truth), 1e-9) / np.array(rows))
    inside = (ends[:, 0] - 1e-12 <= truth) & (truth <= ends[:, 1] + 1e-12)
    places = np.arange(len(records))
    raw, bias = (measured - truth) / se, (value - truth) / se
    goals = [
        Goal(name=f"{what}: measured dev error, bias in standard errors", value=float(raw.mean())),
        Goal(name=f"{what}: selection-corrected, bias in standard errors", value=float(bias.mean()),
            low=-0.3, high=0.3, error=float(bias.std() / np.sqrt(len(records)))),
        rate_goal(f"{what}: true error of the networks in the 95% interval", inside, places, low=0.93),
        rate_goal(f"{what}: true error of the delivered model above it",
            [one.delivered > one.corrected[2] for one in records], places, high=0.04),
        rate_goal(f"{what}: true variance in its 95% interval",
            [one.variance[0] <= one.networks - one.train <= one.variance[1] for one in records], places, low=0.93),
        Goal(name=f"{what}: width over that of the measured error's interval", high=1.4,
            value=float(np.diff(ends)[:, 0].mean() / np.mean(list(map(width, measured, rows))))),
    ]  # fmt: skip
    return [*goals, *rule_goals(records, what)[:2]]


def width(share: float, n: float) -> float:
    """Width of a share's Wilson interval."""
    low, high = wilson(share * n, n)
    return high - low


def overtuning_goals(records: Sequence[Record]) -> list[Goal]:
    """Shares of searches up to each mark of relative overtuning, beside the published ones; and every other claim."""
    goals = []
    for what, figures in (
        ("best trial", [one.overtuning for one in records]),
        ("simplest tied trial", [one.overtuning_tied for one in records]),
        ("average of the chosen trials", [one.overtuning_average for one in records]),
    ):
        for mark, published in PUBLISHED.items():
            share = [figure <= mark for figure in figures]
            goals.append(rate_goal(f"{what}: relative overtuning <= {mark:g}", share, range(len(share)), low=published))
    ratio = sum(one.tied for one in records) / sum(one.incumbents[-1] for one in records)
    goals.append(Goal(name="true error of the simplest tied over the best trial", value=ratio))
    goals += average_goals(records)
    for folds, some in groupby(sorted(records, key=lambda one: one.case.folds), key=lambda one: one.case.folds):
        goals += error_goals(list(some), "five folds" if folds else "one split")
    return goals + rule_goals(records, "all")


def average_goals(records: Sequence[Record]) -> list[Goal]:
    """The average of the ten best trials: its error beside the best trial's, and its estimates beside the truth."""
    goals = []
    for folds, what in ((0, "one split"), (5, "five folds")):
        some = [one for one in records if one.case.folds == folds]
        if not some:
            continue
        measured, corrected, true = np.array([one.average for one in some]).T
        ratio = float(true.sum() / sum(one.delivered for one in some))
        goals.append(Goal(name=f"{what}: true error of the average of the ten best over the best trial's", value=ratio))
        se = np.sqrt(np.maximum(true * (1 - true), 1e-9) / np.array([one.n_dev for one in some]))
        for name, value in (("measured", measured), ("corrected", corrected)):
            bias = float(((value - true) / se).mean())
            goals.append(Goal(name=f"{what}: its {name} dev error, bias in standard errors", value=bias))
    return goals


def rule_goals(records: Sequence[Record], of: str) -> list[Goal]:
    """How often each rule's verdict on variance is wrong, by its own threshold, and how often it is left open."""
    goals = []
    for what, rule in RULES.items():
        verdicts = [rule(one) for one in records]
        wrong = [said is not None and said != true for said, true in verdicts]
        goals.append(Goal(name=f"{of}: {what}: wrong", value=float(np.mean(wrong))))
        left_open = float(np.mean([said is None for said, _ in verdicts]))
        goals.append(Goal(name=f"{of}: {what}: undecided", value=left_open))
    return goals


def _tuner_rule(one: Record) -> tuple[bool | None, bool]:
    said = {Level.HIGH: True, Level.LOW: False}.get(Level(one.levels[1]))
    return said, one.networks - one.train > MATERIAL


def _plain_rule(one: Record) -> tuple[bool | None, bool]:
    return one.dev - one.train > MATERIAL, one.networks - one.train > MATERIAL


def _skore_rule(one: Record) -> tuple[bool | None, bool]:
    def far(dev: float) -> bool:
        return dev - one.train >= max(0.03, 0.1 * (1 - dev))

    return far(one.dev), far(one.networks)


RULES: dict[str, Callable[[Record], tuple[bool | None, bool]]] = {
    "variance above 2 pp, the report": _tuner_rule,
    "variance above 2 pp, dev error − train error": _plain_rule,
    "skore's SKD001 on accuracy, by its own threshold": _skore_rule,
}


def _problem(one: Record) -> tuple[str, str]:
    return one.case.protocol, one.case.table


def stability_goals(records: Sequence[Record]) -> list[Goal]:
    """How often two verdicts on the same problem contradict each other, and how far the errors spread."""
    goals = []
    spreads: dict[str, list[float]] = {}
    contradictions: dict[str, list[bool]] = {}
    for (protocol, _), group in groupby(sorted(records, key=_problem), key=_problem):
        some = list(group)
        spreads.setdefault(protocol, []).append(float(np.std([one.delivered for one in some], ddof=1)))
        for a, b in combinations(some, 2):
            for first, second in zip(a.levels, b.levels, strict=True):
                if Level.UNDECIDED not in (first, second):
                    contradictions.setdefault(protocol, []).append(first != second)
    for protocol, pairs in contradictions.items():
        goals.append(
            rate_goal(
                f"{protocol}: levels contradict, of {len(pairs)} stated pairs", pairs, range(len(pairs)), high=0.05
            )
        )
    for protocol, deviations in spreads.items():
        spread = 100 * float(np.sqrt(np.mean(np.square(deviations))))
        goals.append(Goal(name=f"{protocol}: standard deviation of the delivered error, in points", value=spread))
    stated = [level != Level.UNDECIDED for one in records for level in one.levels]
    return [*goals, Goal(name="levels stated", value=float(np.mean(stated)))]


def made_goals(records: Sequence[Record]) -> list[Goal]:
    """Dev error of whole searches with TPE, by split and metric."""
    goals = []
    for folds, split in ((0, "one split"), (5, "five folds")):
        for metric in ("error", "balanced_error"):
            some = [one for one in records if (one.case.folds, one.case.metric) == (folds, metric)]
            goals += error_goals(some, f"{metric.replace('_', ' ')}, {split}") if some else []
    return goals


def null_goals(records: Sequence[Record]) -> list[Goal]:
    """What must not be found where there is nothing."""
    places = range(len(records))
    covered = [one.corrected[1] <= 0.5 <= one.corrected[2] for one in records]
    goals = [
        rate_goal("the 95% interval holds 50%", covered, places, low=0.93),
        Goal(name="measured dev error", value=float(np.mean([one.dev for one in records]))),
        Goal(name="selection-corrected dev error", value=float(np.mean([one.corrected[0] for one in records]))),
        Goal(name="verdict of low bias and low variance",
            value=float(np.mean([one.verdict == Verdict.LOW_BIAS_AND_VARIANCE for one in records])), high=0.0),
        rate_goal("some hyperparameter is called certain to matter", [bool(one.influential) for one in records],
            places, high=0.05),
    ]  # fmt: skip
    for name in ("lambda", "keep_prob", "alpha", "beta", "batch_size", "initializer"):
        called = [any(label.split()[0] == name for label in one.effects) for one in records]
        goals.append(rate_goal(f"effect of {name} on dev error called certain", called, places, high=0.05))
    return goals


GOALS: dict[str, Callable[[Sequence[Record]], list[Goal]]] = {
    "overtuning": overtuning_goals,
    "stability": stability_goals,
    "null": null_goals,
    "balanced": made_goals,
    "made": made_goals,
}


def known(path: Path | None) -> dict[str, Record]:
    """Read the records of an earlier run."""
    records = {}
    for line in path.read_text().splitlines() if path is not None and path.exists() else ():
        values = json.loads(line)
        record = Record(**values | {"case": Case(**values["case"])})
        records[record.case.key] = record
    return records


def main() -> int:
    """Run the searches of a protocol, and print every figure beside its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("protocol", choices=PROTOCOLS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 1000, 5000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--records", type=Path, default=None)
    given = parser.parse_args()
    cases = list(PROTOCOLS[given.protocol](given.seeds, given.rows))
    records = known(given.records)
    missing = [case for case in cases if case.key not in records]
    with ProcessPoolExecutor(given.workers) as workers:
        for record in workers.map(partial(judge, folder=given.folder.resolve()), missing):
            records[record.case.key] = record
            if given.records is not None:
                with given.records.open("a") as file:
                    file.write(json.dumps(asdict(record)) + "\n")
    reached = GOALS[given.protocol]([records[case.key] for case in cases])
    print(f"{len(cases)} searches", *reached, sep="\n")
    return 0 if all(goal.kept() for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
