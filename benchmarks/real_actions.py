"""Is the report's first advice good advice on real tables: its command followed as typed, and the model judged again.

    python -m benchmarks.real_actions FOLDER [--cases 40] [--seed N] [--workers 2]

``FOLDER``: see real_tables.py. Of a table 80 to 2,400 rows are drawn and searched with five folds;
the rest are the truth. Where the action is to collect more data, which the learning curve has to call for, as many rows
again are searched alike. Counted is how often the delivered model's true error falls, stays or rises, whether it rises
by more than a standard error, and whether the fall is inside the gain that was promised. Beside it: the model of a
second search that differs by its seed alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import tuner
from benchmarks.actions import follow
from benchmarks.goals import Goal, rate_goal
from benchmarks.real_tables import Table, tables
from tuner.analysis import Action

ROWS, LEAST_TRUTH, MOST_TRUTH = (80, 2400), 60, 5000
TRIALS = 40
MORE_DATA = "more_data"
DEFINITION = """\
name = "{name}"
[data]
source = "{name}.csv"
target = "y"
folds = 5
split = {{ test = 0 }}
[search]
trials = {trials}
seed = {seed}
"""


@dataclass(frozen=True)
class Outcome:
    """A case: its table and rows, the action followed (empty if none has a command), true errors, and the promise."""

    table: str
    rows: int
    action: str
    gain: tuple[float, float] | None
    before: float
    after: float
    again: float
    n_truth: int

    @property
    def fall(self) -> float:
        """How much lower the true error is afterwards."""
        return self.before - self.after

    @property
    def standard_error(self) -> float:
        """Of a true error, as it was measured."""
        return float(np.sqrt(max(self.before * (1 - self.before), 1e-9) / self.n_truth))


class Drawn:
    """Rows of a table as a user has them, and the rows left out as the truth."""

    def __init__(self, table: Table, rng: np.random.Generator) -> None:
        frame, y = table
        most = min(ROWS[1], len(y) - LEAST_TRUTH)
        self.rows = round(np.exp(rng.uniform(np.log(ROWS[0]), np.log(most))))
        order = rng.permutation(len(y))
        used = self.rows if len(y) < 2 * self.rows + LEAST_TRUTH else 2 * self.rows
        self.kept, self.more, self.truth = order[: self.rows], order[self.rows : used], order[used:][:MOST_TRUTH]
        self.frame, self.y = frame, y

    def search(self, name: str, seed: int = 0) -> tuner.Study:
        """Write data and definition, and search them."""
        Path("studies").mkdir(exist_ok=True)
        data = self.frame.iloc[self.kept].assign(y=[f"class {label}" for label in self.y[self.kept]])
        data.to_csv(f"studies/{name}.csv", index=False)
        text = DEFINITION.format(name=name, trials=TRIALS, seed=seed)
        Path(f"studies/{name}.toml").write_text(text)
        return tuner.search(f"studies/{name}.toml")

    def collect(self) -> None:
        """As many rows again, if there are so many, from those that nothing was judged by."""
        self.kept = np.concatenate([self.kept, self.more])

    def true_error(self, study: tuner.Study) -> float:
        """Return the error of the delivered model on the rows left out."""
        predicted = study.train().predict(self.frame.iloc[self.truth])
        return float(np.mean(np.asarray(predicted) != np.array([f"class {label}" for label in self.y[self.truth]])))


def judge(number: int, folder: Path, seed: int) -> Outcome:
    """Search a table, follow the first action that has a command, and search again with another seed."""
    rng = np.random.default_rng([seed, number])
    name, read = list(tables(folder).items())[number % len(tables(folder))]
    drawn = Drawn(read(), rng)
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        study = drawn.search("made")
        before = drawn.true_error(study)
        again = drawn.true_error(drawn.search("again", seed=1))
        action = first_action(study)
        if action is not None and "learning-curve" in action.command:
            study.learning_curve()
            action = first_action(study)
        if action is not None and action.action == MORE_DATA and not len(drawn.more):
            action = None  # the table has no further rows to collect
        followed = None if action is None else follow(drawn, action)  # type: ignore[arg-type]
        after = before if followed is None else drawn.true_error(followed)
    gain = None if action is None or action.gain is None else (action.gain.low, action.gain.high)
    kind = "" if action is None or followed is None else action.action
    return Outcome(name, drawn.rows, kind, gain, before, after, again, len(drawn.truth))


def first_action(study: tuner.Study) -> Action | None:
    """Return the first action that can be followed here: by a command that is more than a look, or with more rows."""
    actions = study.report().actions
    return next((one for one in actions if one.action == MORE_DATA or _does_something(one.command)), None)


def _does_something(command: str) -> bool:
    return bool(command) and not command.startswith("tuner data ")


def mean(figures: Iterable[float]) -> float:
    """Return the mean, NaN of nothing."""
    listed = [float(one) for one in figures]
    return sum(listed) / len(listed) if listed else np.nan


def goals(outcomes: list[Outcome]) -> list[Goal]:
    """How the true error changed where a first action was followed."""
    followed = [one for one in outcomes if one.action]
    numbers = list(range(len(followed)))
    promised = [one for one in followed if one.gain is not None]
    covered = [one.gain[0] - one.standard_error <= one.fall <= one.gain[1] + one.standard_error for one in promised]  # type: ignore[index]
    return [
        rate_goal("the delivered model's true error falls", [one.fall > 0 for one in followed], numbers, low=0.85),
        rate_goal("it rises by more than a standard error", [one.fall < -one.standard_error for one in followed],
            numbers, high=0.03),
        rate_goal("the fall is inside what was promised", covered, list(range(len(promised))), low=0.9),
        Goal(name="the true error stays", value=mean(one.fall == 0 for one in followed)),
        Goal(name="mean fall, in points", value=100 * mean(one.fall for one in followed)),
        Goal(name="searching again instead falls", value=mean(one.again < one.before for one in followed)),
        Goal(name="searching again instead, in points",
            value=100 * mean(one.before - one.again for one in followed)),
    ]  # fmt: skip


def main() -> int:
    """Follow the advice, print every case and every figure beside its goal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=36)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["TUNER_CACHE"] = tempfile.mkdtemp()
    cases = range(arguments.first, arguments.first + arguments.cases)
    outcomes = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        for one in pool.map(partial(judge, folder=arguments.folder.resolve(), seed=arguments.seed), cases):
            outcomes.append(one)
            promised = "" if one.gain is None else f"promised {100 * one.gain[0]:.1f} to {100 * one.gain[1]:.1f}"
            print(f"{one.table:<22}{one.rows:>6}  {one.action or '(no command)':<22}{one.before:>7.1%}{one.after:>7.1%}"
                f"  again{one.again:>7.1%}  {promised}", flush=True)  # fmt: skip
    reached = goals(outcomes)
    print(f"{len(outcomes)} cases, {sum(bool(one.action) for one in outcomes)} followed", *reached, sep="\n")
    print(dict(Counter(one.action for one in outcomes)))
    return 0 if all(goal.kept() for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
