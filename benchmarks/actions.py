"""Is the report's first advice good advice: followed on made problems where a level was decided high.

    python -m benchmarks.actions [--problems 120] [--seed N] [--workers 2]

Every made problem is written to a file and searched by ``tuner search``; where the report calls bias or variance high
(the baseline given is the best possible rule's error), its first action is followed by the command it names. Where that
is to collect more data, which the learning curve has to call for, as many examples again are drawn and searched alike.
Counted is how often the true error (20,000 fresh examples) of the chosen network falls, beside the same for a second
search that differs by its seed alone. Ends with 1 if the goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

import tuner
from benchmarks.goals import Goal, rate_goal
from benchmarks.made_problems import PROBLEMS, Problem
from tuner.analysis import Action
from tuner.cli import main as tuner_command

KINDS = ("too_small_a_network", "too_few_examples", "label_noise")
DEV, TRUTH = (1000, 4000), 20_000
TRIALS = 30
DEFINITION = """\
name = "{name}"
[data]
source = "{name}.csv"
target = "y"
split = {{ dev = {n_dev}, test = 0 }}
[network]
hidden = {hidden}
[space]
lambda = {{ log_uniform = [{least}, {most}] }}
keep_prob = {{ uniform = [0.5, 1.0] }}
alpha = {{ log_uniform = [0.01, 1.0] }}
beta = {{ one_minus_log_uniform = [0.8, 0.99] }}
batch_size = {{ power_of_two = [16, 64] }}
initializer = {{ choice = ["he", "xavier", "lecun"] }}
[search]
trials = {trials}
[diagnosis]
baseline_error = {baseline}
"""


@dataclass(frozen=True)
class Outcome:
    """One problem: what was high, what was done, and the chosen network's true error before and after.

    ``action`` is empty where no level was high; ``after`` is None where the action takes a person.
    """

    number: int
    kind: str
    verdict: str
    action: str
    before: float
    after: float | None
    again: float


class Made:
    """A made problem as a user has it: a file, a definition, and the truth that only we know."""

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self.problem, self.rng = problem, rng
        self.baseline = problem.dev_source.bayes_error(rng)
        self.examples = problem.train_source.sample(problem.n_train + problem.n_dev, rng)
        self.truth = problem.dev_source.sample(TRUTH, rng)

    def search(self, name: str, *, seed: int = 0) -> tuner.Study:
        """Write data and definition, and search them."""
        m = self.problem.n_train
        text = DEFINITION.format(
            name=name,
            n_dev=self.problem.n_dev,
            hidden=list(self.problem.hidden),
            least=m * 1e-6,
            most=m * 1e-2,
            trials=TRIALS,
            baseline=round(self.baseline, 4),
        )
        Path("studies").mkdir(exist_ok=True)
        X, y = self.examples
        pd.DataFrame(X).assign(y=y).to_csv(f"studies/{name}.csv", index=False)
        Path(f"studies/{name}.toml").write_text(text.replace("[search]\n", f"[search]\nseed = {seed}\n"))
        return tuner.search(f"studies/{name}.toml")

    def collect(self) -> None:
        """As many training examples again."""
        more = self.problem.train_source.sample(self.problem.n_train, self.rng)
        X, y = (np.concatenate(pair) for pair in zip(self.examples, more, strict=True))
        self.examples = X, y
        self.problem = replace(self.problem, n_train=2 * self.problem.n_train)

    def true_error(self, study: tuner.Study) -> float:
        """Error of the chosen network, trained again bit for bit, on fresh examples."""
        X, y = self.truth
        predicted = study.train().predict(pd.DataFrame(X).rename(columns=str))
        return float(np.mean(np.asarray(predicted).astype(int) != y))


def judge(number: int, seed: int) -> Outcome:
    """Search one problem, follow the first action, and search again with another seed."""
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    problem = PROBLEMS[kind](rng, round(np.exp(rng.uniform(*np.log(DEV)))))
    made = Made(problem, rng)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        study = made.search("made")
        before, report = made.true_error(study), study.report()
        if "high" not in (report.avoidable_bias.level, report.variance.level):
            return Outcome(number, kind, report.verdict, "", before, None, before)
        again = made.true_error(made.search("again", seed=1))
        action = report.actions[0]
        if "learning-curve" in action.command:
            study.learning_curve()
            action = study.report().actions[0]
        followed = follow(made, action)
        after = None if followed is None else made.true_error(followed)
        return Outcome(number, kind, report.verdict, action.action, before, after, again)


def follow(made: Made, action: Action) -> tuner.Study | None:
    """Do what the action says; None where it takes a person."""
    if action.action == "more_data":
        made.collect()
        return made.search("more")
    if not action.command:
        return None
    for command in action.command.split(" && "):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
            try:
                tuner_command(shlex.split(command)[1:])
            except SystemExit as ended:
                if ended.code:
                    raise RuntimeError(f"{command}: {errors.getvalue()}") from None
    return tuner.load_study("made-2" if "refine" in action.command else "made")


def goals(outcomes: list[Outcome]) -> list[Goal]:
    """How often the true error fell, beside searching again."""
    followed = [one for one in outcomes if one.after is not None]
    numbers = [one.number for one in followed]
    fell = [one.after is not None and one.after < one.before for one in followed]
    alike = [one.again < one.before for one in followed]
    gains = [100 * (one.before - (one.after or 0.0)) for one in followed]
    luck = [100 * (one.before - one.again) for one in followed]
    return [
        rate_goal("the chosen network's true error falls", fell, numbers, low=0.85),
        Goal(name="searching again with another seed instead", value=float(np.mean(alike)) if alike else np.nan),
        Goal(name="mean fall of the true error, in points", value=float(np.mean(gains)) if gains else np.nan),
        Goal(name="searching again instead, in points", value=float(np.mean(luck)) if luck else np.nan),
    ]


def main() -> int:
    """Follow the advice, print every figure beside its goal; the exit status says whether it was reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=120)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["TUNER_CACHE"] = tempfile.mkdtemp()
    began = time.perf_counter()
    with ProcessPoolExecutor(arguments.workers) as pool:
        outcomes = list(pool.map(partial(judge, seed=arguments.seed), range(arguments.problems)))
    high = [one for one in outcomes if one.action]
    reached = goals(high)
    print(f"{len(outcomes)} problems, {len(high)} with a level decided high", *reached, sep="\n")
    for action, of in Counter(one.action for one in high).most_common():
        print(f"\n{action} ({of})", *goals([one for one in high if one.action == action]), sep="\n")
    print(f"\n{time.perf_counter() - began:.0f} s")
    return 0 if all(goal.kept() for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
