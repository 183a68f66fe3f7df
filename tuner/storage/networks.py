"""One network of a trial, and its rows: every field that has a column of its name is that column."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any

import numpy as np

from tuner.dev_layout import N_DEV_FOLDS
from tuner.nn import LayerReport
from tuner.outcomes import StopReason
from tuner.storage import tables
from tuner.storage.checked import BadValueError
from tuner.storage.losses import pack_fold_losses, unpack_fold_losses, unpack_losses

CURVE_COLUMNS = ("train_cost", "train_error", "dev_cost", "dev_error", "seconds")


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """One network of a trial, as of its best epoch.

    ``dev_bits``: its dev examples' losses as they are stored; ``dev_losses`` (n_dev,) the same as an array, made at
    each use: bool where all are 0 or 1, else float32.  Where examples have weights, each loss is multiplied by the
    relative weight, and wrong examples are counted by it.
    ``curve`` name -> (epochs,) float64;
    ``dev_fold_losses`` (epochs, 20): their sums over each of the study's 20 dev folds after every epoch; weighted,
    if the metric weights the classes (not in studies of 0.2 and before).  Where only the best epoch is left of a
    network's history, or was read, ``curve`` is empty and ``dev_fold_losses`` (1, 20) those of that epoch.
    ``diverged_layer``: the layer, from 1, in which a diverged network's values stopped being finite first.
    ``layers``: each layer after some epochs, the best among them (not in studies of 0.2 and before).
    Of a network that a custom trainer trained, costs are unknown (NaN, stored as NULL) and so is
    ``dev_fold_losses`` (no rows); where it was pruned, ``dev_bits`` are too (empty).
    """

    stop_reason: StopReason
    best_epoch: int
    epochs: int
    updates: int
    n_train: int
    train_wrong: float
    train_cost: float
    n_dev: int
    dev_wrong: float
    dev_cost: float
    dev_bits: bytes
    curve: dict[str, np.ndarray] = field(default_factory=dict)
    dev_fold_losses: np.ndarray = field(default_factory=lambda: np.zeros((0, N_DEV_FOLDS), np.uint16))
    n_train_dev: int | None = None
    train_dev_wrong: float | None = None
    layers: list[LayerReport] = field(default_factory=list)
    diverged_layer: int | None = None

    @property
    def dev_losses(self) -> np.ndarray:
        """The losses of its dev rows, (n_dev,), read-only or new."""
        return unpack_losses(self.dev_bits, self.n_dev)


def middle_epoch(networks: Sequence[NetworkRecord]) -> int:
    """A trial's best epoch: the median of its networks' (of two in the middle the earlier); 0 without any."""
    if len(networks) == 1:
        return networks[0].best_epoch
    return statistics.median_low(network.best_epoch for network in networks) if networks else 0


def _known(value: float) -> float | None:
    """NaN, what is not known, as NULL: SQLite has no NaN."""
    return None if math.isnan(value) else value


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _layers_text(layers: Sequence[LayerReport]) -> str:
    return json.dumps([[_known(entry) for entry in astuple(layer)] for layer in layers])


def _layers(text: str | None) -> list[LayerReport]:
    if text is None:
        return []
    layers = [LayerReport(*layer[:2], *map(_or_nan, layer[2:])) for layer in json.loads(text)]
    last = layers[-1].layer if layers else 0
    if [layer.layer for layer in layers] != [*range(1, last + 1)] * (len(layers) // max(last, 1)):
        expected = f"the layers 1 to {last} after each epoch"
        raise BadValueError(tables.networks.name, "layers", text, expected, key="trial_id")
    return layers


CONVERTED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "train_cost": (_known, _or_nan),
    "dev_cost": (_known, _or_nan),
    "layers": (_layers_text, _layers),
}
"""What its column holds otherwise than its field: to the column, and back."""
FIELDS = [each.name for each in fields(NetworkRecord) if each.name in tables.networks.c]


def rows_of_networks(
    trial_id: int, networks: Sequence[NetworkRecord]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A trial's rows in our tables of networks and of epochs."""
    network_rows, epoch_rows = [], []
    for index, network in enumerate(networks):
        key = {"trial_id": trial_id, "network": index}
        field_values = {name: getattr(network, name) for name in FIELDS}
        field_values |= {name: to_column(field_values[name]) for name, (to_column, _) in CONVERTED.items()}
        network_rows.append({**key, **field_values})
        folds = pack_fold_losses(network.dev_fold_losses)
        columns = [network.curve[name].tolist() for name in CURVE_COLUMNS]
        for epoch, values in enumerate(zip(*columns, strict=True)):
            curve = dict(zip(CURVE_COLUMNS, map(_known, values), strict=True))
            losses = folds[epoch] if len(folds) else b""
            epoch_rows.append({**key, "epoch": epoch + 1, **curve, "dev_fold_wrong": losses})
    return network_rows, epoch_rows


def _misfit(row: Any) -> tuple[str, str] | None:
    """The first column of a network's row that cannot hold its value beside the others, and what was expected."""
    n_bytes = len(row.dev_bits)
    is_counted = n_bytes != 4 * row.n_dev  # otherwise losses of any size, or with weights a fold with the heavy rows
    if row.train_wrong > row.n_train and is_counted:
        return "train_wrong", f"at most n_train = {row.n_train}"
    if row.dev_wrong > row.n_dev and is_counted:
        return "dev_wrong", f"at most n_dev = {row.n_dev}"
    if row.n_dev <= 0:
        return "n_dev", "at least 1"
    if row.n_train <= 0:
        return "n_train", "at least 1"
    if row.best_epoch > row.epochs:
        return "best_epoch", f"at most epochs = {row.epochs}"
    if n_bytes not in (0, -(-row.n_dev // 8), 4 * row.n_dev):
        return "dev_bits", f"the losses of n_dev = {row.n_dev} rows"
    return None


def _check(row: Any, epochs: Sequence[Any], is_thinned: bool) -> None:
    """Raise BadValueError for what cannot all be true of one network."""
    if len(epochs) != row.epochs and (epochs or row.best_epoch) and not is_thinned:
        expected = f"the number of the network's rows in {tables.epochs.name}, {len(epochs)}"
        raise BadValueError(tables.networks.name, "epochs", row.epochs, expected, key="trial_id")
    if misfit := _misfit(row):
        column, expected = misfit
        raise BadValueError(tables.networks.name, column, getattr(row, column), expected, key="trial_id")
    sizes = {len(each[-1]) for each in epochs}
    if not (sizes <= {0} or sizes <= {2 * N_DEV_FOLDS} or sizes <= {4 * N_DEV_FOLDS}):
        odd = min((each[-1] for each in epochs), key=len)
        expected = f"the losses of {N_DEV_FOLDS} dev folds, as long in every epoch"
        raise BadValueError(tables.epochs.name, "dev_fold_wrong", odd, expected, key="trial_id")


def network_of(row: Any, epochs: Sequence[Any] | None) -> NetworkRecord:
    """The network of a row, and of its epochs' rows in order: number, CURVE_COLUMNS, then the losses by dev fold.

    There may be the best epoch alone, without CURVE_COLUMNS; None: they were not read.
    """
    is_thinned = epochs is None or [epoch[0] for epoch in epochs] == [row.best_epoch]
    _check(row, epochs or (), is_thinned)
    _, *curves, losses = list(zip(*epochs, strict=True)) if epochs else [(), *[()] * len(CURVE_COLUMNS), ()]
    field_values = {name: getattr(row, name) for name in FIELDS}
    field_values |= {name: from_column(field_values[name]) for name, (_, from_column) in CONVERTED.items()}
    return NetworkRecord(
        **field_values,
        curve=_curve(curves) if curves and (not is_thinned or row.epochs == 1) else {},
        dev_fold_losses=unpack_fold_losses(losses),
    )


def _curve(columns: Sequence[Sequence[float]]) -> dict[str, np.ndarray]:
    return {name: np.array(values, float) for name, values in zip(CURVE_COLUMNS, columns, strict=True)}
