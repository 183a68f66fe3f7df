"""Compare the models that ``tuner train`` may deliver with folds: the ensemble of the folds' networks, and one refit.

    python -m benchmarks.delivered --adult adult-train.csv --mnist FOLDER --digits digits.csv.gz

Real tables cut to 900 to 1,200 rows and made problems are searched with five folds.  The truth is each model's error on
rows that the search never had: the rest of the table, or 20,000 fresh examples.  The networks of the folds by
themselves are what the dev error (selection-corrected) is measured on.  A model is clearly worse than they are if its
error is more than two standard errors of the truth above theirs.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import contextlib
import gzip
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tuner
from benchmarks.made_problems import PROBLEMS
from tuner.modeling.metadata import ErrorMetadata

STUDY = """\
name = "{name}"

[data]
source = "{source}"
{target}
folds = 5
split = {{ test = 0 }}

[network]
hidden = {hidden}

[training]
max_epochs = 50
patience = 8

[space]
lambda = {{ log_uniform = [0.01, 20.0] }}
keep_prob = {{ uniform = [0.6, 1.0] }}
alpha = {{ log_uniform = [0.03, 1.0] }}
beta = {{ one_minus_log_uniform = [0.8, 0.97] }}
batch_size = {{ power_of_two = [16, 128] }}
initializer = {{ choice = ["he", "xavier", "lecun"] }}

[search]
trials = {trials}
seed = {seed}
"""
MADE = ("gaussian", "too_small_a_network", "too_few_examples", "label_noise")
FRESH = 20_000
"""Examples of a made problem for the truth."""
HELD_OUT = 10_000
"""Rows of a table that the truth is counted on, at most."""


@dataclass(frozen=True)
class Drawn:
    """A data set of one draw, written to the current folder, and the rows and classes that the search never has."""

    name: str
    source: str
    target: str
    hidden: Sequence[int]
    rows: Any
    classes: np.ndarray


@dataclass(frozen=True)
class Delivered:
    """The true errors of one study's models; ``networks``: the mean of the folds' networks; n rows of truth."""

    name: str
    networks: float
    ensemble: float
    single: float
    corrected: ErrorMetadata
    n: int


def draw_table(name: str, frame: pd.DataFrame, n: int, rng: np.random.Generator) -> Drawn:
    """Cut a table, whose last column is the class, to n rows."""
    order = rng.permutation(len(frame))
    kept, rest = frame.iloc[order[:n]], frame.iloc[order[n : n + HELD_OUT]]
    kept.to_csv(f"{name}.csv", index=False)
    target = str(frame.columns[-1])
    classes = rest[target].astype(str).to_numpy()
    return Drawn(name, f"{name}.csv", f'target = "{target}"\nmissing = ["?"]', [64], rest.drop(columns=target), classes)


def draw_images(name: str, folder: Path, n: int, rng: np.random.Generator) -> Drawn:
    """Cut MNIST's training images to n."""
    images = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    images = images.reshape(len(labels), -1)
    order = rng.permutation(len(labels))
    kept, rest = order[:n], order[n : n + HELD_OUT]
    sizes = [(3, (n, 28, 28), images), (1, (n,), labels)]
    for (dimensions, shape, values), file in zip(sizes, ("images-idx3-ubyte", "labels-idx1-ubyte"), strict=True):
        header = bytes([0, 0, 8, dimensions]) + np.array(shape, ">i4").tobytes()
        Path(f"{name}-{file}").write_bytes(header + values[kept].tobytes())
    return Drawn(name, f"{name}-images-idx3-ubyte", "", [64], images[rest], labels[rest].astype(str))


def draw_made(name: str, kind: str, rng: np.random.Generator) -> Drawn:
    """Make a problem and its examples."""
    problem = PROBLEMS[kind](rng, 300)
    X, y = problem.train_source.sample(problem.n_train + problem.n_dev, rng)
    pd.DataFrame(X).rename(columns=str).assign(y=y).to_csv(f"{name}.csv", index=False)
    rows, classes = problem.train_source.sample(FRESH, rng)
    return Drawn(
        name, f"{name}.csv", 'target = "y"', problem.hidden, pd.DataFrame(rows).rename(columns=str), classes.astype(str)
    )


def searched(drawn: Drawn, trials: int, seed: int) -> tuner.Study:
    """Write the study file, and search it."""
    text = STUDY.format(
        name=drawn.name,
        source=drawn.source,
        target=drawn.target,
        hidden=list(drawn.hidden),
        trials=trials,
        seed=seed,
    )
    Path(f"{drawn.name}.toml").write_text(text, encoding="utf-8")
    return tuner.search(f"./{drawn.name}.toml")


def true_error(model: tuner.Model, drawn: Drawn) -> float:
    """The share of the rows never searched that a model has wrong."""
    return float(np.mean(model.predict(drawn.rows).astype(str) != drawn.classes))


def measure(drawn: Drawn, study: tuner.Study) -> Delivered:
    """The true error of each model of the best trial."""
    ensemble = study.train()
    thetas = [network.theta for network in ensemble.networks]
    alone = [
        tuner.Model(ensemble.metadata.model_copy(update={"encodings": [encoding], "updates": [1]}), [theta])
        for encoding, theta in zip(ensemble.encodings, thetas, strict=True)
    ]
    return Delivered(
        drawn.name,
        float(np.mean([true_error(network, drawn) for network in alone])),
        true_error(ensemble, drawn),
        true_error(study.train(single=True), drawn),
        ensemble.metadata.errors["dev_corrected"],
        len(drawn.classes),
    )


def draws(options: argparse.Namespace) -> Iterator[Drawn]:
    """Every draw of every table and kind of problem."""
    for draw in range(options.draws):
        rng = np.random.default_rng([options.seed, draw])
        if options.adult:
            table = pd.read_csv(options.adult, header=None, skipinitialspace=True).rename(columns="c{}".format)
            yield draw_table(f"adult-{draw}", table, 1200, rng)
        if options.mnist:
            yield draw_images(f"mnist-{draw}", options.mnist, 1000, rng)
        if options.digits:
            yield draw_table(f"digits-{draw}", pd.read_csv(options.digits), 900, rng)
        for kind in MADE:
            yield draw_made(f"{kind}-{draw}", kind, rng)


def summarize(name: str, delivered: Sequence[Delivered]) -> None:
    """Print ratios of the models' summed errors, and in how many studies one is lower."""
    networks, ensemble, single = (
        np.array([getattr(one, key) for one in delivered]) for key in ("networks", "ensemble", "single")
    )
    clear = networks + 2 * np.sqrt(networks * (1 - networks) / [one.n for one in delivered])
    low, high = (np.array([getattr(one.corrected, end) for one in delivered]) for end in ("low", "high"))
    print(f"{name}, {len(delivered)} studies")
    for pair, a, b in (
        ("ensemble over the networks of the folds", ensemble, networks),
        ("single over the networks of the folds", single, networks),
        ("ensemble over single", ensemble, single),
    ):
        print(f"  {pair}: {a.sum() / b.sum():.2f}, lower in {sum(a < b)}")
    for what, truth in (("networks of the folds", networks), ("ensemble", ensemble), ("single", single)):
        within, above, worse = sum((low <= truth) & (truth <= high)), sum(truth > high), sum(truth > clear)
        print(f"  {what}: within the corrected interval {within}, above it {above}; clearly worse {worse}")


def main() -> None:
    """Search every draw, and print each study's errors and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adult", type=Path)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--digits", type=Path)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in ("adult", "mnist", "digits"):
        path = getattr(options, name)
        setattr(options, name, path and path.resolve())
    delivered = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["TUNER_CACHE"] = str(Path(folder) / "cache")
        for drawn in draws(options):
            one = measure(drawn, searched(drawn, options.trials, options.seed))
            errors = f"networks {one.networks:6.2%}  ensemble {one.ensemble:6.2%}  single {one.single:6.2%}"
            print(f"{one.name:24} {errors}", flush=True)
            delivered.append(one)
    real = [one for one in delivered if not one.name.startswith(MADE)]
    for name, some in (("real tables", real), ("made problems", [one for one in delivered if one not in real])):
        if some:
            summarize(name, some)


if __name__ == "__main__":
    main()
