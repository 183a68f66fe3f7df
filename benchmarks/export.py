"""Hold exported ONNX graphs against their models, on every row of real data.

    python -m benchmarks.export --adult adult-train.csv adult-test.csv --mnist FOLDER

A short search, the best trial trained again, ``tuner export``, then onnxruntime on all rows of the test files (of
adult's training file, too).  Goals: the same class on every row, and probabilities to 1e-5.  Exit status 1 if one is
missed.
"""

from __future__ import annotations

import argparse
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

import tuner
from benchmarks.goals import Goal
from tuner.data import read_rows
from tuner.modeling import export_onnx, onnx_inputs

STUDY = """\
name = "{name}"

[data]
source = "{train}"
test = "{test}"
{more}

[network]
hidden = [64, 32]

[training]
max_epochs = 5

[space]
alpha = {{ log_uniform = [0.1, 1.0] }}
batch_size = 128

[search]
trials = 3
"""


def compared(name: str, train: Path, test: Path, files: list[Path], more: str) -> list[Goal]:
    """Train, export, and compare on every row of the files."""
    Path(f"{name}.toml").write_text(STUDY.format(name=name, train=train, test=test, more=more), encoding="utf-8")
    model = tuner.search(f"./{name}.toml").train()
    graph = Path(f"{name}.onnx")
    size = export_onnx(model, graph)
    session = onnxruntime.InferenceSession(graph)
    rows, unlike, worst = 0, 0, 0.0
    for file in files:
        for frame, _ in read_rows(file, model.encodings, model.metadata.data_settings):
            classes, probabilities = session.run(None, onnx_inputs(model, frame))
            worst = max(worst, float(np.abs(probabilities - model.predict_proba(frame)).max()))
            unlike += int((classes != model.predict(frame)).sum())
            rows += len(frame)
    print(f"{name}: {rows:,} rows of {', '.join(file.name for file in files)}; graph of {size:,} bytes")
    print(f"  largest difference of a probability: {worst:.1e}")
    return [
        Goal(name=f"{name}: rows of another class", value=unlike, high=0),
        Goal(name=f"{name}: largest difference of a probability, in 1e-5", value=worst * 1e5, high=1),
    ]


def main() -> int:
    """Compare what there are files for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adult", nargs=2, type=Path, metavar=("TRAIN", "TEST"), help="adult's CSV files")
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="folder of MNIST's four gzipped IDX files")
    options = parser.parse_args()
    adult = [path.resolve() for path in options.adult or ()]
    mnist = options.mnist and options.mnist.resolve()
    goals = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["TUNER_CACHE"] = str(Path(folder) / "cache")
        if adult:
            goals += compared("adult", adult[0], adult[1], adult, 'header = false\ntarget = 14\nmissing = ["?"]')
        if mnist:
            images = [mnist / f"{part}-images-idx3-ubyte.gz" for part in ("train", "t10k")]
            goals += compared("mnist", images[0], images[1], images[1:], "split = { dev = 5000 }")
    for goal in goals:
        print(goal)
    return 0 if all(goal.kept() for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
