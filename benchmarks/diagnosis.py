"""How far the diagnosis can be trusted: made problems, really trained networks, and the truth beside every claim.

    python -m benchmarks.diagnosis [--problems 200] [--draws 25] [--surface-seeds 60] [--searches 40] [--seed N]
                                   [--pictures docs/images]

Every problem is searched once (really trained networks) and judged on so many fresh dev and test sets. The truth is the
chosen network's error on 20,000 fresh examples. ``--searches`` are whole ones on made problems: TPE with pruning, one
split and five folds, the error and the balanced error (the protocol ``made`` of benchmarks.audit). Prints every figure
beside its goal; ends with 1 if a goal is missed. ``--pictures``: the folder to draw figures by size of the dev set in.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.audit import judge as judge_search
from benchmarks.audit import made_cases, made_goals
from benchmarks.goals import Goal, rate_goal
from benchmarks.hyperparameter_surface import hyperparameter_goals, judge_hyperparameters
from benchmarks.made_problems import Problem, early_stopping, make_problem, train_networks
from benchmarks.pictures import draw_trust
from tuner.analysis import (
    Competition,
    Diagnosis,
    ErrorEstimate,
    NetworkRun,
    corrected_dev_error,
    diagnose,
    difference_interval,
    rechosen_error,
    tied_with_best,
    wilson,
)

TRUTH = 20_000
FOLDS = 20
FEW = 10  # wrong dev examples
ERRORS = ("train_dev", "dev_corrected", "test")
GAPS = ("avoidable_bias", "variance", "data_mismatch", "dev_overfit")


@dataclass(frozen=True)
class Draw:
    """One dev and test draw of a problem: what was measured, and what is true of the chosen network."""

    train: ErrorEstimate
    dev: ErrorEstimate
    corrected: ErrorEstimate
    test: ErrorEstimate
    train_dev: ErrorEstimate | None
    truth: float
    truth_train_dev: float | None
    best_in_set: bool
    best_is_best: bool
    set_share: float

    def true_gap(self, name: str, baseline: float) -> float | None:
        """What the gap of this network is: its true error, compared with what was measured."""
        if name == "avoidable_bias":
            return self.train.value - baseline
        if name == "variance":
            return (self.truth if self.truth_train_dev is None else self.truth_train_dev) - self.train.value
        if name == "dev_overfit":
            return self.truth - self.dev.value
        return None if self.truth_train_dev is None else self.truth - self.truth_train_dev


class Pool:
    """A problem's networks, epoch by epoch, on every example that any draw or the truth will ask for."""

    def __init__(self, problem: Problem, draws: int, truth: int, rng: np.random.Generator) -> None:
        self.problem = problem
        X, y = problem.train_source.sample(problem.n_train, rng)
        parts = {"train": (X, y)}
        for name, n in {"truth": truth, "dev": draws * problem.n_dev, "test": draws * problem.n_dev}.items():
            parts[name] = problem.dev_source.sample(n, rng)
        if problem.shifted:
            for name, n in {"truth_train_dev": truth, "train_dev": draws * problem.n_dev}.items():
                parts[name] = problem.train_source.sample(n, rng)
        ends = np.cumsum([0, *(len(y) for _, y in parts.values())])
        self.places = {name: (int(a), int(b)) for name, a, b in zip(parts, ends[:-1], ends[1:], strict=True)}
        pool_X, pool_y = (np.concatenate(columns) for columns in zip(*parts.values(), strict=True))
        packed = train_networks(problem, X, y, pool_X, pool_y, rng)
        self.bits = np.unpackbits(packed, axis=2, count=len(pool_y)).view(bool)

    def wrong(self, name: str, draw: int | None = None) -> np.ndarray:
        """(trials, epochs, rows) bits on a part of the pool, or on one draw's share of it."""
        start, end = self.places[name]
        if draw is not None:
            start, end = start + draw * self.problem.n_dev, start + (draw + 1) * self.problem.n_dev
        return self.bits[:, :, start:end]

    def draw(self, number: int, rng: np.random.Generator) -> Draw:
        """Choose epochs and trial on one dev draw, correct the error, and look up the truth."""
        dev = self.wrong("dev", number)
        counts = dev.sum(axis=2)
        run, best_epochs = early_stopping(self.problem, counts)
        trials = np.arange(len(dev))
        at_best = dev[trials, best_epochs]
        best = int(at_best.sum(axis=1).argmin())
        chosen = (best, best_epochs[best])
        truths = self.wrong("truth")[trials, best_epochs].mean(axis=1)
        members = tied_with_best(at_best, best)
        truly_best = int(truths.argmin())
        has_train_dev = self.problem.shifted
        return Draw(
            train=_counted(self.wrong("train")[chosen]),
            dev=_counted(at_best[best]),
            corrected=corrected_dev_error(self._competition(dev, run, at_best, rng), best, rng=rng),
            test=_counted(self.wrong("test", number)[chosen]),
            train_dev=_counted(self.wrong("train_dev", number)[chosen]) if has_train_dev else None,
            truth=float(truths[best]),
            truth_train_dev=float(self.wrong("truth_train_dev")[chosen].mean()) if has_train_dev else None,
            best_in_set=truly_best in members,
            best_is_best=truly_best == best,
            set_share=len(members) / len(trials),
        )

    def _competition(
        self, dev: np.ndarray, run: np.ndarray, at_best: np.ndarray, rng: np.random.Generator
    ) -> Competition:
        fold = rng.permutation(np.arange(dev.shape[2]) % FOLDS)
        in_fold = np.eye(FOLDS, dtype=np.float32)[fold]
        fold_wrong = (dev.astype(np.float32) @ in_fold).astype(np.uint16)
        return Competition(
            trials=[
                [NetworkRun(fold_losses=epochs[:n], first_stop=self.problem.first_stop)]
                for epochs, n in zip(fold_wrong, run, strict=True)
            ],
            fold_sizes=np.bincount(fold, minlength=FOLDS),
            losses=at_best,
            patience=self.problem.patience,
        )


def _counted(wrong: np.ndarray) -> ErrorEstimate:
    return ErrorEstimate.measured(int(wrong.sum()), len(wrong))


def judge_problem(
    number: int, *, seed: int, draws: int, truth: int = TRUTH, most_trials: int | None = None
) -> list[dict[str, Any]]:
    """One made problem: a row a draw, with every claim of the report, its truth and its uncorrected width."""
    rng = np.random.default_rng([seed, number])
    problem = make_problem(number, rng)
    problem = replace(problem, trials=min(problem.trials, most_trials or problem.trials))
    pool = Pool(problem, draws, truth, rng)
    drawn = [pool.draw(draw, rng) for draw in range(draws)]
    bayes = problem.train_source.bayes_error(rng)
    line, baseline, counted_on = _lines(number, drawn, bayes, rng)
    rows = []
    for draw in drawn:
        given: Any = baseline
        if baseline is not None and counted_on:
            given = {"wrong": int(rng.binomial(counted_on, baseline)), "of": counted_on}
        diagnosis = diagnose(
            train=draw.train,
            dev=draw.dev,
            dev_corrected=draw.corrected,
            train_dev=draw.train_dev,
            test=draw.test,
            baseline=given,
            material_gap=line,
        )
        rows.append(
            {"problem": number, "kind": problem.kind, "n_dev": problem.n_dev} | _row(draw, diagnosis, baseline or 0)
        )
    return rows


def _lines(
    number: int, draws: list[Draw], bayes: float, rng: np.random.Generator
) -> tuple[float, float | None, int | None]:
    """The material gap, the baseline, and on how many examples it is counted (None: exact).

    The line is laid 0 to 4 interval widths from the true gap of variance, mismatch or dev overfit, in turn; the
    baseline is none, the Bayes error, or laid so that the bias is 0 to 4 widths from the line, exact or counted.
    """
    targets = ["variance", "dev_overfit", "variance", "data_mismatch" if draws[0].train_dev else "variance"]
    line = 0.0
    truth, width = _center(draws, targets[(number // 6) % 4])
    for sign in rng.permutation([-1, 1]):
        line = truth + sign * rng.uniform(0, 4) * width
        if line >= 0:
            break
    line = float(np.clip(line, 0, 1))
    form = int(rng.integers(4))
    if form < 2:
        return line, (None, bayes)[form], None
    counted_on = None if form == 2 else int(rng.integers(100, 1000))
    train = float(np.mean([draw.train.value for draw in draws]))
    width = float(np.mean([draw.train.high - draw.train.low for draw in draws]))
    if counted_on:
        width = float(np.hypot(width, np.subtract(*wilson(max(train - line, 0) * counted_on, counted_on))))
    baseline = train - line + rng.choice([-1, 1]) * rng.uniform(0, 4) * width
    return line, float(np.clip(baseline, 0, 1)), counted_on


def _center(draws: list[Draw], name: str) -> tuple[float, float]:
    """Mean true gap and mean width of its interval over the draws."""
    gaps = [_measured(draw).gaps[name] for draw in draws]
    return float(np.mean([draw.true_gap(name, 0) for draw in draws])), float(
        np.mean([gap.high - gap.low for gap in gaps])
    )


def _measured(draw: Draw) -> Diagnosis:
    return diagnose(
        train=draw.train, dev=draw.dev, dev_corrected=draw.corrected, train_dev=draw.train_dev, test=draw.test
    )


def _row(draw: Draw, diagnosis: Diagnosis, baseline: float) -> dict[str, Any]:
    """Every claim beside its truth."""
    se = np.sqrt(max(draw.truth * (1 - draw.truth), 1e-9) / (draw.dev.n or 1))
    row: dict[str, Any] = {
        "few": draw.dev.value * (draw.dev.n or 0) < FEW,
        "raw_bias": (draw.dev.value - draw.truth) / se,
        "corrected_bias": (draw.corrected.value - draw.truth) / se,
        "best_in_set": draw.best_in_set,
        "best_is_best": draw.best_is_best,
        "set_share": draw.set_share,
        "verdict_wrong": False,
        "line": diagnosis.material_gap,
    }
    truths = {"dev_corrected": draw.truth, "test": draw.truth, "train_dev": draw.truth_train_dev}
    for name in ERRORS:
        estimate, truth = diagnosis.errors[name], truths[name]
        if estimate is not None and truth is not None:
            uncorrected = draw.dev if name == "dev_corrected" else estimate
            row |= _claim(name, estimate.interval(), truth, uncorrected.interval())
    for name, gap in diagnosis.gaps.items():
        truth = draw.true_gap(name, baseline)
        assert truth is not None
        row |= _claim(name, (gap.low, gap.high), truth, _uncorrected(draw, name) or (gap.low, gap.high))
        wrong = _misses(gap.low, gap.high, truth, row["line"])
        row |= {f"{name}.wrong": wrong, f"{name}.undecided": gap.level == "undecided"}
        row[f"{name}.distance"] = abs(truth - row["line"])
        row["verdict_wrong"] |= wrong and name in GAPS[:2]
    raw = _uncorrected(draw, "variance")
    if raw is not None:
        row["raw_wrong"] = _misses(*raw, draw.true_gap("variance", baseline) or 0.0, row["line"])
    return row


def _misses(low: float, high: float, truth: float, line: float) -> bool:
    """Whether an interval decides the line, and wrongly."""
    return (low > line >= truth) or (high < line <= truth)


def _claim(name: str, interval: tuple[float, float], truth: float, uncorrected: tuple[float, float]) -> dict[str, Any]:
    low, high = interval
    return {
        f"{name}.covered": low - 1e-12 <= truth <= high + 1e-12,
        f"{name}.width": high - low,
        f"{name}.uncorrected": uncorrected[1] - uncorrected[0],
    }


def _uncorrected(draw: Draw, name: str) -> tuple[float, float] | None:
    """The gap's interval from the raw dev error, where the report uses the corrected one."""
    if name == "variance" and draw.train_dev is None:
        return difference_interval(draw.dev, draw.train)
    if name == "data_mismatch" and draw.train_dev is not None:
        return difference_interval(draw.dev, draw.train_dev)
    return None


def diagnosis_goals(rows: pd.DataFrame) -> list[Goal]:
    """Every figure of the reports beside its goal."""
    goals = []
    for few, word, covered, wider in ((False, "", 0.93, 1.4), (True, ", few wrong", 0.90, 2.3)):
        some = rows[rows.few == few]
        for name in (*ERRORS, *GAPS):
            there = some[some[f"{name}.covered"].notna()] if f"{name}.covered" in some else some[:0]
            if not len(there):
                continue
            goals.append(rate_goal(f"{name} covered{word}", there[f"{name}.covered"], there.problem, low=covered))
            ratio = there[f"{name}.width"].mean() / there[f"{name}.uncorrected"].mean()
            goals.append(Goal(name=f"{name} width over uncorrected{word}", value=ratio, high=wider))
    return goals + _level_goals(rows) + _bias_goals(rows)


def _level_goals(rows: pd.DataFrame) -> list[Goal]:
    """Levels decided wrongly: in all reports, and, which is harder, in those within half a width of the line.

    Distances are in mean widths of the problem's interval: a report's own width is wide where its error came out high.
    """
    goals = []
    near_any = np.zeros(len(rows), dtype=bool)
    for name in GAPS:
        there = rows[rows[f"{name}.wrong"].notna()] if f"{name}.wrong" in rows else rows[:0]
        if not len(there):
            continue
        widths = there[f"{name}.distance"] / there.groupby("problem")[f"{name}.width"].transform("mean")
        near, far = there[widths < 0.5], there[widths > 1]
        near_any |= rows.index.isin(near.index) & (name in GAPS[:2])
        goals.append(rate_goal(f"{name} level wrong", there[f"{name}.wrong"], there.problem, high=0.04))
        goals.append(
            rate_goal(f"{name} level wrong near the line ({len(near)})", near[f"{name}.wrong"], near.problem, high=0.04)
        )
        for few, word, most in ((False, "", 0.05), (True, ", few wrong", 0.10)):
            some = far[far.few == few]
            goals.append(
                rate_goal(f"{name} undecided though far{word}", some[f"{name}.undecided"], some.problem, high=most)
            )
    goals.append(rate_goal("verdict wrong", rows.verdict_wrong, rows.problem, high=0.05))
    near = rows[near_any]
    goals.append(rate_goal(f"verdict wrong near the line ({len(near)})", near.verdict_wrong, near.problem, high=0.05))
    goals.append(Goal(name="the same with the raw dev error", value=_share(near, "raw_wrong")))
    goals.append(rate_goal("not-distinguishable set holds the truly best", rows.best_in_set, rows.problem, low=0.95))
    goals.append(Goal(name="its share of all trials", value=float(rows.set_share.mean())))
    goals.append(Goal(name="the dev set's best is the truly best", value=float(rows.best_is_best.mean())))
    return goals


def _share(rows: pd.DataFrame, name: str) -> float:
    return float(rows[name].dropna().astype(float).mean()) if name in rows else float("nan")


def _bias_goals(rows: pd.DataFrame) -> list[Goal]:
    means = rows.groupby("problem")[["raw_bias", "corrected_bias"]].mean()
    error = float(means.corrected_bias.std() / np.sqrt(len(means)))
    return [
        Goal(name="corrected dev error, bias in standard errors", value=float(rows.corrected_bias.mean()), low=-0.1,
             high=0.3, error=error),
        Goal(name="raw dev error, bias in standard errors", value=float(rows.raw_bias.mean())),
    ]  # fmt: skip


def speed_goal() -> Goal:
    """10,000 trials of 50 epochs, chosen again 200 times; about a second, also beside other work."""
    rng = np.random.default_rng(0)
    runs = rng.binomial(100, 0.1, size=(10_000, 50, FOLDS)).astype(np.uint16)
    competition = Competition(
        trials=[[NetworkRun(fold_losses=run)] for run in runs],
        fold_sizes=np.full(FOLDS, 100),
        losses=np.zeros((1, 2000)),
    )
    began = time.perf_counter()
    rechosen_error(competition, rng=rng)
    return Goal(name="seconds for 10,000 trials of 50 epochs", value=time.perf_counter() - began, high=1.5)


def main() -> int:
    """Measure, print every figure beside its goal, and say whether all were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--draws", type=int, default=25)
    parser.add_argument("--surface-seeds", type=int, default=60)
    parser.add_argument("--searches", type=int, default=40)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pictures", type=Path, default=None)
    given = parser.parse_args()
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if given.seed is None else given.seed
    print(f"seed {seed}: {given.problems} problems x {given.draws} draws, {given.surface_seeds} made surfaces")
    with ProcessPoolExecutor(given.workers) as workers:
        judge = partial(judge_problem, seed=seed, draws=given.draws)
        rows = pd.DataFrame([row for rows in workers.map(judge, range(given.problems)) for row in rows])
        hyperparameters = pd.DataFrame(
            [
                row
                for rows in workers.map(partial(judge_hyperparameters, seed=seed), range(given.surface_seeds))
                for row in rows
            ]
        )
        cases = list(itertools.islice(made_cases(given.searches), given.searches))
        searched = made_goals(list(workers.map(partial(judge_search, folder=Path()), cases)))
    if given.pictures is not None:
        draw_trust(rows, given.pictures)
    goals = [*diagnosis_goals(rows), *searched, *hyperparameter_goals(hyperparameters), speed_goal()]
    by_kind = rows.groupby("kind")[["raw_bias", "corrected_bias", "dev_corrected.covered", "best_in_set", "set_share"]]
    print(by_kind.mean().astype(float).round(3).to_string())
    print(*goals, sep="\n")
    return 0 if all(goal.kept() for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
