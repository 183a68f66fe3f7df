"""A study as data frames: one row per trial or per epoch, as in ``trials.csv`` and ``epochs.csv``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.dev_layout import DevLayout
from tuner.outcomes import TrialState
from tuner.storage import CURVE_COLUMNS, StudyRecord, TrialRecord
from tuner.study import in_order, parse_definition

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
ERRORS = ("train_error", "dev_error")


def params_of(record: StudyRecord) -> list[str]:
    """Return the names of the hyperparameters that any trial has, in their order."""
    names = {name for trial in record.trials for name in trial.params}
    return in_order(sorted(names))


def train_error(trial: TrialRecord) -> float | None:
    """Return the train error at the best epochs, all networks together; None without networks."""
    return _error(trial, [(network.train_wrong, network.n_train) for network in trial.networks])


def train_dev_error(trial: TrialRecord) -> float | None:
    """Return the train-dev error; None without a train-dev set."""
    if any(network.n_train_dev is None for network in trial.networks):
        return None
    return _error(trial, [(network.train_dev_wrong or 0, network.n_train_dev or 0) for network in trial.networks])


def dev_error(trial: TrialRecord) -> float | None:
    """Return the dev error: over all folds, or the mean over seeds."""
    return _error(trial, [(network.dev_wrong, network.n_dev) for network in trial.networks])


def _error(trial: TrialRecord, counts: Sequence[tuple[float, int]]) -> float | None:
    """Return the error of all wrong, or squared errors, over all examples; None without examples."""
    wrong, of = counts[0] if len(counts) == 1 else (sum(column) for column in zip((0, 0), *counts, strict=True))
    return trial.unit.error(wrong / of) if of else None


def _cost(costs: Sequence[float], sizes: Sequence[int]) -> float | None:
    if len(costs) == 1:
        return None if math.isnan(costs[0]) else costs[0]
    mean = float(np.average(costs, weights=sizes)) if sum(sizes) else math.nan
    return None if math.isnan(mean) else mean


def failed_for(trial: TrialRecord) -> str | None:
    """Return why a trial failed; None if it did not."""
    return trial.reason if trial.state == TrialState.FAILED else None


def mean_curve(trial: TrialRecord, dev_weights: Array | None = None) -> dict[str, Array]:
    """Return ``name -> (epochs,)``, the mean over the trial's networks, weighted by their examples.

    ``dev_weights``: (n_dev,) what the study's dev rows count for, by which the dev curves of folds are weighted.
    A network that has stopped keeps its last values, so that the mean does not jump. ``seconds`` are those of all
    networks together, which train side by side.
    """
    networks = [network for network in trial.networks if len(network.curve.get("seconds", ()))]
    if not networks:
        return {name: np.zeros(0) for name in CURVE_COLUMNS}
    if len(networks) == 1:
        return _in_unit(trial, networks[0].curve)
    length = max(len(network.curve["seconds"]) for network in networks)
    sizes = {"train": [float(network.n_train) for network in networks], "dev": [float(n.n_dev) for n in networks]}
    if dev_weights is not None and len(networks) == len(trial.networks):
        sizes["dev"] = DevLayout(tuple(n.n_dev for n in networks), len(dev_weights)).dev_sizes(dev_weights)
    means = {}
    for name in CURVE_COLUMNS:
        curves = [network.curve[name] for network in networks]
        if name == "seconds":
            means[name] = np.max([np.pad(curve, (0, length - len(curve))) for curve in curves], axis=0)
            continue
        held = [np.pad(curve, (0, length - len(curve)), mode="edge") for curve in curves]
        means[name] = np.average(held, axis=0, weights=sizes[name.split("_")[0]])
    return _in_unit(trial, means)


def _in_unit(trial: TrialRecord, curve: dict[str, Array]) -> dict[str, Array]:
    return {name: trial.unit.error(values) if name in ERRORS else values for name, values in curve.items()}


def trial_columns(hyperparameters: Sequence[str]) -> list[str]:
    """Name the columns of ``trials.csv``."""
    return [
        *("number", "state", "stop_reason", *hyperparameters),
        *("value", "train_error", "dev_error", "train_cost", "dev_cost", "avoidable_bias", "variance"),
        *("best_epoch", "epochs", "seed", "seconds", "reason"),
    ]


def trial_rows(record: StudyRecord, baseline: float, places: Iterable[int] | None = None) -> Iterator[tuple[Any, ...]]:
    """Yield the trials, or those at some places, as rows of :func:`trial_columns`."""
    names = params_of(record)
    trials = record.trials if places is None else (record.trials[place] for place in places)
    return (trial_row(trial, names, baseline) for trial in trials)


def trial_row(trial: TrialRecord, names: Sequence[str], baseline: float) -> tuple[Any, ...]:
    """Return a trial as a row of :func:`trial_columns`; None for what is unknown."""
    networks = trial.networks
    train, dev, train_dev = train_error(trial), dev_error(trial), train_dev_error(trial)
    upper = dev if train_dev is None else train_dev
    return (
        *(trial.number, trial.state, trial.stop_reason, *(trial.params.get(name) for name in names)),
        *(trial.value, train, dev),
        _cost([network.train_cost for network in networks], [network.n_train for network in networks]),
        _cost([network.dev_cost for network in networks], [network.n_dev for network in networks]),
        None if train is None else train - baseline,
        None if train is None or upper is None else upper - train,
        *(trial.best_epoch or None, trial.epochs, trial.seed, trial.seconds, failed_for(trial)),
    )


def trials_frame(record: StudyRecord, baseline: float | None = None) -> pd.DataFrame:
    """Return one row per trial of any state; ``baseline`` None: the definition's, or 0."""
    if baseline is None:
        baseline = parse_definition(record.definition, f"study {record.name!r}").diagnosis.baseline or 0.0
    return frame_of(trial_rows(record, baseline), params_of(record))


def frame_of(rows: Iterable[tuple[Any, ...]], names: Sequence[str]) -> pd.DataFrame:
    """Return rows of :func:`trial_columns` as a frame; ``names``: of the hyperparameters."""
    import pandas as pd

    frame = pd.DataFrame.from_records(list(rows), columns=trial_columns(names))
    return frame.astype({**dict.fromkeys(("number", "best_epoch", "epochs", "seed"), "Int64"), "reason": "str"})


def epoch_columns(record: StudyRecord) -> dict[str, NDArray[Any]]:
    """Return name -> column of ``epochs.csv``, one row per epoch of a trial, from :func:`mean_curve`."""
    curves = [mean_curve(trial, record.dev_weights) for trial in record.trials]
    lengths = [len(curve["seconds"]) for curve in curves]
    columns: dict[str, NDArray[Any]] = {
        "number": np.repeat([trial.number for trial in record.trials], lengths).astype(np.int64),
        "epoch": np.concatenate([np.arange(1, length + 1) for length in lengths] or [np.zeros(0, np.int64)]),
    }
    for name in CURVE_COLUMNS:
        columns[name] = np.concatenate([curve[name] for curve in curves] or [np.zeros(0)])
    return columns


def epochs_frame(record: StudyRecord) -> pd.DataFrame:
    """Return one row per epoch of a trial; with several networks their mean (:func:`mean_curve`)."""
    import pandas as pd

    return pd.DataFrame(epoch_columns(record))
