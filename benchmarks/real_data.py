"""Search real data sets, choose on dev alone, and look once at the official test set.

    python -m benchmarks.real_data adult adult-train.csv adult-test.csv
    python -m benchmarks.real_data mnist train-images-idx3-ubyte.gz t10k-images-idx3-ubyte.gz
    python -m benchmarks.real_data concrete concrete.csv splits.json
    python -m benchmarks.real_data california_housing california_housing.csv

With ``splits.json``, {name: {"test_rows": [[row, …], …], "published_test_rmse": [number, …]}}, each of the test splits
is left out of a search of its own, and its RMSE stands beside the published one; without it a random fifth of the rows.
Studies and database are kept in ``--folder``, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

import tuner
from tuner.analysis import ErrorEstimate
from tuner.storage import TrialRecord
from tuner.trial import draw_dev_folds, run_trial, trial_settings
from tuner.workspace import StudyRequest, load_study_data, read_record

ADULT = """\
name = "adult"

[data]
source = "{train}"
test = "{test}"
header = false
target = 14
missing = ["?"]
split = {{ dev = 0.2 }}

[network]
hidden = [64, 32]

[training]
max_epochs = 60
patience = 8

[space]
lambda = {{ log_uniform = [0.02, 200.0] }}
keep_prob = {{ uniform = [0.5, 1.0] }}
alpha = {{ log_uniform = [1e-2, 1.0] }}
beta = {{ one_minus_log_uniform = [0.8, 0.99] }}
batch_size = {{ power_of_two = [32, 512] }}
initializer = {{ choice = ["he", "xavier", "lecun"] }}
hidden = {{ choice = ["32", "64-32", "128-64"] }}

[search]
trials = 100
"""

MNIST = """\
name = "mnist"

[data]
source = "{train}"
test = "{test}"
split = {{ dev = 5000 }}

[network]
hidden = [512, 256]

[training]
max_epochs = 40
patience = 6

[space]
lambda = {{ log_uniform = [0.05, 5.0] }}
keep_prob = {{ uniform = [0.5, 0.9] }}
alpha = {{ log_uniform = [0.05, 1.0] }}
beta = {{ one_minus_log_uniform = [0.8, 0.97] }}
batch_size = {{ power_of_two = [64, 256] }}
initializer = {{ choice = ["he", "xavier"] }}
schedule = {{ choice = ["constant", "cosine"] }}

[search]
trials = 30
"""

NUMBERS = """\
name = "{name}"

[data]
source = "{train}"
test = "{test}"
target = "{target}"
{ways}

[network]
task = "regression"

[training]
max_epochs = {epochs}
patience = 30

[space]
lambda = {{ log_uniform = [{least:g}, {most:g}] }}
keep_prob = {{ uniform = [0.9, 1.0] }}
alpha = {{ log_uniform = [1e-3, 1e-2] }}
batch_size = {{ power_of_two = {batches} }}
optimizer = "adam"
schedule = "cosine"
hidden = {{ choice = ["50", "64-32", "128-64"] }}

[search]
trials = {trials}
"""

STUDIES = {"adult": ADULT, "mnist": MNIST}
REGRESSIONS = ("concrete", "kin8nm", "power_plant", "california_housing")
FEW = 2000
"""Rows below which trials are compared on five folds, small batches and many epochs."""


def main() -> None:
    """Search, and print what was chosen and what it reaches on the test set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=[*STUDIES, *REGRESSIONS])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path, nargs="?")
    parser.add_argument("--trials", type=int, default=30, help="of each search of numbers")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("real-data"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    if arguments.data in REGRESSIONS:
        report_numbers(arguments)
        return
    if arguments.test is None:
        parser.error("expected a test file")
    path = arguments.folder / f"{arguments.data}.toml"
    text = STUDIES[arguments.data].format(train=arguments.train.resolve(), test=arguments.test.resolve())
    path.write_text(text, encoding="utf-8")
    began = time.perf_counter()
    tuner.search(path, workers=arguments.workers)
    seconds = time.perf_counter() - began
    record = read_record(str(path))
    if record.best is None:
        raise SystemExit("no trial has a usable result")
    report_test_error(str(path), record.best, seconds, len(record.trials))


def report_numbers(arguments: argparse.Namespace) -> None:
    """Search once for each test split, and print the RMSE of the best trial's networks there."""
    frame = pd.read_csv(arguments.train)
    published: list[float] = []
    if arguments.test is None:
        splits = [np.random.default_rng(0).permutation(len(frame))[: len(frame) // 5].tolist()]
    else:
        of_data = json.loads(arguments.test.read_text(encoding="utf-8"))[arguments.data]
        splits, published = of_data["test_rows"], of_data["published_test_rmse"]
    errors = []
    for number, rows in enumerate(splits):
        path = write_study(arguments.folder, f"{arguments.data}-{number}", frame, rows, arguments.trials)
        study = tuner.search(path, workers=arguments.workers, references="fast", progress=False)
        found = study.evaluate(study.train(), test=True)["test"]
        assert isinstance(found, tuner.NumberEvaluation)
        error, dev = found.error, study.report().diagnosis.errors["dev_corrected"]
        assert dev is not None
        errors.append(error.value)
        beside = f", published {published[number]:.4g}" if published else ""
        print(
            f"{study.name}: test RMSE {error.value:.4g} ({error.low:.4g} to {error.high:.4g}), R² {found.r2:.4f}"
            f"{beside}; dev (selection-corrected) {dev.value:.4g} ({dev.low:.4g} to {dev.high:.4g})",
            flush=True,
        )
    if len(published) > 1:
        apart = np.array(errors) - published
        print(
            f"{arguments.data}: mean test RMSE {np.mean(errors):.4g}, published {np.mean(published):.4g}; "
            f"difference {apart.mean():+.3g} ± {apart.std(ddof=1) / np.sqrt(len(apart)):.2g} (standard error)"
        )


def write_study(folder: Path, name: str, frame: pd.DataFrame, test_rows: list[int], trials: int) -> Path:
    """Write the study of a split and its two files."""
    train, test = (folder.resolve() / f"{name}-{part}.csv" for part in ("train", "test"))
    frame.iloc[test_rows].to_csv(test, index=False)
    rest = frame.drop(index=frame.index[test_rows])
    rest.to_csv(train, index=False)
    few = len(rest) < FEW
    text = NUMBERS.format(
        name=name,
        train=train,
        test=test,
        target="target" if "target" in frame else "median_house_value",
        ways="folds = 5" if few else "split = { dev = 0.2 }",
        epochs=400 if few else 100,
        batches=[16, 64] if few else [64, 256],
        least=1e-6 * len(rest),
        most=1e-3 * len(rest),
        trials=trials,
    )
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def report_test_error(path: str, best: TrialRecord, seconds: float, trials: int) -> None:
    """Train the best trial again, bit for bit, and count its errors on the test set."""
    source, dataset = load_study_data(StudyRequest(path))
    definition = source.definition
    hyperparameters = definition.searched_space.hyperparameters(best.params)
    assert best.seed is not None
    folds = draw_dev_folds(len(dataset.dev_rows), dataset.dev_groups, definition.data.seed)
    result = run_trial(dataset, hyperparameters, trial_settings(definition), seed=best.seed, dev_folds=folds)
    assert result.value == best.value
    assert dataset.test is not None
    wrong = int((result.networks[0].predict(dataset.test.X) != dataset.test.y).sum())
    low, high = ErrorEstimate.measured(wrong, len(dataset.test)).interval()
    print(
        f"{definition.name}: {trials} trials in {seconds:.0f} s; best trial {best.number}, dev error {best.value:.2%}"
    )
    print(f"  {best.params}")
    print(
        f"  test: {wrong} of {len(dataset.test)} wrong, accuracy {1 - wrong / len(dataset.test):.2%} "
        f"({1 - high:.2%} to {1 - low:.2%})"
    )


if __name__ == "__main__":
    main()
