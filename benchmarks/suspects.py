"""Labels that look wrong, where some were changed: by the mean of the best trials, beside cleanlab if installed.

    python -m benchmarks.suspects FOLDER [--tables digits adult letters] [--rows 1200] [--trials 24] [--seed 0]

``FOLDER``: see real_tables.py; ``letters``, 26 classes by 16 columns like the table of that name, is made.  0, 2, 5
and 10% of a table's labels are changed to another class at random, and it is searched with five folds.  The share of
changed labels stands beside the one that the report estimates.  Precision is the share of changed labels among the
suspected ones, recall that of suspected labels among the changed ones; cleanlab (``find_label_issues``, its defaults)
gets the same probabilities, and those of the best trial alone.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import importlib.util
import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification

import tuner
from benchmarks.real_tables import Table, tables
from tuner.analysis import suspected_labels
from tuner.reporting.label_noise import LabelNoise
from tuner.workspace import read_record

SHARES = (0.0, 0.02, 0.05, 0.1)


def letters() -> Table:
    """26 overlapping classes by 16 columns of integers from 0 to 15."""
    X, y = make_classification(
        10_000,
        16,
        n_informative=13,
        n_redundant=3,
        n_classes=26,
        n_clusters_per_class=1,
        class_sep=2,
        flip_y=0,
        random_state=0,
    )
    ranks = pd.DataFrame(X).rank(pct=True)
    return (ranks * 15.999).astype(int).rename(columns=str), y


def out_of_fold(
    table: Table, changed: np.ndarray, trials: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, LabelNoise | None]:
    """Search a table with changed labels; returns dev rows, labels, the best trials' probabilities and the noise."""
    X, y = table
    n_classes = int(y.max()) + 1
    labels = y.copy()
    labels[changed] = (y[changed] + rng.integers(1, n_classes, changed.sum())) % n_classes
    definition = {"data": {"folds": 5, "split": {"test": 0}}, "search": {"trials": trials}}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        study = tuner.search(
            X.assign(label_=[f"class {label}" for label in labels]),
            target="label_",
            definition=definition,
            references="none",
            progress=False,
            name="table",
            storage="sqlite:///tuner.db",
        )
        record = read_record("table", "sqlite:///tuner.db")
        noise = study.report().label_noise
    best = sorted(
        (trial for trial in record.judged if trial.predictions is not None),
        key=lambda trial: (trial.value, trial.number),
    )
    probabilities = [trial.predictions.probabilities for trial in best if trial.predictions is not None]
    return record.dev_rows, record.dev_y, np.array(probabilities), noise


def shown(rows: np.ndarray, changed: np.ndarray) -> str:
    """Return precision and recall."""
    return f"{changed[rows].mean() if len(rows) else 1:.2f} and {changed[rows].sum() / max(changed.sum(), 1):.2f}"


def main() -> None:
    """Print precision and recall for each table and share of changed labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="+", default=["digits", "adult", "letters"])
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    every = {**tables(asked.folder.resolve()), "letters": letters}
    for name in asked.tables:
        X, y = every[name]()
        for share in SHARES:
            rng = np.random.default_rng([asked.seed, int(100 * share)])
            rows = rng.permutation(len(X))[: asked.rows]
            changed = rng.random(len(rows)) < share
            table = X.iloc[rows].reset_index(drop=True), y[rows].astype(int)
            dev, labels, probabilities, noise = out_of_fold(table, changed, asked.trials, rng)
            mean, truth = probabilities.mean(axis=0), changed[dev]
            lines = {"tuner": suspected_labels(labels, mean).rows}
            if importlib.util.find_spec("cleanlab"):
                from cleanlab.filter import find_label_issues

                lines["cleanlab, the same probabilities"] = np.flatnonzero(find_label_issues(labels, mean))
                lines["cleanlab, the best trial's"] = np.flatnonzero(find_label_issues(labels, probabilities[0]))
            found = "; ".join(f"{who} {shown(rows, truth)}" for who, rows in lines.items())
            if noise is not None:
                of = noise.share
                print(f"{name}, {truth.mean():.1%} changed: {of.value:.1%} ({of.low:.1%} to {of.high:.1%})", flush=True)
            print(f"{name}, {share:.0%} changed: precision and recall of {found}", flush=True)


if __name__ == "__main__":
    main()
