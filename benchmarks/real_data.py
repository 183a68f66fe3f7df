"""Search real data sets, choose on dev alone, and look once at the official test set.

    python -m benchmarks.real_data adult adult-train.csv adult-test.csv
    python -m benchmarks.real_data mnist train-images-idx3-ubyte.gz t10k-images-idx3-ubyte.gz

Studies and database are kept in ``--folder``, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from pathlib import Path

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

STUDIES = {"adult": ADULT, "mnist": MNIST}


def main() -> None:
    """Search, and print what was chosen and what it reaches on the test set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=STUDIES)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("real-data"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
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
