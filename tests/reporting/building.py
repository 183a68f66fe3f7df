"""Studies as the storage room reads them, made up by hand: no database, no training."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from tuner.nn import LayerReport
from tuner.reporting import Comparison, build_report, compare
from tuner.storage import (
    DevPredictions,
    HeldOutEvaluation,
    NetworkRecord,
    StudyFacts,
    StudyRecord,
    TrialRecord,
    middle_epoch,
    pack_losses,
)
from tuner.trial import draw_dev_folds

BEGAN = datetime.datetime(2026, 3, 1, 8, 0, tzinfo=datetime.UTC)

DEFINITION = """
name = "{name}"
[data]
source = "made.csv"
target = "label"
{data}
[training]
max_epochs = {epochs}
patience = 5
min_updates = 0
seeds = {seeds}
[space]
lambda = {{ log_uniform = [1e-3, 10.0] }}
keep_prob = {{ uniform = [0.5, 1.0] }}
alpha = {{ log_uniform = [1e-2, 1.0] }}
beta = {{ one_minus_log_uniform = [0.8, 0.99] }}
batch_size = {{ power_of_two = [16, 128] }}
initializer = {{ choice = ["he", "xavier", "lecun"] }}
[search]
trials = {trials}
metric = "{metric}"
[diagnosis]
{diagnosis}
"""


def make_study(
    n_trials: int = 24,
    *,
    name: str = "made",
    n_train: int = 1000,
    n_dev: int = 400,
    n_test: int = 400,
    n_train_dev: int = 0,
    epochs: int = 12,
    folds: int = 0,
    seeds: int = 1,
    bias: float = 0.01,
    variance: float = 0.05,
    class_names: tuple[str, ...] = ("0", "1", "2"),
    data: str = "",
    metric: str = "error",
    diagnosis: str = "material_gap = 0.02",
    facts: dict[str, Any] | None = None,
    seed: int = 0,
) -> StudyRecord:
    """Make a study whose trials have about ``bias`` train error and ``variance`` more on dev; every fifth is pruned."""
    rng = np.random.default_rng(seed)
    n_dev = n_train if folds else n_dev
    definition = DEFINITION.format(
        name=name,
        data=f"folds = {folds}\n{data}" if folds else data,
        seeds=seeds,
        epochs=epochs,
        trials=max(n_trials, 1),
        metric=metric,
        diagnosis=diagnosis,
    )
    sizes = {"train": n_train, "dev": n_dev, "train_dev": n_train_dev, "test": n_test}
    record = StudyRecord(
        study_id=1,
        name=name,
        storage="sqlite:///studies/tuner.db",
        definition=definition,
        identity={"search.metric": metric},
        fingerprint="0f" * 32,
        data_path="made.csv",
        facts=StudyFacts.from_dict(
            {"class_names": list(class_names), "sizes": sizes, "n_features": 8, "notices": [], **(facts or {})}
        ),
        encoding={},
        budget=n_trials,
        created=BEGAN,
        dev_rows=np.arange(n_dev),
        dev_y=rng.integers(0, len(class_names), n_dev),
        dev_groups=None,
        dev_fold=draw_dev_folds(n_dev, None, 0),
        test_rows=np.arange(n_test) + n_dev,
        test_evaluations=[],
        trials=[],
    )
    hardness = rng.beta(0.5, 4, n_dev)  # the same examples are hard for every trial
    for number in range(n_trials):
        record.trials.append(make_trial(record, number, hardness, epochs, folds, seeds, bias, variance, rng))
    return record


def compared(*records: StudyRecord) -> Comparison:
    """Their reports side by side."""
    return compare([build_report(record) for record in records])


def make_evaluation(trial_number: int) -> HeldOutEvaluation:
    """A test-set evaluation with the model of a trial: 30 of 400 rows wrong."""
    return HeldOutEvaluation(trial_number, 1.8e9, wrong=30, n=400, n_effective=None, model="made.tuner")


def make_trial(
    record: StudyRecord,
    number: int,
    hardness: np.ndarray,
    epochs: int,
    folds: int,
    seeds: int,
    bias: float,
    variance: float,
    rng: np.random.Generator,
) -> TrialRecord:
    """Make one trial; λ raises its train error, and with it the gap falls."""
    params = draw_params(rng)
    pull = np.log10(params["lambda"]) / 4
    worse = rng.exponential(0.3)
    train = float(np.clip(bias * (1 + worse) * 2**pull, 0, 0.6))
    dev = float(np.clip(train + variance * (1 + worse) * 2**-pull, 0.001, 0.8))
    pruned = number >= 10 and number % 5 == 4
    ran = max(1, epochs // 3) if pruned else epochs
    chunks = np.array_split(np.arange(len(record.dev_y)), folds) if folds else [np.arange(len(record.dev_y))] * seeds
    networks = [make_network(record, rows, hardness, ran, train, dev, folds, rng) for rows in chunks]
    wrong, of = sum(n.dev_wrong for n in networks), sum(n.n_dev for n in networks)
    began = BEGAN + datetime.timedelta(seconds=2 * number)
    return TrialRecord(
        number=number,
        state="pruned" if pruned else "complete",
        stop_reason="pruned" if pruned else "patience",
        params=params,
        value=wrong / of,
        seed=1000 + number,
        exploring=number < 10,
        best_epoch=middle_epoch(networks),
        epochs=ran,
        seconds=0.1 * ran,
        started=began,
        finished=began + datetime.timedelta(seconds=0.1 * ran),
        attempts=1,
        reason=None,
        networks=networks,
        predictions=None if pruned else make_predictions(record, networks, number),
    )


def make_predictions(record: StudyRecord, networks: list[NetworkRecord], seed: int) -> DevPredictions:
    """Predict the next class where the networks are wrong; they are surer where they are right."""
    n_classes, wrong = len(record.class_names), np.concatenate([network.dev_losses for network in networks])
    y = np.tile(record.dev_y, len(wrong) // len(record.dev_y))
    classes = np.where(wrong, (y + 1) % n_classes, y)
    confidence = np.random.default_rng(seed).beta(np.where(wrong, 4, 12), 1) * 0.45 + 0.55
    probabilities = np.repeat((1 - confidence[:, None]) / max(n_classes - 1, 1), n_classes, axis=1)
    probabilities[np.arange(len(y)), classes] = confidence
    return DevPredictions(classes, probabilities)


def draw_params(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a point of the definition's space, as people read it."""
    return {
        "lambda": float(10 ** rng.uniform(-3, 1)),
        "keep_prob": float(rng.uniform(0.5, 1)),
        "alpha": float(10 ** rng.uniform(-2, 0)),
        "beta": float(1 - 10 ** rng.uniform(-2, np.log10(0.2))),
        "batch_size": int(2 ** rng.integers(4, 8)),
        "initializer": str(rng.choice(["he", "xavier", "lecun"])),
        "hidden": "64-32",
        "activation": "relu",
    }


def make_layers(best: int, epochs: int) -> list[LayerReport]:
    """Make the three layers of a healthy network after some epochs and the best one."""
    described = sorted({best, *(epoch for epoch in (1, 2, 5, 10) if epoch <= epochs)})
    return [
        LayerReport(epoch, layer, 0.5 / epoch, 1.0, 0.1, weight_norm=4.0 + epoch / 10, zeros=0.0, alike=0.0)
        for epoch in described
        for layer in (1, 2, 3)
    ]


def make_network(
    record: StudyRecord,
    rows: np.ndarray,
    hardness: np.ndarray,
    epochs: int,
    train: float,
    dev: float,
    folds: int,
    rng: np.random.Generator,
) -> NetworkRecord:
    """Make a network whose errors fall to ``train`` and ``dev`` over its epochs."""
    sizes = record.sizes
    n_train = sizes["train"] - (len(rows) if folds else 0)
    falling = np.exp(-np.arange(1, epochs + 1) / max(epochs / 5, 1))
    noise = rng.normal(0, 0.05, epochs)
    threshold = np.quantile(hardness + rng.normal(0, 0.1, len(hardness)), 1 - dev)
    bits = (hardness[rows] + rng.normal(0, 0.1, len(rows))) > threshold
    dev_error = bits.mean() + 0.4 * falling * (1 + noise)
    best = int(dev_error.argmin())
    dev_error[best] = bits.mean()
    fold_sizes = np.bincount(record.dev_fold[rows], minlength=20)
    at_best = np.bincount(record.dev_fold[rows], weights=bits, minlength=20)
    fold_wrong = np.minimum(at_best + rng.poisson(0.4 * falling[:, None] * fold_sizes), fold_sizes)
    fold_wrong[best] = at_best
    n_train_dev = sizes["train_dev"] or None
    return NetworkRecord(
        stop_reason="patience",
        best_epoch=best + 1,
        epochs=epochs,
        updates=16 * (best + 1),
        n_train=n_train,
        train_wrong=round(train * n_train),
        train_cost=2 * train + 0.01,
        n_dev=len(rows),
        dev_wrong=int(bits.sum()),
        dev_cost=3 * float(bits.mean()) + 0.01,
        layers=make_layers(best + 1, epochs),
        dev_bits=pack_losses(bits),
        curve={
            "train_cost": 2 * (train + 0.5 * falling),
            "train_error": np.clip(train + 0.5 * falling * (1 + noise), 0, 1),
            "dev_cost": 3 * dev_error,
            "dev_error": np.clip(dev_error, 0, 1),
            "seconds": np.full(epochs, 0.1),
        },
        dev_fold_losses=fold_wrong.astype(np.uint16),
        n_train_dev=n_train_dev,
        train_dev_wrong=None if n_train_dev is None else round((train + 0.5 * (dev - train)) * n_train_dev),
    )
