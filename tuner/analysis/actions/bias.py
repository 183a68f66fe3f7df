"""Actions against high avoidable bias."""

from __future__ import annotations

from typing import Any

from tuner.analysis.actions.action import Action, Verb
from tuner.analysis.actions.ranges import described, regularize
from tuner.analysis.actions.state import BestTrialState, StudyState
from tuner.analysis.next_ranges import amount, can_shift
from tuner.metrics import METRICS

FOLDS = 5
FEW_DEV_ROWS = 1000  # on fewer, errors of epochs differ by 1 pp or more by chance
BIAS = "avoidable_bias"


def train_longer(state: StudyState) -> Action | None:
    """Dev error was still falling at the last epoch."""
    best = state.best
    if not state.is_high(BIAS) or best is None or not best.still_improving:
        return None
    return Action(
        why=f"The best trial was still improving when it ended: its best epoch is {best.best_epoch} of "
        f"{best.max_epochs}. Train longer.",
        verb=Verb.REFINE,
        evidence={"best_epoch": best.best_epoch, "max_epochs": best.max_epochs},
        gain=state.bias_gain,
        changes={"training.max_epochs": 2 * best.max_epochs},
        reasons={"training.max_epochs": f"the best trial was still improving at epoch {best.best_epoch}"},
    )


def steadier_stopping(state: StudyState) -> Action | None:
    """The best trial fits its training set in later epochs, but early stopping chose an earlier one."""
    unit = state.unit
    best, fit = state.best, state.fit
    if not state.is_high(BIAS) or best is None or fit is None or fit.epoch is None:
        return None
    first, last = best.chosen_epochs
    chosen = f"epoch {first}" if first == last else f"epochs {first} to {last}"
    changes = _steadier_choice(state, best)
    return Action(
        why=f"The network is large enough: at epoch {fit.epoch} the best trial's train error is "
        f"{unit.text(fit.error)}. Early stopping keeps the train error up: {_why_it_stopped(best, chosen)}",
        verb=Verb.REFINE if changes else None,
        evidence={
            "train_error": state.train_error,
            "fits_epoch": fit.epoch,
            "fits_error": fit.error,
            "best_epochs": [first, last],
            "dev_rows": best.dev_rows,
        },
        gain=state.bias_gain,
        changes=changes,
        reasons=dict.fromkeys(changes, f"early stopping chose {chosen}, before the network fitted its training set"),
    )


def _steadier_choice(state: StudyState, best: BestTrialState) -> dict[str, Any]:
    """Return the changes that make the choice of an epoch less noisy."""
    if best.dev_rows >= FEW_DEV_ROWS:
        return {}
    folds = state.data.may_use_folds and "data.folds" not in state.changed
    smoother = METRICS[best.monitor].less_noisy
    return ({"training.monitor": smoother} if smoother else {}) | ({"data.folds": FOLDS} if folds else {})


def _why_it_stopped(best: BestTrialState, chosen: str) -> str:
    """Say why early stopping chose an early epoch, and what helps."""
    monitor = METRICS[best.monitor]
    watched = f"the {monitor.label} on {best.dev_rows:,} dev rows"
    if best.dev_rows >= FEW_DEV_ROWS:
        return f"it chose {chosen} by {watched}. More data or regularization would make later epochs better on dev."
    smoother = ""
    if monitor.less_noisy is not None:
        other = METRICS[monitor.less_noisy]
        smoother = f', or by {other.label} instead of {monitor.label} (monitor = "{other.name}")'
    return (
        f"it chose {chosen} by {watched}, where an early epoch may look best by chance. Choose on more dev rows or "
        f"folds{smoother}. More data or regularization would make later epochs better on dev."
    )


def bigger_network(state: StudyState) -> Action | None:
    """The largest network searched is the best, and does not fit its training set."""
    best = state.best
    if not state.is_high(BIAS) or best is None or best.hidden is None or not best.is_largest or best.fit is not None:
        return None
    larger = [_scaled(best.hidden, factor) for factor in (2, 4)]
    missed = state.unit.text(state.train_error or 0.0)
    largest = "one without a hidden layer" if best.hidden == "none" else f"{best.hidden} units"
    return Action(
        why=f"The train error is {missed}, and no network larger than {largest} was tried. Try larger ones.",
        verb=Verb.REFINE,
        evidence={"hidden": best.hidden, "proposed": larger},
        gain=state.bias_gain,
        changes={"space.hidden": {"choice": [best.hidden, *larger]}},
        reasons={"space.hidden": f"a larger network: the largest one tried has a train error of {missed}"},
    )


def _scaled(hidden: str, factor: int) -> str:
    """Return the layers, each ``factor`` times as wide; no layer becomes one of 16 or 32 units."""
    if hidden == "none":
        return str(8 * factor)
    return "-".join(str(factor * int(width)) for width in hidden.split("-"))


def less_regularization(state: StudyState) -> Action | None:
    """A regularizing hyperparameter raises the train error, or may, and can be reduced."""
    if not state.is_high(BIAS) or state.fit is not None:
        return None
    # If variance is high too, reduce only what certainly raises the train error.
    signs = (1,) if state.is_high("variance") else (1, 0, None)
    eased = [
        one
        for one in state.ranges
        if one.strength and amount(one) > 0.25 and one.stronger_on_bias in signs and can_shift(one, stronger=False)
    ]
    eased.sort(key=lambda one: (one.effect_on_bias != one.strength, -amount(one)))
    if not eased:
        return None
    why = f"Regularization keeps the network from fitting its training set. Reduce it: {described(eased)}."
    return regularize(state, eased, why, stronger=False)


def other_architecture(state: StudyState) -> Action | None:
    """High bias that neither network size, training time nor regularization explains."""
    others = (train_longer, steadier_stopping, bigger_network, less_regularization)
    if not state.is_high(BIAS) or any(action(state) for action in others):
        return None
    return Action(
        why=_what_is_left(state),
        evidence={"train_error": state.train_error, "hidden": None if state.best is None else state.best.hidden},
    )


def _what_is_left(state: StudyState) -> str:
    unit = state.unit
    if not state.has_size:
        return (
            f"No trial lets the models of {state.trainer} fit their training examples. Try larger or other models, "
            "longer training, other features, or cleaner labels."
        )
    if state.fit is not None and state.fit.trial is not None:
        return (
            f"The network is large enough: in trial {state.fit.trial}, with a network no larger, the train error falls "
            f"to {unit.text(state.fit.error)}, but dev error is higher than in the best trial. A larger network or "
            "less regularization would not help. Try other features, cleaner labels or more data."
        )
    return (
        "The network is large enough, trained long enough and hardly regularized, and still does not fit its training "
        "examples. Try other features, another activation or optimizer, or cleaner labels."
    )
