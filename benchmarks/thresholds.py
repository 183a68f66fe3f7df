"""Does the promised value of a threshold hold on new rows, and does a threshold mend the lean of an average?

Tables are drawn from a made problem of two classes, one of them rare.  Each is searched, a model is trained with a
threshold for each goal, and what the model file says of dev rows that did not choose the threshold is compared with
20,000 new rows.  With one trial nothing else was chosen on dev; with several, the trial was, too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tuner
from tuner.data import encode_frame
from tuner.errors import UsageError
from tuner.modeling import DecisionRequest, Model, decide
from tuner.workspace import load_searched

NEW = 20_000
GOALS = {"f1": "f1", "balanced_error": "balanced_error", "recall>=0.8": "recall", "precision>=0.5": "precision"}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dev set, one network": ({}, {}),
    "dev set, average of 2 trials": ({}, {"ensemble_of": 2}),
    "5 folds, average": ({"folds": 5}, {"seeds": 5, "ensemble": True}),
    "5 folds, --single": ({"folds": 5}, {"single": True}),
}
Line = tuple[str, str, float, float, float, float, float]


def made(rows: int, share: float, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of six numbers, of which three tell the class apart, and their class."""
    rng = np.random.default_rng(seed)
    y = rng.random(rows) < share
    X = rng.normal(0, 1, (rows, 6))
    X[y, 0] += 1.5
    X[y, 1] += 0.8 + X[y, 2]
    return pd.DataFrame(X, columns=list("abcdef")), np.where(y, "yes", "no")


def measures(predicted: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """How good predicted classes are."""
    called, real = predicted == "yes", y == "yes"
    hits, alarms = (called & real).sum(), (called & ~real).sum()
    return {
        "precision": hits / max(called.sum(), 1),
        "recall": hits / real.sum(),
        "f1": 2 * hits / (called.sum() + real.sum()),
        "balanced_error": (1 - hits / real.sum() + alarms / (~real).sum()) / 2,
    }


def searched(
    frame: pd.DataFrame, y: np.ndarray, folder: str, folds: dict[str, int], trials: int, seed: int, weights: str
) -> tuner.Study:
    """A study of these rows, in a database in ``folder``."""
    return tuner.search(
        frame.assign(bought=y),
        target="bought",
        name=f"t{len(folds)}",
        storage=f"sqlite:///{Path(folder) / 'tuner.db'}",
        progress=False,
        definition={
            "data": {**folds, "split": {"test": 0} if folds else {"dev": 0.3, "test": 0}},
            "network": {"hidden": [16]},
            "training": {"max_epochs": 20, "class_weight": weights, "monitor": "balanced_error"},
            "space": {"alpha": {"log_uniform": [1e-2, 0.3]}, "lambda": {"log_uniform": [1e-2, 10.0]}},
            "search": {"trials": trials, "metric": "balanced_error", "seed": seed},
        },
    )


def one_table(task: tuple[int, int, float, int]) -> list[Line]:
    """Kind and goal; the value promised and that of new rows, whether this is in the interval of the first, that of
    new rows with the threshold 0.5, and what the threshold adds to recall.
    """
    seed, rows, share, trials = task
    (frame, y), (new, truth) = made(rows, share, seed), made(NEW, share, seed + 10**6)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNER_CACHE"] = folder
        for folds in ({}, {"folds": 5}):
            study = searched(frame, y, folder, folds, trials, seed, "balanced")
            for kind, (of_data, options) in KINDS.items():
                if of_data == folds and (trials > 1 or "ensemble_of" not in options):
                    model = study.train(**options)
                    measured = study.train() if "single" in options else None
                    lines += _goals(study, kind, model, measured, new, truth)
    return lines


def _goals(
    study: tuner.Study, kind: str, model: Model, measured: Model | None, new: pd.DataFrame, y: np.ndarray
) -> list[Line]:
    """Of each goal; the model is trained once, as ``tuner train --threshold-for`` would."""
    record, dataset = load_searched(study._place, study._dataset)
    before, p = model.metadata, model.predict_proba(new).astype(np.float64)
    names, lines = model.classes_, []
    plain = measures(names[p.argmax(axis=1)], y)
    for goal, name in GOALS.items():
        request = DecisionRequest.parse(goal, None)
        assert request is not None
        model.metadata = before
        try:
            decide(model, request, record, dataset, measured)
        except UsageError:  # no threshold reaches it
            continue
        decision = model.metadata.decision
        assert decision is not None
        assert decision.threshold is not None
        real, of = measures(names[decision.rule.classes(p)], y), decision.threshold.dev[name]
        inside, more = of.low <= real[name] <= of.high, real["recall"] - plain["recall"]
        lines.append((kind, goal, of.value or 0.0, real[name], float(inside), plain[name], more))
    return lines


def lean(tables: int, rows: int, share: float) -> None:
    """Print what averaging the networks of five folds does to new rows at the threshold 0.5."""
    for weights in ("none", "balanced"):
        differences = []
        for seed in range(tables):
            (frame, y), (new, truth) = made(rows, share, seed), made(NEW, share, seed + 10**6)
            with tempfile.TemporaryDirectory() as folder:
                os.environ["TUNER_CACHE"] = folder
                model = searched(frame, y, folder, {"folds": 5}, 1, seed, weights).train()
            inputs = encode_frame(model.encodings, new, "new rows")
            alone = [measures(model.classes_[model.average([k], [of]).classes], truth) for k, of in enumerate(inputs)]
            average = measures(model.predict(new), truth)
            differences.append([average[name] - np.mean([of[name] for of in alone]) for name in average])
        of_measures = zip(average, np.array(differences).T, strict=True)
        print(f"class_weight {weights}:", ", ".join(f"{name} {with_noise(of)}" for name, of in of_measures))


def with_noise(differences: np.ndarray) -> str:
    """Their mean in percentage points, with its standard error."""
    return f"{100 * differences.mean():+.1f} ± {100 * differences.std() / np.sqrt(len(differences)):.1f} pp"


def main() -> None:
    """Print the table, or what averaging does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=24)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--lean", action="store_true", help="an average of networks beside its networks, at 0.5")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.lean:
        lean(options.tables, options.rows, options.share)
        return
    tasks = [(seed, options.rows, options.share, options.trials) for seed in range(options.tables)]
    of: dict[tuple[str, str], list[Line]] = defaultdict(list)
    with ProcessPoolExecutor(options.workers) as pool:
        for lines in pool.map(one_table, tasks):
            for line in lines:
                of[line[:2]].append(line)
    print(f"{options.rows:,} rows, {options.share:.1%} of the rare class, {options.trials} trials")
    names = ("model", "goal", "tables", "promised", "new rows", "difference", "within the interval", "new rows at 0.5")
    print("|", " | ".join(names), "| recall, less that at 0.5 |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for (kind, goal), lines in of.items():
        promised, real, inside, plain, more = np.array([line[2:] for line in lines]).T
        gap = with_noise(promised - real)
        print(
            f"| {kind} | {goal} | {len(lines)} | {promised.mean():.1%} | {real.mean():.1%} | {gap} | "
            f"{inside.mean():.0%} | {plain.mean():.1%} | {100 * more.mean():+.1f} pp |"
        )


if __name__ == "__main__":
    main()
