"""From the result of a trial of tuner's own network to what is recorded of it."""

from __future__ import annotations

from dataclasses import astuple

from tuner.data import Dataset
from tuner.storage import NetworkRecord, Outcome
from tuner.trial import TrialResult, dev_layout


def outcome_of(result: TrialResult, dataset: Dataset) -> Outcome:
    """A trial's result as it is recorded."""
    networks = []
    parts = dev_layout(dataset, len(result.networks)).each(dataset.parts)
    for k, (network, part) in enumerate(zip(result.networks, parts, strict=True)):
        n_train, n_dev = len(part.train), len(part.dev)
        networks.append(
            NetworkRecord(
                stop_reason=network.stop_reason,
                best_epoch=network.best_epoch,
                epochs=network.epochs,
                updates=network.updates,
                n_train=n_train,
                train_wrong=round(network.train_error * n_train),
                train_cost=network.train_cost,
                n_dev=n_dev,
                dev_wrong=int(network.dev_wrong.sum()),
                dev_cost=network.dev_cost,
                dev_losses=result.dev_losses[k],
                curve=network.curve,
                dev_fold_losses=result.dev_fold_losses[k],
                n_train_dev=None if dataset.train_dev is None else len(dataset.train_dev),
                train_dev_wrong=None if result.train_dev_wrong is None else result.train_dev_wrong[k],
                diverged_layer=network.diverged_layer,
                layers=[astuple(layer) for layer in network.layers],
            )
        )
    return Outcome(
        value=result.value,
        stop_reason=result.stop_reason,
        rung_values=result.rung_values,
        networks=networks,
        seconds=result.seconds,
    )
