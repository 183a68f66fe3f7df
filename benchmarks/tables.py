"""What lines of the study file do to the true error of the delivered model, beside simple models and boosting.

    python -m benchmarks.tables FOLDER [--variants standard narrow ...] [--tables choosing | judging | adult ...]
        [--rows 600] [--seeds 1] [--trials 20] [--ensemble] [--records FILE]

``FOLDER``: see real_tables.py.  Each table is cut to ``--rows`` (half of it, if it has less than twice as many; made
tables have), which are searched with the definition made for them and the changes of a variant; the truth is the error
of the model that ``tuner train`` delivers on up to 5,000 of the other rows: the balanced one if the metric says so, and
of numbers the RMSE.  With ``--ensemble`` also that of the average that ``tuner train --ensemble-of auto`` chooses.
Peers are scikit-learn's with their defaults, its gradient boosting searched in the processor time of the first
variant's search, too (at random, by cross-validation), and, where they are installed, LightGBM, CatBoost and pytabkit's
RealMLP-TD with their defaults.  The defaults are chosen on the tables ``choosing``, and judged on ``judging``; no data
are in both.  A record per search is kept in ``--records``; searches that it holds are not repeated.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os

for library in ("OPENBLAS", "OMP"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import tempfile
import time
import tomllib
import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import tuner
from benchmarks import made_tables
from benchmarks.made_tables import MADE
from benchmarks.real_tables import Table, number_tables, tables
from tuner.workspace import make_definition_file

TRUTH = 5000
SEARCHED = "searched_boosting"
INSTALLED = {"lightgbm": "lightgbm", "catboost": "catboost", "realmlp": "pytabkit"}
PEERS = (
    *("gradient_boosting", "linear", "scikit_mlp"),
    *(peer for peer, package in INSTALLED.items() if importlib.util.find_spec(package) is not None),
)
THREE_FORMS = ["standardize", "piecewise_linear", "target_bins"]
FREQUENCIES = {"log_uniform": [1.0, 100.0]}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "standard": {},
    "narrow": {
        "training": {"max_epochs": 100, "patience": 10},
        "network": {"hidden": [64, 32]},
        "space": {"hidden": None, "numeric": None, "weight_average": None},
    },
    "one_form": {"space": {"numeric": None}},
    "no_periodic": {"space": {"numeric": {"choice": THREE_FORMS}, "highest_frequency": None}},
    "or_periodic": {"space": {"numeric": {"choice": [*THREE_FORMS, "periodic"]}, "highest_frequency": FREQUENCIES}},
    "periodic": {"data": {"numeric": "periodic"}, "space": {"numeric": None, "highest_frequency": FREQUENCIES}},
    "not_averaged": {"space": {"weight_average": None}},
    "normalized": {"space": {"normalization": {"choice": ["none", "batch"]}}},
    "residual": {
        "space": {"hidden": {"choice": ["256", "64-64", "128-128", "256-256"]}, "residual": {"choice": [True, False]}}
    },
    "or_none": {"space": {"hidden": {"choice": ["none", "64-32", "128", "256", "256-128"]}}},
    "large_lambda": {"space": {"lambda": {"log_uniform": [1.0, 300.0]}}},
    "slow_biases": {"training": {"rates": {"biases": 0.1}}},
    "fast_scales": {"training": {"rates": {"biases": 0.1, "scale": 6.0}}, "space": {"normalization": "batch"}},
    "silu": {"network": {"activation": "silu"}},
    "flat_cosine": {"space": {"schedule": "flat_cosine"}},
    "adam": {"space": {"optimizer": "adam", "alpha": {"log_uniform": [5e-4, 0.02]}, "beta": 0.9}},
    "adamw": {
        "space": {
            "optimizer": "adamw",
            "alpha": {"log_uniform": [3e-4, 0.03]},
            "beta": 0.9,
        }
    },
    "cost": {"training": {"monitor": "cost"}},
    "robust": {"data": {"numeric": "robust"}, "space": {"numeric": None}},
    "quantile": {"data": {"numeric": "quantile"}, "space": {"numeric": None}},
    "piecewise_linear": {"data": {"numeric": "piecewise_linear"}, "space": {"numeric": None}},
    "plain_classes": {"training": {"class_weight": None}},
}
"""Name -> what it changes in the tables of the definition; None takes a key away."""
ENSEMBLE = ", ensemble"
RARE = 1 / 40
"""Positive rows in each of the others, in tables called "... rare"."""
CHOOSING = (
    *("concrete 3", "moons noise", "kin8nm 2", "friedman 1", "shops", "steps", "breast cancer", "concrete number"),
    *("waves", "clusters", "kin8nm rare", "digits"),
)
JUDGING = (
    *("adult", "california_housing 2", "wine", "circles", "diabetes", "power_plant 3", "shops interacting", "iris"),
    *("friedman 2", "california_housing number", "clusters missing", "power_plant rare", "hastie", "shells", "wide"),
    *("friedman 3", "mnist"),
)


class Case(NamedTuple):
    """One search; two that are equal are not repeated."""

    table: str
    variant: str
    rows: int
    seed: int
    trials: int


class Judged(NamedTuple):
    """The true error of one model by its metric, and the processor time that its search took."""

    metric: str
    error: float
    seconds: float


def draw(table: Callable[[], Table], rare: bool, rows: int, seed: int) -> Any:
    """Return rows and targets to search, and those of the truth."""
    X, y = table()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    if rare:
        positive = order[y[order] == 1]
        left_out = positive[int(RARE * (y == 0).sum()) :]
        order = rng.permutation(order[~np.isin(order, left_out)])
    n = min(rows, len(order) // 2)
    ours, truth = order[:n], order[n : n + TRUTH]
    return X.iloc[ours].reset_index(drop=True), y[ours], X.iloc[truth], y[truth]


def changed(text: str, changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the tables of a definition with some keys changed; no test set is drawn."""
    document = tomllib.loads(text)
    for section, keys in {**changes, "data": {"split": {"test": 0}, **changes.get("data", {})}}.items():
        document[section] = {key: of for key, of in {**document[section], **keys}.items() if of is not None}
    for key, of in changes.get("space", {}).items():
        if of is not None:
            document["network"].pop(key, None)
    return document


def search(X: pd.DataFrame, y: np.ndarray, variant: str, trials: int) -> tuple[tuner.Study, str]:
    """Search a table in an empty folder; returns the study and the metric."""
    task = {"task": "regression" if y.dtype.kind == "f" else "classification"}
    X.assign(target_=y).to_csv("table.csv", index=False)
    file, _ = make_definition_file(Path("table.csv"), "target_", task)
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
    return study, document["search"]["metric"]


def peer(name: str, is_number: bool, is_rare: bool, seed: int) -> Pipeline:
    """Return a model with its defaults, and what its inputs need: of trees the categories' codes."""
    texts = make_column_selector(dtype_exclude="number")
    balanced = {"class_weight": "balanced"} if is_rare else {}
    if name in ("gradient_boosting", "lightgbm", "catboost"):
        codes = (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), texts)
        return make_pipeline(
            make_column_transformer(codes, remainder="passthrough"), boosting(name, is_number, is_rare, seed)
        )
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    encoded = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), texts), remainder=numbers)
    if name == "linear":
        model = RidgeCV(np.logspace(-3, 3, 13)) if is_number else LogisticRegression(max_iter=2000, **balanced)
    elif name == "realmlp":
        from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

        encoded.set_params(sparse_threshold=0)
        model = (RealMLP_TD_Regressor if is_number else RealMLP_TD_Classifier)(random_state=seed, device="cpu")
    else:
        model = MLPRegressor(random_state=seed) if is_number else MLPClassifier(random_state=seed)
    return make_pipeline(encoded, model)


def boosting(name: str, is_number: bool, is_rare: bool, seed: int) -> Any:
    """Return gradient boosting of a library, on one thread."""
    if name == "lightgbm":
        from lightgbm import LGBMClassifier, LGBMRegressor

        once = {"random_state": seed, "n_jobs": 1, "verbose": -1}
        return LGBMRegressor(**once) if is_number else LGBMClassifier(**once, **_balanced("class_weight", is_rare))
    if name == "catboost":
        from catboost import CatBoostClassifier, CatBoostRegressor

        once = {"random_seed": seed, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
        if is_number:
            return CatBoostRegressor(**once)
        return CatBoostClassifier(**once, auto_class_weights="Balanced" if is_rare else None)
    if is_number:
        return HistGradientBoostingRegressor(random_state=seed)
    return HistGradientBoostingClassifier(random_state=seed, **_balanced("class_weight", is_rare))


def _balanced(key: str, is_rare: bool) -> dict[str, str]:
    return {key: "balanced"} if is_rare else {}


def searched_boosting(X: pd.DataFrame, y: np.ndarray, is_rare: bool, seed: int, seconds: float) -> Pipeline:
    """Search scikit-learn's gradient boosting for so long, the defaults first; the best by five folds is fitted."""
    rng, is_number = np.random.default_rng(seed), y.dtype.kind == "f"
    scoring = "neg_root_mean_squared_error" if is_number else "balanced_accuracy" if is_rare else "accuracy"
    began, best, best_score = time.process_time(), None, -np.inf
    while best is None or time.process_time() - began < seconds:
        model = peer("gradient_boosting", is_number, is_rare, seed)
        if best is not None:
            drawn = {
                "learning_rate": np.exp(rng.uniform(np.log(0.01), np.log(0.3))),
                "max_iter": int(rng.integers(50, 500)),
                "max_leaf_nodes": int(rng.integers(3, 64)),
                "min_samples_leaf": int(rng.integers(2, 50)),
                "l2_regularization": 10 ** rng.uniform(-6, 1),
            }
            model.steps[-1][1].set_params(**drawn)
        score = cross_val_score(model, X, y, scoring=scoring).mean()
        if score > best_score or best is None:
            best, best_score = model, score
    return best.fit(X, y)


def true_error(metric: str, truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the error on the rows of the truth; of numbers the RMSE."""
    if truth.dtype.kind == "f":
        return float(np.sqrt(np.mean(np.square(truth - predicted))))
    predicted = predicted.astype(int)
    if metric == "balanced_error":
        return 1 - float(balanced_accuracy_score(truth, predicted))
    return float(np.mean(truth != predicted))


def measure(case: Case, table: Callable[[], Table], seconds: float = 0.0) -> dict[str, Judged]:
    """Search or fit one case, of searched boosting for so many seconds; the records of a variant and its ensemble."""
    is_rare = case.table.endswith("rare")
    X, y, X_true, y_true = draw(table, is_rare, case.rows, case.seed)
    began = time.process_time()
    if case.variant in (*PEERS, SEARCHED):
        metric = "balanced_error" if is_rare else "error"
        if case.variant == SEARCHED:
            model = searched_boosting(X, y, is_rare, case.seed, seconds)
        else:
            model = peer(case.variant, y.dtype.kind == "f", is_rare, case.seed).fit(X, y)
        error = true_error(metric, y_true, np.asarray(model.predict(X_true)).ravel())
        return {case.variant: Judged(metric, error, time.process_time() - began)}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        study, metric = search(X, y, case.variant, case.trials)
        judged = {}
        for name in (case.variant, f"{case.variant}{ENSEMBLE}"):
            model = study.train(ensemble_of="auto" if name.endswith(ENSEMBLE) else None)
            used = time.process_time() - began
            judged[name] = Judged(metric, true_error(metric, y_true, model.predict(X_true)), used)
        return judged


def kept(file: Path) -> dict[Case, Judged]:
    """Return the records of a file."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    records = map(json.loads, lines)
    return {Case(*(of[key] for key in Case._fields)): Judged(*(of[key] for key in Judged._fields)) for of in records}


def main() -> None:
    """Measure what the records lack, and print a line for each table and what each variant is beside the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", nargs="+", default=["standard"], choices=[*VARIANTS])
    parser.add_argument("--tables", nargs="+", default=["judging"])
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--ensemble", action="store_true", help="the average of the chosen trials, too")
    parser.add_argument("--records", type=Path, default=Path("tables.jsonl"))
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    folder, file = asked.folder.resolve(), asked.records.resolve()
    made_tables.ROWS = max(made_tables.ROWS, 2 * asked.rows)
    rare = {f"{name} rare": MADE[name] for name in ("moons noise", "shops")}
    every = {**tables(folder), **number_tables(folder), **MADE, **rare}
    records = kept(file)
    groups = {"choosing": CHOOSING, "judging": JUDGING}
    names = [name for given in asked.tables for name in groups.get(given, (given,))]
    errors: dict[str, list[float]] = defaultdict(list)
    variants = [name for each in asked.variants for name in (each, each + ENSEMBLE)[: 1 + asked.ensemble]]
    for name in names:
        for seed in range(asked.seeds):
            for variant in (*PEERS, *variants, SEARCHED):
                case = Case(name, variant, asked.rows, seed, 0 if variant in PEERS else asked.trials)
                if case not in records:
                    first = records.get(case._replace(variant=variants[0]))
                    seconds = 0.0 if first is None else first.seconds
                    of = case._replace(variant=variant.removesuffix(ENSEMBLE))
                    for key, judged in measure(of, every[name], seconds).items():
                        records[case._replace(variant=key)] = judged
                        with file.open("a", encoding="utf-8") as lines:
                            lines.write(json.dumps({**case._asdict(), "variant": key, **judged._asdict()}) + "\n")
                errors[variant].append(records[case].error)
            shown = " ".join(f"{variant} {each[-1]:.4g}" for variant, each in errors.items())
            print(f"{name} ({seed}): {shown}", flush=True)
    ranks = pd.DataFrame(errors).rank(axis=1).mean()
    for variant, each in errors.items():
        beside = [
            _beside(np.array(each), np.array(errors[other])) for other in ("gradient_boosting", SEARCHED, variants[0])
        ]
        print(f"{variant}: mean rank {ranks[variant]:.2f}; {'; '.join(beside)}")


def _beside(errors: np.ndarray, others: np.ndarray) -> str:
    """Return the geometric mean of the ratios; a model without an error has half of the least that one can count."""
    least = 1 / (2 * TRUTH)
    ratio = np.exp(np.mean(np.log(np.maximum(errors, least) / np.maximum(others, least))))
    return f"{ratio:.3f}, better on {np.sum(errors < others)} of {len(errors)}, as good on {np.sum(errors == others)}"


if __name__ == "__main__":
    main()
