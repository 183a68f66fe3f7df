"""One epoch for all folds, or each fold its own: which model comes out, and what its estimated error is worth.

    python -m benchmarks.pooled_epoch [--cases 120] [--seed N] [--workers 2]
    python -m benchmarks.pooled_epoch --table adult-train.csv --target 14 --rows 300 1400
    python -m benchmarks.pooled_epoch --idx train-images-idx3-ubyte.gz --rows 400 1400

Every case trains the K = 5 fold networks of 24 random hyperparameter draws to the last epoch. Both rules are then
replayed on the same curves: each network ends by its own patience at its own best epoch, or all end together by the
patience of the pooled dev curve, at its best epoch. The best draw of each rule is trained again to its epochs, and its
networks, their ensemble and its refit on all rows are counted on rows that had no part in the search. Prints, for each
rule, true errors, the bias of the measured and of the corrected dev error, and coverage and width of intervals.
"""

from __future__ import annotations

import argparse
import json
import math
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from benchmarks.made_problems import PROBLEMS
from tuner.analysis import Competition, NetworkRun, bootstrap_corrected_error, rechosen_error, wilson
from tuner.data import DataSettings, SplitSettings, joined, load_dataset
from tuner.dev_layout import N_DEV_FOLDS, DevLayout
from tuner.nn import EpochMetrics, Examples, Hyperparameters, Stopping, TrainedNetwork, train
from tuner.trial import draw_dev_folds, network_seeds

KINDS = ("gaussian", "too_small_a_network", "too_few_examples", "label_noise")
ROWS, TRUTH, MOST_TRUTH = (200, 2000), 20_000, 10_000
FOLDS, DRAWS, REFITS = 5, 24, 3
PATIENCE = 10
STOPPING = Stopping(max_epochs=100, patience=PATIENCE, min_updates=500)


@dataclass(frozen=True)
class Case:
    """Rows to search on, rows for the truth, and the drawn hyperparameters."""

    name: str
    rows: Examples
    truth: Examples
    n_classes: int
    draws: list[Hyperparameters]


@dataclass(frozen=True)
class Chosen:
    """What a rule chose in a case: its estimates from the dev rows, and the truth."""

    case: str
    rule: str
    n: int
    measured: float
    fold_errors: tuple[float, ...]
    rechosen: float
    bootstrapped: float
    networks: float
    ensemble: float
    refit: float
    epochs: tuple[int, ...]


def made_case(number: int, seed: int) -> Case:
    """A made problem, 200 to 2,000 rows."""
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    n = round(math.exp(rng.uniform(*np.log(ROWS))))
    problem = replace(PROBLEMS[kind](rng, n), trials=DRAWS, n_train=n, alpha=(float(rng.choice([0.003, 0.03])), 1.0))
    source = problem.train_source
    rows, truth = (Examples(*source.sample(size, rng)) for size in (n, TRUTH))
    return Case(f"{kind} {number}", rows, truth, source.n_classes, problem.hyperparameters(rng))


def real_case(number: int, seed: int, settings: DataSettings, rows: tuple[int, int]) -> Case:
    """So many random rows of a table, and up to 10,000 others for the truth."""
    rng = np.random.default_rng([seed, number])
    dataset = load_dataset(settings, Path.cwd(), cache=False)
    table = joined([dataset.parts[0].train, dataset.parts[0].dev])
    n = round(math.exp(rng.uniform(*np.log(rows))))
    order = rng.permutation(len(table))
    here, there = order[:n], order[n : n + MOST_TRUTH]
    draws = [
        Hyperparameters(
            hidden=[(16,), (32,), (32, 16)][rng.integers(3)],
            lambda_=n * 10 ** rng.uniform(-6, -2),
            keep_prob=rng.uniform(0.5, 1.0),
            alpha=10 ** rng.uniform(-2, 0),
            beta=1 - 10 ** rng.uniform(-1.5, -0.7),
            batch_size=int(rng.choice([32, 64, 128])),
        )
        for _ in range(DRAWS)
    ]
    name = f"{Path(str(settings.source)).name.split('-')[0].split('.')[0]} {number}"
    searched, truth = (Examples(table.X[part], table.y[part]) for part in (here, there))
    return Case(name, searched, truth, dataset.n_classes, draws)


def judge(number: int, seed: int, settings: DataSettings | None, rows: tuple[int, int]) -> list[Chosen]:
    """Train all draws of a case, and replay both rules."""
    case = made_case(number, seed) if settings is None else real_case(number, seed, settings, rows)
    return Search(case, number).judge()


class Search:
    """All curves of a case."""

    def __init__(self, case: Case, seed: int) -> None:
        self.case, n = case, len(case.rows.y)
        rng = np.random.default_rng([seed, 1])
        fold = np.empty(n, dtype=int)
        by_class = rng.permutation(n)
        fold[by_class[np.argsort(case.rows.y[by_class], kind="stable")]] = np.arange(n) % FOLDS
        self.dev_rows = [np.flatnonzero(fold == k) for k in range(FOLDS)]
        self.train_rows = [np.flatnonzero(fold != k) for k in range(FOLDS)]
        self.layout = DevLayout.planned([len(rows) for rows in self.dev_rows], 1)
        self.dev_folds = draw_dev_folds(n, None, seed)
        self.seeds = [int(s) for s in rng.integers(2**31, size=DRAWS)]
        self.rng_seed = [seed, 2]
        self.wrong = [self._curves(draw, s) for draw, s in zip(case.draws, self.seeds, strict=True)]

    def _examples(self, rows: Sequence[np.ndarray]) -> list[Examples]:
        X = np.asarray(self.case.rows.X)
        return [Examples(X[one], self.case.rows.y[one]) for one in rows]

    def _curves(self, hyperparameters: Hyperparameters, seed: int) -> list[np.ndarray]:
        """For each network (epochs, its dev rows) bits: wrong."""
        bits: list[list[np.ndarray]] = [[] for _ in range(FOLDS)]

        def keep(metrics: EpochMetrics) -> None:
            for k, measured in enumerate(metrics.on_dev):
                bits[k].append(measured.wrong)

        train(
            self._examples(self.train_rows),
            self._examples(self.dev_rows),
            n_classes=self.case.n_classes,
            hyperparameters=hyperparameters,
            seeds=network_seeds(seed, FOLDS),
            stopping=replace(STOPPING, patience=None),
            on_epoch=keep,
        )
        longest = max(map(len, bits))
        return [np.array(one + [np.ones_like(one[-1])] * (longest - len(one))) for one in bits]

    def judge(self) -> list[Chosen]:
        """What each rule chooses."""
        return [self._choose(rule) for rule in ("own", "pooled")]

    def _choose(self, rule: str) -> Chosen:
        trials = [self._replay(t, rule) for t in range(DRAWS)]
        losses = np.array([at_best for _, _, at_best in trials])
        best = int(losses.sum(axis=1).argmin())
        epochs = trials[best][1]
        competition = Competition(
            trials=[runs for runs, _, _ in trials],
            fold_sizes=np.bincount(self.dev_folds, minlength=N_DEV_FOLDS),
            losses=losses,
            patience=STOPPING.patience,
        )
        n = len(self.case.rows.y)
        networks, ensemble, refit = self._truth(best, epochs)
        return Chosen(
            self.case.name, rule, n,
            measured=float(losses[best].mean()),
            fold_errors=tuple(float(part.mean()) for part in self.layout.split(losses[best])),
            rechosen=rechosen_error(competition, rng=np.random.default_rng(self.rng_seed)),
            bootstrapped=bootstrap_corrected_error(losses, rng=np.random.default_rng(self.rng_seed)),
            networks=networks, ensemble=ensemble, refit=refit, epochs=tuple(epochs),
        )  # fmt: skip

    def _replay(self, t: int, rule: str) -> tuple[list[NetworkRun], list[int], np.ndarray]:
        """The runs that are stored of a trial, each network's best epoch (from 1), and the losses there by row."""
        per_epoch = self._updates_per_epoch(t)
        first_stop = max(math.ceil(STOPPING.min_updates / per_epoch), 1)
        folds = self.layout.split(self.dev_folds)
        curves = [
            np.stack([wrong[:, fold == f].sum(axis=1) for f in range(N_DEV_FOLDS)], axis=1)
            for wrong, fold in zip(self.wrong[t], folds, strict=True)
        ]
        if rule == "pooled":
            curves = [np.sum(curves, axis=0)]
        stops = [_early_stopping(curve.sum(axis=1), first_stop) for curve in curves]
        runs = [
            NetworkRun(fold_losses=curve[:run].astype(np.float64), first_stop=first_stop)
            for curve, (run, _) in zip(curves, stops, strict=True)
        ]
        epochs = [best for _, best in stops] * (FOLDS if rule == "pooled" else 1)
        at_best = np.concatenate([wrong[epoch - 1] for wrong, epoch in zip(self.wrong[t], epochs, strict=True)])
        return runs, epochs, at_best

    def _updates_per_epoch(self, t: int) -> int:
        return math.ceil(len(self.train_rows[0]) / int(self.case.draws[t].batch_size))

    def _truth(self, t: int, epochs: Sequence[int]) -> tuple[float, float, float]:
        """True errors of the networks (their mean), of their ensemble, and of the refit (the mean of some seeds)."""
        case, seeds = self.case, network_seeds(self.seeds[t], FOLDS)
        X = np.asarray(case.rows.X)
        networks = [
            self._trained(t, rows, seed, Stopping(max_epochs=epoch, patience=None))
            for rows, seed, epoch in zip(self._examples(self.train_rows), seeds, epochs, strict=True)
        ]
        for network, rows, wrong, epoch in zip(networks, self.dev_rows, self.wrong[t], epochs, strict=True):
            assert np.array_equal(network.predict(X[rows]) != case.rows.y[rows], wrong[epoch - 1])
        shares = [network.predict_proba(case.truth.X) for network in networks]
        each = [np.mean(share.argmax(axis=1) != case.truth.y) for share in shares]
        updates = round(np.median(epochs) * self._updates_per_epoch(t))
        refits = [
            self._trained(t, case.rows, seed, Stopping(max_epochs=1000, max_updates=updates, patience=None))
            for seed in network_seeds(self.seeds[t], REFITS)
        ]
        refit = [np.mean(network.predict(case.truth.X) != case.truth.y) for network in refits]
        ensemble = np.mean(np.mean(shares, axis=0).argmax(axis=1) != case.truth.y)
        return float(np.mean(each)), float(ensemble), float(np.mean(refit))

    def _trained(self, t: int, examples: Examples, seed: np.random.SeedSequence, stopping: Stopping) -> TrainedNetwork:
        run = train(
            examples,
            None,
            n_classes=self.case.n_classes,
            hyperparameters=self.case.draws[t],
            seeds=[seed],
            stopping=stopping,
        )
        return run.networks[0]


def _early_stopping(wrong: np.ndarray, first_stop: int) -> tuple[int, int]:
    """Epochs run and the best one, from 1."""
    best = 0
    for epoch in range(len(wrong)):
        if wrong[epoch] < wrong[best]:
            best = epoch
        if epoch - best >= PATIENCE and epoch + 1 >= first_stop:
            return epoch + 1, best + 1
    return len(wrong), best + 1


RESAMPLED, BOOTSTRAP = "corrected resampled t", "with the bootstrap"
INTERVALS = (*(f"{how}, n / {f:g}" for how in (BOOTSTRAP, "without it") for f in (1, 1.1, 1.25, 1.4)), RESAMPLED)
MODELS = ("networks", "ensemble", "refit")
RULES = ("own", "pooled")


def interval(chosen: Chosen, name: str) -> tuple[float, float]:
    """One of the intervals that are compared; the resampled t is Nadeau and Bengio's (2003), at the measured error."""
    if name == RESAMPLED:
        spread = math.sqrt((1 / FOLDS + 1 / (FOLDS - 1)) * float(np.var(chosen.fold_errors, ddof=1)))
        half = float(stdtrit(FOLDS - 1, 0.975)) * spread
        return chosen.measured - half, chosen.measured + half
    n = chosen.n / float(name.rpartition("/")[2])
    low, high = wilson(chosen.rechosen * n, n)
    return (min(low, wilson(chosen.bootstrapped * n, n)[0]) if name.startswith(BOOTSTRAP) else low), high


def report(chosen: Sequence[Chosen]) -> None:
    """Print both rules side by side."""
    frame = pd.DataFrame([asdict(one) for one in chosen])
    print(f"{len(frame) // 2} cases{'own':>66}{'pooled':>9}")
    for what in MODELS:
        _line(f"true error, {what}, %", 100 * frame.groupby("rule")[what].mean(), ".2f")
    own, pooled = (frame[frame.rule == rule].reset_index() for rule in RULES)
    for what in MODELS:
        fall = 100 * (own[what] - pooled[what]).to_numpy()
        print(
            f"  own less pooled, {what}: {fall.mean():+.2f} ± {fall.std(ddof=1) / math.sqrt(len(fall)):.2f} pp; "
            f"pooled lower in {(fall > 0).mean():.0%}, higher in {(fall < 0).mean():.0%}"
        )
    for estimate in ("measured", "rechosen", "bootstrapped"):
        for what in MODELS:
            off = frame[estimate] - frame[what]
            in_errors: pd.Series = off / np.sqrt((frame[what] * (1 - frame[what])).clip(lower=1e-9) / frame.n)
            _line(f"{estimate} less true ({what}), s.e.", in_errors.groupby(frame.rule).mean(), "+.2f")
            _line("  its spread, pp", 100 * off.groupby(frame.rule).std(), ".2f")
    uncorrected = np.array([np.diff(wilson(one.measured * one.n, one.n))[0] for one in chosen])
    for name in INTERVALS:
        low, high = np.array([interval(one, name) for one in chosen]).T
        for what in MODELS:
            hit = (low <= frame[what]) & (frame[what] <= high)
            _line(f"{name}: covers {what}, %", 100 * hit.groupby(frame.rule).mean(), ".1f")
        widths = pd.Series(high - low)
        _line(f"{name}: width over uncorrected", (widths / uncorrected).groupby(frame.rule).mean(), ".2f")
        _line(f"{name}: width, pp", 100 * widths.groupby(frame.rule).mean(), ".2f")


def _line(name: str, of_rules: pd.Series, form: str) -> None:
    print(f"{name:<64}" + "".join(f"{format(float(of_rules[rule]), form):>9}" for rule in RULES))


def main() -> None:
    """Train, replay, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=120)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--target")
    parser.add_argument("--idx", type=Path)
    parser.add_argument("--rows", type=int, nargs=2, default=(400, 1400))
    parser.add_argument("--keep", type=Path, help="add the cases to this file (JSON lines), and report on all in it")
    arguments = parser.parse_args()
    source, settings = arguments.table or arguments.idx, None
    if source is not None:
        by_place = arguments.target is not None and arguments.target.isdigit()
        settings = DataSettings(
            source=str(source.resolve()),
            target=int(arguments.target) if by_place else arguments.target,
            header=not by_place,
            missing=("?",),
            split=SplitSettings(dev=0.2),
        )
    task = partial(judge, seed=arguments.seed, settings=settings, rows=tuple(arguments.rows))
    found: list[Chosen] = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        for one in pool.map(task, range(arguments.cases)):
            found += one
            if arguments.keep:
                with arguments.keep.open("a") as file:
                    file.writelines(json.dumps(asdict(each)) + "\n" for each in one)
    if arguments.keep:
        found = [Chosen(**json.loads(text)) for text in arguments.keep.read_text().splitlines()]
    report(found)


if __name__ == "__main__":
    main()
