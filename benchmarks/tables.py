"""What lines of the study file do to the true error of the delivered model, beside gradient boosting's.

    python -m benchmarks.tables FOLDER [--variants standard quantile ...] [--tables adult ...] [--rows 1000] [--seeds 1]
        [--trials 30] [--records FILE]

``FOLDER``: see real_tables.py.  Each table is cut to ``--rows``, which are searched with the definition made for them
and one change; the truth is the error of the model that ``tuner train`` delivers on up to 5,000 of the other rows.
``gradient_boosting`` is scikit-learn's HistGradientBoostingClassifier with its defaults, on the same rows.  Tables
whose rare class makes the balanced error the metric are judged by it.  A record per search is kept in ``--records``;
searches that it holds are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import tuner
from benchmarks.real_tables import tables
from tuner.workspace import make_definition_file

TRUTH = 5000
GRADIENT_BOOSTING = "gradient_boosting"
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "standard": {},
    "robust": {"data": {"numeric": "robust"}},
    "quantile": {"data": {"numeric": "quantile"}},
    "piecewise_linear": {"data": {"numeric": "piecewise_linear"}},
    "patient": {"training": {"max_epochs": 300, "patience": 40}},
    "patient_cost": {"training": {"max_epochs": 300, "patience": 40, "monitor": "cost"}},
    "cost": {"training": {"monitor": "cost"}},
    "wide": {"network": {"hidden": [256]}},
    "widths": {"space": {"hidden": {"choice": ["64-32", "128", "256", "256-128"]}}},
    "plain_classes": {"training": {"class_weight": None}},
}
"""Name -> what it changes in the tables of the definition; None takes a key away."""
RARE = 1 / 40
"""Positive rows in each of the others, in tables called "... rare"."""


class Case(NamedTuple):
    """One search; two that are equal are not repeated."""

    table: str
    variant: str
    rows: int
    seed: int
    trials: int


class Judged(NamedTuple):
    """The true error of one model: the balanced one, if the metric says so."""

    metric: str
    error: float


def draw(table: Callable[[], tuple[pd.DataFrame, np.ndarray]], rare: bool, rows: int, seed: int) -> Any:
    """Return rows and classes to search, and those of the truth."""
    X, y = table()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    if rare:
        positive = order[y[order] == 1]
        left_out = positive[int(RARE * (y == 0).sum()) :]
        order = rng.permutation(order[~np.isin(order, left_out)])
    n = min(rows, len(order) // 2)
    ours, truth = order[:n], order[n : n + TRUTH]
    return X.iloc[ours].reset_index(drop=True), y[ours].astype(int), X.iloc[truth], y[truth].astype(int)


def changed(text: str, changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the tables of a definition with some keys changed; no test set is drawn."""
    document = tomllib.loads(text)
    for section, keys in {**changes, "data": {"split": {"test": 0}, **changes.get("data", {})}}.items():
        document[section] = {key: of for key, of in {**document[section], **keys}.items() if of is not None}
    for key in changes.get("space", {}):
        document["network"].pop(key, None)
    return document


def search(X: pd.DataFrame, y: np.ndarray, variant: str, trials: int) -> tuple[tuner.Model, str]:
    """Search a table in an empty folder; returns the delivered model and the metric."""
    X.assign(target_=y).to_csv("table.csv", index=False)
    file, _ = make_definition_file(Path("table.csv"), "target_", {})
    document = changed(file.read_text("utf-8"), VARIANTS[variant])
    data = {key: of for key, of in document.pop("data").items() if key not in ("source", "target")}
    study = tuner.search(
        X.assign(target_=y),
        target="target_",
        definition={**document, "data": data},
        total=trials,
        references="none",
        progress=False,
    )
    return study.train(), document["search"]["metric"]


def judge(metric: str, truth: np.ndarray, predicted: np.ndarray) -> Judged:
    """Return the true error."""
    if metric == "balanced_error":
        return Judged(metric, 1 - float(balanced_accuracy_score(truth, predicted)))
    return Judged(metric, float(np.mean(truth != predicted)))


def measure(case: Case, table: Callable[[], tuple[pd.DataFrame, np.ndarray]]) -> Judged:
    """Search or fit one case."""
    is_rare = case.table.endswith("rare")
    X, y, X_true, y_true = draw(table, is_rare, case.rows, case.seed)
    if case.variant == GRADIENT_BOOSTING:
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        texts = (codes, make_column_selector(dtype_exclude="number"))
        model = HistGradientBoostingClassifier(random_state=case.seed, class_weight="balanced" if is_rare else None)
        fitted = make_pipeline(make_column_transformer(texts, remainder="passthrough"), model).fit(X, y)
        return judge("balanced_error" if is_rare else "error", y_true, fitted.predict(X_true))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        found, metric = search(X, y, case.variant, case.trials)
        return judge(metric, y_true, found.predict(X_true).astype(int))


def kept(file: Path) -> dict[Case, Judged]:
    """Return the records of a file."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    records = map(json.loads, lines)
    return {Case(*(of[key] for key in Case._fields)): Judged(of["metric"], of["error"]) for of in records}


def main() -> None:
    """Measure what the records lack, and print a line for each table and the mean relative errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", nargs="+", default=[*VARIANTS], choices=[*VARIANTS])
    parser.add_argument("--tables", nargs="+")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--records", type=Path, default=Path("tables.jsonl"))
    asked = parser.parse_args()
    every = tables(asked.folder.resolve())
    file = asked.records.resolve()
    records = kept(file)
    variants = [GRADIENT_BOOSTING, *asked.variants]
    relative = defaultdict(list)
    for name in asked.tables or every:
        for seed in range(asked.seeds):
            errors = {}
            for variant in variants:
                case = Case(name, variant, asked.rows, seed, asked.trials)
                if case not in records:
                    records[case] = measure(case, every[name])
                    with file.open("a", encoding="utf-8") as lines:
                        lines.write(json.dumps({**case._asdict(), **records[case]._asdict()}) + "\n")
                errors[variant] = records[case].error
                relative[variant].append(errors[variant] / errors.get("standard", errors[variant]))
            shown = " ".join(f"{variant} {100 * error:.1f}" for variant, error in errors.items())
            print(f"{name} ({seed}): {shown}", flush=True)
    for variant, each in relative.items():
        print(f"{variant}: {np.exp(np.mean(np.log(each))):.3f} of the standard's error, {len(each)} searches")


if __name__ == "__main__":
    main()
