"""Segments that the report names: none where losses are chance, and planted ones.

    python -m benchmarks.segments [--searches 400] [--seed 0]

Tables of 600 and 2,000 dev rows with 8 columns, four of numbers (cut into fifths and two fifths) and four categories.
Null: losses that have nothing to do with the columns, wrong rows (10%), heavy-tailed residuals, wrong rows with weights
that a column decides, wrong rows in groups of unlike sizes.  Planted: a slice of one column with an error of 25%, or of
two with 50%, where it is 10% elsewhere.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tuner.analysis import find_segments


def slices(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Members (k, n) of slices of eight columns, and the column of each."""
    members, columns = [], []
    for column in range(8):
        values = rng.normal(size=n)
        codes = np.searchsorted(np.quantile(values, [0.2, 0.4, 0.6, 0.8]), values)
        if column % 2:
            codes = rng.choice(5, n, p=[0.4, 0.25, 0.15, 0.12, 0.08])
        of_column = [codes == code for code in range(5)]
        if column % 2 == 0:
            of_column += [codes < 2, codes > 2]
        members += of_column
        columns += [column] * len(of_column)
    return np.array(members), np.array(columns)


def groups_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Groups of five rows on the mean, in no order of size."""
    stretches = np.searchsorted(np.cumsum(rng.geometric(0.2, n)), np.arange(n))
    groups = np.unique(stretches, return_inverse=True)[1]
    return rng.permutation(groups.max() + 1)[groups]


def null(kind: str, n: int, seed: int) -> bool:
    """Whether a segment is named where there is none."""
    rng = np.random.default_rng([seed, n, len(kind)])
    members, columns = slices(rng, n)
    groups = weights = None
    if kind == "weighted rows":
        weights = rng.gamma(2.0, size=n) * np.where(members[0] | members[9], 5.0, 1.0)
        losses = (rng.random(n) < 0.1).astype(float)
    elif kind == "wrong rows":
        losses = (rng.random(n) < 0.1).astype(float)
    elif kind == "residuals":
        losses = np.abs(rng.standard_t(4, n))
    else:
        groups = groups_of(rng, n)
        of_groups = rng.random(groups.max() + 1) < 0.3
        losses = (rng.random(n) < 0.05 + 0.3 * of_groups[groups]).astype(float)
        level = rng.integers(0, 5, groups.max() + 1)[groups]  # a column that each group has one value of
        members = np.concatenate([members, [level == k for k in range(5)]])
        columns = np.append(columns, [8] * 5)
    return bool(find_segments(losses, members, columns, groups, weights, rng=rng))


def planted(pair: bool, n: int, seed: int) -> tuple[bool, bool, float]:
    """Whether the planted segment is the first that is named, whether others are, and the overlap of the first."""
    rng = np.random.default_rng([seed, n, 7])
    members, columns = slices(rng, n)
    bad = members[7] & members[12] if pair else members[7]
    losses = (rng.random(n) < np.where(bad, 0.5 if pair else 0.25, 0.1)).astype(float)
    found = find_segments(losses, members, columns, rng=rng)
    if not found:
        return False, False, 0.0
    overlap = float((found[0].rows & bad).sum() / (found[0].rows | bad).sum())
    return overlap == 1.0, len(found) > 1, overlap


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    seeds = range(asked.seed, asked.seed + asked.searches)
    for kind in ("wrong rows", "residuals", "weighted rows", "rows in groups"):
        for n in (600,) if kind == "rows in groups" else (600, 2000):
            named = np.mean([null(kind, n, seed) for seed in seeds])
            print(f"null, {kind}, {n:,} rows: a segment is named in {named:.1%} of {len(seeds)} searches", flush=True)
    for pair in (False, True):
        for n in (600, 2000):
            hits, more, overlap = zip(*(planted(pair, n, seed) for seed in seeds[: len(seeds) // 4]), strict=True)
            which = "of two columns" if pair else "of one column"
            print(
                f"planted {which}, {n:,} rows: found as it is in {np.mean(hits):.0%}, overlap "
                f"{np.mean(overlap):.2f}, another named with it in {np.mean(more):.0%} of {len(hits)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
