"""What a report says of the rows of two studies: rarely anything of random samples, and the column that moved.

    python -m benchmarks.drift [--pairs 200] [--seed 0]

Pairs of 600 random customers each of the included table, one disjoint from the other.  Null: nothing moved.  Planted:
a number moved by half of its standard deviation, and a category that three in ten rows change to.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Callable

import numpy as np
import pandas as pd

from tuner.data import Dataset, DataSettings, dataset_from_frame, find_drift
from tuner.paths import shipped_studies

ROWS = 600
Move = Callable[[pd.DataFrame, np.random.Generator], None]


def age(frame: pd.DataFrame, _: np.random.Generator) -> None:
    """Older customers."""
    frame["age"] += frame["age"].std() / 2


def payment(frame: pd.DataFrame, rng: np.random.Generator) -> None:
    """A way of payment that three in ten rows change to."""
    most = frame["payment"].mode()[0]
    frame.loc[rng.random(len(frame)) < 0.3, "payment"] = most


def named(rows: pd.DataFrame, seed: int, move: Move | None) -> tuple[str, ...] | None:
    """The columns that the first warning names; None without a warning."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows))
    first, other = (rows.iloc[order[start : start + ROWS]].reset_index(drop=True) for start in (0, ROWS))
    if move is not None:
        move(other, rng)

    def data(frame: pd.DataFrame) -> Dataset:
        return dataset_from_frame(frame, "churned", DataSettings(), cache=False)

    warnings = [each for each in find_drift(data(first), data(other), ("a", "b")) if each.severity == "warning"]
    return warnings[0].columns if warnings else None


def main() -> None:
    """Print how often something is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rows = pd.read_csv(shipped_studies() / "data" / "churn.csv")
    seeds = range(asked.seed, asked.seed + asked.pairs)
    found = sum(named(rows, seed, None) is not None for seed in seeds)
    print(f"null: something is named in {found} of {len(seeds)} pairs", flush=True)
    for move in (age, payment):
        columns = [named(rows, seed, move) for seed in seeds[: max(len(seeds) // 4, 1)]]
        alone = sum(each == (move.__name__,) for each in columns)
        hit = sum(each is not None and move.__name__ in each for each in columns)
        print(f"{move.__name__} moved: named in {hit}, it alone in {alone} of {len(columns)} pairs", flush=True)


if __name__ == "__main__":
    main()
