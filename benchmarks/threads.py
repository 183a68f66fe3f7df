"""A training step of wide networks with two threads beside one, and whether the bits are the same.

    python -m benchmarks.threads [--turns 10] [--threads 2]

784 inputs, ten classes, 1,280 examples, mini-batches of 256, momentum and L2.  Turns of one and more threads alternate,
12 epochs each.  A step is the sum of the fastest run of each of its NumPy calls: other work on the machine takes a core
away from two threads more often than from one, and seldom leaves both alone for a whole step.  Exit status 1 if the
bits differ or the goal, 1.2 times the speed with two hidden layers of 1,000 units, is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from unittest import mock

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.goals import Goal
from tuner.nn import Examples, Hyperparameters, Stopping, cohort, train
from tuner.nn.calls import Call
from tuner.nn.threads import shared_by

NETWORKS = ((1000, 1000), (512, 512), (256,))
Times = dict[int, np.ndarray]


class Watch:
    """Runs calls and keeps the seconds of the fastest run of each, by their list."""

    def __init__(self) -> None:
        self.fastest: Times = {}
        self._runs: dict[int, int] = {}

    def run(self, calls: Sequence[Call]) -> None:
        """Run the calls of a step."""
        seconds = np.empty(len(calls))
        for place, call in enumerate(calls):
            began = time.perf_counter()
            call()
            seconds[place] = time.perf_counter() - began
        key = id(calls)
        self._runs[key] = self._runs.get(key, 0) + 1
        self.fastest[key] = np.minimum(seconds, self.fastest.get(key, np.inf))

    def step(self) -> np.ndarray:
        """The seconds of each call of the first step of the epochs."""
        return next(iter(self.fastest.values()))


def fastest_calls(data: Examples, hidden: tuple[int, ...], threads: int) -> tuple[np.ndarray, bytes]:
    """Train, and return the seconds of the fastest run of each call of a step, and the bits of the network."""
    settings = Hyperparameters(hidden=hidden, alpha=0.01, lambda_=0.1, batch_size=256)
    watch = Watch()
    with threadpool_limits(limits=1), shared_by(threads), mock.patch.object(cohort, "run", watch.run):
        run = train(
            data,
            None,
            n_classes=10,
            hyperparameters=settings,
            seeds=[0],
            stopping=Stopping(max_epochs=12, patience=None),
        )
    return watch.step(), run.networks[0].theta.tobytes()


def main() -> int:
    """Take turns, and print the speed with more threads over that with one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    data = Examples(rng.standard_normal((1280, 784), dtype=np.float32), rng.integers(0, 10, 1280))
    kept = True
    for hidden in NETWORKS:
        turns = [
            [fastest_calls(data, hidden, threads) for threads in (1, options.threads)] for _ in range(options.turns)
        ]
        one, more = (float(np.min([turn[place][0] for turn in turns], axis=0).sum()) for place in (0, 1))
        same = len({bits for turn in turns for _, bits in turn}) == 1
        units = "-".join(map(str, hidden))
        print(f"  {units}: {1e3 * one:.2f} ms with one thread, {1e3 * more:.2f} ms with {options.threads}")
        goal = Goal(name=f"speed of {units} with {options.threads} threads over one", value=one / more, low=1.2)
        print(
            goal if hidden == NETWORKS[0] else f"{goal.name}: {goal.value:.2f}",
            "" if same else "OTHER BITS",
            flush=True,
        )
        kept &= same and (hidden != NETWORKS[0] or goal.kept())
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
