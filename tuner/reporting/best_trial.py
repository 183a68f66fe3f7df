"""The best trial: its hyperparameters, how its networks trained, whether its size can fit the training set."""

from __future__ import annotations

import math

from tuner.analysis import BestTrialState, Diagnosis, Fit
from tuner.formatting import count, value
from tuner.metrics import ERROR
from tuner.nn import idle_hyperparameters
from tuner.outcomes import StopReason
from tuner.reporting.findings import Findings, n_parameters
from tuner.reporting.frames import mean_curve, train_error
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import StudyDefinition

LATE = 0.9  # of the epochs: later best epochs mean that the error was still falling


def best_trial(record: StudyRecord, definition: StudyDefinition, findings: Findings) -> BestTrialState | None:
    """Return how the best trial trained; None if no trial is complete yet."""
    best, training = findings.best, definition.training
    if best is None:
        return None
    chosen = [network.best_epoch for network in best.networks]
    hidden, is_largest = _size(record, definition, best)
    return BestTrialState(
        hidden=hidden,
        is_largest=is_largest,
        best_epoch=best.best_epoch or 0,
        max_epochs=training.max_epochs,
        chosen_epochs=(min(chosen), max(chosen)),
        monitor=record.counted_by.name if training.monitor == ERROR.name else training.monitor,
        dev_rows=len(record.dev_y) if record.facts.pooled_epoch else min(network.n_dev for network in best.networks),
        still_improving=_still_improving(best, training.max_epochs),
        fit=_find_fit(record, definition, findings.diagnosis, best),
    )


def shown_params(definition: StudyDefinition, trial: TrialRecord) -> dict[str, str]:
    """Return a trial's hyperparameters as people read them: β, where it has an effect, with the steps it averages."""
    shown = {name: value(of) for name, of in trial.params.items()}
    if not definition.trainer_kind.knows_hyperparameters:
        return shown
    idle = idle_hyperparameters(definition.searched_space.hyperparameters(trial.params))
    for name in ({"beta", "beta2"} & shown.keys()) - idle:
        steps = round(1 / (1 - trial.params[name]))
        shown[name] += f" (averages over about {count(steps, 'step')})"
    return shown


def _size(record: StudyRecord, definition: StudyDefinition, best: TrialRecord) -> tuple[str | None, bool]:
    """Return the best trial's layers, and whether it is the largest; (None, True) with a custom trainer."""
    if not definition.trainer_kind.has_size:
        return None, True
    hidden = best.params.get("hidden")
    searched = definition.searched_space.searched.get("hidden")
    choices = [hidden] if searched is None else [*searched.bounds]
    sizes = n_parameters(record, definition, [{**best.params, "hidden": layers} for layers in (hidden, *choices)])
    return hidden, bool(sizes[0] >= max(sizes))


def _still_improving(best: TrialRecord, max_epochs: int) -> bool:
    """Return whether most of the best trial's networks reached the last epoch while their dev error still fell."""
    late = [n.stop_reason == StopReason.MAX_EPOCHS and n.best_epoch >= LATE * max_epochs for n in best.networks]
    return 2 * sum(late) > len(late)


def _find_fit(record: StudyRecord, definition: StudyDefinition, diagnosis: Diagnosis, best: TrialRecord) -> Fit | None:
    """Return where the train error is at most the attainable error plus material gap: in another epoch of the best
    trial, else in a trial with a network no larger; None if nowhere, or if the best trial's own train error is that
    low.
    """
    train = diagnosis.errors.get("train")
    if train is None or not definition.trainer_kind.has_size:
        return None
    enough = diagnosis.attainable + diagnosis.material_gap
    if train.value <= enough:
        return None
    curve = mean_curve(best)["train_error"]
    if len(curve) and curve.min() <= enough:
        epoch = int((curve <= enough).argmax())
        return Fit(float(curve[epoch]), epoch=epoch + 1)
    other = _best_fitted(record, definition, best)
    return None if other is None or _lowest(other) > enough else Fit(_lowest(other), trial=other.number)


def _best_fitted(record: StudyRecord, definition: StudyDefinition, best: TrialRecord) -> TrialRecord | None:
    """Return the trial with the lowest train error among those with a network no larger than the best trial's."""
    others = [t for t in record.trials if t.networks and t is not best and not t.has_diverged]
    sizes = n_parameters(record, definition, [t.params for t in [best, *others]])
    return min((t for t, size in zip(others, sizes[1:], strict=True) if size <= sizes[0]), key=_lowest, default=None)


def _lowest(trial: TrialRecord) -> float:
    """Return a trial's lowest train error over its epochs, all networks together."""
    error, curve = train_error(trial), mean_curve(trial)["train_error"]
    return min(math.inf if error is None else error, float(curve.min()) if len(curve) else math.inf)
