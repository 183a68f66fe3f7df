"""Large data: files beside pandas, a search on one, and one epoch on a wide array beside scikit-learn's.

    python -m benchmarks.size [--rows 1000000] [--examples 200000] [--rounds 3]

The table has 51 columns: 35 numbers, 3 integers, 12 of categories (some 500 inputs in all) and the classes; loading
parses, encodes and splits it, into arrays in memory, beside pandas.read_csv and pandas.read_parquet. The search on it
is one trial of one epoch with the reference models; its peak is that of the whole process. The array is (examples,
784) of float32; one hidden layer of 100 units, mini-batches of 256, one trial of one epoch by plain gradient descent,
without reference models; what counts is the call, after the imports (of pandas, too, which the call would import).
Each is a process of its own with one BLAS thread, taken in turns; figures are medians. The same network is trained
for two epochs by Adam on 60,000 rows of 853 inputs, 804 of them flags of 12 columns, and of 50 numbers. Goals: 3
times the processor time and twice the peak memory of pandas; 2 GB for the search; 1.5 times the processor time of
MLPClassifier; 853 inputs as fast as 50. Exit status 1 if one is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.goals import Goal
from benchmarks.predict import measured

READ = {
    "rows.csv": "import sys, pandas; pandas.read_csv(sys.argv[1])",
    "rows.parquet": "import sys, pandas; pandas.read_parquet(sys.argv[1])",
}
LOAD = """
import sys
from pathlib import Path
from tuner.data import DataSettings, load_dataset
load_dataset(DataSettings(source=sys.argv[1], target="y"), Path(), cache=False)
"""
ARRAY = """
import sys, time, warnings
import numpy as np
import pandas
rng = np.random.default_rng(0)
n = int(sys.argv[1])
X, y = rng.random((n, 784), dtype=np.float32), rng.integers(0, 10, n)
warnings.simplefilter("ignore")
"""
TUNER = """
import tuner.api
definition = {"training": {"max_epochs": 1}, "network": {"hidden": [100]}, "space": {
    "batch_size": 256, "alpha": 0.01, "lambda": 0.1, "keep_prob": 1.0, "beta": 0.0}}
began = time.process_time()
tuner.api.search(X, target=y, definition=definition, trials=1, references="none", progress=False)
print(time.process_time() - began)
"""
SEARCH = """
name = "rows"
[data]
source = "rows.csv"
target = "y"
[network]
hidden = [100]
[training]
max_epochs = 1
[search]
trials = 1
[space]
batch_size = 256
alpha = 0.01
lambda = 0.1
keep_prob = 1.0
beta = 0.0
"""
SKLEARN = """
from sklearn.neural_network import MLPClassifier
network = MLPClassifier((100,), solver="sgd", momentum=0, batch_size=256, max_iter=1, early_stopping=True,
    validation_fraction=0.2)
began = time.process_time()
network.fit(X, y)
print(time.process_time() - began)
"""

EPOCHS = """
import sys, time
import numpy as np
import scipy.sparse
from tuner.inputs import Inputs
from tuner.nn import Examples, Hyperparameters, Stopping, train
rng, n, levels = np.random.default_rng(0), 60_000, int(sys.argv[1])
columns, numbers = (12, 49) if levels else (0, 50)
flags = numbers + np.arange(columns) * levels + rng.integers(0, max(levels, 1), (n, columns))
X = rng.normal(size=(n, numbers)).astype(np.float32)
inputs = Inputs(X, np.arange(numbers), flags.astype(np.uint16), numbers + columns * levels)
examples = Examples(inputs, rng.integers(0, 2, n))
settings = Hyperparameters(hidden=(100,), batch_size=256, optimizer="adam", alpha=0.01)
began = time.process_time()
train(examples, None, n_classes=2, hyperparameters=settings, seeds=[0], stopping=Stopping(max_epochs=2, patience=None))
print(time.process_time() - began)
"""


def write_table(path: Path, n: int) -> None:
    """51 columns, written in pieces, and as Parquet."""
    for start in range(0, n, 100_000):
        rng, rows = np.random.default_rng(start), min(100_000, n - start)
        columns: dict[str, Any] = {f"number_{k}": np.round(rng.normal(size=rows), 4) for k in range(35)}
        columns |= {f"integer_{k}": rng.integers(0, 1000, rows) for k in range(3)}
        for k in range(12):
            levels = np.array([f"level {level}" for level in range(8 + 6 * k)])
            columns[f"category_{k}"] = rng.choice(levels, rows)
        columns["y"] = np.where(columns["number_0"] + rng.normal(size=rows) > 0, "yes", "no")
        pd.DataFrame(columns).to_csv(path, index=False, mode="a", header=not start)
    # In a process of its own: those that this one starts would count its memory as theirs.
    copy = f"import pandas; pandas.read_csv({str(path)!r}).to_parquet({str(path.with_suffix('.parquet'))!r})"
    subprocess.run([sys.executable, "-c", copy], check=True)


def seconds_of(script: str, number: int) -> float:
    """Processor seconds that a script's call took."""
    command = [sys.executable, "-c", script, str(number)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Take turns, and print every figure beside its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--examples", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["TUNER_CACHE"] = str(Path(folder) / "cache")
        write_table(Path("rows.csv"), options.rows)
        Path("rows.toml").write_text(SEARCH, encoding="utf-8")
        files: dict[str, list[Any]] = {name: [] for name in READ}
        searches, arrays, epochs = [], [], []
        for _ in range(options.rounds):
            for name, read in READ.items():
                files[name].append([measured(sys.executable, "-c", script, name)[1:] for script in (LOAD, read)])
                (seconds, peak), (theirs, their_peak) = files[name][-1]
                print(f"  {name}: tuner {seconds:.1f} s, {peak:.0f} MB; pandas {theirs:.1f} s, {their_peak:.0f} MB")
            searches.append(measured(sys.executable, "-m", "tuner", "search", "rows.toml", "--quiet")[1:])
            print("  search: {:.1f} s, {:.0f} MB".format(*searches[-1]), flush=True)
            Path("studies/tuner.db").unlink(missing_ok=True)
            Path("tuner.db").unlink(missing_ok=True)
            shutil.rmtree("cache", ignore_errors=True)
            arrays.append([seconds_of(ARRAY + script, options.examples) for script in (TUNER, SKLEARN)])
            epochs.append([seconds_of(EPOCHS, levels) for levels in (67, 0)])
            Path("studies/tuner.db").unlink(missing_ok=True)
            print("  array: tuner {:.1f} s; scikit-learn {:.1f} s".format(*arrays[-1]))
            print("  two epochs: 853 inputs {:.2f} s; 50 inputs {:.2f} s".format(*epochs[-1]), flush=True)
    goals = [
        Goal(
            name=f"load {name} over pandas, {what}",
            value=statistics.median(ours[k] / theirs[k] for ours, theirs in files[name]),
            high=high,
        )
        for name in READ
        for k, (what, high) in enumerate((("seconds of the processor", 3), ("peak memory", 2)))
    ]
    goals += [
        Goal(
            name="search on rows.csv, peak memory in GB",
            value=statistics.median(peak / 1000 for _, peak in searches),
            high=2,
        ),
        Goal(
            name="one epoch of an array over MLPClassifier, seconds of the processor",
            value=statistics.median(ours / theirs for ours, theirs in arrays),
            high=1.5,
        ),
        Goal(
            name="an epoch on 853 inputs over one on 50, seconds of the processor",
            value=statistics.median(wide / few for wide, few in epochs),
            high=1,
        ),
    ]
    print(*goals, sep="\n")
    return 0 if all(goal.kept() for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
