"""How long a late epoch takes beside the first one: weights and averages that shrink must not slow the processor down.

    python -m benchmarks.late_epochs [--epochs 25]

A made table with 60 inputs, most of them flags of categories, 9,600 training rows, layers of 256 and 128 units,
mini-batches of 32.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

for library in ("OPENBLAS", "OMP"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks import made_tables
from tuner.nn import Examples, Hyperparameters, Stopping, train

ROWS, TRAIN, SHOWN = 12_000, 9600, 3
CASES: tuple[dict[str, Any], ...] = (
    {"optimizer": "momentum", "alpha": 0.1, "lambda_": 1.0, "keep_prob": 0.9},
    {"optimizer": "adam", "alpha": 0.002, "lambda_": 1.0, "keep_prob": 0.9},
    {"optimizer": "adam", "alpha": 0.002, "lambda_": 0.0, "keep_prob": 0.9},
    {"optimizer": "adam", "alpha": 0.01, "lambda_": 1.0, "keep_prob": 0.6},
    {"optimizer": "rmsprop", "alpha": 0.002, "lambda_": 1.0, "keep_prob": 0.9},
)


def main() -> None:
    """Print the median seconds of the first and of the last epochs, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=25)
    epochs = parser.parse_args().epochs
    made_tables.ROWS = ROWS
    frame, y = made_tables.shops(interacting=False, seed=0)
    flags = pd.get_dummies(frame).astype(np.float32)
    X = (flags / flags.abs().max()).to_numpy()
    sets = Examples(X[:TRAIN], y[:TRAIN]), Examples(X[TRAIN:], y[TRAIN:])
    for case in CASES:
        settings = Hyperparameters(hidden=(256, 128), batch_size=32, beta=0.9, weight_average=0.98, **case)
        stopping = Stopping(max_epochs=epochs, patience=None)
        run = train(*sets, n_classes=2, hyperparameters=settings, seeds=[0], stopping=stopping)
        seconds, error = run.networks[0].curve["seconds"], run.networks[0].dev_error
        first, last = np.median(seconds[:SHOWN]), np.median(seconds[-SHOWN:])
        shown = ", ".join(f"{name.strip('_')} {of}" for name, of in case.items())
        print(f"{shown}: {first:.2f} s, {last:.2f} s, ratio {last / first:.1f}; dev error {error:.2%}", flush=True)


if __name__ == "__main__":
    main()
