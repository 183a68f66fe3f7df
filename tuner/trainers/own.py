"""Train tuner's own network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from threadpoolctl import threadpool_limits

from tuner.data import Dataset
from tuner.errors import UsageError
from tuner.formatting import count
from tuner.nn import EVALUATED_ROWS, Architecture, Hyperparameters, Periodic, output_for
from tuner.outcomes import FailureCause, StopReason
from tuner.storage import DevPredictions, NetworkRecord, Outcome, pack_losses
from tuner.study import StudyDefinition
from tuner.trainers.trainer import ALWAYS_FREE, Estimate, Interrupted, TrialError, TrialRequest, memory_used
from tuner.trial import (
    TrialResult,
    data_of_trial,
    dev_layout,
    draw_dev_folds,
    rows_of_error,
    run_trial,
    trial_settings,
    wrong_rows,
)


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """Trains the network that a definition describes, all networks of a trial side by side."""

    definition: StudyDefinition

    def prepare(self) -> None:
        """Do nothing: everything is imported."""

    def run(self, request: TrialRequest) -> Outcome | Interrupted:
        """Train the trial's networks; a checkpoint continues an interrupted trial bit for bit."""
        result = self.train(request)
        if result.stop_reason == StopReason.INTERRUPTED:
            return Interrupted(result.checkpoint)
        return _outcome(result, data_of_trial(request.dataset, request.values))

    def train(self, request: TrialRequest) -> TrialResult:
        """The same, with the trained networks themselves.  Raises TrialError if the memory cannot hold them."""
        hyperparameters = self.definition.searched_space.hyperparameters(request.values)
        dataset = data_of_trial(request.dataset, request.values)
        self._refuse_too_large(dataset, hyperparameters)
        return run_trial(
            dataset,
            hyperparameters,
            request.settings,
            seed=request.seed,
            dev_folds=request.dev_folds,
            augment=self.definition.augment(request.values),
            prune=request.prune,
            should_stop=request.should_stop,
            on_epoch=request.on_epoch,
            checkpoint=request.checkpoint,
        )

    def _refuse_too_large(self, dataset: Dataset, hyperparameters: Hyperparameters) -> None:
        """Raise TrialError, before anything is allocated, for networks that need more memory than is free."""
        n, n_features = dataset.parts[0].train.inputs.shape
        rows = n if hyperparameters.batch_size == "full" else min(n, int(hyperparameters.batch_size))
        output = output_for(self.definition.network.output_name, is_numeric=not dataset.unit.is_share)
        periodic = Periodic.of(dataset.periodic)
        hidden = tuple(hyperparameters.hidden)
        shape = Architecture(n_features, hidden, dataset.n_classes, output=output, periodic=periodic)
        need = shape.least_bytes(
            networks=dev_layout(dataset, self.definition.training.seeds).n_networks,
            rows=rows,
            evaluated=min(len(dataset.parts[0].dev), EVALUATED_ROWS),
            slots=hyperparameters.n_slots,
        )
        if need <= ALWAYS_FREE:
            return
        from tuner.data.sources.memory import available_memory, show_bytes

        free = available_memory()
        if need > free:
            raise TrialError(
                f"{FailureCause.OUT_OF_MEMORY}: {shape.n_parameters:,} parameters per network and mini-batches of "
                f"{count(rows, 'row')} need at least {show_bytes(need)}, and {show_bytes(free)} are free; choose fewer "
                "or narrower layers, or a smaller batch_size"
            )

    def estimate(self, dataset: Dataset) -> Estimate:
        """Train one epoch and multiply; batch size and layers of real trials make them faster or slower."""
        definition = self.definition
        values = definition.searched_space.middle()
        settings = trial_settings(definition)
        stopping = settings.stopping
        request = TrialRequest(
            dataset=dataset,
            values=values,
            settings=replace(settings, stopping=replace(stopping, max_epochs=1), rungs=()),
            seed=definition.search.seed,
            dev_folds=draw_dev_folds(len(dataset.dev_rows), dataset.dev_groups, definition.data.seed),
        )
        try:
            with threadpool_limits(limits=1):
                result = self.train(request)
        except TrialError as error:
            raise UsageError(str(error)) from error
        batch = values["batch_size"]
        updates = 1 if batch == "full" else -(-len(dataset.parts[0].train) // int(batch))
        fewest = max(stopping.patience or 0, -(-stopping.min_updates // updates))
        trials, n_networks = definition.search.trials, len(result.networks)
        n_parameters = result.networks[0].architecture.n_parameters
        return Estimate(
            n_networks=n_networks,
            n_parameters=n_parameters,
            updates_per_epoch=updates,
            epoch_seconds=result.seconds,
            seconds_at_least=trials * result.seconds * min(fewest, stopping.max_epochs),
            seconds_at_most=trials * result.seconds * stopping.max_epochs,
            ran=f"one epoch: {f'{n_networks} networks' if n_networks > 1 else 'a network'} of {n_parameters:,} "
            f"parameters, {updates} updates each, {result.seconds:.2g} s",
            **memory_used(dataset),
        )


def _outcome(result: TrialResult, dataset: Dataset) -> Outcome:
    """A trial's result as it is recorded."""
    networks = []
    layout = dev_layout(dataset, len(result.networks))
    parts, dev_weights = layout.each(dataset.parts), layout.split_weights(dataset.dev_weights)
    for k, (network, part) in enumerate(zip(result.networks, parts, strict=True)):
        n_train, n_dev = len(part.train), len(part.dev)
        networks.append(
            NetworkRecord(
                stop_reason=network.stop_reason,
                best_epoch=network.best_epoch,
                epochs=network.epochs,
                updates=network.updates,
                n_train=n_train,
                train_wrong=rows_of_error(part.train, network.train_error),
                train_cost=network.train_cost,
                n_dev=n_dev,
                dev_wrong=wrong_rows(network.dev_wrong, dev_weights[k]),
                dev_cost=network.dev_cost,
                dev_bits=pack_losses(result.dev_losses[k]),
                curve=network.curve,
                dev_fold_losses=result.dev_fold_losses[k],
                n_train_dev=None if dataset.train_dev is None else len(dataset.train_dev),
                train_dev_wrong=None if result.train_dev_wrong is None else result.train_dev_wrong[k],
                diverged_layer=network.diverged_layer,
                layers=network.layers,
            )
        )
    return Outcome(
        value=result.value,
        stop_reason=result.stop_reason,
        rung_values=result.rung_values,
        networks=networks,
        seconds=result.seconds,
        predictions=_predictions(result, dataset),
    )


def _predictions(result: TrialResult, dataset: Dataset) -> DevPredictions | None:
    if result.stop_reason in (StopReason.PRUNED, StopReason.DIVERGED):
        return None
    parts = dev_layout(dataset, len(result.networks)).each(dataset.parts)
    each = [network.classify(part.dev.inputs) for network, part in zip(result.networks, parts, strict=True)]
    classes, probabilities = zip(*each, strict=True)
    if dataset.unit.loss is not None:
        classes = tuple(map(dataset.counted_by.decide, probabilities))
    is_share = dataset.unit.is_share
    losses = [network.train_wrong for network in result.networks]
    known = losses if not is_share or losses[0].dtype == bool else None  # of other errors of classes
    return DevPredictions.joined(classes, probabilities if is_share else [None] * len(classes), known)
