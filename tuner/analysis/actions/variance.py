"""Actions against high variance: more data, more regularization, augmentation."""

from __future__ import annotations

from tuner.analysis.actions.action import Action, Gain, Verb
from tuner.analysis.actions.ranges import described, regularize
from tuner.analysis.actions.state import StudyState
from tuner.analysis.next_ranges import amount, can_shift, fall


def more_data(state: StudyState) -> Action | None:
    """More data reduces variance, unless a measured learning curve does not certainly fall."""
    if not state.is_high("variance"):
        return None
    if state.curve is None:
        return _measure_curve(state)
    curve, twice = state.curve, state.curve.twice.value
    if curve.gain.low <= 0:
        return None
    return Action(
        why=curve.sentence(),
        evidence={"n_train": state.data.n_train, "today": curve.today, "twice": twice},
        gain=Gain(curve.gain.low, curve.gain.high),
    )


def _measure_curve(state: StudyState) -> Action:
    """Advise more data, with the command that measures what it would bring, if the trainer can train again."""
    unit = state.unit
    variance, curve = state.size("variance"), state.can_measure_curve
    return Action(
        why=f"Dev error is {unit.gap(variance or 0.0)}{unit.of_gaps} above train error with {state.data.n_train:,} "
        "training examples" + (": measure how much more data would help." if curve else "."),
        verb=Verb.LEARNING_CURVE if curve else None,
        evidence={"n_train": state.data.n_train, "variance": variance},
    )


def more_regularization(state: StudyState) -> Action | None:
    """More of a regularizing hyperparameter certainly lowers dev error, and it can be increased further."""
    if not state.is_high("variance"):
        return None
    turned = [
        one
        for one in state.open_ranges
        if one.strength and fall(one, upper=one.strength > 0) is not None and can_shift(one, stronger=True)
    ]
    turned.sort(key=amount)
    if not turned:
        return None
    why = (
        "The network fits its training examples better than new ones, and more regularization lowered dev error. "
        f"Regularize more: {described(turned)}."
    )
    return regularize(state, turned, why, stronger=True)


def augmentation(state: StudyState) -> Action | None:
    """Shifted and rotated images are more training examples."""
    if not state.is_high("variance") or not state.data.images or state.data.augmented:
        return None
    return Action(
        why="Shifted and slightly rotated copies of the images are more training examples at no cost.",
        verb=Verb.REFINE,
        evidence={"n_train": state.data.n_train},
        changes={"space.shift": {"uniform": [0.0, 2.0]}, "space.rotation": {"uniform": [0.0, 15.0]}},
        reasons={
            "space.shift": "pixels; shifted copies are more examples",
            "space.rotation": "degrees; rotated copies are more examples",
        },
    )
