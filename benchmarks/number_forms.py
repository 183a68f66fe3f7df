"""Forms of numbers as inputs of one network, without a search: dev error and time of an epoch.

    python -m benchmarks.number_forms FOLDER [--seeds 2]

``FOLDER``: see real_tables.py.  All rows of adult, of California housing and of the power plant, a fifth of them dev;
two layers of 256 and 128 units by Adam, the same settings for every form.  The errors are the lowest of all epochs;
errors of numbers are squared ones in variances of the target.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

for library in ("OPENBLAS", "OMP"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np

from tuner.data import Dataset, DataSettings, load_dataset
from tuner.nn import Examples, Hyperparameters, Stopping, train

TABLES: dict[str, dict[str, Any]] = {
    "adult": {"source": "adult-train.csv", "target": "14", "header": False, "missing": ("?",)},
    "california_housing": {"source": "regression/california_housing.csv", "target": "median_house_value"},
    "power_plant": {"source": "regression/power_plant.csv", "target": "target"},
}
FORMS = ("standardize", "quantile", "piecewise_linear", "target_bins", "periodic")
FREQUENCIES = (1.0, 3.0, 10.0, 30.0, 100.0)
SETTINGS: dict[str, Any] = {"hidden": (256, 128), "optimizer": "adam", "alpha": 0.001, "batch_size": 256}


def measure(dataset: Dataset, seeds: int, highest_frequency: float) -> tuple[float, float, float]:
    """Return the mean dev error and cost of the networks, and the median seconds of an epoch."""
    is_share, [part] = dataset.unit.is_share, dataset.parts
    settings = Hyperparameters(
        **SETTINGS,
        keep_prob=0.7 if is_share else 0.9,
        lambda_=1.0,
        weight_average=0.98,
        highest_frequency=highest_frequency,
    )
    run = train(
        Examples(part.train.inputs, part.train.y),
        Examples(part.dev.inputs, part.dev.y),
        n_classes=dataset.n_classes,
        output="softmax" if is_share else "linear",
        periodic=dataset.periodic,
        hyperparameters=settings,
        seeds=list(range(seeds)),
        stopping=Stopping(max_epochs=100, patience=10),
    )
    curves = [network.curve for network in run.networks]
    error, cost = (float(np.mean([curve[name].min() for curve in curves])) for name in ("dev_error", "dev_cost"))
    return error, cost, float(np.median(curves[0]["seconds"]))


def main() -> None:
    """Print a line for each table and form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    for name, keys in TABLES.items():
        first = 0.0
        for form in FORMS:
            settings = DataSettings(**keys, numeric=form, split={"dev": 0.2, "test": 0})
            dataset = load_dataset(settings, asked.folder.resolve(), cache=False)
            for frequency in FREQUENCIES if dataset.periodic else FREQUENCIES[:1]:
                error, cost, seconds = measure(dataset, asked.seeds, frequency)
                first = first or seconds
                shown = f"{form}, frequencies up to {frequency:g}" if dataset.periodic else form
                print(f"{name}, {shown}: error {error:.4f}, cost {cost:.4f}, epoch {seconds / first:.1f}", flush=True)


if __name__ == "__main__":
    main()
